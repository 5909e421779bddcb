"""The squared 2-Wasserstein distance of two weighted samples on the line."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.double_double import two_sum
from fmq_theory.kernels.jit import kernel

__all__ = ["w2_squared_sorted"]

FloatArray = NDArray[np.float64]


@kernel
def w2_squared_sorted(x: FloatArray, wx: FloatArray, y: FloatArray, wy: FloatArray) -> float:
    """Integral over q in [0, 1] of (F_x^-1(q) - F_y^-1(q))**2, by merging the two step functions.

    Each sample's weights are divided by their sum. Products with the other sample's sum stand for the
    quotients, so that whole-numbered weights (counts) are matched without rounding.

    Args:
        x: sorted, shape ``[n]``.
        wx: positive, shape ``[n]``.
        y: sorted, shape ``[m]``.
        wy: positive, shape ``[m]``.

    Returns:
        in the square of the units of x and y; a compensated sum of non-negative terms.
    """
    total_x, total_y = wx.sum(), wy.sum()
    i = j = 0
    left_x, left_y = wx[0] * total_y, wy[0] * total_x
    total = error = 0.0
    while True:
        mass = min(left_x, left_y)
        gap = x[i] - y[j]
        total, lost = two_sum(total, mass * gap * gap)
        error += lost
        left_x -= mass
        left_y -= mass
        if left_x <= 0.0:
            i += 1
            if i == x.size:
                break
            left_x = wx[i] * total_y
        if left_y <= 0.0:
            j += 1
            if j == y.size:
                break
            left_y = wy[j] * total_x
    return (total + error) / total_x / total_y
