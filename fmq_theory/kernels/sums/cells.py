"""Mass, moments and squared error of cells of consecutive points."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import fused_multiply_add, kernel
from fmq_theory.kernels.sums.double_double import dd_add, dd_divide, dd_multiply, dd_subtract, two_sum

__all__ = ["cell_cost", "cell_means", "cell_moments"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]


@kernel
def cell_cost(prefix: FloatArray, start: int, stop: int) -> float:
    """min over c of sum w (z - c)**2 over points start..stop-1 > start, which is s2 - s1**2 / mass.

    Double-double with all terms below 2**-104 left out, so the relative error is about 1e-16 even for
    a narrow cell far from the origin. Never negative. The inner loop of every search.
    """
    low, high = prefix[start], prefix[stop]
    # Mass and second are running sums of positive terms: the larger first makes the error term short.
    mass_hi = high[0] - low[0]
    mass_lo = ((high[0] - mass_hi) - low[0]) + (high[5] - low[5])
    mass = mass_hi + mass_lo
    mass_lo -= mass - mass_hi
    first_hi, first_lo = two_sum(high[1], -low[1])
    first_lo += high[2] - low[2]
    first = first_hi + first_lo
    first_lo -= first - first_hi
    second = high[3] - low[3]
    second_lo = ((high[3] - second) - low[3]) + (high[4] - low[4])
    # With mean the rounded quotient and rest = s1 - mean * mass: s1**2 / mass = mean * (s1 + rest).
    mean = first / mass
    rest = fused_multiply_add(-mean, mass, first) + (first_lo - mean * mass_lo)
    square = mean * first
    square_lo = fused_multiply_add(mean, first, -square) + mean * (first_lo + rest)
    return max(0.0, (second - square) + (second_lo - square_lo))


@kernel
def cell_means(prefix: FloatArray, boundaries: IndexArray) -> FloatArray:
    """Mean of the points of each cell boundaries[k] .. boundaries[k+1]-1, shape ``[K]``; no cell is empty."""
    means = np.empty(boundaries.size - 1)
    for k in range(means.size):
        low, high = prefix[boundaries[k]], prefix[boundaries[k + 1]]
        mass, mass_lo = dd_subtract(high[0], high[5], low[0], low[5])
        first, first_lo = dd_subtract(high[1], high[2], low[1], low[2])
        means[k], _ = dd_divide(first, first_lo, mass, mass_lo)
    return means


@kernel
def cell_moments(
    prefix: FloatArray, starts: IndexArray, stops: IndexArray, about: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """sum w (z - about)**p over points starts[k]..stops[k]-1, for p = 0, 1, 2.

    Args:
        prefix: running sums at the places of the cells, shape ``[m + 1, 6]``; see ``prefix.py``.
        starts: first point of each cell, shape ``[k]``.
        stops: one past its last point, shape ``[k]``.
        about: shape ``[k]``.

    Returns:
        (mass, first, second), shape ``[k]`` each, in the units of the prefix.
    """
    mass = np.empty(starts.size)
    first = np.empty(starts.size)
    second = np.empty(starts.size)
    for k in range(starts.size):
        low, high = prefix[starts[k]], prefix[stops[k]]
        m, m_lo = dd_subtract(high[0], high[5], low[0], low[5])
        s1, s1_lo = dd_subtract(high[1], high[2], low[1], low[2])
        s2, s2_lo = dd_subtract(high[3], high[4], low[3], low[4])
        # first = s1 - c m, and second = (s2 - c s1) - c first.
        shift, shift_lo = dd_multiply(m, m_lo, about[k], 0.0)
        centred, centred_lo = dd_subtract(s1, s1_lo, shift, shift_lo)
        shift, shift_lo = dd_multiply(s1, s1_lo, about[k], 0.0)
        s2, s2_lo = dd_subtract(s2, s2_lo, shift, shift_lo)
        shift, shift_lo = dd_multiply(centred, centred_lo, -about[k], 0.0)
        s2, s2_lo = dd_add(s2, s2_lo, shift, shift_lo)
        mass[k] = m
        first[k] = centred
        second[k] = max(0.0, s2)
    return mass, first, second
