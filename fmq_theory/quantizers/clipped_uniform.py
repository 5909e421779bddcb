"""Equally spaced levels on the range that minimises the mean squared error."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize

from fmq_theory.codebook import Codebook
from fmq_theory.errors import SourceError
from fmq_theory.quantizers.minmax_uniform import uniform_levels
from fmq_theory.quantizers.scheme import Scheme
from fmq_theory.sources.source import Source
from fmq_theory.sources.symmetric import SymmetricSource

__all__ = ["ClippedUniform"]

_FloatArray = NDArray[np.float64]
_GRID_POINTS = 15_000  # levels tried in all before the descent
_FAR = 1e-14  # overload probability beyond which no optimal range reaches


@dataclass(frozen=True, slots=True)
class ClippedUniform(Scheme):
    """levels[k] = low + k (high - low) / (K - 1), nearest-level cells, (low, high) minimising D.

    D is exact, by partial moments about the levels, and so is its gradient: with thresholds
    half-way their motion costs nothing to first order, dD/dc_k = -2 E[X - c_k; cell k].

    A symmetric law has low + high = 2 mean, and the half-range is the root of the derivative. Else
    the outer levels stay in the range of the weights, and descents in both ends start from the
    best points of a grid. They need not find the global minimum, but the min-max codebook is a
    candidate too, so the result is never worse than that. One level alone is the mean.

    Reference:
        Max 1960, table II; Hui & Neuhoff 2001; theory section 9.
    """

    name: ClassVar[str] = "uniform_clipped"

    def _design(self, source: Source, num_levels: int) -> Codebook:
        variance = source.variance()
        if not (0.0 < variance < math.inf):
            raise SourceError(
                f"scheme {self.name!r}: a source of variance {variance}",
                "the mean squared error that it minimises is not a positive finite number",
                "choose a law with a finite variance, or scale the weights towards 1",
            )
        mean = source.mean()
        if num_levels == 1:
            return Codebook(np.array([mean]), np.array([]))
        far = min(_FAR, float(num_levels) ** -3)
        low, high = float(source.ppf(far)), float(source.isf(far))
        if isinstance(source, SymmetricSource):
            half = _symmetric_half_range(source, mean, high - mean, num_levels)
            return _codebook(mean - half, mean + half, num_levels)
        return _two_ends(source, mean, math.sqrt(variance), (low, high), num_levels)

    def side_numbers(self, num_levels: int) -> int:
        """The two outer levels."""
        return min(2, num_levels)


def _codebook(low: float, high: float, num_levels: int) -> Codebook:
    return Codebook.nearest(uniform_levels(low, high, num_levels))


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


def _symmetric_half_range(source: Source, mean: float, reach: float, num_levels: int) -> float:
    """The half-range L with dD/dL = 0 that has the least D."""
    smallest = float(source.isf(0.4)) - mean
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


def _two_ends(
    source: Source, mean: float, deviation: float, reach: tuple[float, float], num_levels: int
) -> Codebook:
    """The best codebook found with low <= levels <= high, min-max among the candidates."""
    low, high = reach
    # The objective has many local minima where K or n is small; there, too, a fine grid is cheap.
    side = min(max(int(math.sqrt(_GRID_POINTS / num_levels)), 8), 20)
    left, right = (mean - low) or (high - low), (high - mean) or (high - low)  # 0 if the mean is rounded
    # Ratios, so that the grid of 2**k X is exactly 2**k times that of X.
    below = mean - left * np.geomspace(min(0.25 * deviation / left, 0.5), 1.0, side)
    above = mean + right * np.geomspace(min(0.25 * deviation / right, 0.5), 1.0, side)
    lows, highs = np.meshgrid(np.clip(below, low, high), np.clip(above, low, high), indexing="ij")
    values, _, _ = _distortion(source, lows, highs, num_levels)

    def objective(ends: _FloatArray) -> tuple[float, _FloatArray]:
        at = np.sort(mean + deviation * ends)  # a line search may cross the ends
        value, by_low, by_high = _distortion(source, at[0], at[1], num_levels)
        return float(value) / deviation**2, np.array([by_low, by_high]) / deviation

    bounds = [((low - mean) / deviation, (high - mean) / deviation)] * 2
    candidates = [(low, high)]
    for index in _local_minima(values)[: 3 if num_levels <= 32 else 1]:
        start: _FloatArray = np.array([float(lows.ravel()[index]), float(highs.ravel()[index])])
        found = minimize(
            objective,
            (start - mean) / deviation,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"ftol": 1e-13, "gtol": 1e-9},
        )
        ends = np.sort(np.clip(mean + deviation * np.asarray(found.x), low, high))
        candidates += [(float(start[0]), float(start[1])), (float(ends[0]), float(ends[1]))]
    codebooks = [_codebook(a, b, num_levels) for a, b in candidates if a < b]
    return min(codebooks, key=lambda codebook: _exact(source, codebook))


def _local_minima(values: _FloatArray) -> NDArray[np.intp]:
    """Flat indices of the grid points no worse than their eight neighbours, best first."""
    padded = np.pad(values, 1, constant_values=np.inf)
    rows, columns = values.shape
    windows = [padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
    index = np.flatnonzero(values <= np.min(windows, axis=0))
    return index[np.argsort(values.flat[index], kind="stable")]


def _exact(source: Source, codebook: Codebook) -> float:
    edges = codebook.edges()
    return float(np.sum(source.partial_moments(edges[:-1], edges[1:], about=codebook.levels).second))
