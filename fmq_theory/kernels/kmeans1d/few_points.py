"""The exact optimum of sorted rows of few points, such as the channels of a tensor.

All points are breakpoints. One kernel call solves the rows for which float64 sums are precise enough, which
are most of those without masses; the others are solved one by one, in centred windows as they are needed.
"""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.kmeans1d.breakpoints import breakpoints_at, tie_ends
from fmq_theory.kernels.kmeans1d.multiplier import SAME, breakpoint_search
from fmq_theory.kernels.kmeans1d.paths import partition_cost, path_to
from fmq_theory.kernels.kmeans1d.point_path import (
    PointWork,
    exact_sums,
    least_cost_of_cells,
    least_path_value,
    point_work,
)
from fmq_theory.kernels.kmeans1d.problem import Breakpoints, Partition, Row
from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.sums.cells import cell_cost
from fmq_theory.kernels.sums.double_double import UNIT_ROUNDING

__all__ = ["LARGEST_GAP", "few_points_optimum", "optimum_of_breakpoints"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]
Points = NDArray[np.floating]

# Of few points with masses, this many a cell find the multiplier.
BREAKPOINTS_OF_FEW = 10
# Multipliers tried before breakpoints are chosen instead.
MOST_MULTIPLIERS = 12
# Of the multiplier of a row, in the guess for the next one.
NEWEST = 0.2
# The most that rounding may do to the bound, relative.
LARGEST_GAP = 3e-11


@kernel
def optimum_of_points(
    row: Row, spread: float, num_cells: int, multiplier: float, work: PointWork
) -> tuple[IndexArray, float, float]:
    """The optimum of a row without masses from few multipliers, all points being breakpoints.

    Args:
        row: m points.
        spread: sum of squares about the mean.
        num_cells: K > 1.
        multiplier: a guess, > 0.
        work: for rows of m points.

    Returns:
        the path ``[K + 1]``, shape ``[0]`` where none was found; a lower bound; the multiplier.
    """
    points, blocks = row.points, row.blocks
    num_points = points.size
    zero = num_points - num_points  # no literal: numba would compile the callees once more for it
    origin = blocks[-1, 1] / num_points
    # No sum about the mean is above (m spread)**(1/2) / 2.
    reach = 0.51 * np.sqrt(num_points * spread) + 8.0 * UNIT_ROUNDING * num_points * abs(origin)
    total, moved = exact_sums(points, origin, reach, work.first, work.second)
    path: IndexArray = np.empty(zero, dtype=np.int64)
    fewer, more = zero, zero
    fewer_cost, more_cost = 0.0, 0.0
    for _ in range(MOST_MULTIPLIERS):
        least = least_path_value(work, multiplier)
        path = path_to(work.parent, num_points)
        found = path.size - 1
        if found == num_cells:
            return path, least_cost_of_cells(least, total, moved, multiplier, num_cells), multiplier
        cost = least - multiplier * found
        if found > num_cells:
            more, more_cost = found, cost
        else:
            fewer, fewer_cost = found, cost
        if fewer > 0 and more > 0:
            # Where these are K - 1 and K + 1, K cells are the best for this multiplier.
            chord = (fewer_cost - more_cost) / (more - fewer)
            if abs(chord - multiplier) <= SAME * multiplier:
                break  # no multiplier singles out K cells, or rounding hides it
            multiplier = chord
        else:
            # C(k) is about 1 / k**2, so the multiplier is about 1 / k**3. One cell off is half a step away.
            multiplier *= (found / num_cells) ** (1.5 if abs(found - num_cells) == 1 else 3.0)
        if not multiplier > 0.0:
            break
    return path[:0], 0.0, multiplier


@kernel
def has_more_values(points: Points, most: int) -> bool:
    """Whether sorted points have more than ``most`` >= 1 distinct values."""
    distinct = 1
    for i in range(1, points.size):
        if points[i] != points[i - 1]:
            distinct += 1
            if distinct > most:
                return True
    return False


@kernel
def cost_of_one(row: Row) -> tuple[float, float]:
    """The cost of all points as one cell, and a number below it by what rounding may have done."""
    points, blocks = row.points, row.blocks
    zero = points.size - points.size
    total = cell_cost(blocks, zero, blocks.shape[0] - 1)
    largest = max(abs(np.float64(points[0])), abs(np.float64(points[-1])))
    # Of the double-double sums, as in ``breakpoint_path.py``.
    sums = (0.25 * points.size + 64.0) * 2.0**-101 * blocks[-1, 0] * largest * largest
    return total, max(0.0, total * (1.0 - 16.0 * UNIT_ROUNDING) - sums)


@kernel
def few_points_optimum(
    points: Points, blocks: FloatArray, num_cells: int, is_shared: bool
) -> tuple[IndexArray, FloatArray, FloatArray, FloatArray, NDArray[np.bool_]]:
    """The exact 1-D K-means partition of each row, where float64 sums prove it.

    The first guess of a multiplier is that of the rows before, where guesses are shared: it is nearly the
    same share of the cost of a single cell in all rows of a kind.

    Args:
        points: sorted along the second axis, ties allowed, shape ``[R, C]``.
        blocks: ``block_prefix`` of each row, shape ``[R, B, 6]``.
        num_cells: K >= 1.
        is_shared: whether guesses are; if not, each row's result is that of the row alone, to the bit. Of
            partitions of equal cost, and of the last digits of a bound, the guess decides.

    Returns:
        boundaries ``[R, K + 1]``, which split no run of ties: those behind the last cell repeat its end,
        where there are fewer distinct points than cells; costs ``[R]``; lower bounds of the cost of every
        such partition, equal to it up to rounding, ``[R]``; a multiplier that gives about K cells, or 0,
        ``[R]``; the rows for which this holds, ``[R]``.
    """
    num_rows, num_points = points.shape
    boundaries = np.full((num_rows, num_cells + 1), num_points, dtype=np.int64)
    cost, lower, multipliers = np.zeros(num_rows), np.zeros(num_rows), np.zeros(num_rows)
    is_done = np.ones(num_rows, dtype=np.bool_)
    work = point_work(num_points)
    no_mass = np.empty(num_points - num_points)
    share = 0.0
    for r in range(num_rows):
        if not has_more_values(points[r], num_cells):
            index = tie_ends(points[r])
            for k in range(index.size):  # by a loop, for the reason given in ``breakpoints.py``
                boundaries[r, k] = index[k]
            continue
        row = Row(points[r], no_mass, blocks[r])
        total, below = cost_of_one(row)
        if num_cells == 1:
            boundaries[r, 0], cost[r], lower[r] = 0, total, below
            continue
        multiplier = share * total if share > 0.0 else 4.0 * total / np.float64(num_cells) ** 3
        path, bound, multiplier = optimum_of_points(row, total, num_cells, multiplier, work)
        is_done[r] = path.size > 0
        for k in range(1, path.size - 1):
            is_done[r] = is_done[r] and points[r, path[k] - 1] != points[r, path[k]]
        if is_done[r]:
            for k in range(path.size):
                boundaries[r, k] = path[k]
            cost[r] = partition_cost(breakpoints_at(row, path).rows, np.arange(path.size, dtype=np.int64))
            lower[r] = min(cost[r], bound)
            is_done[r] = cost[r] - lower[r] <= LARGEST_GAP * cost[r]
        if multiplier > 0.0 and total > 0.0:
            multipliers[r] = multiplier
        if is_shared and multiplier > 0.0 and total > 0.0:
            share += (NEWEST if share > 0.0 else 1.0) * (multiplier / total - share)
    return boundaries, cost, lower, multipliers, is_done


def optimum_of_breakpoints(row: Row, num_cells: int, multiplier: float = 0.0) -> Partition:
    """The exact weighted 1-D K-means partition of one row of few points, whatever their scale.

    Its boundaries split no run of ties, and the bound equals the cost up to rounding.

    Args:
        row: the points.
        num_cells: K >= 1.
        multiplier: a good guess, or 0.
    """
    index = tie_ends(row.points)
    distinct = index.size - 1
    if distinct <= num_cells:
        return Partition(index, 0.0, 0.0)
    if num_cells == 1:
        return Partition(np.array([0, row.points.size]), *cost_of_one(row))
    breakpoints = breakpoints_at(row, index)
    if not multiplier > 0.0:
        multiplier = 4.0 * cost_of_one(row)[0] / num_cells**3
        stride = distinct // (BREAKPOINTS_OF_FEW * num_cells)
        if stride > 1:
            # Breakpoints apart find the multiplier; near the ends, where weights are few, none is left out.
            ends = np.arange(2 * num_cells)
            few = np.unique(np.concatenate((ends, np.arange(0, distinct, stride), distinct - ends)))
            coarse = Breakpoints(breakpoints.places[few], breakpoints.rows[few], breakpoints.edges[few])
            _, _, multiplier = breakpoint_search(coarse, num_cells, multiplier, is_centred=True)
    path, bound, _ = breakpoint_search(breakpoints, num_cells, multiplier, is_centred=False)
    cost = partition_cost(breakpoints.rows, path)
    return Partition(index[path], cost, min(cost, bound))
