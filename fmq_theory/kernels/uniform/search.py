"""Equally spaced levels on data: a search for the outer levels that make their squared error least."""

import math

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.sums.cells import cell_cost
from fmq_theory.kernels.uniform.cost import (
    LEAST_SPREAD,
    MOST_TABLED,
    RankTable,
    SpacedData,
    overload,
    table_if_useful,
    uniform_cost,
)
from fmq_theory.kernels.uniform.enumeration import best_grid_of_all

__all__ = ["best_uniform_ends", "best_uniform_ends_of_rows"]

FloatArray = NDArray[np.float64]
Points = NDArray[np.floating]

# Grid points an end, the innermost at this many standard deviations from the mean.
SIDE = 12
FINE_SIDE = 64
INNERMOST = 0.25
# Descents from the best local minima of the grid.
STARTS = 3
# A descent stops when a step gains less than this share of the cost, or after so many steps.
GAIN = 1e-9
STEPS = 40
# Around the best descent: so many steps from 2**-SPAN to 2**SPAN of its own about its middle, each at so many
# offsets; and so many with a level on an outermost point and another on the median.
SCALES = 5
OFFSETS = 4
# The same where there are fewer points than this a level: each of them counts then, and a cost is soon known.
FEW_A_LEVEL = 2
MORE_SCALES = 9
MORE_OFFSETS = 8
ANCHORED = 16
SPAN = 0.5
# A pattern search from half a level's step on, halved so many times.
HALVINGS = 5
# Sorted data hold no more than two points for each distinct one: of more than these nothing is enumerated.
MOST_ENUMERATED = 1 << 16
# From so many levels on the grid is finer, and its costs rough.
MANY_LEVELS = 8


@kernel
def _secant_update(
    a: float, b: float, c: float, p: float, q: float, u: float, v: float
) -> tuple[float, float, float]:
    """BFGS: the inverse Hessian [[a, b], [b, c]] after a step (p, q) that changed the slopes by (u, v)."""
    curvature = p * u + q * v
    if curvature <= 0.0:
        return a, b, c
    first, second = a * u + b * v, b * u + c * v
    scale = (1.0 + (u * first + v * second) / curvature) / curvature
    return (
        a + scale * p * p - 2.0 * p * first / curvature,
        b + scale * p * q - (p * second + q * first) / curvature,
        c + scale * q * q - 2.0 * q * second / curvature,
    )


@kernel
def _descend(
    data: SpacedData,
    low: float,
    high: float,
    num_levels: int,
) -> tuple[float, float, float]:
    """Quasi-Newton descent (BFGS) in both outer levels, which stay inside the range of the points.

    The cost is differentiable but where a threshold meets a point, and the kinks are of the size of one
    point's error, so a gradient leads almost to the bottom. No step is taken that does not go down.
    """
    points, blocks = data.points, data.blocks
    first, last = float(np.float64(points[0])), float(np.float64(points[points.size - 1]))
    cost, slope_low, slope_high = uniform_cost(data, low, high, num_levels)
    total = float(blocks[blocks.shape[0] - 1, 0])
    # The inverse of the Hessian with all cells held fixed, for many equally full cells.
    a: float = 2.0 / total
    b: float = -1.0 / total
    c: float = 2.0 / total
    for _ in range(STEPS):
        move_low = -(a * slope_low + b * slope_high)
        move_high = -(b * slope_low + c * slope_high)
        reach = 1.0
        next_low, next_high, found, next_slope_low, next_slope_high = low, high, cost, 0.0, 0.0
        for _ in range(8):
            next_low = min(max(low + reach * move_low, first), last)
            next_high = min(max(high + reach * move_high, first), last)
            if next_low < next_high:
                found, next_slope_low, next_slope_high = uniform_cost(data, next_low, next_high, num_levels)
                if found < cost:
                    break
            reach *= 0.25
        if not found < cost * (1.0 - GAIN):
            break
        p, q = next_low - low, next_high - high
        u, v = next_slope_low - slope_low, next_slope_high - slope_high
        low, high, cost, slope_low, slope_high = next_low, next_high, found, next_slope_low, next_slope_high
        a, b, c = _secant_update(a, b, c, p, q, u, v)
    return low, high, cost


@kernel
def _scan(
    data: SpacedData,
    low: float,
    high: float,
    cost: float,
    num_levels: int,
) -> tuple[float, float, float]:
    """Other steps, where few points make many minima.

    They are tried about the same middle at several offsets, then with the first level on the first point, or
    the last level on the last, such that some level is on the median.
    """
    points = data.points
    first, last = float(np.float64(points[0])), float(np.float64(points[points.size - 1]))
    median = float(np.float64(points[points.size // 2]))
    top = float(num_levels - 1)
    step, middle = (high - low) / top, 0.5 * low + 0.5 * high
    is_few = points.size < FEW_A_LEVEL * num_levels
    scales, offsets = (MORE_SCALES, MORE_OFFSETS) if is_few else (SCALES, OFFSETS)
    for i in range(scales * offsets + 2 * ANCHORED):
        next_low, next_high = low, low
        if i < scales * offsets:
            tried = step * 2.0 ** (SPAN * (2.0 * (i // offsets) / (scales - 1) - 1.0))
            centre = middle + tried * ((i % offsets) / offsets - 0.5)
            next_low = max(centre - 0.5 * tried * top, first)
            next_high = min(centre + 0.5 * tried * top, last)
        else:
            i -= scales * offsets
            reach = median - first if i < ANCHORED else last - median
            share = 2.0 ** (SPAN * (2.0 * (i % ANCHORED) / (ANCHORED - 1) - 1.0))
            steps = np.rint(share * reach / step)
            if steps >= 1.0:
                span = top * (reach / steps)
                next_low = first if i < ANCHORED else max(last - span, first)
                next_high = last if i >= ANCHORED else min(first + span, last)
        if next_low < next_high:
            found, _, _ = uniform_cost(data, next_low, next_high, num_levels)
            if found < cost:
                low, high, cost = next_low, next_high, found
    return low, high, cost


@kernel
def _polish(
    data: SpacedData,
    low: float,
    high: float,
    cost: float,
    num_levels: int,
) -> tuple[float, float, float]:
    """Pattern search on the scale of a step, where few points a level make the cost rugged."""
    points = data.points
    first, last = float(np.float64(points[0])), float(np.float64(points[points.size - 1]))
    reach = 0.5 * (high - low) / (num_levels - 1)
    for _ in range(HALVINGS):
        for direction in range(8):
            turn = direction if direction < 4 else direction + 1  # of 3 x 3 moves, all but staying
            next_low = min(max(low + reach * (turn // 3 - 1), first), last)
            next_high = min(max(high + reach * (turn % 3 - 1), first), last)
            if next_low < next_high:
                found, _, _ = uniform_cost(data, next_low, next_high, num_levels)
                if found < cost:
                    low, high, cost = next_low, next_high, found
        reach *= 0.5
    return low, high, cost


@kernel
def _ends(mean: float, outermost: float, deviation: float, count: int) -> FloatArray:
    """Candidates for one outer level, from the innermost to the extreme, evenly in the logarithm."""
    reach = abs(outermost - mean)
    inner = INNERMOST * deviation
    if reach <= inner:
        return np.full(1, outermost)
    # Ratios, so that the grid of 2**k X is exactly 2**k times that of X.
    ratio = min(inner / reach, 0.5)
    ends = np.empty(count)
    for i in range(count):
        ends[i] = mean + (outermost - mean) * ratio ** (1.0 - i / (count - 1))
    ends[count - 1] = outermost
    return ends


@kernel
def _grid_costs(
    data: SpacedData,
    lows: FloatArray,
    highs: FloatArray,
    num_levels: int,
) -> FloatArray:
    """The cost for each pair of ends, bordered by inf; for many levels roughly.

    Roughly is the overload error of each end and step**2 / 12 a weight, which needs no pass a pair.
    """
    points, mass, blocks = data.points, data.mass, data.blocks
    costs = np.full((lows.size + 2, highs.size + 2), np.inf)
    below, above = np.zeros(lows.size), np.zeros(highs.size)
    if num_levels >= MANY_LEVELS:
        for i in range(lows.size):
            below[i] = overload(points, mass, blocks, lows[i], False)
        for j in range(highs.size):
            above[j] = overload(points, mass, blocks, highs[j], True)
    total = blocks[blocks.shape[0] - 1, 0]
    for i in range(lows.size):
        for j in range(highs.size):
            if lows[i] >= highs[j]:
                continue
            if num_levels >= MANY_LEVELS:
                step = (highs[j] - lows[i]) / (num_levels - 1)
                costs[i + 1, j + 1] = below[i] + above[j] + total * step * step / 12.0
            else:
                costs[i + 1, j + 1], _, _ = uniform_cost(data, lows[i], highs[j], num_levels)
    return costs


@kernel
def _is_local_minimum(costs: FloatArray, i: int, j: int) -> bool:
    """Whether none of the eight neighbours is smaller."""
    for row in range(i - 1, i + 2):
        for column in range(j - 1, j + 2):
            if costs[row, column] < costs[i, j]:
                return False
    return True


@kernel
def _search(data: SpacedData, num_levels: int, other: tuple[float, float]) -> tuple[float, float]:
    """``best_uniform_ends``, given the best grid of all, of nan where it is not known."""
    points, blocks = data.points, data.blocks
    first, last = np.float64(points[0]), np.float64(points[points.size - 1])
    everything = blocks[blocks.shape[0] - 1]
    mean = min(max(everything[1] / everything[0], first), last)
    start = points.size - points.size  # no literal: numba would compile the callee once more for it
    deviation = np.sqrt(cell_cost(blocks, start, blocks.shape[0] - 1) / everything[0])
    count = FINE_SIDE if num_levels >= MANY_LEVELS else SIDE
    lows, highs = _ends(mean, first, deviation, count), _ends(mean, last, deviation, count)
    costs = _grid_costs(data, lows, highs, num_levels)
    best_low, best_high = first, last
    best, _, _ = uniform_cost(data, first, last, num_levels)
    # Costs are good to about 1e-15 of this: a smaller fall might be a rise over min-max.
    noise = 1e-14 * everything[3]
    for _ in range(STARTS):
        row, column, least = 0, 0, np.inf
        for i in range(1, lows.size + 1):
            for j in range(1, highs.size + 1):
                if -np.inf < costs[i, j] < least and _is_local_minimum(costs, i, j):
                    row, column, least = i, j, costs[i, j]
        if row == 0:
            break
        # A minimum that is used is no longer one, and makes none of its neighbours.
        costs[row, column] = -np.inf
        low, high, cost = _descend(data, lows[row - 1], highs[column - 1], num_levels)
        if cost < best - noise:
            best_low, best_high, best = low, high, cost
    low, high, cost = _scan(data, best_low, best_high, best, num_levels)
    low, high, cost = _polish(data, low, high, cost, num_levels)
    if cost < best - noise:
        best_low, best_high, best = low, high, cost
    low, high = other
    if -np.inf < low < high < np.inf:
        cost, _, _ = uniform_cost(data, low, high, num_levels)
        if cost < best - noise:
            best_low, best_high = low, high
    return best_low, best_high


def best_uniform_ends(
    points: Points, mass: FloatArray, blocks: FloatArray, num_levels: int, everywhere: bool
) -> tuple[float, float]:
    """Outer levels (low, high) of the cheapest grid that was found; never worse than min-max.

    Descents start from the best local minima on a grid of both ends, which stay in the range of the points;
    other steps and offsets are tried around the best. They need not find the global minimum. On few points
    all grids are enumerated besides, and one whose ends lie outside the range is taken where it is better.

    Args:
        points: sorted z, not all equal, shape ``[m]``.
        mass: shape ``[m]``, or ``[0]`` where all are 1.
        blocks: from ``block_prefix``.
        num_levels: K >= 2.
        everywhere: whether ends may leave the range.
    """
    # What many points have no use for is asked here, so that it is not compiled for them.
    table: RankTable = (np.empty((0, 2)), np.empty(0, dtype=np.int64))
    if points.size <= MOST_TABLED:
        table = table_if_useful(points, mass, blocks, num_levels)
    other = math.nan, math.nan
    if everywhere and points.size <= MOST_ENUMERATED and float(points[-1]) - float(points[0]) > LEAST_SPREAD:
        other = best_grid_of_all(points, mass, num_levels)
    return _search(SpacedData(points, mass, blocks, table), num_levels, other)


@kernel
def best_uniform_ends_of_rows(points: Points, blocks: FloatArray, num_levels: int) -> FloatArray:
    """``best_uniform_ends`` of each row of equal masses, shape ``[R, 2]``; a constant row keeps its value."""
    no_mass = np.empty(0)
    ends = np.empty((points.shape[0], 2))
    for r in range(points.shape[0]):
        row = points[r]
        ends[r, 0], ends[r, 1] = np.float64(row[0]), np.float64(row[row.size - 1])
        if ends[r, 0] < ends[r, 1]:
            table = table_if_useful(row, no_mass, blocks[r], num_levels)
            other = np.nan, np.nan
            if ends[r, 1] - ends[r, 0] > LEAST_SPREAD:
                other = best_grid_of_all(row, no_mass, num_levels)
            ends[r, 0], ends[r, 1] = _search(SpacedData(row, no_mass, blocks[r], table), num_levels, other)
    return ends
