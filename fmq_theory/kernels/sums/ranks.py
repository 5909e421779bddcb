"""How many sorted points lie below given numbers."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel

__all__ = ["count_below", "just_above", "rank"]

FloatArray = NDArray[np.float64]
Points = NDArray[np.floating]


@kernel
def rank(points: Points, value: float, low: int, high: int) -> int:
    """How many points lie below a number, given that it is between ``low`` and ``high``.

    The comparison is in float64 whatever the type of the points, which are neither copied nor widened. For
    the points that are not above a number, ask for the next number: ``just_above``.

    Args:
        points: sorted and finite, shape ``[m]``.
        value: the number.
        low: the least there can be.
        high: the most, up to m.
    """
    while low < high:
        middle = (low + high) // 2
        if np.float64(points[middle]) < value:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def just_above(value: float) -> float:
    """The next float64: what is below it is at most ``value``."""
    return np.nextafter(value, np.inf)


@kernel
def count_below(points: Points, x: FloatArray, or_equal: bool) -> NDArray[np.int64]:
    """``rank`` of each number, shape ``[k]``.

    Args:
        points: sorted and finite, shape ``[m]``.
        x: the numbers, in any order, shape ``[k]``.
        or_equal: count the points equal to a number too.
    """
    counts = np.empty(x.size, dtype=np.int64)
    start = points.size - points.size  # no literal: numba would compile the callee once more for it
    for k in range(x.size):
        counts[k] = rank(points, just_above(x[k]) if or_equal else x[k], start, points.size)
    return counts
