"""The cheapest path through all points of a short row, each a cell's first: with next to no rounding.

The cost of a cell of n points about an origin is s - f**2 / n, s and f the sums of z**2 and z. Over a whole
path the s add up to S, the same for all paths. So min over paths of (cost + multiplier * cells) is
U(m) + S / 2,

    U(0) = S / 2,  U(j) = min over t < j of U(t) - (f_j - f_t)**2 / (j - t) + multiplier.

Exact sums. The z are rounded to multiples of a step so coarse that all f are sums of whole steps below 2**53:
the f and their differences have no error. Where the weights are float32 this moves hardly any of them. By
how much, e = (sum of squared moves)**(1/2), is known, and as cost**(1/2) is a distance between points and
partitions, it changes by e at most.

Rounding. Let u = 2**-53. As |U| <= S / 2 + multiplier, each cell of a path rounds a difference and a sum by
u (S / 2 + multiplier) each at most; its square over n comes out too small by 3 u at most, and these squares
add up to S at most. So along every path of K cells U(m) exceeds the exact value by
u (K (S + 2 multiplier) + 3 S) at most, and the least cost of K cells is at least U(m) + S / 2 - multiplier K
less that.

Batches. M(t, j) = U(t) - (f_j - f_t)**2 / (j - t) has the Monge property for any U, as the z are sorted. So
the leftmost best start of j does not decrease in j, and a row of a batch is searched between the starts of
rows known before. A batch s .. e-1 takes starts before s only. Let V(j) = U(j) - S / 2 + (sum of z**2 before
j), the least cost of the points before j, and T = V(e-1) - multiplier with starts so restricted. It may do so
where T <= V(s): no start t >= s can serve a row better, for V(t) >= V(s), and no cell costs less than
nothing. V(s - 1) stands for V(s), which is not known yet and not below it.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.kmeans1d.point_lanes import best_starts_of_points, starts_near_the_best
from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.runtime.simd import LANES
from fmq_theory.kernels.sums.double_double import UNIT_ROUNDING, two_sum

__all__ = ["PointWork", "exact_sums", "least_cost_of_cells", "least_path_value", "point_work"]

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
        value: U.
        parent: the step before each on its best path.
    """

    first: FloatArray
    second: FloatArray
    inverse: FloatArray
    backward: FloatArray
    value: FloatArray
    parent: NDArray[np.int32]


@kernel
def point_work(num_points: int) -> PointWork:
    """Workspace for rows of so many points."""
    size = num_points + 1 + LANES
    inverse, backward = np.empty(size), np.empty(size)
    for i in range(size):
        inverse[i], backward[i] = 1.0 / i, 1.0 / (num_points - i)
    first, second, value = np.zeros(size), np.zeros(size), np.zeros(size)
    return PointWork(first, second, inverse, backward, value, np.empty(size, dtype=np.int32))


@kernel
def exact_sums(
    points: Points, origin: float, reach: float, first: FloatArray, second: FloatArray
) -> tuple[float, float]:
    """Sums of z over the first points, z = point - origin rounded to multiples of a step; and of z**2.

    Args:
        points: sorted, shape ``[m]``.
        origin: near the mean.
        reach: an upper bound of all |sums of z|; > 0.
        first: filled without error, shape ``[m + 1]`` at least.
        second: filled, off by ten times 2**-53 of the last at most, shape ``[m + 1]`` at least.

    Returns:
        the sum of z**2; the square root of that of (z - (point - origin))**2; up to rounding, both.
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
    return second[num_points], np.sqrt(moved)


@kernel
def near_best(
    value: FloatArray,
    first: FloatArray,
    backward: FloatArray,
    low: int,
    high: int,
    row: int,
    tolerance: float,
    lanes: FloatArray,
) -> tuple[float, int, int]:
    """Least U - multiplier of one row over starts low <= t < high, and bounds of the starts near it."""
    starts_near_the_best(value, first, backward, low, high, row, tolerance, lanes)
    best = np.inf
    for k in range(LANES):
        best = min(best, lanes[0, k])
    left, right = np.float64(high - 1), np.float64(low)
    for k in range(LANES):
        is_near = lanes[0, k] <= best + tolerance
        left = min(left, lanes[1, k] if is_near else left)
        right = max(right, lanes[2, k] if is_near else right)
    return best, int(left), min(int(right), high - 1)


@kernel
def least_path_value(work: PointWork, multiplier: float) -> float:
    """The least cost + multiplier * cells up to rounding, U(m) + S / 2; see the top of this file.

    Args:
        work: with the sums of ``exact_sums``; ``value`` and ``parent`` are filled.
        multiplier: > 0.
    """
    first, second, inverse, backward = work.first, work.second, work.inverse, work.backward
    value, parent = work.value, work.parent
    num_points = value.size - 1 - LANES
    zero = num_points - num_points  # no literal: numba would compile the callees once more for it
    lanes = np.empty((3, LANES))
    lefts, rights = np.empty(GROUPS + 1, dtype=np.int64), np.empty(GROUPS + 1, dtype=np.int64)
    value[:] = np.inf
    total = second[num_points]
    value[0] = 0.5 * total
    tolerance = 32.0 * UNIT_ROUNDING * (total + multiplier)
    s, low, size = zero + 1, zero, GROUPS * LANES
    while s <= num_points:
        # V(s - 1), less what rounding could do, plus S / 2.
        limit = value[s - 1] + second[s - 1] - 4.0 * tolerance
        end = min(num_points + 1, s + size)
        best, left, right = near_best(value, first, backward, low, s, end - 1, tolerance, lanes)
        while end > s + 1 and not best + second[end - 1] <= limit:
            size = (end - s) // 2
            end = s + size
            best, left, right = near_best(value, first, backward, low, s, end - 1, tolerance, lanes)
        groups = (end - s + LANES - 1) // LANES
        lefts[0], rights[groups], lefts[groups] = low, right, left
        stride = GROUPS // 2
        while stride > 0:
            for group in range(stride, groups, 2 * stride):
                _, lefts[group], rights[group] = near_best(
                    value,
                    first,
                    backward,
                    lefts[group - stride],
                    rights[min(group + stride, groups)] + 1,
                    s + LANES * group - 1,
                    tolerance,
                    lanes,
                )
            stride //= 2
        for group in range(groups):
            best_starts_of_points(
                value,
                first,
                inverse,
                lefts[group],
                rights[group + 1] + 1,
                s + LANES * group,
                multiplier,
                parent,
            )
        low = left
        for k in range(end, s + LANES * groups):
            value[k] = np.inf
        size = min(GROUPS * LANES, size + size // 2 + 1)
        s = end
    return value[num_points] + 0.5 * total


@kernel
def least_cost_of_cells(least: float, total: float, moved: float, multiplier: float, num_cells: int) -> float:
    """A lower bound of the cost of K cells of the points; see the top of this file.

    Args:
        least: from ``least_path_value``.
        total: S, off by ten times 2**-53 of it at most.
        moved: e, without the rounding of point - origin.
        multiplier: of ``least``.
        num_cells: K.
    """
    rounding = UNIT_ROUNDING * (num_cells * (total + 3.0 * multiplier) + 20.0 * total)
    cost = least - (multiplier * num_cells + rounding)
    distance = np.sqrt(max(0.0, cost)) - (1.0 + 1e-9) * moved - 2.0 * UNIT_ROUNDING * np.sqrt(total)
    return max(0.0, distance) ** 2 * (1.0 - 8.0 * UNIT_ROUNDING)
