"""Quadrature for Beta laws, which are the laws of order statistics and spacings of n uniform weights.

U_(i) has the law Beta(i, n + 1 - i); given it, (U_(i+m+1) - U_(i)) / (1 - U_(i)) has the law Beta(m + 1, n -
i - m). Away from the ends these laws are narrow and Gauss-Jacobi rules of a few nodes are exact to rounding
for smooth integrands. Near the ends a quantile function is singular (a power of u for heavy tails), and a
trapezoidal rule in ln(u / (1 - u)) converges exponentially whatever the power.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["BetaRule", "gauss_rule", "graded_rule"]

FloatArray = NDArray[np.float64]

# What is left out at either end of a graded rule is exp(-_REACH) of the integrand.
_REACH = 34.0
# An integrand that falls more slowly towards an end (nu below 2.2) is cut: it would take thousands of nodes.
_LEAST_DECAY = 0.1
_STEP = 0.7  # in standard deviations of the logit; the rule's error is about exp(-2 pi^2 / step^2)
_LONGEST_STEP = 0.28  # e^-e^y, the density near an end, is small only up to a distance pi / 2 from the line


class BetaRule(NamedTuple):
    """Nodes of E g(U), U of a Beta law: the sum of ``weight * g(node)``; all of one shape.

    Attributes:
        node: u in (0, 1).
        rest: 1 - u, without its cancellation.
        weight: adds up to 1 along the last axis.
    """

    node: FloatArray
    rest: FloatArray
    weight: FloatArray


def gauss_rule(p: ArrayLike, q: ArrayLike, order: int) -> BetaRule:
    """Gauss-Jacobi rules of Beta(p, q) laws: exact for polynomials of degree 2 * order - 1.

    Args:
        p: first parameters, positive, shape ``[c]``.
        q: second parameters, positive, shape ``[c]``.
        order: nodes a rule.

    Returns:
        Arrays of shape ``[c, order]``.

    Reference:
        Golub and Welsch 1969: nodes are eigenvalues of the Jacobi matrix, weights the squared first
        components of its eigenvectors.
    """
    a, b = np.asarray(q, dtype=np.float64) - 1.0, np.asarray(p, dtype=np.float64) - 1.0
    matrix = np.zeros((a.size, order, order))
    k = np.arange(order, dtype=np.float64)[:, None]
    total = a + b
    with np.errstate(all="ignore"):
        diagonal = (b - a) * total / ((2.0 * k + total) * (2.0 * k + total + 2.0))
        squares = 4.0 * k * (k + a) * (k + b) * (k + total)
        squares /= (2.0 * k + total) ** 2 * (2.0 * k + total + 1.0) * (2.0 * k + total - 1.0)
    diagonal[0] = (b - a) / (total + 2.0)
    if order > 1:
        squares[1] = 4.0 * (1.0 + a) * (1.0 + b) / ((2.0 + total) ** 2 * (3.0 + total))
    index = np.arange(order)
    matrix[:, index, index] = 0.5 * (1.0 + diagonal).T
    matrix[:, index[1:], index[:-1]] = 0.5 * np.sqrt(squares[1:]).T
    nodes, vectors = np.linalg.eigh(matrix)
    weight = vectors[:, 0, :] ** 2
    return BetaRule(nodes, 1.0 - nodes, weight / weight.sum(axis=1, keepdims=True))


def graded_rule(p: float, q: float, *, power: float = 0.0, coarse: float = 1.0) -> BetaRule:
    """Trapezoidal rule in y = ln(u / (1 - u)), where Beta(p, q) has density e^(p y) / (1 + e^y)^(p + q).

    Args:
        p: first parameter, above ``power``.
        q: second parameter, above ``power``.
        power: the integrand may grow like u^-power and (1 - u)^-power at the ends.
        coarse: factor on the step, by which the ends are cut earlier too: above 1 for fewer nodes and digits.

    Returns:
        Arrays of shape ``[m]``.
    """
    low = -_distance(max(p - power, _LEAST_DECAY), q + power, p, q, _REACH / coarse)
    high = _distance(max(q - power, _LEAST_DECAY), p + power, q, p, _REACH / coarse)
    spread = math.sqrt((p + q) / (p * q))
    step = coarse * min(_STEP * spread, _LONGEST_STEP)
    y = math.log(p / q) + np.arange(math.floor(low / step), math.ceil(high / step) + 1) * step
    log_node, log_rest = -np.logaddexp(0.0, -y), -np.logaddexp(0.0, y)
    log_weight = p * log_node + q * log_rest
    weight = np.exp(log_weight - log_weight.max())
    return BetaRule(np.exp(log_node), np.exp(log_rest), weight / weight.sum())


def _distance(decay: float, growth: float, p: float, q: float, reach: float) -> float:
    """How far below ln(p / q) the function e^(decay y) / (1 + e^y)^(decay + growth) falls by e^-reach."""
    start, stop = 0.0, 1.0

    def drop(distance: float) -> float:
        # of ln of the function, its mode being near that of the density
        return decay * distance + (decay + growth) * math.log((q + p * math.exp(-distance)) / (p + q))

    while drop(stop) < reach and stop < 600.0 / max(p, 1.0) + 600.0:
        start, stop = stop, 2.0 * stop
    for _ in range(12):
        middle = 0.5 * (start + stop)
        start, stop = (middle, stop) if drop(middle) < reach else (start, middle)
    return stop
