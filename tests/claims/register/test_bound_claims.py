"""P4-W2, P5-W2 and C21 to C26: refuted for every law, certified on the class, and each told apart."""

from fractions import Fraction

import pytest

from fmq_theory.certify import Enclosure, SpikeLaw
from fmq_theory.claims.engine.claim import Verdict
from fmq_theory.claims.engine.judge import examine
from fmq_theory.claims.evidence.bound_cases import (
    CLASS,
    NARROW_PEAK,
    THREE_BLOCKS,
    bound_cases,
    least_error,
    pierce,
)
from fmq_theory.claims.evidence.certified_values import LAWS
from fmq_theory.claims.register.register import REGISTER
from fmq_theory.sources import make


@pytest.mark.deep
def test_the_sentence_for_every_law_fails_at_the_two_laws_and_nowhere_else() -> None:
    finding = examine(REGISTER["P4-W2"])
    assert finding.verdict is Verdict.REFUTED
    failed = {result.case.rpartition(",")[0] for result in finding.details if result.holds is False}
    assert failed == {THREE_BLOCKS, NARROW_PEAK}
    assert all(result.rigorous for result in finding.details)
    assert "for every law" in finding.claim.statement


@pytest.mark.deep
def test_the_smaller_constant_fails_in_short_channels_alone() -> None:
    finding = examine(REGISTER["P5-W2"])
    constants = [result for result in finding.details if "constant" in result.case]
    assert {result.case for result in constants if not result.holds} == {
        f"{name}: constant, n = 64" for name in LAWS if name != "uniform"
    }


def test_the_cases_of_c21_are_the_laws_of_the_class() -> None:
    members = set()
    for name, (family, parameters) in LAWS.items():
        numbers = {key: float(Fraction(value)) for key, value in parameters.items()}
        if make(family, **numbers).inverse_cube_root_convex.holds:
            members.add(name)
    assert set(CLASS) == members


@pytest.mark.parametrize("name", [THREE_BLOCKS, NARROW_PEAK])
def test_pierce_covers_what_the_constant_does_not(name: str) -> None:
    measured, bound = least_error(name, 1), pierce(name, 1)
    assert isinstance(measured, Enclosure)
    assert measured.upper < bound.lower


def test_the_narrow_peak_exceeds_the_constant_at_the_sizes_that_c22_names_and_not_at_odd_ones() -> None:
    law = SpikeLaw(Fraction(9, 10), Fraction(1, 10**9))
    constant = law.blocks().panter_dite_constant(digits=30)
    assert law.optimum(4).lower * 4**2 > constant.upper
    for odd in (3, 5, 7, 9, 15):
        share = law.optimum(odd).upper * odd**2 / constant.lower
        assert 1 - Fraction(7, 10**6) < share < 1 - Fraction(6, 10**6)
    # Nor at all even ones: the peak must be the narrower the more levels there are (T3d).
    assert law.optimum(600).lower * 600**2 > constant.upper
    for many in (800, 1024):
        assert law.optimum(many).upper * many**2 < constant.lower
    assert REGISTER["C22"].statement.endswith("at 1 to 6 bits")


@pytest.mark.parametrize(
    ("claim", "of_which"),
    [("C13", "on four light-tailed laws"), ("C15", "for each of four laws"), ("C16", "of shape 1/2")],
)
def test_a_sentence_about_some_laws_says_so(claim: str, of_which: str) -> None:
    """C16 is false of shape 1, the Laplace law, whose optimum is symmetric."""
    assert of_which in REGISTER[claim].statement


def test_every_case_has_its_law() -> None:
    names = {name for _, name, _ in bound_cases()}
    assert names == {*LAWS, THREE_BLOCKS, NARROW_PEAK}


@pytest.mark.parametrize("key", ["C22", "C24", "C25", "C26"])
def test_the_others_hold_and_resolve(key: str) -> None:
    finding = examine(REGISTER[key])
    assert finding.verdict in (Verdict.CERTIFIED, Verdict.SUPPORTED)
    assert finding.resolved
    assert finding.control is None or finding.control.caught
