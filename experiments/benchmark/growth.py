"""How the cost of a job grows with the number of weights: the slope of log time over log size.

The clock is the processor time of this process, on one thread: other work of the machine, which a wall clock
would show as growth where it comes late, then counts little. The least of several calls counts, after one
that is not timed: the first call at a size asks the system for memory that the following ones find.
"""

import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np

from experiments.benchmark.clock import BREAKS, Pace, held_threads
from experiments.benchmark.datasets import LAWS, Dataset, Law
from experiments.benchmark.duel import Outcome
from experiments.benchmark.grown import job_named
from experiments.benchmark.ours import Job
from experiments.benchmark.rows import Goal, TimeRow, judged, unjudged
from experiments.benchmark.words import count

__all__ = ["HIGHEST", "Growth", "fitted_exponent", "steepest_step"]

TOPIC = "growth"
HIGHEST = 1.05
_FEWEST, _MOST = 2, 5
# Seconds of timed calls that are enough.
_ENOUGH_S = 2.0


def fitted_exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Least-squares slope of ln seconds over ln size."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def steepest_step(sizes: Sequence[int], seconds: Sequence[float]) -> tuple[float, int]:
    """(slope, size at its upper end) of the steepest line from a size to the next, whatever is fixed."""
    slopes = [
        (math.log(seconds[i + 1] / seconds[i]) / math.log(sizes[i + 1] / sizes[i]), sizes[i + 1])
        for i in range(len(sizes) - 1)
    ]
    return max(slopes)


@dataclass(frozen=True, slots=True)
class Growth:
    """One job at several sizes."""

    job: str
    law: Law
    sizes: tuple[int, ...]
    topic: str = TOPIC

    def run(self, pace: Pace) -> Outcome:
        """Times at each size, and the exponent."""
        goal = Goal(f"exponent ≤ {HIGHEST:g}", ("linear",), HIGHEST)
        what = f"{self.job}, n = {count(self.sizes[0])} to {count(self.sizes[-1])}"
        where: dict[str, Any] = {"topic": TOPIC, "what": what, "law": LAWS[self.law]}
        job = job_named(self.job)
        try:
            with held_threads(1):
                calls = [_processor_seconds(job, self._data(job, size), pace) for size in self.sizes]
        except BREAKS as error:
            why = f"{type(error).__name__}: {error}"
            return Outcome([unjudged(goal, **where, why=why, unit="", failed=True)], [])
        least = [min(seconds) for seconds in calls]
        slope, at = steepest_step(self.sizes, least)
        row = judged(
            goal,
            **where,
            ours=fitted_exponent(self.sizes, least),
            reference="linear",
            reference_value=1.0,
            unit="",
            remark=f"steepest step {slope:.2f}, to n = {count(at)}",
        )
        times = [
            TimeRow(
                TOPIC,
                f"{self.job}, n = {count(size)}",
                LAWS[self.law],
                "ours, processor time",
                1,
                1e3 * statistics.median(seconds),
                1e3 * min(seconds),
                len(seconds),
            )
            for size, seconds in zip(self.sizes, calls, strict=True)
        ]
        return Outcome([row], times)

    def _data(self, job: Job, size: int) -> Any:
        """The first numbers of the largest sample, which all jobs of a kind share."""
        data = _largest(self.law, max(self.sizes), job.kind)
        parts = tuple(part[:size] for part in data) if isinstance(data, tuple) else data[:size]
        if job.columns is None:
            return job.prepare(parts)
        columns = min(job.columns, size)
        return job.prepare(np.reshape(cast("Any", parts)[: size // columns * columns], (-1, columns)))


@lru_cache(maxsize=1)
def _largest(law: Law, size: int, kind: Any) -> Any:
    return Dataset(law, (size,), kind).make()


def _processor_seconds(job: Job, data: Any, pace: Pace) -> list[float]:
    """Of each timed call."""
    job.run(data)
    found: list[float] = []
    while len(found) < _FEWEST or (len(found) < min(pace.most, _MOST) and sum(found) < _ENOUGH_S):
        found.append(_of_one_call(job.run, data))
    return found


def _of_one_call(run: Callable[[Any], Any], data: Any) -> float:
    gc.collect()
    gc.disable()
    try:
        start = time.process_time()
        run(data)
        return time.process_time() - start
    finally:
        gc.enable()
