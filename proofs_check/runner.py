"""Running lemmas and their mutants, and saying what came of it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from proofs_check.assumption import Assumption, Counterexample
from proofs_check.certificate import CertifiedConstant, certify_constants
from proofs_check.chain import faults, support
from proofs_check.derivation import Derivation, NotProvedError
from proofs_check.empty_steps import empty_steps
from proofs_check.lemma import Lemma
from proofs_check.mutant import Mutant

__all__ = ["MutantOutcome", "Outcome", "run_lemma"]


@dataclass(frozen=True, slots=True)
class MutantOutcome:
    """What became of a false claim.

    Attributes:
        mutant: the false claim.
        refuted: it failed, and at the step announced.
        reason: where it failed and why; or that it passed.
    """

    mutant: Mutant
    refuted: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a lemma.

    Attributes:
        lemma: the lemma.
        derivation: its steps and constants; None if a step failed.
        failure: the step that failed and why; empty if none did.
        constants: exact form, enclosure and float of each constant; empty if two of them disagree.
        mutants: one outcome per mutant.
        faults: what is wrong with the chain from the assumptions to the conclusions: steps or assumptions
            without which nothing changes, steps that compare an expression with itself.
        seconds: wall-clock time, mutants included.
    """

    lemma: Lemma
    derivation: Derivation | None
    failure: str
    constants: tuple[CertifiedConstant, ...]
    mutants: tuple[MutantOutcome, ...]
    faults: tuple[str, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Proved, constants agree, mutants refuted for the stated reason, no idle step or assumption."""
        return not self.failure and not self.faults and all(outcome.refuted for outcome in self.mutants)


def run_lemma(lemma: Lemma) -> Outcome:
    """Prove ``lemma``, then try each of its mutants."""
    start = time.perf_counter()
    derivation, constants, failure = None, (), ""
    try:
        derivation = lemma.prove()
        constants = certify_constants(derivation.constants, lemma.constants)
    except NotProvedError as error:
        failure = str(error)
    mutants = tuple(_try_mutant(lemma, mutant) for mutant in lemma.mutants)
    wrong = tuple(_faults(lemma, derivation)) if derivation else ()
    return Outcome(lemma, derivation, failure, constants, mutants, wrong, time.perf_counter() - start)


def _faults(lemma: Lemma, derivation: Derivation) -> Iterator[str]:
    names = [assumption.name for assumption in lemma.assumptions]
    yield from faults(derivation.steps, names, lemma.statement)
    suspects = {step.name for step in derivation.steps if step.same}
    for name in empty_steps(lemma.derive, lemma.claim, suspects):
        yield f"both sides are one expression, whatever the derivation finds: {name!r}"
    for assumption in lemma.assumptions:
        yield from _deletion(lemma, derivation, assumption)


def _deletion(lemma: Lemma, derivation: Derivation, assumption: Assumption) -> Iterator[str]:
    """Without the assumption the derivation must stop where it is used, or the conclusion must fail."""
    what = f"assumption {assumption.name!r}"
    if isinstance(assumption.without, Counterexample):
        verdict = assumption.without.verdict()
        if verdict:
            yield f"{what}: {verdict}"
        return
    outcome = _try_mutant(lemma, assumption.without)
    if not outcome.refuted:
        yield f"{what} deleted: {outcome.reason}"
    nodes = support(derivation.steps, [a.name for a in lemma.assumptions])
    resting, todo = set[str](), [assumption.without.fails_at]
    while todo:
        name = todo.pop()
        if name not in resting:
            resting.add(name)
            todo += nodes.get(name, ())
    if assumption.name not in resting:
        yield f"{what}: {assumption.without.fails_at!r}, where its deletion shows, does not rest on it"


def _try_mutant(lemma: Lemma, mutant: Mutant) -> MutantOutcome:
    try:
        lemma.prove_mutant(mutant)
    except NotProvedError as error:
        refuted = error.step == mutant.fails_at
        reason = str(error) if refuted else f"failed at the wrong step, not at {mutant.fails_at!r}: {error}"
        return MutantOutcome(mutant, refuted, reason)
    return MutantOutcome(mutant, False, "passed, although it is false")
