"""The exact optimum of long rows of few distinct numbers, which are searched as numbers with counts."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.kmeans1d.prune import pruned_optimum
from fmq_theory.kernels.sums.prefix import block_prefix

__all__ = ["mostly_tied", "tied_optimum"]

# Shorter rows are searched point by point in no time, ties or not.
LONG = 1 << 14
# Neighbours that are looked at, and the share of them that must be ties.
LOOKED_AT, MOST = 1024, 0.9


def mostly_tied(points: NDArray[np.floating]) -> bool:
    """Whether a sorted row is long and nearly all neighbours in it are ties, by a sample of them."""
    if points.size < LONG:
        return False
    places = np.linspace(0, points.size - 2, LOOKED_AT).astype(np.int64)
    return bool((points[places] == points[places + 1]).mean() > MOST)


def tied_optimum(
    points: NDArray[np.floating], num_cells: int, gap: float
) -> tuple[NDArray[np.int64], float, float]:
    """``pruned_optimum`` of sorted points without masses, by their distinct values and counts."""
    starts = np.append(0, np.flatnonzero(points[1:] != points[:-1]) + 1)
    values, counts = points[starts], np.diff(starts, append=points.size).astype(np.float64)
    found, cost, lower = pruned_optimum(values, counts, block_prefix(values, counts), num_cells, gap)
    return np.append(starts, points.size)[found], cost, lower
