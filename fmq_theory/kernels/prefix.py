"""Running double-double sums of w, w z and w z**2: every cell statistic is a difference of two rows."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.double_double import dd_add, dd_multiply, two_product
from fmq_theory.kernels.jit import kernel

__all__ = ["prefix_from_moments", "prefix_moments"]

FloatArray = NDArray[np.float64]

# Columns: 0 mass, 1 first_hi, 2 first_lo, 3 second_hi, 4 second_lo, 5 mass_lo.
# The low part of the mass is last: it is zero for counts, and only real weights need it.


@kernel
def _append(
    prefix: FloatArray, row: int, mass: float, first_hi: float, first_lo: float, hi: float, lo: float
) -> None:
    before = prefix[row]
    after = prefix[row + 1]
    after[0], after[5] = dd_add(before[0], before[5], mass, 0.0)
    after[1], after[2] = dd_add(before[1], before[2], first_hi, first_lo)
    after[3], after[4] = dd_add(before[3], before[4], hi, lo)


@kernel
def prefix_moments(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Row j holds the sums over the first j points.

    Args:
        values: points z, shape ``[m]``; |z| below about 1e100 so that squares stay in range.
        weights: positive masses w, shape ``[m]``.

    Returns:
        shape ``[m + 1, 6]``: mass, first_hi, first_lo, second_hi, second_lo, mass_lo.
    """
    prefix = np.zeros((values.size + 1, 6))
    for j in range(values.size):
        first_hi, first_lo = two_product(weights[j], values[j])
        second_hi, second_lo = dd_multiply(first_hi, first_lo, values[j], 0.0)
        _append(prefix, j, weights[j], first_hi, first_lo, second_hi, second_lo)
    return prefix


@kernel
def prefix_from_moments(mass: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    """The same layout from moments about zero of ``m`` buckets, each of shape ``[m]``."""
    prefix = np.zeros((mass.size + 1, 6))
    for j in range(mass.size):
        _append(prefix, j, mass[j], first[j], 0.0, second[j], 0.0)
    return prefix
