"""The law of the smallest and largest of n weights, and of the half-range R = (max - min) / 2.

P(max <= x) = F(x)^n. Write P for the survival probability of the maximum and Q for the probability below the
minimum: P has density n (1-P)^(n-1), and (P, Q) has density n (n-1) (1-P-Q)^(n-2) on P + Q < 1. In these
coordinates all laws share one weight, concentrated at 1/n, and max = isf(P), min = ppf(Q). Heavy tails make
isf(P) ~ (C/P)^(1/nu) singular at 0, so the nodes are Gauss-Legendre in ln P, where that is an exponential.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gamma

from fmq_theory.bounds.bound import Bound
from fmq_theory.bounds.memo import remember_for_laws
from fmq_theory.brief import brief_repr
from fmq_theory.errors import SourceError
from fmq_theory.sources import Gaussian, Source
from fmq_theory.sources.empirical import Empirical

__all__ = [
    "ExtremeNodes",
    "RangeLaw",
    "beyond_nodes",
    "expected_half_range_squared",
    "extreme_nodes",
    "half_range_squared_high_rate",
    "max_cdf",
    "max_nodes",
    "max_quantile",
    "min_cdf",
    "min_nodes",
    "min_quantile",
    "range_law",
]

FloatArray = NDArray[np.float64]

# From this n on P + Q > 1/2 has probability below 1e-17: no node needs the far half of the line, and the
# joint density is smooth where it matters.
_MANY = 64
# Nodes go down to n P = e^-_DEPTH, and on where the tail is so heavy that P isf(P)^2 still counts.
_DEPTH = 38.0
_SMALLEST_LOG = math.log(1e-280)
_NEGLIGIBLE = 1e-22


class ExtremeNodes(NamedTuple):
    """Nodes of a quadrature rule for E[g(min, max)]: the sum of weight * g(low, high); shape ``[m]`` each."""

    low: FloatArray
    high: FloatArray
    weight: FloatArray

    __repr__ = brief_repr


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

    @property
    def expected_half_range(self) -> float:
        """E[R]."""
        return 0.5 * (self.expected_max - self.expected_min)


def max_cdf(source: Source, n: float, x: ArrayLike) -> FloatArray:
    """P(max <= x) = F(x)^n."""
    with np.errstate(divide="ignore"):
        return np.exp(n * np.log1p(-source.sf(x)))


def min_cdf(source: Source, n: float, x: ArrayLike) -> FloatArray:
    """P(min <= x) = 1 - sf(x)^n."""
    with np.errstate(divide="ignore"):
        return -np.expm1(n * np.log1p(-source.cdf(x)))


def max_quantile(source: Source, n: float, q: ArrayLike) -> FloatArray:
    """The x with F(x)^n = q: isf(1 - q^(1/n))."""
    with np.errstate(divide="ignore"):
        return source.isf(-np.expm1(np.log(np.asarray(q, dtype=np.float64)) / n))


def min_quantile(source: Source, n: float, q: ArrayLike) -> FloatArray:
    """The x with 1 - sf(x)^n = q: ppf(1 - (1-q)^(1/n))."""
    with np.errstate(divide="ignore"):
        return source.ppf(-np.expm1(np.log1p(-np.asarray(q, dtype=np.float64)) / n))


def _graded_rule(source: Source, n: float) -> tuple[FloatArray, FloatArray]:
    """Nodes u in (0, 1) and weights of integral f(u) du for f smooth in ln u.

    Panels are short near u = 1, the median, where a density may have a kink, a pole or a zero. They are at
    most 2 long (3 where a full product of nodes is needed) down to n u = e^-38; below that only a power of u
    is left.
    """
    depth, fine = _depth(source, n), math.log(n) + _DEPTH
    edges, step, longest = (
        [0.0, 1e-5, 1e-4, 1e-3, 0.01, 0.04, 0.12, 0.4, 1.0],
        1.0,
        2.0 if n >= _MANY else 3.0,
    )
    while edges[-1] < depth:
        step = min(longest, step + 0.25) if edges[-1] < fine else 1.4 * step
        edges.append(min(edges[-1] + step, depth))
    x, w = np.polynomial.legendre.leggauss(12 if n >= _MANY else 10)
    edge = -np.array(edges)
    half = 0.5 * (edge[:-1] - edge[1:])[:, None]
    log_u = (0.5 * (edge[:-1] + edge[1:])[:, None] + half * x).ravel()
    u = np.exp(log_u)
    return u, u * (half * w).ravel()


def _depth(source: Source, n: float) -> float:
    """How far down ln P must go: until P isf(P)^2 no longer counts, P isf(P)^2 ~ P^(1 - 2/nu)."""
    tail = source.tail
    slope = 1.0 if tail.kind != "regular" else max(1.0 - 2.0 / tail.index, 1e-3)
    return min(math.log(n) + _DEPTH / slope, -_SMALLEST_LOG)


def _require_draws(n: float, least: int) -> None:
    if not n >= least:
        raise SourceError(f"sample size n = {n!r}", f"at least {least} needed", f"pass n >= {least}")


def _extreme_probability(source: Source, n: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Nodes p in (0, 1), their complements 1 - p, and weights of the density n (1-p)^(n-1)."""
    u, du = _graded_rule(source, n)
    p, rest, weight = 0.5 * u, 1.0 - 0.5 * u, 0.5 * du
    if n < _MANY:  # the upper half, graded towards p = 1
        p, rest = np.concatenate([p, rest]), np.concatenate([rest, p])
        weight = np.concatenate([weight, weight])
    # p may be far below the spacing of 1 - p, and 1 - p far below that of p.
    log_rest = np.where(p < 0.5, np.log1p(-np.minimum(p, 0.5)), np.log(rest))
    weight = weight * n * np.exp((n - 1.0) * log_rest)
    keep = weight > 1e-300  # exp has underflowed
    return p[keep], rest[keep], weight[keep]


def max_nodes(source: Source, n: float) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights of E[g(max)], shape ``[m]`` each; a law of finite mean."""
    _require_draws(n, 1)
    p, rest, weight = _extreme_probability(source, n)
    return np.where(p <= 0.5, source.isf(p), source.ppf(rest)), weight


def min_nodes(source: Source, n: float) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights of E[g(min)], shape ``[m]`` each; a law of finite mean."""
    _require_draws(n, 1)
    q, rest, weight = _extreme_probability(source, n)
    return np.where(q <= 0.5, source.ppf(q), source.isf(rest)), weight


def extreme_nodes(source: Source, n: float) -> ExtremeNodes:
    """Quadrature nodes for the joint law of (min, max) of n >= 2 weights.

    Data have one node: their own range.

    Raises:
        SourceError: fewer than two weights.
    """
    _require_draws(n, 2)
    if isinstance(source, Empirical):
        low, high = source.support
        return ExtremeNodes(np.array([low]), np.array([high]), np.array([1.0]))
    high, low, weight = _joint_nodes(source, n)
    keep = weight > _NEGLIGIBLE * weight.max()
    if source.tail.kind == "regular":  # far nodes of tiny weight carry the moments
        reach = (high - low) ** 2 * weight
        keep |= reach > _NEGLIGIBLE * reach.max()
    return ExtremeNodes(low[keep], high[keep], weight[keep])


def _joint_nodes(source: Source, n: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """max, min and weight, all of one shape."""
    if n >= _MANY:
        u, du = _graded_rule(source, n)
        p, dp = 0.5 * u, 0.5 * du
        keep = (n - 2.0) * p < 700.0
        p, dp = p[keep], dp[keep]
        log_density = (n - 2.0) * np.log1p(-(p[:, None] + p[None, :]))
        weight = n * (n - 1.0) * np.exp(log_density) * dp[:, None] * dp[None, :]
        high, low = np.broadcast_arrays(source.isf(p)[:, None], source.ppf(p)[None, :])
        return high, low, weight
    return _few_draws(source, n)


def _few_draws(source: Source, n: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """For small n the median matters, where the quantile function may have a kink: panels end there.

    Given the maximum the other n - 1 weights are independent below it, so Q = (1-P) V with V the minimum of
    n - 1 uniforms: density (n-1)(1-V)^(n-2). V is split at Q = 1/2.
    """
    p, rest, weight = _extreme_probability(source, n)
    high = np.where(p <= 0.5, source.isf(p), source.ppf(rest))
    u, du = _graded_rule(source, n)
    useful = u > 1e-60  # the square of a heavy-tailed minimum is completed by partial moments
    u, du = u[useful], du[useful]
    split = np.minimum(0.5 / rest, 1.0)[:, None]
    v_low, v_high = split * u, (1.0 - split) * u  # V and 1 - V on the two sides of the split
    v = np.concatenate([v_low, 1.0 - v_high], axis=1)
    one_minus_v = np.concatenate([1.0 - v_low, v_high], axis=1)
    dv = np.concatenate([split * du, (1.0 - split) * du], axis=1)
    joint = weight[:, None] * (n - 1.0) * one_minus_v ** (n - 2.0) * dv
    q = rest[:, None] * v
    above = p[:, None] + rest[:, None] * one_minus_v  # 1 - q without cancellation
    lower = q <= 0.5
    low = np.empty(q.shape)
    low[lower], low[~lower] = source.ppf(q[lower]), source.isf(above[~lower])
    high = np.broadcast_to(high[:, None], low.shape)
    return high, np.minimum(low, high), joint  # rounding must not put the minimum above the maximum


@remember_for_laws
def range_law(source: Source, n: float) -> RangeLaw:
    """Moments of the extremes of n weights; laws are cached, data have their own range.

    Raises:
        SourceError: fewer than one weight, or between one and two.
    """
    _require_draws(n, 1)
    if isinstance(source, Empirical):
        low, high = source.support
        return RangeLaw(low, high, _half_range_squared(low, high))
    if source.tail.index <= 1:
        return RangeLaw(-math.inf, math.inf, math.inf)
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
    high, low, weight = _joint_nodes(source, n)
    product = float(((high - centre) * (low - centre) * weight).sum())
    return RangeLaw(centre + expected_min, centre + expected_max, 0.25 * (squares - 2.0 * product))


def _half_range_squared(low: float, high: float) -> float:
    """((high - low) / 2)^2; ``inf`` beyond float64, where Python's power would raise."""
    half = 0.5 * high - 0.5 * low
    return half * half


def beyond_nodes(source: Source, n: float, centre: float) -> float:
    """What E[(max - c)^2] + E[(min - c)^2] gain below the last node, where n (1-P)^(n-1) = n: exact."""
    if source.tail.kind != "regular":
        return 0.0
    last = 0.5 * math.exp(-_depth(source, n))
    above = source.partial_moments(source.isf(last), math.inf, about=centre).second
    below = source.partial_moments(-math.inf, source.ppf(last), about=centre).second
    return n * float(above + below)


def expected_half_range_squared(source: Source, n: float) -> float:
    """E[R^2] of n weights; ``inf`` for nu <= 2; the square of the half-range itself for data.

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
    """
    _require_draws(n, 2)
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
