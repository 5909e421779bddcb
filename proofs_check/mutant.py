"""A false variant of a lemma."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import sympy as sp

__all__ = ["Claim", "Mutant"]

Claim: TypeAlias = Mapping[str, sp.Basic]
"""What the statement asserts, by name: constants, exponents, ranges of validity."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A false variant of a lemma. If the derivation accepts it, the derivation proves nothing.

    Attributes:
        what: the error in words.
        changes: entries of the claim that are replaced.
        fails_at: the step at which the derivation must stop. Stopping elsewhere is a fault as well.
    """

    what: str
    changes: Claim
    fails_at: str
