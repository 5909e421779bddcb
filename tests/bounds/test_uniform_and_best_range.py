"""Min-max uniform, best-range uniform, midpoints and log2: bounds hold, high-rate laws are reached."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize

from fmq_theory.bounds import (
    best_range_high_rate,
    best_range_upper_bound,
    granular_overload,
    hui_neuhoff_asymptotic,
    log2_high_rate,
    log2_upper_bound,
    midpoint_high_rate,
    midpoint_upper_bound,
    optimal_half_range,
    uniform_high_rate,
    uniform_upper_bound,
)
from fmq_theory.errors import SourceError
from fmq_theory.metrics import distortion, expected_distortion
from fmq_theory.quantizers import ClippedUniform, Log2, MinMaxUniform, PowerCompander
from fmq_theory.sources import make
from fmq_theory.sources.empirical import Empirical
from tests.bounds.laws import changed, laws, standard_laws, there

STANDARD = standard_laws()
ROUNDING = 1 + 1e-9


@pytest.mark.parametrize("name", sorted(STANDARD))
@pytest.mark.parametrize("num_levels", [2, 5, 32])
def test_min_max_bound_and_high_rate_against_the_exact_mean(name, num_levels):
    law, n = STANDARD[name], 5000
    exact = expected_distortion(MinMaxUniform().design_on_range, law, num_levels, n)
    assert exact <= uniform_upper_bound(law, num_levels, n).value * ROUNDING
    if num_levels == 32 and name not in ("t3", "t5"):
        assert there(uniform_high_rate(law, num_levels, n)).value == pytest.approx(exact, rel=0.02)


def test_min_max_order_at_fixed_n():
    law, n = STANDARD["laplace"], 5000
    counts = np.array([65, 129, 257])
    exact = [expected_distortion(MinMaxUniform().design_on_range, law, int(k), n) for k in counts]
    slope = -np.polyfit(np.log(counts - 1), np.log(exact), 1)[0]
    assert slope == pytest.approx(uniform_upper_bound(law, 65, n).order, abs=0.01)


def test_one_level_at_the_mid_range():
    data = Empirical([0.0, 1.0, 10.0])
    assert uniform_upper_bound(data, 1, 3).value == 25.0
    assert uniform_high_rate(data, 1, 3) is None


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=30), st.integers(1, 20))
def test_min_max_bound_on_data(numbers, num_levels):
    source = Empirical(np.array(numbers))
    exact = distortion(MinMaxUniform().design(source, num_levels), source)
    assert exact <= uniform_upper_bound(source, num_levels, len(numbers)).value * ROUNDING + 1e-25


@pytest.mark.parametrize(
    ("name", "num_levels", "printed"),
    [  # theory section 9, optimal uniform columns
        ("gaussian", 8, 0.0374397),
        ("gaussian", 16, 0.0115429),
        ("laplace", 8, 0.0717478),
        ("laplace", 16, 0.0253510),
    ],
)
def test_best_range_high_rate_is_near_the_table(name, num_levels, printed):
    law = STANDARD[name]
    assert best_range_high_rate(law, num_levels).value == pytest.approx(printed, rel=0.03)
    assert printed <= best_range_upper_bound(law, num_levels).value <= 1.3 * printed


def test_step_of_the_table():
    law = STANDARD["gaussian"]
    assert 2 * optimal_half_range(law, 16) / 16 == pytest.approx(0.335201, rel=0.01)


@given(laws(), st.integers(1, 48))
@settings(max_examples=30)
def test_best_range_bound_against_the_optimal_uniform(law, num_levels):
    exact = distortion(ClippedUniform().design(law, num_levels), law)
    assert exact <= best_range_upper_bound(law, num_levels).value * ROUNDING


@pytest.mark.parametrize("name", ["gaussian", "laplace", "t3", "t5", "stretched", "uniform"])
def test_best_range_high_rate_is_reached(name):
    law = STANDARD[name]
    exact = distortion(ClippedUniform().design(law, 512), law)
    assert best_range_high_rate(law, 512).value == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize("num_levels", [4, 64])
def test_optimal_half_range_is_a_minimum(num_levels):
    law = STANDARD["t5"]

    def total(half_range):
        return float(np.add(*granular_overload(law, np.array([half_range]), num_levels))[0])

    best = optimize.minimize_scalar(total, bounds=(0.1, 60.0), method="bounded", options={"xatol": 1e-10})
    assert total(optimal_half_range(law, num_levels)) == pytest.approx(best.fun, rel=1e-7)
    assert total(1.3 * optimal_half_range(law, num_levels)) > 1.005 * best.fun


@pytest.mark.parametrize("df", [2.5, 3.0, 5.0])
def test_power_tail_order_of_the_best_uniform(df):
    law = make("student-t", df=df)
    counts = 2.0 ** np.arange(14, 21)
    values = [best_range_high_rate(law, int(k)).value for k in counts]
    slope = -np.polyfit(np.log(counts), np.log(values), 1)[0]
    closed = [hui_neuhoff_asymptotic(law, int(k)) for k in counts]
    assert closed[0].order == pytest.approx(2 - 4 / df)
    assert slope == pytest.approx(2 - 4 / df, abs=0.01)
    assert values[-1] == pytest.approx(closed[-1].value, rel=0.02)
    assert values[-1] != pytest.approx(closed[-1].value * (df - 2) / df, rel=0.02)  # granular part alone


def test_closed_form_minimises_its_own_two_terms():
    """L^2/(3K^2) + 4 C L^(2-nu)/((nu-1)(nu-2)) for sf = C x^-nu on both sides."""
    law, k = make("student-t", df=4.0), 1000
    nu, c = law.tail.index, law.tail.constant

    def total(log_range):
        reach = math.exp(log_range)
        return reach**2 / (3 * k * k) + 4 * c * reach ** (2 - nu) / ((nu - 1) * (nu - 2))

    best = optimize.minimize_scalar(total, bounds=(0, 20), method="bounded", options={"xatol": 1e-12})
    assert hui_neuhoff_asymptotic(law, k).value == pytest.approx(best.fun, rel=1e-10)


@pytest.mark.parametrize(
    ("law", "closed"),
    [
        (make("gaussian", scale=2.0), lambda k: 4 / 3 * 4.0 * math.log(k) / k**2),
        (make("laplace"), lambda k: 4 / 3 * math.log(k) ** 2 / k**2),
        (make("logistic"), lambda k: 4 / 3 * math.log(k) ** 2 / k**2),
        (make("gamma", shape=3.0), lambda k: 4 / 3 * math.log(k) ** 2 / k**2),
        (make("generalized-gaussian", beta=2.0), lambda k: 4 / 3 * 0.5 * math.log(k) / k**2),
        (make("uniform"), lambda k: 1 / 3 / k**2),
    ],
    ids=lambda value: "closed" if callable(value) else str(value),
)
def test_exponential_type_closed_forms(law, closed):
    assert hui_neuhoff_asymptotic(law, 64).value == pytest.approx(closed(64), rel=1e-12)
    gaps = [
        abs(hui_neuhoff_asymptotic(law, k).value / best_range_high_rate(law, k).value - 1)
        for k in (2**40, 2**200)
    ]
    assert gaps[1] <= gaps[0] + 1e-9
    assert gaps[1] < 0.06  # convergence is logarithmic


def test_best_range_of_infinite_variance():
    law = make("student-t", df=2.0)
    assert best_range_upper_bound(law, 8).is_vacuous
    assert best_range_high_rate(law, 8).is_vacuous
    assert hui_neuhoff_asymptotic(law, 8).is_vacuous


def test_the_leading_term_is_about_laws():
    with pytest.raises(SourceError, match="many levels"):
        hui_neuhoff_asymptotic(Empirical([0.0, 1.0]), 8)


@given(laws(), st.integers(1, 40), st.sampled_from([100, 10**6]))
@settings(max_examples=30)
def test_midpoint_bound_on_laws(law, num_levels, n):
    scheme = PowerCompander(1.0, "midpoint", n)
    exact = distortion(scheme.design(law, num_levels), law)
    assert exact <= midpoint_upper_bound(law, num_levels, n).value * ROUNDING


@given(st.lists(st.integers(-9, 9), min_size=2, max_size=40), st.integers(1, 12))
def test_midpoint_bound_on_data(numbers, num_levels):
    assume(len(set(numbers)) > 1)
    source = Empirical(np.array(numbers, dtype=np.float64))
    exact = distortion(PowerCompander(1.0, "midpoint").design(source, num_levels), source)
    assert exact <= midpoint_upper_bound(source, num_levels, len(numbers)).value + 1e-12


def test_midpoint_high_rate_exists_on_bounded_support_only():
    assert there(midpoint_high_rate(STANDARD["uniform"], 8)).value == pytest.approx(1 / 64, rel=1e-12)
    assert midpoint_high_rate(STANDARD["gaussian"], 8) is None


@given(laws(), st.integers(1, 64), st.sampled_from([1000, 10**6]))
@settings(max_examples=30)
def test_log2_bound_on_laws(law, num_levels, n):
    bound = log2_upper_bound(law, num_levels, n)
    assume(bound is not None)
    assert distortion(Log2(n).design(law, num_levels), law) <= there(bound).value * ROUNDING


@given(st.lists(st.integers(-30, 30), min_size=2, max_size=40), st.integers(2, 24))
def test_log2_bound_on_data(numbers, num_levels):
    assume(len(set(numbers)) > 1)
    source = Empirical(np.array(numbers, dtype=np.float64))
    bound = log2_upper_bound(source, num_levels, len(numbers))
    assume(bound is not None)
    assert distortion(Log2().design(source, num_levels), source) <= there(bound).value + 1e-12


def test_log2_high_rate_on_samples():
    law, n = STANDARD["gaussian"], 20_000
    samples = [Empirical(law.sample(n, rng=np.random.default_rng(seed))) for seed in range(12)]
    measured = np.mean([distortion(Log2().design(s, 256), s) for s in samples])
    assert there(log2_high_rate(law, 256, n)).value == pytest.approx(measured, rel=0.1)
    assert log2_high_rate(law, 2, n) is None


def test_log2_of_one_level_is_not_claimed():
    assert log2_upper_bound(STANDARD["gaussian"], 1, 1000) is None
    one_sided = Empirical([1.0, 2.0, 4.0])
    exact = distortion(Log2().design(one_sided, 4), one_sided)
    assert exact <= there(log2_upper_bound(one_sided, 4, 3)).value


def test_bounds_move_with_the_unit():
    law = make("student-t", df=4.0)
    wide = changed(law, scale=3.0)
    for bound in (best_range_upper_bound, best_range_high_rate, hui_neuhoff_asymptotic):
        assert bound(wide, 16).value == pytest.approx(9 * bound(law, 16).value, rel=1e-8)
