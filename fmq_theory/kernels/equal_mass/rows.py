"""Cells of equal count, cut by rank as numpy.array_split cuts a sorted array: codes, means and borders."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.equal_mass.long_rows import equal_mass_long
from fmq_theory.kernels.equal_mass.short_rows import equal_mass_short
from fmq_theory.kernels.equal_mass.sorted_rows import equal_mass_sorted
from fmq_theory.kernels.runtime.threads import run_blocks

__all__ = ["EqualMass", "equal_mass_rows"]

FloatArray = NDArray[np.float64]
EqualMass = tuple[NDArray[np.uint8], FloatArray, FloatArray, FloatArray]

# From here on a histogram of the bits costs less than one of equal bins.
LONG = 1 << 17
# Below this, or with fewer numbers a cell, a sort of the row costs less: with few numbers a bin, most bins
# hold a border. The two limits for float32, and for float64, which is slower to sort.
SHORT, FEW_A_CELL = {4: 512, 8: 32}, {4: 12, 8: 4}


def equal_mass_rows(rows: NDArray[np.floating], num_levels: int, threads: int = 1) -> EqualMass:
    """K' = min(K, C) cells of consecutive stable ranks in each row, with numpy.array_split's counts.

    A cell holds C // K' numbers of its row, each of the first C % K' cells one more. Ties at a border are
    shared in the order in which they stand; -0.0 and +0.0 are equal. Means are compensated sums, divided
    and rounded once, and never lie outside their cell.

    Args:
        rows: finite float32 or float64, C-contiguous, shape ``[R, C]``, 1 <= C < 2**31; may be read-only.
        num_levels: 1 <= K <= 256.
        threads: at most so many; no result depends on it.

    Returns:
        codes, uint8 of shape ``[R, C]``; levels, float64 ``[R, K']``; the last number before each
        border and the first after it, float64 ``[R, K' - 1]`` each.
    """
    rows = rows.view()
    rows.setflags(write=False)  # one type of array, and one compilation, whatever the caller's is
    num_rows, columns = rows.shape
    num_cells = min(num_levels, columns)
    codes = np.empty(rows.shape, dtype=np.uint8)
    levels = np.empty((num_rows, num_cells))
    left, right = np.empty((2, num_rows, num_cells - 1))
    few = columns < max(SHORT[rows.itemsize], FEW_A_CELL[rows.itemsize] * num_cells)
    method = equal_mass_sorted if few else equal_mass_short

    def split(start: int, stop: int) -> None:
        block = slice(start, stop)
        method(rows[block], num_levels, codes[block], levels[block], left[block], right[block])

    by_bits = range(num_rows)
    if columns < LONG:
        run_blocks(split, num_rows, threads)
        # Sums that overflowed need more care, and get it there.
        by_bits = np.flatnonzero(~np.isfinite(levels).all(axis=1))
    for r in by_bits:
        levels[r], left[r], right[r] = equal_mass_long(rows[r], num_levels, threads, codes[r])
    return codes, levels, left, right
