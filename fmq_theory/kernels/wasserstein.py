"""The squared 2-Wasserstein distance of two samples on the line, from sorted points.

The optimal coupling joins equal ranks, so each kernel is one sweep over both samples. All terms are
non-negative and only differences of points enter: the relative error is that of the sum, below 1e-13.
"""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.runtime.simd import LANES
from fmq_theory.kernels.sums.double_double import dd_add, dd_multiply, dd_subtract, two_sum

__all__ = ["rank_probabilities", "w2_squared_equal_sizes", "w2_squared_sorted", "w2_squared_unweighted"]

FloatArray = NDArray[np.float64]
Points = NDArray[np.floating]

# Terms that are added plainly, in LANES lanes, before their sum enters a compensated one: the plain
# part is 64 additions deep, which costs at most 64 unit roundings of a sum of non-negative terms.
BLOCK = 512


@kernel
def w2_squared_equal_sizes(x: Points, y: Points, scale: float = 1.0) -> float:
    """mean_i (scale x_i - scale y_i)**2 for sorted samples of one size.

    Args:
        x: sorted, shape ``[n]``, float32 or float64.
        y: sorted, shape ``[n]``.
        scale: a power of two that keeps squares within float64; 1 for all but extreme points.
    """
    total = error = 0.0
    lanes = np.zeros(LANES)
    for start in range(0, x.size, BLOCK):
        lanes[:] = 0.0
        stop = min(start + BLOCK, x.size)
        whole = start + (stop - start) // LANES * LANES
        for chunk in range(start, whole, LANES):
            for lane in range(LANES):
                gap = np.float64(x[chunk + lane]) * scale - np.float64(y[chunk + lane]) * scale
                lanes[lane] += gap * gap
        for i in range(whole, stop):
            gap = np.float64(x[i]) * scale - np.float64(y[i]) * scale
            lanes[0] += gap * gap
        for lane in range(LANES):
            total, lost = two_sum(total, lanes[lane])
            error += lost
    return (total + error) / x.size


@kernel
def w2_squared_unweighted(x: Points, y: Points, scale: float = 1.0) -> float:
    """The same for samples of any sizes n >= m.

    Ranks are whole numbers: of n m equal parts, x_i owns [i m, (i+1) m) and y_j owns [j n, (j+1) n).
    So the overlaps are exact, whatever the sizes, as long as n m fits into an int64.

    Args:
        x: sorted, shape ``[n]``, float32 or float64.
        y: sorted, shape ``[m]``, m <= n.
        scale: see ``w2_squared_equal_sizes``.
    """
    n, m = np.int64(x.size), np.int64(y.size)
    total = error = 0.0
    i = np.int64(0)
    left = m  # parts of x_i that are still free
    for j in range(m):
        point = np.float64(y[j]) * scale
        free = n
        # What is left of x_i, unless that is all of it.
        if left < m:
            gap = np.float64(x[i]) * scale - point
            total, lost = two_sum(total, left * (gap * gap))
            error += lost
            free -= left
            left = m
            i += 1
        # Points that fall to y_j as a whole.
        whole = free // m
        inner = inner_error = 0.0
        for k in range(i, i + whole):
            gap = np.float64(x[k]) * scale - point
            inner, lost = two_sum(inner, gap * gap)
            inner_error += lost
        total, lost = two_sum(total, m * inner)
        error += lost + m * inner_error
        i += whole
        free -= whole * m
        # The part of the next one.
        if free > 0:
            gap = np.float64(x[i]) * scale - point
            total, lost = two_sum(total, free * (gap * gap))
            error += lost
            left = m - free
    return (total + error) / n / m


@kernel
def w2_squared_sorted(x: Points, wx: FloatArray, y: Points, wy: FloatArray, scale: float = 1.0) -> float:
    """The same for weighted samples, by merging the two step functions.

    Each sample's weights are divided by their sum. Products with the other sample's sum stand for the
    quotients; they and what is left of them are double-double, so the ranks of 10**8 points do not
    drift, and whole-numbered weights (counts) are matched without rounding.

    Args:
        x: sorted, shape ``[n]``, float32 or float64.
        wx: masses of ``x``, positive, shape ``[n]``; shape ``[0]`` where all are 1.
        y: sorted, shape ``[m]``.
        wy: masses of ``y``, positive, shape ``[m]``; shape ``[0]`` where all are 1.
        scale: see ``w2_squared_equal_sizes``.

    Returns:
        in the square of the units of scale x and scale y.
    """
    total_x, total_x_lo = _sum(wx, x.size)
    total_y, total_y_lo = _sum(wy, y.size)
    i = j = 0
    left_x, left_x_lo = dd_multiply(total_y, total_y_lo, wx[0] if wx.size > 0 else 1.0, 0.0)
    left_y, left_y_lo = dd_multiply(total_x, total_x_lo, wy[0] if wy.size > 0 else 1.0, 0.0)
    total = error = 0.0
    while True:
        gap = np.float64(x[i]) * scale - np.float64(y[j]) * scale
        rest, rest_lo = dd_subtract(left_x, left_x_lo, left_y, left_y_lo)
        if rest <= 0.0:
            total, lost = two_sum(total, left_x * (gap * gap))
            error += lost
            left_y, left_y_lo = -rest, -rest_lo
            i += 1
            if i == x.size:
                break
            left_x, left_x_lo = dd_multiply(total_y, total_y_lo, wx[i] if wx.size > 0 else 1.0, 0.0)
        else:
            total, lost = two_sum(total, left_y * (gap * gap))
            error += lost
            left_x, left_x_lo = rest, rest_lo
        if rest >= 0.0:
            j += 1
            if j == y.size:
                break
            left_y, left_y_lo = dd_multiply(total_x, total_x_lo, wy[j] if wy.size > 0 else 1.0, 0.0)
    return (total + error) / total_x / total_y


@kernel
def _sum(weights: FloatArray, size: int) -> tuple[float, float]:
    """Double-double sum; ``size`` where ``weights`` is empty."""
    if weights.size == 0:
        return np.float64(size), 0.0
    # Three parts, rounded to two at the end: the error does not grow with the number of weights.
    high = middle = low = 0.0
    for weight in weights:
        high, lost = two_sum(high, weight)
        middle, lost = two_sum(middle, lost)
        low += lost
    return dd_add(high, 0.0, middle, low)


@kernel
def rank_probabilities(mass: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The part of all mass below each point, and the part above the point before it.

    Row i of both is the border between points i-1 and i: q_i and 1 - q_i, each rounded once, so that
    quantiles are exact in either tail.

    Args:
        mass: positive, shape ``[m]``.

    Returns:
        (below, above), shape ``[m + 1]``.
    """
    total, total_lo = _sum(mass, 0)
    below, above = np.zeros(mass.size + 1), np.zeros(mass.size + 1)
    high = low = 0.0
    for i in range(mass.size):
        above[i] = dd_subtract(total, total_lo, high, low)[0] / total
        high, low = dd_add(high, low, mass[i], 0.0)
        below[i + 1] = high / total
    return below, above
