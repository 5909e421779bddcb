"""A constant in three forms that must agree: exact, enclosed, and as the package computes it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import mpmath as mp
import sympy as sp

from fmq_theory.certify.enclosure import Enclosure
from proofs_check.derivation import WORKING_DIGITS, Constant, NotProvedError

__all__ = ["Certificate", "CertifiedConstant", "certify_constants"]

_SLACK = mp.mpf(10) ** -40
"""Relative error allowed to the evaluation of an exact form, which works with 50 digits."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Two further routes to a constant that a derivation delivers.

    Attributes:
        enclosure: ball arithmetic; shares no code with the derivation.
        value: the float that the package uses, or that its documentation prints.
        digits: places after the point that the enclosure must certify.
        float_digits: significant digits to which ``value`` must agree.
    """

    enclosure: Callable[[], Enclosure]
    value: Callable[[], float]
    digits: int = 30
    float_digits: int = 13


@dataclass(frozen=True, slots=True)
class CertifiedConstant:
    """A constant whose three forms agree.

    Attributes:
        name: as delivered.
        exact: from the derivation.
        enclosure: proven by ball arithmetic.
        value: a float.
        digits: ``decimal`` errs by at most 10**-digits.
    """

    name: str
    exact: sp.Expr
    enclosure: Enclosure
    value: float
    digits: int

    @property
    def decimal(self) -> str:
        """Centre of the enclosure to ``digits`` places, without the radius."""
        return self.enclosure.decimal(self.digits).partition(" ")[0]


def certify_constants(
    delivered: Sequence[Constant], certificates: Mapping[str, Certificate]
) -> tuple[CertifiedConstant, ...]:
    """Join what a derivation delivered to the certificates of its lemma.

    Raises:
        NotProvedError: at ``constant NAME``, if a constant has no certificate or a certificate no
            constant, if the enclosure is too wide, or if two of the three forms disagree.
    """
    names = [constant.name for constant in delivered]
    for name in [*names, *certificates]:
        if name not in certificates or names.count(name) != 1:
            missing = "certificate" if name not in certificates else "single derivation"
            raise NotProvedError(f"constant {name}", f"it has no {missing}")
    return tuple(_certify(constant, certificates[constant.name]) for constant in delivered)


def _certify(constant: Constant, certificate: Certificate) -> CertifiedConstant:
    step = f"constant {constant.name}"
    enclosure, value, digits = certificate.enclosure(), certificate.value(), certificate.digits
    centre = Fraction(round(enclosure.midpoint * 10**digits), 10**digits)
    if max(enclosure.upper - centre, centre - enclosure.lower) > Fraction(1, 10**digits):
        raise NotProvedError(step, f"the enclosure {enclosure} does not certify {digits} places")
    with mp.workdps(WORKING_DIGITS):
        low, high = (mp.mpf(end.numerator) / end.denominator for end in (enclosure.lower, enclosure.upper))
        slack = _SLACK * abs(constant.value)
        if not low - slack <= constant.value <= high + slack:
            raise NotProvedError(
                step, f"{constant.exact} = {mp.nstr(constant.value, 40)} is outside {enclosure}"
            )
        if not abs(value - constant.value) <= mp.mpf(10) ** -certificate.float_digits * abs(constant.value):
            raise NotProvedError(
                step, f"the float {value!r} is not {mp.nstr(constant.value, certificate.float_digits)}"
            )
    return CertifiedConstant(constant.name, constant.exact, enclosure, value, digits)
