"""Rows of weights that share a table and have a scale and an offset each, decoded in float32."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel

__all__ = ["best_offered", "nearest_codes"]

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]


@kernel
def nearest_codes(
    rows: FloatArray,
    table: Float32Array,
    scales: Float32Array,
    offsets: Float32Array,
    codes: NDArray[np.uint8],
    errors: FloatArray,
) -> None:
    """For each weight the k of the least |w - (s c_k + o)|, product and sum in float32; the lower of two.

    Args:
        rows: the weights w, finite, shape ``[R, n]``.
        table: the levels c, rising, shape ``[K]``, 2 <= K <= 256.
        scales: s of each row, finite; of any sign.
        offsets: o of each row, finite.
        codes: written, shape ``[R, n]``.
        errors: written, sum_i (w_i - its number)**2 of each row.
    """
    levels = np.empty(table.size)
    for r in range(rows.shape[0]):
        for k in range(table.size):
            levels[k] = np.float64(np.float32(np.float32(scales[r] * table[k]) + offsets[r]))
        rising = scales[r] >= np.float32(0.0)  # with equal levels where the scale is 0 or next to it
        total = 0.0
        for i in range(rows.shape[1]):
            w = rows[r, i]
            first, last = 0, table.size - 1
            while first < last:  # the first level that is at least w, in the order in which they rise
                half = (first + last) // 2
                if levels[half if rising else table.size - 1 - half] < w:
                    first = half + 1
                else:
                    last = half
            code = first if rising else table.size - 1 - first
            below = max(0, first - 1)
            other = below if rising else table.size - 1 - below
            gap, alternative = abs(w - levels[code]), abs(w - levels[other])
            if alternative < gap or (alternative == gap and other < code):
                code, gap = other, alternative
            codes[r, i] = code
            total += gap * gap
        errors[r] = total


@kernel
def best_offered(
    rows: FloatArray, table: Float32Array, offered: Float32Array, chosen: NDArray[np.uint8]
) -> None:
    """For each row the scale of the least squared error among those on offer; the first of equal ones.

    Args:
        rows: the weights w, finite, shape ``[R, n]``.
        table: the levels c, rising, shape ``[K]``, K >= 2.
        offered: the scales that a row may have, finite, shape ``[R, S]``, S <= 256; the likeliest is found
            faster where its neighbours stand beside it.
        chosen: holds a first guess for each row, an index of ``offered``; written, shape ``[R]``.
    """
    levels = np.empty(table.size)
    for r in range(rows.shape[0]):
        least, best = np.inf, 0
        for turn in range(-1, offered.shape[1]):
            s = np.int64(chosen[r]) if turn < 0 else turn
            total = 0.0
            for k in range(table.size):
                levels[k] = np.float64(np.float32(offered[r, s] * table[k]))
            for i in range(rows.shape[1]):
                w = rows[r, i]
                gap = np.inf
                for k in range(table.size):
                    gap = min(gap, abs(w - levels[k]))
                total += gap * gap
                if total > least:
                    break
            if total < least or (total == least and s < best):
                least, best = total, s
        chosen[r] = best
