"""What is said of b*, where equal mass begins to be worse than uniform: a mark for a table and a sentence.

A bit-width at which a codebook has room for every weight has the ratio 0, by construction: it says nothing
about where the two schemes cross, and above it no scheme beats equal mass.
"""

from collections.abc import Sequence

from fmq_theory.claims.words import bits_in_words

__all__ = ["crossover_in_words", "crossover_mark"]


def _parted(bits: Sequence[int], rho_em: Sequence[float | None]) -> tuple[list[tuple[int, float]], list[int]]:
    """(b, ratio) where the ratio is positive, and the bits at which it is 0."""
    known = [(b, rho) for b, rho in zip(bits, rho_em, strict=True) if rho is not None]
    return [(b, rho) for b, rho in known if rho > 0], [b for b, rho in known if rho == 0]


def crossover_mark(bits: Sequence[int], rho_em: Sequence[float | None], star: float | None) -> str:
    """A cell of a table: ``5.04``, ``> 8``, ``< 2``, ``none``, ``exact`` or ``no ratio``.

    Args:
        bits: bit-widths in increasing order.
        rho_em: equal mass over uniform at each; None where uniform is exact.
        star: b*, or None if the ratio does not rise through 1 within the bits.

    Returns:
        The number; ``> 8``: still below 1 at 8 bits, the last; ``< 2``: above 1 from 2 bits, the first;
        ``none``: below 1 wherever some weights share a level, and 0 beyond; ``exact``: 0 at every
        bit-width; ``no ratio``: uniform is exact.
    """
    positive, zero = _parted(bits, rho_em)
    if star is not None:
        return f"{star:.2f}"
    if not positive:
        return "exact" if zero else "no ratio"
    if positive[0][1] > 1:
        return f"< {positive[0][0]}"
    return "none" if zero and zero[-1] > positive[-1][0] else f"> {positive[-1][0]}"


def crossover_in_words(
    bits: Sequence[int], rho_em: Sequence[float | None], star: float | None, interval: str = ""
) -> str:
    """The same as a sentence, which names the bits at which uniform is better and those of ratio 0.

    Args:
        bits: bit-widths in increasing order.
        rho_em: equal mass over uniform at each; None where uniform is exact.
        star: b*, or None.
        interval: what is said of b*'s interval, behind "bits".
    """
    positive, zero = _parted(bits, rho_em)
    if not positive and not zero:
        return "no crossover: uniform is exact here, so there is no ratio"
    worse = [b for b, rho in positive if rho > 1]
    head = "" if star is None else f"crossover b* = {star:.2f} bits{interval}: "
    if worse:
        text = f"{head}uniform beats equal mass at {bits_in_words(worse)}"
    elif positive:
        text = f"{head}uniform does not beat equal mass at {bits_in_words([b for b, _ in positive])}"
    else:
        text = "no crossover"
    if zero:
        text += f"; at {bits_in_words(zero)} equal mass has a level for every weight (ratio 0)"
    return text
