"""The exact partition of many sorted points into K cells of least squared error, without visiting them all.

Cells may begin at breakpoints only, and what that can cost is known (``slack.py``). So breakpoint paths with
slack give a lower bound of F(multiplier) = min of (cost + multiplier * cells), and F(multiplier) -
multiplier * K is one of the cost of every partition into K cells (``multiplier.py``). Forward and backward,
they give lower bounds of all paths that have a boundary in a given block: where that exceeds the cost of a
partition at hand, the block is dead. The other blocks are cut into smaller ones, and so on until they hold
a single value: then the bound is exact. The slack of a block falls with the square of its width, and so fast
do the blocks die: after the first rounds a few blocks about each boundary are left.

The functions here are plain Python around a few dozen kernel calls: each kernel is compiled once.

Reference: as in ``multiplier.py``.
"""

import math

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.kmeans1d.breakpoint_path import relaxed_values
from fmq_theory.kernels.kmeans1d.breakpoints import breakpoints_at, cut_blocks
from fmq_theory.kernels.kmeans1d.lloyd import refined
from fmq_theory.kernels.kmeans1d.multiplier import SAME, Bracket, bound_of_cells
from fmq_theory.kernels.kmeans1d.paths import partition_cost, path_to
from fmq_theory.kernels.kmeans1d.problem import Blocks, Breakpoints, Partition, Row
from fmq_theory.kernels.kmeans1d.slack import block_slack, least_and_greatest_means

__all__ = ["best_by_pruning"]

IndexArray = NDArray[np.int64]

# Beyond this many multipliers between the bounds, hardly any block is dead.
HOPELESS = 0.15
# With this many, more than half are.
ENOUGH = 0.01
# Parts of a block that is not dead.
PARTS = 3
MOST_PARTS = 8
MAX_MULTIPLIERS = 30


def sums_rounding(row: Row, num_cells: int) -> float:
    """Bound of what the rounding of the double-double sums does to the cost of a partition.

    As in ``breakpoint_path.py``: 16 additions a block and a cell, each off by 2**-103 of the sum at most, and
    a cell by 4 W z**2 times that, W the total mass and z the greatest magnitude.
    """
    largest = max(abs(float(row.points[0])), abs(float(row.points[-1])))
    additions = 16.0 * (row.blocks.shape[0] + num_cells)
    return additions * 2.0**-101 * float(row.blocks[-1, 0]) * largest**2


def prune(
    row: Row, breakpoints: Breakpoints, multiplier: float, boundaries: IndexArray, gap: float
) -> tuple[Partition, IndexArray]:
    """Bounds the cost of K cells by one multiplier, and finds the best partition for that multiplier.

    Args:
        row: the points.
        breakpoints: the first breakpoints.
        multiplier: > 0.
        boundaries: a partition into K cells, shape ``[K + 1]``.
        gap: relative; the search ends when the bounds are as close.

    Returns:
        the best partition into K cells met; a best partition for this multiplier, shape ``[0]`` where the gap
        was met before it was found.
    """
    num_cells = boundaries.size - 1
    rounding = sums_rounding(row, num_cells)
    boundaries, cost = refined(row, boundaries, 0.0)
    lower = 0.0
    blocks = Blocks(
        *least_and_greatest_means(breakpoints, multiplier),
        np.ones(breakpoints.places.size - 1, dtype=np.bool_),
    )
    upper = cost + multiplier * num_cells
    while True:
        places, num_breakpoints = breakpoints.places, breakpoints.places.size
        of_block = block_slack(breakpoints, blocks)
        largest = float(of_block.max())
        parts = np.full(num_breakpoints - 1, PARTS, dtype=np.uint8)
        is_kept = np.ones(num_breakpoints, dtype=np.bool_)
        if largest > multiplier:  # the lemma asks for less
            parts[:] = np.where(2.0 * of_block > multiplier, MOST_PARTS, 1)
        else:
            slack = np.zeros(num_breakpoints)
            np.maximum(of_block[:-1], of_block[1:], out=slack[1:-1])
            value, parent = np.empty(num_breakpoints), np.empty(num_breakpoints, dtype=np.int32)
            relaxed_values(breakpoints, slack, multiplier, False, value, parent)
            bound = float(value[-1])
            lower = max(lower, bound_of_cells(bound, multiplier, num_cells))
            path = path_to(parent, num_breakpoints - 1)
            found = path.size - 1
            if found == num_cells:
                candidate, candidate_cost = refined(row, places[path], 0.02 * (cost - lower))
                if candidate_cost < cost:
                    boundaries, cost = candidate, candidate_cost
            else:
                candidate_cost = partition_cost(breakpoints.rows, path)
            upper = min(upper, candidate_cost + multiplier * found)
            if largest == 0.0:
                return Partition(boundaries, cost, lower), places[path]
            if cost - lower <= gap * cost:
                return Partition(boundaries, cost, lower), places[:0]
            missing = (upper - bound) / multiplier
            if missing > HOPELESS:
                parts[:] = min(MOST_PARTS, max(2, math.ceil(math.sqrt(missing / ENOUGH))))
            else:
                through = np.empty(num_breakpoints)
                relaxed_values(breakpoints, slack, multiplier, True, through, parent[:0])
                value += through[::-1]
                value += slack
                # A boundary moved to an end is dropped, and its multiplier with it.
                value[0] = bound + multiplier - of_block[0]
                value[-1] = bound + multiplier - of_block[-1]
                is_kept = value <= upper * (1.0 + 1e-12) + rounding
                np.logical_and(blocks.is_alive, is_kept[:-1] | is_kept[1:], out=blocks.is_alive)
                del through
            del value, parent, slack
        del breakpoints, of_block  # before there are new ones: this is the peak of memory
        places, blocks = cut_blocks(row.points, places, blocks, is_kept, parts)
        breakpoints = breakpoints_at(row, places)


def best_by_pruning(
    row: Row, breakpoints: Breakpoints, multiplier: float, boundaries: IndexArray, gap: float
) -> Partition:
    """The exact partition into K cells, or one within a gap of it.

    The multiplier found on breakpoints nearly always gives K cells of points too. Where it does not, the best
    partitions it gives bracket K, as in ``multiplier.search``.

    Args:
        row: see ``prune``.
        breakpoints: see ``prune``.
        multiplier: see ``prune``.
        boundaries: see ``prune``.
        gap: see ``prune``; 0 for the optimum.
    """
    num_cells = boundaries.size - 1
    lower, cost = 0.0, math.inf
    bracket = Bracket(num_cells)
    for _ in range(MAX_MULTIPLIERS):
        (boundaries, cost, bound), best = prune(row, breakpoints, multiplier, boundaries, gap)
        lower = max(lower, bound)
        found = best.size - 1
        # A partition as cheap as the bound up to rounding is optimal, though the best one be another.
        if found in (-1, num_cells) or cost - lower <= max(gap, SAME * num_cells) * cost:
            break
        best_cost = partition_cost(breakpoints_at(row, best).rows, np.arange(best.size))
        bracket.add(best, best_cost)
        if bracket.is_closed:
            chord = bracket.chord()
            if abs(chord - multiplier) <= SAME * multiplier:
                boundaries = bracket.between()
            multiplier = chord
        else:
            # At the slope K cells are as good as those found; a little beyond it they are better.
            slope = abs(best_cost - cost) / abs(num_cells - found)
            beyond = 0.7 / num_cells
            if found > num_cells:
                multiplier = max(slope, multiplier) * (1.0 + beyond)
            else:
                multiplier = min(slope, multiplier) * (1.0 - beyond)
    return Partition(boundaries, cost, min(cost, lower))
