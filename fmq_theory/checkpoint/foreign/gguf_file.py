"""GGUF files of llama.cpp and stable-diffusion.cpp, read by the package ``gguf`` that their authors publish.

The package reads the header and rebuilds the numbers of each type (Q4_0 to Q8_0, the K and IQ types, MXFP4,
and the plain ones). The bytes of a weight are read when it is asked for, not mapped.
"""

import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fmq_theory.checkpoint.foreign.stored import Decoded, StoredWeight
from fmq_theory.checkpoint.io import limits
from fmq_theory.checkpoint.io.file_bytes import FileBytes
from fmq_theory.errors import CheckpointError

__all__ = ["architecture_names", "gguf_weights", "is_gguf"]

_MAGIC = b"GGUF"
_PLAIN = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64}
# What the reader says of a header that ends too early or makes no sense.
_BROKEN = (
    ValueError, IndexError, KeyError, TypeError, OverflowError, UnicodeDecodeError, MemoryError, struct.error
)  # fmt: skip


def is_gguf(path: Path) -> bool:
    """Whether its first bytes are those of a GGUF file.

    Args:
        path: of any file.
    """
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def gguf_weights(path: Path, file: FileBytes) -> tuple[list[StoredWeight], str]:
    """The tensors of a GGUF file, in its order, and the name of the architecture that it states.

    Args:
        path: of the file.
        file: the same, open.

    Raises:
        CheckpointError: the package gguf is missing, or the file is damaged.
    """
    reader = _reader(path)
    limits.check_count(f"GGUF file {str(path)!r}", "tensors", len(reader.tensors), "MOST_TENSORS")
    for tensor in reader.tensors:
        if int(tensor.data_offset) + int(tensor.n_bytes) > file.size:
            raise _damaged(path, f"tensor {tensor.name!r} ends behind the end of the file")
    architecture = reader.fields.get("general.architecture")
    name = "" if architecture is None else str(architecture.contents())
    return [_weight(path, file, tensor, reader) for tensor in reader.tensors], name


def architecture_names(architecture: str, names: list[str]) -> dict[str, str]:
    """What llama.cpp calls tensors of these names, as far as its package knows the architecture.

    Args:
        architecture: as the file states it.
        names: of the original's tensors.
    """
    gguf = _package()
    known = {text: kind for kind, text in gguf.MODEL_ARCH_NAMES.items()}
    if architecture not in known:
        return {}
    blocks = [int(part) for name in names for part in name.split(".") if part.isdecimal() and len(part) < 5]
    table = gguf.get_tensor_name_map(known[architecture], 1 + max(blocks, default=0))
    found = {name: table.get_name(key=name, try_suffixes=(".weight", ".bias")) for name in names}
    return {name: str(theirs) for name, theirs in found.items() if theirs is not None}


def _package() -> Any:
    try:
        import gguf
    except ImportError:
        raise CheckpointError(
            "GGUF files",
            "the package gguf, which reads them, is not installed",
            "install it: pip install 'fmq_theory[gguf]'",
        ) from None
    return gguf


def _reader(path: Path) -> Any:
    gguf = _package()
    try:
        with np.errstate(all="ignore"):
            return gguf.GGUFReader(path)
    except _BROKEN as error:
        raise _damaged(path, str(error)) from error


def _weight(path: Path, file: FileBytes, tensor: Any, reader: Any) -> StoredWeight:
    name, kind = str(tensor.name), str(tensor.tensor_type.name)
    shape = tuple(int(size) for size in reversed(tensor.shape.tolist()))
    # ComfyUI-GGUF keeps the shape of what had to be folded into rows of whole blocks.
    folded = reader.fields.get(f"comfy.gguf.orig_shape.{name}")
    if folded is not None:
        said = tuple(int(size) for size in folded.contents())
        shape = said if math.prod(said) == math.prod(shape) else shape
    load = _loader(path, file, tensor, plain=kind in _PLAIN)
    count = math.prod(shape)
    return StoredWeight(name, shape, count, f"GGUF {kind}", int(tensor.n_bytes), load, plain=kind in _PLAIN)


def _loader(path: Path, file: FileBytes, tensor: Any, *, plain: bool) -> Callable[[tuple[int, ...]], Decoded]:
    kind, byte_shape, dtype = tensor.tensor_type, tensor.data.shape, tensor.data.dtype

    def load(asked: tuple[int, ...]) -> Decoded:
        data = file.read(int(tensor.data_offset), int(tensor.n_bytes)).view(dtype).reshape(byte_shape)
        nearest = _PLAIN.get(kind.name) if plain else None
        if kind.name in ("F32", "F16", "F64"):
            return Decoded(torch.from_numpy(data).reshape(asked), nearest=nearest)  # pyright: ignore[reportUnknownMemberType]
        try:
            with np.errstate(all="ignore"):  # a nan of the file is told of where it is used
                numbers = _package().dequantize(data, kind)
        except NotImplementedError as error:
            raise CheckpointError(
                f"tensor {tensor.name!r} of {str(path)!r}",
                f"the package gguf does not rebuild numbers of type {kind.name}",
                "install a newer one: pip install -U gguf",
            ) from error
        numbers = np.ascontiguousarray(numbers, dtype=np.float32)
        return Decoded(torch.from_numpy(numbers).reshape(asked), nearest=nearest)  # pyright: ignore[reportUnknownMemberType]

    return load


def _damaged(path: Path, cause: str) -> CheckpointError:
    return CheckpointError(
        f"GGUF file {str(path)!r}",
        f"it is truncated or corrupt ({cause})",
        "download or write it again and compare its size or checksum",
    )
