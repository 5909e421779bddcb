"""Equally spaced levels on a range that is searched for the least mean squared error."""

import math
import sys
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from fmq_theory.codebook import Codebook, Codebooks
from fmq_theory.kernels.row_codebooks import nearest_levels
from fmq_theory.kernels.runtime.threads import run_blocks
from fmq_theory.kernels.uniform.search import best_uniform_ends, best_uniform_ends_of_rows
from fmq_theory.quantizers.minmax_uniform import uniform_levels
from fmq_theory.quantizers.scheme import Promise, Scheme
from fmq_theory.sources.empirical import Empirical
from fmq_theory.sources.sorted_rows import SortedRows
from fmq_theory.sources.source import Source

__all__ = ["ClippedUniform"]

_FloatArray = NDArray[np.float64]
_LARGE = 2.0**100
_FAR = 1e-14  # overload probability beyond which no optimal range reaches


@dataclass(frozen=True, slots=True)
class ClippedUniform(Scheme):
    """levels[k] = low + k (high - low) / (K - 1), nearest-level cells; (low, high) searched for a small D.

    D is exact, by partial moments about the levels, and so is its gradient: with thresholds
    half-way their motion costs nothing to first order, dD/dc_k = -2 E[X - c_k; cell k].

    On a law only grids centred on its mean are searched: low + high = 2 mean, and the half-range is the
    root of the derivative. The law is symmetric, but the best grid need not be: at variance 1 and K = 4 the
    best centred grid has D = 0.19630 for Laplace and 0.31998 for the gamma law of shape 1/2, the best of all
    grids 0.19446 and 0.23298 (``certify.optimal_equal_steps``). On data
    descents in both ends start from the best points of a grid, other steps and offsets are tried around the
    best, and the outer levels stay in the range of the weights. They need not find the global minimum
    (docs/limitations.md has how far off they were seen), but the min-max codebook is a candidate
    too, so the result is never worse than that. With few weights, d**3 (K - 1)**2 <= 2,000,000 where d
    of them are distinct, all grids are enumerated besides, also those whose outer levels lie outside
    the range: the squared error is then the least of all grids, up to rounding. One level alone is the
    mean.

    Reference:
        Max 1960, table II; Hui & Neuhoff 2001; theory section 9.

    Examples:
        Max's table II for the Gaussian and four levels has the step 0.9957 and the error 0.1188:

        >>> from fmq_theory import metrics, quantizers, sources
        >>> law = sources.Gaussian()
        >>> codebook = quantizers.ClippedUniform().design(law, 4)
        >>> round(float(codebook.levels[1] - codebook.levels[0]), 4)
        0.9957
        >>> round(metrics.distortion(codebook, law), 4)
        0.1188
    """

    name: ClassVar[str] = "uniform_clipped"
    promises: ClassVar[frozenset[Promise]] = frozenset({"scale", "shift"})

    def _design(self, source: Source, num_levels: int) -> Codebook:
        # Levels outside the range must not overflow the type of a stored codebook.
        return self._designed(source, num_levels, everywhere=max(map(abs, source.support)) < _LARGE)

    def _design_scaled(self, source: Empirical, num_levels: int, exponent: int) -> Codebook:
        codebook = self._designed(source, num_levels, everywhere=True)
        if math.frexp(float(np.abs(codebook.levels).max()))[1] + exponent <= sys.float_info.max_exp:
            return codebook
        return self._designed(source, num_levels, everywhere=False)

    def _designed(self, source: Source, num_levels: int, *, everywhere: bool) -> Codebook:
        self._finite_variance(source)
        mean = source.mean()
        if num_levels == 1:
            return Codebook(np.array([mean]), np.array([]))
        if isinstance(source, Empirical):
            data = source.data
            ends = best_uniform_ends(data.points, data.mass, data.blocks, num_levels, everywhere)
            low, high = data.from_z(np.array(ends))
        else:
            half = _symmetric_half_range(source, mean, num_levels)
            low, high = mean - half, mean + half
        return Codebook.nearest(uniform_levels(np.array([low]), np.array([high]), num_levels)[0])

    def _design_rows(self, rows: SortedRows, num_levels: int) -> Codebooks:
        if num_levels == 1:
            return super(ClippedUniform, self)._design_rows(rows, num_levels)
        books = Codebooks.empty(rows.shape[0], num_levels)
        parts = run_blocks(
            lambda a, b: best_uniform_ends_of_rows(rows.points[a:b], rows.blocks[a:b], num_levels),
            rows.shape[0],
            rows.threads,
        )
        ends = np.concatenate(parts)
        books.levels[:] = uniform_levels(ends[:, 0], ends[:, 1], num_levels)
        nearest_levels(books.levels, books.thresholds, books.used)
        return books

    @property
    def designs_by_search(self) -> bool:
        """Descents from a grid."""
        return True

    def stored_levels(self, levels: _FloatArray, dtype: type[np.floating]) -> NDArray[np.floating]:
        """Equally spaced between the rounded ends, which other than those of min-max are no weights."""
        ends = levels[:, [0, -1]].astype(dtype).astype(np.float64)
        return uniform_levels(ends[:, 0], ends[:, 1], levels.shape[1]).astype(dtype)

    def codebook_overhead(self, num_levels: int) -> int:
        """The two outer levels."""
        return min(2, num_levels)


def _distortion(
    source: Source, low: _FloatArray, high: _FloatArray, num_levels: int
) -> tuple[_FloatArray, _FloatArray, _FloatArray]:
    """D, dD/dlow and dD/dhigh of the codebooks with these outer levels; each the shape of ``low``."""
    share = np.arange(num_levels) / (num_levels - 1)
    levels = low[..., None] * (1.0 - share) + high[..., None] * share
    middle = 0.5 * levels[..., :-1] + 0.5 * levels[..., 1:]
    ends = np.full((*low.shape, 1), np.inf)
    lower = np.concatenate((-ends, middle), axis=-1)
    upper = np.concatenate((middle, ends), axis=-1)
    _, first, second = source.partial_moments(lower, upper, about=levels)
    gradient_low = -2.0 * np.sum(first * (1.0 - share), axis=-1)
    return np.sum(second, axis=-1), gradient_low, -2.0 * np.sum(first * share, axis=-1)


def _symmetric_half_range(source: Source, mean: float, num_levels: int) -> float:
    """The half-range L with dD/dL = 0 that has the least D.

    L >= E|X - mean| / 2: in -dD/dL / 2 a weight beyond L counts |X - mean| - L, one within at least -L, so
    that the sum is E|X - mean| - 2 L or more.
    """
    reach = float(source.isf(min(_FAR, float(num_levels) ** -3))) - mean
    smallest = 0.5 * float(source.partial_moments(mean, math.inf, about=mean).first)  # E|X - mean| / 4
    grid = np.geomspace(min(smallest, reach / 2), 2.0 * reach, 80)
    values, _, _ = _distortion(source, mean - grid, mean + grid, num_levels)
    best = int(np.argmin(values))

    def slope(half: float) -> float:
        _, at_low, at_high = _distortion(source, np.array(mean - half), np.array(mean + half), num_levels)
        return float(at_high - at_low)

    left, right = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, grid.size - 1)])
    if not (slope(left) < 0.0 < slope(right)):
        return float(grid[best])
    return float(brentq(slope, left, right, xtol=1e-15 * right, rtol=1e-14))
