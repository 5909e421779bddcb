"""How D_EM(K) falls as K grows, by class of tail (T5a to T5e)."""

import math

import numpy as np

from fmq_theory.bounds.bennett import bennett_constant
from fmq_theory.bounds.bound import Bound
from fmq_theory.bounds.equal_mass_sums import S_INFINITY, equal_mass_sum, regular_tail_sum
from fmq_theory.bounds.second_order import equal_mass_second_order
from fmq_theory.errors import SourceError
from fmq_theory.sources import Gaussian, Laplace, Source
from fmq_theory.sources.empirical import Empirical

__all__ = [
    "equal_mass_bounded",
    "equal_mass_exponential_tail",
    "equal_mass_from_data",
    "equal_mass_gaussian",
    "equal_mass_high_rate",
    "equal_mass_laplace",
    "equal_mass_regular_tail",
]


def equal_mass_high_rate(source: Source, num_levels: int) -> Bound:
    """The asymptotic law of D_EM that fits the source's tail; exact where one is (Laplace, uniform, K = 1).

    Tails other than the Gaussian's and the Laplace law's take the hazard where the second order vanishes
    (``equal_mass_second_order``). Orders: 1 for exponential-type tails (times a power of ln K unless the
    hazard tends to a constant), 1 - 2/nu for regularly varying ones, 2 for bounded support only.

    Args:
        source: the law, or data, which ``equal_mass_from_data`` answers.
        num_levels: K >= 1.

    Returns:
        In squared units of the source; infinite where the variance is.

    Reference:
        T5a to T5e (docs/theory/t5-equal-mass-rates.md).

    Examples:
        >>> from fmq_theory import bounds, sources
        >>> for name in ("uniform", "laplace", "student-t"):
        ...     print(name, bounds.equal_mass_high_rate(sources.make(name), 256).order)
        uniform 2.0
        laplace 1.0
        student-t 0.5
    """
    if isinstance(source, Empirical):
        return equal_mass_from_data(source, num_levels)
    if math.isinf(source.variance()):
        return Bound(math.inf, "asymptotic", None, ("the variance is infinite (nu <= 2)",), "theory T5d")
    tail = source.tail
    if num_levels == 1:
        order = {"bounded": 2.0, "exponential": 1.0, "regular": 1.0 - 2.0 / tail.index}[tail.kind]
        return Bound(source.variance(), "exact", order, ("one cell: the variance",), "theory T2b")
    if tail.kind == "bounded":
        return equal_mass_bounded(source, num_levels)
    if isinstance(source, Gaussian):
        return equal_mass_gaussian(source, num_levels)
    if isinstance(source, Laplace) and num_levels % 2 == 0:
        return equal_mass_laplace(source, num_levels)
    return equal_mass_second_order(source, num_levels)


def equal_mass_laplace(source: Laplace, num_levels: int) -> Bound:
    """D_EM(K) = (sigma^2 / K) S_(K/2) for even K, exactly (T5a).

    Args:
        source: a Laplace law of standard deviation sigma.
        num_levels: K, even and positive.

    Returns:
        Kind ``exact``, in squared units of the source.

    Raises:
        SourceError: K is odd: a cell then straddles the kink.

    Reference:
        T5a (docs/theory/t5-equal-mass-rates.md).
    """
    if num_levels < 2 or num_levels % 2:
        raise SourceError(
            f"Laplace with K = {num_levels}",
            "the closed form needs an even number of levels",
            "use equal_mass_distortion for odd K",
        )
    value = source.variance() / num_levels * equal_mass_sum(num_levels // 2)
    return Bound(value, "exact", 1.0, ("K even",), "theory T5a")


def equal_mass_gaussian(source: Gaussian, num_levels: int) -> Bound:
    """D_EM(K) ~ sigma^2 S_inf / (K ln K) (T5b).

    Convergence is logarithmic and not monotone: the value is 2.3 % too high at K = 2^8, right at 2^19, 1.0
    % too low near 2^60 and 0.3 % too low still at 2^900.

    Args:
        source: a Gaussian law of standard deviation sigma.
        num_levels: K >= 2.

    Returns:
        In squared units of the source.

    Raises:
        SourceError: K < 2, where ln K is not positive.

    Reference:
        T5b (docs/theory/t5-equal-mass-rates.md).
    """
    if num_levels < 2:
        raise SourceError(f"Gaussian with K = {num_levels}", "ln K is not positive", "pass K >= 2")
    value = source.variance() * S_INFINITY / (num_levels * math.log(num_levels))
    return Bound(value, "asymptotic", 1.0, ("many levels", "times 1 / ln K"), "theory T5b")


def equal_mass_exponential_tail(source: Source, num_levels: int) -> Bound:
    """D_EM(K) ~ (S_inf / K) (1/r_+^2 + 1/r_-^2) for tails lighter than every power (T5c).

    r_+ = f / sf at the quantile 1 - 1/K and r_- = f / F at 1/K: beyond these quantiles the tails look
    exponential.

    Args:
        source: a law whose tails are lighter than every power, with a density at both quantiles.
        num_levels: K >= 1.

    Returns:
        In squared units of the source; infinite where the density vanishes at a quantile.

    Reference:
        T5c (docs/theory/t5-equal-mass-rates.md).
    """
    level = 1.0 / num_levels
    upper = float(source.pdf(source.isf(level))) / level
    lower = float(source.pdf(source.ppf(level))) / level
    if upper == 0 or lower == 0:
        value = math.inf
    else:
        value = S_INFINITY / num_levels * (upper**-2 + lower**-2)
    assumptions = ("many levels", "tails lighter than every power", "hazard taken at the 1/K quantiles")
    return Bound(value, "asymptotic", 1.0, assumptions, "theory T5c")


def equal_mass_regular_tail(source: Source, num_levels: int) -> Bound:
    """D_EM(K) ~ 2 C^(2/nu) S_nu K^-(1 - 2/nu) for sf ~ C x^-nu, nu > 2, on both sides (T5d).

    Args:
        source: a law with ``tail.kind == "regular"``, of index nu and constant C on both sides.
        num_levels: K >= 1.

    Returns:
        In squared units of the source; infinite for nu <= 2.

    Raises:
        SourceError: the tail is not regularly varying.

    Reference:
        T5d (docs/theory/t5-equal-mass-rates.md).
    """
    tail = source.tail
    if tail.kind != "regular":
        raise SourceError(
            f"{source.name}: tail of kind {tail.kind!r}",
            "the law K^-(1 - 2/nu) is about power tails",
            "use equal_mass_high_rate, which chooses by the tail",
        )
    if tail.index <= 2:
        return Bound(math.inf, "asymptotic", None, ("the variance is infinite (nu <= 2)",), "theory T5d")
    order = 1.0 - 2.0 / tail.index
    root = math.exp(tail.log_constant / tail.index)  # C^(1/nu), also where C is no float
    value = 2.0 * root**2 * regular_tail_sum(tail.index) * num_levels**-order
    return Bound(
        value, "asymptotic", order, ("many levels", "power tails, equal on both sides"), "theory T5d"
    )


def equal_mass_bounded(source: Source, num_levels: int) -> Bound:
    """D_EM(K) ~ (1/(12 K^2)) (integral of 1/f) on bounded support, f >= m > 0 (T5e); else infinite (T4).

    Args:
        source: a law of bounded support.
        num_levels: K >= 1.

    Returns:
        Kind ``exact`` for the uniform law, else ``asymptotic``; the value in squared units of the source.

    Reference:
        T5e (docs/theory/t5-equal-mass-rates.md); T4 where the integral diverges.
    """
    value = bennett_constant(source, 1.0) / num_levels**2
    if math.isinf(value):
        reason = ("the integral of 1/f is infinite: no K^-2 law",)
        return Bound(value, "asymptotic", None, reason, "theory T4")
    low, high = source.support
    # By Cauchy-Schwarz the integral of 1/f is (high - low)^2 at least, with equality for the uniform law.
    flat = math.isclose(12.0 * value * num_levels**2, (high - low) ** 2, rel_tol=1e-12)
    if flat:
        return Bound(value, "exact", 2.0, ("uniform law",), "theory T5e")
    return Bound(
        value, "asymptotic", 2.0, ("many levels", "bounded support, density bounded below"), "theory T5e"
    )


def equal_mass_from_data(source: Empirical, num_levels: int) -> Bound:
    """T5c with each 1/r replaced by the mean excess E[X - q | X >= q] over the outermost 1/K of the data.

    The integral of 1/f is decided beyond the data, so Bennett's formula at alpha = 1 has no useful estimate
    by spacings. For exponential tails the mean excess is 1/r itself. An estimate, and low where tails are
    heavier.

    Args:
        source: the data.
        num_levels: K >= 1.

    Returns:
        Kind ``estimate`` (``exact`` for K = 1), in squared units of the data.

    Reference:
        T5c (docs/theory/t5-equal-mass-rates.md).
    """
    if num_levels == 1:
        return Bound(source.variance(), "exact", 1.0, ("one cell: the variance",), "theory T2b")
    level = 1.0 / num_levels
    edges = np.array([float(source.isf(level)), float(source.ppf(level))])
    top = source.partial_moments(edges[0], math.inf, about=edges[0])
    bottom = source.partial_moments(-math.inf, edges[1], about=edges[1])
    excesses = [
        abs(float(side.first)) / float(side.mass) if float(side.mass) > 0 else 0.0 for side in (top, bottom)
    ]
    value = S_INFINITY / num_levels * math.fsum(excess * excess for excess in excesses)
    assumptions = (
        "tails of the law lighter than every power",
        "hazard estimated by the mean excess of the data",
    )
    return Bound(value, "estimate", 1.0, assumptions, "theory T5c")
