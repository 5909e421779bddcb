"""The committed page is the one that the lemmas generate, and any change to them makes it stale."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest

from proofs_check.__main__ import DOCUMENT
from proofs_check.document import COLUMNS, counts, markdown, record
from proofs_check.registry import LEMMAS
from proofs_check.runner import Outcome


@pytest.fixture
def outcomes(run: Callable[[str], Outcome]) -> list[Outcome]:
    return [run(name) for name in LEMMAS]


@pytest.mark.deep
def test_the_committed_page_is_up_to_date(outcomes: list[Outcome]) -> None:
    assert DOCUMENT.read_text("utf-8") == markdown(outcomes), "run `python -m proofs_check` and commit"


@pytest.mark.deep
def test_control_a_change_of_any_part_shows(outcomes: list[Outcome]) -> None:
    """Negative control of the test above: statement, assumptions, constant, mutant, order."""
    page, (first, *rest) = markdown(outcomes), outcomes
    lemma = first.lemma
    wider = next(o for o in outcomes if o.constants)
    constant = wider.constants[0]
    shifted = replace(constant, enclosure=constant.enclosure + "1/1000000")
    changes = [
        [replace(first, lemma=replace(lemma, statement=lemma.statement + " Always.")), *rest],
        [replace(first, lemma=replace(lemma, assumptions=lemma.assumptions[1:])), *rest],
        [replace(first, mutants=first.mutants[1:]), *rest],
        rest,
        [replace(o, constants=(shifted, *o.constants[1:])) if o is wider else o for o in outcomes],
    ]
    for changed in changes:
        assert markdown(changed) != page


@pytest.mark.deep
def test_page_has_no_times(outcomes: list[Outcome]) -> None:
    later = [replace(outcome, seconds=outcome.seconds + 100) for outcome in outcomes]
    assert markdown(later) == markdown(outcomes)
    assert record(later) != record(outcomes)


@pytest.mark.deep
def test_every_certified_digit_on_the_page_is_enclosed(outcomes: list[Outcome]) -> None:
    """The printed decimal with its printed radius holds the whole enclosure."""
    constants = [constant for outcome in outcomes for constant in outcome.constants]
    assert constants
    for constant in constants:
        error = Fraction(1, 10**constant.digits)
        assert abs(Fraction(constant.decimal) - constant.enclosure.lower) <= error, constant.name
        assert abs(Fraction(constant.decimal) - constant.enclosure.upper) <= error, constant.name


@pytest.mark.deep
def test_the_page_counts_what_is_derived_and_what_is_argued(outcomes: list[Outcome]) -> None:
    total = {what: sum(counts(outcome)[what] for outcome in outcomes) for what in COLUMNS}
    row = next(line for line in markdown(outcomes).splitlines() if line.startswith("| all |"))
    assert [int(cell) for cell in row.split("|")[3:-1]] == list(total.values())
    argued = sum(step.how == "argued" for o in outcomes if o.derivation for step in o.derivation.steps)
    assert total["argued"] == argued > 0


@pytest.mark.deep
def test_nothing_is_idle_or_empty_and_every_assumption_is_needed(outcomes: list[Outcome]) -> None:
    assert {outcome.lemma.id: outcome.faults for outcome in outcomes if outcome.faults} == {}
