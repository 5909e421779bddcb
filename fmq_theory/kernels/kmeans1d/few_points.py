"""The exact optimum of sorted rows of few points, such as the channels of a tensor.

All points are nodes. One kernel call solves the rows for which float64 sums are precise enough, which are
most of those without masses; the others are solved one by one, in centred windows as they are needed.
"""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.kmeans1d.nodes import nodes_at, tie_ends
from fmq_theory.kernels.kmeans1d.paths import partition_cost, path_to
from fmq_theory.kernels.kmeans1d.penalty import SAME, node_search
from fmq_theory.kernels.kmeans1d.point_path import (
    PointWork,
    exact_sums,
    least_cost_of_cells,
    least_path_value,
    point_work,
)
from fmq_theory.kernels.kmeans1d.problem import Nodes, Partition, Row
from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.sums.cells import cell_cost
from fmq_theory.kernels.sums.double_double import UNIT_ROUNDING

__all__ = ["LARGEST_GAP", "few_points_optimum", "optimum_of_nodes"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]
Points = NDArray[np.floating]

# Of few points with masses, this many a cell find the penalty.
NODES_OF_FEW = 10
# Penalties tried before nodes are chosen instead.
MOST_PENALTIES = 12
# Of the penalty of a row, in the guess for the next one.
NEWEST = 0.2
# The most that rounding may do to the bound, relative.
LARGEST_GAP = 3e-11


@kernel
def optimum_of_points(
    row: Row, spread: float, num_cells: int, penalty: float, work: PointWork
) -> tuple[IndexArray, float, float]:
    """The optimum of a row without masses from few penalties, all points being nodes.

    Args:
        row: m points.
        spread: sum of squares about the mean.
        num_cells: K > 1.
        penalty: a guess, > 0.
        work: for rows of m points.

    Returns:
        the path ``[K + 1]``, shape ``[0]`` where none was found; a lower bound; the penalty.
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
    for _ in range(MOST_PENALTIES):
        least = least_path_value(work, penalty)
        path = path_to(work.parent, num_points)
        found = path.size - 1
        if found == num_cells:
            return path, least_cost_of_cells(least, total, moved, penalty, num_cells), penalty
        cost = least - penalty * found
        if found > num_cells:
            more, more_cost = found, cost
        else:
            fewer, fewer_cost = found, cost
        if fewer > 0 and more > 0:
            # Where these are K - 1 and K + 1, K cells are the best for this penalty.
            chord = (fewer_cost - more_cost) / (more - fewer)
            if abs(chord - penalty) <= SAME * penalty:
                break  # no penalty singles out K cells, or rounding hides it
            penalty = chord
        else:
            # C(k) is about 1 / k**2, so the penalty is about 1 / k**3. One cell off is half a step away.
            penalty *= (found / num_cells) ** (1.5 if abs(found - num_cells) == 1 else 3.0)
        if not penalty > 0.0:
            break
    return path[:0], 0.0, penalty


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
    # Of the double-double sums, as in ``node_path.py``.
    sums = (0.25 * points.size + 64.0) * 2.0**-101 * blocks[-1, 0] * largest * largest
    return total, max(0.0, total * (1.0 - 16.0 * UNIT_ROUNDING) - sums)


@kernel
def few_points_optimum(
    points: Points, blocks: FloatArray, num_cells: int
) -> tuple[IndexArray, FloatArray, FloatArray, FloatArray, NDArray[np.bool_]]:
    """The exact 1-D K-means partition of each row, where float64 sums prove it.

    The first guess of a penalty is that of the rows before: it is nearly the same share of the cost of a
    single cell in all rows of a kind.

    Args:
        points: sorted along the second axis, ties allowed, shape ``[R, C]``.
        blocks: ``block_prefix`` of each row, shape ``[R, B, 6]``.
        num_cells: K >= 1.

    Returns:
        boundaries ``[R, K + 1]``, which split no run of ties: those behind the last cell repeat its end,
        where there are fewer distinct points than cells; costs ``[R]``; lower bounds of the cost of every
        such partition, equal to it up to rounding, ``[R]``; a penalty that gives about K cells, or 0,
        ``[R]``; the rows for which this holds, ``[R]``.
    """
    num_rows, num_points = points.shape
    boundaries = np.full((num_rows, num_cells + 1), num_points, dtype=np.int64)
    cost, lower, penalties = np.zeros(num_rows), np.zeros(num_rows), np.zeros(num_rows)
    is_done = np.ones(num_rows, dtype=np.bool_)
    work = point_work(num_points)
    no_mass = np.empty(num_points - num_points)
    share = 0.0
    for r in range(num_rows):
        if not has_more_values(points[r], num_cells):
            index = tie_ends(points[r])
            for k in range(index.size):  # by a loop, for the reason given in ``nodes.py``
                boundaries[r, k] = index[k]
            continue
        row = Row(points[r], no_mass, blocks[r])
        total, below = cost_of_one(row)
        if num_cells == 1:
            boundaries[r, 0], cost[r], lower[r] = 0, total, below
            continue
        penalty = share * total if share > 0.0 else 4.0 * total / np.float64(num_cells) ** 3
        path, bound, penalty = optimum_of_points(row, total, num_cells, penalty, work)
        is_done[r] = path.size > 0
        for k in range(1, path.size - 1):
            is_done[r] = is_done[r] and points[r, path[k] - 1] != points[r, path[k]]
        if is_done[r]:
            for k in range(path.size):
                boundaries[r, k] = path[k]
            cost[r] = partition_cost(nodes_at(row, path).rows, np.arange(path.size, dtype=np.int64))
            lower[r] = min(cost[r], bound)
            is_done[r] = cost[r] - lower[r] <= LARGEST_GAP * cost[r]
        if penalty > 0.0 and total > 0.0:
            penalties[r] = penalty
            share += (NEWEST if share > 0.0 else 1.0) * (penalty / total - share)
    return boundaries, cost, lower, penalties, is_done


def optimum_of_nodes(row: Row, num_cells: int, penalty: float = 0.0) -> Partition:
    """The exact weighted 1-D K-means partition of one row of few points, whatever their scale.

    Its boundaries split no run of ties, and the bound equals the cost up to rounding.

    Args:
        row: the points.
        num_cells: K >= 1.
        penalty: a good guess, or 0.
    """
    index = tie_ends(row.points)
    distinct = index.size - 1
    if distinct <= num_cells:
        return Partition(index, 0.0, 0.0)
    if num_cells == 1:
        return Partition(np.array([0, row.points.size]), *cost_of_one(row))
    nodes = nodes_at(row, index)
    if not penalty > 0.0:
        penalty = 4.0 * cost_of_one(row)[0] / num_cells**3
        stride = distinct // (NODES_OF_FEW * num_cells)
        if stride > 1:
            # Nodes apart find the penalty; near the ends, where weights are few, all are nodes.
            ends = np.arange(2 * num_cells)
            few = np.unique(np.concatenate((ends, np.arange(0, distinct, stride), distinct - ends)))
            coarse = Nodes(nodes.places[few], nodes.rows[few], nodes.edges[few])
            _, _, penalty = node_search(coarse, num_cells, penalty, is_centred=True)
    path, bound, _ = node_search(nodes, num_cells, penalty, is_centred=False)
    cost = partition_cost(nodes.rows, path)
    return Partition(index[path], cost, min(cost, bound))
