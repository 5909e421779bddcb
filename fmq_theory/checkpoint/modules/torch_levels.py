"""The levels of packed weights by operations of torch, as far as their rule allows it; else as they are."""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fmq_theory.checkpoint.io.packed.level_rules import LEVELS, levels_of
from fmq_theory.quantizers import get_scheme
from fmq_theory.quantizers.fixed_table import FixedTable

__all__ = ["LevelRule", "narrow_type"]

_UNIFORM, _TABLES = "uniform", ("nf4", "fp4")


@dataclass(frozen=True, slots=True)
class LevelRule:
    """How levels come of stored numbers, in torch.

    Attributes:
        name: a key of ``RULES``: "levels", "uniform", "nf4" or "fp4".
        bits: of a code.
        table: levels for a scale of 1, where the rule is a table; else empty.
    """

    name: str
    bits: int
    table: tuple[float, ...] = ()

    @classmethod
    def of(cls, name: str, numbers: NDArray[Any], bits: int) -> "tuple[LevelRule, NDArray[Any]]":
        """The rule and the numbers for it.

        Where torch does not give the same levels to the bit (levels in geometric progression, whose powers
        each library rounds in its own way, and ranges that leave float64) the levels are the numbers.

        Args:
            name: a key of ``RULES``.
            numbers: as stored, shape ``[R, N]``.
            bits: of a code.
        """
        narrow = np.dtype(np.float64 if numbers.dtype.itemsize == 8 else np.float32)
        wanted = levels_of(name, numbers.astype(narrow, copy=False), bits, narrow)
        if name in (LEVELS, _UNIFORM, *_TABLES):
            rule = cls.named(name, bits)
            used = len(rule.table) or 2**bits
            found = rule.levels(torch.from_numpy(np.array(numbers)))  # pyright: ignore[reportUnknownMemberType]
            if np.array_equal(found[:, :used].numpy(), wanted[:, :used]):  # pyright: ignore[reportUnknownMemberType]
                return rule, numbers
        return cls(LEVELS, bits), wanted

    @classmethod
    def named(cls, name: str, bits: int) -> "LevelRule":
        """The rule of that name.

        Args:
            name: "levels", "uniform", "nf4" or "fp4".
            bits: of a code.
        """
        if name not in _TABLES:
            return cls(name, bits)
        return cls(name, bits, tuple(map(float, cast(FixedTable, get_scheme(name)).table())))

    def levels(self, numbers: Tensor) -> Tensor:
        """The levels of each row, shape ``[R, 2**bits]``; float32, or float64 if the numbers are.

        Args:
            numbers: as stored, shape ``[R, N]``.
        """
        narrow = narrow_type(numbers)
        if self.name == LEVELS:
            return _padded(numbers.to(narrow), 2**self.bits)
        # MPS has no float64; the numbers are few.
        device = numbers.device
        wide = (numbers.cpu() if device.type == "mps" else numbers).to(torch.float64)
        found = (
            _between(wide[:, :1], wide[:, 1:], 2**self.bits) if self.name == _UNIFORM else self._scaled(wide)
        )
        return found.to(narrow).to(device)

    def _scaled(self, scale: Tensor) -> Tensor:
        table = torch.tensor(self.table, dtype=scale.dtype, device=scale.device)
        return _padded(torch.where(scale > 0.0, table * scale, 0.0 - scale), 2**self.bits)


def narrow_type(numbers: Tensor) -> torch.dtype:
    """Of the levels of such numbers."""
    return torch.float64 if numbers.dtype == torch.float64 else torch.float32


def _between(low: Tensor, high: Tensor, count: int) -> Tensor:
    """Equally spaced, both ends exact; the steps are those of ``uniform_levels``, in its order."""
    steps = torch.arange(count, dtype=low.dtype, device=low.device)
    levels = low + steps * ((high - low) / (count - 1))
    return torch.cat((torch.clamp(levels[:, :-1], low, high), high), 1)


def _padded(levels: Tensor, count: int) -> Tensor:
    """Behind the last one that is in use anything finite."""
    missing = count - levels.shape[1]
    return torch.cat((levels, levels[:, -1:].expand(-1, missing)), 1) if missing else levels
