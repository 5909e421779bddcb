"""Squared 2-Wasserstein distance between data and a law, exactly."""

import math

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.wasserstein import rank_probabilities
from fmq_theory.metrics.sorted_samples import SortedSample, as_sorted_sample, paired, sorted_sample
from fmq_theory.metrics.wasserstein import w2_of_pair
from fmq_theory.sources.empirical import Empirical
from fmq_theory.sources.source import Source

__all__ = ["w2_squared_law"]

FloatArray = NDArray[np.float64]

# Cells whose moments are taken at once: enough for numpy to be fast, few enough to fit into a cache.
_CELLS = 1 << 15


def w2_squared_law(sample: object, source: Source, sample_weight: object = None) -> float:
    """W2**2 between the law of the data, sum_i p_i delta(x_i), and the law of ``source``.

    The optimal coupling joins equal ranks, so x_i meets the part of the law between its quantiles
    q_{i-1} = p_1 + ... + p_{i-1} and q_i:

        W2**2 = sum_i E[(X - x_i)**2; F^-1(q_{i-1}) <= X < F^-1(q_i)],

    a sum of non-negative partial moments, each about its own x_i. Nothing is sampled or cut off. For n
    draws from the uniform law on [0, 1] its mean is 1 / (6 n).

    Args:
        sample: numbers of any shape, array-like or torch tensor; or an ``Empirical``.
        source: the law; a law without a density is data, and must be an ``Empirical``.
        sample_weight: masses, of the shape of ``sample``, not negative; equal if None, and for an
            ``Empirical``, which has its own.

    Returns:
        In the square of the units of the data; ``inf`` for a law of infinite variance.

    Raises:
        WeightsError: see ``w2_squared``.

    Reference:
        Santambrogio, Optimal Transport for Applied Mathematicians, proposition 2.17; Bobkov, Ledoux
        2019, One-dimensional empirical measures, order statistics, and Kantorovich transport
        distances, theorem 4.3.

    Examples:
        >>> from fmq_theory import metrics, sources
        >>> uniform = sources.make("uniform")  # on [-1, 1]
        >>> round(metrics.w2_squared_law([0.0], uniform), 12)  # all mass goes to one point: its variance
        0.333333333333
    """
    data = _sorted(sample, sample_weight)
    if isinstance(source, Empirical):
        return w2_of_pair(paired(data, _sorted(source, None)))
    if math.isinf(source.variance()):
        return math.inf
    below, above = rank_probabilities(data.mass)
    size = data.points.size
    total: list[float] = []
    for start in range(0, size, _CELLS):
        stop = min(start + _CELLS, size)
        # Equal numbers share one cell, in which an offset of the law costs no accuracy either.
        x, first = np.unique(data.points[start:stop], return_index=True)
        boundaries = np.append(start + first, stop)
        if data.mass.size > 0:
            edges = _quantiles(source, below[boundaries], above[boundaries])
        else:
            edges = _quantiles(source, boundaries / size, (size - boundaries) / size)
        cells = source.partial_moments(edges[:-1], edges[1:], about=np.float64(x))
        total.append(float(cells.second.sum()))
    return math.fsum(total)


def _sorted(sample: object, weights: object) -> SortedSample:
    if isinstance(sample, Empirical):
        return as_sorted_sample(sample)
    return sorted_sample(sample, weights, "sample")


def _quantiles(source: Source, below: FloatArray, above: FloatArray) -> FloatArray:
    """F^-1 at ranks given from both ends, each taken from the nearer; in order in spite of rounding."""
    lower = below < above
    edges = np.empty(below.size)
    edges[lower] = source.ppf(below[lower])
    edges[~lower] = source.isf(above[~lower])
    return np.maximum.accumulate(edges)
