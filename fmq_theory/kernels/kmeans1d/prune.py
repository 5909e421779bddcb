"""The exact partition of many sorted points into K cells of least squared error, without visiting them all.

Cells may begin at nodes only, and what that can cost is known (``slack.py``). So node paths with
slack give a lower bound of F(penalty) = min of (cost + penalty * cells), and F(penalty) - penalty * K is
one of the cost of every partition into K cells (``partition.py``). Forward and backward, they give lower
bounds of all paths that have a boundary in a given block: where that exceeds the cost of a partition at
hand, the block is dead. The other blocks are cut into smaller ones, and so on until they hold a single
value: then the bound is exact. The slack of a block falls with the square of its width, and so fast do
the blocks die: after the first rounds a few blocks about each boundary are left.

The functions here are plain Python around a few dozen kernel calls: each kernel is compiled once.

Reference: as in ``partition.py``.
"""

import math

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.kmeans1d.batches import path_to
from fmq_theory.kernels.kmeans1d.few_points import (
    FEW_POINTS,
    NODES,
    NODES_PER_CELL,
    few_points_optimum,
    optimum_of_nodes,
)
from fmq_theory.kernels.kmeans1d.lloyd import polished
from fmq_theory.kernels.kmeans1d.node_path import relaxed_values
from fmq_theory.kernels.kmeans1d.nodes import cut_blocks, equal_cost_nodes, node_rows
from fmq_theory.kernels.kmeans1d.partition import partition_cost, splice
from fmq_theory.kernels.kmeans1d.penalty import SAME, bound_of_cells, node_search
from fmq_theory.kernels.kmeans1d.slack import block_slack, least_and_greatest_means

__all__ = ["optimum_rows", "pruned_optimum", "rows_together"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]
Points = NDArray[np.floating]
Sorted = tuple[Points, FloatArray, FloatArray]  # points, mass, blocks
Nodes = tuple[IndexArray, FloatArray, FloatArray]  # index, rows, edges

# Beyond this many penalties between the bounds, hardly any block is dead.
HOPELESS = 0.15
# With this many, more than half are.
ENOUGH = 0.01
# Parts of a block that is not dead.
PARTS = 3
MOST_PARTS = 8
MAX_PENALTIES = 30
# Short rows of a kernel call: enough to share a guess, few enough for many threads.
ROWS_TOGETHER = 64


def sums_rounding(points: Points, blocks: FloatArray, num_cells: int) -> float:
    """Bound of what the rounding of the double-double sums does to the cost of a partition.

    As in ``node_path.py``: 16 additions a block and a cell, each off by 2**-103 of the sum at most, and
    a cell by 4 W z**2 times that, W the total mass and z the greatest magnitude.
    """
    largest = max(abs(float(points[0])), abs(float(points[-1])))
    return 16.0 * (blocks.shape[0] + num_cells) * 2.0**-101 * float(blocks[-1, 0]) * largest**2


def prune(
    data: Sorted, nodes: Nodes, penalty: float, boundaries: IndexArray, gap: float
) -> tuple[IndexArray, float, float, IndexArray]:
    """Bounds the cost of K cells by one penalty, and finds the best partition for that penalty.

    Args:
        data: points ``[m]``; masses ``[m]``, or ``[0]`` where all are 1; their ``block_prefix``.
        nodes: the first nodes ``[N]``, which split no run of ties; their ``node_rows``.
        penalty: > 0.
        boundaries: a partition into K cells, shape ``[K + 1]``.
        gap: relative; the search ends when the bounds are as close.

    Returns:
        the best partition into K cells met; its cost; a lower bound of that of every such partition; a
        best partition for this penalty, shape ``[0]`` where the gap was met before it was found.
    """
    points = data[0]
    index, rows, edges = nodes
    num_cells = boundaries.size - 1
    rounding = sums_rounding(points, data[2], num_cells)
    boundaries, cost = polished(*data, boundaries, 0.0)
    lower = 0.0
    least, greatest = least_and_greatest_means(rows, edges, penalty)
    is_alive = np.ones(index.size - 1, dtype=np.bool_)
    upper = cost + penalty * num_cells
    while True:
        num_nodes = index.size
        of_block = block_slack(rows, edges, least, greatest, is_alive)
        largest = float(of_block.max())
        parts = np.full(num_nodes - 1, PARTS, dtype=np.uint8)
        is_kept = np.ones(num_nodes, dtype=np.bool_)
        if largest > penalty:  # the lemma asks for less
            parts[:] = np.where(2.0 * of_block > penalty, MOST_PARTS, 1)
        else:
            slack = np.zeros(num_nodes)
            np.maximum(of_block[:-1], of_block[1:], out=slack[1:-1])
            value, parent = np.empty(num_nodes), np.empty(num_nodes, dtype=np.int32)
            relaxed_values(index, rows, edges, slack, penalty, False, value, parent)
            bound = float(value[-1])
            lower = max(lower, bound_of_cells(bound, penalty, num_cells))
            path = path_to(parent, num_nodes - 1)
            found = path.size - 1
            if found == num_cells:
                candidate, candidate_cost = polished(*data, index[path], 0.02 * (cost - lower))
                if candidate_cost < cost:
                    boundaries, cost = candidate, candidate_cost
            else:
                candidate_cost = partition_cost(rows, path)
            upper = min(upper, candidate_cost + penalty * found)
            if largest == 0.0:
                return boundaries, cost, lower, index[path]
            if cost - lower <= gap * cost:
                return boundaries, cost, lower, index[:0]
            missing = (upper - bound) / penalty
            if missing > HOPELESS:
                parts[:] = min(MOST_PARTS, max(2, math.ceil(math.sqrt(missing / ENOUGH))))
            else:
                through = np.empty(num_nodes)
                relaxed_values(index, rows, edges, slack, penalty, True, through, parent[:0])
                value += through[::-1]
                value += slack
                # A boundary moved to an end is dropped, and its penalty with it.
                value[0] = bound + penalty - of_block[0]
                value[-1] = bound + penalty - of_block[-1]
                is_kept = value <= upper * (1.0 + 1e-12) + rounding
                is_alive &= is_kept[:-1] | is_kept[1:]
                del through
            del value, parent, slack
        del rows, edges, of_block  # before there are new ones: this is the peak of memory
        index, least, greatest, is_alive = cut_blocks(
            points, index, least, greatest, is_alive, is_kept, parts
        )
        rows, edges = node_rows(*data, index)


def best_by_pruning(
    data: Sorted, nodes: Nodes, penalty: float, boundaries: IndexArray, gap: float
) -> tuple[IndexArray, float, float]:
    """``pruned_optimum`` from first nodes, a penalty, and a partition; see ``prune`` for the arguments.

    The penalty found on nodes nearly always gives K cells of points too. Where it does not, the best
    partitions it gives bracket K, as in ``node_search``.
    """
    num_cells = boundaries.size - 1
    lower, cost = 0.0, math.inf
    fewer: tuple[IndexArray, float] | None = None
    more: tuple[IndexArray, float] | None = None
    for _ in range(MAX_PENALTIES):
        boundaries, cost, bound, best = prune(data, nodes, penalty, boundaries, gap)
        lower = max(lower, bound)
        found = best.size - 1
        # A partition as cheap as the bound up to rounding is optimal, though the best one be another.
        if found in (-1, num_cells) or cost - lower <= max(gap, SAME * num_cells) * cost:
            break
        best_cost = partition_cost(node_rows(*data, best)[0], np.arange(best.size))
        if found > num_cells:
            more = best, best_cost
        else:
            fewer = best, best_cost
        if fewer is not None and more is not None:
            chord = (fewer[1] - more[1]) / (more[0].size - fewer[0].size)
            if abs(chord - penalty) <= SAME * penalty:
                boundaries = splice(fewer[0], more[0], num_cells)
            penalty = chord
        else:
            # At the slope K cells are as good as those found; a little beyond it they are better.
            slope = abs(best_cost - cost) / abs(num_cells - found)
            beyond = 0.7 / num_cells
            if found > num_cells:
                penalty = max(slope, penalty) * (1.0 + beyond)
            else:
                penalty = min(slope, penalty) * (1.0 - beyond)
    return boundaries, cost, lower


def pruned_optimum(
    points: Points, mass: FloatArray, blocks: FloatArray, num_cells: int, gap: float
) -> tuple[IndexArray, float, float]:
    """The exact weighted 1-D K-means partition, or one within a gap of it.

    Args:
        points: sorted, ties allowed; float32, or float64 of magnitudes that square without over- or
            underflow; shape ``[m]``.
        mass: positive, shape ``[m]``, or ``[0]`` where all are 1.
        blocks: from ``block_prefix``.
        num_cells: K >= 1.
        gap: the relative distance of cost and lower bound at which to stop; 0 for the optimum.

    Returns:
        boundaries ``[min(K, number of distinct points) + 1]``, which split no run of ties; the cost; a
        lower bound of the cost of every such partition, equal to it up to rounding where ``gap`` is 0.
    """
    wanted = NODES + NODES_PER_CELL * num_cells
    if num_cells > 1 and points.size > FEW_POINTS * wanted and points[0] != points[-1]:
        index, rows, edges, roots = equal_cost_nodes(points, mass, blocks, wanted)
        if index.size > 4 * num_cells:
            guess = 2.0 * (roots / num_cells) ** 3
            path, _, penalty = node_search(index, rows, edges, num_cells, guess, True)
            data, nodes = (points, mass, blocks), (index, rows, edges)
            boundaries, cost, lower = best_by_pruning(data, nodes, penalty, index[path], gap)
            return boundaries, cost, min(cost, lower)
    if mass.size > 0:
        return optimum_of_nodes(points, mass, blocks, num_cells)
    found, used, costs, bounds = optimum_of_short_rows(points[None], blocks[None], num_cells)
    return found[0, : used[0] + 1], float(costs[0]), float(bounds[0])


def optimum_of_short_rows(
    points: Points, blocks: FloatArray, num_cells: int
) -> tuple[IndexArray, IndexArray, FloatArray, FloatArray]:
    """``optimum_rows`` of rows of few points."""
    boundaries, cost, lower, penalties, is_done = few_points_optimum(points, blocks, num_cells)
    for r in np.flatnonzero(~is_done):
        found, cost[r], lower[r] = optimum_of_nodes(
            points[r], np.empty(0), blocks[r], num_cells, float(penalties[r])
        )
        boundaries[r] = points.shape[1]
        boundaries[r, : found.size] = found
    # A cell begins before the end; the first that does not is behind the last one.
    return boundaries, (boundaries[:, :-1] < points.shape[1]).sum(axis=1), cost, lower


def are_short(num_points: int, num_cells: int) -> bool:
    """Whether rows of so many points are few points each, and go into one kernel call."""
    return num_points <= FEW_POINTS * (NODES + NODES_PER_CELL * num_cells)


def rows_together(num_points: int, num_cells: int) -> int:
    """How many rows ``optimum_rows`` should be given at once: the last digits of its bounds depend on it.

    Args:
        num_points: of a row.
        num_cells: K >= 1.
    """
    return ROWS_TOGETHER if are_short(num_points, num_cells) else 1


def optimum_rows(
    points: Points, blocks: FloatArray, num_cells: int, gap: float
) -> tuple[IndexArray, IndexArray, FloatArray, FloatArray]:
    """``pruned_optimum`` of each row without masses; one kernel call where the rows are short.

    Args:
        points: sorted along the second axis, shape ``[R, C]``.
        blocks: ``block_prefix`` of each row, shape ``[R, B, 6]``.
        num_cells: K >= 1.
        gap: see ``pruned_optimum``.

    Returns:
        boundaries ``[R, K + 1]``, where those behind the last one of a row repeat it; the numbers of cells
        ``[R]``; the costs ``[R]``; their lower bounds ``[R]``.
    """
    num_rows, num_points = points.shape
    if are_short(num_points, num_cells):
        return optimum_of_short_rows(points, blocks, num_cells)
    boundaries = np.full((num_rows, num_cells + 1), num_points)
    used = np.empty(num_rows, dtype=np.int64)
    cost, lower = np.empty(num_rows), np.empty(num_rows)
    for r in range(num_rows):
        found, cost[r], lower[r] = pruned_optimum(points[r], np.empty(0), blocks[r], num_cells, gap)
        used[r] = found.size - 1
        boundaries[r, : found.size] = found
    return boundaries, used, cost, lower
