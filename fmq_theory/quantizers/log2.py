"""Levels evenly spaced in log2 of the magnitude, per sign, as published."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fmq_theory.codebook import Codebook, Codebooks
from fmq_theory.kernels.row_codebooks import nearest_levels, nearest_to_zero
from fmq_theory.quantizers.scheme import Promise, Scheme
from fmq_theory.sources.sorted_rows import SortedRows
from fmq_theory.sources.source import Source

__all__ = ["Log2"]


@dataclass(frozen=True, slots=True)
class Log2(Scheme):
    """K // 2 negative and K - K // 2 positive levels, nearest level in linear distance.

    On each side log2 of the levels runs evenly from the smallest to the largest magnitude on that
    side, exact zeros left out. A sign that does not occur leaves its levels unused. An exact zero
    goes to the level of smallest magnitude, which is the nearest one.

    The published description leaves two cases open. One level on a side is the geometric mean of
    that side's two magnitudes, the middle in log2. For K = 1 the level is on the positive side, or
    on the negative one if there are no positive weights.

    Attributes:
        sample_size: n, for a law only: its magnitudes are those of n weights.

    Reference:
        The published log2 baseline (theory section 0).
    """

    sample_size: int = 1_000_000

    name: ClassVar[str] = "log2"
    promises: ClassVar[frozenset[Promise]] = frozenset({"idempotent", "levels_in_range", "scale"})

    def _design(self, source: Source, num_levels: int) -> Codebook:
        negative, positive = source.typical_magnitudes(self.sample_size)
        count = num_levels // 2
        if positive is None and num_levels == 1:
            count = 1
        sides: list[NDArray[np.float64]] = []
        if negative is not None and count > 0:
            sides.append(-_geometric(*_as_arrays(negative), count)[0, ::-1])
        if positive is not None and num_levels > count:
            sides.append(_geometric(*_as_arrays(positive), num_levels - count)[0])
        return Codebook.nearest(np.concatenate(sides))

    def _design_rows(self, rows: SortedRows, num_levels: int) -> Codebooks:
        books = Codebooks.empty(rows.shape[0], num_levels)
        inner, low, high = nearest_to_zero(rows.points), rows.low(), rows.high()
        has_negative, has_positive = ~np.isnan(inner.T)
        count = np.where((num_levels == 1) & ~has_positive, 1, num_levels // 2)
        books.levels[:] = np.inf  # behind the last one
        for negatives in np.unique(count):
            at = np.flatnonzero(has_negative & (count == negatives))
            if negatives > 0:
                books.levels[at, :negatives] = -_geometric(-inner[at, 0], -low[at], negatives)[:, ::-1]
            at = np.flatnonzero(has_positive & (count == negatives))
            if num_levels > negatives:
                found = _geometric(inner[at, 1], high[at], num_levels - negatives)
                start = np.where(has_negative[at], negatives, 0)[:, None]
                books.levels[at[:, None], start + np.arange(num_levels - negatives)] = found
        nearest_levels(books.levels, books.thresholds, books.used)
        return books

    def side_numbers(self, num_levels: int) -> int:
        """The two ends of each side."""
        return min(4, num_levels)


def _as_arrays(magnitudes: tuple[float, float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.array([magnitudes[0]]), np.array([magnitudes[1]])


def _geometric(
    smallest: NDArray[np.float64], largest: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    """``count`` magnitudes, ascending and even in log2, with both ends exact; shape ``[R, count]``."""
    smallest, largest = smallest[:, None], largest[:, None]
    if count == 1:
        return np.clip(np.sqrt(smallest) * np.sqrt(largest), smallest, largest)
    share = np.arange(count) / (count - 1)
    low, high = np.log2(smallest), np.log2(largest)
    levels = np.exp2(low + share * (high - low))
    levels[:, :1], levels[:, -1:] = smallest, largest
    return np.clip(levels, smallest, largest)
