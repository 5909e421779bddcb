"""Lloyd's iteration on sorted points."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.kmeans1d.breakpoints import breakpoints_at, rank_near
from fmq_theory.kernels.kmeans1d.paths import partition_cost
from fmq_theory.kernels.kmeans1d.problem import Row
from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.sums.cells import cell_means

__all__ = ["refined"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]

# What a few sweeps leave is smooth from cell to cell and goes away slowly.
SWEEPS = 12


@kernel
def refined(row: Row, boundaries: IndexArray, enough: float) -> tuple[IndexArray, float]:
    """A partition of lower cost: each boundary goes to the middle between the means beside it.

    Args:
        row: the points.
        boundaries: of a partition into K cells, shape ``[K + 1]``.
        enough: the last sweep is the first that lowers the cost by less.

    Returns:
        boundaries ``[K + 1]``, and the cost.
    """
    cells = np.arange(boundaries.size, dtype=np.int64)
    rows = breakpoints_at(row, boundaries).rows
    cost = partition_cost(rows, cells)
    for _ in range(SWEEPS):
        means = cell_means(rows, cells)
        moved = boundaries.copy()
        for k in range(1, means.size):
            moved[k] = rank_near(row.points, 0.5 * means[k - 1] + 0.5 * means[k], boundaries[k])
            if moved[k] <= moved[k - 1]:
                return boundaries, cost
        if moved[-1] <= moved[-2]:
            return boundaries, cost
        moved_rows = breakpoints_at(row, moved).rows
        moved_cost = partition_cost(moved_rows, cells)
        if not moved_cost < cost:
            return boundaries, cost
        drop = cost - moved_cost
        boundaries, rows, cost = moved, moved_rows, moved_cost
        if drop < enough:
            return boundaries, cost
    return boundaries, cost
