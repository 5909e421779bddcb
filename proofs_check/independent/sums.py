"""The sums S_N, S_inf and S_nu by their definitions."""

from fractions import Fraction
from functools import lru_cache

import mpmath as mp

__all__ = ["sum_of_cells"]

_START, _FAR, _ORDER = 400, 36, 30


@lru_cache(maxsize=8)
def sum_of_cells(nu: Fraction | None, count: int | None) -> mp.mpf:
    """The first ``count`` cells of the exponential tail; all, for a tail index nu or None.

    A cell's value is v_j = E2 - E1^2 with E1, E2 the means of x^-a and x^-2a over [j, j + 1]; a = 1/nu. For
    the exponential tail it is 1 - j (j + 1) ln(1 + 1/j)^2.
    """
    a = mp.mpf(0) if nu is None else mp.mpf(nu.denominator) / nu.numerator

    def term(j: mp.mpf) -> mp.mpf:
        if a == 0:
            return 1 - j * (j + 1) * mp.log1p(1 / j) ** 2 if j else mp.mpf(1)
        one = ((j + 1) ** (1 - a) - j ** (1 - a)) / (1 - a)
        return ((j + 1) ** (1 - 2 * a) - j ** (1 - 2 * a)) / (1 - 2 * a) - one * one

    if count is not None:
        return mp.fsum(term(mp.mpf(j)) for j in range(count))
    # Euler-Maclaurin from N; beyond U the term is leading (u + 1/2)^(-2-2a) up to a factor 1 + O(u^-2).
    start, far, leading = mp.mpf(_START), mp.mpf(10) ** _FAR, (a * a if a else 1) / mp.mpf(12)
    total = mp.fsum(term(mp.mpf(j)) for j in range(_START)) + term(start) / 2
    grid = mp.linspace(mp.log(start), mp.log(far), _FAR + 2)
    total += mp.quad(lambda u: term(mp.exp(u)) * mp.exp(u), grid, method="gauss-legendre", maxdegree=5)
    total += leading * (far + mp.mpf(1) / 2) ** (-1 - 2 * a) / (1 + 2 * a)
    slopes = _taylor(a, start)
    return total - mp.fsum(mp.bernoulli(2 * k) / (2 * k) * slopes[2 * k - 1] for k in range(1, _ORDER // 2))


def _taylor(a: mp.mpf, x: mp.mpf) -> list[mp.mpf]:
    """Coefficients of the term around x, by products of those of powers and logarithms."""
    if a == 0:
        log = [p - q for p, q in zip(_logarithm(x + 1), _logarithm(x), strict=True)]
        weight = [x * (x + 1), 2 * x + 1, mp.mpf(1)] + [mp.mpf(0)] * (_ORDER - 3)
        return [-c for c in _product(weight, _product(log, log))]  # the constant 1 is no slope
    one, two = (
        [(p - q) / s for p, q in zip(_power(x + 1, s), _power(x, s), strict=True)] for s in (1 - a, 1 - 2 * a)
    )
    return [p - q for p, q in zip(two, _product(one, one), strict=True)]


def _power(x: mp.mpf, s: mp.mpf) -> list[mp.mpf]:
    return [mp.binomial(s, k) * x ** (s - k) for k in range(_ORDER)]


def _logarithm(x: mp.mpf) -> list[mp.mpf]:
    return [mp.log(x), *((-1) ** (k + 1) / (k * x**k) for k in range(1, _ORDER))]


def _product(p: list[mp.mpf], q: list[mp.mpf]) -> list[mp.mpf]:
    return [mp.fsum(p[i] * q[n - i] for i in range(n + 1)) for n in range(_ORDER)]
