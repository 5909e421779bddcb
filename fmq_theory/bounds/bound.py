"""A prediction of theory as data: its value, what kind of statement it is, and what it rests on."""

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from fmq_theory.brief import brief_repr
from fmq_theory.errors import SourceError

__all__ = ["Bound", "BoundKind"]

BoundKind = Literal["upper", "lower", "asymptotic", "exact", "estimate"]

_WORDS: dict[BoundKind, str] = {
    "upper": "at most",
    "lower": "at least",
    "asymptotic": "asymptotically",
    "exact": "exactly",
    "estimate": "about",
}


@dataclass(frozen=True, slots=True)
class Bound:
    """What theory says about one distortion D(K).

    Attributes:
        value: the number; ``inf`` where the quantity (or the only proven bound) is infinite.
        kind: ``upper`` and ``lower`` hold at the K they were computed for, up to rounding; ``exact`` is
            equality; ``asymptotic`` means that D / value -> 1 as K -> inf; ``estimate`` is a figure
            that stands in for a quantity without a limit theorem (read off data, or at a median range).
        order: p in D = O(K^-p) up to logarithms; None where no rate is claimed.
        assumptions: what must hold, one phrase each.
        reference: where the formula comes from.
        enclosure: (low, high) that certainly contains ``value``; None if it was not certified.

    Examples:
        >>> from fmq_theory import bounds, sources
        >>> bounds.equal_mass_high_rate(sources.Uniform(), 16).describe()
        'exactly 0.00130208, order 2 (uniform law) [theory T5e]'
        >>> bound = bounds.bennett_high_rate(sources.Gaussian(), 1.0, 16)  # no K^-2 law for equal mass
        >>> bound.is_vacuous, bound.order
        (True, 1.0)
    """

    value: float
    kind: BoundKind
    order: float | None
    assumptions: tuple[str, ...]
    reference: str
    enclosure: tuple[float, float] | None = field(default=None)

    __repr__ = brief_repr

    def __post_init__(self) -> None:
        if math.isnan(self.value) or self.value < 0:
            raise SourceError(
                f"bound on a distortion = {self.value!r}",
                "a distortion is a non-negative number or infinite",
                "check the scale of the source: its square must fit a float64",
            )
        if self.enclosure is not None and not self.enclosure[0] <= self.value <= self.enclosure[1]:
            raise SourceError(
                f"bound {self.value!r} with enclosure {self.enclosure!r}",
                "the enclosure does not contain the value",
                "compute both from the same formula",
            )

    @property
    def is_infinite(self) -> bool:
        """Whether ``value`` is infinite."""
        return math.isinf(self.value)

    @property
    def is_vacuous(self) -> bool:
        """Whether it says nothing: D <= inf, D >= 0, or an asymptotic law with an infinite constant."""
        if self.kind == "lower":
            return self.value == 0
        return self.is_infinite and self.kind != "exact"

    def scaled(self, factor: float) -> "Bound":
        """The same statement about ``factor`` times the quantity, factor > 0.

        Args:
            factor: what the bounded quantity is multiplied by, positive; without unit if both are distortions
                in the same unit.

        Returns:
            A bound of the same kind, order, assumptions and reference; its value and enclosure are
            multiplied.
        """
        enclosure = self.enclosure and (self.enclosure[0] * factor, self.enclosure[1] * factor)
        return replace(self, value=self.value * factor, enclosure=enclosure)

    def describe(self) -> str:
        """One line for a table or a log."""
        text = "vacuous" if self.is_vacuous else f"{_WORDS[self.kind]} {self.value:.6g}"
        if self.order is not None:
            text += f", order {self.order:.4g}"
        if self.assumptions:
            text += f" ({'; '.join(self.assumptions)})"
        return f"{text} [{self.reference}]"
