"""The benchmark's case of block scaling: what it judges, and that a wrong result fails it."""

from dataclasses import replace

import pytest

from experiments.benchmark.block_scaling import CONTENDERS, OURS, PEER, TABLE, BlockScaling
from experiments.benchmark.cases import TINY, cases
from experiments.benchmark.clock import Pace
from fmq_theory.quantizers.block_scaled import quantize_blocks

PACE = Pace(budget_s=0.01, least=1, most=1, slow_s=60.0)
OWN = tuple(one for one in CONTENDERS if one.needs is None)
MISSING = replace(CONTENDERS[-1], needs="no-such-package")


def test_it_is_among_the_cases() -> None:
    assert [case.law for case in cases(TINY) if isinstance(case, BlockScaling)] == ["gaussian", "student-t"]


@pytest.mark.parametrize("law", ["gaussian", "student-t"])
def test_the_goal_on_the_error_is_met(law: str) -> None:
    outcome = BlockScaling(law, (128, 4096), (*OWN, MISSING)).run(PACE)  # pyright: ignore[reportArgumentType]
    error, time = outcome.goals
    assert error.met, error
    assert error.reference == TABLE
    assert time.met is None
    assert time.note == f"{PEER}: not installed"
    assert outcome.times[-1].ms is None
    assert "at 4.12" in outcome.times[0].note


def test_too_many_bits_fail() -> None:
    coarse = replace(OWN[0], run=lambda x: quantize_blocks(x, bits=5))
    (error, _) = BlockScaling("gaussian", (8, 4096), (coarse, *OWN[1:], MISSING)).run(PACE).goals
    assert error.failed
    assert "bits" in error.note


def test_an_error_that_is_not_what_it_says_fails() -> None:
    def spoiled(x: object) -> object:
        result = quantize_blocks(x, scale_type="float8_e4m3")
        return replace(result, mse=0.5 * result.mse)

    broken = replace(OWN[0], run=spoiled)
    (error, _) = BlockScaling("gaussian", (8, 4096), (broken, *OWN[1:], MISSING)).run(PACE).goals
    assert error.failed
    assert error.note.startswith(f"{OURS}: the error it tells")
