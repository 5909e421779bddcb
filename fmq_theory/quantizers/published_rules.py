"""The four rules of the published comparison on rows of float32, each operation rounded as numpy rounds it.

Each function takes rows of finite float32, none of them all zero, and K; for uniform no row is constant. They
follow the description of the authors' scripts (theory section 0); what that leaves open is said at each rule.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmq_theory.errors import SchemeError
from fmq_theory.kernels.rank_cells import equal_cuts

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

    The default sort is not stable: which of several equal weights at a border gets which code is numpy's
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
    """Cells between ``numpy.quantile``'s k/K quantiles, a weight on a border to the right of it; midpoints.

    The quantiles are what ``numpy.quantile`` returns for float32 numbers and float64 shares; a midpoint is
    rounded to float32 once.
    """
    edges = np.quantile(rows, np.linspace(0.0, 1.0, num_levels + 1), axis=1).T
    codes = np.empty(rows.shape, dtype=np.uint8)
    for row, edge, code in zip(rows, edges, codes, strict=True):
        code[:] = np.digitize(row, edge[1:-1])
    levels = 0.5 * (edges[:, :-1] + edges[:, 1:])
    return Quantized.of(levels.astype(np.float32), codes)


def _log2(rows: Float32Array, num_levels: int) -> Quantized:
    """2**numpy.linspace(log2 least, log2 largest magnitude) for each sign; nearest level, the lower of two.

    With K' = min(K, n): K' // 2 levels a sign, all K' where there is one sign. One level a sign, which the
    description leaves open, is what ``numpy.linspace`` gives: the smallest magnitude.
    """
    num_levels = min(num_levels, rows.shape[1])
    levels = np.empty((len(rows), num_levels), dtype=np.float32)
    codes, used = np.empty(rows.shape, dtype=np.uint8), np.empty(len(rows), dtype=np.int64)
    for index, (row, level, code) in enumerate(zip(rows, levels, codes, strict=True)):
        negative, positive = -row[row < 0.0], row[row > 0.0]
        a_side = max(1, num_levels // 2) if negative.size and positive.size else num_levels
        sides = [_even_in_log2(positive, a_side)] if positive.size else []
        if negative.size and (num_levels > 1 or not sides):
            sides.append(-_even_in_log2(negative, a_side))
        found: Float32Array = np.sort(np.concatenate(sides))
        used[index] = found.size
        level[: found.size], level[found.size :] = found, found[-1]
        place: NDArray[np.intp] = np.searchsorted(found, np.asarray(row))
        right = np.clip(place, 1 if found.size > 1 else 0, found.size - 1)
        left = np.maximum(right - 1, 0)
        code[:] = np.where(np.abs(row - found[left]) <= np.abs(row - found[right]), left, right)
    return Quantized(levels, codes, used)


def _even_in_log2(magnitudes: Float32Array, count: int) -> Float32Array:
    low, high = np.log2(magnitudes.min()), np.log2(magnitudes.max())
    return np.exp2(np.linspace(low, high, count, dtype=np.float32))


RULES: dict[PublishedRule, Callable[[Float32Array, int], Quantized]] = {
    "equal_mass": _equal_mass,
    "uniform": _uniform,
    "pwl": _pwl,
    "log2": _log2,
}
