"""The level of a family of intervals: applied to every sampled claim, and to nothing else."""

import numpy as np
import pytest

from fmq_theory.claims.engine.claim import Claim, Origin, Values, Verdict
from fmq_theory.claims.engine.judge import examine
from fmq_theory.claims.engine.policy import POLICY, at_family_level, level_in_words, num_sampled
from fmq_theory.claims.engine.relations import BELOW, band
from fmq_theory.metrics import Estimate, exact_estimate, mean_estimate, median_estimate
from fmq_theory.report.claims.document import claims_markdown
from fmq_theory.report.claims.files import claims_as_json

LIMIT = band(1, 1)


def _claim(measured: Values) -> Claim:
    return Claim(
        id="T1",
        origin=Origin.OURS,
        title="the median of drawn numbers",
        statement="a statement",
        domain="drawn numbers",
        predicted="limit",
        measured="median",
        predict=lambda _inputs: dict.fromkeys(measured, LIMIT),
        measure=lambda _inputs: measured,
        relation=BELOW,
    )


def test_each_of_m_intervals_has_the_confidence_of_bonferroni() -> None:
    samples = np.random.default_rng(0).gamma(2.0, size=(5, 12))
    measured = {f"case {i}": median_estimate(row) for i, row in enumerate(samples)}
    _, found = at_family_level(dict.fromkeys(measured, LIMIT), measured)
    for row, estimate in zip(samples, found.values(), strict=True):
        assert estimate == median_estimate(row, confidence=0.99, interpolated=False)
    # Both sides count, and applying the level again changes nothing.
    both = at_family_level(measured, measured)
    assert all(e.confidence == pytest.approx(0.995) for side in both for e in side.values())  # type: ignore[union-attr]
    assert at_family_level(*both) == both


def test_what_is_not_sampled_is_left_alone() -> None:
    side: Values = {"a": exact_estimate(1.0), "b": LIMIT, "c": 2.0, "d": Estimate(1.0, 0.5, 1.5, 1, 1.0)}
    assert num_sampled(side, side) == 0
    assert at_family_level(side, side) == (side, side)
    assert level_in_words(side, side) == ""
    assert level_in_words(side, {"a": mean_estimate([1.0, 2.0])}) == "1 interval, at 95 %"


def test_a_verdict_on_true_medians_is_wrong_in_five_per_cent_at_most() -> None:
    """Twenty cases that lie exactly on the edge: a refutation or a support is an error."""
    rng = np.random.default_rng(3)
    wrong = alone = 0
    trials = 300
    for _ in range(trials):
        draws = rng.standard_cauchy((20, 12)) + 1.0  # the median is the limit itself
        measured = {f"case {i}": median_estimate(row) for i, row in enumerate(draws)}
        wrong += examine(_claim(measured)).verdict is Verdict.REFUTED
        alone += any(e.low is not None and e.low >= 1.0 for e in measured.values())
    assert wrong / trials < 0.05 + 3 * (0.05 * 0.95 / trials) ** 0.5
    # Control: intervals at 95 % each refute a true claim of twenty cases four times out of ten.
    assert alone / trials > 0.25


def test_the_document_and_the_report_state_the_policy_and_each_level() -> None:
    finding = examine(_claim({"one": mean_estimate([0.1, 0.2, 0.3]), "two": mean_estimate([0.1, 0.2, 0.3])}))
    assert "2 intervals, each at 97.5 %" in finding.domain_checked
    text = claims_markdown((finding,))
    assert all(part in text for part in POLICY)
    report = claims_as_json((finding,))
    assert len(report["policy"]) == len(POLICY)
    assert report["claims"][0]["cases"][0]["measured"]["confidence"] == pytest.approx(0.975)
