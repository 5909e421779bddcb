"""Conditional means of cells: the best level of each."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.codebook import Codebook
from fmq_theory.sources.source import Source

__all__ = ["cell_means", "centroid_codebook"]


def cell_means(
    source: Source, thresholds: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mass and mean of the K cells that K - 1 sorted thresholds cut the line into.

    The first moment is taken about a point of the cell, so a narrow cell far from zero loses
    nothing; the mean is clipped into its cell and the support. A cell of zero mass has mean nan.

    Returns:
        masses and means, each ``[K]``.
    """
    if thresholds.size == 0:
        return np.ones(1), np.clip([source.mean()], *source.support)
    lower = np.concatenate(([-np.inf], thresholds))
    upper = np.concatenate((thresholds, [np.inf]))
    inner = 0.5 * thresholds[:-1] + 0.5 * thresholds[1:]
    about = np.concatenate((thresholds[:1], inner, thresholds[-1:]))
    mass, first, _ = source.partial_moments(lower, upper, about=about)
    means = np.full(mass.shape, np.nan)
    occupied = mass > 0.0
    means[occupied] = about[occupied] + first[occupied] / mass[occupied]
    low, high = source.support
    return mass, np.clip(means, np.maximum(lower, low), np.minimum(upper, high))


def centroid_codebook(source: Source, thresholds: NDArray[np.float64]) -> Codebook:
    """Cells between the thresholds, each with its mean as level; cells without mass are dropped.

    Such a cell lies in a gap of the data. Its two neighbours share it, the boundary being its lower
    threshold, and no weight changes its level: the distortion is that of the full codebook.
    """
    # Escort quantiles of very heavy tails exceed float64; no mass that it can hold lies beyond.
    thresholds = np.unique(thresholds[np.isfinite(thresholds)])
    masses, means = cell_means(source, thresholds)
    occupied = np.flatnonzero(masses > 0.0)
    # The threshold below each occupied cell but the first: the upper end of the occupied one before.
    return Codebook(means[occupied], thresholds[occupied[:-1]])
