"""The exact optimum of sorted rows of few points, such as the channels of a tensor, in one call."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.batches import UNIT_ROUNDING
from fmq_theory.kernels.cells import cell_cost
from fmq_theory.kernels.double_double import two_sum
from fmq_theory.kernels.jit import kernel
from fmq_theory.kernels.lanes import LANES
from fmq_theory.kernels.node_rows import node_rows, tie_ends
from fmq_theory.kernels.partition import partition_cost
from fmq_theory.kernels.penalty_search import node_search
from fmq_theory.kernels.prefix import BLOCK
from fmq_theory.kernels.relaxed_path import fill_frame

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
# The most that rounding may do to a cell of a frame, in penalties, and to the bound, relative.
ROUNDING = 1e-11
LARGEST_GAP = 3e-11


@kernel
def fill_frame_of_points(points: Points, blocks: FloatArray, origin: float, frame: FloatArray) -> float:
    """Fills in sums of z - origin and (z - origin)**2 over the first points.

    Returns a bound of what rounding does to a cell. With u = 2**-53, S1 and S2 the greatest sums and B1, B2
    those of the magnitudes within a block of 64, a sum is off by at most u (2 S1 + B1), u (2 S2 + 3 B2): its
    part within the block is compensated. A difference of two is off by twice that and its own rounding. As
    in ``relaxed_path.py``, with R the greatest distance from the origin, a cell then is off by
    u (8 S2 + 6 B2 + R (12 S1 + 4 B1)).
    """
    num_points = points.size
    num_blocks = blocks.shape[0] - 1
    starts = np.empty((3, num_blocks + 1))
    zero = num_blocks - num_blocks
    greatest = fill_frame(blocks, zero, num_blocks + 1, origin, zero != 0, starts[0], starts[1], starts[2])
    first, second = frame[1], frame[2]
    in_block = 0.0
    for b in range(num_blocks):
        f = f_lo = s = s_lo = 0.0
        in_block = max(in_block, starts[2, b + 1] - starts[2, b])
        for i in range(BLOCK * b, min(BLOCK * (b + 1), num_points)):
            first[i], second[i] = starts[1, b] + (f + f_lo), starts[2, b] + (s + s_lo)
            z = np.float64(points[i]) - origin
            f, error = two_sum(f, z)
            f_lo += error
            s, error = two_sum(s, z * z)
            s_lo += error
    last = num_points
    first[last], second[last] = starts[1, num_blocks], starts[2, num_blocks]
    low, high = np.float64(points[0]), np.float64(points[-1])
    radius = max(high - origin, origin - low)
    of_block = np.sqrt(BLOCK * in_block)
    off = 8.0 * second[last] + 6.0 * in_block + radius * (12.0 * (greatest + of_block) + 4.0 * of_block)
    # And what the double-double sums are off by, as in ``rounding_of_sums``.
    largest = max(abs(low), abs(high))
    return 1.001 * UNIT_ROUNDING * off + (last + 256.0) * 2.0**-101 * last * largest * largest


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
def optimum_in_frame(
    points: Points,
    blocks: FloatArray,
    places: IndexArray,
    num_cells: int,
    penalty: float,
    frame: FloatArray,
    thin: FloatArray,
) -> tuple[IndexArray, float, float]:
    """The optimum of a row whose points fit in one frame: a few places find the penalty, then all are nodes.

    Args:
        points: sorted, without masses, shape ``[m]``.
        blocks: ``block_prefix`` of the row.
        places: where to look for the penalty; shape ``[0]`` for nowhere.
        num_cells: K.
        penalty: a guess, > 0.
        frame: workspace whose first row counts up from 0, shape ``[3, m + 9]``.
        thin: workspace, shape ``[3, P + 8]``, P the number of places.

    Returns:
        the path ``[K + 1]``, shape ``[0]`` where the points do not fit; a lower bound; the penalty.
    """
    num_points = points.size
    zero = num_points - num_points
    no_rows, no_index = np.empty((zero, 6)), np.empty(zero, dtype=np.int64)
    origin = blocks[-1, 1] / num_points
    charge = fill_frame_of_points(points, blocks, origin, frame)
    if places.size > 0:
        for i in range(3):
            for k in range(places.size):
                thin[i, k] = frame[i, places[k]]
        _, _, penalty = node_search(no_index, no_rows, no_rows, thin, charge, num_cells, penalty, zero == 0)
    if not charge <= ROUNDING * penalty:
        return no_index, 0.0, penalty
    return node_search(no_index, no_rows, no_rows, frame, charge, num_cells, penalty, zero != 0)


@kernel
def optimum_of_nodes(
    points: Points, mass: FloatArray, blocks: FloatArray, num_cells: int, penalty: float, is_good_guess: bool
) -> tuple[IndexArray, float, float, float]:
    """The optimum of one row in frames as they are needed: boundaries, cost, lower bound, penalty."""
    index = tie_ends(points)
    zero = index.size - index.size
    rows, edges = node_rows(points, mass, blocks, index)
    no_frame = np.empty((3, zero))
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
        _, _, penalty = node_search(few, few_rows, few_edges, no_frame, 0.0, num_cells, penalty, zero == 0)
    path, bound, penalty = node_search(index, rows, edges, no_frame, 0.0, num_cells, penalty, zero != 0)
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
    places = thinned(num_points, NODES_OF_FEW * num_cells)
    if places.size > num_points // 2 or places.size <= num_cells + 1:
        places = places[zero:zero]
    frame, thin = np.zeros((3, num_points + 1 + LANES)), np.zeros((3, places.size + LANES))
    for i in range(num_points + 1):
        frame[0, i] = i
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
            path, bound, penalty = optimum_in_frame(
                points[r], blocks[r], places, num_cells, penalty, frame, thin
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
            share = penalty / total
    return boundaries, used, cost, lower
