"""Cells of equal count of each of many rows, without a sort: ranks, codes and exact means from equal bins.

The range of a row is divided into about as many bins of equal width as it has numbers. The bins inside a
cell give their numbers its code, and their sums are compensated; the numbers of the bins that hold a
border, a few each, are sorted. With far outliers most of a row is in one bin, and that is a sort of the row.
"""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.equal_mass.border_bins import (
    BORDER,
    COLUMNS,
    FIRST_CUT,
    LAST_CUT,
    RANK,
    ROW,
    RUN,
    mean_levels,
    sort_borders,
)
from fmq_theory.kernels.equal_mass.rank_cells import equal_cuts
from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.sums.double_double import two_sum

__all__ = ["equal_mass_short"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]
CodeArray = NDArray[np.uint8]

# Bins of a row; at most 2**16, which their numbers' type holds.
LEAST_BINS, MOST_BINS = 64, 1 << 16
# Independent sums of each cell: with one, numbers of the same cell would wait for each other.
LANES = 4
# Numbers handled at once: what lies between two passes over them stays in the cache.
BATCH = 1 << 17


def equal_mass_short(
    rows: NDArray[np.floating],
    num_levels: int,
    codes: CodeArray,
    levels: FloatArray,
    left: FloatArray,
    right: FloatArray,
) -> None:
    """Codes, levels and the numbers left and right of each border of every row.

    Args:
        rows: finite float32 or float64, C-contiguous, shape ``[R, C]``, C < 2**31.
        num_levels: 1 <= K <= 256; K' = min(K, C).
        codes: shape ``[R, C]``, written.
        levels: shape ``[R, K']``, written; not finite where the sum of a cell overflows.
        left: shape ``[R, K' - 1]``, written.
        right: the same.
    """
    num_rows, columns = rows.shape
    cuts = equal_cuts(columns, min(num_levels, columns))
    num_bins = min(max(LEAST_BINS, 1 << (columns - 1).bit_length()), MOST_BINS)
    batch = max(1, BATCH // columns)
    most_borders = min(2 * (cuts.size - 1), columns)
    borders = np.zeros((batch * most_borders, COLUMNS), dtype=np.int64)
    starts = np.empty(batch * most_borders + 1, dtype=np.int64)
    runs = np.empty((batch * (most_borders + 2 * cuts.size), 2))
    places = np.empty(batch * columns, dtype=np.uint32)
    units = np.ones(batch)
    for first in range(0, num_rows, batch):
        part = rows[first : first + batch]
        last = first + part.shape[0]
        lows = part.min(axis=1).astype(np.float64)
        with np.errstate(over="ignore", divide="ignore"):
            scales = (num_bins - 1) / (part.max(axis=1) - lows)
        # One bin for a range too narrow to divide, or one that overflows.
        scales[~np.isfinite(scales)] = 0.0
        lows[scales == 0.0] = 0.0
        sums = np.zeros((part.shape[0], cuts.size - 1, 2))
        num_borders = _encode_rows(
            part, lows, scales, num_bins, cuts, codes[first:last], sums, borders, starts, places
        )
        sort_borders(
            part.reshape(-1),
            cuts,
            borders[:num_borders],
            starts[: num_borders + 1],
            places,
            units,
            codes[first:last].reshape(-1),
            runs,
            left[first:last],
            right[first:last],
        )
        levels[first:last] = mean_levels(
            sums, borders[:num_borders], runs, units, np.diff(cuts), left[first:last], right[first:last]
        )


@kernel
def _encode_rows(
    rows: NDArray[np.floating],
    lows: FloatArray,
    scales: FloatArray,
    num_bins: int,
    cuts: IndexArray,
    codes: CodeArray,
    sums: FloatArray,
    borders: IndexArray,
    starts: IndexArray,
    places: NDArray[np.uint32],
) -> int:
    """Codes and sums of the numbers in whole bins; the places of those in border bins.

    Args:
        rows: shape ``[R, C]``.
        lows: least number of each row, shape ``[R]``.
        scales: bins per unit, shape ``[R]``; range * scale < ``num_bins``.
        num_bins: at most 2**16.
        cuts: shape ``[K + 1]``.
        codes: shape ``[R, C]``, written.
        sums: double-double, shape ``[R, K, 2]``, written.
        borders: as in ``border_bins.py``, written.
        starts: where the places of each border bin begin, and the last one's end; written.
        places: in the flattened rows, written.

    Returns:
        how many border bins there are.
    """
    columns = rows.shape[1]
    bins = np.empty(columns, dtype=np.uint16)
    counts = np.empty(num_bins, dtype=np.uint32)
    table = np.empty(num_bins, dtype=np.uint16)
    listed = np.empty(columns + 1, dtype=np.uint32)
    nexts = np.empty(2 * cuts.size, dtype=np.int64)
    lanes = np.empty((BORDER + 2 * cuts.size, LANES, 2))
    num_borders = num_runs = 0
    end = np.int64(0)
    for r in range(rows.shape[0]):
        row = rows[r]
        low, scale = lows[r], scales[r]
        for b in range(num_bins):
            counts[b] = 0
        # Rounding keeps order, so the bins are in order whatever is lost here.
        for i in range(columns):
            bins[i] = np.int32((np.float64(row[i]) - low) * scale)
        for i in range(columns):
            counts[bins[i]] += np.uint32(1)
        for k in range(cuts.size - 1):
            for lane in range(LANES):
                lanes[k, lane, 0] = lanes[k, lane, 1] = 0.0

        # Bins of codes; a bin with a cut c, rank <= c <= rank + numbers, is a border bin.
        here = 0
        cut, rank, b = 1, 0, 0
        while cut < cuts.size - 1:
            while counts[b] == 0 or rank + counts[b] < cuts[cut]:
                table[b] = cut - 1
                rank += counts[b]
                b += 1
            last = cut
            while last < cuts.size - 1 and cuts[last] <= rank + counts[b]:
                last += 1
            table[b] = BORDER + here
            border = borders[num_borders + here]
            border[ROW], border[RANK], border[FIRST_CUT], border[LAST_CUT] = r, rank, cut, last
            border[RUN] = num_runs
            num_runs += last - cut + 1
            starts[num_borders + here] = nexts[here] = end
            end += counts[b]
            rank += counts[b]
            b += 1
            here += 1
            while cut < cuts.size - 1 and cuts[cut] < rank:
                cut += 1
        for rest in range(b, num_bins):
            table[rest] = cut - 1
        num_borders += here

        count = np.uint64(0)
        for i in range(columns):
            entry = table[bins[i]]
            codes[r, i] = entry
            listed[count] = i
            count += np.uint64(entry >= BORDER)
            lane = lanes[entry, np.uint64(i) % np.uint64(LANES)]
            lane[0], error = two_sum(lane[0], np.float64(row[i]))
            lane[1] += error
        for j in range(count):
            here = table[bins[listed[j]]] - BORDER
            places[nexts[here]] = r * columns + listed[j]
            nexts[here] += 1
        for k in range(cuts.size - 1):
            total = lost = 0.0
            for lane in range(LANES):
                total, error = two_sum(total, lanes[k, lane, 0])
                lost += error + lanes[k, lane, 1]
            sums[r, k, 0], sums[r, k, 1] = two_sum(total, lost)
    starts[num_borders] = end
    return num_borders
