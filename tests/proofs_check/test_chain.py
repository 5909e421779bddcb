"""A chain of steps must be whole, an assumption needed, and a step more than an expression and itself."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import sympy as sp

from proofs_check.assumption import Assumption, Counterexample
from proofs_check.derivation import Derivation
from proofs_check.lemma import Claim, Lemma, Mutant
from proofs_check.runner import run_lemma

X = sp.Symbol("x", positive=True)
ANY = sp.Symbol("y", real=True)

Derive = Callable[[Derivation, Claim], None]


def _root(d: Derivation, claim: Claim) -> None:
    """1 + x > 0, a step that needs the sign of x; and the integral of x over (0, 1)."""
    d.decided("the sign", (1 + claim["x"]).is_positive, "1 + x > 0", uses=("positive",))
    d.identity("the integral", sp.integrate(X, (X, 0, 1)), claim["half"], uses=("the sign",))
    d.conclude("it is 1/2", uses=("the integral",))


POSITIVE = Assumption("positive", "x > 0", Mutant("x of any sign", {"x": ANY}, "the sign"))


def _lemma(derive: Derive = _root, assumptions: tuple[Assumption, ...] = (POSITIVE,)) -> Lemma:
    return Lemma(
        id="L",
        title="",
        statement="For x > 0 it is 1/2.",
        assumptions=assumptions,
        claim={"x": X, "half": sp.Rational(1, 2)},
        derive=derive,
        mutants=(Mutant("a third", {"half": sp.Rational(1, 3)}, "the integral"),),
    )


def _faults(derive: Derive = _root, assumptions: tuple[Assumption, ...] = (POSITIVE,)) -> str:
    return "\n".join(run_lemma(_lemma(derive, assumptions)).faults)


def test_a_whole_chain_passes() -> None:
    outcome = run_lemma(_lemma())
    assert outcome.faults == ()
    assert outcome.passed


def test_a_step_without_which_nothing_changes_is_found() -> None:
    def idle(d: Derivation, claim: Claim) -> None:
        d.identity("idle", (X + 1) ** 2, X**2 + 2 * X + 1)
        _root(d, claim)

    assert _faults(idle) == "nothing changes without 'idle'"
    assert not run_lemma(_lemma(idle)).passed


def test_a_check_may_stand_idle_but_nothing_may_rest_on_it() -> None:
    def checked(d: Derivation, claim: Claim) -> None:
        d.example("an instance", sp.Integer(4), sp.Integer(2) ** 2)
        d.holds("another", sp.Integer(4) > sp.Integer(3), "4 > 3")
        _root(d, claim)

    def resting(d: Derivation, claim: Claim) -> None:
        checked(d, claim)
        d.conclude("For x > 0", uses=("an instance",))

    assert _faults(checked) == ""
    assert _faults(resting) == "'an instance' does not exist before it is used"


def test_a_conclusion_is_a_part_of_the_statement() -> None:
    def elsewhere(d: Derivation, claim: Claim) -> None:
        _root(d, claim)
        d.conclude("it is 1/3", uses=("the integral",))

    assert _faults(elsewhere) == "not in the statement: 'it is 1/3'"
    assert (
        _faults(lambda d, claim: d.decided("the sign", True, "", uses=("positive",)))[:13] == "no conclusion"
    )


def test_an_assumption_that_no_step_uses_is_found() -> None:
    more = Assumption("spare", "x < 7", Counterexample("x = 8", lambda x: bool(x < 7), holds=6, broken=8))
    assert _faults(assumptions=(POSITIVE, more)) == "nothing changes without 'spare'"


def test_an_assumption_whose_deletion_changes_nothing_is_found() -> None:
    same = replace(
        POSITIVE, without=Mutant("still positive", {"x": sp.Symbol("z", positive=True)}, "the sign")
    )
    assert "passed, although it is false" in _faults(assumptions=(same,))


def test_a_deletion_that_shows_at_a_step_which_does_not_rest_on_the_assumption_is_found() -> None:
    def unrelated(d: Derivation, claim: Claim) -> None:
        d.decided("the sign", (1 + claim["x"]).is_positive, "1 + x > 0")
        d.identity("the integral", sp.integrate(X, (X, 0, 1)), claim["half"])
        d.argue("in words", "It follows.", uses=("positive",))
        d.conclude("it is 1/2", uses=("the integral", "the sign", "in words"))

    assert _faults(unrelated) == (
        "assumption 'positive': 'the sign', where its deletion shows, does not rest on it"
    )


@pytest.mark.parametrize(
    ("holds", "broken", "says"),
    [
        (2, 3, ""),
        (3, 4, "the conclusion fails although the assumption holds"),
        (1, 2, "the conclusion holds without the assumption"),
        (2, sp.Symbol("k"), "the conclusion holds without the assumption"),  # undecided is not false
    ],
)
def test_a_counterexample_is_decided_on_both_instances(holds: int, broken: int, says: str) -> None:
    witness = Counterexample("k = 3", lambda k: k < sp.Rational(5, 2), holds, broken)
    assert witness.verdict() == says


SAME = "both sides are one expression, whatever the derivation finds: 'the integral'"


@pytest.mark.parametrize(
    ("left", "fault"),
    [
        (lambda: sp.Rational(1, 2), SAME),  # typed, and compared with the claim
        (lambda: sp.Rational(1, 4) * 2, SAME),  # sympy's own arithmetic is no operation
        (lambda: sp.expand(sp.Rational(1, 2)), SAME),  # an operation that changes nothing
        (lambda: sp.integrate(X, (X, 0, 1)), ""),
        (lambda: sp.solve(2 * X - 1, X)[0], ""),
        (lambda: sp.limit(X / (2 * X + 1), X, sp.oo), ""),
    ],
    ids=["typed", "arithmetic", "unchanged", "integral", "solution", "limit"],
)
def test_a_step_that_compares_an_expression_with_itself_is_found(
    left: Callable[[], sp.Expr], fault: str
) -> None:
    def derive(d: Derivation, claim: Claim) -> None:
        d.decided("the sign", (1 + claim["x"]).is_positive, "1 + x > 0", uses=("positive",))
        d.identity("the integral", left(), claim["half"], uses=("the sign",))
        d.conclude("it is 1/2", uses=("the integral",))

    assert _faults(derive) == fault


def test_sympy_is_itself_again_after_a_search_for_empty_steps() -> None:
    before = sp.integrate, sp.solve, sp.expand
    run_lemma(_lemma())
    assert (sp.integrate, sp.solve, sp.expand) == before
    assert sp.integrate(X, (X, 0, 1)) == sp.Rational(1, 2)
