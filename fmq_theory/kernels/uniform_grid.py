"""Equally spaced levels on data: their squared error, and the outer levels that make it least."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.cells import cell_cost
from fmq_theory.kernels.jit import kernel
from fmq_theory.kernels.prefix import BLOCK

__all__ = ["best_uniform_ends", "best_uniform_ends_of_rows", "rank_table", "uniform_cost"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]
RankTable = tuple[FloatArray, IndexArray]
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
# A pattern search from half a level's step on, halved so many times.
HALVINGS = 7
# From so many levels on the grid is finer, and its costs rough.
MANY_LEVELS = 12
# Up to so many points have a look-up table of their own: it then stays in a core's cache.
MOST_TABLED = 1 << 16
# What points spread at least, so that the number of a bin is one.
LEAST_SPREAD = 1e-200
# Points a level up to which a pass over all points is as short as a look-up for each level.
POINTS_A_LOOK_UP = 4
# So many points are compared with a border at once.
NEAR = 8


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
def rank_table(points: Points, blocks: FloatArray) -> tuple[FloatArray, IndexArray]:
    """Sums of z and z**2 before each point, and the ranks of the borders of as many equal bins.

    Equal masses only. A bin's number is a non-decreasing function of z, rounding included: points in lower
    bins than a border's lie below it, points in higher bins above it.

    Returns:
        sums, shape ``[m + 1, 2]``, and how many points lie in lower bins, shape ``[m + 1]``.
    """
    size = points.size
    sums, ranks = np.empty((size + 1, 2)), np.zeros(size + 1, dtype=np.int64)
    first, last = np.float64(points[0]), np.float64(points[size - 1])
    scale = size / (last - first)
    for start in range(0, size, BLOCK):
        row = blocks[start // BLOCK]
        partial_first, partial_second = 0.0, 0.0
        for i in range(start, min(start + BLOCK, size)):
            sums[i, 0], sums[i, 1] = row[1] + (row[2] + partial_first), row[3] + (row[4] + partial_second)
            z = np.float64(points[i])
            partial_first += z
            partial_second += z * z
    everything = blocks[blocks.shape[0] - 1]
    sums[size, 0], sums[size, 1] = everything[1] + everything[2], everything[3] + everything[4]
    for i in range(size):  # the last point of a bin stays
        ranks[min(int((np.float64(points[i]) - first) * scale), size - 1) + 1] = i + 1
    filled = 0
    for k in range(size + 1):
        filled = max(filled, ranks[k])
        ranks[k] = filled
    return sums, ranks


@kernel
def _tabled_cost(
    points: Points, sums: FloatArray, ranks: IndexArray, low: float, high: float, num_levels: int
) -> tuple[float, float, float]:
    """``uniform_cost`` from a rank table: a look-up for each level, none of which waits for another."""
    size = points.size
    first_point = np.float64(points[0])
    scale = size / (np.float64(points[size - 1]) - first_point)
    step = (high - low) / (num_levels - 1)
    cost, all_centred, moment = 0.0, 0.0, 0.0
    start, first, second = 0, 0.0, 0.0
    for k in range(num_levels):
        stop = size
        if k + 1 < num_levels:
            border = low + (k + 0.5) * step
            bin_of_border = min(int(max((border - first_point) * scale, 0.0)), size - 1)
            stop, above = ranks[bin_of_border], ranks[bin_of_border + 1]
            while above - stop > NEAR:
                middle = (stop + above) // 2
                if np.float64(points[middle]) < border:
                    stop = middle + 1
                else:
                    above = middle
            if stop + NEAR <= size:  # what lies above is not below the border: no branch to guess
                below = 0
                for j in range(NEAR):
                    below += np.float64(points[stop + j]) < border
                stop += below
            else:
                while stop < above and np.float64(points[stop]) < border:
                    stop += 1
        next_first, next_second = sums[stop, 0], sums[stop, 1]
        level = low + k * step
        # Centred on the level: what is left is of the size of the cell's own error.
        cell_first = next_first - first
        centred = cell_first - level * (stop - start)
        cost += (next_second - second - level * cell_first) - level * centred
        all_centred += centred
        moment += k * centred
        start, first, second = stop, next_first, next_second
    moment /= num_levels - 1
    return cost, 2.0 * (moment - all_centred), -2.0 * moment


@kernel
def uniform_cost(
    points: Points,
    mass: FloatArray,
    blocks: FloatArray,
    table: RankTable,
    low: float,
    high: float,
    num_levels: int,
) -> tuple[float, float, float]:
    """sum w (z - Q(z))**2 for nearest levels low + k (high - low) / (K - 1), and its slopes in both ends.

    The cost is good to about 1e-15 of sum w z**2: enough to compare candidates, not to report a
    distortion. Thresholds half-way between levels move at no cost, so with c_k = (1 - s_k) low + s_k high
    the slope in low is -2 sum_k (1 - s_k) sum over cell k of w (z - c_k).

    Args:
        points: sorted z, shape ``[m]``.
        mass: shape ``[m]``, or ``[0]`` where all are 1.
        blocks: from ``block_prefix``.
        table: from ``rank_table``, or of empty arrays.
        low: first level.
        high: last level, above ``low``.
        num_levels: K >= 2.

    Returns:
        (cost, slope in low, slope in high).
    """
    if table[1].size > 0 and points.size > POINTS_A_LOOK_UP * num_levels:
        return _tabled_cost(points, table[0], table[1], low, high, num_levels)
    step = (high - low) / (num_levels - 1)
    cost, slope_low, slope_high = 0.0, 0.0, 0.0
    start = 0
    if points.size < BLOCK * num_levels:  # then a pass over all points is shorter than K look-ups
        for k in range(num_levels):
            level = low + k * step
            border = low + (k + 0.5) * step if k + 1 < num_levels else np.inf
            centred = 0.0
            while start < points.size and np.float64(points[start]) < border:
                offset = np.float64(points[start]) - level
                weighted = mass[start] * offset if mass.size > 0 else offset
                centred += weighted
                cost += weighted * offset
                start += 1
            share = k / (num_levels - 1)
            slope_low -= 2.0 * (1.0 - share) * centred
            slope_high -= 2.0 * share * centred
        return cost, slope_low, slope_high
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
            centred = cell_first - level * cell_mass
            cost += (next_second - second - level * cell_first) - level * centred
            share = k / (num_levels - 1)
            slope_low -= 2.0 * (1.0 - share) * centred
            slope_high -= 2.0 * share * centred
            total, first, second = next_total, next_first, next_second
            start = stop
    return cost, slope_low, slope_high


@kernel
def _overload(points: Points, mass: FloatArray, blocks: FloatArray, end: float, above: bool) -> float:
    """sum w (z - end)**2 over the points above ``end``, or below it."""
    inner = _first_at_least(points, end, 0)
    total, first, second = _sums_below(points, mass, blocks, inner)
    if above:
        last = blocks[blocks.shape[0] - 1]
        total, first, second = last[0] - total, last[1] - first, last[3] - second
    return second - end * (2.0 * first - end * total)


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
    points: Points,
    mass: FloatArray,
    blocks: FloatArray,
    table: RankTable,
    low: float,
    high: float,
    num_levels: int,
) -> tuple[float, float, float]:
    """Quasi-Newton descent (BFGS) in both outer levels, which stay inside the range of the points.

    The cost is differentiable but where a threshold meets a point, and the kinks are of the size of one
    point's error, so a gradient leads almost to the bottom. No step is taken that does not go down.
    """
    first, last = float(np.float64(points[0])), float(np.float64(points[points.size - 1]))
    cost, slope_low, slope_high = uniform_cost(points, mass, blocks, table, low, high, num_levels)
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
                found, next_slope_low, next_slope_high = uniform_cost(
                    points, mass, blocks, table, next_low, next_high, num_levels
                )
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
def _polish(
    points: Points,
    mass: FloatArray,
    blocks: FloatArray,
    table: RankTable,
    low: float,
    high: float,
    cost: float,
    num_levels: int,
) -> tuple[float, float, float]:
    """Pattern search on the scale of a step, where few points a level make the cost rugged."""
    first, last = float(np.float64(points[0])), float(np.float64(points[points.size - 1]))
    reach = 0.5 * (high - low) / (num_levels - 1)
    for _ in range(HALVINGS):
        for direction in range(8):
            turn = direction if direction < 4 else direction + 1  # of 3 x 3 moves, all but staying
            next_low = min(max(low + reach * (turn // 3 - 1), first), last)
            next_high = min(max(high + reach * (turn % 3 - 1), first), last)
            if next_low < next_high:
                found, _, _ = uniform_cost(points, mass, blocks, table, next_low, next_high, num_levels)
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
    points: Points,
    mass: FloatArray,
    blocks: FloatArray,
    table: RankTable,
    lows: FloatArray,
    highs: FloatArray,
    num_levels: int,
) -> FloatArray:
    """The cost for each pair of ends, bordered by inf; for many levels roughly.

    Roughly is the overload error of each end and step**2 / 12 a weight, which needs no pass a pair.
    """
    costs = np.full((lows.size + 2, highs.size + 2), np.inf)
    below, above = np.zeros(lows.size), np.zeros(highs.size)
    if num_levels >= MANY_LEVELS:
        for i in range(lows.size):
            below[i] = _overload(points, mass, blocks, lows[i], False)
        for j in range(highs.size):
            above[j] = _overload(points, mass, blocks, highs[j], True)
    total = blocks[blocks.shape[0] - 1, 0]
    for i in range(lows.size):
        for j in range(highs.size):
            if lows[i] >= highs[j]:
                continue
            if num_levels >= MANY_LEVELS:
                step = (highs[j] - lows[i]) / (num_levels - 1)
                costs[i + 1, j + 1] = below[i] + above[j] + total * step * step / 12.0
            else:
                costs[i + 1, j + 1], _, _ = uniform_cost(
                    points, mass, blocks, table, lows[i], highs[j], num_levels
                )
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
def best_uniform_ends(
    points: Points, mass: FloatArray, blocks: FloatArray, num_levels: int
) -> tuple[float, float]:
    """Outer levels (low, high) of the cheapest grid that was found; never worse than min-max.

    Descents start from the best local minima on a grid of both ends. They need not find the global
    minimum.

    Args:
        points: sorted z, not all equal, shape ``[m]``.
        mass: shape ``[m]``, or ``[0]`` where all are 1.
        blocks: from ``block_prefix``.
        num_levels: K >= 2.
    """
    first, last = np.float64(points[0]), np.float64(points[points.size - 1])
    everything = blocks[blocks.shape[0] - 1]
    mean = min(max(everything[1] / everything[0], first), last)
    deviation = np.sqrt(cell_cost(blocks, 0, blocks.shape[0] - 1) / everything[0])
    table = np.empty((0, 2)), np.empty(0, dtype=np.int64)
    if mass.size == 0 and points.size <= MOST_TABLED and last - first > LEAST_SPREAD:
        table = rank_table(points, blocks)
    count = FINE_SIDE if num_levels >= MANY_LEVELS else SIDE
    lows, highs = _ends(mean, first, deviation, count), _ends(mean, last, deviation, count)
    costs = _grid_costs(points, mass, blocks, table, lows, highs, num_levels)
    best_low, best_high = first, last
    best, _, _ = uniform_cost(points, mass, blocks, table, first, last, num_levels)
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
        low, high, cost = _descend(points, mass, blocks, table, lows[row - 1], highs[column - 1], num_levels)
        if cost < best - noise:
            best_low, best_high, best = low, high, cost
    low, high, cost = _polish(points, mass, blocks, table, best_low, best_high, best, num_levels)
    if cost < best - noise:
        best_low, best_high = low, high
    return best_low, best_high


@kernel
def best_uniform_ends_of_rows(points: Points, blocks: FloatArray, num_levels: int) -> FloatArray:
    """``best_uniform_ends`` of each row of equal masses, shape ``[R, 2]``; a constant row keeps its value."""
    no_mass = np.empty(0)
    ends = np.empty((points.shape[0], 2))
    for r in range(points.shape[0]):
        ends[r, 0], ends[r, 1] = np.float64(points[r, 0]), np.float64(points[r, points.shape[1] - 1])
        if ends[r, 0] < ends[r, 1]:
            ends[r, 0], ends[r, 1] = best_uniform_ends(points[r], no_mass, blocks[r], num_levels)
    return ends
