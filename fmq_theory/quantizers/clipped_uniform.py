"""Equally spaced levels on the range that minimises the mean squared error."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from fmq_theory.codebook import Codebook
from fmq_theory.kernels.uniform_grid import best_uniform_ends, uniform_costs
from fmq_theory.quantizers.minmax_uniform import uniform_levels
from fmq_theory.quantizers.scheme import Scheme
from fmq_theory.sources.empirical import Empirical
from fmq_theory.sources.source import Source

__all__ = ["ClippedUniform"]

_FloatArray = NDArray[np.float64]
_SIDE = 12  # grid points an end
_STARTS = 4  # pattern searches from the best local minima of the grid
_FAR = 1e-14  # overload probability beyond which no optimal range reaches


@dataclass(frozen=True, slots=True)
class ClippedUniform(Scheme):
    """levels[k] = low + k (high - low) / (K - 1), nearest-level cells, (low, high) minimising D.

    D is exact, by partial moments about the levels, and so is its gradient: with thresholds
    half-way their motion costs nothing to first order, dD/dc_k = -2 E[X - c_k; cell k].

    A law is symmetric, so low + high = 2 mean, and the half-range is the root of the derivative. On data
    the outer levels stay in the range of the weights, and pattern searches in both ends start from the
    best points of a grid. They need not find the global minimum, but the min-max codebook is a candidate
    too, so the result is never worse than that. One level alone is the mean.

    Reference:
        Max 1960, table II; Hui & Neuhoff 2001; theory section 9.
    """

    name: ClassVar[str] = "uniform_clipped"

    def _design(self, source: Source, num_levels: int) -> Codebook:
        self._finite_variance(source)
        mean = source.mean()
        if num_levels == 1:
            return Codebook(np.array([mean]), np.array([]))
        if isinstance(source, Empirical):
            low, high = _ends_on_data(source, num_levels)
        else:
            half = _symmetric_half_range(source, mean, num_levels)
            low, high = mean - half, mean + half
        return Codebook.nearest(uniform_levels(low, high, num_levels))

    def side_numbers(self, num_levels: int) -> int:
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
    """The half-range L with dD/dL = 0 that has the least D."""
    reach = float(source.isf(min(_FAR, float(num_levels) ** -3))) - mean
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


def _ends_on_data(source: Empirical, num_levels: int) -> tuple[float, float]:
    """The best outer levels found, in the frame of the source's sums, where an offset does no harm."""
    data = source.data
    sums = data.points, data.mass, data.blocks
    first, last = float(data.z_at(0)), float(data.z_at(-1))
    mean = float(data.blocks[-1, 1] / data.blocks[-1, 0])
    deviation = math.ldexp(math.sqrt(source.variance()), -data.exponent)
    # Ratios, so that the grid of 2**k X is exactly 2**k times that of X.
    left, right = max(mean - first, 0.0), max(last - mean, 0.0)  # a rounded mean may lie outside
    inner = 0.25 * deviation
    below = mean - left * np.geomspace(min(inner / left, 0.5), 1.0, _SIDE) if left > inner else [first]
    above = mean + right * np.geomspace(min(inner / right, 0.5), 1.0, _SIDE) if right > inner else [last]
    lows, highs = (grid.ravel() for grid in np.meshgrid(below, above, indexing="ij"))
    costs = uniform_costs(*sums, lows, highs, num_levels)
    best = (first, last, float(uniform_costs(*sums, np.array([first]), np.array([last]), num_levels)[0]))
    # Costs are good to about 1e-15 of this: a smaller fall might be a rise over min-max.
    noise = 1e-14 * float(data.blocks[-1, 3])
    for index in _local_minima(costs.reshape(len(below), len(above)))[:_STARTS]:
        start, end = float(lows[index]), float(highs[index])
        found = best_uniform_ends(*sums, start, end, num_levels, 0.1 * (end - start))
        if found[2] < best[2] - noise:
            best = found
    ends = data.from_z(np.array(best[:2]))
    return float(ends[0]), float(ends[1])


def _local_minima(values: _FloatArray) -> NDArray[np.intp]:
    """Flat indices of the grid points no worse than their eight neighbours, best first."""
    padded = np.pad(values, 1, constant_values=np.inf)
    rows, columns = values.shape
    windows = [padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
    index = np.flatnonzero(values <= np.min(windows, axis=0))
    return index[np.argsort(values.flat[index], kind="stable")]
