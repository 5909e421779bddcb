"""Absolute moments of real order in ball arithmetic, and the bound of Pierce's type that they give."""

from fractions import Fraction

from flint import arb

from fmq_theory.certify.enclosure import Enclosure, Exact, ball, exact, precision
from fmq_theory.certify.families_fixed import Gaussian, Laplace, Logistic, Uniform
from fmq_theory.certify.families_shaped import GeneralizedGaussian, StudentT, TwoSidedGamma
from fmq_theory.certify.law import Law
from fmq_theory.errors import CertificationError

__all__ = ["absolute_moment", "pierce_bound"]


def absolute_moment(law: Law, order: Exact, *, digits: int = 30) -> Enclosure:
    """E|X|^order on the law's natural scale, from its closed form.

    Args:
        law: one of the families of this package.
        order: a rational > 1.
        digits: decimal digits of the working precision.

    Raises:
        CertificationError: the order is not above 1, the moment is infinite, or the family is unknown.

    Examples:
        >>> from fmq_theory import certify
        >>> certify.absolute_moment(certify.law("laplace"), 3).contains(6)
        True
    """
    p = exact(order)
    infinite = isinstance(law, StudentT) and p >= law.df
    if p <= 1 or infinite:
        raise CertificationError(
            f"{law.label()}: E|X|^{p}",
            "it is infinite" if infinite else "the order must be above 1",
            "choose an order between 1 and the index of the tail",
        )
    with precision(int(3.33 * digits) + 48):
        return Enclosure.of(_closed_form(law, p))


def _closed_form(law: Law, p: Fraction) -> arb:
    half = Fraction(1, 2)
    match law:
        case Uniform():
            return 1 / ball(p + 1)
        case Gaussian():
            return arb(2) ** ball(p / 2) * ball((p + 1) / 2).gamma() / arb.pi().sqrt()
        case Laplace():
            return ball(p + 1).gamma()
        case Logistic():
            return 2 * ball(p + 1).gamma() * (1 - arb(2) ** ball(1 - p)) * ball(p).zeta()
        case GeneralizedGaussian(beta=beta):
            return ball((p + 1) / beta).gamma() / ball(1 / beta).gamma()
        case TwoSidedGamma(shape=shape):
            return ball(shape + p).gamma() / ball(shape).gamma()
        case StudentT(df=df):
            ratio = ball((p + 1) / 2).gamma() * ball((df - p) / 2).gamma() / ball(df / 2).gamma()
            return ball(df) ** ball(p / 2) * ratio / ball(half).gamma()
        case _:
            raise CertificationError(
                f"{law.label()}: E|X|^{p}", "this family has no closed form here", "add it to absolute_moment"
            )


def pierce_bound(moment: Enclosure | Exact, order: Exact, num_levels: int, *, digits: int = 30) -> Enclosure:
    """4 (p/(p - 2))^p (E|X|^p)^(2/p) min(1/K^2, 1/(3 (K - 1)^2)) >= D_LM(K), for every law (T3c).

    Args:
        moment: E|X|^p, finite.
        order: p > 2.
        num_levels: K >= 1.
        digits: decimal digits of the working precision.

    Raises:
        CertificationError: the order is not above 2.

    Examples:
        Of the third moment of the Laplace law, 36 * 6^(2/3)/(K - 1)^2:

        >>> from fmq_theory import certify
        >>> round(float(certify.pierce_bound(6, 3, 101)) * 100**2 / 36, 6) == round(6 ** (2 / 3), 6)
        True
    """
    p = exact(order)
    if p <= 2:
        raise CertificationError(
            f"Pierce's bound of order {p}", "it needs a moment above the second", "choose an order above 2"
        )
    factor = Fraction(1, num_levels**2)
    if num_levels > 1:
        factor = min(factor, Fraction(1, 3 * (num_levels - 1) ** 2))
    with precision(int(3.33 * digits) + 48):
        norm = ball(moment) ** ball(2 / p)
        return Enclosure.of(4 * ball(p / (p - 2)) ** ball(p) * norm * ball(factor))
