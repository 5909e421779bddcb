"""Quadrature over the smallest and largest of n weights: nodes and weights of E[g(min, max)].

Write P for the survival probability of the maximum and Q for the probability below the minimum: P has density
n (1-P)^(n-1), and (P, Q) has density n (n-1) (1-P-Q)^(n-2) on P + Q < 1. In these coordinates all laws share
one weight, concentrated at 1/n, and max = isf(P), min = ppf(Q). Heavy tails make isf(P) ~ (C/P)^(1/nu)
singular at 0, so the nodes are Gauss-Legendre in ln P, where that is an exponential.
"""

import math

import numpy as np
from numpy.typing import NDArray

from fmq_theory.errors import SourceError
from fmq_theory.sources import Source

__all__ = [
    "beyond_nodes",
    "joint_nodes",
    "max_nodes",
    "min_nodes",
    "require_draws",
]

FloatArray = NDArray[np.float64]

# From this n on P + Q > 1/2 has probability below 1e-17: no node needs the far half of the line, and the
# joint density is smooth where it matters.
_MANY = 64
# Nodes go down to n P = e^-_DEPTH, and on where the tail is so heavy that P isf(P)^2 still counts.
_DEPTH = 38.0
# An integrand e^-28 of its greatest value adds less than 1e-12 of the integral.
_NEGLIGIBLE = 28.0
_SMALLEST_LOG = math.log(1e-280)


def _graded_rule(source: Source, n: float) -> tuple[FloatArray, FloatArray]:
    """Nodes u in (0, 1) and weights of integral f(u) du for f smooth in ln u.

    Panels are short near u = 1, the median, where a density may have a kink, a pole or a zero. They are at
    most 2 long (3 where a full product of nodes is needed) down to n u = e^-38; below that only a power of u
    is left where the tail is one.
    """
    depth = _depth(source, n)
    fine = math.log(n) + _DEPTH if source.tail.kind == "regular" else depth
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
    """How far down ln P must go: until P isf(P)^2 no longer counts.

    In ln P that is the integrand of E[max^2]. On power tails it falls like P^(1 - 2/nu). On a tail of
    exp(-x^beta) it is P (ln 1/P)^(2/beta), greatest where ln 1/P = 2/beta: far down for small beta.
    """
    tail, start = source.tail, math.log(n)
    if tail.kind == "regular":
        return min(start + _DEPTH / max(1.0 - 2.0 / tail.index, 1e-3), -_SMALLEST_LOG)
    logs = np.arange(start, -_SMALLEST_LOG, 1.0)
    p, centre = 0.5 * np.exp(-logs), float(source.ppf(0.5))
    far = np.maximum(np.abs(source.isf(p) - centre), np.abs(source.ppf(p) - centre))
    with np.errstate(divide="ignore"):
        integrand = 2.0 * np.log(far) - logs
    counts = logs[integrand > integrand.max() - _NEGLIGIBLE]
    return min(max(start + _DEPTH, float(counts[-1]) + 1.0), -_SMALLEST_LOG)


def require_draws(n: float, least: int) -> None:
    """Refuses a sample that is too small.

    Args:
        n: weights a sample.
        least: how many the quantity needs.

    Raises:
        SourceError: ``n`` is below ``least``, or nan.
    """
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
    """Quadrature of E[g(max)] over n independent weights: the sum of weight_i g(node_i).

    Args:
        source: a law of finite mean.
        n: independent weights, n >= 1; it need not be whole.

    Returns:
        The nodes in the source's units and their weights, shape ``[m]`` each.

    Raises:
        SourceError: fewer than one weight.
    """
    require_draws(n, 1)
    p, rest, weight = _extreme_probability(source, n)
    return np.where(p <= 0.5, source.isf(p), source.ppf(rest)), weight


def min_nodes(source: Source, n: float) -> tuple[FloatArray, FloatArray]:
    """Quadrature of E[g(min)] over n independent weights: the sum of weight_i g(node_i).

    Args:
        source: a law of finite mean.
        n: independent weights, n >= 1; it need not be whole.

    Returns:
        The nodes in the source's units and their weights, shape ``[m]`` each.

    Raises:
        SourceError: fewer than one weight.
    """
    require_draws(n, 1)
    q, rest, weight = _extreme_probability(source, n)
    return np.where(q <= 0.5, source.ppf(q), source.isf(rest)), weight


def joint_nodes(source: Source, n: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Nodes of E[g(min, max)] over n independent weights.

    Args:
        source: a law of finite mean.
        n: independent weights, n >= 2.

    Returns:
        Maxima and minima in the source's units, and weights, all of one shape.
    """
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


def beyond_nodes(source: Source, n: float, centre: float) -> float:
    """What E[(max - c)^2] + E[(min - c)^2] gain below the last node, where n (1-P)^(n-1) = n: exact.

    Args:
        source: a law of finite variance.
        n: independent weights, n >= 1.
        centre: c, in the source's units.

    Returns:
        In squared units of the source; 0 where the nodes reach so far that nothing is left.
    """
    if source.tail.kind != "regular":
        return 0.0  # their nodes go on until nothing counts
    last = 0.5 * math.exp(-_depth(source, n))
    above = source.partial_moments(source.isf(last), math.inf, about=centre).second
    below = source.partial_moments(-math.inf, source.ppf(last), about=centre).second
    return n * float(above + below)
