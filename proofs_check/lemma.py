"""A lemma: a statement, what it assumes, a derivation, and twins that must fail."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from proofs_check.assumption import Assumption
from proofs_check.certificate import Certificate
from proofs_check.derivation import Derivation
from proofs_check.mutant import Claim, Mutant

__all__ = ["Claim", "Lemma", "Mutant"]


@dataclass(frozen=True, slots=True)
class Lemma:
    """One result of the theory, as something that runs.

    The claim is data and the derivation is code. The derivation must reach each entry of the
    claim from the assumptions and compare only at the end; so the lemma and its mutants run
    through the same code and differ in what they assert.

    Attributes:
        id: what ``--only`` takes.
        title: a few words for the table.
        statement: the full statement.
        assumptions: all of them, each with what shows that the lemma needs it.
        claim: the assertions that ``derive`` compares with what it finds.
        derive: writes its steps to a Derivation; raises NotProvedError at the first that fails.
        mutants: at least one.
        reference: where the result comes from.
        constants: a certificate for every constant that ``derive`` delivers, by name. The runner
            asserts that exact form, enclosure and float agree.
        document: the written proof, relative to ``docs/``, if there is one.
    """

    id: str
    title: str
    statement: str
    assumptions: tuple[Assumption, ...]
    claim: Claim
    derive: Callable[[Derivation, Claim], None]
    mutants: tuple[Mutant, ...]
    reference: str = ""
    constants: Mapping[str, Certificate] = field(default_factory=dict[str, Certificate])
    document: str = ""

    def __post_init__(self) -> None:
        if not self.mutants:
            raise ValueError(f"lemma {self.id}: a derivation without a mutant is not tested; add one")
        for mutant in (*self.mutants, *self.deletions()):
            unknown = mutant.changes.keys() - self.claim.keys()
            if unknown or not mutant.changes:
                raise ValueError(f"lemma {self.id}, mutant {mutant.what!r}: no such claim {sorted(unknown)}")
        object.__setattr__(self, "claim", MappingProxyType(dict(self.claim)))

    def deletions(self) -> Iterator[Mutant]:
        """The assumptions whose deletion the derivation itself notices."""
        for assumption in self.assumptions:
            if isinstance(assumption.without, Mutant):
                yield assumption.without

    def prove(self) -> Derivation:
        """Run the derivation.

        Raises:
            NotProvedError: at the first step that does not hold.
        """
        derivation = Derivation()
        self.derive(derivation, self.claim)
        return derivation

    def prove_mutant(self, mutant: Mutant) -> Derivation:
        """The same derivation for a false claim; it should raise NotProvedError."""
        derivation = Derivation()
        self.derive(derivation, {**self.claim, **mutant.changes})
        return derivation
