"""From weights to codes by any thresholds, and how often each code occurs.

A code is the number of thresholds that are not above a weight. Bins of equal width, a few a threshold,
narrow the search down: a table says how many thresholds lie before the bin of a weight, and mostly one
comparison is left.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.runtime.threads import run_blocks

__all__ = ["counts_rows", "encode_rows"]

FloatArray = NDArray[np.float64]
Codes = NDArray[np.uint8]
Reals = NDArray[np.floating]

# Bins for each threshold, where a row has as many weights as bins; else one bin.
BINS = 4
# More bins than this per unit of the weights could overflow a float32.
DENSEST = 2.0**100
# Weights whose searches run side by side, so that the compiler uses vector registers.
LANES = 32


def encode_rows(rows: NDArray[np.floating], thresholds: FloatArray, threads: int = 1) -> Codes:
    """How many thresholds of its row are not above each weight: the cell [a, b) that holds it.

    Args:
        rows: finite float32 or float64, contiguous, shape ``[R, C]``.
        thresholds: non-decreasing, infinite where there is none, shape ``[R, K - 1]``, K <= 256.
        threads: at most so many; no result depends on it.

    Returns:
        uint8, shape ``[R, C]``.
    """
    num_rows, columns = rows.shape
    # For a float32 x and a float64 t, x >= t says the same as x >= the next float32 that is not below t.
    borders = rounded_up(thresholds) if rows.dtype == np.float32 else thresholds
    codes = np.empty(rows.shape, dtype=np.uint8)
    if num_rows >= threads:
        run_blocks(lambda a, b: _encode_block(rows[a:b], borders[a:b], codes[a:b]), num_rows, threads)
    else:
        for row, border, code in zip(rows, borders, codes, strict=True):
            run_blocks(partial(_encode_range, row, border, code), columns, threads)
    return codes


def _encode_range(row: Reals, border: Reals, code: Codes, start: int, stop: int) -> None:
    _encode_block(row[np.newaxis, start:stop], border[np.newaxis], code[np.newaxis, start:stop])


def _encode_block(rows: Reals, borders: Reals, codes: Codes) -> None:
    size = 1 << borders.shape[1].bit_length()
    num_bins = BINS * size if BINS * size <= rows.shape[1] else 1
    table = np.empty(num_bins, dtype=np.int32)
    grid, ladder = np.empty_like(borders, shape=3), np.empty_like(borders, shape=2 * size)
    _encode(rows, borders, codes, table, grid, ladder)


def rounded_up(numbers: FloatArray) -> NDArray[np.float32]:
    """The least float32 that is not below each number."""
    with np.errstate(over="ignore"):
        narrow = numbers.astype(np.float32)
        above = np.nextafter(narrow, np.float32(np.inf))
    return np.where(narrow.astype(np.float64) < numbers, above, narrow)


@kernel
def _bin(x: float, grid: Reals) -> np.int32:
    """min(max(0, (x - origin) * scale), last): rounding included, it never falls as x rises.

    The origin is finite. ``max`` keeps its first argument where the second is nan: no nan is an index.
    """
    return np.int32(min(max(grid[0] - grid[0], (x - grid[0]) * grid[1]), grid[2]))


@kernel
def _fill_table(border: Reals, table: NDArray[np.int32], grid: Reals, ladder: Reals) -> int:
    """How many borders lie in the bins before each, and how many halvings a search inside a bin takes.

    Args:
        border: non-decreasing, infinite where there is none, shape ``[K - 1]``.
        table: written, shape ``[bins]``.
        grid: origin, bins per unit and last bin; written.
        ladder: the borders, then infinity, shape ``[2**b]`` with 2**b >= 2 K; written.
    """
    count = 0
    for k in range(ladder.size):
        ladder[k] = border[k] if k < border.size else np.inf
        if ladder[k] < np.inf:
            count += 1
    grid[0], grid[1], grid[2] = 0.0, 0.0, table.size - 1
    if count > 1:
        scale = (table.size - 1) / (np.float64(border[count - 1]) - np.float64(border[0]))
        if 0.0 < scale < DENSEST:
            grid[0], grid[1] = border[0], scale
    before = most = 0
    for b in range(table.size):
        table[b] = before
        while before < count and _bin(ladder[before], grid) == b:
            before += 1
        most = max(most, before - table[b])
    halvings = 0
    while 1 << halvings <= most:
        halvings += 1
    return halvings


@kernel
def _encode(
    rows: Reals, borders: Reals, codes: Codes, table: NDArray[np.int32], grid: Reals, ladder: Reals
) -> None:
    for r in range(rows.shape[0]):
        row, code = rows[r], codes[r]
        halvings = _fill_table(borders[r], table, grid, ladder)
        if halvings <= 1:
            for i in range(row.size):
                place = np.uint32(table[np.uint32(_bin(row[i], grid))])
                code[i] = place + (row[i] >= ladder[place])
        else:
            _search(row, halvings, table, grid, ladder, code)


@kernel
def _search(
    row: Reals, halvings: int, table: NDArray[np.int32], grid: Reals, ladder: Reals, code: Codes
) -> None:
    """A search by halving among the borders of a weight's bin, without branches."""
    found = np.empty(LANES, dtype=np.int32)
    for start in range(0, row.size, LANES):
        width = min(LANES, row.size - start)
        for lane in range(width):
            found[lane] = table[_bin(row[start + lane], grid)]
        step = 1 << (halvings - 1)
        while step > 0:
            for lane in range(width):
                place = found[lane] + step
                found[lane] = place if row[start + lane] >= ladder[place - 1] else found[lane]
            step //= 2
        for lane in range(width):
            code[start + lane] = np.uint8(found[lane])


def counts_rows(codes: Codes, num_levels: int, threads: int = 1) -> NDArray[np.int64]:
    """How often each code occurs in each row.

    Args:
        codes: C-contiguous, each below ``num_levels`` <= 256, shape ``[R, C]``.
        num_levels: K.
        threads: at most so many share the rows, or the columns of few rows.

    Returns:
        shape ``[R, K]``.
    """
    codes = codes.view()
    codes.setflags(write=False)  # one compilation, whether the caller's array is read-only or not
    num_rows, columns = codes.shape
    counts = np.zeros((num_rows, num_levels), dtype=np.int64)
    if num_rows >= threads:
        run_blocks(lambda a, b: _count(codes[a:b], 0, columns, counts[a:b]), num_rows, threads)
        return counts

    def count(start: int, stop: int) -> NDArray[np.int64]:
        part = np.zeros_like(counts)
        _count(codes, start, stop, part)
        return part

    return sum(run_blocks(count, columns, threads), counts)


@kernel
def _count(codes: Codes, first: int, last: int, counts: NDArray[np.int64]) -> None:
    """Of the codes in columns first..last-1 of each row."""
    # Equal neighbours count apart, so that one need not wait until the other's count is stored.
    even, odd = np.zeros(256, dtype=np.int64), np.zeros(256, dtype=np.int64)
    for r in range(codes.shape[0]):
        for i in range(first, last - 1, 2):
            even[codes[r, i]] += 1
            odd[codes[r, i + 1]] += 1
        if (last - first) % 2 == 1:
            even[codes[r, last - 1]] += 1
        for k in range(counts.shape[1]):
            counts[r, k] = even[k] + odd[k]
            even[k] = odd[k] = 0
