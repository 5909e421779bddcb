"""Least costs of breakpoint paths, as rigorous lower bounds: the engine of the pruned exact optimum.

V(0) = 0 and V(j) = min over breakpoints i < j of V(i) + c(i, j) + multiplier - slack(j), c the squared
error of the points between two breakpoints about their mean. Many rows j are found at once; see
``batches.py``.

Rounding. Cells come from sums s0, s1, s2 of w, w (z - o), w (z - o)**2 about an origin o amid the
breakpoints at hand (a centred window), rounded from double-double to float64. Let u = 2**-53, R the
greatest distance of a point of the window from o, and S0, S1, S2 the greatest magnitudes of the sums. Each
sum of a cell is a difference of two, and off by at most 3 u S. As s1**2 / w >= 2 m s1 - m**2 w for all m
and w > 0, also for the true mean m, a cell s2 - s1**2 / w comes out above its true cost by at most
3 u (S2 + 2 R S1 + R**2 S0), and 3 u S2 for the square, the quotient and the difference. The same holds about
the origin 0 for the double-double sums, whose rounding two rows share up to the first of them. Both are
subtracted, and so is the rounding of V: each V(j) returned is a true lower bound of the V(j) defined above.
Where a window would be too wide for such errors, cells are computed in double-double.
"""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.kmeans1d.batches import Walk, Window, advance
from fmq_theory.kernels.kmeans1d.problem import Breakpoints
from fmq_theory.kernels.runtime.jit import fused_multiply_add, kernel
from fmq_theory.kernels.runtime.simd import LANES
from fmq_theory.kernels.sums.double_double import UNIT_ROUNDING, two_sum

__all__ = ["fill_window", "relaxed_values"]

FloatArray = NDArray[np.float64]

# Of a window, in multipliers; see ``window_of``. A cell of the optimum has W R**2 of about 2, four have 100.
WIDEST_WINDOW = 128.0
# So few breakpoints take no time in double-double either, and then have no rounding to speak of.
FEW_BREAKPOINTS = 64
# Rows in double-double between two attempts at a window.
WIDE_ROWS = 64


@kernel
def fill_window(
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

    Steps count breakpoints from the left, from the right where ``is_reversed``; the sums ascend either way.

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
def window_of(
    breakpoints: Breakpoints, is_reversed: bool, low: int, step: int, wanted: int, most: float
) -> tuple[int, float, float, bool]:
    """End, origin and R of a window of the steps low .. end-1, step < end <= wanted, and whether it will do.

    The origin is the mean, so that S1 is small where R is great. It will do where S2 + R (W S2)**(1/2),
    which is W R**2 at most and estimated here, is <= most. The longest of a few such windows; the shortest,
    up to ``step``, where none will do.
    """
    rows, edges = breakpoints.rows, breakpoints.edges
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
    breakpoints: Breakpoints, is_reversed: bool, low: int, end: int, is_count: bool
) -> float:
    """What the rounding of the double-double sums can do to a cell between the steps low .. end-1.

    Each addition is off by 2**-103 of the sum at most; there are 16 a block of 64 points and 16 a breakpoint.
    """
    index, rows, edges = breakpoints.places, breakpoints.rows, breakpoints.edges
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
    breakpoints: Breakpoints,
    slack: FloatArray,
    multiplier: float,
    is_reversed: bool,
    value: FloatArray,
    parent: NDArray[np.int32],
) -> None:
    """Lower bounds of V at every step; see the top of this file.

    Args:
        breakpoints: N of them.
        slack: in [0, multiplier], and 0 at both ends, shape ``[N]``.
        multiplier: > 0, in the units of the cost.
        is_reversed: whether steps go from the last breakpoint to the first; breakpoint = N - 1 - step then.
        value: the result, by step, shape ``[N]``.
        parent: the step before each step on its best path, shape ``[N]``, or ``[0]`` for none.
    """
    rows = breakpoints.rows
    num_breakpoints = rows.shape[0]
    zero = num_breakpoints - num_breakpoints  # no literal: numba would compile the callees once more for it
    capacity, s, low, size = zero, zero + 1, zero, zero + WIDE_ROWS
    mass, first, second = np.zeros(0), np.zeros(0), np.zeros(0)
    is_count = are_counts(rows)
    by_step = slack[::-1].copy() if is_reversed else slack
    walk = Walk(value, parent, by_step, multiplier, rows, is_reversed)
    value[0] = 0.0
    while s < num_breakpoints:
        wanted = min(num_breakpoints, s + max(WIDE_ROWS, 3 * (s - low)))
        most = WIDEST_WINDOW * multiplier if num_breakpoints > FEW_BREAKPOINTS else 0.0
        end, origin, radius, is_precise = window_of(breakpoints, is_reversed, low, s, wanted, most)
        if not is_precise:
            end = min(num_breakpoints, s + WIDE_ROWS)
        if end - low > capacity:
            capacity = max(1024, 2 * (end - low))
            # Zeros, for lanes beyond the window are computed too, and not used.
            mass, first = np.zeros(capacity + LANES), np.zeros(capacity + LANES)
            second = np.zeros(capacity + LANES)
        charge = rounding_of_sums(breakpoints, is_reversed, low, end, is_count)
        if is_precise:
            largest = fill_window(rows, low, end, origin, is_reversed, mass, first, second)
            weight = 0.0 if is_count else mass[end - 1 - low]
            spread = 2.0 * second[end - 1 - low] + radius * (2.0 * largest + radius * weight)
            charge += 3.0 * UNIT_ROUNDING * 1.001 * spread
        window = Window(mass, first, second, charge, is_count, is_precise, low, end)
        low, size = advance(walk, window, s, low, size)
        s = end
