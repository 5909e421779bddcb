"""Samples of a law: scheme by scheme or sample by sample, the numbers are the same."""

import pytest

from fmq_theory.claims import Comparison, compare_law
from fmq_theory.claims.comparison import law_samples
from fmq_theory.sources import Gaussian

SCHEMES = ("uniform_clipped", "lloyd_max", "nf4")


def _found(told: list[tuple[str, list[float]]], **changes: int) -> Comparison:
    asked = {"bits": (2, 4), "schemes": SCHEMES, "n": 500, "repeats": 3, "seed": 0, **changes}
    return compare_law(
        Gaussian(), "a law", **asked, ready=lambda name, errors: told.append((name, list(errors)))
    )  # type: ignore[arg-type]


def test_samples_that_do_not_fit_into_memory_together_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    together: list[tuple[str, list[float]]] = []
    alone: list[tuple[str, list[float]]] = []
    found = _found(together)
    monkeypatch.setattr(law_samples, "_MOST_HELD", 0)
    assert _found(alone) == found
    assert str(alone) == str(together)
    assert _found([], seed=1) != found  # control


def test_what_is_told_early_is_the_mean_of_the_table_and_the_search_for_a_range_comes_last() -> None:
    told: list[tuple[str, list[float]]] = []
    found = _found(told)
    assert [name for name, _ in told] == ["lloyd_max", "nf4", "uniform", "equal_mass", "uniform_clipped"]
    rows = {(row.scheme, row.bits): row.own_hat for row in found.rows}
    for name, errors in told:
        for b, error in zip((2, 4), errors, strict=True):
            if (own := rows.get((name, b))) is not None:
                assert error == own
    assert sum(rows[name, b] is None for name in SCHEMES for b in (2, 4)) == 1  # nf4 at 2 bits


def test_an_error_ends_what_is_left() -> None:
    measured: list[str] = []

    def stop(_share: float, what: str) -> None:
        measured.append(what)
        if len(measured) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare_law(Gaussian(), "a law", bits=(2,), schemes=SCHEMES, n=500, repeats=3, seed=0, progress=stop)
    assert len(measured) == 2
