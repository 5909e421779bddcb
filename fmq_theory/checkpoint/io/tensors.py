"""What a checkpoint holds: the tensors that can be quantized, and the rest with the reason."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from fmq_theory.brief import brief_repr
from fmq_theory.checkpoint.io.limits import MOST_DIMENSIONS
from fmq_theory.checkpoint.io.number_types import ITEM_BITS, bytes_of, safetensors_type

__all__ = [
    "Checkpoint",
    "NamedTensor",
    "SkippedTensor",
    "StoredTensor",
    "as_numpy",
    "nonfinite",
    "weights_digest",
]

_BLOCK_BYTES = 16 * 2**20
_NUMPY_TYPES = (torch.float16, torch.float32, torch.float64)


@dataclass(frozen=True, slots=True, eq=False)
class NamedTensor:
    """One tensor of weights.

    Attributes:
        name: its name in the state dict, without the names of the containers around it.
        array: its numbers, all finite; float16, float32 or float64 as stored, and float32 (without
            rounding) for bfloat16 and the 8-bit formats, which numpy lacks.
    """

    name: str
    array: NDArray[np.floating]

    __repr__ = brief_repr


@dataclass(frozen=True, slots=True)
class SkippedTensor:
    """One tensor that was left out, and why.

    Attributes:
        name: its full name in the file.
        shape: its sizes.
        reason: why it was left out, as a phrase.
    """

    name: str
    shape: tuple[int, ...]
    reason: str

    __repr__ = brief_repr


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The selected tensors of one file, in the order of the file.

    Attributes:
        path: the file.
        tensors: at least one.
        skipped: every other tensor; empty when the tensors were asked for by name.
    """

    path: Path
    tensors: tuple[NamedTensor, ...]
    skipped: tuple[SkippedTensor, ...]

    __repr__ = brief_repr

    @property
    def num_weights(self) -> int:
        """How many numbers the selected tensors hold."""
        return sum(tensor.array.size for tensor in self.tensors)


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor that is still in its file: what is known before its numbers are read.

    Attributes:
        keys: the path to it from the root of the file.
        shape: its shape.
        dtype: its torch type.
        strided: False for sparse and quantized layouts.
        storage: equal for two tensors that show the same numbers; None if they cannot.
        load: reads the numbers.
        kind: what it is where ``strided`` is False ("sparse"); then ``load`` refuses.
        raw_type: what safetensors calls the type of its numbers where torch has none of one number an
            element; ``dtype`` is uint8 then and says nothing.
        raw: its bytes as they are in the file, where ``raw_type`` is not empty.
    """

    keys: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: torch.dtype
    strided: bool
    storage: tuple[int, ...] | None
    load: Callable[[], torch.Tensor]
    kind: str = ""
    raw_type: str = ""
    raw: Callable[[], NDArray[np.uint8]] | None = None

    @property
    def num_bytes(self) -> int:
        """What its numbers take where they are stored densely."""
        bits = ITEM_BITS[self.raw_type] if self.raw_type else 8 * self.dtype.itemsize
        return math.prod(self.shape) * bits // 8

    def file_type(self, name: str) -> str:
        """What safetensors calls the type of its numbers.

        Args:
            name: of the tensor, for the error.

        Raises:
            CheckpointError: it has no such type.
        """
        return self.raw_type or safetensors_type(name, self.dtype)

    def file_bytes(self) -> NDArray[np.uint8]:
        """Its bytes as a safetensors file holds them, shape ``[num_bytes]``.

        Raises:
            CheckpointError: they cannot be read.
        """
        return bytes_of(self.load()) if self.raw is None else self.raw()

    def unusable(self, min_ndim: int = 1) -> str:
        """Why no codebook is made for it; empty if one can be."""
        if not self.strided:
            return self.kind or "sparse or already quantized"
        if self.raw_type:
            return f"numbers of type {self.raw_type}, with which torch does not compute"
        if self.dtype.is_complex:
            return "complex numbers"
        if self.dtype == torch.bool:
            return "booleans"
        if not self.dtype.is_floating_point:
            return "integers"
        if 0 in self.shape:
            return "empty"
        if not self.shape:
            return "a single number"
        if len(self.shape) > MOST_DIMENSIONS:
            return f"more than {MOST_DIMENSIONS} dimensions"
        return f"fewer than {min_ndim} dimensions" if len(self.shape) < min_ndim else ""


def as_numpy(tensor: torch.Tensor) -> NDArray[np.floating]:
    """Its numbers as numpy holds them: float32, without rounding, where numpy lacks the type."""
    tensor = tensor.detach().cpu().resolve_neg()
    if tensor.dtype not in _NUMPY_TYPES:
        tensor = tensor.to(torch.float32)  # exact: bfloat16 and the 8-bit formats are subsets
    return cast("NDArray[np.floating]", cast("Any", tensor).numpy())


def nonfinite(weights: NDArray[np.floating]) -> str:
    """How many numbers are nan or infinite, in words; empty where none is."""
    if np.isfinite(weights).all():
        return ""
    nans, infs = int(np.isnan(weights).sum()), int(np.isinf(weights).sum())
    return f"{nans} of its {weights.size} numbers are nan and {infs} are infinite"


def weights_digest(array: NDArray[np.generic], dtype: str) -> str:
    """A name of a tensor's numbers, equal for equal numbers of one shape and type only (BLAKE2b).

    Args:
        array: any shape and strides; blocks of it are copied where it is not contiguous.
        dtype: of the tensor as it is stored.
    """
    found = hashlib.blake2b(f"{dtype} {array.dtype.str} {array.shape}".encode(), digest_size=16)
    if array.size:
        rows = array.reshape(1) if array.ndim == 0 else array
        step = max(1, _BLOCK_BYTES * rows.shape[0] // max(1, rows.nbytes))
        for first in range(0, rows.shape[0], step):
            found.update(np.ascontiguousarray(rows[first : first + step]).view(np.uint8).data)
    return found.hexdigest()
