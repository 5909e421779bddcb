"""Every printed interval covers what it says; Student's of the mean does not, and is not printed."""

import math
from pathlib import Path

import numpy as np
import pytest

from experiments.figures.coverage import BAND, EXPERIMENT, Config, coverage_rows, rows
from experiments.framework.table import Table, read_table
from fmq_theory.metrics import INTERVAL_KINDS, mean_estimate, median_estimate

FEWEST_SCORES = INTERVAL_KINDS["mean"].fewest
ROOT = Path(__file__).resolve().parents[2]
SMALL = Config(
    laws=("t(3)",), sizes=(64,), pools=(600,), schemes=("uniform", "equal_mass", "lloyd_max"), bits=(2,),
    repeats=(8,), trials=1000,
)  # fmt: skip


def _slack(trials: int) -> float:
    """Four standard errors of a coverage near 95 %."""
    return 4.0 * math.sqrt(0.05 * 0.95 / trials)


def test_on_the_heaviest_tail_the_median_covers_and_the_mean_does_not() -> None:
    made = rows(SMALL, {"law": "t(3)", "n": 64, "pool": 600})
    printed = [row for row in made if row["printed"]]
    assert {row["quantity"] for row in printed} == {"uniform", "equal_mass", "lloyd_max", "rho_em", "rho_w2"}
    assert {row["interval"] for row in printed} == {"median"}
    for row in printed:
        assert BAND[0] - _slack(1000) <= row["coverage"] <= BAND[1] + _slack(1000), row
        assert row["coverage"] == pytest.approx(1.0 - row["below"] - row["above"])
    # Control: Student's interval of the mean, which lies below the truth when it misses.
    (uniform,) = (row for row in made if row["quantity"] == "uniform" and row["interval"] == "mean")
    assert uniform["coverage"] < BAND[0] - _slack(1000)
    assert uniform["below"] > 5 * uniform["above"]


def test_the_intervals_counted_are_those_that_are_printed() -> None:
    pool = np.random.default_rng(5).standard_t(3, 400) ** 2
    for kind, estimate in (("median", median_estimate), ("mean", mean_estimate)):
        about = {"quantity": "uniform", "bits": 2}
        (row,) = coverage_rows(pool, 8, 200, (kind,), about, np.random.default_rng(6))
        drawn = pool[np.random.default_rng(6).integers(pool.size, size=(200, 8))]
        truth = float(np.median(pool) if kind == "median" else pool.mean())
        found = [estimate(values) for values in drawn]
        covered = sum(e.low is not None and e.high is not None and e.low <= truth <= e.high for e in found)
        assert row["coverage"] == pytest.approx(covered / 200)


def test_a_pool_of_equal_values_has_nothing_to_miss() -> None:
    about = {"quantity": "uniform", "bits": 2}
    assert coverage_rows(np.zeros(50), 8, 10, ("median",), about, np.random.default_rng(0)) == []


def test_coverage_is_counted_right_where_it_is_known() -> None:
    # Of a normal pool Student's interval is exact.
    pool = np.random.default_rng(1).normal(size=2000)
    about = {"quantity": "psnr", "bits": 2}
    (row,) = coverage_rows(pool, FEWEST_SCORES, 2000, ("mean",), about, np.random.default_rng(2))
    assert row["coverage"] == pytest.approx(0.95, abs=_slack(2000))
    assert row["printed"]
    (few,) = coverage_rows(pool, FEWEST_SCORES - 1, 2000, ("mean",), about, np.random.default_rng(2))
    assert not few["printed"]


@pytest.fixture(scope="module")
def published() -> Table:
    return read_table(ROOT / "docs" / "results", "coverage")


def test_every_printed_interval_of_the_published_table_covers(published: Table) -> None:
    config = Config()
    for name in config.laws:
        for n in config.sizes:
            for count in config.repeats:
                part = published.where(law=name, n=n, repeats=count, printed=True)
                assert len(part) >= 15, (name, n, count)  # 3 schemes and 2 ratios at 3 bit-widths
                assert min(part.values("trials")) >= 2000
                assert BAND[0] <= min(part.numbers("coverage")), (name, n, count)
                assert max(part.numbers("coverage")) <= BAND[1], (name, n, count)
    scores = published.where(law="digits", printed=True)
    assert {"psnr", "ssim", "lead in psnr", "lead in ssim"} == set(scores.values("quantity"))
    assert {"mean", "seeds", "lead"} == set(scores.values("interval"))
    assert BAND[0] <= min(scores.numbers("coverage"))
    assert max(scores.numbers("coverage")) <= BAND[1]
    # Control: of 64 samples some of the same means are not covered, so those have no interval.
    few = published.where(law="digits", interval="mean", repeats=64)
    assert not any(row["printed"] for row in few)
    assert min(few.where(quantity="ssim", bits=4).numbers("coverage")) < BAND[0]
    assert min(few.where(quantity="psnr").numbers("coverage")) < BAND[0]


def test_what_is_not_printed_does_not_cover(published: Table) -> None:
    """Controls: on every size some Student's interval is far from its level, on the Gaussian law too."""
    for n in Config().sizes:
        assert min(published.where(law="t(3)", n=n, interval="mean").numbers("coverage")) < 0.8
    assert min(published.where(law="gaussian", n=1024, interval="mean").numbers("coverage")) < BAND[0]
    assert min(published.where(law="digits", quantity="squared error").numbers("coverage")) < BAND[0]


def test_the_experiment_is_registered_under_its_name() -> None:
    from experiments.registry import get_experiment

    assert get_experiment("coverage") is EXPERIMENT
