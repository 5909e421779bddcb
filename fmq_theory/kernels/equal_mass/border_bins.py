"""The few bins that hold a border of two cells: their numbers are sorted, coded by rank and summed.

Bins are ranges of numbers, in order. A cell is then made of whole bins and of runs: the parts into which
the borders cut the bins that hold them.
"""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.equal_mass.rank_cells import encode_ranked
from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.sorting.digit_sort import COUNTS, sort_keys
from fmq_theory.kernels.sorting.float_keys import BitArray, bits_of, gather_keys, write_bits
from fmq_theory.kernels.sums.double_double import dd_add, dd_divide, two_sum

__all__ = ["BORDER", "COLUMNS", "FIRST_CUT", "LAST_CUT", "RANK", "ROW", "RUN", "mean_levels", "sort_borders"]

IndexArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
CodeArray = NDArray[np.uint8]

# In a table of bins, entries below this are codes; the others are this plus the number of a border bin.
BORDER = 256
# Columns of a list of border bins: the row its numbers are of, the rank of its first number there, the range
# of cuts c with rank <= c <= rank + numbers, and its first run; there is one run more than cuts.
ROW, RANK, FIRST_CUT, LAST_CUT, RUN, COLUMNS = range(6)


def sort_borders(
    values: NDArray[np.floating],
    cuts: IndexArray,
    borders: IndexArray,
    starts: IndexArray,
    places: NDArray[np.uint32],
    units: FloatArray,
    codes: CodeArray,
    runs: FloatArray,
    left: FloatArray,
    right: FloatArray,
) -> None:
    """Codes of the numbers in border bins, sums of their runs, and the neighbours of the borders.

    Args:
        values: finite float32 or float64, shape ``[n]``; of one row or of several.
        cuts: ranks of the borders of a row, between 0 and the row's size; shape ``[K + 1]``.
        borders: shape ``[B, COLUMNS]``.
        starts: where the places of each bin begin, and the last one's end; shape ``[B + 1]``.
        places: of the numbers of each bin, in order.
        units: what to multiply the numbers of a row with before they are summed, shape ``[R]``.
        codes: shape ``[n]``, written.
        runs: double-double sums, shape ``[runs, 2]``, written.
        left: last number before each border of each row, shape ``[R, K - 1]``, written.
        right: first number after it, written. A border has both its neighbours in border bins.
    """
    bits = bits_of(values)
    largest = int(np.diff(starts).max(initial=0))
    keys = np.empty(largest, dtype=bits.dtype)
    spare = np.empty(largest, dtype=bits.dtype)
    _sort_borders(
        bits,
        cuts,
        borders,
        starts,
        places,
        units,
        codes,
        runs,
        left,
        right,
        keys,
        spare,
        keys.view(values.dtype),
        spare.view(values.dtype),
    )


@kernel
def _sort_borders(
    bits: BitArray,
    cuts: IndexArray,
    borders: IndexArray,
    starts: IndexArray,
    places: NDArray[np.uint32],
    units: FloatArray,
    codes: CodeArray,
    runs: FloatArray,
    left: FloatArray,
    right: FloatArray,
    keys_space: BitArray,
    spare_space: BitArray,
    keys_values: NDArray[np.floating],
    spare_values: NDArray[np.floating],
) -> None:
    counts = np.empty(COUNTS, dtype=np.uint32)
    value = np.empty(cuts.size, dtype=keys_space.dtype)
    next_rank = np.empty(cuts.size, dtype=np.int64)
    next_cut = np.empty(cuts.size, dtype=np.int64)
    ranks = np.empty(cuts.size, dtype=np.int64)
    for b in range(borders.shape[0]):
        here = places[starts[b] : starts[b + 1]]
        row, first, last = borders[b, ROW], borders[b, FIRST_CUT], borders[b, LAST_CUT]
        for c in range(first, last):
            ranks[c - first] = cuts[c] - borders[b, RANK]
        ranked, keys, numbers = keys_space[: here.size], spare_space[: here.size], keys_values
        gather_keys(bits, here, ranked)
        differ = ranked[0] ^ ranked[0]
        for i in range(here.size):
            differ |= ranked[i] ^ ranked[0]
        if differ == 0:  # a tie, which may be most of the numbers
            keys = ranked
        else:
            if sort_keys(ranked, keys, counts, 8 * keys.itemsize):
                ranked, keys, numbers = keys, ranked, spare_values
            # Gathering them again is cheaper than a third copy.
            gather_keys(bits, here, keys)
        encode_ranked(keys, ranked, ranks[: last - first], first - 1, here, codes, value, next_rank, next_cut)
        write_bits(ranked, ranked)
        start = 0
        for c in range(first, last + 1):
            stop = here.size
            if c < last:
                stop = ranks[c - first]
                if stop > 0:
                    left[row, c - 1] = numbers[stop - 1]
                if stop < here.size:
                    right[row, c - 1] = numbers[stop]
            unit = float(units[row])
            total = lost = 0.0
            for i in range(start, stop):
                total, error = two_sum(total, unit * float(numbers[i]))
                lost += error
            run = borders[b, RUN] + c - first
            runs[run, 0], runs[run, 1] = two_sum(total, lost)
            start = stop


@kernel
def mean_levels(
    sums: FloatArray,
    borders: IndexArray,
    runs: FloatArray,
    units: FloatArray,
    counts: IndexArray,
    left: FloatArray,
    right: FloatArray,
) -> FloatArray:
    """Mean of each cell of each row, shape ``[R, K]``.

    Never outside its cell, and not finite if the sum of the cell overflows.

    Args:
        sums: double-double sums of the whole bins of each cell, shape ``[R, K, 2]``; those of the runs are
            added to it.
        borders: shape ``[B, COLUMNS]``.
        runs: from ``sort_borders``.
        units: the same as there; powers of two.
        counts: numbers in each cell, > 0; shape ``[K]``.
        left: last number before each border, shape ``[R, K - 1]``.
        right: first number after it.
    """
    for b in range(borders.shape[0]):
        first = borders[b, FIRST_CUT]
        for c in range(first, borders[b, LAST_CUT] + 1):
            total = sums[borders[b, ROW], c - 1]
            run = runs[borders[b, RUN] + c - first]
            total[0], total[1] = dd_add(total[0], total[1], run[0], run[1])
    levels = np.empty((sums.shape[0], counts.size))
    for row in range(sums.shape[0]):
        for k in range(counts.size):
            mean, _ = dd_divide(sums[row, k, 0], sums[row, k, 1], np.float64(counts[k]), 0.0)
            mean /= units[row]
            if mean - mean == 0.0:  # finite
                if k > 0:
                    mean = max(mean, right[row, k - 1])
                if k < left.shape[1]:
                    mean = min(mean, left[row, k])
            levels[row, k] = mean
    return levels
