"""Squared 2-Wasserstein distance on the line, by the project's own kernels."""

import numpy as np

from fmq_theory.codebook import Codebook
from fmq_theory.counts import checked_threads
from fmq_theory.kernels.sums.ranks import count_below
from fmq_theory.kernels.wasserstein import (
    w2_squared_equal_sizes,
    w2_squared_sorted,
    w2_squared_unweighted,
)
from fmq_theory.metrics.exact_sweep import needs_exact_ranks, w2_squared_exact
from fmq_theory.metrics.sorted_samples import SortedPair, SortedSample, as_sorted_sample, paired, sorted_pair
from fmq_theory.sources.empirical import Empirical

__all__ = ["codebook_pair", "sample_to_codebook_w2_squared", "w2_squared"]


def w2_squared(
    a: object,
    b: object,
    a_weights: object = None,
    b_weights: object = None,
    *,
    threads: int | None = None,
) -> float:
    """W2**2 between sum_i p_i delta(a_i) and sum_j q_j delta(b_j), p and q normalised to one.

    On the line the optimal coupling is the comonotone one, so W2**2 is the integral over q in (0, 1)
    of the squared gap between the two quantile functions: one sweep over both sorted samples. Only
    differences of positions enter, so a common offset costs no accuracy, and the ranks at which two
    numbers meet are exact: whole numbers without weights, double-double with them, and whole numbers of any
    length where masses span more than double-double can tell apart. The relative error is below 1e-12 for
    all numbers and masses whose result is a normal float64.

    Args:
        a: numbers of any shape; array-like or torch tensor, float16 to float64. What is not float64 is
            sorted as float32, in a copy of that size.
        b: numbers of any shape and size, read in the same way; how many there are need not agree with ``a``.
        a_weights: masses, of the shape of ``a``, not negative; equal if None.
        b_weights: masses, of the shape of ``b``, not negative; equal if None.
        threads: with two, both samples are sorted at once; None for FMQ_THREADS or the CPUs there are.

    Returns:
        In the square of the units of ``a`` and ``b``.

    Raises:
        WeightsError: an array is empty or not finite, or masses are negative, all zero or of another
            shape.
        SettingError: threads that are no whole number from 1 on.

    Reference:
        Santambrogio, Optimal Transport for Applied Mathematicians, proposition 2.17.

    Examples:
        >>> import fmq_theory
        >>> fmq_theory.w2_squared([0.0, 1.0], [1.0, 0.5])  # sorted points are paired: (0.5^2 + 0^2) / 2
        0.125
    """
    return w2_of_pair(sorted_pair(a, b, a_weights, b_weights, threads=checked_threads(threads)))


def sample_to_codebook_w2_squared(sample: Empirical, codebook: Codebook) -> float:
    """W2**2 between data and the data after quantization: integral of (F^-1 - G^-1)^2; by T1 the distortion.

    Args:
        sample: the data.
        codebook: Q, of any scheme.

    Returns:
        In squared units of the data.

    Reference:
        T1 (docs/theory/t2-two-transport-problems.md).

    Examples:
        >>> from fmq_theory import metrics, sources
        >>> from fmq_theory.codebook import Codebook
        >>> sample, codebook = sources.Empirical([1.0, 2.0, 2.0, 7.0]), Codebook.nearest([1.5, 7.0])
        >>> metrics.sample_to_codebook_w2_squared(sample, codebook), metrics.distortion(codebook, sample)
        (0.1875, 0.1875)
    """
    return w2_of_pair(codebook_pair(sample, codebook))


def w2_of_pair(pair: SortedPair) -> float:
    """The sweep that fits a prepared pair: the distance is the same, the work is not."""
    # The kernels are compiled for float32 before float64 and for the larger sample before the smaller.
    x, y = sorted((pair.x, pair.y), key=lambda sample: (-sample.points.size, sample.points.itemsize))
    if needs_exact_ranks(pair):
        return w2_squared_exact(x, y)
    if x.mass.size > 0 or y.mass.size > 0:
        squared = w2_squared_sorted(x.points, x.mass, y.points, y.mass, pair.scale)
    elif x.points.size == y.points.size:
        squared = w2_squared_equal_sizes(x.points, y.points, pair.scale)
    else:
        squared = w2_squared_unweighted(x.points, y.points, pair.scale)
    # Far points that stay where they are set the unit in which the squares of the others underflow.
    return pair.in_units_of_points(squared) if pair.resolves(squared) else w2_squared_exact(x, y)


def codebook_pair(sample: Empirical, codebook: Codebook) -> SortedPair:
    """The data, and the levels with the mass of the data in each cell; empty cells are left out."""
    data = as_sorted_sample(sample)
    starts = np.concatenate(([0], count_below(data.points, codebook.thresholds, False)))
    sizes = np.diff(starts, append=data.points.size)
    taken = np.flatnonzero(sizes)
    masses = np.add.reduceat(data.mass, starts[taken]) if data.mass.size > 0 else sizes[taken] + 0.0
    return paired(data, SortedSample(codebook.levels[taken], masses))
