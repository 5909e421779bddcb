"""The exact partition of many sorted points into K cells of least squared error, without visiting them all.

Cells may begin at nodes only, and what that can cost is known (``node_slack.py``). So node paths with
slack give a lower bound of F(penalty) = min of (cost + penalty * cells), and F(penalty) - penalty * K is
one of the cost of every partition into K cells (``partition.py``). Forward and backward, they give lower
bounds of all paths that have a boundary in a given block: where that exceeds the cost of a partition at
hand, the block is dead. The other blocks are cut into smaller ones, and so on until they hold a single
value: then the bound is exact. The slack of a block falls with the square of its width, and so fast do
the blocks die: after the first rounds a few blocks about each boundary are left.

Reference: as in ``partition.py``.
"""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.cells import cell_cost, cell_means
from fmq_theory.kernels.jit import kernel
from fmq_theory.kernels.node_rows import (
    equal_cost_nodes,
    node_rows,
    place_within,
    rank_near,
    tie_ends,
)
from fmq_theory.kernels.node_slack import block_slack, least_and_greatest_means
from fmq_theory.kernels.partition import partition_cost, splice
from fmq_theory.kernels.penalty_search import SAME, bound_of_cells, node_search
from fmq_theory.kernels.relaxed_path import UNIT_ROUNDING, path_to, relaxed_values

__all__ = ["pruned_optimum"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Points = NDArray[np.floating]

# Nodes of the first grid: enough to find the penalty, few enough to cost little.
NODES = 1024
NODES_PER_CELL = 24
# All points are nodes where that means as many times more.
FEW_POINTS = 8
# Beyond this many penalties between the bounds, hardly any block is dead.
HOPELESS = 0.15
# With this many, more than half are.
ENOUGH = 0.01
# Parts of a block that is not dead.
PARTS = 3
MOST_PARTS = 8
SWEEPS = 12
MAX_PENALTIES = 30


@kernel
def sums_rounding(points: Points, blocks: FloatArray, num_cells: int) -> float:
    """Bound of what the rounding of the double-double sums can do to the cost of a partition.

    A row is off by 2**-103 of its size for each addition in it: 16 a block of 64 points, 8 more a node; but
    two rows share those of the blocks before both. A cell is off by at most
    (1 + 2 + 1) W z**2 times that, W the total mass and z the greatest magnitude.
    """
    largest = max(abs(np.float64(points[0])), abs(np.float64(points[-1])))
    additions = 16.0 * blocks.shape[0] + 16.0 * num_cells
    return additions * 2.0**-101 * blocks[-1, 0] * largest * largest


@kernel
def polished(
    points: Points, mass: FloatArray, blocks: FloatArray, boundaries: IndexArray, enough: float
) -> tuple[IndexArray, float]:
    """Lloyd's iteration until a sweep lowers the cost by less than ``enough``, and the cost."""
    cells = np.arange(boundaries.size, dtype=np.int64)
    rows, _ = node_rows(points, mass, blocks, boundaries)
    cost = partition_cost(rows, cells)
    for _ in range(SWEEPS):
        means = cell_means(rows, cells)
        moved = boundaries.copy()
        for k in range(1, means.size):
            moved[k] = rank_near(points, 0.5 * means[k - 1] + 0.5 * means[k], boundaries[k])
            if moved[k] <= moved[k - 1]:
                return boundaries, cost
        if moved[-1] <= moved[-2]:
            return boundaries, cost
        moved_rows, _ = node_rows(points, mass, blocks, moved)
        moved_cost = partition_cost(moved_rows, cells)
        if not moved_cost < cost:
            return boundaries, cost
        drop = cost - moved_cost
        boundaries, rows, cost = moved, moved_rows, moved_cost
        if drop < enough:
            return boundaries, cost
    return boundaries, cost


@kernel
def cut_blocks(
    points: Points,
    index: IndexArray,
    bounds: FloatArray,
    is_alive: BoolArray,
    is_kept: BoolArray,
    parts: IndexArray,
) -> tuple[IndexArray, FloatArray, BoolArray]:
    """Cuts blocks into parts; drops nodes that are not kept and border on none that is alive.

    Args:
        points: shape ``[m]``.
        index: nodes, shape ``[N]``.
        bounds: two numbers a block, which its parts inherit, shape ``[2, N - 1]``.
        is_alive: of blocks, shape ``[N - 1]``.
        is_kept: of nodes, shape ``[N]``.
        parts: of blocks that are alive, >= 1, shape ``[N - 1]``.

    Returns:
        index, bounds and is_alive of the new nodes.
    """
    num_blocks = is_alive.size
    most = 1
    for t in range(num_blocks):
        most += parts[t] if is_alive[t] else 1
    new = np.empty(most, dtype=np.int64)
    new_bounds = np.empty((2, most))
    new_alive = np.zeros(most, dtype=np.bool_)
    new[0] = 0
    count = 1
    for t in range(num_blocks):
        start, stop = index[t], index[t + 1]
        alive = is_alive[t] and points[start] != points[stop - 1]
        pieces = parts[t] if alive else 1
        for piece in range(1, pieces + 1):
            place = stop
            if piece < pieces:
                place = place_within(points, stop, start + (stop - start) * piece // pieces)
                if place <= new[count - 1] or place >= stop:
                    continue
            elif not (t == num_blocks - 1 or is_kept[t + 1] or is_alive[t] or is_alive[t + 1]):
                continue
            new[count] = place
            new_bounds[0, count - 1], new_bounds[1, count - 1] = bounds[0, t], bounds[1, t]
            new_alive[count - 1] = alive
            count += 1
    return new[:count].copy(), new_bounds[:, : count - 1].copy(), new_alive[: count - 1].copy()


@kernel
def prune(
    points: Points,
    mass: FloatArray,
    blocks: FloatArray,
    index: IndexArray,
    rows: FloatArray,
    edges: FloatArray,
    penalty: float,
    boundaries: IndexArray,
    gap: float,
) -> tuple[IndexArray, float, float, IndexArray]:
    """Bounds the cost of K cells by one penalty, and finds the best path for that penalty.

    Args:
        points: shape ``[m]``.
        mass: shape ``[m]``, or ``[0]`` where all are 1.
        blocks: from ``block_prefix``.
        index: the first nodes; they split no run of ties; shape ``[N]``.
        rows: their sums, shape ``[N, 6]``.
        edges: of ``node_rows``, shape ``[N, 2]``.
        penalty: > 0.
        boundaries: a partition into K cells, shape ``[K + 1]``.
        gap: relative; the search ends when the bounds are as close.

    Returns:
        the best partition into K cells met; its cost; a lower bound of that of every such partition;
        a best partition for this penalty, shape ``[0]`` where the gap was met before it was found.
    """
    num_cells = boundaries.size - 1
    forward = num_cells < 0  # no literal, for which the callee would be compiled once more
    floor = sums_rounding(points, blocks, num_cells)
    boundaries, cost = polished(points, mass, blocks, boundaries, 0.0)
    lower = 0.0
    bounds = np.empty((2, index.size - 1))
    bounds[0], bounds[1] = least_and_greatest_means(rows, edges, penalty)
    is_alive = np.ones(index.size - 1, dtype=np.bool_)
    upper = cost + penalty * num_cells
    while True:
        num_nodes = index.size
        of_block = block_slack(rows, edges, bounds[0], bounds[1], is_alive)
        largest = of_block.max()
        parts = np.full(num_nodes - 1, PARTS)
        is_kept = np.ones(num_nodes, dtype=np.bool_)
        if largest > penalty:
            # The bound asks for less.
            for t in range(num_nodes - 1):
                parts[t] = MOST_PARTS if 2.0 * of_block[t] > penalty else 1
        else:
            slack = np.zeros(num_nodes)
            for t in range(1, num_nodes - 1):
                slack[t] = max(of_block[t - 1], of_block[t])
            value, back = np.empty(num_nodes), np.empty(num_nodes)
            parent = np.empty(num_nodes, dtype=np.int32)
            relaxed_values(index, rows, edges, slack, penalty, forward, value, parent)
            least = value[-1]
            lower = max(lower, bound_of_cells(least, penalty, num_cells))
            path = path_to(parent, num_nodes - 1)
            candidate = index[path]
            if path.size - 1 == num_cells:
                candidate, candidate_cost = polished(points, mass, blocks, candidate, 0.02 * (cost - lower))
                if candidate_cost < cost:
                    boundaries, cost = candidate, candidate_cost
            else:
                candidate_cost = partition_cost(rows, path)
            upper = min(upper, candidate_cost + penalty * (path.size - 1))
            if largest == 0.0:
                return boundaries, cost, lower, index[path]
            if cost - lower <= gap * cost:
                return boundaries, cost, lower, np.empty(0, dtype=np.int64)
            missing = (upper - least) / penalty
            if missing > HOPELESS:
                parts[:] = min(MOST_PARTS, max(2, int(np.ceil(np.sqrt(missing / ENOUGH)))))
            else:
                relaxed_values(index, rows, edges, slack, penalty, not forward, back, parent[:0])
                cut = upper * (1.0 + 1e-12) + floor
                for t in range(1, num_nodes - 1):
                    value[t] += back[num_nodes - 1 - t] + slack[t]
                    is_kept[t] = value[t] <= cut
                # A boundary moved to an end is dropped with its penalty.
                value[0] = least + penalty - of_block[0]
                value[-1] = least + penalty - of_block[-1]
                for t in range(num_nodes - 1):
                    is_alive[t] = is_alive[t] and min(value[t], value[t + 1]) <= cut
        index, bounds, is_alive = cut_blocks(points, index, bounds, is_alive, is_kept, parts)
        rows, edges = node_rows(points, mass, blocks, index)


@kernel
def best_of_all(
    points: Points, mass: FloatArray, blocks: FloatArray, num_cells: int, penalty: float
) -> tuple[IndexArray, float, float, float]:
    """``pruned_optimum`` with a node at every point: for few points."""
    index = tie_ends(points)
    if index.size <= num_cells + 1:
        return index, 0.0, 0.0, 0.0
    rows, edges = node_rows(points, mass, blocks, index)
    if not penalty > 0.0:
        penalty = 4.0 * cell_cost(rows, 0, index.size - 1) / np.float64(num_cells) ** 3
    path, lower, penalty = node_search(index, rows, edges, num_cells, penalty, index.size < 0)
    cost = partition_cost(rows, path)
    return index[path], cost, lower, penalty


@kernel
def best_by_pruning(
    points: Points,
    mass: FloatArray,
    blocks: FloatArray,
    index: IndexArray,
    rows: FloatArray,
    edges: FloatArray,
    penalty: float,
    boundaries: IndexArray,
    gap: float,
) -> tuple[IndexArray, float, float, float]:
    """``pruned_optimum`` from first nodes, a penalty, and a partition; see ``prune`` for the arguments.

    The penalty found on nodes nearly always gives K cells of points too. Where it does not, the best
    partitions it gives bracket K, as in ``node_search``.
    """
    num_cells = boundaries.size - 1
    lower, cost = 0.0, np.inf
    fewer, more = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    fewer_cost = more_cost = 0.0
    for _ in range(MAX_PENALTIES):
        boundaries, cost, bound, best = prune(
            points, mass, blocks, index, rows, edges, penalty, boundaries, gap
        )
        lower = max(lower, bound)
        found = best.size - 1
        # A partition as cheap as the bound up to rounding is optimal, though the best path be another.
        if found in (-1, num_cells) or cost - lower <= max(gap, SAME * num_cells) * cost:
            break
        best_rows, _ = node_rows(points, mass, blocks, best)
        best_cost = partition_cost(best_rows, np.arange(best.size, dtype=np.int64))
        if found > num_cells:
            more, more_cost = best, best_cost
        else:
            fewer, fewer_cost = best, best_cost
        if fewer.size > 0 and more.size > 0:
            chord = (fewer_cost - more_cost) / (more.size - fewer.size)
            if abs(chord - penalty) <= SAME * penalty:
                boundaries = splice(fewer, more, num_cells)
            penalty = chord
        else:
            # At the slope K cells are as good as those found; a little beyond it they are better.
            slope = abs(best_cost - cost) / abs(num_cells - found)
            beyond = 0.7 / num_cells
            if found > num_cells:
                penalty = max(slope, penalty) * (1.0 + beyond)
            else:
                penalty = min(slope, penalty) * (1.0 - beyond)
    return boundaries, cost, lower, penalty


@kernel
def pruned_optimum(
    points: Points, mass: FloatArray, blocks: FloatArray, num_cells: int, penalty: float, gap: float
) -> tuple[IndexArray, float, float, float]:
    """The exact weighted 1-D K-means partition, or one within a gap of it.

    Args:
        points: sorted, ties allowed; float32, or float64 of magnitudes that square without over- or
            underflow; shape ``[m]``.
        mass: positive, shape ``[m]``, or ``[0]`` where all are 1.
        blocks: from ``block_prefix``.
        num_cells: K >= 1.
        penalty: a guess of that of K cells, such as that of like data; 0 for none.
        gap: the relative distance of cost and lower bound at which to stop; 0 for the optimum.

    Returns:
        boundaries ``[min(K, number of distinct points) + 1]``, which split no run of ties; the cost; a
        lower bound of the cost of every such partition, equal to it up to rounding where ``gap`` is 0;
        the penalty, as a guess for like data.
    """
    num_points = points.size
    if num_cells == 1 or points[0] == points[-1]:
        cost = cell_cost(blocks, num_cells - num_cells, blocks.shape[0] - 1)
        cost = 0.0 if points[0] == points[-1] else cost
        lower = cost * (1.0 - 16.0 * UNIT_ROUNDING) - sums_rounding(points, blocks, num_cells)
        return np.array([0, num_points]), cost, max(0.0, lower), 0.0
    wanted = NODES + NODES_PER_CELL * num_cells
    is_small = num_points <= FEW_POINTS * wanted
    wanted = min(wanted, num_points // FEW_POINTS)
    if not is_small or (not penalty > 0.0 and wanted >= FEW_POINTS * num_cells):
        index, rows, edges, roots = equal_cost_nodes(points, mass, blocks, wanted)
        if index.size > 4 * num_cells:
            is_centred = not penalty > 0.0
            guess = 2.0 * (roots / num_cells) ** 3 if is_centred else penalty
            path, _, penalty = node_search(index, rows, edges, num_cells, guess, is_centred)
            if not is_small:
                found = best_by_pruning(points, mass, blocks, index, rows, edges, penalty, index[path], gap)
                return found[0], found[1], min(found[1], found[2]), found[3]
    found = best_of_all(points, mass, blocks, num_cells, penalty)
    return found[0], found[1], min(found[1], found[2]), found[3]
