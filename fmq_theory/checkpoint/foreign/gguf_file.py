"""GGUF files of llama.cpp and stable-diffusion.cpp, rebuilt by the package ``gguf`` of their authors.

It knows every type (Q4_0 to Q8_0, the K and IQ types, MXFP4, and the plain ones). The header is read in
``gguf_header``, and the bytes of a weight when it is asked for.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from fmq_theory.checkpoint.foreign.gguf_header import (
    MAGIC,
    GgufHeader,
    GgufTensor,
    damaged_gguf,
    read_gguf_header,
)  # fmt: skip
from fmq_theory.checkpoint.foreign.stored import (
    Decoded,
    FreeTables,
    ScaledTable,
    StoredWeight,
    blocks_of,
)  # fmt: skip
from fmq_theory.checkpoint.io.file_bytes import FileBytes
from fmq_theory.checkpoint.io.optional_packages import optional_package
from fmq_theory.errors import CheckpointError

__all__ = ["architecture_names", "gguf_weights", "is_gguf"]

_PLAIN = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64}
_NUMPY = {"F32": np.float32, "F16": np.float16, "F64": np.float64}
_BLOCK = 32  # weights of a block of the types below
_STEPS = {"Q4_1": 4, "Q5_1": 5}  # a scale and a least value a block: bits
_INTEGERS_OF = {"Q4_0": range(-8, 8), "Q5_0": range(-16, 16)}  # a scale a block: what it multiplies
_INTEGERS = ("I8", "I16", "I32", "I64")


def is_gguf(path: Path) -> bool:
    """Whether its first bytes are those of a GGUF file.

    Args:
        path: of any file.
    """
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def gguf_weights(path: Path, file: FileBytes) -> tuple[list[StoredWeight], dict[str, str], str]:
    """The weights of a GGUF file in its order, why each other tensor is none, and its architecture.

    Args:
        path: of the file.
        file: the same, open.

    Raises:
        CheckpointError: the package gguf is missing or too old, or the file is damaged.
    """
    gguf, header = _package(), read_gguf_header(path, file)
    weights: list[StoredWeight] = []
    others: dict[str, str] = {}
    for tensor in header.tensors:
        kind = _kind(gguf, path, tensor)
        if kind.name in _INTEGERS:
            others[tensor.name] = "integers"
        else:
            weights.append(_weight(path, file, tensor, kind, header))
    architecture = header.values.get("general.architecture")
    return weights, others, architecture if isinstance(architecture, str) else ""


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
    blocks = [int(part) for name in names for part in name.split(".") if part.isdecimal() and len(part) < 4]
    table = gguf.get_tensor_name_map(known[architecture], 1 + max(blocks, default=0))
    found = {name: table.get_name(key=name, try_suffixes=(".weight", ".bias")) for name in names}
    return {name: str(theirs) for name, theirs in found.items() if theirs is not None}


def _package() -> Any:
    return optional_package("gguf", "gguf", "GGUF files", "rebuilds their numbers")


def _kind(gguf: Any, path: Path, tensor: GgufTensor) -> Any:
    try:
        return gguf.GGMLQuantizationType(tensor.kind)
    except ValueError:
        raise CheckpointError(
            f"tensor {tensor.name!r} of {str(path)!r}",
            f"its type has the number {tensor.kind}, which the package gguf does not know",
            "install a newer one (pip install -U gguf), or download the file again",
        ) from None


def _weight(path: Path, file: FileBytes, tensor: GgufTensor, kind: Any, header: GgufHeader) -> StoredWeight:
    block, size = (int(number) for number in _package().GGML_QUANT_SIZES[kind])
    count, row = math.prod(tensor.shape), tensor.shape[-1]
    num_bytes = count // block * size
    if row % block:
        raise damaged_gguf(path, f"a row of tensor {tensor.name!r} has {row} numbers and no whole blocks")
    if tensor.offset + num_bytes > file.size:
        raise damaged_gguf(path, f"tensor {tensor.name!r} ends behind the end of the file")
    plain = kind.name in _PLAIN
    load = _loader(path, file, tensor, kind, (count // row, row // block * size))
    shape = _original_shape(header, tensor)
    return StoredWeight(tensor.name, shape, count, f"GGUF {kind.name}", num_bytes, load, plain=plain)


def _original_shape(header: GgufHeader, tensor: GgufTensor) -> tuple[int, ...]:
    """ComfyUI-GGUF keeps the shape of what had to be folded into rows of whole blocks."""
    said = header.values.get(f"comfy.gguf.orig_shape.{tensor.name}")
    sizes = cast("list[Any]", said) if isinstance(said, list) else []
    whole = all(type(size) is int and size > 0 for size in sizes)
    return tuple(sizes) if sizes and whole and math.prod(sizes) == math.prod(tensor.shape) else tensor.shape


def _freedom(kind: str) -> tuple[FreeTables | None, ScaledTable | None]:
    """What a block of the type could have chosen instead; nothing for types of blocks within blocks."""
    if kind in _STEPS:
        return FreeTables(2 ** _STEPS[kind], blocks_of(_BLOCK), equal_steps=True), None
    levels = _package().quants.IQ4_NL.kvalues if kind == "IQ4_NL" else _INTEGERS_OF.get(kind)
    return None, None if levels is None else ScaledTable(tuple(map(float, levels)), blocks_of(_BLOCK))


def _loader(
    path: Path, file: FileBytes, tensor: GgufTensor, kind: Any, layout: tuple[int, int]
) -> Callable[[tuple[int, ...]], Decoded]:
    """Reads the bytes, rows of whole blocks, and rebuilds the numbers."""

    def load(asked: tuple[int, ...]) -> Decoded:
        data = file.read(tensor.offset, layout[0] * layout[1])
        nearest = _PLAIN.get(kind.name)
        if kind.name in _NUMPY:
            numbers = data.view(_NUMPY[kind.name])
        else:
            try:
                with np.errstate(all="ignore"):  # a nan of the file is told of where it is used
                    numbers = _package().dequantize(data.reshape(layout), kind)
            except NotImplementedError as error:
                raise CheckpointError(
                    f"tensor {tensor.name!r} of {str(path)!r}",
                    f"the package gguf does not rebuild numbers of type {kind.name}",
                    "install a newer one: pip install -U gguf",
                ) from error
            numbers = np.ascontiguousarray(numbers, dtype=np.float32)
        tables, scaled = _freedom(kind.name)
        exact = torch.from_numpy(numbers)  # pyright: ignore[reportUnknownMemberType]
        return Decoded(exact.reshape(asked), tables, scaled, nearest)

    return load
