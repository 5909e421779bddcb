"""An assumption of a lemma, and what shows that the lemma needs it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from proofs_check.mutant import Mutant

__all__ = ["Assumption", "Counterexample"]


@dataclass(frozen=True, slots=True)
class Counterexample:
    """The conclusion on two instances, of which only the first satisfies the assumption.

    Attributes:
        what: the instance that breaks the assumption, in words.
        conclusion: decides the lemma's conclusion on an instance, by exact arithmetic or to proven digits.
        holds: an instance with the assumption, as near to ``broken`` as can be; the conclusion holds.
        broken: an instance without it, where the conclusion fails.
    """

    what: str
    conclusion: Callable[[Any], object]
    holds: object
    broken: object

    def verdict(self) -> str:
        """Empty if the conclusion holds with the assumption and fails without; else what went wrong."""
        if self.conclusion(self.holds) != True:  # noqa: E712 -- a sympy relation that was not decided is not true
            return "the conclusion fails although the assumption holds"
        if self.conclusion(self.broken) != False:  # noqa: E712
            return "the conclusion holds without the assumption"
        return ""


@dataclass(frozen=True, slots=True)
class Assumption:
    """What a lemma assumes. Steps cite it by name; deleted, something must break.

    Attributes:
        name: what steps cite in ``uses``.
        text: the assumption in full.
        without: either a Mutant, the same derivation without the assumption, which must fail at a step
            that cites the assumption or rests on one that does; or a Counterexample.
    """

    name: str
    text: str
    without: Mutant | Counterexample
