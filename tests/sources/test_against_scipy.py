"""Densities, distribution functions, moments and entropies agree with scipy.stats."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from fmq_theory.sources import Gaussian, StudentT
from tests.sources.laws import each_law, scipy_law

# No zero offset: scipy's dgamma has no value for the density at its centre.
OFFSETS = np.array([-30.0, -4.0, -1.0, -0.3, -1e-3, 1e-3, 0.2, 0.99, 2.5, 7.0, 40.0])
KOLMOGOROV = 1.95
# scipy's t quantile at 1e-12 is off by 5e-7; test_far_tails inverts sf there instead.
RANKS = np.array([1e-4, 0.03, 0.2, 0.4, 0.499, 0.5, 0.62, 0.9, 0.9999])


@each_law
def test_density_and_distribution_functions(law):
    oracle = scipy_law(law)
    x = law.loc + law.scale * OFFSETS
    # A rounded offset x - loc moves a density of 40 scales out by more than the arithmetic does.
    assert_allclose(law.pdf(x), oracle.pdf(x), rtol=2e-12, atol=1e-300)
    assert_allclose(law.cdf(x), oracle.cdf(x), rtol=2e-11, atol=1e-300)
    assert_allclose(law.sf(x), oracle.sf(x), rtol=2e-11, atol=1e-300)


@each_law
def test_quantiles(law):
    oracle = scipy_law(law)
    tolerance = {"rtol": 1e-9, "atol": 1e-12 * law.scale}
    assert_allclose(law.ppf(RANKS), oracle.ppf(RANKS), **tolerance)
    assert_allclose(law.isf(RANKS), oracle.isf(RANKS), **tolerance)


@each_law
def test_entropy(law):
    assert_allclose(law.differential_entropy(), float(scipy_law(law).entropy()), rtol=1e-9, atol=1e-9)


@each_law
def test_moments(law):
    oracle = scipy_law(law)
    degrees = law.df if isinstance(law, StudentT) else math.inf
    for order in range(5):
        if order < degrees:
            assert_allclose(law.moment(order), oracle.moment(order), rtol=1e-8, atol=1e-10)
    if degrees > 2:
        assert_allclose(law.mean(), oracle.mean(), atol=1e-14)
        assert_allclose(law.variance(), oracle.var(), rtol=1e-12)


@each_law
def test_samples_follow_the_law(law):
    n = 20_000
    x = np.sort(law.sample(n, rng=np.random.default_rng(7)))
    assert x.shape == (n,)
    gap = np.abs(law.cdf(x) - (np.arange(n) + 0.5) / n).max()
    assert gap * math.sqrt(n) < KOLMOGOROV  # exceeded with probability 0.001


def test_samples_of_another_law_are_told_apart():
    n = 20_000
    x = np.sort(Gaussian().sample(n, rng=np.random.default_rng(7)))
    gap = np.abs(StudentT(4.0).cdf(x) - (np.arange(n) + 0.5) / n).max()
    assert gap * math.sqrt(n) > KOLMOGOROV


@each_law
def test_samples_repeat_with_the_seed(law):
    first, second, other = (law.sample(5, rng=np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert (first == second).all()
    assert (first != other).any()


@each_law
def test_hazard_is_the_logarithmic_slope_of_the_survival_function(law):
    high = law.support[1]
    x = law.isf(np.array([0.97, 0.6, 0.2, 1e-3, 1e-6]))
    h = 1e-5 * np.maximum(np.abs(x - law.loc), 1e-3 * law.scale)
    h = np.minimum(h, 1e-3 * (high - x)) if math.isfinite(high) else h
    slope = -(np.log(law.sf(x + h)) - np.log(law.sf(x - h))) / (2.0 * h)
    assert_allclose(law.hazard(x), slope, rtol=1e-5)


@pytest.mark.parametrize("q", [0.0, 1.0])
@each_law
def test_extreme_quantiles_are_the_support(law, q):
    assert law.ppf(q) == law.support[int(q)]
    assert law.isf(q) == law.support[1 - int(q)]


@each_law
def test_quantiles_outside_the_unit_interval_are_nan(law):
    assert np.isnan(law.ppf(np.array([-0.1, 1.1, math.nan]))).all()
