"""The squared error of equally spaced levels on data, and the spacing that makes it least."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.jit import kernel
from fmq_theory.kernels.prefix import BLOCK

__all__ = ["best_uniform_ends", "uniform_costs"]

FloatArray = NDArray[np.float64]
Points = NDArray[np.floating]


@kernel
def _first_at_least(points: Points, value: float, start: int) -> int:
    """Index of the first point >= value, not before ``start``."""
    low, high = start, points.size
    while low < high:
        middle = (low + high) // 2
        if np.float64(points[middle]) < value:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _sums_below(
    points: Points, mass: FloatArray, blocks: FloatArray, stop: int
) -> tuple[float, float, float]:
    """Sums of w, w z, w z**2 over the first ``stop`` points, in float64."""
    block = stop // BLOCK
    row = blocks[block]
    total, first, second = 0.0, 0.0, 0.0
    for i in range(block * BLOCK, stop):
        z = np.float64(points[i])
        w = mass[i] if mass.size > 0 else 1.0
        total += w
        first += w * z
        second += w * z * z
    return row[0] + (row[5] + total), row[1] + (row[2] + first), row[3] + (row[4] + second)


@kernel
def _cost(
    points: Points, mass: FloatArray, blocks: FloatArray, low: float, high: float, num_levels: int
) -> float:
    """sum w (z - Q(z))**2 for nearest levels low + k (high - low) / (K - 1), from running sums.

    Good to about 1e-15 of sum w z**2: enough to compare candidates, not to report a distortion.
    """
    step = (high - low) / (num_levels - 1)
    cost = 0.0
    start = 0
    total, first, second = 0.0, 0.0, 0.0
    for k in range(num_levels):
        stop = points.size
        if k + 1 < num_levels:
            stop = _first_at_least(points, low + (k + 0.5) * step, start)
        if stop > start:
            next_total, next_first, next_second = _sums_below(points, mass, blocks, stop)
            level = low + k * step
            # Centred on the level: what is left is of the size of the cell's own error.
            cell_mass, cell_first = next_total - total, next_first - first
            cost += (next_second - second - level * cell_first) - level * (cell_first - level * cell_mass)
            total, first, second = next_total, next_first, next_second
            start = stop
    return cost


@kernel
def uniform_costs(
    points: Points,
    mass: FloatArray,
    blocks: FloatArray,
    lows: FloatArray,
    highs: FloatArray,
    num_levels: int,
) -> FloatArray:
    """``sum w (z - Q(z))**2`` for each pair of outer levels, shape ``[m]``; num_levels >= 2."""
    costs = np.empty(lows.size)
    for i in range(lows.size):
        costs[i] = _cost(points, mass, blocks, lows[i], highs[i], num_levels)
    return costs


@kernel
def best_uniform_ends(
    points: Points,
    mass: FloatArray,
    blocks: FloatArray,
    low: float,
    high: float,
    num_levels: int,
    reach: float,
) -> tuple[float, float, float]:
    """Pattern search from (low, high) for a local minimum of the cost in both outer levels.

    The cost is piecewise quadratic with a kink wherever a threshold meets a point, so a search that asks
    for no derivative is the safe one: it tries eight directions, keeps the best, and halves its step when
    none is better. The levels stay inside the range of the points.

    Args:
        points: sorted z, shape ``[m]``.
        mass: shape ``[m]``, or ``[0]`` where all are 1.
        blocks: from ``block_prefix``.
        low: first outer level.
        high: last outer level, above ``low``.
        num_levels: K >= 2.
        reach: first step.

    Returns:
        (low, high, cost).
    """
    best = _cost(points, mass, blocks, low, high, num_levels)
    first, last = np.float64(points[0]), np.float64(points[points.size - 1])
    step = reach
    smallest = 1e-10 * (last - first)
    # A cost near zero is rounding, of either sign: only a fall above it is progress.
    noise = 1e-15 * blocks[blocks.shape[0] - 1, 3]
    while step > smallest:
        next_low, next_high, found = low, high, best
        for i in range(-1, 2):
            for j in range(-1, 2):
                a = min(max(low + i * step, first), last)
                b = min(max(high + j * step, first), last)
                if (i != 0 or j != 0) and a < b:
                    cost = _cost(points, mass, blocks, a, b, num_levels)
                    if cost < found:
                        next_low, next_high, found = a, b, cost
        if found < best - noise:
            low, high, best = next_low, next_high, found
        else:
            step *= 0.5
    return low, high, best
