"""How the cost of a job grows with the number of weights: the slope of log time over log size."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.benchmark.clock import Pace, in_turn
from experiments.benchmark.datasets import LAWS, Law
from experiments.benchmark.duel import Outcome
from experiments.benchmark.ours import JOBS, ours
from experiments.benchmark.rows import Goal, GoalRow, TimeRow, judged
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
        times: list[TimeRow] = []
        seconds: list[float] = []
        for size in self.sizes:
            dataset = JOBS[self.job].dataset(self.law, size)
            (timing,) = in_turn([ours(self.job)], dataset.make(), dataset.tiny(), pace)
            seconds.append(timing.seconds)
            times.append(
                TimeRow(
                    TOPIC,
                    f"{self.job}, n = {count(size)}",
                    LAWS[self.law],
                    "ours",
                    1,
                    1e3 * timing.seconds,
                    1e3 * timing.least_s,
                    timing.runs,
                )
            )
        row: GoalRow = judged(
            Goal(f"exponent ≤ {HIGHEST:g}", ("1",), HIGHEST),
            topic=TOPIC,
            what=f"{self.job}, n = {count(self.sizes[0])} to {count(self.sizes[-1])}",
            law=LAWS[self.law],
            ours=fitted_exponent(self.sizes, seconds),
            reference="linear",
            reference_value=1.0,
            unit="",
        )
        return Outcome([row], times)
