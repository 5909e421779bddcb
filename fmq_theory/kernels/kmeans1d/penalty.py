"""The penalty of K cells, and the best partition into K cells, on a set of nodes.

Plain Python around kernel calls, as in ``prune.py``.
"""

import math

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.kmeans1d.batches import UNIT_ROUNDING, path_to
from fmq_theory.kernels.kmeans1d.node_path import relaxed_values
from fmq_theory.kernels.kmeans1d.partition import partition_cost, splice

__all__ = ["SAME", "bound_of_cells", "node_search"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]

# Two penalised costs that differ by less than this are the same.
SAME = 1e-13
# The search ends after finitely many hull vertices; this is a guard against nan.
MAX_SOLVES = 200


def bound_of_cells(least: float, penalty: float, num_cells: int) -> float:
    """F - penalty * K, a lower bound of the cost of K cells, rounded down."""
    return least * (1.0 - 4.0 * UNIT_ROUNDING) - penalty * num_cells


def node_search(
    index: IndexArray,
    rows: FloatArray,
    edges: FloatArray,
    num_cells: int,
    penalty: float,
    is_centred: bool,
) -> tuple[IndexArray, float, float]:
    """The best partition into ``num_cells`` cells that begin at nodes.

    Args:
        index: the nodes, shape ``[N]``, N > K + 1.
        rows: running sums at the nodes, shape ``[N, 6]``.
        edges: of ``node_rows``, shape ``[N, 2]``.
        num_cells: K > 1.
        penalty: a guess, > 0.
        is_centred: whether to move from the rim of the interval of penalties that give K to its middle.

    Returns:
        its path of nodes, shape ``[K + 1]``; a lower bound of the cost of all such partitions; a penalty
        that gives it, if there is one.
    """
    num_nodes = rows.shape[0]
    slack = np.zeros(num_nodes)
    value = np.empty(num_nodes)
    parent = np.empty(num_nodes, dtype=np.int32)
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
        relaxed_values(index, rows, edges, slack, penalty, False, value, parent)
        lower = max(lower, bound_of_cells(float(value[-1]), penalty, num_cells))
        path = path_to(parent, num_nodes - 1)
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
            if penalty > 4.0 * cost > 0.0:
                # Where C falls steeply, F is nearly all penalty and its rounding hides the cost. The
                # penalties of K cells begin at C(K) - C(K+1) <= cost, so this one gives K cells too.
                penalty = 2.0 * cost
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
