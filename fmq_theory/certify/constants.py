"""The constants of theory.md section 2, each by two routes that must overlap."""

from fractions import Fraction

from fmq_theory.certify.enclosure import Enclosure, precision
from fmq_theory.certify.law import Law
from fmq_theory.errors import CertificationError

__all__ = ["law_variance", "normalized_constant", "panter_dite_constant"]


def panter_dite_constant(law: Law, *, digits: int = 30) -> Enclosure:
    """C_PD = (1/12) (int f^{1/3})^3 on the law's natural scale: closed form and quadrature, intersected.

    Args:
        law: the source, on its natural scale.
        digits: wanted decimal places.

    Returns:
        In squared units of the law.

    Raises:
        CertificationError: the integral diverges, or the two routes exclude each other.

    Reference:
        panter1951quantization; zador1982asymptotic; T3 (docs/theory/t3-companding.md).

    Examples:
        >>> from fmq_theory import certify
        >>> found = certify.panter_dite_constant(certify.law("laplace"))
        >>> found.lower <= 9 <= found.upper, float(found.upper - found.lower) < 1e-25
        (True, True)
    """
    third = Fraction(1, 3)
    closed = law.density_power_integral(third, digits=digits + 6, closed=True)
    measured = law.density_power_integral(third, digits=digits + 6)
    if not closed.overlaps(measured):
        raise CertificationError(
            f"{law.label()}: integral of f^(1/3)",
            f"the closed form {closed} and the certified quadrature {measured} exclude each other",
            "one of the two formulas is wrong: report this",
        )
    both = Enclosure(max(closed.lower, measured.lower), min(closed.upper, measured.upper))
    return (both * both * both / 12).rounded(digits + 4)


def law_variance(law: Law, *, digits: int = 30) -> Enclosure:
    """sigma^2 = E X^2 on the law's natural scale.

    Args:
        law: the source, on its natural scale.
        digits: wanted decimal places.

    Returns:
        In squared units of the law.
    """
    with precision(int(3.33 * digits) + 48):
        return Enclosure.of(law.variance())


def normalized_constant(law: Law, *, digits: int = 30) -> Enclosure:
    """C_PD/sigma^2: the constant of the law scaled to unit variance.

    Args:
        law: the source, on its natural scale.
        digits: wanted decimal places.

    Returns:
        Without unit.

    Raises:
        CertificationError: see ``panter_dite_constant``.

    Reference:
        panter1951quantization; T3 (docs/theory/t3-companding.md).

    Examples:
        9 / 2 for the Laplace law:

        >>> from fmq_theory import certify
        >>> certify.normalized_constant(certify.law("laplace")).contains("4.5")
        True
    """
    constant = panter_dite_constant(law, digits=digits + 6)
    variance = law_variance(law, digits=digits + 6)
    return (constant / variance).rounded(digits + 4)
