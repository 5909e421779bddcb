"""The published protocol taken apart, and plans beside constant bits: sums that add up, and who can lose."""

import itertools
import math

import numpy as np
import pytest

from experiments.figures import allocation
from experiments.figures.published_scripts import STEPS, Channels, advantages, uniform_at_size


def _channels(*columns: list[float]) -> Channels:
    return Channels(*(np.asarray(column, dtype=float) for column in columns))


SIZE, TENSOR, NDIM = [100.0, 100.0, 4.0, 3.0], [200.0, 200.0, 40.0, 3.0], [2.0, 2.0, 2.0, 1.0]


def _uniform(bits: int) -> Channels:
    sse = [4.0**-bits * value for value in (8.0, 8.0, 1.0, 16.0)]
    return _channels(sse, SIZE, [bits * n + 64.0 for n in SIZE], TENSOR, NDIM)


def _ot(sse: list[float], bits: int) -> Channels:
    return _channels(sse, SIZE, [bits * n + 32.0 * min(2**bits, n) for n in SIZE], TENSOR, NDIM)


def test_each_difference_is_the_one_it_is_called_by() -> None:
    uniform = {b: _uniform(b) for b in range(1, 9)}
    # At 2 bits: the last tensor has fewer than 4 numbers, the third's channels have just 4.
    found = advantages(_ot([0.1, 0.1, 0.0, 0.4], 2), uniform, 2)
    assert list(found) == list(STEPS)
    parts = np.array([8.0, 8.0, 1.0, 16.0]) / 16.0
    assert found["published"] == pytest.approx(10 * math.log10(parts.sum() / 0.2))  # OT skips the last
    assert found["same tensors"] == pytest.approx(10 * math.log10(parts[:3].sum() / 0.2))
    assert found["weights"] == found["same tensors"]  # the vector was skipped already
    assert found["lossy"] == pytest.approx(10 * math.log10(parts[:2].sum() / 0.2))
    # OT spends 2 * 100 + 128 bits a channel, uniform 2 * 100 + 64: 0.64 bits a weight are left, 6.02 dB each.
    lossy = found["lossy"]
    assert lossy is not None
    assert found["same size"] == pytest.approx(lossy - 0.64 * 20 * math.log10(2))


def test_changes_add_up_to_the_whole() -> None:
    uniform = {b: _uniform(b) for b in range(1, 9)}
    found = list(advantages(_ot([0.3, 0.1, 0.02, 0.4], 3), uniform, 3).values())
    changes = [after - before for before, after in itertools.pairwise(found) if before and after]
    assert found[0] is not None
    assert found[0] + sum(changes) == pytest.approx(found[-1])


def test_without_an_error_there_is_no_ratio() -> None:
    uniform = {b: _uniform(b) for b in range(1, 9)}
    assert set(advantages(_ot([0.0] * 4, 8), uniform, 8).values()) == {None}


def test_uniform_between_and_beyond_its_bits() -> None:
    uniform = {b: _uniform(b) for b in range(1, 9)}
    chosen = np.array([True, True, False, False])
    for bits in (2.0, 2.5, 7.25, 9.0):
        cost = 2 * (bits * 100 + 64)
        assert uniform_at_size(uniform, chosen, cost) == pytest.approx(16.0 * 4.0**-bits)
    assert uniform_at_size(uniform, np.zeros(4, dtype=bool), 10.0) == 0.0


def test_the_best_constant_within_a_budget() -> None:
    rows = [
        {"effective_bits": size, "mse": mse} for size, mse in ((2.0, 3.0), (3.0, 2.0), (3.5, 2.5), (4.0, 1.0))
    ]
    assert allocation.best_constant(rows, 3.7) == rows[1]
    assert allocation.best_constant(rows, 4.0) == rows[3]
    assert allocation.best_constant(rows, 1.9) is None


@pytest.mark.deep
def test_a_plan_is_never_worse_than_constant_bits() -> None:
    config = allocation.Config(budgets=(3.0, 4.5), bits=(2, 3, 4), samples=2, only_bundled=True)
    rows = list(allocation.rows(config, {"model": "digits"}))
    plans = {row["budget"]: row for row in rows if row["kind"] == "plan"}
    best = {row["budget"]: row for row in rows if row["kind"] == "best constant"}
    assert sorted(plans) == sorted(best) == [3.0, 4.5]
    for budget, plan in plans.items():
        assert plan["effective_bits"] <= budget
        assert plan["mse"] <= best[budget]["mse"]
        assert plan["optimality_gap"] <= 1e-6
