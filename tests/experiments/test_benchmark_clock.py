"""How the benchmark measures: in turn, after a warm-up, threads held; growth; memory in its own process."""

import dataclasses
import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.benchmark import memory
from experiments.benchmark.clock import Pace, in_turn
from experiments.benchmark.contender import Contender
from experiments.benchmark.growth import fitted_exponent

PACE = Pace(budget_s=0.0, least=1, most=1, slow_s=60.0)

# --- the clock ------------------------------------------------------------------------------------


def test_contenders_run_in_turn_after_a_warm_up() -> None:
    seen: list[tuple[str, Any, str]] = []

    def contender(name: str, threads: int) -> Contender:
        def run(data: Any) -> None:
            seen.append((name, data, os.environ["FMQ_THREADS"]))

        return Contender(name, run, threads=threads)

    pace = Pace(budget_s=1e6, least=1, most=3, slow_s=60.0)
    before = os.environ.get("FMQ_THREADS")
    timings = in_turn([contender("a", 1), contender("b", 2)], "data", "tiny", pace)
    assert os.environ.get("FMQ_THREADS") == before
    warm = [("a", "tiny", "1"), ("b", "tiny", "2")]
    once = [("a", "data", "1"), ("b", "data", "2")]
    assert seen == warm + 4 * once
    assert [timing.runs for timing in timings] == [3, 3]


def test_a_slow_contender_is_called_once_and_the_others_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    clock = itertools.count()
    # Each reading of the clock is a second later, so every call lasts one second.
    monkeypatch.setattr("experiments.benchmark.clock.time.perf_counter", lambda: float(next(clock)))
    pace = Pace(budget_s=0.0, least=2, most=5, slow_s=0.5)
    (timing,) = in_turn([Contender("slow", calls.append)], "data", "tiny", pace)
    assert calls == ["tiny", "data"]
    assert (timing.runs, timing.seconds) == (1, 1.0)
    ours_too = Contender("slow, but ours", calls.append, only_once=False)
    (timing,) = in_turn([ours_too], "data", "tiny", pace)
    assert timing.runs == 2
    (timing,) = in_turn(
        [Contender("fast", calls.append)], "data", "tiny", dataclasses.replace(pace, slow_s=2.0)
    )
    assert timing.runs == 2


def test_fresh_copies_are_made_for_every_call() -> None:
    data = np.arange(5.0)[::-1].copy()

    def sort_in_place(x: np.ndarray) -> float:
        first = float(x[0])
        x.sort()
        return first

    pace = Pace(budget_s=0.0, least=3, most=3, slow_s=60.0)
    (timing,) = in_turn([Contender("in place", sort_in_place, np.copy)], data, data.copy(), pace)
    assert timing.result == 4.0
    assert data[0] == 4.0


def test_threads_are_restored_after_an_error() -> None:
    before = os.environ.get("FMQ_THREADS")
    seen: list[str] = []

    def fail(data: Any) -> None:
        seen.append(os.environ["FMQ_THREADS"])
        raise KeyError

    with pytest.raises(KeyError):
        in_turn([Contender("failing", fail, threads=7)], "data", "tiny", PACE)
    assert seen == ["7"]
    assert os.environ.get("FMQ_THREADS") == before


def test_exponent_of_a_power() -> None:
    sizes = (10, 100, 1000)
    assert fitted_exponent(sizes, [3.0 * size**1.5 for size in sizes]) == pytest.approx(1.5)


# --- memory ---------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux lowers the mark")
def test_peak_memory_rises_with_an_allocation() -> None:
    """In a process of its own: in that of other tests something else may be given back meanwhile."""
    program = """
import numpy as np
from experiments.benchmark import memory
memory.forget_peak()
before = memory.peak_resident_bytes()
held = np.ones(8_000_000)
marks = [memory.peak_resident_bytes() - before]
del held
marks.append(memory.peak_resident_bytes() - before)
memory.forget_peak()
marks.append(memory.peak_resident_bytes() - before)
print(*marks)
"""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    risen, given_back, lowered = map(int, done.stdout.split())
    assert 60_000_000 < risen < 70_000_000
    assert given_back == pytest.approx(risen, abs=5e6)  # the mark stays
    assert lowered < 30_000_000


@pytest.mark.deep
def test_memory_of_a_process_of_its_own() -> None:
    (row,) = memory.Memory("W2 of two samples", "gaussian", 2_000_000).run(PACE).goals
    assert not row.failed
    assert row.reference_value == pytest.approx(16.0)
    assert row.ours is not None
    assert row.reference_value is not None
    assert 0.5 < row.ours / row.reference_value < 3.0  # two sorted copies
    (row,) = memory.Memory("no such job", "gaussian", 10).run(PACE).goals
    assert row.failed
