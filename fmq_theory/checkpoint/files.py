"""Opening a checkpoint file without running anything that it contains.

Both openers are context managers over the tensors of one file. Numbers are read when a tensor's
``load`` is called, or paged in by the operating system where the format allows it.
"""

import pickle
import struct
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open

from fmq_theory.checkpoint.container import open_container
from fmq_theory.checkpoint.number_types import TORCH_TYPES
from fmq_theory.checkpoint.quantized_file import QuantizedFile, quantization_config
from fmq_theory.checkpoint.shards import INDEX_SUFFIX, find_checkpoint, open_sharded
from fmq_theory.checkpoint.tensors import StoredTensor
from fmq_theory.errors import CheckpointError

__all__ = ["is_quantized", "open_checkpoint"]

Opener = Callable[[Path], AbstractContextManager[list[StoredTensor]]]

# What a damaged pickle makes of the restricted unpickler: its opcodes index stacks, memos and tables.
_DAMAGE = (
    pickle.UnpicklingError,
    RuntimeError,
    OSError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
    struct.error,
)
# What the restricted unpickler says of a file that asks for more than plain data and tensors.
_NEEDS_CODE = ("unsupported global", "unsupported class", "torchscript", "is blocked", "not allowed")


def open_checkpoint(path: Path) -> AbstractContextManager[list[StoredTensor]]:
    """The tensors of ``path``, whatever its format; inside the ``with`` they can be loaded.

    A folder stands for the checkpoint in it (see ``find_checkpoint``), an index for its shards.

    Raises:
        CheckpointError: no such file, not a file, empty, of an unknown format, damaged, or a pickle
            that needs code to be run; a shard that is missing, or outside of its folder.
    """
    path = find_checkpoint(path)
    _check_file(path)
    if path.name.endswith(INDEX_SUFFIX):
        return open_sharded(path, _checked_shard)
    if is_quantized(path):
        return _quantized(path)
    opener = _OPENERS.get(path.suffix.lower())
    if opener is None:
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


@contextmanager
def _quantized(path: Path) -> Generator[list[StoredTensor]]:
    """The tensors of a quantized checkpoint, dequantized when they are loaded."""
    with QuantizedFile(path) as file:
        numbers = {name: (i,) for i, name in enumerate(file.names)}
        yield [
            StoredTensor(
                keys=(name,),
                shape=file.shape(name),
                dtype=file.dtype(name),
                strided=True,
                storage=numbers[file.ties.get(name, name)],
                load=_dequantized(file, name),
            )
            for name in file.names
        ]


def _dequantized(file: QuantizedFile, name: str) -> Callable[[], torch.Tensor]:
    return lambda: file.dequantize(name)


def _checked_shard(path: Path) -> AbstractContextManager[list[StoredTensor]]:
    _check_file(path)
    return _safetensors(path)


@contextmanager
def _safetensors(path: Path) -> Generator[list[StoredTensor]]:
    try:
        with cast("Any", safe_open)(path, framework="pt", device="cpu") as handle:
            open_container(path)  # refuses a name that is there twice, which the library reads
            stored: list[StoredTensor] = []
            for name in cast("list[str]", handle.offset_keys()):
                part = handle.get_slice(name)
                stored.append(
                    StoredTensor(
                        keys=(name,),
                        shape=tuple(part.get_shape()),
                        dtype=TORCH_TYPES.get(part.get_dtype(), torch.uint8),
                        strided=True,
                        storage=None,  # the format has no shared tensors
                        load=_from_safetensors(handle, name),
                    )
                )
            yield stored
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error


def _from_safetensors(handle: Any, name: str) -> Callable[[], torch.Tensor]:
    return lambda: cast("torch.Tensor", handle.get_tensor(name))


@contextmanager
def _pickled(path: Path) -> Generator[list[StoredTensor]]:
    root = _load_restricted(path)
    yield [
        StoredTensor(
            keys=keys,
            shape=tuple(tensor.shape),
            dtype=tensor.dtype,
            strided=_is_plain(tensor),
            storage=_storage(tensor),
            load=_itself(tensor),
        )
        for keys, tensor in _walk(root, ())
    ]


def _itself(tensor: torch.Tensor) -> Callable[[], torch.Tensor]:
    return lambda: tensor


def _load_restricted(path: Path) -> object:
    """``torch.load`` with weights_only, paged in from the file where it can be."""
    with warnings.catch_warnings():
        # About TorchScript and old storage classes: either handled here or of no concern to a reader.
        warnings.simplefilter("ignore")
        try:
            # Only the zip format can be mapped; the older one is read whole.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
        except _DAMAGE as error:
            if any(sign in str(error).lower() for sign in _NEEDS_CODE):
                raise CheckpointError(
                    f"checkpoint {str(path)!r}",
                    "it holds Python objects, and reading those would run code from the file",
                    "where you trust it, load it in its own project and save model.state_dict() alone "
                    "with safetensors.torch.save_file or torch.save",
                ) from error
            raise _damaged(path, error) from error


def _damaged(path: Path, error: BaseException) -> CheckpointError:
    kind = _content(path)
    suffix = path.suffix.lower()
    if kind is not None and _OPENERS[suffix] is not _OPENERS[kind]:
        return CheckpointError(
            f"checkpoint {str(path)!r}",
            f"it ends in {suffix!r} but is no such file",
            f"rename it to end in {kind!r}",
        )
    return CheckpointError(
        f"checkpoint {str(path)!r}",
        f"it is truncated or corrupt, or no {suffix} file at all ({_gist(error)})",
        "download or save it again and compare its size or checksum",
    )


def _gist(error: BaseException) -> str:
    """The one line of a library's message that says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith("Weights only load failed"):
        lines = lines[1:]  # the advice to switch the protection off
    if lines and lines[0].endswith("WeightsUnpickler error:"):
        lines = lines[1:]  # the advice to write to the authors of torch
    return lines[0].split(". ", 1)[0][:120] if lines else type(error).__name__


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


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _walk(node: object, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], torch.Tensor]]:
    """Every tensor below ``node`` with the path to it, in file order.

    An explicit stack, so that a file nested a million deep is no RecursionError; containers that
    hold themselves are entered once.
    """
    stack: list[tuple[tuple[str, ...], object]] = [(keys, node)]
    entered: set[int] = set()
    while stack:
        keys, node = stack.pop()
        if isinstance(node, torch.Tensor):
            yield keys, node
            continue
        if isinstance(node, dict):
            children = [(str(key), child) for key, child in cast("dict[object, object]", node).items()]
        elif isinstance(node, (list, tuple)):
            children = [(str(i), child) for i, child in enumerate(cast("list[object]", node))]
        else:
            continue
        identity = id(cast("object", node))
        if identity in entered:
            continue
        entered.add(identity)
        stack.extend(((*keys, key), child) for key, child in reversed(children))


def _is_plain(tensor: torch.Tensor) -> bool:
    return tensor.layout == torch.strided and not tensor.is_quantized and tensor.device.type == "cpu"


def _storage(tensor: torch.Tensor) -> tuple[int, ...] | None:
    """Start and count of the numbers: a transposed or tied tensor has the same, a slice has not."""
    if not _is_plain(tensor) or tensor.numel() == 0:
        return None
    start = tensor.untyped_storage().data_ptr()
    return start, int(tensor.storage_offset()), tensor.numel(), tensor.element_size()


_OPENERS: dict[str, Opener] = {
    ".safetensors": _safetensors,
    ".pt": _pickled,
    ".pth": _pickled,
    ".ckpt": _pickled,
    ".bin": _pickled,
}
