"""What it can cost to move the boundaries of an optimal partition of points to breakpoints.

Let F be the least sum of (cost + multiplier) over the cells of a partition of the points, multiplier > 0, P
an optimal partition, and let breakpoints 0 = n_0 < ... < n_r = m cut the points into blocks. Some blocks are
dead: no optimal partition has a boundary inside. Then the least sum over breakpoint paths of (cost +
multiplier - slack of the breakpoint, if it is not an end) is at most F.

1. Let a boundary p of P separate cells with means u and v. u < v, or joining the cells would save a
   multiplier. Let mu = (u + v) / 2. The last point before p is < mu and the next is > mu: otherwise moving
   one point across would cost nothing, and renewing the means would then lower the cost. So P splits no
   run of ties.
2. Give the points between p and a breakpoint a <= p to the upper cell, all means held. This costs
   sum_{a..p} w ((x - v)**2 - (x - u)**2) = 2 (v - u) A, A = sum_{a..p} w (mu - x). Moving p to the other
   end b costs 2 (v - u) B, B = sum_{p..b} w (x - mu). For several boundaries the sum telescopes: a point
   passed from one cell over several others costs what the single steps cost. Best means only lower it.
3. A grows and B falls with mu, and they are equal where mu is the mean of the block: A = B = half the
   sum of w |x - mean|, at most sqrt(W c) / 2 by Cauchy and Schwarz and at most W h / 4, for a block of
   mass W, cost c and width h. So move p to a where mu <= mean of the block and to b elsewhere: it costs
   at most slack(block) = (v - u) min(sqrt(W c), W h / 2). As mu ascends from boundary to boundary, their
   order is kept.
4. The moved boundaries are a breakpoint path, once repeated breakpoints and the ends are dropped. Each
   dropped boundary saves one multiplier, no less than its slack where slack <= multiplier. Each other one
   is paid for by its breakpoint, whose slack is the greater of those of the two blocks beside it. So the
   breakpoint path costs no more than F. If P has a boundary inside block t, the path visits n_t or n_{t+1};
   or the one moved to is an end, and the path costs no more than F - multiplier + slack.

v - u is not known, but bounded: no cell (i, j) of P may be split at k for more than the multiplier,
c(i, j) - c(i, k) - c(k, j) = w_1 w_2 / (w_1 + w_2) (difference of means)**2 <= multiplier; and by the
quadrangle inequality this gain grows with the cell. So a cell that ends in block t begins after every
breakpoint i with gain(i, t) > multiplier, and u is at least the mean of the points from there to n_t; v is
bounded so. By 1 also v - u = 2 (mu - u) = 2 (v - mu).
"""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.kmeans1d.problem import Blocks, Breakpoints
from fmq_theory.kernels.runtime.jit import fused_multiply_add, kernel
from fmq_theory.kernels.sums.cells import cell_cost
from fmq_theory.kernels.sums.double_double import two_sum

__all__ = ["block_slack", "least_and_greatest_means"]

FloatArray = NDArray[np.float64]

# Relative: above the rounding of a difference of means, which is computed about an origin in the cell.
ROUNDING = 1e-12


@kernel
def mass_and_mean(rows: FloatArray, start: int, stop: int, origin: float) -> tuple[float, float]:
    """Mass of the cell, and its mean less the origin, which lies in or near the cell."""
    mass, mass_lo = two_sum(rows[stop, 0], -rows[start, 0])
    mass_lo += rows[stop, 5] - rows[start, 5]
    first, first_lo = two_sum(rows[stop, 1], -rows[start, 1])
    first_lo += rows[stop, 2] - rows[start, 2]
    shift = origin * mass
    shift_lo = fused_multiply_add(origin, mass, -shift) + origin * mass_lo
    return mass + mass_lo, ((first - shift) + (first_lo - shift_lo)) / (mass + mass_lo)


@kernel
def gain_of_split(rows: FloatArray, start: int, middle: int, stop: int, origin: float, width: float) -> float:
    """c(start, stop) - c(start, middle) - c(middle, stop), rounded down."""
    mass_1, mean_1 = mass_and_mean(rows, start, middle, origin)
    mass_2, mean_2 = mass_and_mean(rows, middle, stop, origin)
    difference = max(0.0, mean_2 - mean_1 - ROUNDING * width)
    return mass_1 * mass_2 / (mass_1 + mass_2) * difference * difference * (1.0 - ROUNDING)


@kernel
def least_and_greatest_means(breakpoints: Breakpoints, multiplier: float) -> tuple[FloatArray, FloatArray]:
    """Bounds of the means of cells of an optimal partition.

    Args:
        breakpoints: N of them.
        multiplier: > 0.

    Returns:
        least[t], of a cell that ends inside block t (between breakpoints t and t + 1), shape ``[N - 1]``;
        greatest[t], of a cell that begins inside block t, shape ``[N - 1]``.
    """
    rows, edges = breakpoints.rows, breakpoints.edges
    num_blocks = rows.shape[0] - 1
    least, greatest = np.empty(num_blocks), np.empty(num_blocks)
    least[0] = edges[0, 1]
    start = num_blocks - num_blocks  # no literal zero: numba would compile the callees once more for it
    middle = start + 1
    for t in range(1, num_blocks):
        # Cells that end in block t do not begin at or before breakpoint start - 1. The middle is about the
        # cell's mean, the best place to split it; any place gives a valid bound.
        while start + 1 < t:
            origin = edges[start, 1]
            width = edges[t, 0] - origin
            _, mean = mass_and_mean(rows, start, t, origin)
            middle = max(middle, start + 1)
            while middle + 1 < t and edges[middle, 1] - origin < mean:
                middle += 1
            if not gain_of_split(rows, start, middle, t, origin, width) > multiplier:
                break
            start += 1
        # They begin after breakpoint start - 1, at breakpoint start at the earliest where no points lie
        # between.
        first = start
        if start > 0 and edges[start - 1, 1] != edges[start, 0]:
            first = start - 1
        origin = edges[first, 1]
        _, mean = mass_and_mean(rows, first, t, origin)
        least[t] = origin + mean
    greatest[num_blocks - 1] = edges[num_blocks, 0]
    stop, middle = num_blocks, num_blocks - 1
    for t in range(num_blocks - 1, 0, -1):
        # Cells that begin in block t - 1 do not end at or after breakpoint stop + 1.
        while stop - 1 > t:
            origin = edges[t, 1]
            width = edges[stop, 0] - origin
            _, mean = mass_and_mean(rows, t, stop, origin)
            middle = min(middle, stop - 1)
            while middle - 1 > t and edges[middle, 0] - origin > mean:
                middle -= 1
            if not gain_of_split(rows, t, middle, stop, origin, width) > multiplier:
                break
            stop -= 1
        last = stop
        if stop < num_blocks and edges[stop, 1] != edges[stop + 1, 0]:
            last = stop + 1
        origin = edges[t, 1]
        _, mean = mass_and_mean(rows, t, last, origin)
        greatest[t - 1] = origin + mean
    return least, greatest


@kernel
def block_slack(breakpoints: Breakpoints, blocks: Blocks) -> FloatArray:
    """slack(block), rounded up, shape ``[N - 1]``; 0 for dead blocks and for those of a single value.

    Args:
        breakpoints: N of them.
        blocks: between them.
    """
    least, greatest, is_alive = blocks
    rows, edges = breakpoints.rows, breakpoints.edges
    slack = np.zeros(is_alive.size)
    for t in range(is_alive.size):
        low, high = edges[t, 1], edges[t + 1, 0]
        if is_alive[t] and low != high:
            mass = rows[t + 1, 0] - rows[t, 0]
            spread = min(np.sqrt(mass * cell_cost(rows, t, t + 1)), 0.5 * mass * (high - low))
            apart = min(greatest[t] - least[t], 2.0 * min(high - least[t], greatest[t] - low))
            slack[t] = (1.0 + 1e-9) * (apart + ROUNDING * (greatest[t] - least[t])) * spread
    return slack
