"""The cheapest partition into any number of cells, each of which costs its squared error and a multiplier."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.kmeans1d.paths import path_to
from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.sums.cells import cell_cost

__all__ = ["cheapest_path"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]


@kernel
def precedes(prefix: FloatArray, value: FloatArray, new: int, old: int, stop: int) -> bool:
    """Whether the last cell new..stop is cheaper than old..stop; once true it stays true as stop grows."""
    return value[new] + cell_cost(prefix, new, stop) < value[old] + cell_cost(prefix, old, stop)


@kernel
def crossing(
    prefix: FloatArray, value: FloatArray, new: int, old: int, outside: int, inside: int, from_below: bool
) -> int:
    """Smallest stop at which ``new`` is cheaper, given that it is at ``inside`` and is not at ``outside``.

    Crossings of neighbouring candidates are close to each other, so gallop away from the end that
    is the last one's crossing; then bisect.
    """
    step = 1
    galloping = True
    while inside - outside > 1:
        probe = outside + step if from_below else inside - step
        step *= 2
        if not (galloping and outside < probe < inside):
            galloping = False
            probe = (outside + inside) // 2
        if precedes(prefix, value, new, old, probe):
            inside = probe
            galloping = galloping and not from_below
        else:
            outside = probe
            galloping = galloping and from_below
    return inside


@kernel
def cheapest_path(
    prefix: FloatArray,
    multiplier: float,
    value: FloatArray,
    parent: NDArray[np.int32],
    candidates: IndexArray,
    begins: IndexArray,
) -> IndexArray:
    """Minimises the sum of (cell cost + multiplier) over all partitions, in one pass.

    value[j] = min over i < j of value[i] + cost(i, j) + multiplier. By the quadrangle inequality a later
    start i, once cheaper, stays cheaper as j grows; so the best starts of all j ahead form a queue of
    intervals: candidates[q] is best from begins[q] until the next one's begin. O(m) amortised, with a
    few cost evaluations a point.

    Args:
        prefix: shape ``[m + 1, 6]``.
        multiplier: >= 0, in the units of the cost.
        value: workspace of shape ``[m + 1]``; value[m] is the minimum on return.
        parent: workspace of shape ``[m + 1]``.
        candidates: workspace of shape ``[m + 1]``.
        begins: workspace of shape ``[m + 1]``.

    Returns:
        boundaries, from 0 to m.

    Reference: Galil, Park 1992, "Dynamic programming with convexity, concavity and sparsity", section 3.
    """
    num_points = prefix.shape[0] - 1
    head = tail = 0
    candidates[0], begins[0] = 0, 1
    value[0] = 0.0
    for j in range(1, num_points + 1):
        while head < tail and begins[head + 1] <= j:
            head += 1
        start = candidates[head]
        value[j] = value[start] + cell_cost(prefix, start, j) + multiplier
        parent[j] = start
        if j == num_points:
            break
        # Candidates that j beats from their very begin on will never be used.
        known = num_points + 1  # j is cheaper from here on; nothing is known yet
        while tail >= head:
            begin = max(begins[tail], j + 1)
            if not precedes(prefix, value, j, candidates[tail], begin):
                break
            known = begin
            tail -= 1
        if tail < head:
            head = tail = tail + 1
            candidates[tail], begins[tail] = j, j + 1
            continue
        old = candidates[tail]
        begin = max(begins[tail], j + 1)
        from_below = known > num_points
        first = crossing(prefix, value, j, old, begin, known, from_below)
        if first <= num_points:
            tail += 1
            candidates[tail], begins[tail] = j, first
    return path_to(parent, num_points)
