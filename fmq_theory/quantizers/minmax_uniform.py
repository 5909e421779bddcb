"""Uniform levels between the smallest and the largest weight: the published baseline in float64."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fmq_theory.codebook import Codebook, Codebooks
from fmq_theory.kernels.runtime.threads import run_blocks
from fmq_theory.kernels.uniform.codes import uniform_codes, uniform_ends
from fmq_theory.quantizers.scheme import Promise, Scheme, codebook_on_range, threshold_cells
from fmq_theory.sources.sorted_rows import SortedRows
from fmq_theory.sources.source import Source

__all__ = ["MinMaxUniform", "uniform_levels"]

_SMALLEST_STEP = 2.0**-1000


@dataclass(frozen=True, slots=True)
class MinMaxUniform(Scheme):
    """levels[k] = min + k * (max - min) / (K - 1), code = round((x - min) / scale) half to even.

    With half-range R the step is 2R/(K-1), so D is about R**2 / (3 (K-1)**2) and never above
    (R/(K-1))**2. One level alone sits at the mid-range.

    Attributes:
        sample_size: n, for a law only: its range is that of n weights (their median extremes).

    Reference:
        The published uniform baseline (theory section 0); range law in theory section 4.

    Examples:
        The ends are levels, so a single far weight moves all the others:

        >>> from fmq_theory import quantizers, sources
        >>> scheme = quantizers.MinMaxUniform()
        >>> scheme.design(sources.Empirical([0.0, 1.0, 2.0, 3.0]), 4).levels.tolist()
        [0.0, 1.0, 2.0, 3.0]
        >>> scheme.design(sources.Empirical([0.0, 1.0, 2.0, 30.0]), 4).levels.tolist()
        [0.0, 10.0, 20.0, 30.0]
    """

    sample_size: int = 1_000_000

    name: ClassVar[str] = "uniform"
    promises: ClassVar[frozenset[Promise]] = frozenset({"idempotent", "levels_in_range", "scale", "shift"})

    def _design(self, source: Source, num_levels: int) -> Codebook:
        low, high = source.typical_range(self.sample_size)
        return self.design_on_range(low, high, num_levels)

    def design_on_range(self, low: float, high: float, num_levels: int) -> Codebook:
        """The codebook on [``low``, ``high``], both ends included.

        Args:
            low: the lowest level, in the units of the weights.
            high: the highest level, in the units of the weights.
            num_levels: K >= 1.

        Raises:
            SchemeError: the ends are not finite or not in order, or K is not a positive integer.
        """
        num_levels = self._checked(num_levels)
        if (constant := codebook_on_range(self.name, low, high)) is not None:
            return constant
        if num_levels == 1:
            return Codebook(np.array([0.5 * low + 0.5 * high]), np.array([]))
        levels = uniform_levels(np.array([low]), np.array([high]), num_levels)
        return Codebook(levels[0], _thresholds(levels)[0])

    def _design_rows(self, rows: SortedRows, num_levels: int) -> Codebooks:
        books = Codebooks.empty(rows.shape[0], num_levels)
        low, high = rows.low(), rows.high()
        if num_levels == 1:
            books.levels[:, 0] = 0.5 * low + 0.5 * high
        else:
            books.levels[:] = uniform_levels(low, high, num_levels)
            books.thresholds[:] = _thresholds(books.levels)
        return books

    def encode(self, codebook: Codebook, values: NDArray[np.float64]) -> NDArray[np.unsignedinteger]:
        """rint((x - min) / scale), the published rule in float64; "published:uniform" is that in float32.

        It differs from the codebook's thresholds only where (x - min) / scale rounds to a tie.
        """
        top = codebook.num_levels - 1
        low, high = float(codebook.levels[0]), float(codebook.levels[-1])
        scale = (high - low) / max(top, 1)
        # One level, a span beyond float64, or a step that denormals cannot resolve.
        if not (_SMALLEST_STEP < scale < math.inf):
            return codebook.encode(values)
        codes = np.rint((np.clip(values, low, high) - low) / scale)
        return np.minimum(codes, top).astype(np.min_scalar_type(top))

    def encode_rows(self, books: Codebooks, rows: NDArray[np.floating], threads: int) -> NDArray[np.uint8]:
        low, scale, top = _grids(books)
        at = _by_rule(scale)
        codes = np.empty(rows.shape, dtype=np.uint8)
        if at.size < len(rows):
            codes[:] = Scheme.encode_rows(self, books, rows, threads)
            rows, low, scale, top = rows[at], low[at], scale[at], top[at]
        found = np.empty(rows.shape, dtype=np.uint8) if at.size < len(codes) else codes
        run_blocks(
            lambda a, b: uniform_codes(rows[a:b], low[a:b], scale[a:b], top[a:b], found[a:b]),
            rows.shape[0],
            threads,
        )
        if found is not codes:
            codes[at] = found
        return codes

    def _cells_of_rows(self, rows: SortedRows, num_levels: int) -> tuple[Codebooks, NDArray[np.int64]]:
        """By the rule for codes."""
        books = self.design_rows(rows, num_levels)
        low, scale, top = _grids(books)
        ends = np.empty((rows.shape[0], num_levels + 1), dtype=np.int64)
        run_blocks(
            lambda a, b: uniform_ends(rows.points[a:b], low[a:b], scale[a:b], top[a:b], ends[a:b]),
            rows.shape[0],
            rows.threads,
        )
        if _by_rule(scale).size < len(scale):
            other = ~np.isin(np.arange(len(scale)), _by_rule(scale))
            ends[other] = threshold_cells(books, rows)[other]
        return books, ends

    def codebook_overhead(self, num_levels: int) -> int:
        """The two ends."""
        return min(2, num_levels)


def _grids(books: Codebooks) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """The first level, the step and the last code of each row, shape ``[R]`` each."""
    top = books.used - 1
    low, high = books.levels[:, 0].copy(), books.levels[np.arange(len(top)), top]
    with np.errstate(over="ignore"):
        return low, (high - low) / np.maximum(top, 1), top


def _by_rule(scale: NDArray[np.float64]) -> NDArray[np.intp]:
    """Rows whose step float64 can divide by: not one level, a span beyond float64, or a step of denormals."""
    return np.flatnonzero((scale > _SMALLEST_STEP) & np.isfinite(scale))


def uniform_levels(
    low: NDArray[np.float64], high: NDArray[np.float64], num_levels: int
) -> NDArray[np.float64]:
    """``num_levels`` >= 2 equally spaced levels with both ends exact, shape ``[R, K]`` for R ranges."""
    low, high = low[:, None], high[:, None]
    with np.errstate(over="ignore", invalid="ignore"):
        span = high - low
        levels = low + np.arange(num_levels) * (span / (num_levels - 1))
    weight = np.arange(num_levels) / (num_levels - 1)
    # A span above 1.8e308 has no float64.
    levels = np.where(np.isinf(span), low * (1.0 - weight) + high * weight, levels)
    levels[:, -1:] = high
    # Rounding may pass the upper end where the step is near the spacing of float64.
    return np.maximum.accumulate(np.clip(levels, low, high), axis=1)


def _thresholds(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half-way, where a tie goes to the even level; shape ``[R, K - 1]``."""
    thresholds = 0.5 * levels[:, :-1] + 0.5 * levels[:, 1:]
    # A cell is closed below, so a half-way value goes up. Between an even level and the next one it
    # must go down: move that threshold past it by the smallest step there is.
    thresholds[:, ::2] = np.nextafter(thresholds[:, ::2], np.inf)
    inside = (thresholds > levels[:, :-1]) & (thresholds < levels[:, 1:])
    return np.where(inside, thresholds, levels[:, 1:])
