"""The exact optimum of sorted rows of few points, such as the channels of a tensor, in one call."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.cells import cell_cost
from fmq_theory.kernels.jit import kernel
from fmq_theory.kernels.node_rows import equal_cost_nodes, node_rows, tie_ends
from fmq_theory.kernels.partition import partition_cost
from fmq_theory.kernels.penalty_search import node_search
from fmq_theory.kernels.relaxed_path import UNIT_ROUNDING

__all__ = ["FEW_POINTS", "NODES", "NODES_PER_CELL", "few_points_optimum"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]
Points = NDArray[np.floating]

# Nodes of a first grid: enough to find the penalty, few enough to cost little.
NODES = 1024
NODES_PER_CELL = 24
# All points are nodes where there are at most as many times more.
FEW_POINTS = 8
# Of few points, this many nodes, or as many a cell, find the penalty.
LEAST_NODES = 128
NODES_OF_FEW = 16


@kernel
def few_points_optimum(
    points: Points, mass: FloatArray, blocks: FloatArray, num_cells: int
) -> tuple[IndexArray, IndexArray, FloatArray, FloatArray]:
    """The exact weighted 1-D K-means partition of each row, with a node at every point.

    A few nodes of equal cost find the penalty of K cells, and one pass over all points mostly does the
    rest. Where even these nodes are many, the first guess is that of the row before: the penalty is nearly
    the same share of the cost of a single cell in all rows of a kind.

    Args:
        points: sorted along the second axis, ties allowed, shape ``[R, C]``.
        mass: positive, shape ``[R, C]``, or ``[R, 0]`` where all are 1.
        blocks: ``block_prefix`` of each row, shape ``[R, B, 6]``.
        num_cells: K >= 1.

    Returns:
        boundaries ``[R, K + 1]``, which split no run of ties; the number of cells, at most that of the
        distinct points, ``[R]``: boundaries behind the last repeat it; costs ``[R]``; lower bounds of the
        cost of every such partition, equal to it up to rounding, ``[R]``.
    """
    num_rows, num_points = points.shape
    zero = num_rows - num_rows  # no literal: numba would compile the callees once more for it
    boundaries = np.empty((num_rows, num_cells + 1), dtype=np.int64)
    used = np.empty(num_rows, dtype=np.int64)
    cost, lower = np.zeros(num_rows), np.zeros(num_rows)
    wanted = min(max(LEAST_NODES, NODES_OF_FEW * num_cells), num_points // FEW_POINTS)
    share = 0.0
    for r in range(num_rows):
        index = tie_ends(points[r])
        for k in range(num_cells + 1):
            boundaries[r, k] = num_points
        used[r] = min(num_cells, index.size - 1)
        total = cell_cost(blocks[r], zero, blocks.shape[1] - 1)
        if index.size <= num_cells + 1:
            for k in range(index.size):  # by a loop, for the reason given in ``node_rows.py``
                boundaries[r, k] = index[k]
            continue
        rows, edges = node_rows(points[r], mass[r], blocks[r], index)
        if num_cells == 1:
            boundaries[r, 0] = 0
            # As much below the cost as its rounding, and that of the double-double sums, can be.
            largest = max(abs(edges[0, 1]), abs(edges[-1, 0]))
            sums = (0.25 * num_points + 64.0) * 2.0**-101 * rows[-1, 0] * largest * largest
            cost[r] = total
            lower[r] = max(0.0, total * (1.0 - 16.0 * UNIT_ROUNDING) - sums)
            continue
        penalty = share * total if share > 0.0 else 4.0 * total / np.float64(num_cells) ** 3
        if wanted >= max(LEAST_NODES, FEW_POINTS * num_cells):
            first, first_rows, first_edges, roots = equal_cost_nodes(points[r], mass[r], blocks[r], wanted)
            if first.size > 4 * num_cells:
                penalty = 2.0 * (roots / num_cells) ** 3
                _, _, penalty = node_search(first, first_rows, first_edges, num_cells, penalty, zero == 0)
        path, bound, penalty = node_search(index, rows, edges, num_cells, penalty, zero != 0)
        for k in range(num_cells + 1):
            boundaries[r, k] = index[path[k]]
        cost[r] = partition_cost(rows, path)
        lower[r] = min(cost[r], bound)
        if penalty > 0.0 and total > 0.0:
            share = penalty / total
    return boundaries, used, cost, lower
