"""How many sorted points lie below given numbers."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel

__all__ = ["count_below"]

FloatArray = NDArray[np.float64]


@kernel
def count_below(
    points: NDArray[np.floating], origin: float, unit: float, x: FloatArray, or_equal: bool
) -> NDArray[np.int64]:
    """#{i: origin + unit * points[i] < x[k]}, or <= x[k].

    The comparison is in float64 whatever the type of the points, which are neither copied nor widened.

    Args:
        points: sorted, shape ``[m]``.
        origin: added to the points; the sum is to be exact.
        unit: above 0, a power of two.
        x: shape ``[k]``.
        or_equal: count the points equal to x[k] too.
    """
    counts = np.empty(x.size, dtype=np.int64)
    for k in range(x.size):
        low, high = 0, points.size
        while low < high:
            middle = (low + high) // 2
            value = origin + unit * np.float64(points[middle])
            if value < x[k] or (or_equal and value == x[k]):
                low = middle + 1
            else:
                high = middle
        counts[k] = low
    return counts
