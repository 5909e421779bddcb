"""Codebooks of many sorted rows: means of cells, nearest levels; one call for all rows."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.sums.cells import cell_means
from fmq_theory.kernels.sums.prefix import prefix_rows
from fmq_theory.kernels.sums.ranks import count_below

__all__ = [
    "cell_ends",
    "centroids",
    "codebooks_of_cells",
    "equal_counts",
    "nearest_levels",
]

FloatArray = NDArray[np.float64]
Points = NDArray[np.floating]

# One row of points each: ``points`` [R, C] sorted along the second axis, ``blocks`` [R, B, 6] their sums
# from ``block_prefix_of_rows``. Codebooks are ``levels`` [R, K], ``thresholds`` [R, K - 1], ``used`` [R]: of
# row r the first used[r] levels count; behind them levels are repeated and thresholds are inf.


@kernel
def _pad(levels: FloatArray, thresholds: FloatArray, used: int) -> None:
    levels[used:] = levels[used - 1]
    thresholds[max(used - 1, 0) :] = np.inf


@kernel
def centroids(
    points: Points, blocks: FloatArray, thresholds: FloatArray, levels: FloatArray, used: NDArray[np.int64]
) -> None:
    """The mean of each cell; cells without points are dropped, the border being their lower threshold.

    Args:
        points: shape ``[R, C]``.
        blocks: their sums.
        thresholds: non-decreasing, shape ``[R, K - 1]``; rewritten without those that are dropped.
        levels: filled, shape ``[R, K]``.
        used: filled, shape ``[R]``.
    """
    no_mass = np.empty(0)
    num_points, num_levels = points.shape[1], levels.shape[1]
    index = np.empty(num_levels + 1, dtype=np.int64)
    cells = np.arange(num_levels + 1, dtype=np.int64)
    for r in range(points.shape[0]):
        ranks = count_below(points[r], thresholds[r], False)
        index[0] = 0
        count = 1
        last = 0
        for k in range(num_levels):
            stop = num_points if k == num_levels - 1 else ranks[k]
            if stop > last:
                # The threshold between an occupied cell and the next occupied one.
                if k < num_levels - 1:
                    thresholds[r, count - 1] = thresholds[r, k]
                index[count] = stop
                count += 1
                last = stop
        means = cell_means(prefix_rows(points[r], no_mass, blocks[r], index[:count]), cells[:count])
        for k in range(count - 1):
            low, high = np.float64(points[r, index[k]]), np.float64(points[r, index[k + 1] - 1])
            levels[r, k] = min(max(means[k], low), high)
        used[r] = count - 1
        _pad(levels[r], thresholds[r], count - 1)


@kernel
def codebooks_of_cells(
    points: Points,
    blocks: FloatArray,
    boundaries: NDArray[np.int64],
    levels: FloatArray,
    thresholds: FloatArray,
    used: NDArray[np.int64],
) -> None:
    """The mean of each cell, and thresholds half-way between means but inside the gap between cells.

    Args:
        points: shape ``[R, C]``.
        blocks: their sums.
        boundaries: first point of each cell and the end, between ties, repeated behind the last cell;
            shape ``[R, K + 1]``.
        levels: filled, shape ``[R, K]``.
        thresholds: filled, shape ``[R, K - 1]``.
        used: filled, shape ``[R]``.
    """
    no_mass = np.empty(0)
    num_levels = levels.shape[1]
    cells = np.arange(num_levels + 1, dtype=np.int64)
    for r in range(points.shape[0]):
        count = 0
        while count < num_levels and boundaries[r, count] < points.shape[1]:
            count += 1
        edges = boundaries[r, : count + 1]
        means = cell_means(prefix_rows(points[r], no_mass, blocks[r], edges), cells[: count + 1])
        for k in range(count):
            low, high = np.float64(points[r, edges[k]]), np.float64(points[r, edges[k + 1] - 1])
            levels[r, k] = min(max(means[k], low), high)
            if k > 0:
                left = np.float64(points[r, edges[k] - 1])
                middle = 0.5 * levels[r, k - 1] + 0.5 * levels[r, k]
                # A cell is [a, b): the threshold is above the last point below it.
                thresholds[r, k - 1] = min(middle, low) if middle > left else low
        used[r] = count
        _pad(levels[r], thresholds[r], count)


@kernel
def equal_counts(points: Points, blocks: FloatArray, levels: FloatArray, thresholds: FloatArray) -> None:
    """Cells of equal count as numpy.array_split cuts, their means, and thresholds in the gaps between.

    Args:
        points: shape ``[R, C]`` with C >= K.
        blocks: their sums.
        levels: filled, shape ``[R, K]``.
        thresholds: filled, shape ``[R, K - 1]``.
    """
    no_mass = np.empty(0)
    num_points, num_levels = points.shape[1], levels.shape[1]
    cells = np.arange(num_levels + 1, dtype=np.int64)
    cuts = np.empty(num_levels + 1, dtype=np.int64)
    for k in range(num_levels + 1):
        cuts[k] = k * (num_points // num_levels) + min(k, num_points % num_levels)
    for r in range(points.shape[0]):
        means = cell_means(prefix_rows(points[r], no_mass, blocks[r], cuts), cells)
        for k in range(num_levels):
            low, high = np.float64(points[r, cuts[k]]), np.float64(points[r, cuts[k + 1] - 1])
            levels[r, k] = min(max(means[k], low), high)
            if k > 0:
                left = np.float64(points[r, cuts[k] - 1])
                middle = 0.5 * left + 0.5 * low
                thresholds[r, k - 1] = middle if left < middle <= low else low


@kernel
def nearest_levels(levels: FloatArray, thresholds: FloatArray, used: NDArray[np.int64]) -> None:
    """Thresholds half-way between sorted levels; repeated levels count once.

    Args:
        levels: non-decreasing, shape ``[R, K]``, infinite where there is none; rewritten.
        thresholds: filled, shape ``[R, K - 1]``.
        used: filled, shape ``[R]``.
    """
    for r in range(levels.shape[0]):
        count = 0
        for k in range(levels.shape[1]):
            level = levels[r, k]
            if np.isinf(level):
                break
            if count > 0:
                before = levels[r, count - 1]
                if level == before:
                    continue
                middle = 0.5 * before + 0.5 * level
                # A middle rounded onto the lower level would leave that level without a cell.
                thresholds[r, count - 1] = middle if before < middle <= level else level
            levels[r, count] = level
            count += 1
        used[r] = count
        _pad(levels[r], thresholds[r], count)


@kernel
def cell_ends(points: Points, thresholds: FloatArray) -> NDArray[np.int64]:
    """The first point of each cell and the end, where a cell is [a, b) between thresholds; ``[R, K + 1]``.

    Args:
        points: shape ``[R, C]``.
        thresholds: shape ``[R, K - 1]``, inf behind the last level in use.
    """
    ends = np.empty((points.shape[0], thresholds.shape[1] + 2), dtype=np.int64)
    for r in range(points.shape[0]):
        ranks = count_below(points[r], thresholds[r], False)
        ends[r, 0] = 0
        for k in range(ranks.size):
            ends[r, k + 1] = ranks[k]
        ends[r, ranks.size + 1] = points.shape[1]
    return ends
