"""Levels evenly spaced in log2 of the magnitude, per sign: the published log2 baseline in float64."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fmq_theory.codebook import Codebook, Codebooks
from fmq_theory.kernels.row_codebooks import nearest_levels
from fmq_theory.kernels.sums.ranks import nearest_to_zero
from fmq_theory.quantizers.scheme import Promise, Scheme
from fmq_theory.sources.empirical import Empirical
from fmq_theory.sources.sorted_rows import SortedRows
from fmq_theory.sources.source import Source

__all__ = ["Log2", "log2_codebooks"]


@dataclass(frozen=True, slots=True)
class Log2(Scheme):
    """K' = min(K, n): K' // 2 levels on each side of zero, all K' where only one sign occurs; nearest level.

    On each side log2 of the levels runs evenly from the smallest to the largest magnitude on that
    side, exact zeros left out. An exact zero goes to the level of smallest magnitude, which is the
    nearest one. With an odd K' and both signs one level stays unused.

    It mends two cases of the published script. One level on a side is the geometric mean of that
    side's two magnitudes, the middle in log2, where the script takes the smallest; and a channel
    without positive weights has all K' levels like one without negative ones, where the script gives
    it K' // 2. For K' = 1 and both signs the level is on the positive side. Rounding is that of float64.
    "published:log2" does what the script does.

    Attributes:
        sample_size: n, for a law only: its magnitudes, and the limit of K', are those of n weights.

    Reference:
        The published log2 baseline (theory section 0).

    Examples:
        >>> from fmq_theory import quantizers, sources
        >>> scheme = quantizers.Log2()
        >>> both = scheme.design(sources.Empirical([-8.0, -2.0, -2.0, 1.0, 2.0, 4.0]), 4)
        >>> both.levels.round(6).tolist()
        [-8.0, -2.0, 1.0, 4.0]
        >>> one_sign = scheme.design(sources.Empirical([1.0, 2.0, 3.0, 5.0, 8.0]), 4)
        >>> one_sign.levels.round(6).tolist()
        [1.0, 2.0, 4.0, 8.0]
    """

    sample_size: int = 1_000_000

    name: ClassVar[str] = "log2"
    promises: ClassVar[frozenset[Promise]] = frozenset({"idempotent", "levels_in_range", "scale"})

    def _design(self, source: Source, num_levels: int) -> Codebook:
        negative, positive = source.typical_magnitudes(self.sample_size)
        size = source.size if isinstance(source, Empirical) else self.sample_size
        below, above = _side_counts(min(num_levels, size), negative is not None, positive is not None)
        sides: list[NDArray[np.float64]] = []
        if negative is not None and below > 0:
            sides.append(-_geometric(*_as_arrays(negative), below)[0, ::-1])
        if positive is not None and above > 0:
            sides.append(_geometric(*_as_arrays(positive), above)[0])
        return Codebook.nearest(np.concatenate(sides))

    def _design_rows(self, rows: SortedRows, num_levels: int) -> Codebooks:
        ends = nearest_to_zero(rows.points), rows.low(), rows.high()
        count = min(num_levels, rows.shape[1])
        return log2_codebooks(*ends, num_levels, of_both=count, of_one=count)

    def codebook_overhead(self, num_levels: int) -> int:
        """The two ends of each side."""
        return min(4, num_levels)


def log2_codebooks(
    inner: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    num_levels: int,
    *,
    of_both: int,
    of_one: int,
) -> Codebooks:
    """The codebooks of rows with these ends; those of rows that are constant do not matter.

    Args:
        inner: the largest negative and the smallest positive weight, nan where there is none, ``[R, 2]``.
        low: the smallest weight, shape ``[R]``.
        high: the largest weight, shape ``[R]``.
        num_levels: K, the size of the codebooks.
        of_both: levels of a row with both signs, of which each sign has half.
        of_one: levels of a row with one sign.
    """
    books = Codebooks.empty(len(inner), num_levels)
    has_negative, has_positive = ~np.isnan(inner.T)
    books.levels[:] = np.inf  # behind the last one
    for signs in ((True, True), (True, False), (False, True)):
        at = np.flatnonzero((has_negative == signs[0]) & (has_positive == signs[1]))
        below, above = _side_counts(of_both if all(signs) else of_one, *signs)
        if below > 0:
            books.levels[at, :below] = -_geometric(-inner[at, 0], -low[at], below)[:, ::-1]
        if above > 0:
            books.levels[at, below : below + above] = _geometric(inner[at, 1], high[at], above)
    nearest_levels(books.levels, books.thresholds, books.used)
    return books


def _side_counts(num_levels: int, has_negative: bool, has_positive: bool) -> tuple[int, int]:
    """Levels below and above zero, of K' >= 1 in all."""
    if not has_negative:
        return 0, num_levels
    if not has_positive:
        return num_levels, 0
    return (0, 1) if num_levels == 1 else (num_levels // 2, num_levels // 2)


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
