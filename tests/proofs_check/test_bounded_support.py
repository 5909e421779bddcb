"""T5e on numbers: K^2 D_EM <= 1/(12 m^2) at every K where f >= m on an interval."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st


def _quantile(shares: Sequence[Fraction], widths: Sequence[Fraction], level: Fraction) -> Fraction:
    """F^-1 of pieces of constant density side by side, exactly."""
    place = Fraction(0)
    for share, width in zip(shares, widths, strict=True):
        if level <= share:
            return place + level / share * width
        level, place = level - share, place + width
    return place


def _equal_mass(shares: Sequence[Fraction], widths: Sequence[Fraction], num_levels: int) -> Fraction:
    """D_EM(K) of that law: the variance of the piecewise linear quantile function in each cell, exactly."""
    levels = [Fraction(k, num_levels) for k in range(num_levels + 1)]
    ends = [sum(shares[:i], Fraction()) for i in range(len(shares) + 1)]
    total = Fraction(0)
    for low, high in pairwise(levels):
        cuts = sorted({low, high, *(end for end in ends if low < end < high)})
        values = [_quantile(shares, widths, cut) for cut in cuts]
        first = second = Fraction(0)
        for i, width in enumerate(b - a for a, b in pairwise(cuts)):
            a, b = values[i], values[i + 1]  # linear in between
            first += width * (a + b) / 2
            second += width * (a * a + a * b + b * b) / 3
        total += second - first * first * num_levels
    return total


@st.composite
def _laws(draw: st.DrawFn) -> tuple[list[Fraction], list[Fraction]]:
    counts = draw(st.lists(st.integers(1, 30), min_size=1, max_size=5))
    widths = draw(st.lists(st.integers(1, 30), min_size=len(counts), max_size=len(counts)))
    return [Fraction(c, sum(counts)) for c in counts], [Fraction(w, 7) for w in widths]


@given(_laws(), st.integers(1, 12))
def test_the_bound_holds_at_every_number_of_levels(
    law: tuple[list[Fraction], list[Fraction]], num_levels: int
) -> None:
    shares, widths = law
    least = min(share / width for share, width in zip(shares, widths, strict=True))
    assert num_levels**2 * _equal_mass(shares, widths, num_levels) <= 1 / (12 * least**2)


@given(st.integers(1, 40), st.integers(1, 50))
def test_the_uniform_law_reaches_it(num_levels: int, width: int) -> None:
    """So 1/(12 m^2) cannot be smaller, and 1/(4 m^2) was three times too wide."""
    exact = _equal_mass([Fraction(1)], [Fraction(width)], num_levels)
    assert num_levels**2 * exact == Fraction(width) ** 2 / 12
    assert num_levels**2 * exact > Fraction(width) ** 2 / 13


def test_control_with_a_gap_the_bound_fails() -> None:
    """Two blocks of density 1/2 with a gap of 1: the middle of three cells lies on both sides of it."""
    blocks, near_nothing = Fraction(1, 2), Fraction(1, 10**9)
    shares = [blocks - near_nothing / 2, near_nothing, blocks - near_nothing / 2]
    exact = _equal_mass(shares, [Fraction(1), Fraction(1), Fraction(1)], 3)
    assert 9 * exact > 1 / (12 * Fraction(1, 2) ** 2)
