"""The exact optimum of sorted rows of few points, such as the channels of a tensor, in one call."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.batches import UNIT_ROUNDING, path_to
from fmq_theory.kernels.cells import cell_cost
from fmq_theory.kernels.jit import kernel
from fmq_theory.kernels.lanes import LANES
from fmq_theory.kernels.node_rows import node_rows, tie_ends
from fmq_theory.kernels.partition import partition_cost
from fmq_theory.kernels.penalty_search import SAME, node_search
from fmq_theory.kernels.point_path import exact_sums, least_cost_of_cells, least_path_value

__all__ = ["FEW_POINTS", "LARGEST_GAP", "NODES", "NODES_PER_CELL", "few_points_optimum"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]
Points = NDArray[np.floating]

# Nodes of a first grid: enough to find the penalty, few enough to cost little.
NODES = 1024
NODES_PER_CELL = 24
# All points are nodes where there are at most as many times more.
FEW_POINTS = 8
# Of few points, this many a cell find the penalty.
NODES_OF_FEW = 10
# Penalties tried before nodes are chosen instead.
MOST_PENALTIES = 12
# Of the penalty of a row, in the guess for the next one.
NEWEST = 0.2
# The most that rounding may do to the bound, relative.
LARGEST_GAP = 3e-11


@kernel
def thinned(num_points: int, wanted: int) -> IndexArray:
    """About ``wanted`` of the places 0 .. m at equal distances, and closer together at both ends."""
    most = max(1, num_points // wanted)
    places = np.empty(num_points + 1, dtype=np.int64)
    count = 0
    half = num_points // 2
    place = 0
    while place < half:
        places[count] = place
        count += 1
        place += min(most, 1 + place // 8)
    for k in range(count):
        places[count + k] = num_points - places[count - 1 - k]
    return places[: 2 * count].copy()


@kernel
def optimum_of_points(
    points: Points,
    blocks: FloatArray,
    spread: float,
    num_cells: int,
    penalty: float,
    work: FloatArray,
    parent: NDArray[np.int32],
) -> tuple[IndexArray, float, float]:
    """The optimum of a row without masses from few penalties, all points being nodes.

    Args:
        points: sorted, shape ``[m]``.
        blocks: ``block_prefix`` of the row.
        spread: sum of squares about the mean.
        num_cells: K > 1.
        penalty: a guess, > 0.
        work: workspace, shape ``[5, m + 9]``, whose last two rows are ``inverse`` and ``backward`` of
            ``least_path_value``.
        parent: workspace, shape ``[m + 9]``.

    Returns:
        the path ``[K + 1]``, shape ``[0]`` where none was found; a lower bound; the penalty.
    """
    num_points = points.size
    zero = num_points - num_points  # no literal: numba would compile the callees once more for it
    origin = blocks[-1, 1] / num_points
    # No sum about the mean is above (m spread)**(1/2) / 2.
    reach = 1.01 * np.sqrt(num_points * spread) + 8.0 * UNIT_ROUNDING * num_points * abs(origin)
    first, second, value = work[0], work[1], work[2]
    total, moved = exact_sums(points, origin, reach, first, second)
    path: IndexArray = np.empty(zero, dtype=np.int64)
    fewer, more = zero, zero
    fewer_cost, more_cost = 0.0, 0.0
    for _ in range(MOST_PENALTIES):
        least = least_path_value(first, second, work[3], work[4], penalty, value, parent)
        path = path_to(parent, num_points)
        found = path.size - 1
        if found == num_cells:
            return path, least_cost_of_cells(least, total, moved, penalty, num_cells), penalty
        cost = (least + total) - penalty * found
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
def optimum_of_nodes(
    points: Points, mass: FloatArray, blocks: FloatArray, num_cells: int, penalty: float, is_good_guess: bool
) -> tuple[IndexArray, float, float, float]:
    """The optimum of one row in frames as they are needed: boundaries, cost, lower bound, penalty."""
    index = tie_ends(points)
    zero = index.size - index.size
    rows, edges = node_rows(points, mass, blocks, index)
    places = thinned(index.size - 1, NODES_OF_FEW * num_cells)
    if not is_good_guess and num_cells + 1 < places.size < index.size // 2:
        few_rows, few_edges = np.empty((places.size, 6)), np.empty((places.size, 2))
        few = np.empty(places.size, dtype=np.int64)
        for k in range(places.size):
            few[k] = index[places[k]]
            for i in range(6):
                few_rows[k, i] = rows[places[k], i]
            # The neighbours of a node do not depend on the other nodes.
            few_edges[k, 0], few_edges[k, 1] = edges[places[k], 0], edges[places[k], 1]
        _, _, penalty = node_search(few, few_rows, few_edges, num_cells, penalty, zero == 0)
    path, bound, penalty = node_search(index, rows, edges, num_cells, penalty, zero != 0)
    cost = partition_cost(rows, path)
    for k in range(path.size):
        path[k] = index[path[k]]
    return path, cost, min(cost, bound), penalty


@kernel
def few_points_optimum(
    points: Points, mass: FloatArray, blocks: FloatArray, num_cells: int
) -> tuple[IndexArray, IndexArray, FloatArray, FloatArray]:
    """The exact weighted 1-D K-means partition of each row, with a node at every point.

    A few nodes find the penalty of K cells, and one pass over all points mostly does the rest. The first
    guess is that of the row before: the penalty is nearly the same share of the cost of a single cell in
    all rows of a kind.

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
    is_plain = mass.shape[1] == 0
    work = np.zeros((5, num_points + 1 + LANES))
    parent = np.empty(num_points + 1 + LANES, dtype=np.int32)
    for i in range(work.shape[1]):
        work[3, i], work[4, i] = 1.0 / i, 1.0 / (num_points - i)
    share = 0.0
    for r in range(num_rows):
        distinct = 1
        for i in range(1, num_points):
            distinct += points[r, i] != points[r, i - 1]
        for k in range(num_cells + 1):
            boundaries[r, k] = num_points
        used[r] = min(num_cells, distinct)
        total = cell_cost(blocks[r], zero, blocks.shape[1] - 1)
        if distinct <= num_cells:
            index = tie_ends(points[r])
            for k in range(index.size):  # by a loop, for the reason given in ``node_rows.py``
                boundaries[r, k] = index[k]
            continue
        if num_cells == 1:
            boundaries[r, 0] = 0
            # As much below the cost as its rounding, and that of the double-double sums, can be.
            largest = max(abs(np.float64(points[r, 0])), abs(np.float64(points[r, -1])))
            sums = (0.25 * num_points + 64.0) * 2.0**-101 * blocks[r, -1, 0] * largest * largest
            cost[r] = total
            lower[r] = max(0.0, total * (1.0 - 16.0 * UNIT_ROUNDING) - sums)
            continue
        penalty = share * total if share > 0.0 else 4.0 * total / np.float64(num_cells) ** 3
        is_done = False
        is_tried = is_plain and 2 * distinct > num_points
        if is_tried:
            path, bound, penalty = optimum_of_points(
                points[r], blocks[r], total, num_cells, penalty, work, parent
            )
            is_done = path.size > 0
            for k in range(1, path.size - 1):
                is_done = is_done and points[r, path[k] - 1] != points[r, path[k]]
            if is_done:
                for k in range(num_cells + 1):
                    boundaries[r, k] = path[k]
                rows, _ = node_rows(points[r], mass[r], blocks[r], path)
                cost[r] = partition_cost(rows, np.arange(path.size, dtype=np.int64))
                lower[r] = min(cost[r], bound)
                is_done = cost[r] - lower[r] <= LARGEST_GAP * cost[r]
        if not is_done:
            path, cost[r], lower[r], penalty = optimum_of_nodes(
                points[r], mass[r], blocks[r], num_cells, penalty, is_tried
            )
            for k in range(num_cells + 1):
                boundaries[r, k] = path[k]
        if penalty > 0.0 and total > 0.0:
            share += (NEWEST if share > 0.0 else 1.0) * (penalty / total - share)
    return boundaries, used, cost, lower
