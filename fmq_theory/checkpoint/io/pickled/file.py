"""The tensors of a file of ``torch.save``."""

import gc
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from fmq_theory.checkpoint.io import limits
from fmq_theory.checkpoint.io.file_bytes import FileBytes
from fmq_theory.checkpoint.io.number_types import PAIRS, PAIRS_TYPE, bytes_of, tensor_of
from fmq_theory.checkpoint.io.pickled.program import PickleError
from fmq_theory.checkpoint.io.pickled.rebuild import Described
from fmq_theory.checkpoint.io.pickled.sources import Legacy, Source, Zipped
from fmq_theory.checkpoint.io.tensors import StoredTensor
from fmq_theory.errors import CheckpointError

__all__ = ["open_pickled"]

Keys = tuple[str, ...]
Bytes = NDArray[np.uint8]
_ZIP_SIGN = b"PK\x03\x04"
_PICKLE_SIGN = b"\x80"
_NOTHING = np.empty(0, dtype=np.uint8)


def open_pickled(path: Path, file: FileBytes) -> list[StoredTensor]:
    """The tensors, whose numbers are read when they are asked for.

    Args:
        path: of the file, for messages.
        file: stays open as long as one of the tensors is there.

    Raises:
        NeedsCodeError: it holds what is neither plain data nor a tensor.
        PickleError: it is damaged, or no such file.
        CheckpointError: it is damaged, or above a limit.
    """
    thing = f"checkpoint {str(path)!r}"
    with _without_collector():
        source = _source(file)
        described = list(_walk(source.root, thing, file))
    promised = sum(tensor.count * tensor.dtype.itemsize for _, tensor in described if not tensor.kind)
    limits.check_expansion(thing, promised, file.size)
    places: dict[tuple[Any, ...], int] = {}
    found: list[StoredTensor] = []
    for keys, tensor in described:
        place = _place(tensor)
        _check_name(keys, path)
        load = _loader(source, tensor, keys, path)
        pairs = tensor.shape != () and tensor.dtype == PAIRS_TYPE
        found.append(
            StoredTensor(
                keys=keys,
                shape=(*tensor.shape[:-1], 2 * tensor.shape[-1]) if pairs else tensor.shape,
                dtype=tensor.dtype,
                strided=not tensor.kind,
                storage=None if place is None else (places.setdefault(place, len(places)),),
                load=load,
                kind=tensor.kind,
                raw_type=PAIRS if pairs else "",
                raw=_raw(load) if pairs else None,
            )
        )
    return found


@contextmanager
def _without_collector() -> Generator[None]:
    """Python's collector looks through all objects again and again while their number grows."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _raw(load: Callable[[], torch.Tensor]) -> Callable[[], Bytes]:
    return lambda: bytes_of(load())


def _source(file: FileBytes) -> Source:
    """By the first bytes, as torch does; an archive may have something else before it."""
    head = file.read(0, min(4, file.size)).tobytes()
    if head.startswith(_PICKLE_SIGN):
        return Legacy(file)
    if head == _ZIP_SIGN:
        return Zipped(file)
    try:
        return Legacy(file)
    except PickleError as error:
        try:
            return Zipped(file)
        except CheckpointError:
            raise error from None


def _walk(root: object, thing: str, file: FileBytes) -> Iterator[tuple[Keys, Described]]:
    """Every tensor below ``root`` with the path to it, in file order.

    A container that is there under several names is entered under each of them, but not within itself. What
    few bytes repeat a million times over is refused.
    """
    stack: list[tuple[_Path, object]] = [(_Path(None, "", 0, 0), root)]
    entered: set[int] = set()
    names: dict[int, int] = {}
    barren: set[int] = set()  # containers known to hold no tensor
    visits = tensors = letters = 0
    while stack:
        path, node = stack.pop()
        if isinstance(node, Described):
            tensors += 1
            letters += path.letters
            names[id(node)] = names.get(id(node), 0) + 1
            limits.check_count(thing, "names for one tensor", names[id(node)], "MOST_NAMES")
            limits.check_count(thing, "tensors", tensors, "MOST_TENSORS")
            limits.check_expansion(thing, letters, file.size)
            yield path.keys(), node
            continue
        if isinstance(node, _Left):
            entered.remove(node.container)
            if tensors == node.tensors:
                barren.add(node.container)
            continue
        identity = id(node)
        if identity in entered or identity in barren:
            continue
        children = _children(node)
        visits += 1 + len(children)
        limits.check_count(thing, "objects, each counted once a name", visits, "MOST_STEPS")
        limits.check_count(thing, "containers within containers", path.depth, "MOST_DEPTH")
        entered.add(identity)
        stack.append((path, _Left(identity, tensors)))
        stack.extend((path.below(str(key)), child) for key, child in reversed(children))


def _children(node: object) -> list[tuple[object, object]]:
    """What a container holds that may hold tensors."""
    if isinstance(node, dict):
        named = cast("dict[object, object]", node).items()
    elif isinstance(node, (list, tuple)):
        named = enumerate(cast("list[object]", node))
    else:
        return []
    return [
        (k, v) for k, v in named if isinstance(v, Described) or (isinstance(v, (dict, list, tuple)) and v)
    ]


@dataclass(frozen=True, slots=True)
class _Left:
    """Stands on the stack below the contents of a container: where it is met, the container has been left."""

    container: int
    tensors: int


@dataclass(frozen=True, slots=True)
class _Path:
    """The names on the way to an object, linked: neighbours share what they have in common."""

    above: "_Path | None"
    key: str
    depth: int
    letters: int

    def below(self, key: str) -> "_Path":
        return _Path(self, key, self.depth + 1, self.letters + len(key) + 1)

    def keys(self) -> Keys:
        found: list[str] = []
        path = self
        while path.above is not None:
            found.append(path.key)
            path = path.above
        return tuple(reversed(found))


def _place(tensor: Described) -> tuple[Any, ...] | None:
    """Equal for two tensors that show the same numbers in any order of the axes; None for no numbers.

    Axes are sorted by stride, axes of one index left out, and neighbours that follow one another without a
    gap are one. So a matrix, its transpose and its rows put behind one another are the same, every second
    column is not.
    """
    if tensor.kind or tensor.storage is None or tensor.count == 0:
        return None
    axes: list[tuple[int, int]] = []
    for stride, size in sorted(
        ((s, n) for n, s in zip(tensor.shape, tensor.strides, strict=True) if n > 1), reverse=True
    ):
        if axes and axes[-1][0] == stride * size:
            axes[-1] = (stride, axes[-1][1] * size)
        else:
            axes.append((stride, size))
    storage = tensor.storage
    first = storage.start * storage.dtype.itemsize + tensor.offset * tensor.dtype.itemsize
    return storage.key, first, str(tensor.dtype), tensor.negated, tensor.conjugated, *axes


def _thing(keys: Keys, path: Path) -> str:
    return f"tensor {'.'.join(keys)!r} of {str(path)!r}"


def _check_name(keys: Keys, path: Path) -> None:
    """Refuses a name that is no text: half of a surrogate pair cannot be written into any file."""
    try:
        for key in keys:
            key.encode("utf-8")
    except UnicodeEncodeError as error:
        raise CheckpointError(
            _thing(keys, path),
            "its name is no text: half of a surrogate pair stands alone in it",
            "rename it and save the file again",
        ) from error


def _loader(source: Source, tensor: Described, keys: Keys, path: Path) -> Callable[[], torch.Tensor]:
    return lambda: _loaded(source, tensor, keys, path)


def _loaded(source: Source, tensor: Described, keys: Keys, path: Path) -> torch.Tensor:
    """The numbers, laid out as they were saved."""
    if tensor.kind or tensor.storage is None:
        raise CheckpointError(
            _thing(keys, path),
            f"it is {tensor.kind or 'without numbers'}",
            "save the checkpoint again with plain tensors in its place, or without it",
        )
    width = tensor.dtype.itemsize
    first = tensor.storage.start * tensor.storage.dtype.itemsize + tensor.offset * width
    # Of a row without numbers there may be no record.
    data = source.numbers(tensor.storage, first, tensor.span * width) if tensor.count else _NOTHING
    found = tensor_of(data, tensor.dtype).as_strided(tensor.shape, tensor.strides)
    if tensor.conjugated:
        found = found.conj().resolve_conj()
    return -found if tensor.negated else found
