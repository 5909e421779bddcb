"""The half-range that half of the layers of n weights exceed.

Given the maximum x the other n - 1 weights are independent below it, so the range is at most s iff all of
them lie in [x - s, x]:

    P(max - min <= s) = E ((F(x) - F(x - s)) / F(x))^(n - 1),  x the maximum.

On heavy tails the mean of R^2 is that of a few layers, and the median layer lies well below it. What is
measured on a typical layer has to be compared with the median.
"""

import math

import numpy as np

from fmq_theory.bounds.bennett import panter_dite_constant
from fmq_theory.bounds.extreme_nodes import max_nodes
from fmq_theory.bounds.memo import remember_for_laws
from fmq_theory.errors import SourceError
from fmq_theory.sources import Source
from fmq_theory.sources.empirical import Empirical

__all__ = ["median_half_range", "sample_size_of_median"]

_LARGEST_N = 1e9


@remember_for_laws
def median_half_range(source: Source, n: float) -> float:
    """The r with P((max - min)/2 <= r) = 1/2 for n weights, by quadrature over the maximum and bisection.

    To some ten digits on unbounded support; to 5 in 10^4 on a bounded one, where the integrand has a kink.

    Args:
        source: the law; data have their own half-range.
        n: how many weights, 2 or more.

    Raises:
        SourceError: fewer than two weights.

    Examples:
        For the uniform law on [-1, 1] the half-range is Beta(n - 1, 2); n = 3 has P(R <= r) = 3r^2 - 2r^3:

        >>> from fmq_theory import bounds, sources
        >>> round(bounds.median_half_range(sources.Uniform(), 3), 6)
        0.5
    """
    if n < 2:
        raise SourceError(f"range of n = {n!r} weights", "it needs two", "pass n >= 2")
    if isinstance(source, Empirical):
        low, high = source.support
        return 0.5 * high - 0.5 * low
    top, weight = max_nodes(source, n)
    below = source.cdf(top)
    top, weight, below = top[below > 0], weight[below > 0], below[below > 0]

    def at_most(reach: float) -> float:
        share = np.clip((below - source.cdf(top - reach)) / below, 0.0, 1.0)
        return float(share ** (n - 1.0) @ weight)

    low, high = 0.0, 1.0
    while at_most(high) < 0.5:
        low, high = high, 2.0 * high
    while high - low > 1e-12 * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if at_most(middle) < 0.5 else (low, middle)
    return 0.25 * (low + high)


def sample_size_of_median(source: Source, ratio: float) -> float:
    """The n at which C_PD/R^2 of the median half-range R is ``ratio``: that of P4's bound over P3's.

    Args:
        source: the law; the ratio has no unit, so its scale does not matter.
        ratio: above 0.

    Returns:
        ``inf`` where the ratio is larger up to n = 10^9; 2 where it is smaller already there.

    Examples:
        >>> from fmq_theory import bounds, sources
        >>> [round(bounds.sample_size_of_median(sources.Gaussian(), r)) for r in (0.40, 0.25)]
        [142, 1325]
    """

    def above(log_n: float) -> bool:
        return panter_dite_constant(source) / median_half_range(source, math.exp(log_n)) ** 2 > ratio

    low, high = math.log(2.0), math.log(_LARGEST_N)
    if not above(low):
        return 2.0
    if above(high):
        return math.inf
    while high - low > 1e-9:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if above(middle) else (low, middle)
    return math.exp(0.5 * (low + high))
