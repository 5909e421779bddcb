"""Cells of equal count of rows too short for bins to pay: ranks from a sort of each row."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.equal_mass.rank_cells import equal_cuts
from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.sorting.float_keys import bits_of, write_keys
from fmq_theory.kernels.sums.double_double import dd_divide, two_sum

__all__ = ["equal_mass_sorted"]

FloatArray = NDArray[np.float64]
CodeArray = NDArray[np.uint8]

# Numbers handled at once: what lies between two passes over them stays in the cache.
BATCH = 1 << 15


def equal_mass_sorted(
    rows: NDArray[np.floating],
    num_levels: int,
    codes: CodeArray,
    levels: FloatArray,
    left: FloatArray,
    right: FloatArray,
) -> None:
    """Codes, levels and the numbers left and right of each border of every row.

    Args:
        rows: finite float32 or float64, C-contiguous, shape ``[R, C]``, C < 2**32.
        num_levels: 1 <= K <= 256; K' = min(K, C).
        codes: shape ``[R, C]``, written.
        levels: shape ``[R, K']``, written; not finite where the sum of a cell overflows.
        left: shape ``[R, K' - 1]``, written.
        right: the same.
    """
    num_rows, columns = rows.shape
    cuts = equal_cuts(columns, min(num_levels, columns))
    batch = max(1, BATCH // columns)
    for first in range(0, num_rows, batch):
        block = slice(first, first + batch)
        order = _stable_order(rows[block])
        _cells_of_order(rows[block], order, cuts, codes[block], levels[block], left[block], right[block])


def _stable_order(rows: NDArray[np.floating]) -> NDArray[np.uint64]:
    """The stable sorting permutation of each row, in the lower 32 bits."""
    if rows.dtype != np.float32:
        return np.argsort(rows, axis=1, kind="stable").view(np.uint64)
    # With its place behind it, a key sorts as a whole number, which numpy does several times faster.
    keys = np.empty(rows.size, dtype=np.uint32)
    write_keys(bits_of(rows.reshape(-1)), keys)
    order = keys.reshape(rows.shape).astype(np.uint64)
    order <<= np.uint64(32)
    order |= np.arange(rows.shape[1], dtype=np.uint64)
    order.sort(axis=1)
    return order


@kernel
def _cells_of_order(
    rows: NDArray[np.floating],
    order: NDArray[np.uint64],
    cuts: NDArray[np.int64],
    codes: CodeArray,
    levels: FloatArray,
    left: FloatArray,
    right: FloatArray,
) -> None:
    last_cell = cuts.size - 2
    for r in range(rows.shape[0]):
        for k in range(last_cell + 1):
            total = lost = 0.0
            low = high = 0.0
            for rank in range(cuts[k], cuts[k + 1]):
                place = order[r, rank] & np.uint64(0xFFFFFFFF)
                codes[r, place] = k
                high = np.float64(rows[r, place]) + 0.0  # -0.0 becomes +0.0
                if rank == cuts[k]:
                    low = high
                total, error = two_sum(total, high)
                lost += error
            mean, _ = dd_divide(total, lost, np.float64(cuts[k + 1] - cuts[k]), 0.0)
            if mean - mean == 0.0:  # finite
                mean = min(max(mean, low), high)
            levels[r, k] = mean
            if k > 0:
                right[r, k - 1] = low
            if k < last_cell:
                left[r, k] = high
