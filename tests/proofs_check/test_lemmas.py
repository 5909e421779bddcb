"""Every lemma is proved, every mutant refuted, and the constants match the printed reference values."""

from collections.abc import Callable

import mpmath as mp
import pytest

from proofs_check.lemma import Lemma, Mutant
from proofs_check.registry import LEMMAS
from proofs_check.runner import Outcome


@pytest.fixture(scope="module")
def constants(run: Callable[[str], Outcome]) -> dict[str, mp.mpf]:
    derivations = [run(name).derivation for name in ("C_PD", "T5a")]
    return {c.name: c.value for d in derivations if d is not None for c in d.constants}


@pytest.mark.deep
@pytest.mark.parametrize("name", LEMMAS)
def test_lemma_is_proved_and_its_mutants_are_refuted(name: str, run: Callable[[str], Outcome]) -> None:
    outcome = run(name)
    assert outcome.failure == ""
    for mutant in outcome.mutants:
        assert mutant.refuted, f"{mutant.mutant.what}: {mutant.reason}"
    assert outcome.passed
    assert outcome.derivation is not None
    derived = [step for step in outcome.derivation.steps if step.how == "derived"]
    assert derived, "a lemma that only argues and computes derives nothing"


def test_registry_keys_are_the_ids() -> None:
    assert [lemma.id for lemma in LEMMAS.values()] == list(LEMMAS)


# Section 2 of the theory, unit variance, to the printed digits.
@pytest.mark.deep
@pytest.mark.parametrize(
    ("constant", "printed"),
    [
        ("C_PD/variance gaussian", "2.72070"),
        ("C_PD/variance laplace", "4.5"),
        ("C_PD/variance student-t at nu = 3", "20.5191"),
        ("C_PD/variance student-t at nu = 4", "9.30437"),
        ("C_PD/variance student-t at nu = 5", "6.57974"),
    ],
)
def test_panter_dite_constants_print_as_published(
    constant: str, printed: str, constants: dict[str, mp.mpf]
) -> None:
    places = len(printed.partition(".")[2])
    assert f"{float(constants[constant]):.{places}f}" == printed


# Section 9 of the theory, unit variance, to the printed digits.
@pytest.mark.deep
@pytest.mark.parametrize(
    ("num_levels", "printed"), [(2, "0.5"), (4, "0.259773"), (8, "0.132444"), (16, "0.0668698")]
)
def test_laplace_equal_mass_prints_as_published(
    num_levels: int, printed: str, constants: dict[str, mp.mpf]
) -> None:
    places = len(printed.partition(".")[2])
    assert f"{float(constants[f'D_EM({num_levels})/variance laplace']):.{places}f}" == printed


@pytest.mark.deep
def test_constants_carry_their_digits(constants: dict[str, mp.mpf]) -> None:
    """The recorded value is the exact form, not a float that was rounded on the way."""
    with mp.workdps(45):
        assert abs(constants["C_PD gaussian"] - mp.sqrt(3) * mp.pi / 2) < mp.mpf(10) ** -40


def test_a_lemma_needs_a_mutant() -> None:
    lemma = LEMMAS["T3"]
    with pytest.raises(ValueError, match="without a mutant"):
        Lemma("X", "", "", (), lemma.claim, lemma.derive, ())


def test_a_mutant_must_change_an_existing_claim() -> None:
    lemma = LEMMAS["T3"]
    with pytest.raises(ValueError, match="no such claim"):
        Lemma("X", "", "", (), {}, lemma.derive, (Mutant("typo", {"exponnent": lemma.claim["power"]}, "s"),))
