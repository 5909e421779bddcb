"""The constants of equal-mass cells: v_j, S_N, S_inf (exponential tails) and S_nu (power tails).

For a standard exponential law cut into N equal-mass cells the j-th cell from the top has second
moment v_j / N about its mean, v_0 = 1 and v_j = 1 - j(j+1) ln^2(1 + 1/j). Then D = S_N / N with
S_N = v_0 + ... + v_(N-1). For sf = x^-nu the j-th cell has N^(2/nu - 1) Var(U^(-1/nu)), U uniform on (j,
j+1).
"""

import functools
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import zeta

from fmq_theory.errors import SourceError

__all__ = ["S_INFINITY", "equal_mass_sum", "equal_mass_terms", "regular_tail_sum", "regular_tail_terms"]

# Below: terms one by one; from here on: the tail of the series, which is exact to rounding.
_DIRECT = 1000
_REGULAR_DIRECT = 16
_REGULAR_POWERS = 24  # terms of the expansion about a cell's middle; the ratio of two is below 1 / 33


def equal_mass_terms(j: ArrayLike) -> NDArray[np.float64]:
    """v_0 = 1 and v_j = 1 - j(j+1) ln^2(1 + 1/j) for j >= 1, to full relative accuracy.

    With t = atanh(1/(2j+1)) one has ln(1 + 1/j) = 2t and j(j+1) = 1 / (4 sinh^2 t), so
    v_j = 1 - (t / sinh t)^2 = (sinh t - t)(sinh t + t) / sinh^2 t; the first factor is summed as a
    power series (t <= 0.55 for j >= 1), so that nothing cancels. v_j ~ 1 / (12 j^2).

    Args:
        j: cells counted from the outermost, whole numbers >= 0, of any shape.

    Returns:
        v_j without unit, of the shape of ``j``.

    Raises:
        SourceError: a negative index.

    Reference:
        T5a (docs/theory/t5-equal-mass-rates.md).
    """
    index = np.asarray(j, dtype=np.float64)
    if (index < 0).any():
        raise SourceError("cell index j", "cells are counted from the outermost, j = 0", "pass j >= 0")
    inside = np.maximum(index, 1.0)
    t = np.arctanh(1.0 / (2.0 * inside + 1.0))
    square = t * t
    # sinh t - t = t^3/3! (1 + t^2/(4*5) (1 + t^2/(6*7) (1 + ...)))
    series = np.ones_like(t)
    for k in range(16, 2, -2):
        series = 1.0 + square / (k * (k + 1.0)) * series
    excess = t * square / 6.0 * series
    sinh_t = t + excess
    return np.where(index == 0, 1.0, excess * (sinh_t + t) / (sinh_t * sinh_t))


def _terms_tail(start: int) -> float:
    """Sum of v_j over j >= start, for start >= ``_DIRECT``.

    asinh^2(x)/x^2 at x^2 = 1/(4j(j+1)) gives v_j = sum_{k>=2} (-1)^k 2 / (k^2 C(2k, k)) (j(j+1))^(1-k).
    The first sum telescopes to 1/start; with m = j + 1/2, (j(j+1))^-2 = m^-4 (1 - 1/(4 m^2))^-2.
    """
    middle = start + 0.5
    second = zeta(4.0, middle) + 0.5 * zeta(6.0, middle)
    third = zeta(6.0, middle)
    return math.fsum((1.0 / (12.0 * start), -second / 90.0, third / 560.0))


@functools.cache
def _partial_sums() -> NDArray[np.float64]:
    terms = equal_mass_terms(np.arange(_DIRECT)).tolist()
    sums = np.array([math.fsum(terms[:count]) for count in range(_DIRECT + 1)])
    sums.setflags(write=False)
    return sums


def equal_mass_sum(count: int) -> float:
    """S_N = sum of v_j for 0 <= j < N; S_inf = 1.0803270...

    Args:
        count: N >= 0.

    Raises:
        SourceError: N is negative.

    Reference:
        T5a (docs/theory/t5-equal-mass-rates.md).

    Examples:
        v_0 = 1 and v_1 = 1 - 2 ln(2)^2; all together 1.0803:

        >>> import math
        >>> from fmq_theory import bounds
        >>> round(bounds.equal_mass_sum(2), 6) == round(2 - 2 * math.log(2) ** 2, 6)
        True
        >>> round(bounds.equal_mass_sum(10**6), 4), round(bounds.S_INFINITY, 4)
        (1.0803, 1.0803)
    """
    if count < 0:
        raise SourceError(f"S_N with N = {count}", "a sum cannot have fewer than no terms", "pass N >= 0")
    if count <= _DIRECT:
        return float(_partial_sums()[count])
    return S_INFINITY - _terms_tail(count)


def _s_infinity() -> float:
    terms = equal_mass_terms(np.arange(_DIRECT)).tolist()
    return math.fsum([*terms, _terms_tail(_DIRECT)])


S_INFINITY: float = _s_infinity()
"""S_inf, to 1e-15."""


def _binomials(a: float, count: int) -> list[float]:
    """Coefficients c_0 .. c_(count-1) of (1 + x)^(-a)."""
    coefficients = [1.0]
    for p in range(1, count):
        coefficients.append(coefficients[-1] * (-a - p + 1.0) / p)
    return coefficients


def _centred_moment(power: int) -> float:
    """E[d^power] for d uniform on (-1/2, 1/2)."""
    return 0.0 if power % 2 else 0.5**power / (power + 1.0)


def _variance_expansion(a: float) -> list[tuple[int, float]]:
    """(r, C_r): Var U^-a on (j, j+1) = sum C_r m^(-2a-r), m = j + 1/2, r = 2, 4, ..."""
    c = _binomials(a, _REGULAR_POWERS)
    pairs: list[tuple[int, float]] = []
    for r in range(2, _REGULAR_POWERS, 2):
        total = math.fsum(
            c[p] * c[r - p] * (_centred_moment(r) - _centred_moment(p) * _centred_moment(r - p))
            for p in range(1, r)
        )
        pairs.append((r, total))
    return pairs


def regular_tail_terms(nu: float, j: ArrayLike) -> NDArray[np.float64]:
    """Var(U^(-1/nu)) for U uniform on (j, j+1), the variance of cell j of a power tail in its own units.

    Args:
        nu: index of the tail, positive.
        j: cells counted from the outermost, whole numbers >= 0, of any shape.

    Returns:
        Without unit, of the shape of ``j``; ``inf`` for j = 0 and nu <= 2.

    Reference:
        T5d (docs/theory/t5-equal-mass-rates.md).
    """
    index = np.asarray(j, dtype=np.float64)
    a = 1.0 / nu
    first = a * a / ((1.0 - 2.0 * a) * (1.0 - a) ** 2) if nu > 2 else math.inf
    # j >= 1: no singularity within a cell's length of its middle, so 32 points are exact to rounding.
    nodes, weights = np.polynomial.legendre.leggauss(32)
    middle = np.maximum(index, 1.0)[..., None] + 0.5
    # U^-a = m^-a (1 + d/m)^-a; expm1 keeps the small part without the 1.
    deviation = np.expm1(-a * np.log1p(0.5 * nodes / middle))
    mean = (deviation * weights).sum(axis=-1, keepdims=True) / 2.0
    variance = ((deviation - mean) ** 2 * weights).sum(axis=-1) / 2.0
    return np.where(index == 0, first, variance * middle[..., 0] ** (-2.0 * a))


def regular_tail_sum(nu: float) -> float:
    """S_nu = sum over j >= 0 of Var(U^(-1/nu) | j < U < j+1) (T5d); ``inf`` for nu <= 2.

    nu^2 S_nu -> S_inf as nu -> inf. Sixteen terms directly, the rest by Hurwitz zeta functions of the
    expansion about the cells' middles.

    Args:
        nu: index of the tail, positive.

    Returns:
        S_nu, without unit.

    Reference:
        T5d (docs/theory/t5-equal-mass-rates.md).
    """
    if nu <= 2:
        return math.inf
    direct = regular_tail_terms(nu, np.arange(_REGULAR_DIRECT)).tolist()
    middle = _REGULAR_DIRECT + 0.5
    a = 1.0 / nu
    rest = [coefficient * float(zeta(2.0 * a + r, middle)) for r, coefficient in _variance_expansion(a)]
    return math.fsum([*direct, *rest])
