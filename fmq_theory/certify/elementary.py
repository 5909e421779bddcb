"""Elementary functions of enclosures, rounded outwards, for rooms that do no ball arithmetic."""

from fractions import Fraction

from flint import arb

from fmq_theory.certify.enclosure import Enclosure, Exact, ball, precision
from fmq_theory.errors import CertificationError

__all__ = ["logarithm", "power", "square_root"]


def square_root(value: Exact | Enclosure, *, digits: int = 40) -> Enclosure:
    """sqrt(value).

    Raises:
        CertificationError: ``value`` may be negative.
    """
    known = Enclosure.of(value)
    if known.lower < 0:
        raise CertificationError(
            f"square root of {known}", "the number may be negative", "raise the precision"
        )
    with precision(_bits(digits)):
        # At 0 a ball's root would reach below it, so the two ends are rooted on their own.
        return Enclosure(
            max(Fraction(0), Enclosure.of(ball(known.lower).sqrt()).lower),
            Enclosure.of(ball(known.upper).sqrt()).upper,
        )


def logarithm(value: Exact | Enclosure, *, digits: int = 40) -> Enclosure:
    """ln(value).

    Raises:
        CertificationError: ``value`` may be 0 or negative.
    """
    with precision(_bits(digits)):
        return Enclosure.of(_positive(value).log())


def power(value: Exact | Enclosure, exponent: Exact, *, digits: int = 40) -> Enclosure:
    """value**exponent for a positive value.

    Raises:
        CertificationError: ``value`` may be 0 or negative.
    """
    with precision(_bits(digits)):
        return Enclosure.of(_positive(value) ** ball(exponent))


def _positive(value: Exact | Enclosure) -> arb:
    known = Enclosure.of(value)
    if known.lower <= 0:
        raise CertificationError(f"function of {known}", "the number may not be positive", "pass one above 0")
    return ball(known)


def _bits(digits: int) -> int:
    return int(3.33 * digits) + 64
