"""Equal-mass cells of a tail: symbols that T5b-T5d share, and numbers by routes of their own."""

from collections.abc import Sequence
from functools import cache

import mpmath as mp
import sympy as sp

from proofs_check.derivation import WORKING_DIGITS, Derivation

__all__ = [
    "EPS",
    "NU",
    "S_INFINITY",
    "TERM",
    "J",
    "W",
    "exponential_sum_value",
    "popoviciu",
    "powers_at_infinity",
    "powers_at_zero",
    "regular_sum_exact",
    "regular_sum_value",
    "regular_term",
    "scaling",
]

J, W, NU, EPS = sp.symbols("j w nu epsilon", positive=True)
N = sp.Symbol("n", integer=True, positive=True)

TERM = 1 - J * (J + 1) * sp.log(1 + 1 / J) ** 2
"""v_j for j >= 1; v_0 = 1."""

S_INFINITY = 1 + sp.Sum(TERM.subs(J, N), (N, 1, sp.oo))
"""The exact form of S_inf; ``exponential_sum_value`` is its value."""


@cache
def exponential_sum_value() -> mp.mpf:
    """S_inf = 2 pi * integral over (0, 1/2) of x (1 - x) cot(pi x) ln((1 - x)/x), to 50 digits.

    The enclosure sums the series; this is the integral that ``fmq_theory.certify.sums`` derives.
    """
    with mp.workdps(WORKING_DIGITS + 10):

        def integrand(x: mp.mpf) -> mp.mpf:
            return x * (1 - x) * mp.cot(mp.pi * x) * mp.log((1 - x) / x)

        return 2 * mp.pi * mp.quad(integrand, [0, mp.mpf(1) / 4, mp.mpf(1) / 2])


def regular_term(j: sp.Expr) -> sp.Expr:
    """s_j(nu) = Var(U^(-1/nu)), U uniform on (j, j + 1)."""
    a = 1 / NU
    second, first = (((j + 1) ** (1 - power) - j ** (1 - power)) / (1 - power) for power in (2 * a, a))
    return second - first**2


def regular_sum_exact(nu: int) -> sp.Expr:
    """The exact form of S_nu."""
    first = regular_term(J).subs(NU, nu).subs(J, 0)
    return first + sp.Sum(regular_term(N).subs(NU, nu), (N, 1, sp.oo))


@cache
def regular_sum_value(nu: int) -> mp.mpf:
    """S_nu to 50 digits: 40 terms, and Euler and Maclaurin's formula for the rest."""
    with mp.workdps(2 * WORKING_DIGITS):  # the terms are differences of near-equal numbers
        term = sp.lambdify(J, regular_term(J).subs(NU, nu), "mpmath")
        start, order = 40, 16
        head = sum((term(mp.mpf(j)) for j in range(start)), mp.mpf(0))
        # u = e^y; the terms fall like u^(-2 - 2/nu), so what lies beyond y = 90 is below 1e-50.
        log_start = mp.log(start)
        breaks = [log_start, log_start + 5, log_start + 25, log_start + 90]
        rest = mp.quad(lambda y: term(mp.exp(y)) * mp.exp(y), breaks)
        taylor = mp.taylor(term, start, 2 * order)
        rest += taylor[0] / 2
        for k in range(1, order):
            rest -= mp.bernoulli(2 * k) / (2 * k) * taylor[2 * k - 1]
        return head + rest


def popoviciu(d: Derivation) -> None:
    """A variable with values in an interval of length osc has variance at most osc^2/4."""
    low, osc, share = sp.symbols("low osc share", nonnegative=True)
    x = sp.Symbol("x", real=True)
    middle = low + osc / 2
    at_most = osc**2 / 4 - (x - middle) ** 2
    d.identity(
        "(x - middle)^2 <= osc^2/4 on the interval",
        at_most.subs(x, low + share * osc),
        osc**2 * share * (1 - share),
    )
    values, c = sp.symbols("x_1:4", real=True), sp.Symbol("c", real=True)
    weights = (*sp.symbols("p_1:3", positive=True), 1 - sum(sp.symbols("p_1:3", positive=True)))
    mean, second = (sum(p * v**i for p, v in zip(weights, values, strict=True)) for i in (1, 2))
    about = sum(p * (v - c) ** 2 for p, v in zip(weights, values, strict=True))
    d.identity(
        "variance of a cell",  # at most the mean square about any point, so osc^2/4
        about - (second - mean**2),
        (mean - c) ** 2,
        uses=("(x - middle)^2 <= osc^2/4 on the interval",),
    )


def scaling(d: Derivation) -> None:
    """Location and scale: the variance of a + s X is s^2 times that of X, in each cell of equal mass."""
    shift, scale = sp.Symbol("a", real=True), sp.Symbol("s", positive=True)
    values = sp.symbols("x_1:4", real=True)

    def variance(points: Sequence[sp.Expr]) -> sp.Expr:
        return sum(p**2 for p in points) / 3 - (sum(points) / 3) ** 2

    moved = [shift + scale * value for value in values]
    d.identity("location and scale", variance(moved), scale**2 * variance(values))


def powers_at_infinity(d: Derivation) -> sp.Expr:
    """The integral of w^-p over (1, oo) is finite iff p > 1; the critical power."""
    return _powers(d, "w^-p over (1, oo)", (W, 1, _END), (_END, sp.oo), finite_above=True)


def powers_at_zero(d: Derivation) -> sp.Expr:
    """The integral of w^-p over (0, 1) is finite iff p < 1; the critical power."""
    return _powers(d, "w^-p over (0, 1)", (W, _END, 1), (_END, 0), finite_above=False)


_END = sp.Symbol("Lambda", positive=True)


def _powers(
    d: Derivation, name: str, interval: sp.Tuple, limit: tuple[sp.Symbol, sp.Expr], *, finite_above: bool
) -> sp.Expr:
    excess = sp.Symbol("excess", positive=True)
    for p, finite in ((1 + excess, finite_above), (sp.Integer(1), False), (1 - excess, not finite_above)):
        value = sp.limit(sp.integrate(W**-p, interval), *limit)
        d.decided(f"integral of {name} at p = {p}", bool(value.is_finite) is finite, f"it is {value}")
    return sp.Integer(1)
