"""The squared error of equally spaced levels on sorted data, and its slopes in the outer levels."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.sums.prefix import BLOCK
from fmq_theory.kernels.sums.ranks import rank

__all__ = [
    "LEAST_SPREAD",
    "MOST_TABLED",
    "RankTable",
    "SpacedData",
    "overload",
    "rank_table",
    "table_if_useful",
    "uniform_cost",
]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]
RankTable = tuple[FloatArray, IndexArray]
Points = NDArray[np.floating]


class SpacedData(NamedTuple):
    """Sorted weights, as the search for equally spaced levels reads them.

    Attributes:
        points: sorted z, shape ``[m]``.
        mass: shape ``[m]``, or ``[0]`` where all are 1.
        blocks: from ``block_prefix``.
        table: from ``rank_table``, or of empty arrays.
    """

    points: Points
    mass: FloatArray
    blocks: FloatArray
    table: RankTable


# Up to so many points have a look-up table of their own: it then stays in a core's cache.
MOST_TABLED = 1 << 16
# What points spread at least, so that the number of a bin is one.
LEAST_SPREAD = 1e-200
# Points a level up to which a pass over all points is as short as a look-up for each level.
POINTS_A_LOOK_UP = 4
# So many points are compared with a border at once.
NEAR = 8


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
def _bin_of(value: float, first: float, scale: float, count: int) -> int:
    """Which of ``count`` bins, 1 / scale wide from ``first`` on: non-decreasing, rounding included.

    Compared before it becomes an integer: what is made of nan, or of a number beyond int64, is no index.
    """
    place = (value - first) * scale
    if not place > 0.0:
        return 0
    return int(place) if place < count - 1 else count - 1


@kernel
def rank_table(points: Points, blocks: FloatArray) -> tuple[FloatArray, IndexArray]:
    """Sums of z and z**2 before each point, and the ranks of the borders of as many equal bins.

    Equal masses only. Bins are numbered by ``_bin_of``: points in lower bins than a border's lie below it,
    points in higher bins above it.

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
        ranks[_bin_of(np.float64(points[i]), first, scale, size) + 1] = i + 1
    filled = 0
    for k in range(size + 1):
        filled = max(filled, ranks[k])
        ranks[k] = filled
    return sums, ranks


@kernel
def table_if_useful(points: Points, mass: FloatArray, blocks: FloatArray, num_levels: int) -> RankTable:
    """``rank_table`` for points of equal mass, many for the levels and few for a cache; else empty arrays."""
    spread = np.float64(points[points.size - 1]) - np.float64(points[0])
    is_in_range = POINTS_A_LOOK_UP * num_levels < points.size <= MOST_TABLED
    if mass.size == 0 and is_in_range and spread > LEAST_SPREAD:
        return rank_table(points, blocks)
    return np.empty((0, 2)), np.empty(0, dtype=np.int64)


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
            bin_of_border = _bin_of(border, first_point, scale, size)
            stop, above = ranks[bin_of_border], ranks[bin_of_border + 1]
            while above - stop > NEAR:
                middle = (stop + above) // 2
                if np.float64(points[middle]) < border:
                    stop = middle + 1
                else:
                    above = middle
            if stop + NEAR <= size:  # what lies above is not below the border: no branch to guess
                here = np.uintp(stop)  # unsigned, or numba would look for negative indices at every point
                below = 0
                for j in range(np.uintp(NEAR)):
                    below += np.float64(points[here + j]) < border
                stop += below
            else:
                while stop < above and np.float64(points[stop]) < border:
                    stop += 1
        row = sums[np.uintp(stop)]
        next_first, next_second = row[0], row[1]
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
def uniform_cost(data: SpacedData, low: float, high: float, num_levels: int) -> tuple[float, float, float]:
    """sum w (z - Q(z))**2 for nearest levels low + k (high - low) / (K - 1), and its slopes in both ends.

    The cost is good to about 1e-15 of sum w z**2: enough to compare candidates, not to report a
    distortion. Thresholds half-way between levels move at no cost, so with c_k = (1 - s_k) low + s_k high
    the slope in low is -2 sum_k (1 - s_k) sum over cell k of w (z - c_k).

    Args:
        data: the weights.
        low: first level.
        high: last level, above ``low``.
        num_levels: K >= 2.

    Returns:
        (cost, slope in low, slope in high).
    """
    points, mass, blocks, table = data
    if table[1].size > 0:
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
            stop = rank(points, low + (k + 0.5) * step, start, points.size)
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
def overload(points: Points, mass: FloatArray, blocks: FloatArray, end: float, above: bool) -> float:
    """sum w (z - end)**2 over the points above ``end``, or below it."""
    start = points.size - points.size  # no literal: numba would compile the callee once more for it
    inner = rank(points, end, start, points.size)
    total, first, second = _sums_below(points, mass, blocks, inner)
    if above:
        last = blocks[blocks.shape[0] - 1]
        total, first, second = last[0] - total, last[1] - first, last[3] - second
    return second - end * (2.0 * first - end * total)
