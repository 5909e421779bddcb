"""The exact partition of many sorted points into K cells of least squared error, without visiting them all.

Cells may begin at nodes only, and what that can cost is known (``slack.py``). So node paths with
slack give a lower bound of F(penalty) = min of (cost + penalty * cells), and F(penalty) - penalty * K is
one of the cost of every partition into K cells (``penalty.py``). Forward and backward, they give lower
bounds of all paths that have a boundary in a given block: where that exceeds the cost of a partition at
hand, the block is dead. The other blocks are cut into smaller ones, and so on until they hold a single
value: then the bound is exact. The slack of a block falls with the square of its width, and so fast do
the blocks die: after the first rounds a few blocks about each boundary are left.

The functions here are plain Python around a few dozen kernel calls: each kernel is compiled once.

Reference: as in ``penalty.py``.
"""

import math

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.kmeans1d.lloyd import refined
from fmq_theory.kernels.kmeans1d.node_path import relaxed_values
from fmq_theory.kernels.kmeans1d.nodes import cut_blocks, nodes_at
from fmq_theory.kernels.kmeans1d.paths import partition_cost, path_to, splice
from fmq_theory.kernels.kmeans1d.penalty import SAME, bound_of_cells
from fmq_theory.kernels.kmeans1d.problem import Blocks, Nodes, Partition, Row
from fmq_theory.kernels.kmeans1d.slack import block_slack, least_and_greatest_means

__all__ = ["best_by_pruning"]

IndexArray = NDArray[np.int64]

# Beyond this many penalties between the bounds, hardly any block is dead.
HOPELESS = 0.15
# With this many, more than half are.
ENOUGH = 0.01
# Parts of a block that is not dead.
PARTS = 3
MOST_PARTS = 8
MAX_PENALTIES = 30


def sums_rounding(row: Row, num_cells: int) -> float:
    """Bound of what the rounding of the double-double sums does to the cost of a partition.

    As in ``node_path.py``: 16 additions a block and a cell, each off by 2**-103 of the sum at most, and
    a cell by 4 W z**2 times that, W the total mass and z the greatest magnitude.
    """
    largest = max(abs(float(row.points[0])), abs(float(row.points[-1])))
    additions = 16.0 * (row.blocks.shape[0] + num_cells)
    return additions * 2.0**-101 * float(row.blocks[-1, 0]) * largest**2


def prune(
    row: Row, nodes: Nodes, penalty: float, boundaries: IndexArray, gap: float
) -> tuple[Partition, IndexArray]:
    """Bounds the cost of K cells by one penalty, and finds the best partition for that penalty.

    Args:
        row: the points.
        nodes: the first nodes.
        penalty: > 0.
        boundaries: a partition into K cells, shape ``[K + 1]``.
        gap: relative; the search ends when the bounds are as close.

    Returns:
        the best partition into K cells met; a best partition for this penalty, shape ``[0]`` where the gap
        was met before it was found.
    """
    num_cells = boundaries.size - 1
    rounding = sums_rounding(row, num_cells)
    boundaries, cost = refined(row, boundaries, 0.0)
    lower = 0.0
    blocks = Blocks(*least_and_greatest_means(nodes, penalty), np.ones(nodes.places.size - 1, dtype=np.bool_))
    upper = cost + penalty * num_cells
    while True:
        places, num_nodes = nodes.places, nodes.places.size
        of_block = block_slack(nodes, blocks)
        largest = float(of_block.max())
        parts = np.full(num_nodes - 1, PARTS, dtype=np.uint8)
        is_kept = np.ones(num_nodes, dtype=np.bool_)
        if largest > penalty:  # the lemma asks for less
            parts[:] = np.where(2.0 * of_block > penalty, MOST_PARTS, 1)
        else:
            slack = np.zeros(num_nodes)
            np.maximum(of_block[:-1], of_block[1:], out=slack[1:-1])
            value, parent = np.empty(num_nodes), np.empty(num_nodes, dtype=np.int32)
            relaxed_values(nodes, slack, penalty, False, value, parent)
            bound = float(value[-1])
            lower = max(lower, bound_of_cells(bound, penalty, num_cells))
            path = path_to(parent, num_nodes - 1)
            found = path.size - 1
            if found == num_cells:
                candidate, candidate_cost = refined(row, places[path], 0.02 * (cost - lower))
                if candidate_cost < cost:
                    boundaries, cost = candidate, candidate_cost
            else:
                candidate_cost = partition_cost(nodes.rows, path)
            upper = min(upper, candidate_cost + penalty * found)
            if largest == 0.0:
                return Partition(boundaries, cost, lower), places[path]
            if cost - lower <= gap * cost:
                return Partition(boundaries, cost, lower), places[:0]
            missing = (upper - bound) / penalty
            if missing > HOPELESS:
                parts[:] = min(MOST_PARTS, max(2, math.ceil(math.sqrt(missing / ENOUGH))))
            else:
                through = np.empty(num_nodes)
                relaxed_values(nodes, slack, penalty, True, through, parent[:0])
                value += through[::-1]
                value += slack
                # A boundary moved to an end is dropped, and its penalty with it.
                value[0] = bound + penalty - of_block[0]
                value[-1] = bound + penalty - of_block[-1]
                is_kept = value <= upper * (1.0 + 1e-12) + rounding
                np.logical_and(blocks.is_alive, is_kept[:-1] | is_kept[1:], out=blocks.is_alive)
                del through
            del value, parent, slack
        del nodes, of_block  # before there are new ones: this is the peak of memory
        places, blocks = cut_blocks(row.points, places, blocks, is_kept, parts)
        nodes = nodes_at(row, places)


def best_by_pruning(row: Row, nodes: Nodes, penalty: float, boundaries: IndexArray, gap: float) -> Partition:
    """The exact partition into K cells, or one within a gap of it.

    The penalty found on nodes nearly always gives K cells of points too. Where it does not, the best
    partitions it gives bracket K, as in ``penalty.search``.

    Args:
        row: see ``prune``.
        nodes: see ``prune``.
        penalty: see ``prune``.
        boundaries: see ``prune``.
        gap: see ``prune``; 0 for the optimum.
    """
    num_cells = boundaries.size - 1
    lower, cost = 0.0, math.inf
    fewer: tuple[IndexArray, float] | None = None
    more: tuple[IndexArray, float] | None = None
    for _ in range(MAX_PENALTIES):
        (boundaries, cost, bound), best = prune(row, nodes, penalty, boundaries, gap)
        lower = max(lower, bound)
        found = best.size - 1
        # A partition as cheap as the bound up to rounding is optimal, though the best one be another.
        if found in (-1, num_cells) or cost - lower <= max(gap, SAME * num_cells) * cost:
            break
        best_cost = partition_cost(nodes_at(row, best).rows, np.arange(best.size))
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
    return Partition(boundaries, cost, min(cost, lower))
