"""A fixed table of levels under a scale of its own choice for each row: the least squared error, exactly.

With levels c and scale s a weight w costs min_k (w - s c_k)**2. As s grows from 0, w / s passes the
thresholds half-way between levels one after the other, so the codes of a row change at known scales only.
Between two of them the error is sum w**2 - 2 s B + s**2 C, B = sum w c, C = sum c**2, of which the least is
sum w**2 - B**2 / C. That is the error of an assignment that exists, and the best assignment is among those
that are met. So the least of all of them is the optimum, whichever scale it belongs to. Negative scales are
those of the mirrored row.

A format holds some scales only, those of float16 say. An assignment costs sum w**2 - 2 s B + s**2 C, which is
the least at the scale of the format that is nearest to B / C. The assignment that is best at a scale of the
format is met as well, and costs no more at its own nearest scale. So the least over all that are met, each at
its nearest scale, is the optimum of the format.

Small scales need no look: the largest weight alone costs (w - s c)**2, c the outer level, where that is
beyond the error of a scale that is known.
"""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.half_numbers import nearest_half
from fmq_theory.kernels.runtime.jit import kernel

__all__ = ["ALL", "FLOAT16", "FLOAT32", "best_table_scales", "least_table_errors"]

FloatArray = NDArray[np.float64]

ALL, FLOAT16, FLOAT32 = 0, 1, 2
"""Which scales there are: all real ones, or those of a type."""
_LARGEST_SINGLE = float(np.finfo(np.float32).max)


@kernel
def _same_side(a: float, b: float) -> bool:
    """Whether both are positive or both negative; a product of small numbers would be 0."""
    return (a > 0.0 and b > 0.0) or (a < 0.0 and b < 0.0)


@kernel
def _error_at(row: FloatArray, sign: float, table: FloatArray, scale: float) -> float:
    """sum_i min_k (sign w_i - s c_k)**2."""
    total = 0.0
    for i in range(row.size):
        least = np.inf
        for k in range(table.size):
            gap = sign * row[i] - scale * table[k]
            least = min(least, gap * gap)
        total += least
    return total


@kernel
def _first_scale(row: FloatArray, sign: float, table: FloatArray, error: float) -> float:
    """A scale below which every one costs more than ``error``; 0 where none is known."""
    high = low = 0.0
    for i in range(row.size):
        high, low = max(high, sign * row[i]), min(low, sign * row[i])
    room, found = np.sqrt(error) * (1.0 + 1e-9), 0.0
    if table[-1] > 0.0:
        found = max(found, (high - room) / table[-1])
    if table[0] < 0.0:
        found = max(found, (low + room) / table[0])
    return found


@kernel
def _widest_scale(row: FloatArray, sign: float, table: FloatArray) -> float:
    """The least scale at which no weight is beyond the outer levels of its side."""
    found = 0.0
    for i in range(row.size):
        w = sign * row[i]
        edge = table[-1] if w > 0.0 else table[0]
        if _same_side(edge, w):
            found = max(found, w / edge)
    return found


@kernel
def _nearest_scale(scale: float, held: int) -> float:
    """The nearest scale that there is."""
    if held == FLOAT16:
        return nearest_half(scale)
    if held == FLOAT32:
        return np.float64(np.float32(min(max(scale, -_LARGEST_SINGLE), _LARGEST_SINGLE)))
    return scale


@kernel
def _cost(energy: float, b: float, c: float, held: int) -> tuple[float, float]:
    """The least error of an assignment and its scale; that of no scale where B is not positive."""
    if not (b > 0.0 and c > 0.0):
        return energy, 0.0
    if held == ALL:
        return energy - b * b / c, b / c
    scale = _nearest_scale(b / c, held)
    return energy - scale * (2.0 * b - scale * c), scale


@kernel
def best_table_scales(
    rows: FloatArray, table: FloatArray, held: int, mirrored: bool, errors: FloatArray, chosen: FloatArray
) -> None:
    """min over s of sum_i min_k (w_i - s c_k)**2 for each row, and an s where it is attained.

    Args:
        rows: finite, their squares too, shape ``[R, n]``.
        table: the levels c, rising, shape ``[K]``, K >= 2.
        held: ``ALL``, ``FLOAT16`` or ``FLOAT32``: the scales that there are.
        mirrored: negative ones count too.
        errors: written, shape ``[R]``.
        chosen: written, the scales, shape ``[R]``; 0 where no scale helps.
    """
    size, last = rows.shape[1], table.size - 1
    scales = np.empty(size * last)
    products = np.empty(size * last)
    squares = np.empty(size * last)
    smallest = table[np.argmin(np.abs(table))]  # the level of a weight of 0
    sides = 2 if mirrored else 1
    for r in range(rows.shape[0]):
        row = rows[r]
        energy = 0.0
        for i in range(size):
            energy += row[i] * row[i]
        known, best = energy, 0.0
        for side in range(sides):
            sign = 1.0 - 2.0 * side
            scale = _nearest_scale(_widest_scale(row, sign, table), held)
            error = _error_at(row, sign, table, scale)
            if error < known:
                known, best = error, sign * scale
        least = known
        for side in range(sides):
            sign = 1.0 - 2.0 * side
            first = _first_scale(row, sign, table, known)
            count, b, c = 0, 0.0, 0.0
            for i in range(size):
                w = sign * row[i]
                if w == 0.0:
                    c += smallest * smallest
                    continue
                # At a scale next to 0 the weight has an outer level, and goes inward from there.
                step = -1 if w > 0.0 else 1
                k = last if w > 0.0 else 0
                while 0 <= k + step <= last:
                    middle = 0.5 * (table[k] + table[k + step])
                    if not _same_side(middle, w) or w / middle >= first:
                        break
                    k += step
                b += w * table[k]
                c += table[k] * table[k]
                while 0 <= k + step <= last:
                    middle = 0.5 * (table[k] + table[k + step])
                    if not _same_side(middle, w):
                        break
                    scales[count] = w / middle
                    products[count] = w * (table[k + step] - table[k])
                    squares[count] = table[k + step] * table[k + step] - table[k] * table[k]
                    k += step
                    count += 1
            error, scale = _cost(energy, b, c, held)
            if error < least:
                least, best = error, sign * scale
            for place in np.argsort(scales[:count]):
                b += float(products[place])
                c += float(squares[place])
                error, scale = _cost(energy, b, c, held)
                if error < least:
                    least, best = error, sign * scale
        errors[r] = max(0.0, least)
        chosen[r] = best


@kernel
def least_table_errors(rows: FloatArray, table: FloatArray, errors: FloatArray) -> None:
    """min over s of sum_i min_k (w_i - s c_k)**2 for each row, over all real scales.

    Args:
        rows: finite, their squares too, shape ``[R, n]``.
        table: the levels c, rising, shape ``[K]``, K >= 2.
        errors: written, shape ``[R]``.
    """
    best_table_scales(rows, table, ALL, True, errors, np.empty(errors.size))
