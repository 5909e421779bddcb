"""Intervals of means and of medians."""

import math
from functools import partial

import numpy as np
import pytest
from scipy import stats

from fmq_theory.errors import WeightsError
from fmq_theory.metrics import (
    exact_estimate,
    fewest_for_median,
    mean_estimate,
    median_estimate,
    median_intervals,
)


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
    for estimate in (mean_estimate, median_estimate):
        with pytest.raises(WeightsError):
            estimate(samples, confidence=confidence)


def test_the_median_interval_by_its_own_binomial() -> None:
    # Eight repeats: X_(2) .. X_(7) covers 92.97 % and X_(1) .. X_(8) 99.22 %, by counting coin tosses.
    values = np.random.default_rng(2).normal(size=8)
    x = np.sort(values)
    for k, covers in ((2, 1 - 2 * (1 + 8) / 256), (1, 1 - 2 / 256)):
        found = median_estimate(values, confidence=covers)
        assert (found.low, found.high) == pytest.approx((x[k - 1], x[8 - k]), abs=1e-12)
    between = median_estimate(values)
    assert between.low is not None
    assert between.high is not None
    assert x[0] < between.low < x[1]
    assert x[6] < between.high < x[7]
    assert (between.value, between.of, between.count) == (0.5 * (x[3] + x[4]), "median", 8)


@pytest.mark.parametrize("count", [6, 7, 8, 20, 21])
def test_the_median_interval_covers_where_no_mean_exists(count: int) -> None:
    # Cauchy's law has no mean, a squared Cauchy is one-sided: neither matters.
    draws = np.random.default_rng(count).standard_cauchy((4000, count)) ** 2

    def covered(confidence: float) -> int:
        found = [median_estimate(row, confidence=confidence) for row in draws]
        return sum(e.low is not None and e.high is not None and e.low <= 1.0 <= e.high for e in found)

    assert stats.binomtest(covered(0.95), len(draws), 0.95).pvalue > 1e-4
    # Near control: intervals of 93 % do not pass for it.
    assert stats.binomtest(covered(0.93), len(draws), 0.95).pvalue < 1e-4


NASTY = {
    "density that jumps at the median": lambda rng, shape: np.where(
        rng.random(shape) < 0.5, -1e-3 * rng.random(shape), rng.exponential(size=shape)
    ),
    "two atoms": lambda rng, shape: (rng.random(shape) >= 0.505).astype(np.float64),
}
"""Laws with median 0 on which the interpolated ends cover less than they are nominally to."""


@pytest.mark.parametrize("law", NASTY)
@pytest.mark.parametrize("count", [6, 8, 12, 20])
def test_the_ends_of_a_verdict_cover_on_every_law(law: str, count: int) -> None:
    trials = 20_000
    repeats = NASTY[law](np.random.default_rng(count), (trials, count))
    # The levels of claims of one case, four and nine, as far as so many repeats reach them.
    levels = [level for level in (0.95, 0.9875, 1 - 0.05 / 9) if count >= fewest_for_median(level)]

    def too_few(level: float, *, interpolated: bool) -> float:
        """Chance of so few covered medians or fewer, if the coverage were nominal."""
        low, high = median_intervals(repeats, confidence=level, interpolated=interpolated)
        return float(stats.binom.cdf(((low <= 0.0) & (high >= 0.0)).sum(), trials, level))

    assert min(too_few(level, interpolated=False) for level in levels) > 1e-4
    # Near control: the interpolated ends of the tables miss a level here.
    assert min(too_few(level, interpolated=True) for level in levels) < 1e-4


def test_the_ends_of_a_verdict_are_the_narrowest_order_statistics_that_reach_the_level() -> None:
    for count in range(2, 31):
        found = median_estimate(range(1, count + 1))
        for confidence in (0.5, 0.9, 0.95, 0.99, 0.998):
            reach = [
                k
                for k in range(1, count // 2 + 1)
                if 1 - 2 * sum(math.comb(count, j) for j in range(k)) / 2**count >= confidence
            ]
            ends = (max(reach), count + 1 - max(reach)) if reach else (None, None)
            asked = found.at(confidence)
            assert (asked.low, asked.high) == ends
            assert (asked.value, asked.confidence) == (found.value, confidence)


def test_too_few_repeats_have_no_interval_of_the_median() -> None:
    for confidence in (0.9, 0.95, 0.99, 1 - 0.05 / 21):
        fewest = fewest_for_median(confidence)
        assert median_estimate(range(fewest - 1), confidence=confidence).low is None
        assert median_estimate(range(fewest), confidence=confidence).low is not None
    assert [median_estimate([1.0] * count).low for count in (1, 2, 3)] == [None] * 3


def test_infinite_repeats_matter_only_at_the_ends() -> None:
    inside = median_estimate([*range(19), math.inf])
    assert (inside.low, inside.high) == (
        median_estimate(range(20)).low,
        median_estimate(range(20)).high,
    )
    assert median_estimate([*range(5), math.inf]).low is None
    assert median_estimate([math.inf] * 8).value == math.inf


def test_another_confidence_is_asked_of_the_same_repeats() -> None:
    samples = np.random.default_rng(4).gamma(2.0, size=12)
    ends = partial(median_estimate, interpolated=False)
    for estimate, expected in (
        (mean_estimate, mean_estimate(samples, confidence=0.998)),
        (median_estimate, ends(samples, confidence=0.998)),
        (ends, ends(samples, confidence=0.998)),
    ):
        found = estimate(samples, confidence=0.95).at(0.998)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-12)
        assert found.confidence == 0.998
    assert median_estimate(samples).at(0.9999).low is None
    assert median_estimate(samples, confidence=0.9999).at(0.95).low is not None
    assert exact_estimate(2.0).at(0.9) == exact_estimate(2.0)
    assert mean_estimate([1.0]).at(0.9).low is None


@pytest.mark.parametrize("count", [6, 8, 9, 20])
def test_many_intervals_at_once_are_those_of_one_by_one(count: int) -> None:
    repeats = np.random.default_rng(count).standard_normal((50, count))
    for confidence, between in ((0.9, True), (0.95, True), (0.95, False)):
        low, high = median_intervals(repeats, confidence=confidence, interpolated=between)
        found = [median_estimate(row, confidence=confidence, interpolated=between) for row in repeats]
        assert low == pytest.approx([e.low for e in found], rel=1e-13)
        assert high == pytest.approx([e.high for e in found], rel=1e-13)
    with pytest.raises(WeightsError, match="make"):
        median_intervals(repeats, confidence=0.9999999)
