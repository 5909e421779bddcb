"""One weight as a file stores it, and the tensors of a file while formats look for theirs."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fmq_theory.brief import brief_repr
from fmq_theory.checkpoint.io.tensors import StoredTensor
from fmq_theory.errors import CheckpointError, FmqError, is_lack_of_memory

__all__ = ["Decoded", "FreeTables", "ScaledTable", "StoredWeight", "Unclaimed", "blocks_of", "bytes_in"]

Rows = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class FreeTables:
    """A format in which each row of weights has levels of its own choice.

    Attributes:
        num_levels: K, of each row.
        rows: gives the weights as ``[tables, weights of one]``, those that share a table in one row.
        equal_steps: the levels are equally spaced, from any first to any last one; else they are free.
    """

    num_levels: int
    rows: Rows
    equal_steps: bool = False


@dataclass(frozen=True, slots=True)
class ScaledTable:
    """A format in which each row of weights has a scale of its own choice, and all share a fixed table.

    Attributes:
        levels: of the table, rising.
        rows: gives the weights as ``[scales, weights of one]``; a last row that is not full ends in zeros,
            which such a table holds.
    """

    levels: tuple[float, ...]
    rows: Rows


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """The numbers of a weight, and what its format could have chosen instead.

    Attributes:
        weights: of the shape that was asked for.
        tables: where each row has a free table; None for other formats.
        scaled: where each row has a scale of a fixed table, and its optimum is worth computing.
        nearest: where a number of that type stands for each weight, without scales: the type.
    """

    weights: torch.Tensor
    tables: FreeTables | None = None
    scaled: ScaledTable | None = None
    nearest: torch.dtype | None = None


@dataclass(frozen=True, slots=True, eq=False)
class StoredWeight:
    """A weight that is still in its file.

    Attributes:
        name: of the weight, as the file calls it.
        shape: of the weights; None where the file does not tell it.
        count: how many weights there are.
        format: in a few words, as "NF4, blocks of 64".
        num_bytes: of all that is stored of it: codes, tables, scales, and what else belongs to the layer.
        load: gives the numbers in a shape of ``count`` weights.
        plain: the numbers stand there themselves, without scales or tables.
    """

    name: str
    shape: tuple[int, ...] | None
    count: int
    format: str
    num_bytes: int
    load: Callable[[tuple[int, ...]], Decoded]
    plain: bool = False

    __repr__ = brief_repr

    @property
    def effective_bits(self) -> float:
        """8 times the bytes over the weights."""
        return 8.0 * self.num_bytes / self.count

    def decoded(self, shape: tuple[int, ...] | None = None) -> Decoded:
        """The numbers.

        Args:
            shape: of the weights where the file does not tell; None for the file's own.

        Raises:
            CheckpointError: it does not fit, or the bytes of the weight make no sense.
        """
        shape = self.shape if shape is None else shape
        if shape is None or math.prod(shape) != self.count:
            raise self.damaged(f"it holds {self.count} weights, which is not the shape {shape}")
        try:
            found = self.load(shape)
        except (RuntimeError, IndexError, ValueError) as error:  # torch's words of parts that do not fit
            if isinstance(error, FmqError) or is_lack_of_memory(error):
                raise
            raise self.damaged(f"its parts do not fit together ({error})") from error
        if tuple(found.weights.shape) != shape:
            raise self.damaged(f"its parts give the shape {tuple(found.weights.shape)}, not {shape}")
        return found

    def damaged(self, cause: str) -> CheckpointError:
        """The error about a weight whose parts do not fit together.

        Args:
            cause: in what way.
        """
        return CheckpointError(
            f"tensor {self.name!r} ({self.format})", cause, "write or download the file again"
        )


@dataclass(slots=True, eq=False)
class Unclaimed:
    """The tensors of a checkpoint that no format has claimed yet.

    Attributes:
        tensors: by full name.
        config: the quantization_config of the config.json beside the file; empty where there is none.
    """

    tensors: dict[str, StoredTensor]
    config: Mapping[str, Any]

    def ending(self, *ends: str) -> list[str]:
        """The names before each key that ends so, in the order of the file.

        Args:
            *ends: of keys, as ".weight_scale".
        """
        return [key.removesuffix(end) for key in self.tensors for end in ends if key.endswith(end)]

    def has(self, key: str, *types: torch.dtype) -> bool:
        """Whether there is a tensor of that key that is not empty, of one of these types.

        Args:
            key: full name.
            *types: any if none is named.
        """
        found = self.tensors.get(key)
        if found is None or found.raw_type or 0 in found.shape:
            return False
        return not types or found.dtype in types

    def take(self, *keys: str) -> list[StoredTensor]:
        """Those of the tensors that there are; they are claimed with that.

        Args:
            *keys: full names.
        """
        return [self.tensors.pop(key) for key in keys if key in self.tensors]


def blocks_of(size: int) -> Rows:
    """Weights as rows of so many consecutive ones, the last filled up with zeros.

    Args:
        size: weights of a row.
    """

    def rows(array: NDArray[Any]) -> NDArray[Any]:
        flat = array.reshape(-1)
        return np.pad(flat, (0, -flat.size % size)).reshape(-1, size)

    return rows


def bytes_in(parts: Sequence[StoredTensor]) -> int:
    """What these tensors take in the file.

    Args:
        parts: of one layer.
    """
    return sum(part.num_bytes for part in parts)
