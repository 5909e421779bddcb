"""Second order: the optimum with its ends counted, and equal mass with the hazard where it belongs."""

import math
from functools import cache

import numpy as np

from fmq_theory.bounds.bennett import panter_dite_constant, panter_dite_high_rate
from fmq_theory.bounds.bound import Bound
from fmq_theory.bounds.end_shift import end_shift
from fmq_theory.bounds.equal_mass_sums import S_INFINITY, regular_tail_sum
from fmq_theory.errors import SourceError
from fmq_theory.sources import Source, TwoSidedGamma
from fmq_theory.sources.empirical import Empirical

__all__ = [
    "equal_mass_second_order",
    "hazard_place",
    "level_shift",
    "limiting_level_shift",
    "optimum_second_order",
]

_PLACE = 0.5
"""In units of the outermost cell's share 1/K of the integral of f^(1/3): where the local exponent is read."""
_SPREAD = 0.25
"""Half of the interval in ln Y over which it is read."""

_TERMS = 4096


def limiting_level_shift(source: Source) -> float:
    """The limit of K_eff - K: the sum of kappa over both ends, and over both sides of a singular centre.

    q = 1 for tails lighter than every power, (nu + 1)/(nu - 2) for power tails, 0 for a jump. The two-sided
    Gamma law has q = (shape - 1)/(shape + 2) on both sides of its centre. So c = 2 (K_eff - K) in K^2 D_LM
    = C_PD (1 - c/K + ...): 0 for the uniform law, 4 kappa(1) = 2.2654 for all light tails, 5.796 at nu = 4.

    Args:
        source: a law; exact classes of tails are taken from ``source.tail``.

    Raises:
        SourceError: data, or an infinite C_PD.
    """
    if isinstance(source, Empirical) or math.isinf(panter_dite_constant(source)):
        raise SourceError(
            f"{source.name}: second order", "there is no first", "choose a law with finite C_PD"
        )
    tail = source.tail
    exponent = {"bounded": 0.0, "exponential": 1.0}.get(tail.kind, 0.0)
    if tail.kind == "regular":
        exponent = (tail.index + 1.0) / (tail.index - 2.0)
    return 2.0 * end_shift(exponent) + _centre(source)


def level_shift(source: Source, num_levels: int) -> float:
    """K_eff - K at this K, with the exponent q = d ln G / d ln Y read at the end, where Y = I/(2 K).

    For a Gaussian tail q = 1 - 1/(2 ln(1/Y)) + ... tends to 1 so slowly that the limit is no use at any K.

    Args:
        source: a law with finite C_PD.
        num_levels: K >= 2.
    """
    points = source.escort(1.0 / 3.0)
    share = _PLACE / num_levels * np.exp(np.array([-_SPREAD, _SPREAD]))
    # Where the density leaves the floats its slope there is unknown: the limit of many levels stands in.
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = [np.log(source.pdf(points.ppf(side))) for side in (share, 1.0 - share)]
        exponents = [float(np.diff(log)[0]) / (6.0 * _SPREAD) for log in logs]
    if not all(map(math.isfinite, exponents)):
        return limiting_level_shift(source)
    return math.fsum(end_shift(max(round(q, 6), 0.0)) for q in exponents) + _centre(source)


def _centre(source: Source) -> float:
    if isinstance(source, TwoSidedGamma):
        return 2.0 * end_shift((source.shape - 1.0) / (source.shape + 2.0))
    return 0.0


def optimum_second_order(source: Source, num_levels: int) -> Bound:
    """D_LM(K) ~ C_PD / (K + level_shift)^2: the high-rate law with the ends of the support counted.

    Derived by matching the cells next to an end, which are scale-free, with the compander inside. The step
    from there to a theorem about every law is not proven here, and the error of the next order is not
    bounded.

    Args:
        source: a law; for data the first order is returned.
        num_levels: K >= 1.

    Examples:
        At four bits the first order is 12 % too high for the Gaussian, this 0.1 % too low:

        >>> from fmq_theory import bounds, sources
        >>> law, exact = sources.Gaussian(), 0.00950101
        >>> first, second = bounds.panter_dite_high_rate(law, 16), bounds.optimum_second_order(law, 16)
        >>> round(first.value / exact, 3), round(second.value / exact, 3)
        (1.119, 0.999)
    """
    first = panter_dite_high_rate(source, num_levels)
    if first.is_infinite or isinstance(source, Empirical):
        return first
    if num_levels == 1:
        return Bound(source.variance(), "exact", 2.0, ("one cell: the variance",), "theory T2b")
    factor = (num_levels / (num_levels + level_shift(source, num_levels))) ** 2
    assumptions = ("many levels", "ends of the support counted as further levels")
    return Bound(first.value * factor, "asymptotic", first.order, assumptions, "theory T3; second order")


@cache
def hazard_place() -> float:
    """w = 0.1698 such that the hazard at the quantile 1 - w/K stands for those of all cells to second order.

    If 1/r = a (1 + e ln(s/s*)), s = P(X > x), cell j holds s = u/K, u uniform on (j, j + 1), and its
    variance is a^2 (Var ln u + e Cov(ln u - ln u*, (ln u - ln u*)^2) + ...). The term in e vanishes where
    ln u* = mean + third central moment / (2 variance) of ln u, which is -2 for j = 0; weighted with the
    variances v_j of all cells ln w = sum of v_j ln u_j* / S_inf.
    """
    nodes, weights = np.polynomial.legendre.leggauss(24)
    j = np.arange(1.0, _TERMS)
    logs, shares = np.log(j[:, None] + 0.5 * (1.0 + nodes)), 0.5 * weights
    mean = logs @ shares
    variance = ((logs - mean[:, None]) ** 2) @ shares
    third = ((logs - mean[:, None]) ** 3) @ shares
    rest = (math.log(_TERMS) + 1.0) / (12.0 * _TERMS)  # sum of ln j/(12 j^2) beyond
    total = -2.0 + float((variance * (mean + third / (2.0 * variance))).sum()) + rest
    return math.exp(total / S_INFINITY)


def equal_mass_second_order(source: Source, num_levels: int) -> Bound:
    """T5c and T5d with 1/r taken at the quantiles w/K, w = ``hazard_place()``, in place of 1/K or the limit.

    Light tails: (S_inf/K) (1/r_+^2 + 1/r_-^2). Power tails: (S_nu/K) (nu w^(1/nu))^2 (1/r_+^2 + 1/r_-^2),
    which has T5d's limit because 1/r ~ C^(1/nu) s^(-1/nu)/nu. Where 1/r varies slowly the error is of
    second order in its variation: for a Gaussian O(1/(ln K)^2), while ln ln K/ln K is what the law with ln
    K leaves out.

    Args:
        source: a law of unbounded support and finite variance.
        num_levels: K >= 2.

    Raises:
        SourceError: bounded support, where T5e is the law.

    Examples:
        Student-t with 30 degrees of freedom at four bits: T5d is 5.5 times too low, this 10 %:

        >>> from fmq_theory import bounds, sources
        >>> law = sources.make("student-t", df=30)
        >>> exact = bounds.equal_mass_distortion(law, 16)
        >>> first, second = bounds.equal_mass_regular_tail(law, 16), bounds.equal_mass_second_order(law, 16)
        >>> round(first.value / exact, 2), round(second.value / exact, 2)
        (0.18, 0.9)
    """
    tail = source.tail
    if tail.kind == "bounded":
        raise SourceError(f"{source.name}: hazard law", "its support is bounded", "use equal_mass_bounded")
    if math.isinf(source.variance()):
        return Bound(math.inf, "asymptotic", None, ("the variance is infinite",), "theory T5d")
    level = hazard_place() / num_levels
    upper, lower = source.isf(level), source.ppf(level)
    rates = (float(source.pdf(upper)) / level, float(source.pdf(lower)) / level)
    scale, order, reference = S_INFINITY, 1.0, "theory T5c; second order"
    if tail.kind == "regular":
        scale = regular_tail_sum(tail.index) * (tail.index * hazard_place() ** (1.0 / tail.index)) ** 2
        order, reference = 1.0 - 2.0 / tail.index, "theory T5d; second order"
    value = math.inf if 0.0 in rates else scale / num_levels * math.fsum(rate**-2 for rate in rates)
    assumptions = ("many levels", f"hazard taken at the {hazard_place():.2f}/K quantiles")
    return Bound(value, "asymptotic", order, assumptions, reference)
