"""What is said of b*: each reason for its absence has its own mark."""

import pytest

from fmq_theory.claims.comparison.crossover import crossover_in_words, crossover_mark


@pytest.mark.parametrize(
    ("rho", "star", "mark"),
    [
        ([0.5, 0.9, 1.8], 3.1, "3.10"),
        ([0.2, 0.4, 0.9], None, "> 4"),
        ([1.2, 1.4, 1.9], None, "< 2"),
        ([0.2, 0.4, 0.0], None, "none"),
        ([0.0, 0.0, 0.0], None, "exact"),
        ([None, None, None], None, "no ratio"),
        ([None, 0.4, None], None, "> 3"),
    ],
)
def test_every_case_has_its_own_mark(rho: list[float | None], star: float | None, mark: str) -> None:
    assert crossover_mark([2, 3, 4], rho, star) == mark


def test_uniform_is_not_said_to_win_where_equal_mass_is_exact() -> None:
    """Once: "above it uniform beats equal mass" over a table with ratio 0 at 7 and 8 bits."""
    told = crossover_in_words([5, 6, 7, 8], [0.8, 1.5, 0.0, 0.0], 5.4)
    assert "b* = 5.40" in told
    assert "uniform beats equal mass at 6 bits" in told
    assert "at 7-8 bits equal mass has a level for every weight" in told
    assert "above it" not in told
    assert "does not beat" in crossover_in_words([2, 3], [0.4, 0.6], None)
    assert "no ratio" in crossover_in_words([2, 3], [None, None], None)
    assert crossover_in_words([2, 3], [0.0, 0.0], None).startswith("no crossover; at 2-3 bits")
    assert crossover_in_words([1, 2], [1.2, 0.0], None).startswith(
        "uniform beats equal mass at 1 bit; at 2 bits"
    )
    both = crossover_in_words([2, 3], [0.5, 2.0], 2.5, " (95 %: 2.4 … 2.6)")
    assert both.startswith("crossover b* = 2.50 bits (95 %: 2.4 … 2.6): ")
