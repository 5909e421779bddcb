"""Small instances, exactly, on which a conclusion holds or fails: for the assumptions of the lemmas."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import combinations, pairwise

import mpmath as mp
import sympy as sp

from proofs_check.assumption import Assumption, Counterexample

__all__ = ["finite_moment", "finite_variance", "grid_is_high_rate", "laplace_equal_mass", "least_error"]


def finite_moment(power: int) -> Callable[[int], bool]:
    """Decides, for an index nu, whether E X^power of P(X > x) = x^-nu, x >= 1, is finite."""
    x = sp.Symbol("x", positive=True)

    def decide(nu: int) -> bool:
        moment = sp.integrate(x**power * nu * x ** (-nu - 1), (x, 1, sp.oo))
        return bool(moment.is_finite)

    return decide


def finite_variance() -> Assumption:
    """The assumption of T2a and T2b: without it the least error is infinite at every K."""
    return Assumption(
        "finite variance",
        "mu is a law on the line with finite variance",
        Counterexample(
            "P(X > x) = x^-nu, nu = 2: the error of the unbounded cell is infinite",
            finite_moment(2),
            holds=3,
            broken=2,
        ),
    )


def least_error(points: Sequence[int], num_levels: int) -> Fraction:
    """Least squared error of equal weights with at most ``num_levels`` levels: all cuts into intervals."""
    data = sorted(points)
    return min(
        _error([data[i:j] for i, j in pairwise((0, *cuts, len(data)))])
        for count in range(min(num_levels, len(set(data))))
        for cuts in combinations(range(1, len(data)), count)
    )


def grid_is_high_rate(num_levels: int) -> bool:
    """Gaussian law, levels from -5 to 5 sigma: is D_U within 5 % of R^2/(3 (K-1)^2)?"""
    step = mp.mpf(10) / (num_levels - 1)
    cuts = [-mp.inf, *(-5 + step * (k + mp.mpf(1) / 2) for k in range(num_levels - 1)), mp.inf]
    error = sum(
        mp.quad(lambda x, k=k: (x + 5 - k * step) ** 2 * mp.npdf(x), cell)
        for k, cell in enumerate(pairwise(cuts))
    )
    return bool(abs(error / (step**2 / 12) - 1) < 0.05)


def _error(parts: Sequence[Sequence[int]]) -> Fraction:
    """Mean over all points of the squared distance to the mean of their part."""
    total = sum(
        (sum(x * x for x in part) - Fraction(sum(part)) ** 2 / len(part) for part in parts), Fraction()
    )
    return total / sum(len(part) for part in parts)


def laplace_equal_mass(size: int) -> sp.Expr:
    """D_EM(K) of the unit Laplace law: 2 - (1/K) sum of m_k^2, for even and odd K."""
    v = sp.Symbol("v", positive=True)
    upper = sp.integrate(-sp.log(2 * v), v)  # of the upper quantile at level 1 - v

    def primitive(level: sp.Rational) -> sp.Expr:  # of the quantile function from 0 to level
        distance = min(level, 1 - level)
        # By symmetry the integral from 0 to level is minus the one of the outer tail of mass `distance`.
        return -(upper.subs(v, distance) if distance else sp.Integer(0))

    ends = [primitive(sp.Rational(k, size)) for k in range(size + 1)]
    means = [size * (b - a) for a, b in pairwise(ends)]
    return sp.expand(2 - sum(m**2 for m in means) / size)
