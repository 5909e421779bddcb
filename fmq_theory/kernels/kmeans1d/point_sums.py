"""Exact running sums of a short row, and the workspace of a search through all of its points.

The z are rounded to multiples of a step so coarse that all sums f of them are whole steps below 2**53: the f
and their differences have no error, about an origin that is a multiple too. Where the weights are float32
this moves hardly any of them. By how much, e = (sum of squared moves)**(1/2), is known, and as cost**(1/2) is
a distance between points and partitions, it changes by e at most.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.runtime.simd import LANES
from fmq_theory.kernels.sums.double_double import two_sum

__all__ = ["GROUPS", "PointWork", "exact_sums", "point_work"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]
Points = NDArray[np.floating]

# Groups of eight rows a batch.
GROUPS = 8


class PointWork(NamedTuple):
    """Arrays of eight numbers more than a row of m points has places, shape ``[m + 9]`` each.

    Attributes:
        first: sums of z, from ``exact_sums``.
        second: sums of z**2, from ``exact_sums``.
        inverse: 1 / n at n.
        backward: the same from the end: 1 / n at m - n.
        centred: f, of the stretch at hand.
        value: U, of the stretch at hand.
        parent: the step before each on its best path.
        starts: bounds of those of groups of rows, shape ``[2, GROUPS + 1]``.
    """

    first: FloatArray
    second: FloatArray
    inverse: FloatArray
    backward: FloatArray
    centred: FloatArray
    value: FloatArray
    parent: NDArray[np.int32]
    starts: IndexArray


@kernel
def point_work(num_points: int) -> PointWork:
    """Workspace for rows of so many points."""
    size = num_points + 1 + LANES
    inverse, backward = np.empty(size), np.empty(size)
    for i in range(size):
        inverse[i], backward[i] = 1.0 / i, 1.0 / (num_points - i)
    first, second, centred, value = np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size)
    parent, starts = np.empty(size, dtype=np.int32), np.empty((2, GROUPS + 1), dtype=np.int64)
    return PointWork(first, second, inverse, backward, centred, value, parent, starts)


@kernel
def exact_sums(
    points: Points, origin: float, reach: float, first: FloatArray, second: FloatArray
) -> tuple[float, float, float]:
    """Sums of z over the first points, z = point - origin rounded to multiples of a step; and of z**2.

    Args:
        points: sorted, shape ``[m]``.
        origin: near the mean.
        reach: an upper bound of all |sums of z|; > 0.
        first: filled without error, shape ``[m + 1]`` at least.
        second: filled, off by ten times 2**-53 of the last at most, shape ``[m + 1]`` at least.

    Returns:
        the sum of z**2 and the square root of that of (z - (point - origin))**2, up to rounding; the shift,
        for to add it and to subtract it again rounds to a multiple of the step.
    """
    # The step is 2**-52 times the binade of the shift. Sums have 53 bits, and added to the shift a z has 51.
    _, of_sums = math.frexp(reach)
    _, of_points = math.frexp(max(np.float64(points[-1]) - origin, origin - np.float64(points[0])))
    shift = math.ldexp(1.5, max(of_sums - 1, of_points + 1))
    origin = (origin + shift) - shift
    num_points = points.size
    moved = f = s = s_lo = 0.0
    whole = num_points // LANES * LANES
    for i in range(0, whole, LANES):
        group = points[i : i + LANES]
        sums, squares = first[i : i + LANES], second[i : i + LANES]
        before, q = s + s_lo, 0.0
        for k in range(LANES):
            exact = np.float64(group[k]) - origin
            z = (exact + shift) - shift
            off = exact - z
            moved += off * off
            sums[k] = f
            f += z
            squares[k] = before + q
            q += z * z
        s, error = two_sum(s, q)
        s_lo += error
    before, q = s + s_lo, 0.0
    for i in range(whole, num_points):
        exact = np.float64(points[i]) - origin
        z = (exact + shift) - shift
        off = exact - z
        moved += off * off
        first[i], second[i] = f, before + q
        f += z
        q += z * z
    first[num_points], second[num_points] = f, s + (q + s_lo)
    return second[num_points], np.sqrt(moved), shift
