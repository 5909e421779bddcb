"""Running lemmas and their mutants, and saying what came of it."""

import time
from dataclasses import dataclass

from proofs_check.certificate import CertifiedConstant, certify_constants
from proofs_check.derivation import Derivation, NotProvedError
from proofs_check.lemma import Lemma, Mutant

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
        seconds: wall-clock time, mutants included.
    """

    lemma: Lemma
    derivation: Derivation | None
    failure: str
    constants: tuple[CertifiedConstant, ...]
    mutants: tuple[MutantOutcome, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """The lemma is proved, its constants agree, and every mutant is refuted for the stated reason."""
        return not self.failure and all(outcome.refuted for outcome in self.mutants)


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
    return Outcome(lemma, derivation, failure, constants, mutants, time.perf_counter() - start)


def _try_mutant(lemma: Lemma, mutant: Mutant) -> MutantOutcome:
    try:
        lemma.prove_mutant(mutant)
    except NotProvedError as error:
        refuted = error.step == mutant.fails_at
        reason = str(error) if refuted else f"failed at the wrong step, not at {mutant.fails_at!r}: {error}"
        return MutantOutcome(mutant, refuted, reason)
    return MutantOutcome(mutant, False, "passed, although it is false")
