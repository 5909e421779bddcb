"""Exact form, enclosure and float agree; each of the three, falsified alone, is caught."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest
import sympy as sp

from fmq_theory.certify.enclosure import Enclosure
from proofs_check.certificate import Certificate, certify_constants
from proofs_check.derivation import Constant, Derivation, NotProvedError
from proofs_check.lemma import Claim, Lemma, Mutant
from proofs_check.registry import LEMMAS
from proofs_check.runner import Outcome, run_lemma

THIRD = Fraction(1, 3)
X = sp.Symbol("x", positive=True)


def _enclosure(centre: Fraction = THIRD, radius: Fraction = Fraction(1, 10**34)) -> Enclosure:
    return Enclosure(centre - radius, centre + radius)


ONE_THIRD = sp.Rational(1, 3)


def _delivered(exact: sp.Expr = ONE_THIRD, name: str = "c") -> list[Constant]:
    d = Derivation()
    d.deliver(name, exact)
    return d.constants


GOOD = Certificate(_enclosure, lambda: 1 / 3)


def test_three_forms_agree() -> None:
    (constant,) = certify_constants(_delivered(), {"c": GOOD})
    assert constant.decimal == "0." + 30 * "3"
    assert constant.enclosure.contains(THIRD)


OFF = Fraction(1, 10**29)


@pytest.mark.parametrize(
    ("delivered", "certificate", "reason"),
    [
        (_delivered(sp.Rational(1, 3) + sp.Rational(1, 10**31)), GOOD, "is outside"),
        (_delivered(), replace(GOOD, enclosure=lambda: _enclosure(THIRD + OFF)), "is outside"),
        (_delivered(), replace(GOOD, enclosure=lambda: _enclosure(radius=OFF)), "does not certify 30 places"),
        (_delivered(), replace(GOOD, value=lambda: 1 / 3 + 1e-12), "the float"),
        (_delivered(), replace(GOOD, value=lambda: float("nan")), "the float"),
        (_delivered(name="d"), GOOD, "it has no certificate"),
        ([], GOOD, "it has no single derivation"),
        (_delivered() * 2, GOOD, "it has no single derivation"),
    ],
    ids=["exact", "enclosure", "wide", "float", "nan", "uncertified", "underived", "twice"],
)
def test_control_one_false_form_is_caught(
    delivered: list[Constant], certificate: Certificate, reason: str
) -> None:
    with pytest.raises(NotProvedError, match=reason):
        certify_constants(delivered, {"c": certificate})


def test_a_failed_certificate_fails_the_lemma() -> None:
    def derive(d: Derivation, claim: Claim) -> None:
        d.identity("sum", sp.limit(sp.cos(X), X, 0), claim["one"])
        d.conclude("It is 1.", uses=("sum",))
        d.deliver("c", sp.Rational(1, 3))

    lemma = Lemma(
        "X", "", "It is 1.", (), {"one": sp.Integer(1)}, derive, (Mutant("", {"one": sp.Integer(2)}, "sum"),)
    )
    assert run_lemma(replace(lemma, constants={"c": GOOD})).passed
    outcome = run_lemma(replace(lemma, constants={"c": replace(GOOD, value=lambda: 0.3)}))
    assert not outcome.passed
    assert "the float 0.3" in outcome.failure


SHIFTS: dict[str, Callable[[Certificate], Certificate]] = {
    # The enclosure moves by ten units of its last certified place, the float by ten of its tolerance.
    "enclosure": lambda c: replace(c, enclosure=lambda: c.enclosure() + Fraction(10, 10**c.digits)),
    "float": lambda c: replace(c, value=lambda: c.value() * (1 + 10.0 ** (1 - c.float_digits))),
}


@pytest.mark.deep
@pytest.mark.parametrize("what", SHIFTS)
def test_control_every_certificate_of_every_lemma_can_fail(what: str, run: Callable[[str], Outcome]) -> None:
    checked = 0
    for lemma in LEMMAS.values():
        if not lemma.constants:
            continue
        derivation = run(lemma.id).derivation
        assert derivation is not None
        for constant in derivation.constants:
            false = SHIFTS[what](lemma.constants[constant.name])
            with pytest.raises(NotProvedError):
                certify_constants([constant], {constant.name: false})
            false = replace(constant, value=constant.value * (1 + 10.0**-9))
            with pytest.raises(NotProvedError):
                certify_constants([false], {constant.name: lemma.constants[constant.name]})
            checked += 1
    assert checked > 30
