"""The four rules of the published comparison on rows of float32, in the arithmetic that numpy gives them.

Each function takes rows of finite float32, none of them all zero, and K; for uniform no row is constant. They
state in our words what the authors' scripts do (github.com/Quantized-FM/LowBit-HighFid, folder
quantizerFunctions, read in November 2026); the code is ours.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmq_theory.errors import SchemeError
from fmq_theory.kernels.equal_mass.rank_cells import equal_cuts

__all__ = ["RULES", "PublishedRule", "Quantized"]

PublishedRule = Literal["equal_mass", "uniform", "pwl", "log2"]

Float32Array = NDArray[np.float32]


class Quantized(NamedTuple):
    """Rows after a rule.

    Attributes:
        levels: of each row, shape ``[R, K']``; behind the last one in use that one is repeated.
        codes: shape of the rows.
        used: how many levels of each row are in use, shape ``[R]``.
    """

    levels: Float32Array
    codes: NDArray[np.uint8]
    used: NDArray[np.int64]

    @classmethod
    def of(cls, levels: Float32Array, codes: NDArray[np.uint8]) -> "Quantized":
        """All levels in use."""
        return cls(levels, codes, np.full(len(levels), levels.shape[1]))


def _equal_mass(rows: Float32Array, num_levels: int) -> Quantized:
    """``numpy.argsort`` in its default order, ``array_split`` into min(K, n) cells, ``numpy.mean`` of each.

    The default sort is not stable: which of several equal weights at a threshold gets which code is numpy's
    choice. The levels, and how many weights each has, do not depend on it.
    """
    num_rows, size = rows.shape
    num_cells = min(num_levels, size)
    order = np.argsort(rows, axis=1)
    ordered = np.take_along_axis(rows, order, axis=1)
    cuts = equal_cuts(size, num_cells)
    # The first cells have one weight more than the others: two blocks, in each of which numpy.mean sums a
    # cell as it would alone.
    longer = size % num_cells
    levels = np.empty((num_rows, num_cells), dtype=np.float32)
    for cells in (slice(0, longer), slice(longer, num_cells)):
        part = ordered[:, cuts[cells.start] : cuts[cells.stop]]
        if part.shape[1] > 0:
            levels[:, cells] = part.reshape(num_rows, cells.stop - cells.start, -1).mean(axis=2)
    codes = np.empty(rows.shape, dtype=np.uint8)
    ranked = np.repeat(np.arange(num_cells, dtype=np.uint8), np.diff(cuts))
    np.put_along_axis(codes, order, np.broadcast_to(ranked, rows.shape), axis=1)
    return Quantized.of(levels, codes)


def _uniform(rows: Float32Array, num_levels: int) -> Quantized:
    """code = round((x - min) / scale) half to even, level = code scale + min, scale = (max - min) / (K - 1).

    Raises:
        SchemeError: float32 has no such scale, or it is zero.
    """
    low = rows.min(axis=1, keepdims=True)
    with np.errstate(over="ignore", under="ignore"):
        scale = (rows.max(axis=1, keepdims=True) - low) / np.float32(max(num_levels - 1, 1))
    if not (np.isfinite(scale) & (scale > 0.0)).all():
        raise SchemeError(
            "scheme 'published:uniform'",
            "the step between levels is no positive float32 number",
            "scale the weights towards 1, or use scheme uniform",
        )
    codes = np.minimum(np.rint((rows - low) / scale), np.float32(num_levels - 1)).astype(np.uint8)
    return Quantized.of(np.arange(num_levels, dtype=np.float32) * scale + low, codes)


def _pwl(rows: Float32Array, num_levels: int) -> Quantized:
    """Cells between the k/K quantiles, by ``numpy.interp`` on n even shares; midpoints.

    Quantiles and midpoints are float64; a midpoint is rounded to float32 once. A weight on a threshold
    belongs to the right of it, and whether rounding puts a threshold on a weight is up to ``numpy.interp``.
    """
    size = rows.shape[1]
    shares, own = np.linspace(0.0, 1.0, num_levels + 1), np.linspace(0.0, 1.0, size)
    levels = np.empty((len(rows), num_levels), dtype=np.float32)
    codes = np.empty(rows.shape, dtype=np.uint8)
    for row, level, code in zip(rows, levels, codes, strict=True):
        edges = np.interp(shares, own, np.sort(row))
        level[:] = 0.5 * (edges[:-1] + edges[1:])
        code[:] = np.digitize(row, edges[1:-1])
    return Quantized.of(levels, codes)


def _log2(rows: Float32Array, num_levels: int) -> Quantized:
    """Levels even in the logarithm of the magnitude, sign by sign; nearest level, the smaller of two.

    With K' = min(K, n): K' // 2 levels a sign, and all K' for positive weights where none is negative (but
    K' // 2 for negative ones where none is positive). One level alone is the smallest magnitude, and a
    sign with one magnitude keeps it. Natural logarithms are float32; their quotients by ln 2, powers and
    distances float64; a level is rounded to float32 last. A zero goes to the level in use of smallest
    magnitude; of a negative and a positive one that are equal it takes the positive one, where the script
    takes that of the weight which comes first.
    """
    num_levels = min(num_levels, rows.shape[1])
    levels = np.empty((len(rows), num_levels), dtype=np.float32)
    codes, used = np.empty(rows.shape, dtype=np.uint8), np.empty(len(rows), dtype=np.int64)
    for index, (row, level, code) in enumerate(zip(rows, levels, codes, strict=True)):
        negative, positive, half = row < 0.0, row > 0.0, max(1, num_levels // 2)
        below = _even_in_log2(-row[negative], half)
        above = _even_in_log2(row[positive], half if negative.any() else num_levels)
        code[negative] = below.size - 1 - _nearest(-row[negative], below)
        code[positive] = below.size + _nearest(row[positive], above)
        found = np.concatenate((-below[::-1], above)).astype(np.float32)
        used[index] = found.size
        level[: found.size], level[found.size :] = found, found[-1]
        if not (negative | positive).all():
            in_use = np.unique(code[negative | positive])[::-1]
            code[row == 0.0] = in_use[np.argmin(np.abs(level[in_use]))]
    return Quantized(levels, codes, used)


def _even_in_log2(magnitudes: Float32Array, count: int) -> NDArray[np.float64]:
    """In float64, ascending; none for no magnitudes."""
    if magnitudes.size == 0:
        return np.empty(0)
    least, largest = magnitudes.min(), magnitudes.max()
    if least == largest:
        return np.array([least], dtype=np.float64)
    low, high = (float(np.log(end)) / float(np.log(2.0)) for end in (least, largest))
    return np.power(2.0, np.linspace(low, high, count))


def _nearest(magnitudes: Float32Array, levels: NDArray[np.float64]) -> NDArray[np.intp]:
    """The index of the nearest level, the lower one of two."""
    x = magnitudes.astype(np.float64)
    if levels.size < 2:
        return np.zeros(x.shape, dtype=np.intp)
    place: NDArray[np.intp] = np.searchsorted(levels, x)
    right = np.clip(place, 1, levels.size - 1)
    return np.where(np.abs(x - levels[right - 1]) <= np.abs(x - levels[right]), right - 1, right)


RULES: dict[PublishedRule, Callable[[Float32Array, int], Quantized]] = {
    "equal_mass": _equal_mass,
    "uniform": _uniform,
    "pwl": _pwl,
    "log2": _log2,
}
