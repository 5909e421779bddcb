"""Intervals for means."""

import math

import numpy as np
import pytest
from scipy import stats

from fmq_theory.errors import WeightsError
from fmq_theory.metrics import exact_estimate, mean_estimate


def test_against_scipy() -> None:
    samples = np.random.default_rng(0).normal(3.0, 2.0, 12)
    for confidence in (0.5, 0.95, 0.999):
        found = mean_estimate(samples, confidence=confidence)
        low, high = stats.t.interval(confidence, 11, loc=samples.mean(), scale=stats.sem(samples))
        assert (found.value, found.low, found.high) == pytest.approx((samples.mean(), low, high), rel=1e-13)
        assert (found.count, found.confidence) == (12, confidence)


def test_coverage_is_the_stated_one() -> None:
    rng = np.random.default_rng(1)
    trials = 4000

    def covered(confidence: float) -> int:
        estimates = (mean_estimate(rng.normal(size=4), confidence=confidence) for _ in range(trials))
        return sum(e.low is not None and e.high is not None and e.low <= 0.0 <= e.high for e in estimates)

    hits = covered(0.9)
    assert stats.binomtest(hits, trials, 0.9).pvalue > 1e-4
    # Negative control: the same intervals do not have another coverage.
    assert stats.binomtest(hits, trials, 0.95).pvalue < 1e-4


def test_what_has_no_interval() -> None:
    single = mean_estimate([2.5])
    assert (single.value, single.low, single.high, single.count) == (2.5, None, None, 1)
    infinite = mean_estimate([1.0, math.inf])
    assert (infinite.value, infinite.low, infinite.high) == (math.inf, None, None)


def test_extreme_and_equal_samples() -> None:
    huge = mean_estimate([1.7e308, 1.7e308, 1.6e308])
    assert huge.value == pytest.approx(1.6666666666666667e308, rel=1e-14)  # the sum is beyond float64
    assert mean_estimate([0.1] * 10).value == pytest.approx(0.1, rel=1e-15)
    constant = mean_estimate([0.0, 0.0])
    assert (constant.low, constant.high) == (0.0, 0.0)
    assert exact_estimate(0.3) == exact_estimate(0.3)
    assert (exact_estimate(0.3).low, exact_estimate(0.3).high) == (0.3, 0.3)


@pytest.mark.parametrize(("samples", "confidence"), [([], 0.9), ([math.nan, 1.0], 0.9), ([1.0, 2.0], 1.0)])
def test_bad_input(samples: list[float], confidence: float) -> None:
    with pytest.raises(WeightsError):
        mean_estimate(samples, confidence=confidence)
