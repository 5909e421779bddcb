"""Partitions as paths: the boundaries of their cells from 0 to the last place."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.sums.cells import cell_cost

__all__ = ["partition_cost", "path_to", "splice"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]


@kernel
def path_to(parent: NDArray[np.int32], last: int) -> IndexArray:
    """Boundaries of the best path from 0 to ``last``, by the step before each step on its best path."""
    num_cells = 0
    j = last
    while j > 0:
        j = int(parent[j])
        num_cells += 1
    path = np.empty(num_cells + 1, dtype=np.int64)
    j = last
    for k in range(num_cells, -1, -1):
        path[k] = j
        if k > 0:
            j = int(parent[j])
    return path


@kernel
def partition_cost(rows: FloatArray, boundaries: IndexArray) -> float:
    """Sum of the cells' costs, from the running sums at all places."""
    total = 0.0
    for k in range(boundaries.size - 1):
        total += cell_cost(rows, boundaries[k], boundaries[k + 1])
    return total


def splice(fewer: IndexArray, more: IndexArray, num_cells: int) -> IndexArray:
    """A partition into exactly ``num_cells`` cells from one with fewer and one with more.

    With x = K - (cells of ``fewer``) there is a first t >= 1 with fewer[t] >= more[t + x]. The cell of
    ``more`` that ends at more[t + x] then lies inside the cell of ``fewer`` that ends at fewer[t], and
    exchanging their ends costs nothing by the quadrangle inequality. So if both partitions are optimal
    for one multiplier, more[: t + x] followed by fewer[t:] is as well.
    """
    shift = num_cells - (fewer.size - 1)
    t = 1 + int(np.argmax(fewer[1:] >= more[1 + shift : fewer.size + shift]))
    return np.concatenate((more[: t + shift], fewer[t:]))
