"""Sums over the ends of sorted rows, and the high-rate cost of the best uniform range, for all rows."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.sums.prefix import BLOCK
from fmq_theory.kernels.sums.ranks import just_above, rank

__all__ = ["best_range_costs", "mean_excesses", "side_squares"]

FloatArray = NDArray[np.float64]
Points = NDArray[np.floating]

# Half-ranges tried a round, and rounds that close in on the best; the innermost is this share of the reach.
TRIALS = 16
ROUNDS = 3
INNERMOST = 1e-3


@kernel
def _count_below(points: Points, value: float) -> int:
    start = points.size - points.size  # no literal: numba would compile the callee once more for it
    return rank(points, value, start, points.size)


@kernel
def _sums_below(points: Points, blocks: FloatArray, stop: int) -> tuple[float, float]:
    """Sums of z and z**2 over the first ``stop`` points, in float64."""
    block = stop // BLOCK
    first, second = 0.0, 0.0
    for i in range(block * BLOCK, stop):
        z = np.float64(points[i])
        first += z
        second += z * z
    return blocks[block, 1] + first, blocks[block, 3] + second


@kernel
def _total_cost(points: Points, blocks: FloatArray, centre: float, half: float, num_levels: int) -> float:
    """n (granular + overload) of K cells on [centre - half, centre + half].

    Granular: step**2 / 12 for each point inside. Overload: exact, about the outer levels, half a step inside.
    """
    low, high = centre - half, centre + half
    step = 2.0 * half / num_levels
    size = points.size
    below, inside = _count_below(points, low), _count_below(points, high)
    inside = max(inside, below)
    cost = step * step / 12.0 * (inside - below)
    if below > 0:
        level = low + 0.5 * step
        first, second = _sums_below(points, blocks, below)
        cost += max(0.0, second - level * (2.0 * first - level * below))
    if inside < size:
        level = high - 0.5 * step
        first, second = _sums_below(points, blocks, inside)
        last = blocks[blocks.shape[0] - 1]
        first, second = last[1] - first, last[3] - second
        cost += max(0.0, second - level * (2.0 * first - level * (size - inside)))
    return cost


@kernel
def best_range_costs(points: Points, blocks: FloatArray, num_levels: int) -> FloatArray:
    """n times the least granular + overload over half-ranges about the median, shape ``[R]``.

    Args:
        points: sorted rows, shape ``[R, C]``.
        blocks: their sums.
        num_levels: K.
    """
    costs = np.zeros(points.shape[0])
    for r in range(points.shape[0]):
        row, sums = points[r], blocks[r]
        first, last = np.float64(row[0]), np.float64(row[row.size - 1])
        centre = np.float64(row[(row.size + 1) // 2 - 1])
        reach = max(last - centre, centre - first)
        if not reach > 0.0:
            continue
        low, high = INNERMOST * reach, reach
        for _ in range(ROUNDS):
            ratio = (high / low) ** (1.0 / (TRIALS - 1))
            best, least = 0, np.inf
            for i in range(TRIALS):
                half = high if i == TRIALS - 1 else low * ratio**i
                cost = _total_cost(row, sums, centre, half, num_levels)
                if cost < least:
                    best, least = i, cost
            stop = high if best + 1 >= TRIALS - 1 else low * ratio ** (best + 1)
            low, high = low * ratio ** max(best - 1, 0), stop
        inner = _total_cost(row, sums, centre, np.sqrt(low) * np.sqrt(high), num_levels)
        costs[r] = min(inner, _total_cost(row, sums, centre, reach, num_levels))
    return costs


@kernel
def mean_excesses(points: Points, blocks: FloatArray, num_cells: int) -> FloatArray:
    """Mean distance of the outermost 1/K of each row from where it begins: below, above; shape ``[R, 2]``.

    Args:
        points: sorted rows, shape ``[R, C]``.
        blocks: their sums.
        num_cells: K >= 2.
    """
    size = points.shape[1]
    excess = np.zeros((points.shape[0], 2))
    share = size / num_cells
    lower = min(max(int(np.ceil(share)) - 1, 0), size - 1)
    upper = min(max(int(np.ceil(size - share)) - 1, 0), size - 1)
    for r in range(points.shape[0]):
        row, sums = points[r], blocks[r]
        edge = np.float64(row[lower])
        count = _count_below(row, edge)
        if count > 0:
            first, _ = _sums_below(row, sums, count)
            excess[r, 0] = max(0.0, edge - first / count)
        edge = np.float64(row[upper])
        below = _count_below(row, edge)
        first, _ = _sums_below(row, sums, below)
        excess[r, 1] = max(0.0, (sums[sums.shape[0] - 1, 1] - first) / (size - below) - edge)
    return excess


@kernel
def side_squares(points: Points, blocks: FloatArray) -> FloatArray:
    """Sums of z**2 over the negative points but those nearest to zero, and over the positive; ``[R, 2]``.

    Args:
        points: sorted rows, shape ``[R, C]``.
        blocks: their sums.
    """
    squares = np.zeros((points.shape[0], 2))
    for r in range(points.shape[0]):
        row, sums = points[r], blocks[r]
        below = _count_below(row, 0.0)
        if below > 0:
            farther = _count_below(row, np.float64(row[below - 1]))
            squares[r, 0] = _sums_below(row, sums, farther)[1]
        above = _count_below(row, just_above(0.0))
        squares[r, 1] = sums[sums.shape[0] - 1, 3] - _sums_below(row, sums, above)[1]
    return squares
