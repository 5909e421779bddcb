"""Least costs of node paths, as rigorous lower bounds: the engine of the pruned exact optimum.

V(0) = 0 and V(j) = min over nodes i < j of V(i) + c(i, j) + penalty - slack(j), c the squared error of the
points between two nodes about their mean. M(i, j) = V(i) + c(i, j) has the Monge property, for any V, so
the leftmost best start of j does not decrease in j. Hence rows can be taken in batches: eight rows of a
batch bound the starts of the rows between them, eight of those the starts between these, and so on.

A batch [s, e) takes its starts from before s. It may do so where min over i < s of M(i, j) <= V(i') for
all s <= i' < j, as c is not negative; rows from the first that fails this on belong to the next batch.

Rounding. Cells come from sums s0, s1, s2 of w, w (z - o), w (z - o)**2 about an origin o amid the nodes at
hand (a frame), rounded from double-double to float64. Let u = 2**-53, R the greatest distance of a point
of the frame from o, and S0, S1, S2 the greatest magnitudes of the sums. Each sum of a cell is a difference
of two, and off by at most 3 u S. As s1**2 / w >= 2 m s1 - m**2 w for all m and w > 0, also for the true
mean m, a cell s2 - s1**2 / w comes out above its true cost by at most 3 u (S2 + 2 R S1 + R**2 S0), and
3 u S2 for the square, the quotient and the difference. The same holds about the origin 0 for the
double-double sums, whose rounding two rows share up to the first of them. Both are subtracted, and so is
the rounding of V: each V(j) returned is a true lower bound of the V(j) defined above. Starts whose total
is within 64 times that of the best are kept as bounds of the starts of other rows, so no rounding error
leads astray. Where a frame would be too wide for such errors, cells are computed in double-double.
"""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.cells import cell_cost
from fmq_theory.kernels.double_double import two_sum
from fmq_theory.kernels.jit import fused_multiply_add, kernel
from fmq_theory.kernels.lanes import LANES, best_starts

__all__ = ["UNIT_ROUNDING", "path_to", "relaxed_values"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]

UNIT_ROUNDING = 2.0**-53
# Of a frame, in penalties; see ``frame_of``. A cell of the optimum has W R**2 of about 2, four have 100.
WIDEST_FRAME = 128.0
# So few nodes take no time in double-double either, and then have no rounding to speak of.
FEW_NODES = 64
# Rows in double-double between two attempts at a frame.
WIDE_ROWS = 64
LONGEST_BATCH = 4096


@kernel
def fill_frame(
    rows: FloatArray,
    begin: int,
    end: int,
    origin: float,
    is_reversed: bool,
    mass: FloatArray,
    first: FloatArray,
    second: FloatArray,
) -> float:
    """Sums of w, w (z - origin), w (z - origin)**2 from step ``begin`` to each step up to ``end``.

    Steps count nodes from the left, or from the right where ``is_reversed``; the sums ascend either way.

    Returns:
        the greatest magnitude of ``first``.
    """
    greatest = 0.0
    base = rows.shape[0] - 1 - begin if is_reversed else begin
    low = rows[base]
    sign = -1.0 if is_reversed else 1.0
    for t in range(end - begin):
        high = rows[base - t if is_reversed else base + t]
        m, m_lo = two_sum(high[0], -low[0])
        m_lo += high[5] - low[5]
        f, f_lo = two_sum(high[1], -low[1])
        f_lo += high[2] - low[2]
        s, s_lo = two_sum(high[3], -low[3])
        s_lo += high[4] - low[4]
        shift = origin * m
        shift_lo = fused_multiply_add(origin, m, -shift) + origin * m_lo
        centred, centred_lo = two_sum(f, -shift)
        centred_lo += f_lo - shift_lo
        # sum w (z - o)**2 = s - o (f + centred)
        both, both_lo = two_sum(f, centred)
        both_lo += f_lo + centred_lo
        shift = origin * both
        shift_lo = fused_multiply_add(origin, both, -shift) + origin * both_lo
        square, square_lo = two_sum(s, -shift)
        mass[t] = sign * (m + m_lo)
        first[t] = sign * (centred + centred_lo)
        greatest = max(greatest, abs(first[t]))
        second[t] = sign * (square + (square_lo + (s_lo - shift_lo)))
    return greatest


@kernel
def best_wide_starts(
    value: FloatArray,
    rows: FloatArray,
    is_reversed: bool,
    low: int,
    high: int,
    row: int,
    stride: int,
    end: int,
    out: FloatArray,
    column: int,
) -> None:
    """``best_starts`` of rows row, row + stride, ..., none beyond end - 1, by double-double cells."""
    last = rows.shape[0] - 1
    for k in range(LANES):
        stop = min(row + k * stride, end - 1)
        best = np.inf
        argument = leftmost = rightmost = low
        for t in range(low, high):
            cost = cell_cost(rows, last - stop, last - t) if is_reversed else cell_cost(rows, t, stop)
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
def frame_of(
    rows: FloatArray, edges: FloatArray, is_reversed: bool, low: int, step: int, wanted: int, most: float
) -> tuple[int, float, float, bool]:
    """End, origin and R of a frame of the steps low .. end-1, step < end <= wanted, and whether it will do.

    The origin is the mean, so that S1 is small where R is great. It will do where S2 + R (W S2)**(1/2),
    which is W R**2 at most and estimated here, is <= most. The longest of a few such frames; the shortest,
    up to ``step``, where none will do.
    """
    last = rows.shape[0] - 1
    end = wanted
    while True:
        left, right = (last + 1 - end, last - low) if is_reversed else (low, end - 1)
        x, y = edges[left, 1], edges[right, 0]
        mass = rows[right, 0] - rows[left, 0]
        first = rows[right, 1] - rows[left, 1]
        origin = min(max(first / mass, x), y)
        radius = max(origin - x, y - origin) * (1.0 + 4.0 * UNIT_ROUNDING)
        second = max(0.0, rows[right, 3] - rows[left, 3] - first * origin)
        spread = min(mass * radius * radius, second + radius * np.sqrt(mass * second))
        if spread <= most or end <= step + 1:
            return end, origin, radius, spread <= most
        end = step + (end - step) // 2


@kernel
def rounding_of_sums(
    index: IndexArray,
    rows: FloatArray,
    edges: FloatArray,
    is_reversed: bool,
    low: int,
    end: int,
    is_count: bool,
) -> float:
    """What the rounding of the double-double sums can do to a cell between the steps low .. end-1.

    Each addition is off by 2**-103 of the sum at most; there are 16 a block of 64 points and 16 a node.
    """
    last = rows.shape[0] - 1
    left, right = (last + 1 - end, last - low) if is_reversed else (low, end - 1)
    additions = 0.25 * (index[right] - index[left]) + 64.0
    largest = max(abs(edges[left, 1]), abs(edges[right, 0]))
    mass, second = rows[right, 0], rows[right, 3]
    # The first sum is at most (mass * second)**(1/2).
    reach = second + 2.0 * largest * np.sqrt(mass * second)
    return additions * 2.0**-103 * (reach + (0.0 if is_count else largest * largest * mass))


@kernel
def are_counts(rows: FloatArray) -> bool:
    """Whether all masses are whole numbers, so that their sums and differences are exact."""
    broken = 0
    for t in range(rows.shape[0]):
        broken += rows[t, 5] != 0.0 or np.floor(rows[t, 0]) != rows[t, 0]
    return broken == 0


@kernel
def relaxed_values(
    index: IndexArray,
    rows: FloatArray,
    edges: FloatArray,
    slack: FloatArray,
    penalty: float,
    is_reversed: bool,
    value: FloatArray,
    parent: NDArray[np.int32],
) -> None:
    """Lower bounds of V at every step; see the top of this file.

    Args:
        index: the nodes, shape ``[N]``.
        rows: running sums at the nodes, from ``prefix_rows``, shape ``[N, 6]``.
        edges: the last point before and the first point after each node, shape ``[N, 2]``.
        slack: in [0, penalty], and 0 at both ends, shape ``[N]``.
        penalty: > 0, in the units of the cost.
        is_reversed: whether steps go from the last node to the first; node = N - 1 - step then.
        value: the result, by step, shape ``[N]``.
        parent: the step before each step on its best path, shape ``[N]``, or ``[0]`` for none.
    """
    num_nodes = rows.shape[0]
    zero = num_nodes - num_nodes  # no literal: numba would compile the callees once more for it
    capacity, s, low, size = zero, zero + 1, zero, zero + WIDE_ROWS
    mass, first, second = np.zeros(0), np.zeros(0), np.zeros(0)
    out = np.zeros((4, 0))
    picked_mass, picked_first, picked_second = np.zeros(LANES), np.zeros(LANES), np.zeros(LANES)
    found = np.zeros((4, LANES))
    is_count = are_counts(rows)
    value[0] = 0.0
    while s < num_nodes:
        # The leftmost best start of all steps to come is not before ``low``.
        wanted = min(num_nodes, s + max(WIDE_ROWS, 3 * (s - low)))
        most = WIDEST_FRAME * penalty if num_nodes > FEW_NODES else 0.0
        frame_end, origin, radius, is_good = frame_of(rows, edges, is_reversed, low, s, wanted, most)
        if not is_good:
            frame_end = min(num_nodes, s + WIDE_ROWS)
        if frame_end - low > capacity:
            capacity = max(1024, 2 * (frame_end - low))
            # Zeros, for lanes beyond the frame are computed too, and not used.
            mass, first, second = (
                np.zeros(capacity + LANES),
                np.zeros(capacity + LANES),
                np.zeros(capacity + LANES),
            )
            out = np.zeros((4, capacity + LANES))
        charge = rounding_of_sums(index, rows, edges, is_reversed, low, frame_end, is_count)
        if is_good:
            largest = fill_frame(rows, low, frame_end, origin, is_reversed, mass, first, second)
            weight = 0.0 if is_count else mass[frame_end - 1 - low]
            spread = 2.0 * second[frame_end - 1 - low] + radius * (2.0 * largest + radius * weight)
            charge += 3.0 * UNIT_ROUNDING * 1.001 * spread
        offset = low
        while s < frame_end:
            tolerance = 64.0 * charge + 16.0 * UNIT_ROUNDING * (value[s - 1] + 2.0 * penalty)
            e = min(frame_end, s + size)
            stride = 1
            while LANES * stride < e - s:
                stride *= LANES
            is_top = True
            while stride > 0:
                # Rows known so far are LANES * stride apart; those between are stride apart.
                begin, left = s, low
                while begin < e:
                    end = min(begin + LANES * stride, e)
                    right = s if is_top else int(out[3, end - 1 - s]) + 1
                    target, column = (out, begin - s) if stride == 1 else (found, zero)
                    if not is_good:
                        best_wide_starts(
                            value,
                            rows,
                            is_reversed,
                            left,
                            right,
                            begin + stride - 1,
                            stride,
                            e,
                            target,
                            column,
                        )
                    else:
                        row_mass, row_first, row_second, row = mass, first, second, begin - offset
                        if stride > 1:
                            for k in range(LANES):
                                j = min(begin + (k + 1) * stride, e) - 1 - offset
                                picked_mass[k], picked_first[k] = mass[j], first[j]
                                picked_second[k] = second[j]
                            row_mass, row_first, row_second, row = (
                                picked_mass,
                                picked_first,
                                picked_second,
                                zero,
                            )
                        best_starts(
                            value,
                            mass,
                            first,
                            second,
                            offset,
                            left - offset,
                            right - offset,
                            row_mass,
                            row_first,
                            row_second,
                            row,
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
                            if target[0, column + k] > target[0, column] + penalty:
                                e = min(s + (k + 1) * stride, e)
                                break
                        end = min(end, e)
                        is_top = False
                    left = int(out[2, end - 1 - s])
                    begin = end
                stride //= LANES
            least = np.inf
            done = s
            while done < e and out[0, done - s] <= least:
                total = out[0, done - s] + penalty
                total -= slack[num_nodes - 1 - done if is_reversed else done]
                total -= charge + 5.0 * UNIT_ROUNDING * (total + penalty)
                value[done] = total
                if parent.size > 0:
                    parent[done] = np.int32(out[1, done - s])
                least = min(least, total)
                done += 1
            low = int(out[2, done - 1 - s])
            size = min(max(2 * (done - s), size // 2), LONGEST_BATCH)
            s = done


@kernel
def path_to(parent: NDArray[np.int32], last: int) -> IndexArray:
    """Steps of the best path from 0 to ``last``."""
    num_cells = 0
    j = last
    while j > 0:
        j = int(parent[j])
        num_cells += 1
    path = np.empty(num_cells + 1, dtype=np.int64)
    j = last
    for k in range(num_cells, -1, -1):
        path[k] = j
        if k > 0:
            j = int(parent[j])
    return path
