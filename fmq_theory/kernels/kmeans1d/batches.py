"""Least costs of many path ends at once, where the costs of steps have the Monge property.

V(j) = min over i < j of V(i) + c(i, j) + multiplier - slack(j), c the squared error of the points between two
breakpoints about their mean. M(i, j) = V(i) + c(i, j) has the Monge property, for any V, so the leftmost best
start of j does not decrease in j. Hence rows j can be taken in batches: eight rows of a batch bound the
starts of the rows between them, eight of those the starts between these, and so on.

A batch [s, e) takes its starts from before s. It may do so where min over i < s of M(i, j) <= V(i') for
all s <= i' < j, as c is not negative; rows from the first that fails this on belong to the next batch.

Each V(j) is a lower bound: what rounding may add to a cell, and the rounding of V, are subtracted. Starts
whose total is within 64 times that of the best are kept as bounds of the starts of other rows, so that no
rounding error leads astray.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.kmeans1d.breakpoint_lanes import best_starts, best_starts_and_bounds
from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.runtime.simd import LANES
from fmq_theory.kernels.sums.cells import cell_cost
from fmq_theory.kernels.sums.double_double import UNIT_ROUNDING

__all__ = ["Walk", "Window", "advance"]

FloatArray = NDArray[np.float64]

LONGEST_BATCH = 4096


class Walk(NamedTuple):
    """Paths through all breakpoints, of which the least costs are found step by step.

    Attributes:
        value: V by step; known before the step at hand.
        parent: the step before each step on its best path; shape ``[0]`` for none.
        slack: by step.
        multiplier: > 0.
        rows: running sums at the breakpoints, shape ``[N, 6]``, for cells in double-double.
        is_reversed: whether breakpoints are counted from the last.
    """

    value: FloatArray
    parent: NDArray[np.int32]
    slack: FloatArray
    multiplier: float
    rows: FloatArray
    is_reversed: bool


class Window(NamedTuple):
    """A centred window: running sums in float64 of a stretch of steps, about an origin amid it.

    Attributes:
        mass: the first is that of step ``begin``; eight numbers more than there are steps.
        first: sums of w (z - origin), like ``mass``.
        second: sums of w (z - origin)**2, like ``mass``.
        charge: how far a cell of the window may come out above its true cost.
        is_count: whether all masses are counts.
        is_precise: whether to use these sums; if not, cells are computed in double-double.
        begin: its first step.
        end: one behind its last step.
    """

    mass: FloatArray
    first: FloatArray
    second: FloatArray
    charge: float
    is_count: bool
    is_precise: bool
    begin: int
    end: int


@kernel
def best_wide_starts(
    walk: Walk, low: int, high: int, row: int, stride: int, end: int, out: FloatArray, column: int
) -> None:
    """``best_starts`` of rows row, row + stride, ..., none beyond end - 1, by double-double cells."""
    value, rows = walk.value, walk.rows
    last = rows.shape[0] - 1
    for k in range(LANES):
        stop = min(row + k * stride, end - 1)
        best = np.inf
        argument = leftmost = rightmost = low
        for t in range(low, high):
            cost = cell_cost(rows, last - stop, last - t) if walk.is_reversed else cell_cost(rows, t, stop)
            total = value[t] + cost * (1.0 - 16.0 * UNIT_ROUNDING)
            tolerance = 64.0 * UNIT_ROUNDING * total
            if total + tolerance < best:
                leftmost = t
            if total < best:
                best = total
                argument = t
            if total <= best + tolerance:
                rightmost = t
        out[0, column + k], out[1, column + k] = best, argument
        out[2, column + k], out[3, column + k] = leftmost, rightmost


@kernel
def advance(walk: Walk, window: Window, step: int, low: int, size: int) -> tuple[int, int]:
    """Finds V from ``step`` to the end of a window, batch by batch.

    Args:
        walk: known before ``step``.
        window: begins before ``step``.
        step: the first to find.
        low: the leftmost best start of all steps to come is not before it; not before the window.
        size: a guess of the length of a batch.

    Returns:
        low and size for the steps behind the window.
    """
    value, parent, slack, multiplier = walk.value, walk.parent, walk.slack, walk.multiplier
    mass, first, second = window.mass, window.first, window.second
    offset, window_end, charge = window.begin, window.end, window.charge
    zero = step - step  # no literal: numba would compile the callees once more for it
    s = step
    out, found = np.empty((4, window_end - s + LANES)), np.empty((4, LANES))
    picked_mass, picked_first, picked_second = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    while s < window_end:
        tolerance = 64.0 * charge + 16.0 * UNIT_ROUNDING * (value[s - 1] + 2.0 * multiplier)
        e = min(window_end, s + size)
        stride = 1
        while LANES * stride < e - s:
            stride *= LANES
        is_top, is_lone = True, stride == 1
        while stride > 0:
            # Rows known so far are LANES * stride apart; those between are stride apart.
            begin, left = s, low
            while begin < e:
                end = min(begin + LANES * stride, e)
                right = s if is_top else int(out[3, end - 1 - s]) + 1
                target, column = (out, begin - s) if stride == 1 else (found, zero)
                if not window.is_precise:
                    row = begin + stride - 1
                    best_wide_starts(walk, left, right, row, stride, e, target, column)
                elif stride == 1 and not is_top:
                    # Nothing lies between these rows, so the bounds of their starts are not needed.
                    best_starts(
                        value,
                        mass,
                        first,
                        second,
                        offset,
                        left - offset,
                        right - offset,
                        mass,
                        first,
                        second,
                        begin - offset,
                        window.is_count,
                        out,
                        column,
                    )
                else:
                    for k in range(LANES):
                        j = min(begin + (k + 1) * stride, e) - 1 - offset
                        picked_mass[k], picked_first[k], picked_second[k] = mass[j], first[j], second[j]
                    best_starts_and_bounds(
                        value,
                        mass,
                        first,
                        second,
                        offset,
                        left - offset,
                        right - offset,
                        picked_mass,
                        picked_first,
                        picked_second,
                        zero,
                        window.is_count,
                        tolerance,
                        target,
                        column,
                    )
                if stride > 1:
                    for k in range(LANES):
                        j = min(begin + (k + 1) * stride, e) - 1 - s
                        out[0, j], out[1, j] = found[0, k], found[1, k]
                        out[2, j], out[3, j] = found[2, k], found[3, k]
                if is_top:
                    # Rows that a start within the batch serves better are left to the next one; the
                    # first of them lies between this lane and the one before.
                    for k in range(1, LANES):
                        if target[0, column + k] > target[0, column] + multiplier:
                            e = min(s + (k + 1) * stride, e)
                            break
                    end = min(end, e)
                    is_top = False
                left = int(out[2, end - 1 - s])
                begin = end
            stride //= LANES
        here = np.uintp(s)  # unsigned, or numba would look for negative indices at every step
        for j in range(np.uintp(e - s)):
            total = out[0, j] + multiplier - slack[here + j]
            value[here + j] = total - (charge + 5.0 * UNIT_ROUNDING * (out[0, j] + 2.0 * multiplier))
        least = np.inf
        done = s
        while done < e and out[0, done - s] <= least:
            least = min(least, value[done])
            if parent.size > 0:
                parent[done] = np.int32(out[1, done - s])
            done += 1
        # Of the rows of the finest level, every eighth has a bound; those of a level alone all have one.
        bounded = done - s if is_lone else (done - s) // LANES * LANES
        low = int(out[2, bounded - 1]) if bounded > 0 else low
        size = min(max(2 * (done - s), size // 2), LONGEST_BATCH)
        s = done
    return low, size
