"""T5a to T5e: limits approached, orders measured by regression on exact values, wrong constants refused."""

import math

import numpy as np
import pytest

from fmq_theory.bounds import (
    S_INFINITY,
    equal_mass_bounded,
    equal_mass_distortion,
    equal_mass_exponential_tail,
    equal_mass_gaussian,
    equal_mass_high_rate,
    equal_mass_laplace,
    equal_mass_regular_tail,
    finite_alpha_interval,
    regular_tail_sum,
)
from fmq_theory.errors import SourceError
from fmq_theory.sources import Gaussian, Laplace, make
from fmq_theory.sources.empirical import Empirical
from tests.bounds.laws import standard_laws

STANDARD = standard_laws()


def fitted_order(law, exponents, log_factor=0.0):
    """Slope of -ln D + log_factor * -ln ln K against ln K."""
    counts = np.array([2**e for e in exponents])
    exact = np.array([equal_mass_distortion(law, int(k)) for k in counts])
    return -np.polyfit(np.log(counts), np.log(exact * np.log(counts) ** log_factor), 1)[0]


def test_laplace_order_is_one():
    assert fitted_order(STANDARD["laplace"], range(8, 14)) == pytest.approx(1.0, abs=1e-3)


def test_gaussian_order_is_one_with_a_log_factor():
    law = STANDARD["gaussian"]
    with_log = fitted_order(law, range(9, 16), log_factor=1.0)
    assert with_log == pytest.approx(equal_mass_high_rate(law, 2).order, abs=0.01)
    assert abs(fitted_order(law, range(9, 16)) - 1) > 0.05  # negative control: the factor is really there


@pytest.mark.parametrize(("df", "tolerance"), [(2.5, 0.004), (3.0, 0.008), (4.0, 0.02), (6.0, 0.05)])
def test_power_tail_order(df, tolerance):
    law = make("student-t", df=df)
    bound = equal_mass_high_rate(law, 256)
    assert bound.order == pytest.approx(1 - 2 / df)
    assert fitted_order(law, range(8, 13)) == pytest.approx(bound.order, abs=tolerance)


@pytest.mark.deep
@pytest.mark.parametrize("df", [3.0, 4.0, 6.0])
def test_power_tail_order_at_very_many_levels(df):
    assert fitted_order(make("student-t", df=df), range(15, 20)) == pytest.approx(1 - 2 / df, abs=0.008)


def test_eight_times_the_levels_halve_the_error_at_nu_3():
    law = make("student-t", df=3.0)
    assert equal_mass_distortion(law, 8 << 10) / equal_mass_distortion(law, 1 << 10) == pytest.approx(
        0.5, abs=5e-3
    )


@pytest.mark.parametrize(("df", "reached"), [(2.5, 2e-4), (3.0, 1e-3), (4.0, 0.01), (6.0, 0.05)])
def test_power_tail_constant_is_approached(df, reached):
    law = make("student-t", df=df, scale=1.7)
    gaps = [
        abs(equal_mass_regular_tail(law, k).value / equal_mass_distortion(law, k) - 1)
        for k in (1 << 8, 1 << 14)
    ]
    assert gaps[1] < 0.3 * gaps[0]
    assert gaps[1] < reached


def test_a_wrong_power_tail_constant_is_noticed():
    law, k = make("student-t", df=3.0), 1 << 13
    one_sided = law.tail.constant ** (2 / 3) * regular_tail_sum(3.0) * k ** (-1 / 3)  # without the factor 2
    assert abs(one_sided / equal_mass_distortion(law, k) - 1) > 0.4


def test_gaussian_constant_is_approached():
    law = STANDARD["gaussian"]
    assert 256 * math.log(256) * equal_mass_distortion(law, 256) == pytest.approx(
        1.0550, abs=5e-5
    )  # theory T5b
    far = [gaussian_far_out(e) / S_INFINITY for e in (60, 200, 900)]
    assert 1.012 > far[0] > far[1] > far[2] > 1  # from above, like 1 + c / ln K up to ln ln K
    assert far[2] == pytest.approx(1.0, abs=0.003)


def gaussian_far_out(exponent):
    """K ln K D_EM for K = 2^exponent: 2000 cells from the top one by one, the rest by width^2 / 12."""
    law, k, cells = STANDARD["gaussian"], 2.0**exponent, 2000
    edges = law.isf(np.arange(cells + 1) / k)
    low, high = edges[1:], edges[:-1]
    mean = low + law.partial_moments(low, high, about=low).first * k
    top = law.partial_moments(low, high, about=mean).second.sum() * k
    u = np.geomspace(cells, k / 2, 20_001)
    slope = law.pdf(law.isf(u / k)) * k  # du/dx
    rest = np.trapezoid(u / slope / slope / 12, np.log(u))
    return 2 * (top + rest) * exponent * math.log(2)


def test_far_out_sum_agrees_with_the_exact_value():
    k = 1 << 16
    expected = k * math.log(k) * equal_mass_distortion(STANDARD["gaussian"], k)
    assert gaussian_far_out(16) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["logistic", "pole", "two-humped"])
def test_exponential_tails_reach_the_hazard_formula(name):
    law = STANDARD[name]
    gaps = [
        abs(equal_mass_exponential_tail(law, 2**e).value / equal_mass_distortion(law, 2**e) - 1)
        for e in (6, 10, 14)
    ]
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 0.05


def test_the_hazard_formula_contains_the_laplace_law():
    law, k = Laplace(0.0, 3.0), 1 << 12
    expected = law.variance() * S_INFINITY / k
    assert equal_mass_exponential_tail(law, k).value == pytest.approx(expected, rel=1e-12)
    assert equal_mass_laplace(law, k).value == pytest.approx(expected, rel=1e-4)


def test_bounded_support_has_order_two_and_bennett_s_constant():
    law = make("uniform", scale=3.0)
    bound = equal_mass_bounded(law, 8)
    assert (bound.kind, bound.order) == ("exact", 2.0)
    assert bound.value == pytest.approx(9 / 3 / 64, rel=1e-14)
    assert equal_mass_distortion(law, 8) == pytest.approx(bound.value, rel=1e-12)
    assert fitted_order(law, range(3, 9)) == pytest.approx(2.0, abs=1e-9)
    assert equal_mass_bounded(STANDARD["gaussian"], 8).is_vacuous


def test_elementary_lower_bound_for_unbounded_support():
    """lim inf K^2 D >= L^2/(3 mu([-L, L])) for every L (T4): no K^-2 law."""
    law, k = STANDARD["gaussian"], 1 << 12
    for reach in (1.0, 2.0, 3.0):
        inside = float(law.cdf(reach) - law.cdf(-reach))
        assert k * k * equal_mass_distortion(law, k) >= reach**2 / (3 * inside)


@pytest.mark.parametrize("name", sorted(STANDARD))
def test_dispatch_by_tail(name):
    law = STANDARD[name]
    bound = equal_mass_high_rate(law, 64)
    expected = {"bounded": 2.0, "exponential": 1.0, "regular": 1 - 2 / law.tail.index}[law.tail.kind]
    assert bound.order == pytest.approx(expected)
    assert (bound.kind == "exact") == (name in ("laplace", "uniform"))
    assert (finite_alpha_interval(law)[1] > 1) == (bound.order == 2)


def test_one_cell_is_the_variance():
    for law in STANDARD.values():
        bound = equal_mass_high_rate(law, 1)
        assert (bound.kind, bound.value) == ("exact", law.variance())


def test_infinite_variance_is_said():
    bound = equal_mass_high_rate(make("student-t", df=1.5), 16)
    assert bound.is_infinite
    assert bound.order is None
    assert "variance is infinite" in bound.describe()


def test_closed_forms_refuse_what_they_do_not_cover():
    with pytest.raises(SourceError, match="even"):
        equal_mass_laplace(Laplace(), 7)
    with pytest.raises(SourceError, match="ln K"):
        equal_mass_gaussian(Gaussian(), 1)
    with pytest.raises(SourceError, match="power tails"):
        equal_mass_regular_tail(make("gaussian"), 8)


def test_data_with_exponential_tails_are_estimated_well():
    rng = np.random.default_rng(11)
    data = Empirical(rng.laplace(size=400_000))
    for num_levels in (16, 64, 256):
        bound = equal_mass_high_rate(data, num_levels)
        assert bound.kind == "estimate"
        assert bound.value == pytest.approx(equal_mass_distortion(data, num_levels), rel=0.08)
