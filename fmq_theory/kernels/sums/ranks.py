"""How many sorted points lie below given numbers, and which lie about zero."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel

__all__ = ["count_below", "just_above", "nearest_to_zero", "rank"]

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


@kernel
def nearest_to_zero(points: Points) -> FloatArray:
    """The largest negative and the smallest positive point of each row, nan if none; shape ``[R, 2]``."""
    found = np.full((points.shape[0], 2), np.nan)
    size = points.shape[1]
    start = size - size  # no literal: numba would compile the callee once more for it
    for r in range(points.shape[0]):
        below = rank(points[r], 0.0, start, size)
        above = rank(points[r], just_above(0.0), start, size)
        if below > 0:
            found[r, 0] = np.float64(points[r, below - 1])
        if above < size:
            found[r, 1] = np.float64(points[r, above])
    return found
