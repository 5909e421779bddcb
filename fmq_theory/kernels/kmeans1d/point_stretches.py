"""Stretches of a row with an origin of their own, about which sums are small, and so is their rounding.

About one origin for the whole row, U would be as large as the second moment of all points, and so
would be its rounding, while the cost is 1 / K**2 of it. So the origin is the mean of a stretch of a few
cells. From one stretch to the next, of origin o + a and first place b', what was found is carried over:

    U'(t) = U(t) - U(b') + a (2 (f_t - f_b') - a (t - b')),    f about o.
"""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.kmeans1d.point_sums import PointWork
from fmq_theory.kernels.runtime.jit import fused_multiply_add, kernel
from fmq_theory.kernels.runtime.simd import LANES
from fmq_theory.kernels.sums.double_double import UNIT_ROUNDING

__all__ = ["carry_over", "end_of_stretch", "growth_between"]

FloatArray = NDArray[np.float64]


@kernel
def spread_between(first: FloatArray, second: FloatArray, begin: int, end: int) -> float:
    """The sum of (z - mean)**2 of the points from ``begin`` up to ``end`` > begin, not rounded down."""
    moment = first[end] - first[begin]
    spread = (second[end] - second[begin]) - moment * moment / (end - begin)
    return max(0.0, spread) + 32.0 * UNIT_ROUNDING * second[first.size - 1 - LANES]


@kernel
def end_of_stretch(
    first: FloatArray, second: FloatArray, begin: int, step: int, wanted: int, most: float
) -> tuple[int, float]:
    """The last place of a stretch, at ``step`` or behind, and its M, which is at most ``most`` if possible.

    Args:
        first: sums of z.
        second: sums of z**2.
        begin: first place of the stretch.
        step: the first place whose U is not known.
        wanted: how many such places there should be, >= 1.
        most: of M.
    """
    end = min(first.size - 1 - LANES, step - 1 + wanted)
    spread = spread_between(first, second, begin, end)
    while spread > most and end > step:
        end = step + (end - step) // 2
        spread = spread_between(first, second, begin, end)
    return end, spread


@kernel
def carry_over(work: PointWork, begin: int, step: int, end: int, before: float, origin: float) -> float:
    """U and f of a stretch from ``begin`` to ``end``, where U is known before ``step``; the greatest |U|.

    Args:
        work: ``value`` and ``centred`` are of the stretch before, and will be of this one.
        begin: first place of the stretch.
        step: the first whose U is not known.
        end: last place of the stretch.
        before: the origin of the stretch before.
        origin: of this one.
    """
    first, centred, value = work.first, work.centred, work.value
    away, level, moment = origin - before, value[begin], centred[begin]
    greatest = 0.0
    here = np.uintp(begin)  # unsigned, or numba would look for negative indices at every step
    for t in range(np.uintp(step - begin)):
        both = fused_multiply_add(-np.float64(t), away, 2.0 * (centred[here + t] - moment))
        value[here + t] = fused_multiply_add(away, both, value[here + t] - level)
        greatest = max(greatest, abs(value[here + t]))
    moment = first[begin]
    for t in range(np.uintp(end + 1 + LANES - begin)):
        centred[here + t] = fused_multiply_add(-origin, np.float64(t), first[here + t] - moment)
    return greatest


@kernel
def growth_between(first: FloatArray, second: FloatArray, origin: float, begin: int, end: int) -> float:
    """The sum of (z - origin)**2 of the points from ``begin`` up to ``end``."""
    moment = 2.0 * (first[end] - first[begin]) - origin * np.float64(end - begin)
    return (second[end] - second[begin]) - origin * moment
