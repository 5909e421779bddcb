"""One sentence on the paper's claim for one input, made from the measured ratios alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fmq_theory.bounds import BAND
from fmq_theory.claims.comparison.rows import RatioRow
from fmq_theory.claims.words import bits_in_words

__all__ = ["Place", "paper_verdict", "place_in_band"]

Place = Literal["below", "inside", "above", "undecided"]


@dataclass(frozen=True, slots=True)
class _Placed:
    """Bit-widths by where the whole interval of a ratio lies relative to the paper's band."""

    below: tuple[int, ...]
    inside: tuple[int, ...]
    above: tuple[int, ...]
    undecided: tuple[int, ...]

    def words(self) -> str:
        """``below it at 2-3 bits, above it at 6 bits (4-5 bits undecided)``."""
        places = (("below it", self.below), ("inside it", self.inside), ("above it", self.above))
        parts = [f"{place} at {bits_in_words(bits)}" for place, bits in places if bits]
        if not parts:
            return f"not placed by these samples ({bits_in_words(self.undecided)} undecided)"
        text = ", ".join(parts)
        return f"{text} ({bits_in_words(self.undecided)} undecided)" if self.undecided else text


def paper_verdict(subject: str, ratios: Sequence[RatioRow], crossover: float | None) -> str:
    """Says for which bits P6 (OT / uniform in 0.25-0.40) holds, for either reading of "OT".

    The claim is about the paper's own algorithm (equal mass), so that decides the first words. A bit-width
    counts only if the whole interval of its ratio lies on one side of the edge in question; the others are
    listed as undecided.

    Args:
        subject: the input in words.
        ratios: one row a bit-width, in increasing order.
        crossover: b*, or None.
    """
    known = [row for row in ratios if row.rho_em is not None and row.rho_w2 is not None]
    if not known:
        return f"No verdict for {subject}: uniform is exact here, so no ratio to it exists."
    em = _placed([(row.bits, row.rho_em_lo, row.rho_em_hi) for row in known])
    w2 = _placed([(row.bits, row.rho_w2_lo, row.rho_w2_hi) for row in known])
    return (
        f"The paper's claim (OT costs {BAND[0]:.2f} to {BAND[1]:.2f} of uniform's error) {_head(em)} for "
        f"{subject}: equal mass, the paper's algorithm, is {em.words()} and "
        f"{_against_uniform(known, crossover)}; the W2 optimum (Lloyd-Max) is {w2.words()}."
    )


def place_in_band(low: float | None, high: float | None) -> Place:
    """Where the whole interval of a ratio lies relative to the paper's band.

    Args:
        low: lower end; None where there is no interval (fewer than six samples).
        high: upper end.

    Returns:
        "undecided" where the interval holds an edge of the band, or there is none.
    """
    if low is None or high is None:
        return "undecided"
    if BAND[0] <= low and high <= BAND[1]:
        return "inside"
    if high < BAND[0]:
        return "below"
    return "above" if low > BAND[1] else "undecided"


def _placed(intervals: Sequence[tuple[int, float | None, float | None]]) -> _Placed:
    places: dict[Place, list[int]] = {"below": [], "inside": [], "above": [], "undecided": []}
    for bits, low, high in intervals:
        places[place_in_band(low, high)].append(bits)
    return _Placed(**{place: tuple(bits) for place, bits in places.items()})


def _head(em: _Placed) -> str:
    if em.inside:
        everywhere = not (em.below or em.above or em.undecided)
        return "holds" if everywhere else "holds only in part"
    if em.undecided:
        return "fails or is undecided" if em.below or em.above else "is undecided"
    return "fails"


def _against_uniform(rows: Sequence[RatioRow], crossover: float | None) -> str:
    worse = [row.bits for row in rows if row.rho_em_lo is not None and row.rho_em_lo > 1]
    if not worse:
        return "is not shown to be worse than uniform"
    star = "" if crossover is None else f" (b* = {crossover:.2f})"
    return f"is worse than uniform at {bits_in_words(worse)}{star}"
