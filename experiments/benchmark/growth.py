"""How the cost of a job grows with the number of weights: the slope of log time over log size."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from experiments.benchmark.clock import BREAKS, Pace, Timing, in_turn
from experiments.benchmark.datasets import LAWS, Law
from experiments.benchmark.duel import Outcome
from experiments.benchmark.ours import JOBS, ours
from experiments.benchmark.rows import Goal, TimeRow, judged, unjudged
from experiments.benchmark.words import count

__all__ = ["Growth", "fitted_exponent"]

TOPIC = "growth"
HIGHEST = 1.1


def fitted_exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Least-squares slope of ln seconds over ln size."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


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
        try:
            timings = [self._timed(size, pace) for size in self.sizes]
        except BREAKS as error:
            why = f"{type(error).__name__}: {error}"
            return Outcome([unjudged(goal, **where, why=why, unit="", failed=True)], [])
        exponent = fitted_exponent(self.sizes, [timing.seconds for timing in timings])
        row = judged(goal, **where, ours=exponent, reference="linear", reference_value=1.0, unit="")
        times = [
            TimeRow(
                TOPIC,
                f"{self.job}, n = {count(size)}",
                LAWS[self.law],
                "ours",
                timing.threads,
                1e3 * timing.seconds,
                1e3 * timing.least_s,
                timing.runs,
            )
            for size, timing in zip(self.sizes, timings, strict=True)
        ]
        return Outcome([row], times)

    def _timed(self, size: int, pace: Pace) -> Timing:
        dataset = JOBS[self.job].dataset(self.law, size)
        (timing,) = in_turn([ours(self.job)], dataset.make(), dataset.tiny(), pace)
        return replace(timing, result=None)
