"""The exact optimum of sorted rows of few points, such as the channels of a tensor.

All points are breakpoints. One kernel call solves the rows for which float64 sums are precise enough, which
are most of those without masses; the others are solved one by one, in centred windows as they are needed.
"""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.kmeans1d.breakpoints import breakpoints_at, root_sum, tie_ends
from fmq_theory.kernels.kmeans1d.multiplier import breakpoint_search
from fmq_theory.kernels.kmeans1d.paths import partition_cost, path_to
from fmq_theory.kernels.kmeans1d.point_path import cheapest_path_of_points, least_cost_of_cells
from fmq_theory.kernels.kmeans1d.point_sums import PointWork, exact_sums, point_work
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
# What makes the high-rate law fit a row of few points and few cells: how much the sum over its blocks leaves
# out, how many cells the tails take, how much nearer to each other few points a cell are than many.
LEFT_OUT = 1.14
IN_TAILS = 0.7
FEWER = 7.0
# Where K has been missed by d cells, the next multiplier is to miss it by about d**(1/2) to the other side;
# less where this is much of K.
FEW_CELLS = 16.0
# The most that rounding may do to the bound, relative.
LARGEST_GAP = 3e-11


@kernel
def switch_between(work: PointWork, fewer: IndexArray, more: IndexArray, num_cells: int) -> float:
    """A multiplier between those of two cheapest paths, one of fewer and one of more than K cells.

    Between two places that both visit, each path is the cheapest for its multiplier. So such a stretch, of k1
    and k2 > k1 cells that cost c1 and c2, goes from one to the other at (c1 - c2) / (k2 - k1), alone. The
    stretches that go first, down from the larger multiplier, make K cells of the fewer ones.
    """
    first = work.first
    ratios, steps = np.empty(fewer.size), np.empty(fewer.size, dtype=np.int64)
    count = i = j = 0
    begin_i = begin_j = 0
    while i < fewer.size - 1:
        i += 1
        while more[j] < fewer[i]:
            j += 1
        if more[j] == fewer[i]:
            step = (j - begin_j) - (i - begin_i)
            if step > 0:
                gain = 0.0
                for k in range(begin_j, j):
                    moment = first[more[k + 1]] - first[more[k]]
                    gain += moment * moment / (more[k + 1] - more[k])
                for k in range(begin_i, i):
                    moment = first[fewer[k + 1]] - first[fewer[k]]
                    gain -= moment * moment / (fewer[k + 1] - fewer[k])
                ratios[count], steps[count] = gain / step, step
                count += 1
            begin_i, begin_j = i, j
    # The largest first, until there are K cells; few stretches differ.
    found = fewer.size - 1
    ratio = 0.0
    while True:
        best = 0
        for k in range(1, count):
            best = k if ratios[k] > ratios[best] else best
        following = ratios[best]
        if found >= num_cells:
            return np.sqrt(ratio * following) if found == num_cells and following > 0.0 else ratio
        ratio = following
        found += steps[best]
        ratios[best] = 0.0


@kernel
def sums_rounding(row: Row) -> float:
    """What one addition to the double-double sums of a row can do to the cost of a cell.

    As in ``breakpoint_path.py``: it is off by 2**-103 of the sum at most, and a cell by 4 W z**2 times that,
    W the total mass and z the greatest magnitude.
    """
    points = row.points
    largest = max(abs(np.float64(points[0])), abs(np.float64(points[-1])))
    return 2.0**-101 * row.blocks[-1, 0] * largest * largest


@kernel
def optimum_of_points(
    row: Row, spread: float, num_cells: int, multiplier: float, work: PointWork
) -> tuple[IndexArray, float, float, float]:
    """The optimum of a row without masses from few multipliers, all points being breakpoints.

    Args:
        row: m points.
        spread: sum of squares about the mean.
        num_cells: K > 1.
        multiplier: a guess, > 0.
        work: for rows of m points.

    Returns:
        the path ``[K + 1]``, shape ``[0]`` where none was found; its cost; a lower bound; the multiplier.
    """
    points, blocks = row.points, row.blocks
    num_points = points.size
    zero = num_points - num_points  # no literal: numba would compile the callees once more for it
    origin = blocks[-1, 1] / num_points
    # No sum about the mean is above (m spread)**(1/2) / 2.
    reach = 0.51 * np.sqrt(num_points * spread) + 8.0 * UNIT_ROUNDING * num_points * abs(origin)
    total, moved, shift = exact_sums(points, origin, reach, work.first, work.second)
    path: IndexArray = np.empty(zero, dtype=np.int64)
    fewer, more = path, path
    for _ in range(MOST_MULTIPLIERS):
        rounding = cheapest_path_of_points(work, multiplier, shift)
        path = path_to(work.parent, num_points)
        found = path.size - 1
        if found == num_cells:
            rows = breakpoints_at(row, path).rows
            cost = partition_cost(rows, np.arange(path.size, dtype=np.int64))
            sums = (0.25 * num_points + 16.0 * num_cells + 64.0) * sums_rounding(row)
            bound = least_cost_of_cells(cost, sums, total, moved, multiplier, num_cells, rounding)
            return path, cost, bound, multiplier
        if fewer.size > 0 and more.size > 0 and (path.size in (fewer.size, more.size)):
            break  # no multiplier singles out K cells, or rounding hides it
        if found > num_cells:
            more = path
        else:
            fewer = path
        if fewer.size > 0 and more.size > 0:
            multiplier = switch_between(work, fewer, more, num_cells)
        else:
            # C(k) is about 1 / k**2, so the multiplier is about 1 / k**3. A little further, to have K between
            # two paths: from there the next one often has K cells.
            off = found - num_cells
            beyond = np.sqrt(abs(off)) * num_cells / (num_cells + FEW_CELLS)
            aim = num_cells - beyond * np.sign(off)
            multiplier *= (found / max(aim, 0.5)) ** 3
        if not multiplier > 0.0:
            break
    return path[:0], 0.0, 0.0, multiplier


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
    sums = (0.25 * points.size + 64.0) * sums_rounding(row)
    return total, max(0.0, total * (1.0 - 16.0 * UNIT_ROUNDING) - sums)


@kernel
def first_multiplier(blocks: FloatArray, num_points: int, num_cells: int) -> float:
    """A guess within some percent of the multiplier of K cells, in laws without gaps.

    With c the cost of a block, sum c**(1/3) is about (n / 12)**(1/3) * integral of f**(1/3), whose cube over
    K**2 is the least cost by the high-rate law, and twice this over K is its slope.
    """
    root = root_sum(blocks, blocks.shape[0]) / (num_cells + IN_TAILS)
    return 2.0 * LEFT_OUT * root * root * root / (1.0 + FEWER * num_cells / num_points)


@kernel
def few_points_optimum(
    points: Points, blocks: FloatArray, num_cells: int
) -> tuple[IndexArray, FloatArray, FloatArray, FloatArray, NDArray[np.bool_]]:
    """The exact 1-D K-means partition of each row, where float64 sums prove it.

    Each row's result is that of the row alone, to the bit.

    Args:
        points: sorted along the second axis, ties allowed, shape ``[R, C]``.
        blocks: ``block_prefix`` of each row, shape ``[R, B, 6]``.
        num_cells: K >= 1.

    Returns:
        boundaries ``[R, K + 1]``, which split no run of ties: those behind the last cell repeat its end,
        where there are fewer distinct points than cells; costs ``[R]``; lower bounds of the cost of every
        such partition, equal to it up to rounding, ``[R]``; one that gives K cells, or 0,
        ``[R]``; the rows for which this holds, ``[R]``.
    """
    num_rows, num_points = points.shape
    boundaries = np.full((num_rows, num_cells + 1), num_points, dtype=np.int64)
    cost, lower, multipliers = np.zeros(num_rows), np.zeros(num_rows), np.zeros(num_rows)
    is_done = np.ones(num_rows, dtype=np.bool_)
    work = point_work(num_points)
    no_mass = np.empty(num_points - num_points)
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
        multiplier = first_multiplier(blocks[r], num_points, num_cells)
        path, found, bound, multiplier = optimum_of_points(row, total, num_cells, multiplier, work)
        is_done[r] = path.size > 0
        for k in range(1, path.size - 1):
            is_done[r] = is_done[r] and points[r, path[k] - 1] != points[r, path[k]]
        if is_done[r]:
            for k in range(path.size):
                boundaries[r, k] = path[k]
            cost[r], lower[r] = found, min(found, bound)
            is_done[r] = cost[r] - lower[r] <= LARGEST_GAP * cost[r]
        if bound > 0.5 * found:  # if not, rounding has made the path, and the multiplier may be far off
            multipliers[r] = multiplier
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
