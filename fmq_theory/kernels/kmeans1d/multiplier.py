"""The Lagrange multiplier of K cells: the search that all engines share.

The cost of a cell satisfies the quadrangle inequality c(a,c) + c(b,d) <= c(a,d) + c(b,c) for
a <= b <= c <= d, and two things follow. The least cost C(k) of k cells is convex in k, so C(K) is met by
minimising cost + multiplier * cells for a multiplier, the Lagrange multiplier of the number of cells, in
[C(K) - C(K+1), C(K-1) - C(K)]. And F(multiplier) - multiplier * K, F its minimum, is a lower bound of C(K)
for every multiplier: the certificate that comes with the result.

Plain Python around kernel calls: each kernel is compiled once.

Reference: Aggarwal, Schieber, Tokuyama 1994, "Finding a minimum-weight k-link path in graphs with the
concave Monge property and applications"; Gronlund et al. 2017, "Fast exact k-means in 1D".
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.kmeans1d.breakpoint_path import relaxed_values
from fmq_theory.kernels.kmeans1d.paths import partition_cost, path_to, splice
from fmq_theory.kernels.kmeans1d.problem import Breakpoints
from fmq_theory.kernels.sums.double_double import UNIT_ROUNDING

__all__ = ["SAME", "Bracket", "Cheapest", "bound_of_cells", "breakpoint_search", "search"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]
Cheapest = Callable[[float], tuple[IndexArray, float]]
"""Of a multiplier: the cheapest path into any number of cells, each of which costs its squared error and the
multiplier; and a lower bound of the squared error of all paths into K cells."""

# Two values of cost + multiplier * cells that differ by less than this, relative, are the same.
SAME = 1e-13
# The search ends after finitely many hull vertices; this is a guard against nan.
MAX_SOLVES = 200


class Bracket:
    """The last partitions met with fewer and with more than K cells; each is the best for some multiplier.

    Attributes:
        fewer: a path into fewer than K cells; of shape ``[0]`` before there is one.
        more: a path into more than K; of shape ``[0]`` before there is one.
    """

    def __init__(self, num_cells: int) -> None:
        self.fewer: IndexArray = np.empty(0, dtype=np.int64)
        self.more: IndexArray = np.empty(0, dtype=np.int64)
        self._num_cells = num_cells
        self._fewer_cost, self._more_cost = math.inf, 0.0

    def add(self, path: IndexArray, cost: float) -> None:
        """Replaces the partition on the same side of K."""
        if path.size - 1 > self._num_cells:
            self.more, self._more_cost = path, cost
        else:
            self.fewer, self._fewer_cost = path, cost

    @property
    def is_closed(self) -> bool:
        """Whether K lies between two partitions."""
        return self.fewer.size > 0 and self.more.size > 0

    def chord(self) -> float:
        """The multiplier for which both are as good: the slope of C between them."""
        return (self._fewer_cost - self._more_cost) / (self.more.size - self.fewer.size)

    def is_met_by(self, cost: float, found: int, multiplier: float) -> bool:
        """Whether a best partition into ``found`` cells is no better than that of more cells.

        On the chord both ends then are the best, and C is linear between them: no multiplier singles out K.
        """
        return cost + multiplier * found >= (self._more_cost + multiplier * (self.more.size - 1)) * (
            1.0 - SAME
        )

    def between(self) -> IndexArray:
        """The partition into K cells made of both, as good as they are where both are the best."""
        return splice(self.fewer, self.more, self._num_cells)


def bound_of_cells(least: float, multiplier: float, num_cells: int) -> float:
    """F - multiplier * K, a lower bound of the cost of K cells, rounded down."""
    return least * (1.0 - 4.0 * UNIT_ROUNDING) - multiplier * num_cells


def breakpoint_search(
    breakpoints: Breakpoints, num_cells: int, multiplier: float, *, is_centred: bool
) -> tuple[IndexArray, float, float]:
    """``search`` for the best partition into cells that begin at breakpoints, of which more than K + 1 exist.

    Args:
        breakpoints: N > K + 1.
        num_cells: see ``search``.
        multiplier: see ``search``.
        is_centred: see ``search``.
    """
    num_breakpoints = breakpoints.places.size
    slack, value = np.zeros(num_breakpoints), np.empty(num_breakpoints)
    parent = np.empty(num_breakpoints, dtype=np.int32)

    def cheapest(multiplier: float) -> tuple[IndexArray, float]:
        relaxed_values(breakpoints, slack, multiplier, False, value, parent)
        return path_to(parent, num_breakpoints - 1), bound_of_cells(float(value[-1]), multiplier, num_cells)

    return search(cheapest, breakpoints.rows, num_cells, multiplier, is_centred=is_centred, margin=2.0)


def search(
    cheapest: Cheapest,
    rows: FloatArray,
    num_cells: int,
    multiplier: float,
    *,
    is_centred: bool,
    margin: float,
) -> tuple[IndexArray, float, float]:
    """The best path into ``num_cells`` cells.

    Args:
        cheapest: finds the cheapest path for a multiplier.
        rows: running sums at the places of a path, shape ``[N, 6]``, N > K + 1.
        num_cells: K > 1.
        multiplier: a guess, > 0.
        is_centred: whether to move from the rim of the interval of multipliers that give K to its middle.
        margin: of a multiplier that is so large beside the cost that rounding matters, >= 1: one above
            margin**2 times the cost of K cells is lowered to margin times that cost.

    Returns:
        its places, shape ``[K + 1]``; a lower bound of the cost of all such paths; a multiplier that gives
        it, if there is one.
    """
    num_breakpoints = rows.shape[0]
    bracket = Bracket(num_cells)
    whole = np.array([0, num_breakpoints - 1])
    bracket.add(whole, partition_cost(rows, whole))
    bracket.add(np.arange(num_breakpoints, dtype=np.int64), 0.0)
    high, low = math.inf, 0.0
    best = np.empty(0, dtype=np.int64)
    middle = multiplier
    lower = 0.0
    tries = 0  # of multipliers beside one that gave K
    on_chord = False
    for step in range(MAX_SOLVES):
        path, bound = cheapest(multiplier)
        lower = max(lower, bound)
        found = path.size - 1
        cost = partition_cost(rows, path)
        if best.size > 0:
            # The interval of multipliers for K is about 3 / K wide; keep away from its rim.
            if tries == 1:
                if found != num_cells:
                    middle *= 1.0 - 0.75 / num_cells
                multiplier = middle * (1.0 - 0.75 / num_cells)
                tries = 2
                continue
            if found != num_cells:
                middle *= 1.0 + 0.5 / num_cells
            return best, lower, middle
        if found == num_cells:
            if multiplier > margin * margin * cost > 0.0:
                # Where C falls steeply, F is nearly all multiplier and its rounding hides the cost. The
                # multipliers of K cells begin at C(K) - C(K+1) <= cost, so this one gives K cells too.
                multiplier = margin * cost
                on_chord = False
                continue
            if not is_centred:
                return path, lower, multiplier
            best, middle = path, multiplier
            multiplier = middle * (1.0 + 0.75 / num_cells)
            tries = 1
            continue
        if on_chord and bracket.is_met_by(cost, found, multiplier):
            break
        bracket.add(path, cost)
        if found > num_cells:
            low = max(low, multiplier)
        else:
            high = min(high, multiplier)
        # C(k) is about 1/k**2, so the multiplier is about 1/k**3; interpolate where both sides are known.
        if not 0.0 < low < high < math.inf:
            guess = multiplier * (found / num_cells) ** 3
        else:
            fewest, most = bracket.fewer.size - 1, bracket.more.size - 1
            share = math.log(num_cells / fewest) / math.log(most / fewest)
            guess = high * (low / high) ** share
        is_near = bracket.more.size - bracket.fewer.size <= 4
        on_chord = step % 2 == 1 or is_near or not low < guess < high
        multiplier = bracket.chord() if on_chord else guess
    return bracket.between(), lower, multiplier
