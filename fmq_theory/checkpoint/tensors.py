"""What a checkpoint holds: the tensors that can be quantized, and the rest with the reason."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["Checkpoint", "NamedTensor", "SkippedTensor", "StoredTensor"]


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


@dataclass(frozen=True, slots=True)
class SkippedTensor:
    """One tensor that was left out, and why."""

    name: str
    shape: tuple[int, ...]
    reason: str


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
    """

    keys: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: torch.dtype
    strided: bool
    storage: tuple[int, ...] | None
    load: Callable[[], torch.Tensor]
