"""The exact partition of sorted weighted points into K cells of least squared error.

min over boundaries 0 = b_0 < ... < b_K = m of sum_k c(b_k, b_{k+1}), c the cost of a cell about its
mean. c satisfies the quadrangle inequality c(a,c) + c(b,d) <= c(a,d) + c(b,c) for a <= b <= c <= d,
and two things follow. The least cost C(k) of k cells is convex in k, so C(K) is met by minimising
cost + penalty * cells for a penalty in [C(K) - C(K+1), C(K-1) - C(K)]; that problem without a
constraint on the number of cells is ``link_path.py``. And F(penalty) - penalty * K, F its minimum,
is a lower bound of C(K) for every penalty: the certificate that comes with the result.

Reference: Aggarwal, Schieber, Tokuyama 1994, "Finding a minimum-weight k-link path in graphs with the
concave Monge property and applications"; Gronlund et al. 2017, "Fast exact k-means in 1D".
"""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.kmeans1d.link_path import cheapest_path
from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.sums.cells import cell_cost

__all__ = ["optimal_partition"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]
Partition = tuple[IndexArray, float, float]

# F is a sum of two terms a cell, each of which may be off by this.
UNIT_ROUNDING = 2.0**-53
# Two penalised costs that differ by less than this are the same.
SAME = 1e-14
# The search for the penalty ends after finitely many hull vertices; this is a guard against nan.
MAX_SOLVES = 200
# Nodes a cell on the coarse grid: few enough to cost little, enough to find the penalty within the
# interval, of relative length about 3 / K, that gives K cells.
NODES_PER_CELL = 64
LEAST_NODES = 2048


@kernel
def partition_cost(prefix: FloatArray, boundaries: IndexArray) -> float:
    """Sum of the cells' costs."""
    total = 0.0
    for k in range(boundaries.size - 1):
        total += cell_cost(prefix, boundaries[k], boundaries[k + 1])
    return total


@kernel
def splice(fewer: IndexArray, more: IndexArray, num_cells: int) -> IndexArray:
    """A partition into exactly ``num_cells`` cells from one with fewer and one with more.

    With x = K - (cells of ``fewer``) there is a first t >= 1 with fewer[t] >= more[t + x]. The cell of
    ``more`` that ends at more[t + x] then lies inside the cell of ``fewer`` that ends at fewer[t], and
    exchanging their ends costs nothing by the quadrangle inequality. So if both partitions are optimal
    for one penalty, more[: t + x] followed by fewer[t:] is as well.
    """
    shift = num_cells - (fewer.size - 1)
    t = 1
    while fewer[t] < more[t + shift]:
        t += 1
    return np.concatenate((more[: t + shift], fewer[t:]))


@kernel
def search(prefix: FloatArray, num_cells: int, penalty: float) -> tuple[IndexArray, float, float, float]:
    """Finds the penalty that gives ``num_cells`` cells, 1 < num_cells < m, starting from a guess.

    Returns:
        boundaries ``[K + 1]``, their cost, the lower bound, and the penalty.
    """
    num_points = prefix.shape[0] - 1
    value = np.empty(num_points + 1)
    parent = np.empty(num_points + 1, dtype=np.int64)
    candidates = np.empty(num_points + 1, dtype=np.int64)
    begins = np.empty(num_points + 1, dtype=np.int64)
    # The bracket: partitions with fewer and with more cells, and the penalties that led to them.
    fewer = np.array([0, num_points])
    more = np.arange(num_points + 1, dtype=np.int64)
    fewer_cost = cell_cost(prefix, 0, num_points)
    more_cost = 0.0
    high, low = np.inf, 0.0
    lower_bound = 0.0
    on_chord = False
    for step in range(MAX_SOLVES):
        path = cheapest_path(prefix, penalty, value, parent, candidates, begins)
        found = path.size - 1
        least = float(value[num_points])
        rounding = UNIT_ROUNDING * 2 * (found + num_cells + 4) * least
        lower_bound = max(lower_bound, least - penalty * num_cells - rounding)
        cost = partition_cost(prefix, path)
        if found == num_cells:
            if penalty <= cost or cost == 0.0:
                return path, cost, lower_bound, penalty
            # Where C falls steeply, F is nearly all penalty and its rounding hides the cost. The
            # penalties of K cells begin at C(K) - C(K+1) <= cost, so this one gives K cells too.
            penalty = cost
            on_chord = False
            continue
        if on_chord:
            # Both ends of the bracket have this penalised cost. If nothing is cheaper, both are
            # optimal here, and C is linear between them: no penalty singles out K cells.
            chord_value = more_cost + penalty * (more.size - 1)
            if least >= chord_value * (1.0 - SAME):
                break
        if found > num_cells:
            more, more_cost, low = path, cost, max(low, penalty)
        else:
            fewer, fewer_cost, high = path, cost, min(high, penalty)
        chord = (fewer_cost - more_cost) / (more.size - fewer.size)
        # C(k) is about 1/k**2, so the penalty is about 1/k**3; interpolate where both sides are known.
        if high == np.inf or low == 0.0:
            guess = penalty * (found / num_cells) ** 3
        else:
            share = np.log(num_cells / (fewer.size - 1)) / np.log((more.size - 1) / (fewer.size - 1))
            guess = high * (low / high) ** share
        on_chord = step % 2 == 1 or more.size - fewer.size <= 4 or not low < guess < high
        penalty = chord if on_chord else guess
    path = splice(fewer, more, num_cells)
    return path, partition_cost(prefix, path), lower_bound, penalty


@kernel
def coarse_nodes(prefix: FloatArray, num_nodes: int) -> IndexArray:
    """About ``num_nodes`` node indices 0 < ... < m between which the cost is nearly the same.

    Equal costs mean a node density proportional to f**(1/3), that of the optimal partition itself.
    """
    num_points = prefix.shape[0] - 1
    # The cost of a cell is mass * width**2 / 12, and the sum of its cube roots hardly depends on the cells.
    num_blocks = min(num_points, num_nodes)
    root_sum = 0.0
    for block in range(num_blocks):
        start = block * num_points // num_blocks
        stop = (block + 1) * num_points // num_blocks
        root_sum += cell_cost(prefix, start, stop) ** (1.0 / 3.0)
    largest = (root_sum / num_nodes) ** 3
    nodes = np.empty(num_points + 1, dtype=np.int64)
    nodes[0] = 0
    count = 0
    stride = 1
    while nodes[count] < num_points:
        start = nodes[count]
        # The largest stop with cost(start, stop) <= largest, at least start + 1; the last stride is a guess.
        inside, outside = start + 1, num_points + 1
        probe = start + stride
        while inside + 1 < outside:
            if probe <= inside or probe >= outside:
                probe = (inside + outside) // 2
            if cell_cost(prefix, start, probe) <= largest:
                inside = probe
                probe = start + 2 * (probe - start)
            else:
                outside = probe
        count += 1
        nodes[count] = inside
        stride = inside - start
    return nodes[: count + 1].copy()


@kernel
def penalty_from_coarse(prefix: FloatArray, num_cells: int) -> float:
    """Middle of the interval of penalties that give K cells on a coarse grid of nodes."""
    first_guess = 4.0 * cell_cost(prefix, 0, prefix.shape[0] - 1) / num_cells**3
    num_nodes = max(LEAST_NODES, NODES_PER_CELL * num_cells)
    if prefix.shape[0] <= 4 * num_nodes:
        return first_guess
    nodes = coarse_nodes(prefix, num_nodes)
    if nodes.size <= 2 * num_cells:
        return first_guess
    coarse = prefix[nodes]
    cost = np.full(3, cell_cost(prefix, 0, prefix.shape[0] - 1))
    penalty = first_guess
    # One call in a loop, not three calls: it is compiled once.
    for i in range(3):
        if num_cells + i > 2:
            _, cost[i], _, penalty = search(coarse, num_cells - 1 + i, penalty)
    return 0.5 * (cost[0] - cost[2])


@kernel
def optimal_partition(prefix: FloatArray, num_cells: int) -> Partition:
    """The exact weighted 1-D K-means partition.

    Args:
        prefix: from ``prefix_moments`` of m sorted, distinct points, shape ``[m + 1, 6]``.
        num_cells: K >= 1; with K >= m every point is a cell of its own.

    Returns:
        boundaries ``[min(K, m) + 1]`` from 0 to m; the cost; a lower bound of the cost of every such
        partition, equal to the cost up to rounding.
    """
    num_points = prefix.shape[0] - 1
    if num_cells >= num_points:
        return np.arange(num_points + 1, dtype=np.int64), 0.0, 0.0
    if num_cells == 1:
        cost = cell_cost(prefix, 0, num_points)
        return np.array([0, num_points]), cost, cost
    path, cost, lower_bound, _ = search(prefix, num_cells, penalty_from_coarse(prefix, num_cells))
    return path, cost, lower_bound
