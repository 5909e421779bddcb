"""Conditional means of cells: the best level of each."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.codebook import Codebook
from fmq_theory.sources.empirical import Empirical
from fmq_theory.sources.source import Source

__all__ = ["cell_means", "centroid_codebook"]

_WIDE = 1e6  # cells that wide lose six digits of their mean about their middle


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
    about = _points(source, thresholds)
    mass, first, _ = source.partial_moments(lower, upper, about=about)
    means = np.full(mass.shape, np.nan)
    occupied = mass > 0.0
    means[occupied] = about[occupied] + first[occupied] / mass[occupied]
    low, high = source.support
    return mass, np.clip(means, np.maximum(lower, low), np.minimum(upper, high))


def _points(source: Source, thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """A point of each cell that is about as near to the mean of the cell as float64 can tell, shape ``[K]``.

    The middle; but the mean of a cell that is wider by far than the law stands near the end where the mass
    is, and would cancel against the middle. There it is the point of the cell next to the median.
    """
    inner = 0.5 * thresholds[:-1] + 0.5 * thresholds[1:]
    if isinstance(source, Empirical):  # its sums are about points of the data
        return np.concatenate((thresholds[:1], inner, thresholds[-1:]))
    low, centre, high = source.ppf([0.25, 0.5, 0.75])
    nearest = np.clip(centre, thresholds[:-1], thresholds[1:])
    with np.errstate(over="ignore"):
        size = np.abs(nearest - centre) + (high - low)
        wide = np.abs(inner - nearest) > _WIDE * size
    return np.concatenate((thresholds[:1], np.where(wide, nearest, inner), thresholds[-1:]))


def centroid_codebook(source: Source, thresholds: NDArray[np.float64]) -> Codebook:
    """Cells between the thresholds, each with its mean as level; cells without mass are dropped.

    Such a cell lies in a gap of the data. Its two neighbours share it, the boundary being its lower
    threshold, and no weight changes its level: the distortion is that of the full codebook.
    """
    # Escort quantiles of very heavy tails lie where float64 holds neither them nor the mass beyond.
    thresholds = np.unique(thresholds[np.isfinite(thresholds)])
    if not isinstance(source, Empirical):
        least = np.minimum(source.cdf(thresholds), source.sf(thresholds))
        thresholds = thresholds[least > np.finfo(np.float64).tiny]
    masses, means = cell_means(source, thresholds)
    occupied = np.flatnonzero(masses > 0.0)
    # The threshold below each occupied cell but the first: the upper end of the occupied one before.
    return Codebook(means[occupied], thresholds[occupied[:-1]])
