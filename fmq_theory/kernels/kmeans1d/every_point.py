"""The exact partition that visits every place of given running sums, in double-double.

For laws and histograms, of which there is nothing but sums; and for rows whose clusters are far narrower than
their distance, which no other search resolves.
"""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.kmeans1d.breakpoints import places_apart, root_sum
from fmq_theory.kernels.kmeans1d.link_path import cheapest_path
from fmq_theory.kernels.kmeans1d.multiplier import Cheapest, search
from fmq_theory.kernels.kmeans1d.paths import partition_cost
from fmq_theory.kernels.kmeans1d.problem import Partition
from fmq_theory.kernels.sums.cells import cell_cost
from fmq_theory.kernels.sums.double_double import UNIT_ROUNDING

__all__ = ["optimum_of_sums"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]

# Breakpoints a cell on the coarse grid: few enough to cost little, enough to find the multiplier within the
# interval, of relative length about 3 / K, that gives K cells.
BREAKPOINTS_PER_CELL = 64
LEAST_BREAKPOINTS = 2048


def optimum_of_sums(prefix: FloatArray, num_cells: int) -> Partition:
    """The exact weighted 1-D K-means partition of m sorted, distinct points or buckets.

    The bound equals the cost up to rounding.

    Args:
        prefix: running sums, from ``prefix_rows`` or ``prefix_from_moments``, shape ``[m + 1, 6]``.
        num_cells: K >= 1; with K >= m every point is a cell of its own, which costs nothing.
    """
    num_points = prefix.shape[0] - 1
    if num_cells >= num_points:
        return Partition(np.arange(num_points + 1, dtype=np.int64), 0.0, 0.0)
    if num_cells == 1:
        cost = cell_cost(prefix, 0, num_points)
        return Partition(np.array([0, num_points]), cost, cost)
    path, bound, _ = _search(prefix, num_cells, _first_multiplier(prefix, num_cells))
    return Partition(path, partition_cost(prefix, path), bound)


def _search(prefix: FloatArray, num_cells: int, multiplier: float) -> tuple[IndexArray, float, float]:
    return search(_cheapest(prefix, num_cells), prefix, num_cells, multiplier, is_centred=False, margin=1.0)


def _cheapest(prefix: FloatArray, num_cells: int) -> Cheapest:
    size = prefix.shape[0]
    value, parent = np.empty(size), np.empty(size, dtype=np.int32)
    candidates, begins = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)

    def cheapest(multiplier: float) -> tuple[IndexArray, float]:
        path = cheapest_path(prefix, multiplier, value, parent, candidates, begins)
        least = float(value[-1])
        # F is a sum of two terms a cell, each of which may be off by a unit of rounding.
        rounding = UNIT_ROUNDING * 2 * (path.size - 1 + num_cells + 4) * least
        return path, least - multiplier * num_cells - rounding

    return cheapest


def _first_multiplier(prefix: FloatArray, num_cells: int) -> float:
    """Middle of the interval of multipliers that give K cells on a coarse grid of breakpoints."""
    whole = cell_cost(prefix, 0, prefix.shape[0] - 1)
    multiplier = 4.0 * whole / num_cells**3
    num_breakpoints = max(LEAST_BREAKPOINTS, BREAKPOINTS_PER_CELL * num_cells)
    if prefix.shape[0] <= 4 * num_breakpoints:
        return multiplier
    # About so many, between which the cost is nearly the same.
    breakpoints = places_apart(prefix, (root_sum(prefix, num_breakpoints) / num_breakpoints) ** 3)
    if breakpoints.size <= 2 * num_cells:
        return multiplier
    coarse = prefix[breakpoints]
    costs: list[float] = []
    for cells in (num_cells - 1, num_cells, num_cells + 1):
        if cells == 1:
            costs.append(whole)
            continue
        path, _, multiplier = _search(coarse, cells, multiplier)
        costs.append(partition_cost(coarse, path))
    return 0.5 * (costs[0] - costs[2])
