"""The Lagrange multiplier of K cells: the search that all engines share.

The cost of a cell satisfies the quadrangle inequality c(a,c) + c(b,d) <= c(a,d) + c(b,c) for
a <= b <= c <= d, and two things follow. The least cost C(k) of k cells is convex in k, so C(K) is met by
minimising cost + penalty * cells for a penalty, the Lagrange multiplier of the number of cells, in
[C(K) - C(K+1), C(K-1) - C(K)]. And F(penalty) - penalty * K, F its minimum, is a lower bound of C(K) for
every penalty: the certificate that comes with the result.

Plain Python around kernel calls: each kernel is compiled once.

Reference: Aggarwal, Schieber, Tokuyama 1994, "Finding a minimum-weight k-link path in graphs with the
concave Monge property and applications"; Gronlund et al. 2017, "Fast exact k-means in 1D".
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.kmeans1d.node_path import relaxed_values
from fmq_theory.kernels.kmeans1d.paths import partition_cost, path_to, splice
from fmq_theory.kernels.kmeans1d.problem import Nodes
from fmq_theory.kernels.sums.double_double import UNIT_ROUNDING

__all__ = ["SAME", "Cheapest", "bound_of_cells", "node_search", "search"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]
Cheapest = Callable[[float], tuple[IndexArray, float]]
"""Of a penalty: the cheapest path into any number of cells, each of which costs its squared error and the
penalty; and a lower bound of the squared error of all paths into K cells."""

# Two penalised costs that differ by less than this are the same.
SAME = 1e-13
# The search ends after finitely many hull vertices; this is a guard against nan.
MAX_SOLVES = 200


def bound_of_cells(least: float, penalty: float, num_cells: int) -> float:
    """F - penalty * K, a lower bound of the cost of K cells, rounded down."""
    return least * (1.0 - 4.0 * UNIT_ROUNDING) - penalty * num_cells


def node_search(
    nodes: Nodes, num_cells: int, penalty: float, *, is_centred: bool
) -> tuple[IndexArray, float, float]:
    """``search`` for the best partition into cells that begin at nodes; there are more than K + 1 of these.

    Args:
        nodes: N > K + 1.
        num_cells: see ``search``.
        penalty: see ``search``.
        is_centred: see ``search``.
    """
    num_nodes = nodes.places.size
    slack, value = np.zeros(num_nodes), np.empty(num_nodes)
    parent = np.empty(num_nodes, dtype=np.int32)

    def cheapest(penalty: float) -> tuple[IndexArray, float]:
        relaxed_values(nodes, slack, penalty, False, value, parent)
        return path_to(parent, num_nodes - 1), bound_of_cells(float(value[-1]), penalty, num_cells)

    return search(cheapest, nodes.rows, num_cells, penalty, is_centred=is_centred, margin=2.0)


def search(
    cheapest: Cheapest,
    rows: FloatArray,
    num_cells: int,
    penalty: float,
    *,
    is_centred: bool,
    margin: float,
) -> tuple[IndexArray, float, float]:
    """The best path into ``num_cells`` cells.

    Args:
        cheapest: finds the cheapest path for a penalty.
        rows: running sums at the places of a path, shape ``[N, 6]``, N > K + 1.
        num_cells: K > 1.
        penalty: a guess, > 0.
        is_centred: whether to move from the rim of the interval of penalties that give K to its middle.
        margin: of a penalty that is so large beside the cost that rounding matters, >= 1: one above
            margin**2 times the cost of K cells is lowered to margin times that cost.

    Returns:
        its places, shape ``[K + 1]``; a lower bound of the cost of all such paths; a penalty that gives it,
        if there is one.
    """
    num_nodes = rows.shape[0]
    fewer: IndexArray = np.array([0, num_nodes - 1])
    more: IndexArray = np.arange(num_nodes, dtype=np.int64)
    fewer_cost, more_cost = partition_cost(rows, fewer), 0.0
    high, low = math.inf, 0.0
    best = np.empty(0, dtype=np.int64)
    middle = penalty
    lower = 0.0
    tries = 0  # of penalties beside one that gave K
    on_chord = False
    for step in range(MAX_SOLVES):
        path, bound = cheapest(penalty)
        lower = max(lower, bound)
        found = path.size - 1
        cost = partition_cost(rows, path)
        if best.size > 0:
            # The interval of penalties for K is about 3 / K wide; keep away from its rim.
            if tries == 1:
                if found != num_cells:
                    middle *= 1.0 - 0.75 / num_cells
                penalty = middle * (1.0 - 0.75 / num_cells)
                tries = 2
                continue
            if found != num_cells:
                middle *= 1.0 + 0.5 / num_cells
            return best, lower, middle
        if found == num_cells:
            if penalty > margin * margin * cost > 0.0:
                # Where C falls steeply, F is nearly all penalty and its rounding hides the cost. The
                # penalties of K cells begin at C(K) - C(K+1) <= cost, so this one gives K cells too.
                penalty = margin * cost
                on_chord = False
                continue
            if not is_centred:
                return path, lower, penalty
            best, middle = path, penalty
            penalty = middle * (1.0 + 0.75 / num_cells)
            tries = 1
            continue
        if on_chord and cost + penalty * found >= (more_cost + penalty * (more.size - 1)) * (1.0 - SAME):
            # Both ends of the bracket have this penalised cost. Nothing is cheaper, so both are
            # optimal here, and C is linear between them: no penalty singles out K cells.
            break
        if found > num_cells:
            more, more_cost, low = path, cost, max(low, penalty)
        else:
            fewer, fewer_cost, high = path, cost, min(high, penalty)
        chord = (fewer_cost - more_cost) / (more.size - fewer.size)
        # C(k) is about 1/k**2, so the penalty is about 1/k**3; interpolate where both sides are known.
        if not 0.0 < low < high < math.inf:
            guess = penalty * (found / num_cells) ** 3
        else:
            share = math.log(num_cells / (fewer.size - 1)) / math.log((more.size - 1) / (fewer.size - 1))
            guess = high * (low / high) ** share
        on_chord = step % 2 == 1 or more.size - fewer.size <= 4 or not low < guess < high
        penalty = chord if on_chord else guess
    return splice(fewer, more, num_cells), lower, penalty
