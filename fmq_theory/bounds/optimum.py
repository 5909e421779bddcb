"""Upper bounds of the optimum D_LM(K) that hold at every K: C_PD / K^2 on a class, Pierce's for every law.

D_LM(K) <= C_PD / K^2 is not true of every law: three narrow blocks, or a symmetric unimodal density with a
narrow peak, exceed it. It is true where f^(-1/3) is convex on the support (T3b), of the optimum and already
of the compander f^(1/3) with cell means as levels. For every law with a moment above the second there
is a bound of the same order whose constant is larger.
"""

import math

from fmq_theory.bounds.bennett import panter_dite_constant
from fmq_theory.bounds.bound import Bound
from fmq_theory.sources import Source, SymmetricSource

__all__ = ["optimum_upper_bound", "panter_dite_upper_bound", "pierce_factor", "pierce_upper_bound"]

_LIGHT_ORDERS = (2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0, 12.0)
_HEAVY_SHARES = (0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9)
"""Where between 2 and the tail's index the order of the moment is tried."""


def panter_dite_upper_bound(source: Source, num_levels: int) -> Bound:
    """D_LM(K) <= D(K) <= C_PD / K^2 at every K >= 1, where f^(-1/3) is convex; ``inf`` elsewhere.

    D(K) is the distortion of the compander with point density f^(1/3) whose levels are the cells' means.
    Equality, where C_PD is finite, only for the uniform law.

    Args:
        source: the law.
        num_levels: K >= 1.

    Examples:
        >>> from fmq_theory import bounds, sources
        >>> round(bounds.panter_dite_upper_bound(sources.make("laplace"), 16).value * 16**2, 6)
        9.0
        >>> bounds.panter_dite_upper_bound(sources.make("gamma", shape=0.9), 16).is_vacuous
        True
    """
    known = source.inverse_cube_root_convex
    if not known.holds:
        reason = f"not shown: f^(-1/3) is not convex on one interval ({known.reason})"
        return Bound(math.inf, "upper", None, (reason,), "theory T3b")
    value = panter_dite_constant(source) / num_levels**2
    order = 2.0 if math.isfinite(value) else None
    assumptions = ("every K", "f^(-1/3) is convex", known.reason)
    return Bound(value, "upper", order, assumptions, "theory T3b")


def pierce_factor(num_levels: int) -> float:
    """min(1 / K^2, 1 / (3 (K - 1)^2)): what the construction's E 1/lambda(X)^2 is multiplied by.

    With each level at the inner edge of its cell, |X - Q| <= 1 / (K lambda(X)). Shifting all cells by one
    uniform amount makes the distance to the inner edge, measured by lambda, uniform on [0, 1/k]; the mean of
    its square is 1 / (3 k^2), some shift is no worse than the mean, and k + 1 levels are enough.

    Args:
        num_levels: K >= 1.

    Returns:
        The factor, without unit.

    Reference:
        pierce1970asymptotic; T3c (docs/theory/t3b-when-the-constant-is-a-bound.md).
    """
    first = 1.0 / num_levels**2
    return first if num_levels == 1 else min(first, 1.0 / (3.0 * (num_levels - 1) ** 2))


def pierce_upper_bound(source: Source, num_levels: int) -> Bound:
    """D_LM(K) <= 4 (1 + 2/d)^(2+d) (E|X - c|^(2+d))^(2/(2+d)) pierce_factor(K), at every K, for every law.

    The point density is (1 + |x - c| / s)^-(1 + d/2) with s = (d/2) ||X - c||_(2+d); Minkowski's inequality
    gives E (1 + |X - c| / s)^(2+d) <= (1 + ||X - c|| / s)^(2+d). The order 2 + d is chosen among some
    at which the moment is finite.

    Args:
        source: a law or data; c is its centre of symmetry, or the mean of data.
        num_levels: K >= 1.

    Returns:
        The least of these bounds and the variance; infinite where no moment above the second is finite.

    Reference:
        Pierce 1970, "Asymptotic quantizing error for unbounded random variables"; Graf & Luschgy 2000,
        lemma 6.6. Both leave the constant implicit; the construction here makes it explicit.

    Examples:
        The bound of the cubic moment of the Laplace law, 36 * 6^(2/3) / (K - 1)^2, or better:

        >>> from fmq_theory import bounds, sources
        >>> bounds.pierce_upper_bound(sources.make("laplace"), 101).value * 100**2 <= 36 * 6 ** (2 / 3)
        True
    """
    variance = source.variance()
    if math.isinf(variance):
        return Bound(math.inf, "upper", None, ("the variance is infinite",), "theory T3c")
    index = source.tail.index
    orders = [2.0 + share * (index - 2.0) for share in _HEAVY_SHARES] if index < 14.0 else _LIGHT_ORDERS
    best, best_order = variance, math.nan
    # Of a law the moments of variance 1: those of a small scale leave float64.
    unit = source.standard_deviation_one() if isinstance(source, SymmetricSource) else source
    square = variance if unit is not source else 1.0
    for order in orders:
        norm = unit.absolute_moment(order) ** (1.0 / order)
        value = 4.0 * (order / (order - 2.0)) ** order * norm * norm * square * pierce_factor(num_levels)
        if value == 0.0 < variance:  # so small that its powers are no floats
            continue
        if value < best:
            best, best_order = value, order
    which = "the variance" if math.isnan(best_order) else f"E|X - c|^{best_order:.4g} is finite"
    return Bound(best, "upper", 2.0, ("every K", "every law", which), "theory T3c")


def optimum_upper_bound(source: Source, num_levels: int) -> Bound:
    """The sharper of the two: C_PD / K^2 where it is proven, Pierce's bound elsewhere.

    Args:
        source: a law, or data (of which the bound is one of the optimum on these data).
        num_levels: K >= 1.

    Examples:
        >>> from fmq_theory import bounds, sources
        >>> for law in (sources.Gaussian(), sources.make("gamma", shape=0.5)):
        ...     print(law.name, bounds.optimum_upper_bound(law, 64).reference)
        gaussian theory T3b
        gamma theory T3c
    """
    sharp = panter_dite_upper_bound(source, num_levels)
    general = pierce_upper_bound(source, num_levels)
    return sharp if sharp.value <= general.value else general
