"""The law of the extremes: closed forms, an independent quadrature, Monte Carlo, extreme-value limits."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmq_theory.bounds import (
    RangeLaw,
    expected_half_range_squared,
    half_range_squared_high_rate,
    max_nodes,
    min_nodes,
    range_law,
)
from fmq_theory.bounds.extreme_nodes import joint_nodes
from fmq_theory.errors import SourceError
from fmq_theory.sources import make
from fmq_theory.sources.empirical import Empirical
from tests.bounds.laws import laws, standard_laws

STANDARD = standard_laws()


def half_range(law: RangeLaw) -> float:
    return 0.5 * (law.expected_max - law.expected_min)


@pytest.mark.parametrize("n", [2, 3, 17, 63, 64, 65, 1000, 10**6, 10**9])
def test_uniform_law_has_beta_moments(n):
    law = range_law(make("uniform", scale=2.0), n)
    assert law.expected_max == pytest.approx(2 * (n - 1) / (n + 1), rel=1e-12)
    assert law.half_range_squared == pytest.approx(4 * n * (n - 1) / ((n + 1) * (n + 2)), rel=1e-11)


@given(laws())
@settings(max_examples=10)
def test_two_weights_have_half_the_variance(law):
    assert expected_half_range_squared(law, 2) == pytest.approx(law.variance() / 2, rel=1e-9)


@pytest.mark.parametrize("beta", [0.0501, 0.07, 0.1, 0.2, 0.4])
def test_so_have_two_of_a_law_whose_variance_lies_far_out(beta):
    """Where P isf(P)^2 is greatest at ln 1/P = 2/beta."""
    law = make("generalized-gaussian", beta=beta)
    assert expected_half_range_squared(law, 2) == pytest.approx(law.variance() / 2, rel=1e-11)


@given(laws())
@settings(max_examples=6)
def test_the_mean_range_of_three_is_three_halves_that_of_two(law):
    # E range_3 = (3/2) E range_2 for every law: the middle one of three splits the range of a pair.
    two, three = range_law(law, 2), range_law(law, 3)
    assert half_range(three) == pytest.approx(1.5 * half_range(two), rel=1e-9)


@pytest.mark.parametrize("n", [2, 5, 30, 100, 10**4])
def test_laplace_maximum(n):
    """E max = integral of 1 - F^n over x > 0 minus integral of F^n over x < 0; the latter is 2^-n / n."""
    with mpmath.workdps(30):
        above = mpmath.quad(
            lambda u: (1 - (1 - u / 2) ** n) / u, [0, mpmath.mpf(1) / n, 10 / mpmath.mpf(n), 1]
        )
        expected = above - mpmath.mpf(2) ** -n / n
    assert range_law(make("laplace"), n).expected_max == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("n", [64, 4096, 10**8])
def test_logistic_maximum_is_a_digamma_difference(n):
    expected = float(mpmath.digamma(n) - mpmath.digamma(1))  # E max = psi(n) - psi(1)
    assert range_law(make("logistic"), n).expected_max == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n", [2, 8, 200, 10**5])
def test_logistic_square_of_the_maximum(n):
    expected = float((mpmath.digamma(n) - mpmath.digamma(1)) ** 2 + mpmath.psi(1, n) + mpmath.psi(1, 1))
    values, weights = max_nodes(make("logistic"), n)
    assert float(values**2 @ weights) == pytest.approx(expected, rel=1e-12)


@pytest.mark.deep
@pytest.mark.parametrize(
    ("name", "n"), [("gaussian", 10), ("t5", 5), ("t5", 1000), ("stretched", 20), ("flat", 40)]
)
def test_range_square_by_another_formula(name, n):
    """E W^2 = 2 * double integral over x < y of P(min <= x, max > y), on a plain tensor grid in asinh."""
    law, nodes = STANDARD[name], 500
    t, w = np.polynomial.legendre.leggauss(nodes)
    x, dx = np.sinh(12 * t), 12 * w * np.cosh(12 * t)  # an even number of nodes: none at the kink
    below, above = law.cdf(x), law.sf(x)
    fx, sy = below[:, None], above[None, :]
    rest = np.maximum(1 - fx - sy, 0.0)
    joint = 1 - (1 - sy) ** n - (1 - fx) ** n + rest**n
    half_plane = np.tri(nodes, k=-1).T + 0.5 * np.eye(nodes)
    expected = 2 * float(dx @ (joint * half_plane) @ dx)
    assert 4 * expected_half_range_squared(law, n) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("name", "n"), [("gaussian", 7), ("t5", 50), ("two-humped", 200), ("laplace", 1000)])
def test_monte_carlo(name, n):
    law = STANDARD[name]
    draws = law.sample(n * 20_000, rng=np.random.default_rng(3)).reshape(-1, n)
    half = 0.5 * (draws.max(axis=1) - draws.min(axis=1))
    predicted = range_law(law, n)
    for sample, expected in ((half, half_range(predicted)), (half**2, predicted.half_range_squared)):
        error = sample.std() / math.sqrt(sample.size)
        assert abs(sample.mean() - expected) < 4.5 * error
        assert abs(sample.mean() - 1.05 * expected) > 4.5 * error  # five per cent off would be seen


@given(laws(), st.sampled_from([2, 9, 63, 64, 500, 10**6]))
@settings(max_examples=15)
def test_nodes_are_a_probability_with_the_right_means(law, n):
    (high, low, weight), moments = joint_nodes(law, n), range_law(law, n)
    assert float(weight.sum()) == pytest.approx(1.0, abs=1e-11)
    assert (low <= high).all()
    assert float((high * weight).sum()) == pytest.approx(moments.expected_max, rel=1e-9, abs=1e-9)
    assert float((low * weight).sum()) == pytest.approx(moments.expected_min, rel=1e-9, abs=1e-9)
    if law.tail.index > 2.3:  # nearer to 2 the far tail is completed by partial moments
        half = 0.5 * (high - low)
        assert float((half**2 * weight).sum()) == pytest.approx(moments.half_range_squared, rel=1e-9)


def test_sixty_three_and_sixty_four_weights_use_two_rules_that_meet():
    for name in ("laplace", "t3", "pole"):
        logs = np.log([expected_half_range_squared(STANDARD[name], n) for n in range(60, 68)])
        assert np.abs(np.diff(logs, 6)).max() < 1e-8


def test_median_extremes_are_the_typical_range():
    law = STANDARD["t3"]
    low, high = law.typical_range(1000)
    share = 1.0 - 0.5 ** (1.0 / 1000)  # F(x)^n = 1/2
    assert float(law.isf(share)) == pytest.approx(high)
    assert float(law.ppf(share)) == pytest.approx(low)


def test_minimum_nodes_mirror_maximum_nodes():
    law = make("logistic", loc=2.0)
    high, weight = max_nodes(law, 50)
    low, other = min_nodes(law, 50)
    np.testing.assert_allclose(4.0 - high, low, atol=1e-12)
    np.testing.assert_array_equal(weight, other)


@pytest.mark.parametrize(("df", "n", "within"), [(2.2, 10**5, 1e-3), (3.0, 10**6, 2e-3), (6.0, 10**8, 0.02)])
def test_power_tails_reach_their_limit(df, n, within):
    law = make("student-t", df=df)
    limit = half_range_squared_high_rate(law, n).value
    assert limit == pytest.approx(expected_half_range_squared(law, n), rel=within)


@pytest.mark.parametrize("name", ["gaussian", "laplace", "logistic", "stretched", "two-humped", "flat"])
def test_light_tails_approach_their_limit(name):
    law = STANDARD[name]
    gaps = [
        abs(half_range_squared_high_rate(law, n).value / expected_half_range_squared(law, n) - 1)
        for n in (10.0**3, 10.0**9, 10.0**60)
    ]
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 0.05


def test_infinite_second_moment():
    law = range_law(make("student-t", df=1.8), 100)
    assert math.isinf(law.half_range_squared)
    assert math.isfinite(half_range(law))
    assert math.isinf(range_law(make("student-t", df=0.9), 100).expected_max)
    assert half_range_squared_high_rate(make("student-t", df=2.0), 100).is_vacuous


def test_near_infinite_variance_the_far_tail_is_not_lost():
    law = make("student-t", df=2.02)
    assert expected_half_range_squared(law, 2) == pytest.approx(law.variance() / 2, rel=1e-12)


def test_one_weight_has_no_range_and_data_have_their_own():
    assert expected_half_range_squared(make("gaussian", loc=3.0), 1) == 0.0
    data = Empirical([1.0, 4.0, 9.0])
    assert expected_half_range_squared(data, 10**6) == 16.0


@pytest.mark.parametrize("n", [0, 1.5, -3])
def test_impossible_sample_sizes_are_refused(n):
    with pytest.raises(SourceError, match="sample size"):
        range_law(make("gaussian"), n)


@pytest.mark.parametrize("df", [0.2, 1.0, 1.5, 3.0])
def test_one_weight_has_no_range_however_heavy_the_tail(df: float) -> None:
    law = make("student-t", df=df)
    assert range_law(law, 1).half_range_squared == 0.0
    assert (range_law(law, 2).half_range_squared == math.inf) == (df <= 2.0)  # control
