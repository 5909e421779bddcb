"""The exact optimum of many sorted rows, such as the channels of a tensor, in one call."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.cells import cell_cost
from fmq_theory.kernels.jit import kernel
from fmq_theory.kernels.pruned_optimum import pruned_optimum

__all__ = ["optimum_rows"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]
Points = NDArray[np.floating]


@kernel
def optimum_rows(
    points: Points, blocks: FloatArray, num_cells: int, gap: float
) -> tuple[IndexArray, FloatArray, FloatArray]:
    """``pruned_optimum`` of each row without masses.

    The penalty of K cells is nearly the same share of the cost of one cell in all rows of a kind, so
    that of the row before is the guess for the next.

    Args:
        points: sorted along the second axis, shape ``[R, C]``.
        blocks: ``block_prefix`` of each row, shape ``[R, B, 6]``.
        num_cells: K >= 1.
        gap: see ``pruned_optimum``.

    Returns:
        boundaries ``[R, K + 1]``, where those behind the last one of a row with fewer distinct points than
        K repeat it; the costs ``[R]``; their lower bounds ``[R]``.
    """
    num_rows = points.shape[0]
    boundaries = np.empty((num_rows, num_cells + 1), dtype=np.int64)
    cost, lower = np.empty(num_rows), np.empty(num_rows)
    no_mass = np.empty(0)
    share = 0.0
    for r in range(num_rows):
        total = cell_cost(blocks[r], num_rows - num_rows, blocks.shape[1] - 1)
        found, cost[r], lower[r], penalty = pruned_optimum(
            points[r], no_mass, blocks[r], num_cells, share * total, gap
        )
        boundaries[r, : found.size] = found
        boundaries[r, found.size :] = found[-1]
        if penalty > 0.0 and total > 0.0:
            share = penalty / total
    return boundaries, cost, lower
