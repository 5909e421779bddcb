"""Tails: estimators on laws whose index is known, intervals that cover, and misfits that are told."""

import json
import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fmq_theory.checkpoint.audit.tails import BINS_A_SIGMA, Spread, TailFit, fit_tail, spread_of


def _hill(x: np.ndarray, k: int) -> float:
    """By its definition, one term at a time."""
    ordered = np.sort(x)[::-1]
    return sum(math.log(ordered[i] / ordered[k]) for i in range(k)) / k


def _moments(x: np.ndarray, k: int) -> float:
    ordered = np.sort(x)[::-1]
    logs = [math.log(ordered[i] / ordered[k]) for i in range(k)]
    first, second = sum(logs) / k, sum(v * v for v in logs) / k
    return first + 1.0 - 0.5 / (1.0 - first**2 / second)


def test_estimators_are_their_definitions() -> None:
    x = np.random.default_rng(0).standard_t(3, size=5000)
    magnitude = np.abs(x - x.mean())
    tail = spread_of(x).tail
    assert tail.exceedances == round(5000**0.6)
    assert tail.hill is not None
    assert tail.moments is not None
    assert tail.hill[0] == pytest.approx(_hill(magnitude, tail.exceedances), rel=1e-12)
    assert tail.moments[0] == pytest.approx(_moments(magnitude, tail.exceedances), rel=1e-12)


def test_moments_against_scipy() -> None:
    rng = np.random.default_rng(1)
    for x in (rng.normal(size=3000), rng.laplace(2.0, 3.0, size=(30, 100)).astype(np.float32)):
        spread, flat = spread_of(x), x.astype(np.float64).ravel()
        assert spread.mean == pytest.approx(flat.mean(), rel=1e-9, abs=1e-12)
        assert spread.standard_deviation == pytest.approx(flat.std(), rel=1e-9)
        assert spread.excess_kurtosis == pytest.approx(stats.kurtosis(flat), rel=1e-7)
        assert spread.max_over_sigma == pytest.approx(np.abs(flat - flat.mean()).max() / flat.std(), rel=1e-9)
        want, _ = np.histogram(np.abs(flat - flat.mean()) / flat.std(), np.arange(66) / BINS_A_SIGMA)
        np.testing.assert_allclose(spread.histogram, want, atol=1)
        assert sum(spread.histogram) == flat.size


@pytest.mark.parametrize(
    ("name", "xi", "kind"),
    [("pareto 5", 0.2, "power"), ("exponential", 0.0, "exponential"), ("uniform", -1.0, "bounded")],
)
def test_intervals_cover_known_indices(name: str, xi: float, kind: str) -> None:
    """On laws without a second-order term the interval covers in about 95 % of the draws."""
    rng = np.random.default_rng(7)
    covered = right_kind = 0
    for _ in range(200):
        u = rng.random(20_000)
        x = {"pareto 5": u**-0.2, "exponential": -np.log(u), "uniform": 1.0 - u}[name]
        tail = fit_tail(np.sort(x)[-381:], 20_000)
        assert tail.moments is not None
        covered += tail.moments[1] <= xi <= tail.moments[2]
        right_kind += tail.kind == kind
        assert tail.theory_applies
    # Exponential tails converge with 1 / ln(n/k): their interval is a little off.
    assert covered >= (170 if xi else 120)
    assert right_kind >= (190 if xi else 120)


def test_hill_covers_on_a_pareto_law() -> None:
    rng = np.random.default_rng(8)
    covered = 0
    for _ in range(200):
        tail = fit_tail(np.sort(rng.random(20_000) ** -0.4)[-381:], 20_000)
        assert tail.hill is not None
        covered += tail.hill[1] <= 0.4 <= tail.hill[2]
    assert covered >= 180


def test_no_variance_no_theory() -> None:
    tail = spread_of(np.random.default_rng(2).standard_t(1.2, size=200_000)).tail
    assert tail.kind == "power"
    assert not tail.theory_applies
    assert "no variance" in tail.reason


def test_what_no_law_fits_is_told() -> None:
    rng = np.random.default_rng(3)
    clipped = np.clip(rng.normal(size=100_000), -2.0, 2.0)  # an atom at each end
    two = np.concatenate([rng.normal(size=99_000), 40.0 + rng.normal(size=1000)])
    for x in (clipped, two):
        tail = spread_of(x).tail
        assert not tail.theory_applies
        assert tail.reason
    assert spread_of(rng.normal(size=100_000)).tail.theory_applies  # control


@pytest.mark.parametrize("size", [1, 2, 5, 200, 299])
def test_few_weights_have_no_tail(size: int) -> None:
    spread = spread_of(np.random.default_rng(4).normal(size=size))
    assert spread.tail.kind == "unknown"
    assert not spread.tail.theory_applies
    assert spread.tail.moments is None


def test_constant_and_pruned() -> None:
    spread = spread_of(np.full((3, 7), 0.25))
    assert (spread.mean, spread.standard_deviation, spread.excess_kurtosis) == (0.25, 0.0, None)
    pruned = np.zeros(10_000)
    pruned[:5] = (1.0, -1.0, 2.0, -2.0, 3.0)
    assert not spread_of(pruned).tail.theory_applies


def test_units_and_offset_do_not_matter() -> None:
    x = np.random.default_rng(5).standard_t(4, size=4000)
    one = spread_of(x)
    for other in (spread_of(x * 2.0**-600), spread_of(x * 2.0**900), spread_of(-x)):
        assert other.excess_kurtosis == pytest.approx(one.excess_kurtosis, rel=1e-9)
        assert other.tail.moments == pytest.approx(one.tail.moments, rel=1e-9)
        assert other.histogram == one.histogram
    moved = spread_of(x + 1e6)
    assert moved.excess_kurtosis == pytest.approx(one.excess_kurtosis, rel=1e-6)


def test_parts_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(6).laplace(size=(50, 97)).astype(np.float32)
    one = spread_of(x)
    monkeypatch.setattr("fmq_theory.checkpoint.audit.tails._CHUNK", 100)
    parts = spread_of(x)
    assert parts.histogram == one.histogram
    assert parts.tail.moments == pytest.approx(one.tail.moments, rel=1e-9)
    assert parts.excess_kurtosis == pytest.approx(one.excess_kurtosis, rel=1e-9)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=400), st.floats(-300, 300))
def test_property_any_weights_have_a_spread(values: list[int], exponent: float) -> None:
    x = np.array(values, dtype=np.float64) * 10.0**exponent
    spread = spread_of(x)
    assert sum(spread.histogram) == x.size
    assert spread.tail.theory_applies == (not spread.tail.reason)
    assert Spread.from_json(json.loads(json.dumps(asdict(spread), allow_nan=False))) == spread


def test_a_misfit_is_a_distance_of_cdfs() -> None:
    rng = np.random.default_rng(9)
    exact = np.sort(rng.random(5000) ** -0.3)[-201:]
    tail = fit_tail(exact, 5000)
    assert isinstance(tail, TailFit)
    assert tail.misfit is not None
    assert 0.0 < tail.misfit < 1.36 / math.sqrt(200)
