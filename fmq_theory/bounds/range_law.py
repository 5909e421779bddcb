"""The law of the smallest and largest of n weights, and of the half-range R = (max - min) / 2.

P(max <= x) = F(x)^n and P(min > x) = sf(x)^n (david2003order, section 2.1). The moments of the extremes are
quadratures (``extreme_nodes``).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gamma

from fmq_theory.bounds.bound import Bound
from fmq_theory.bounds.extreme_nodes import beyond_nodes, joint_nodes, max_nodes, min_nodes, require_draws
from fmq_theory.bounds.memo import remember_for_laws
from fmq_theory.errors import SourceError
from fmq_theory.sources import Gaussian, Source
from fmq_theory.sources.empirical import Empirical

__all__ = [
    "RangeLaw",
    "expected_half_range_squared",
    "half_range_squared_high_rate",
    "range_law",
]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RangeLaw:
    """Moments of the extremes of n weights.

    Attributes:
        expected_min: E[min]; ``-inf`` where infinite.
        expected_max: E[max]; ``inf`` where infinite.
        half_range_squared: E[R^2]; ``inf`` where the variance is infinite, and of data whose square leaves
            float64.
    """

    expected_min: float
    expected_max: float
    half_range_squared: float


@remember_for_laws
def range_law(source: Source, n: float) -> RangeLaw:
    """E[min], E[max] and E[R^2] of n independent weights, R = (max - min)/2.

    Laws are cached; data have one range, their own.

    Args:
        source: the law of one weight, or data.
        n: independent weights: 1, or 2 and more, which need not be whole; ignored for data beyond this check.

    Returns:
        The moments, infinite where the tail makes them so.

    Raises:
        SourceError: fewer than one weight, or between one and two.

    Reference:
        P(max <= x) = F(x)^n: david2003order, section 2.1; theory section 4.
    """
    require_draws(n, 1)
    if isinstance(source, Empirical):
        low, high = source.support
        return RangeLaw(low, high, _half_range_squared(low, high))
    if source.tail.index <= 1:
        return RangeLaw(-math.inf, math.inf, 0.0 if n == 1 else math.inf)  # one weight has no range
    if n == 1:
        return RangeLaw(source.mean(), source.mean(), 0.0)
    centre = float(source.ppf(0.5))
    top, top_weight = max_nodes(source, n)
    bottom, bottom_weight = min_nodes(source, n)
    expected_max = float((top - centre) @ top_weight)
    expected_min = float((bottom - centre) @ bottom_weight)
    if source.tail.index <= 2:
        return RangeLaw(centre + expected_min, centre + expected_max, math.inf)
    squares = float((top - centre) ** 2 @ top_weight + (bottom - centre) ** 2 @ bottom_weight)
    squares += beyond_nodes(source, n, centre)
    if n < 2:
        raise SourceError(f"sample size n = {n!r}", "a range needs two weights", "pass n = 1 or n >= 2")
    high, low, weight = joint_nodes(source, n)
    product = float(((high - centre) * (low - centre) * weight).sum())
    return RangeLaw(centre + expected_min, centre + expected_max, 0.25 * (squares - 2.0 * product))


def _half_range_squared(low: float, high: float) -> float:
    """((high - low) / 2)^2; ``inf`` beyond float64, where Python's power would raise."""
    half = 0.5 * high - 0.5 * low
    return half * half


def expected_half_range_squared(source: Source, n: float) -> float:
    """E[R^2] of n weights; ``inf`` for nu <= 2; the square of the half-range itself for data.

    Args:
        source: the law of one weight, or data.
        n: independent weights: 1, or 2 and more, which need not be whole; ignored for data.

    Returns:
        In squared units of the source.

    Raises:
        SourceError: fewer than one weight, or between one and two.

    Reference:
        theory section 4 (docs/theory/s4-uniform.md).

    Examples:
        n (n - 1) / ((n + 1) (n + 2)) for n weights of the uniform law on [-1, 1]:

        >>> from fmq_theory import bounds, sources
        >>> round(bounds.expected_half_range_squared(sources.Uniform(), 9), 6), round(9 * 8 / (10 * 11), 6)
        (0.654545, 0.654545)
    """
    return range_law(source, n).half_range_squared


def half_range_squared_high_rate(source: Source, n: float) -> Bound:
    """How R^2 grows with n (theory section 4), n many.

    * Gaussian: R^2 ~ 2 sigma^2 ln n.
    * other exponential-type tails: R ~ (isf(1/n) - ppf(1/n)) / 2, for Laplace (sigma / sqrt 2) ln n up to a
      constant.
    * power tails: n times the survival probability of the maximum tends to a unit exponential E, so
      R ~ (C n)^(1/nu) (E_1^(-1/nu) + E_2^(-1/nu)) / 2 with independent E_1, E_2, and
      E[R^2] ~ (C n)^(2/nu) (Gamma(1 - 2/nu) + Gamma(1 - 1/nu)^2) / 2.
    * bounded support: R -> half its length.

    Args:
        source: the law of one weight.
        n: independent weights, n >= 2.

    Returns:
        R^2, or E[R^2] for power tails, in squared units of the source; of no order, as no K is in it.

    Raises:
        SourceError: fewer than two weights.

    Reference:
        Leadbetter, Lindgren and Rootzen 1983, chapter 1; theory section 4 (docs/theory/s4-uniform.md).
    """
    require_draws(n, 2)
    reference = "theory section 4; Leadbetter, Lindgren & Rootzen 1983, ch. 1"
    tail = source.tail
    if tail.kind == "bounded":
        low, high = source.support
        value = _half_range_squared(low, high)
        return Bound(value, "asymptotic", None, ("many weights", "bounded support"), reference)
    if tail.kind == "regular":
        if tail.index <= 2:
            return Bound(math.inf, "asymptotic", None, ("the variance is infinite (nu <= 2)",), reference)
        a = 1.0 / tail.index
        constant = 0.5 * float(gamma(1.0 - 2.0 * a) + gamma(1.0 - a) ** 2)
        value = constant * math.exp(2.0 * a * (tail.log_constant + math.log(n)))
        return Bound(value, "asymptotic", None, ("many weights", "power tails"), reference)
    if isinstance(source, Gaussian):
        value = 2.0 * source.variance() * math.log(n)
        return Bound(value, "asymptotic", None, ("many weights",), reference)
    half = 0.5 * float(source.isf(1.0 / n) - source.ppf(1.0 / n))
    return Bound(
        half * half, "asymptotic", None, ("many weights", "tails lighter than every power"), reference
    )
