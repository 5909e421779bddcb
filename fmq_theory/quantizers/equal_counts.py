"""Cells of equal count, cut by rank as numpy.array_split cuts a sorted array.

A tied value may straddle a threshold, so the cells are intervals of ranks, not of values. Both its
neighbours' levels are then averages that hold a part of the tie, and the codes follow the ranks.
"""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.codebook import Codebook
from fmq_theory.kernels.equal_mass.rank_cells import equal_cuts
from fmq_theory.quantizers.centroids import centroid_codebook
from fmq_theory.sources.empirical import Empirical

__all__ = ["between", "equal_count_codebook", "equal_weight_codebook", "stable_rank_codes"]


def equal_count_codebook(source: Empirical, num_levels: int) -> Codebook:
    """K = min(K, n) cells of n // K weights, the first n % K of them with one more; mean levels.

    The mean of a cell is taken about its first value v: the whole values in it by partial
    moments, and the part of a tie at its end by (count) * (value - v). All terms are of one sign.
    A threshold lies half-way across the gap between the cells, or on the tied value.
    """
    data = source.data
    num_levels = min(num_levels, source.size)
    cuts = equal_cuts(source.size, num_levels)
    index = data.index_at_mass(cuts.astype(np.float64), or_equal=True)  # the point that holds each cut
    start, stop = index[:-1], index[1:]
    about = data.z_at(start)
    _, whole, _ = data.moments(start, stop, about)
    part = cuts[1:] - data.mass_below(stop)  # copies of the last point that fall to this cell
    final = np.where(part > 0, np.minimum(stop, data.num_points - 1), stop - 1)
    means = about + (whole + part * (data.z_at(final) - about)) / np.diff(cuts)
    first, last = data.at(start), data.at(final)
    levels = np.clip(data.from_z(means), first, last)
    return Codebook(levels, between(last[:-1], first[1:]))


def equal_weight_codebook(source: Empirical, num_levels: int) -> Codebook:
    """Cells of nearly equal weight, for weights of weights; mean levels.

    A weight has one code, so a threshold lies between two distinct values: the one whose weight
    below is nearest to k / K of all. Heavy values leave fewer than K cells.
    """
    below = source.data.cumulative[1:]  # weight up to and with each value
    targets: NDArray[np.float64] = np.arange(1, num_levels) * (below[-1] / num_levels)
    upper: NDArray[np.intp] = np.searchsorted(below, targets)
    lower = np.maximum(upper - 1, 0)
    index = np.where(targets - below[lower] <= below[upper] - targets, lower, upper)
    index = np.unique(index[index < below.size - 1])
    return centroid_codebook(source, between(source.data.at(index), source.data.at(index + 1)))


def stable_rank_codes(codebook: Codebook, values: NDArray[np.float64]) -> NDArray[np.unsignedinteger]:
    """The cell of each value's stable rank, where that agrees with the codebook's thresholds.

    On the data that an equal-count codebook was designed on it always agrees, and ties at a
    threshold are shared out in the order in which they stand. Other values get the cell between
    whose thresholds they lie.
    """
    codes = codebook.encode(values)
    flat = values.ravel()
    num_levels = codebook.num_levels
    if num_levels == 1 or flat.size < num_levels:
        return codes
    cuts = equal_cuts(flat.size, num_levels)
    if np.array_equal(np.bincount(codes.ravel(), minlength=num_levels), np.diff(cuts)):
        return codes
    order = np.argsort(flat, kind="stable")
    left, right = flat[order[cuts[1:-1] - 1]], flat[order[cuts[1:-1]]]
    if (left > codebook.thresholds).any() or (codebook.thresholds > right).any():
        return codes
    ranked = np.empty(flat.size, dtype=codes.dtype)
    ranked[order] = np.repeat(np.arange(num_levels, dtype=codes.dtype), np.diff(cuts))
    return ranked.reshape(values.shape)


def between(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """A threshold t with left < t <= right, half-way if there is room; t = left = right on a tie."""
    middle = 0.5 * left + 0.5 * right
    return np.where((middle > left) & (middle <= right), middle, right)
