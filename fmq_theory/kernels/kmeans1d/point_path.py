"""The cheapest path through all points of a short row, each a cell's first: with next to no rounding.

The cost of a cell of n points is s - f**2 / n, s and f the sums of (z - o)**2 and z - o about any origin o.
Within a stretch of points, over a whole path the s add up to the same for all paths. So V(j), the least of
(cost + multiplier * cells) over paths to j, is B + U(j) + (sum of (z - o)**2 from b up to j), with

    U(j) = min over t < j of U(t) - (f_j - f_t)**2 / (j - t) + multiplier,

where b is the first place of a stretch, B the same number for all of it, and f are sums from b on.

Stretches have origins of their own (``point_stretches.py``), and the sums f no error (``point_sums.py``).

Rounding. Let u = 2**-53, M the sum of (z - o)**2 of a stretch, A the greatest |U|. A square over n is at most
M and off by 2 u M, the difference and the sum by u A each: a cell by 4 u (M + A) at most, its ``charge``. To
carry over is off by 16 u (M + A + M' + A') at most. Let V~ be what is computed at the end, P the path found,
of K cells and cost c, and Q one of least cost + multiplier * cells, F. Q has at most K + c / multiplier
cells. Then c + multiplier K <= V~ + (what is charged along P), V~ <= F + (what is charged along Q), and
F - multiplier K is a lower bound of the cost of K cells. So that cost is at least c less both charges.

Gaps. Let g be the distance of two neighbours. To split a cell between them saves g**2 / 2 at least. Where
that is more than the multiplier no best path has a cell with both; a stretch that would be too wide begins
anew behind such a gap.

Batches. M(t, j) = U(t) - (f_j - f_t)**2 / (j - t) has the Monge property for any U, as the z are sorted. So
the leftmost best start of j does not decrease in j, and a row of a batch is searched between the starts of
rows known before. A batch s .. e-1 takes starts before s only. Let T(j) = V(j) - multiplier with starts so
restricted. It may do so where T(e-1) <= V(s): no start t >= s can serve a row better, for V(t) >= V(s), and
no cell costs less than nothing. V(s - 1) stands for V(s) where that is not known yet, and is not above it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.kmeans1d.point_lanes import (
    FEW_STARTS,
    best_few_starts_of_points,
    best_starts_of_points,
    starts_near_the_best,
)
from fmq_theory.kernels.kmeans1d.point_stretches import carry_over, end_of_stretch, growth_between
from fmq_theory.kernels.kmeans1d.point_sums import GROUPS, PointWork
from fmq_theory.kernels.runtime.jit import kernel, unowned
from fmq_theory.kernels.runtime.simd import LANES
from fmq_theory.kernels.sums.double_double import UNIT_ROUNDING

__all__ = ["Rounding", "cheapest_path_of_points", "least_cost_of_cells"]

FloatArray = NDArray[np.float64]

# Shorter batches are of eight rows, where less has to be known of the starts.
FEWEST_GROUPS = 3
# A batch that could be as long as it was asked for makes the next one longer by one part in so many.
GROWTH = 4
# The most that the sum of (z - o)**2 of a stretch should be, in multipliers: that of a cell is about half of
# one, and that of q cells q**3 times as much.
WIDEST_STRETCH = 1024.0


class Rounding(NamedTuple):
    """What rounding may have done to a path; see the top of this file.

    Attributes:
        of_cell: the greatest charge of a cell.
        of_stretches: the sum of the charges of stretches.
    """

    of_cell: float
    of_stretches: float


@kernel
def forget(value: FloatArray, begin: int, end: int) -> None:
    """value[begin:end] = inf."""
    for t in range(np.uintp(begin), np.uintp(end)):  # unsigned, as in ``carry_over``
        value[t] = np.inf


@kernel
def advance_by_groups(
    work: PointWork, origin: float, multiplier: float, tolerance: float, step: int, low: int, end: int
) -> tuple[int, int]:
    """U of a batch of many rows, ``step`` <= j < end or fewer; the end of those, and the next low."""
    centred, inverse, backward = work.centred, work.inverse, work.backward
    value, parent = work.value, work.parent
    lefts, rights = work.starts[0], work.starts[1]
    limit = value[step - 1] - 8.0 * tolerance
    best, left, right = starts_near_the_best(value, centred, backward, low, step, end - 1, tolerance)
    while (
        end > step + 1
        and not best + growth_between(work.first, work.second, origin, step - 1, end - 1) <= limit
    ):
        end = step + (end - step) // 2
        best, left, right = starts_near_the_best(value, centred, backward, low, step, end - 1, tolerance)
    groups = (end - step + LANES - 1) // LANES
    lefts[0], rights[groups], lefts[groups] = low, min(right, step - 1), left
    stride = GROUPS // 2
    while stride > 0:
        for group in range(stride, groups, 2 * stride):
            stop = rights[min(group + stride, groups)] + 1
            _, lefts[group], rights[group] = starts_near_the_best(
                value, centred, backward, lefts[group - stride], stop, step + LANES * group - 1, tolerance
            )
            rights[group] = min(rights[group], stop - 1)
        stride //= 2
    for group in range(groups):
        row = step + LANES * group
        best_starts_of_points(
            value, centred, inverse, lefts[group], rights[group + 1] + 1, row, multiplier, parent
        )
    forget(value, end, step + LANES * groups)
    return end, left


@kernel
def cheapest_path_of_points(work: PointWork, multiplier: float, shift: float) -> Rounding:
    """The path of least cost + multiplier * cells up to rounding; see the top of this file.

    Args:
        work: with the sums of ``exact_sums``; ``parent`` is filled.
        multiplier: > 0.
        shift: from ``exact_sums``.
    """
    work = PointWork(
        unowned(work.first),
        unowned(work.second),
        unowned(work.inverse),
        unowned(work.backward),
        unowned(work.centred),
        unowned(work.value),
        unowned(work.parent),
        unowned(work.starts),
    )
    first, second, value, centred = work.first, work.second, work.value, work.centred
    inverse, backward, parent = work.inverse, work.backward, work.parent
    num_points = value.size - 1 - LANES
    zero = num_points - num_points  # no literal: numba would compile the callees once more for it
    most, total = WIDEST_STRETCH * multiplier, second[num_points]
    value[:] = np.inf
    value[0], centred[0] = 0.0, 0.0
    s, low, size = zero + 1, zero, GROUPS * LANES
    base, reached, wanted = zero, zero, num_points
    origin = spread = greatest = charge = of_cell = of_stretches = 0.0
    while s <= num_points:
        if s > reached:
            reached, wide = end_of_stretch(first, second, low, s, wanted, most)
            if wide > most and low < s - 1:
                gap = (first[s] - first[s - 1]) - (first[s - 1] - first[s - 2])
                if 0.5 * gap * gap > multiplier * (1.0 + 1e-9):
                    low = s - 1
                    reached, wide = end_of_stretch(first, second, low, s, wanted, most)
            base, wanted = low, 2 * (reached - s + 1)
            before, last = origin, spread + greatest
            origin = ((first[reached] - first[low]) / (reached - low) + shift) - shift
            spread = wide
            greatest = carry_over(work, low, s, reached, before, origin) + 1.001 * (spread + multiplier)
            charge = 4.0 * UNIT_ROUNDING * (spread + greatest + multiplier)
            of_cell = max(of_cell, charge)
            of_stretches += 16.0 * UNIT_ROUNDING * (last + spread + greatest + multiplier)
        tolerance = 8.0 * charge + 8.0 * UNIT_ROUNDING * total
        end = asked = min(reached + 1, s + size)
        if end - s < FEWEST_GROUPS * LANES:
            end = asked = min(end, s + LANES)
            few = low + FEW_STARTS
            if few > s:
                best_starts_of_points(value, centred, inverse, low, s, s, multiplier, parent)
                few = s
            else:
                best_few_starts_of_points(value, centred, inverse, low, s, multiplier, parent)
            # Neither of these two waits for the other. Eight starts that were stored at once are loaded at
            # once, or the processor would wait for the memory.
            begin = s - (s - low + LANES - 1) // LANES * LANES
            begin = low if begin < base else begin
            _, left, right = starts_near_the_best(value, centred, backward, begin, s, end - 1, tolerance)
            left = max(left, low)
            if right >= few and few < s:
                best_starts_of_points(value, centred, inverse, low, min(right + 1, s), s, multiplier, parent)
            limit = value[s] + multiplier - 8.0 * tolerance
            while (
                end > s + 1
                and not value[end - 1] + growth_between(first, second, origin, s, end - 1) <= limit
            ):
                end -= 1
            forget(value, end, s + LANES)
            if end < asked:
                _, left, _ = starts_near_the_best(value, centred, backward, low, s, end - 1, tolerance)
            low = left
        else:
            end, low = advance_by_groups(work, origin, multiplier, tolerance, s, low, end)
        size = min(GROUPS * LANES, size + size // GROWTH + 1) if end == asked else end - s
        s = end
    return Rounding(of_cell, of_stretches)


@kernel
def least_cost_of_cells(
    cost: float,
    of_sums: float,
    total: float,
    moved: float,
    multiplier: float,
    num_cells: int,
    rounding: Rounding,
) -> float:
    """A lower bound of the cost of K cells of the points; see the top of this file.

    Args:
        cost: of the path found, of K cells, of the points as given.
        of_sums: how far that may be above the true one.
        total: the sum of z**2.
        moved: e, without the rounding of point - origin.
        multiplier: of the path.
        num_cells: K.
        rounding: of the path.
    """
    charged = (2.0 * num_cells + cost / multiplier + 1.0) * rounding.of_cell + 2.0 * rounding.of_stretches
    moved = (1.0 + 1e-9) * moved + 2.0 * UNIT_ROUNDING * np.sqrt(total)
    cost = max(0.0, cost * (1.0 - 8.0 * UNIT_ROUNDING) - of_sums)
    distance = max(0.0, np.sqrt(cost) - moved)
    distance = np.sqrt(max(0.0, distance * distance * (1.0 - 4.0 * UNIT_ROUNDING) - charged)) - moved
    return max(0.0, distance) ** 2 * (1.0 - 8.0 * UNIT_ROUNDING)
