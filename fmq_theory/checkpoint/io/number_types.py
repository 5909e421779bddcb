"""The types of numbers: what safetensors calls them, and what torch does."""

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from fmq_theory.errors import CheckpointError

__all__ = [
    "ITEM_BITS", "PAIRS", "PAIRS_TYPE", "TORCH_TYPES", "bytes_of", "from_bytes", "safetensors_type",
    "tensor_of", "torch_type",
]  # fmt: skip

Bytes = NDArray[np.uint8]

TORCH_TYPES: dict[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "C64": torch.complex64,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U64": torch.uint64,
    "U32": torch.uint32,
    "U16": torch.uint16,
    "U8": torch.uint8,
    "BOOL": torch.bool,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz,
    "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
}
if hasattr(torch, "float8_e8m0fnu"):  # torch 2.7
    TORCH_TYPES["F8_E8M0"] = torch.float8_e8m0fnu

PAIRS = "F4"
"""The type of which torch has two numbers in an element; a shape in a file counts numbers."""
PAIRS_TYPE: torch.dtype | None = getattr(torch, "float4_e2m1fn_x2", None)  # torch 2.8

ITEM_BITS = {name: 8 * dtype.itemsize for name, dtype in TORCH_TYPES.items()} | {
    "F8_E8M0": 8,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    PAIRS: 4,
}
"""Bits of a number of every safetensors type that the library knows."""

_NAMES = {dtype: name for name, dtype in TORCH_TYPES.items()}


def torch_type(name: str) -> torch.dtype:
    """The torch type of a safetensors type.

    Raises:
        CheckpointError: torch has none.
    """
    if name == PAIRS and PAIRS_TYPE is not None:
        return PAIRS_TYPE
    if name not in TORCH_TYPES:
        raise CheckpointError(f"type {name!r}", "torch has no such type", "convert the tensor first")
    return TORCH_TYPES[name]


def safetensors_type(name: str, dtype: torch.dtype) -> str:
    """What safetensors calls the type of the tensor ``name``.

    Raises:
        CheckpointError: it has no such type.
    """
    if dtype not in _NAMES:
        raise CheckpointError(
            f"tensor {name!r}",
            f"safetensors cannot hold {str(dtype).removeprefix('torch.')}",
            "convert it or take it out of the checkpoint first",
        )
    return _NAMES[dtype]


def bytes_of(tensor: torch.Tensor) -> Bytes:
    """The bytes of a dense tensor in the order of its indices, shape ``[n]``; a view if it is contiguous."""
    flat = tensor.detach().contiguous().reshape(-1).resolve_conj().resolve_neg()
    return cast("Any", flat.view(torch.uint8)).numpy()


def from_bytes(data: Bytes, dtype: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The tensor of these bytes, in memory of its own: that of ``data`` if it is nobody else's.

    Raises:
        CheckpointError: torch has no such type, or its pairs of numbers do not divide the rows.
    """
    kind = torch_type(dtype)
    if dtype == PAIRS:
        if not shape or shape[-1] % 2:
            raise CheckpointError(
                f"type {dtype!r}",
                "torch holds pairs of its numbers, and a row has an odd one",
                "pad the rows",
            )
        shape = (*shape[:-1], shape[-1] // 2)
    return tensor_of(data, kind).reshape(shape)


def tensor_of(data: Bytes, dtype: torch.dtype) -> torch.Tensor:
    """The numbers of these bytes, shape ``[n]``, in memory of their own: that of ``data`` if whole."""
    if data.size == 0:
        return torch.empty(0, dtype=dtype)
    own = data.flags.owndata and data.flags.writeable
    return torch.from_numpy(data if own else np.array(data)).view(dtype)  # pyright: ignore[reportUnknownMemberType]
