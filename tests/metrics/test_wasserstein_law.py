"""W2**2 between data and a law: closed forms, mpmath, samples, properties, and the rate 1 / (6 n)."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from fmq_theory.errors import WeightsError
from fmq_theory.metrics import w2_squared, w2_squared_law
from fmq_theory.metrics import wasserstein_law as module
from fmq_theory.sources import Empirical, Gaussian, Laplace, Logistic, Source, StudentT, Uniform
from tests.strategies import seeds, sources

UNIT = Uniform(loc=0.5, scale=0.5)  # on [0, 1]


@given(sources(finite_moment=2.0), st.floats(-5.0, 5.0))
def test_one_point_is_the_variance_about_it(source: Source, x: float) -> None:
    expected = source.variance() + (source.mean() - x) ** 2
    assert w2_squared_law([x], source) == pytest.approx(expected, rel=1e-9)
    assert w2_squared_law([x, x, x], source) == pytest.approx(expected, rel=1e-9)


def _closed_form_uniform(x: np.ndarray, borders: np.ndarray) -> float:
    """sum_i ((q_i - x_i)^3 - (q_{i-1} - x_i)^3) / 3."""
    return float(np.sum((borders[1:] - x) ** 3 - (borders[:-1] - x) ** 3) / 3.0)


@given(st.integers(1, 300), seeds(), st.booleans())
def test_uniform_closed_form(n: int, seed: int, weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    x = rng.random(n) + 0.3
    weights = rng.random(n) + 0.01 if weighted else None
    order = np.argsort(x)
    mass = np.full(n, 1.0 / n) if weights is None else weights[order] / weights.sum()
    borders = np.concatenate(([0.0], np.cumsum(mass)))
    borders[-1] = 1.0
    expected = _closed_form_uniform(x[order], borders)
    assert w2_squared_law(x, UNIT, weights) == pytest.approx(expected, rel=1e-10)


def test_gaussian_against_fifty_digits() -> None:
    # E X^2 - 2 sum x_i (phi(z_{i-1}) - phi(z_i)) + mean x_i^2: not the code's formula, and it cancels.
    rng = np.random.default_rng(0)
    x = np.sort(rng.standard_normal(40))
    with mpmath.workdps(50):
        n = x.size
        z = [mpmath.sqrt(2) * mpmath.erfinv(2 * mpmath.mpf(i) / n - 1) for i in range(1, n)]
        phi = [mpmath.mpf(0), *(mpmath.npdf(value) for value in z), mpmath.mpf(0)]
        cross = sum(mpmath.mpf(v) * (phi[i] - phi[i + 1]) for i, v in enumerate(x.tolist()))
        expected = 1 - 2 * cross + sum(mpmath.mpf(v) ** 2 for v in x.tolist()) / n
        assert w2_squared_law(x, Gaussian()) == pytest.approx(float(expected), rel=1e-13)


@pytest.mark.parametrize("source", [Laplace(), Logistic(0.3, 2.0), StudentT(5.0)], ids=lambda s: s.name)
def test_against_quadrature_of_the_quantile_function(source: Source) -> None:
    rng = np.random.default_rng(1)
    x = np.sort(source.sample(12, rng=rng))

    def lower(i: int) -> float:
        value, _ = integrate.quad(
            lambda q: float(source.ppf(q) - x[i]) ** 2, i / 12, (i + 1) / 12, epsrel=1e-11, limit=400
        )
        return value

    def upper(i: int) -> float:
        # The last cell from the other end, where isf is exact.
        value, _ = integrate.quad(
            lambda q: float(source.isf(q) - x[i]) ** 2, 0.0, (12 - i) / 12, epsrel=1e-11, limit=400
        )
        return value

    expected = sum(lower(i) for i in range(11)) + upper(11)
    assert w2_squared_law(x, source) == pytest.approx(expected, rel=1e-7)


def test_blocks_are_one_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.round(Gaussian().sample(500, rng=np.random.default_rng(2)), 1)  # ties, some across blocks
    weights = np.random.default_rng(3).random(500)
    whole = w2_squared_law(x, Gaussian()), w2_squared_law(x, Gaussian(), weights)
    monkeypatch.setattr(module, "_CELLS", 7)
    assert w2_squared_law(x, Gaussian()) == pytest.approx(whole[0], rel=1e-13)
    assert w2_squared_law(x, Gaussian(), weights) == pytest.approx(whole[1], rel=1e-13)


def test_weights_are_repeats() -> None:
    rng = np.random.default_rng(4)
    x, counts = rng.normal(size=30), rng.integers(1, 9, 30)
    repeated = w2_squared_law(np.repeat(x, counts), Laplace())
    assert w2_squared_law(x, Laplace(), counts) == pytest.approx(repeated, rel=1e-12)
    assert w2_squared_law(Empirical(x, counts), Laplace()) == pytest.approx(repeated, rel=1e-12)
    assert w2_squared_law(x, Laplace()) != pytest.approx(repeated, rel=1e-3)  # the control


def test_float32_is_its_values() -> None:
    x = np.random.default_rng(5).standard_normal(1000).astype("f4")
    assert w2_squared_law(x, Gaussian()) == w2_squared_law(x.astype("f8"), Gaussian())


@given(seeds(), sources(finite_moment=2.5), st.integers(1, 40), st.integers(1, 40))
def test_a_distance(seed: int, source: Source, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = source.sample(n, rng=rng), source.sample(m, rng=rng)
    to_a, to_b = math.sqrt(w2_squared_law(a, source)), math.sqrt(w2_squared_law(b, source))
    between = math.sqrt(w2_squared(a, b))
    assert to_a >= 0.0
    room = 1e-12 * (to_a + to_b + between)
    assert to_a <= between + to_b + room
    assert between <= to_a + to_b + room


def test_moving_the_data_and_the_law_changes_nothing() -> None:
    x = np.round(np.random.default_rng(6).standard_normal(400) * 2**20) / 2**20
    expected = w2_squared_law(x, Gaussian())
    # The law's own quantiles are rounded to 1e-8 there, so that is what may be lost; not 1e8**2 * 1e-16.
    assert w2_squared_law(x + 1e8, Gaussian(loc=1e8)) == pytest.approx(expected, rel=1e-6)
    assert w2_squared_law(x * 8.0, Gaussian(scale=8.0)) == pytest.approx(64.0 * expected, rel=1e-12)


def test_a_law_that_is_data() -> None:
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=50), rng.normal(size=70)
    weights = rng.random(70)
    assert w2_squared_law(x, Empirical(y)) == pytest.approx(w2_squared(x, y), rel=1e-13)
    weighted = w2_squared(x, y, None, weights)
    assert w2_squared_law(x, Empirical(y, weights)) == pytest.approx(weighted, rel=1e-12)


def test_infinite_variance() -> None:
    for df in (1.0, 2.0):
        assert w2_squared_law([0.0, 1.0], StudentT(df)) == math.inf
    assert w2_squared_law([0.0, 1.0], StudentT(2.1)) < math.inf
    assert w2_squared_law([1e200], Gaussian()) == math.inf  # beyond float64


@pytest.mark.parametrize("arguments", [([],), ([math.nan],), ([1.0, 2.0], [1.0]), ([1.0], [-1.0])])
def test_bad_input(arguments: tuple) -> None:
    with pytest.raises(WeightsError):
        w2_squared_law(arguments[0], Gaussian(), *arguments[1:])


def test_mean_distance_of_a_uniform_sample_is_one_in_six_n() -> None:
    rng = np.random.default_rng(8)
    found: list[float] = []
    sizes = np.array([20, 80, 320])
    for n in sizes:
        drawn = np.array([w2_squared_law(rng.random(n), UNIT) for _ in range(600)])
        standard_error = drawn.std(ddof=1) / math.sqrt(drawn.size)
        assert abs(drawn.mean() - 1.0 / (6.0 * n)) < 4.0 * standard_error
        # The control: the neighbours 1 / (5 n) and 1 / (7 n) are excluded.
        assert abs(drawn.mean() - 1.0 / (7.0 * n)) > 3.0 * standard_error
        found.append(float(drawn.mean()))
    assert np.polyfit(np.log(sizes), np.log(found), 1)[0] == pytest.approx(-1.0, abs=0.1)
