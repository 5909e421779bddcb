"""The partition of sorted points into K cells of least squared error: the one entry, with all fallbacks.

| what comes | how it is solved |
|---|---|
| long rows of few distinct numbers | as distinct numbers with counts |
| many points | pruning from a grid of breakpoints (``prune.py``) |
| few points without masses | float64 sums, one kernel call for many rows (``few_points.py``) |
| few points with masses, or that float64 sums do not resolve | all points are breakpoints
(``few_points.py``) |
| what none of these proves optimal | every point in double-double (``every_point.py``) |
| running sums alone: laws and histograms | every place in double-double (``every_point.py``) |
"""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.kmeans1d.breakpoints import equal_cost_breakpoints, tie_ends
from fmq_theory.kernels.kmeans1d.every_point import optimum_of_sums
from fmq_theory.kernels.kmeans1d.few_points import LARGEST_GAP, few_points_optimum, optimum_of_breakpoints
from fmq_theory.kernels.kmeans1d.multiplier import breakpoint_search
from fmq_theory.kernels.kmeans1d.problem import Partition, Row
from fmq_theory.kernels.kmeans1d.prune import best_by_pruning
from fmq_theory.kernels.sums.prefix import block_prefix, prefix_rows

__all__ = ["Partition", "Row", "is_proven", "optimum", "optimum_of_sums", "optimum_rows", "rows_together"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]
Points = NDArray[np.floating]
Numbers = float | FloatArray

# Breakpoints of a first grid: enough to find the multiplier, few enough to cost little.
BREAKPOINTS = 1024
BREAKPOINTS_PER_CELL = 24
# All points are breakpoints where there are at most as many times more.
FEW_POINTS = 8
# Short rows of a kernel call: enough to share a workspace, few enough for many threads.
ROWS_TOGETHER = 64
# Ties: shorter rows are searched point by point in no time; of longer ones so many neighbours are looked at,
# and such a share of them must be ties.
LONG = 1 << 14
LOOKED_AT, MOST = 1024, 0.9
# How far the lower bound, which allows for its own rounding, may lie below the cost: relative, with
# room for sums over K cells, and in units of the second moment, whose sum has about 32 digits. A row of
# few points is searched in float64, and comes with ``LARGEST_GAP`` at most.
RELATIVE_GAP_PER_SQUARED_CELL = 1e-15
ROUNDING_GAP = 1e-24

_NO_MASS = np.empty(0)


def optimum(row: Row, num_cells: int, gap: float) -> Partition:
    """The exact weighted 1-D K-means partition, or one within a gap of it; it splits no run of ties.

    The bound meets the cost: where ``is_proven`` denies it, there is a defect.

    Args:
        row: the points.
        num_cells: K >= 1.
        gap: the relative distance of cost and lower bound at which to stop; 0 for the optimum.
    """
    is_tied = row.mass.size == 0 and _is_mostly_tied(row.points)
    found = _of_ties(row, num_cells, gap) if is_tied else _of_points(row, num_cells, gap)
    if not is_proven(num_cells, found.cost, found.lower_bound, float(row.blocks[-1, 3]), gap):
        # Clusters far narrower than their distance: the search that visits every point resolves them.
        places = tie_ends(row.points)
        found = optimum_of_sums(prefix_rows(*row, places), num_cells)
        found = found._replace(boundaries=places[found.boundaries])
    return found


def optimum_rows(
    points: Points, blocks: FloatArray, num_cells: int, gap: float
) -> tuple[IndexArray, FloatArray, FloatArray]:
    """``optimum`` of each row without masses; one kernel call where the rows are short.

    Args:
        points: sorted along the second axis, shape ``[R, C]``.
        blocks: ``block_prefix`` of each row, shape ``[R, B, 6]``.
        num_cells: K >= 1.
        gap: see ``optimum``.

    Returns:
        boundaries ``[R, K + 1]``, where those behind the last one of a row repeat it; the costs ``[R]``;
        their lower bounds ``[R]``.
    """
    num_rows, num_points = points.shape
    if _are_few(num_points, num_cells) and not any(map(_is_mostly_tied, points)):
        boundaries, cost, lower = _of_short_rows(points, blocks, num_cells)
        is_done = is_proven(num_cells, cost, lower, blocks[:, -1, 3], gap)
    else:
        boundaries = np.empty((num_rows, num_cells + 1), dtype=np.int64)
        cost, lower = np.empty(num_rows), np.empty(num_rows)
        is_done = np.zeros(num_rows, dtype=np.bool_)
    for r in np.flatnonzero(~is_done):
        found, cost[r], lower[r] = optimum(Row(points[r], _NO_MASS, blocks[r]), num_cells, gap)
        boundaries[r] = num_points
        boundaries[r, : found.size] = found
    return boundaries, cost, lower


def rows_together(num_points: int, num_cells: int) -> int:
    """How many rows ``optimum_rows`` should be given at once.

    Args:
        num_points: of a row.
        num_cells: K >= 1.
    """
    return ROWS_TOGETHER if _are_few(num_points, num_cells) else 1


def is_proven(
    num_cells: int, cost: Numbers, lower_bound: Numbers, second: Numbers, gap: float
) -> NDArray[np.bool_]:
    """Whether a partition is optimal up to the gap and to what rounding may do.

    Args:
        num_cells: K.
        cost: of the partition; one or several.
        lower_bound: of the cost of every such partition.
        second: sum of w z**2 over all points.
        gap: see ``optimum``.
    """
    relative = max(gap, LARGEST_GAP + RELATIVE_GAP_PER_SQUARED_CELL * num_cells**2)
    return np.asarray(cost - lower_bound <= relative * cost + ROUNDING_GAP * second)


def _are_few(num_points: int, num_cells: int) -> bool:
    """Whether rows of so many points are few points each, and go into one kernel call."""
    return num_points <= FEW_POINTS * (BREAKPOINTS + BREAKPOINTS_PER_CELL * num_cells)


def _is_mostly_tied(points: Points) -> bool:
    """Whether a sorted row is long and nearly all neighbours in it are ties, by a sample of them."""
    if points.size < LONG:
        return False
    places = np.linspace(0, points.size - 2, LOOKED_AT).astype(np.int64)
    return bool((points[places] == points[places + 1]).mean() > MOST)


def _of_ties(row: Row, num_cells: int, gap: float) -> Partition:
    """By the distinct values and their counts."""
    places = tie_ends(row.points)
    values, counts = row.points[places[:-1]], np.diff(places).astype(np.float64)
    found = _of_points(Row(values, counts, block_prefix(values, counts)), num_cells, gap)
    return found._replace(boundaries=places[found.boundaries])


def _of_points(row: Row, num_cells: int, gap: float) -> Partition:
    """From a grid of breakpoints where there are many points, else with all points as breakpoints."""
    points = row.points
    if num_cells > 1 and not _are_few(points.size, num_cells) and points[0] != points[-1]:
        breakpoints, roots = equal_cost_breakpoints(row, BREAKPOINTS + BREAKPOINTS_PER_CELL * num_cells)
        if breakpoints.places.size > 4 * num_cells:
            guess = 2.0 * (roots / num_cells) ** 3
            path, _, multiplier = breakpoint_search(breakpoints, num_cells, guess, is_centred=True)
            return best_by_pruning(row, breakpoints, multiplier, breakpoints.places[path], gap)
    if row.mass.size > 0:
        return optimum_of_breakpoints(row, num_cells)
    found, costs, bounds = _of_short_rows(points[None], row.blocks[None], num_cells)
    num_used = int((found[0, :-1] < points.size).sum())  # a cell begins before the end
    return Partition(found[0, : num_used + 1], float(costs[0]), float(bounds[0]))


def _of_short_rows(
    points: Points, blocks: FloatArray, num_cells: int
) -> tuple[IndexArray, FloatArray, FloatArray]:
    """``optimum_rows`` of rows of few points."""
    boundaries, cost, lower, multipliers, is_done = few_points_optimum(points, blocks, num_cells)
    for r in np.flatnonzero(~is_done):
        found, cost[r], lower[r] = optimum_of_breakpoints(
            Row(points[r], _NO_MASS, blocks[r]), num_cells, float(multipliers[r])
        )
        boundaries[r] = points.shape[1]
        boundaries[r, : found.size] = found
    return boundaries, cost, lower
