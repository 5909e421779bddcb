"""Opening a checkpoint file without running anything that it contains.

Every opener is a context manager over the tensors of one file. Numbers are read when a tensor's ``load`` is
called. When the block ends without an error, the files are known not to have changed since it began.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fmq_theory.checkpoint.io.container import Container, open_container
from fmq_theory.checkpoint.io.file_bytes import FileBytes, changed_meanwhile
from fmq_theory.checkpoint.io.foreign_files import what_it_is
from fmq_theory.checkpoint.io.naming import Entry, classify, with_averages
from fmq_theory.checkpoint.io.number_types import TORCH_TYPES, from_bytes
from fmq_theory.checkpoint.io.packed.file import QuantizedFile
from fmq_theory.checkpoint.io.packed.index import quantization_config
from fmq_theory.checkpoint.io.pickled import NeedsCodeError, PickleError, open_pickled
from fmq_theory.checkpoint.io.shards import INDEX_SUFFIX, find_checkpoint, open_sharded
from fmq_theory.checkpoint.io.tensors import StoredTensor
from fmq_theory.errors import CheckpointError

__all__ = ["OpenCheckpoint", "Readable", "is_quantized", "open_checkpoint", "opened"]

Bytes = NDArray[np.uint8]
Opener = Callable[[Path], AbstractContextManager["OpenCheckpoint"]]


class OpenCheckpoint(list[StoredTensor]):
    """The tensors of an open checkpoint, in the order of its files.

    Args:
        tensors: all of them.
        files: what they are read from, the index of shards first.
        packed: the same file as what it holds, where ``fmq quantize`` wrote it.

    Attributes:
        quantized: whether ``fmq quantize`` wrote it.
        path: as the caller named it; a folder, for one.
        file: what that stands for: the file, or the index of its shards.
    """

    def __init__(
        self,
        tensors: Iterable[StoredTensor],
        files: Iterable[FileBytes],
        *,
        packed: QuantizedFile | None = None,
    ) -> None:
        super().__init__(tensors)
        self.files = tuple(files)
        self.packed, self.quantized = packed, packed is not None
        self.path = self.file = self.files[0].path
        self._entries: list[Entry] | None = None

    def entries(self, asked: Sequence[str] = ()) -> list[Entry]:
        """The tensors by name, sorted into weights and the rest once for all that ask; see ``classify``.

        Args:
            asked: patterns of names that may select a running average.
        """
        if self._entries is None:
            self._entries = classify(self)
        return with_averages(self._entries, asked)

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Files that are read, and the config.json beside them: none may become an output."""
        paths = (self.path, *(file.path for file in self.files), self.file.parent / "config.json")
        return tuple(dict.fromkeys(paths))

    def verify_unchanged(self) -> None:
        """Makes sure that nobody wrote into the files since they were opened. Call it before a result counts.

        Raises:
            CheckpointError: somebody did.
        """
        for file in self.files:
            file.verify_unchanged()

    def verify_in_place(self) -> None:
        """Makes sure that the same files are still under their names: others may have opened them anew.

        Raises:
            CheckpointError: one was written to, replaced or removed.
        """
        for file in self.files:
            if not file.is_in_place():
                raise changed_meanwhile(self.path)


Readable = Path | str | OpenCheckpoint
"""What a function reads: the name of a checkpoint, or one that its caller has opened."""


@contextmanager
def opened(checkpoint: Readable) -> Generator[OpenCheckpoint]:
    """The checkpoint itself where it is open, which then stays so; else ``open_checkpoint``.

    Raises:
        CheckpointError: see ``open_checkpoint``.
    """
    if isinstance(checkpoint, OpenCheckpoint):
        yield checkpoint
        return
    with open_checkpoint(Path(checkpoint)) as found:
        yield found


@contextmanager
def open_checkpoint(path: Path) -> Generator[OpenCheckpoint]:
    """The tensors of ``path``, whatever its format; inside the ``with`` they can be loaded.

    A folder stands for the checkpoint in it (see ``find_checkpoint``), an index for its shards.

    Raises:
        CheckpointError: no such file, not a file, empty, of an unknown format, damaged, or a pickle
            that needs code to be run; above a limit (see ``limits``); a shard that is missing, or outside
            of its folder. On the way out of the ``with``: a file changed meanwhile.
    """
    with _opener(find_checkpoint(path)) as found:
        found.path = path
        yield found


def _opener(path: Path) -> AbstractContextManager[OpenCheckpoint]:
    _check_file(path)
    if path.name.endswith(INDEX_SUFFIX):
        return _sharded(path)
    opener = _OPENERS.get(path.suffix.lower())
    if opener is None:
        if (found := what_it_is(path)) is not None:
            raise CheckpointError(f"checkpoint {str(path)!r}", f"it is {found[0]}", found[1])
        raise CheckpointError(
            f"checkpoint {str(path)!r}",
            f"files that end in {path.suffix!r} are not read",
            f"pass one that ends in {', '.join(_OPENERS)} or {INDEX_SUFFIX}, or a folder with one",
        )
    return opener(path)


def _check_file(path: Path) -> None:
    thing = f"checkpoint {str(path)!r}"
    try:
        if not path.exists():
            raise CheckpointError(thing, "there is no such file", "check the path")
        if not path.is_file():
            raise CheckpointError(thing, "it is not a regular file", "pass a checkpoint file")
        if path.stat().st_size == 0:
            raise CheckpointError(thing, "the file is empty", "save or download it again")
        with path.open("rb"):
            pass
    except (OSError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            thing, f"it cannot be opened ({error})", "check the path and permissions"
        ) from error


def is_quantized(path: Path) -> bool:
    """Whether ``fmq quantize`` wrote the file.

    Raises:
        CheckpointError: it says so in words that cannot be read.
    """
    if path.suffix.lower() != ".safetensors":
        return False
    try:
        container = open_container(path)
    except CheckpointError:
        return False  # its own reader says what is wrong
    return quantization_config(container) is not None


def _quantized(container: Container) -> OpenCheckpoint:
    """The tensors of a quantized checkpoint, dequantized when they are loaded."""
    file = QuantizedFile(container)
    numbers = {name: (i,) for i, name in enumerate(file.names)}
    tensors = (
        StoredTensor(
            keys=(name,),
            shape=file.shape(name),
            dtype=file.dtype(name),
            strided=True,
            storage=numbers[file.ties.get(name, name)],
            load=_dequantized(file, name),
        )
        for name in file.names
    )
    return OpenCheckpoint(tensors, [container.file], packed=file)


def _dequantized(file: QuantizedFile, name: str) -> Callable[[], torch.Tensor]:
    return lambda: file.dequantize(name)


@contextmanager
def _sharded(path: Path) -> Generator[OpenCheckpoint]:
    index = FileBytes(path)
    with open_sharded(path, _checked_shard) as shards:
        tensors = (tensor for _, chosen in shards for tensor in chosen)
        found = OpenCheckpoint(tensors, [index, *(file for shard, _ in shards for file in shard.files)])
        yield found
        found.verify_unchanged()


def _checked_shard(path: Path) -> AbstractContextManager[OpenCheckpoint]:
    _check_file(path)
    return _safetensors(path, shard=True)


@contextmanager
def _safetensors(path: Path, *, shard: bool = False) -> Generator[OpenCheckpoint]:
    try:
        container = open_container(path)
    except CheckpointError as error:
        raise _renamed(path) or error from None
    if not shard and quantization_config(container) is not None:
        found = _quantized(container)
    else:
        found = OpenCheckpoint((_plain(container, name) for name in container.specs), [container.file])
    yield found
    found.verify_unchanged()


def _plain(container: Container, name: str) -> StoredTensor:
    """A tensor of a safetensors file. The format has no shared tensors."""
    spec = container.specs[name]
    known = spec.dtype in TORCH_TYPES
    return StoredTensor(
        keys=(name,),
        shape=spec.shape,
        dtype=TORCH_TYPES[spec.dtype] if known else torch.uint8,
        strided=True,
        storage=None,
        load=_from_container(container, name),
        raw_type="" if known else spec.dtype,
        raw=None if known else lambda: container.bytes_of(name),
    )


def _from_container(container: Container, name: str) -> Callable[[], torch.Tensor]:
    spec = container.specs[name]

    def load() -> torch.Tensor:
        try:
            return from_bytes(container.own_bytes_of(name), spec.dtype, spec.shape)
        except CheckpointError as error:
            raise error.renamed(f"tensor {name!r} of {str(container.path)!r}: {error.thing}") from error

    return load


@contextmanager
def _pickled(path: Path) -> Generator[OpenCheckpoint]:
    file = FileBytes(path)
    try:
        found = OpenCheckpoint(open_pickled(path, file), [file])
    except NeedsCodeError as error:
        raise CheckpointError(
            f"checkpoint {str(path)!r}",
            f"it holds Python objects ({error}), and reading those would run code from the file",
            "where you trust it, load it in its own project and save model.state_dict() alone "
            "with safetensors.torch.save_file or torch.save",
        ) from error
    except PickleError as error:
        raise _renamed(path) or CheckpointError(
            f"checkpoint {str(path)!r}",
            f"it is truncated or corrupt, or no {path.suffix.lower()} file at all ({error})",
            "download or save it again and compare its size or checksum",
        ) from error
    yield found
    found.verify_unchanged()


def _renamed(path: Path) -> CheckpointError | None:
    """The error about a file whose contents are not what its name says; None where they may be."""
    suffix = path.suffix.lower()
    if (found := what_it_is(path)) is not None:
        cause = f"it ends in {suffix!r} but is {found[0]}"
        return CheckpointError(f"checkpoint {str(path)!r}", cause, found[1])
    kind = _content(path)
    if kind is None or _OPENERS[suffix] is _OPENERS[kind]:
        return None
    return CheckpointError(
        f"checkpoint {str(path)!r}",
        f"it ends in {suffix!r} but is no such file",
        f"rename it to end in {kind!r}",
    )


def _content(path: Path) -> str | None:
    """The suffix that the first bytes call for; None if they say nothing."""
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except OSError:
        return None
    if head.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        return ".pt"
    if len(head) == 9 and head[8:] == b"{":
        return ".safetensors"
    return None


_OPENERS: dict[str, Opener] = {
    ".safetensors": _safetensors,
    ".pt": _pickled,
    ".pth": _pickled,
    ".ckpt": _pickled,
    ".bin": _pickled,
}
