"""How many levels an end of a law is worth: the second order of the optimum's error.

Near an end of the support let Y be the integral of f^(1/3) from x to the end, as a new variable, and G =
f^(1/3). Where G = Y^q (up to a factor), the optimal cells are scale-free: q = 1 is an exponential tail, q =
(nu + 1)/(nu - 2) a power tail f ~ x^-(nu + 1), q = a/(a + 3) a bounded end with f ~ y^a, q = 0 one with a
jump. The j-th threshold from the end lies at Y_j ~ s (j + kappa(q)), so the end is worth kappa levels more:

    D_LM(K) ~ C_PD / (K + sum of kappa over the ends)^2 = (C_PD / K^2) (1 - 2 (sum of kappa) / K + ...).

The cells next to an end have an error of the order of K^-3 each, whatever the tail, so the correction is of
order 1/K for power tails as for exponential ones; only its constant differs.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from fmq_theory.errors import SourceError

__all__ = ["end_shift", "exponential_half_widths"]

_CELLS = 64
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)


def exponential_half_widths(count: int) -> list[float]:
    """a_1 ... a_count of exp(-x) on [0, inf): half of the cell from the n-th threshold inward.

    a_1 = 1, and a_(n+1) = w - a_n with w - 1 + w / (e^w - 1) = a_n. The least mean squared error of n
    levels is a_n^2 exactly, so D_LM(K) = scale^2 a_(K/2)^2 for the Laplace law and even K; 3 / (2 a_n) - n
    -> kappa(1).

    Args:
        count: how many, at least 1.

    Reference:
        Sullivan 1996, "Efficient scalar quantization of exponential and Laplacian random variables".

    Examples:
        Two levels; by hand 1 + W(-2 e^-2), W Lambert's function:

        >>> from fmq_theory import bounds
        >>> [round(a, 6) for a in bounds.exponential_half_widths(2)]
        [1.0, 0.593624]
    """
    found = [1.0]
    while len(found) < count:
        before = found[-1]
        found.append(
            _root(lambda w, a=before: w - 1.0 + w / math.expm1(w) - a, before, 4.0 * before) - before
        )
    return found


@lru_cache(maxsize=4096)
def end_shift(exponent: float) -> float:
    """kappa(q): how many levels an end with G = Y^q is worth.

    The cells are computed one by one from the end inward, each in units in which it starts at Y = 1: its
    level is its mean, the next threshold as far beyond. With the half-width a_j, 1 / (2 a_j) - j tends to
    kappa like 1/j; its first value is q/2, and two later ones give the limit.

    Args:
        exponent: q > -1/2. Below 0 f has a pole, at which a level lies; kappa is then for one side of it.
            The result has six digits up to q = 1, four up to q = 4, fewer beyond.

    Raises:
        SourceError: q is -1/2 or less (no law has such a pole), or not finite.

    Examples:
        A jump, an exponential tail, a power tail of index 4:

        >>> from fmq_theory import bounds
        >>> [round(abs(bounds.end_shift(q)), 3) for q in (0.0, 1.0, 2.5)]
        [0.0, 0.566, 1.449]
    """
    if not -0.5 < exponent < math.inf:
        raise SourceError(
            f"end with exponent {exponent!r}", "it must lie above -1/2 and be finite", "pass that of f^(1/3)"
        )
    pole = exponent < 0.0
    half, values = 1.0 / (1.0 - exponent if pole else exponent + 2.0), list[float]()
    for j in range(1, _CELLS + 1):
        values.append(0.5 / half - j + 0.5 * pole)
        stop = _root(lambda z, a=half: _mean_distance(exponent, z) - a, 1.0, 1.0 + 2.0 * half)
        half = (float(_distance(exponent, np.array([stop]))[0]) - half) * stop ** (exponent - 1.0)
    return 2.0 * values[-1] - values[_CELLS // 2 - 1]


def _distance(exponent: float, place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integral of Y^-q from 1 to ``place``: how far inward x is."""
    log = np.log(place)
    power = (1.0 - exponent) * log
    return log * np.where(np.abs(power) < 1e-12, 1.0, np.expm1(power) / np.where(power == 0.0, 1.0, power))


def _mean_distance(exponent: float, stop: float) -> float:
    """Of the cell from Y = 1 to ``stop``, whose mass has the density Y^(2q) there."""
    place = 1.0 + 0.5 * (stop - 1.0) * (1.0 + _NODES)
    mass = _WEIGHTS * place ** (2.0 * exponent)
    return float((mass * _distance(exponent, place)).sum() / mass.sum())


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """The root of a function that is negative at ``low`` and increases without bound."""
    start = math.nextafter(low, math.inf)
    while function(high) < 0.0:
        high = low + 2.0 * (high - low)
    return float(brentq(function, start, high, xtol=1e-15, rtol=1e-14))
