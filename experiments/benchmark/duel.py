"""Ours beside its peers on one data set, and the goals that follow from their times."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from experiments.benchmark.checks import Findings
from experiments.benchmark.clock import BREAKS, Pace, Timing, in_turn
from experiments.benchmark.contender import Contender
from experiments.benchmark.datasets import LAWS, Dataset
from experiments.benchmark.rows import Goal, GoalRow, TimeRow, judged, unjudged

__all__ = ["Duel", "Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Rows of one case."""

    goals: Sequence[GoalRow]
    times: Sequence[TimeRow]


@dataclass(frozen=True, slots=True)
class Duel:
    """Contenders that are timed in turn on the same data.

    Attributes:
        topic: what it is about.
        what: size and levels, in words.
        dataset: made once, outside the clock.
        contenders: ours first.
        goals: bounds on ratios of their times.
        check: of the results; a problem fails all goals of the case.
        reference_dataset: a second data set that the contenders named in ``on_reference`` are given:
            the float32 array beside the 16-bit one.
        on_reference: names of contenders.
        left_out: why the references of a goal are not among the contenders; "" where they are.
    """

    topic: str
    what: str
    dataset: Dataset
    contenders: tuple[Contender, ...]
    goals: tuple[Goal, ...]
    check: Callable[[Any, Mapping[str, Any]], Findings]
    reference_dataset: Dataset | None = None
    on_reference: tuple[str, ...] = ()
    left_out: str = ""

    def run(self, pace: Pace) -> Outcome:
        """Times, checks and judges."""
        data, tiny = self.dataset.make(), self.dataset.tiny()
        present = [contender for contender in self.contenders if contender.is_installed]
        if self.reference_dataset is not None:
            other, other_tiny = self.reference_dataset.make(), self.reference_dataset.tiny()
            present = [
                _on(contender, other, other_tiny, tiny) if contender.name in self.on_reference else contender
                for contender in present
            ]
        try:
            timings = {timing.name: timing for timing in in_turn(present, data, tiny, pace)}
            findings = self.check(data, {name: timing.result for name, timing in timings.items()})
        except BREAKS as error:
            why = f"{type(error).__name__}: {error}"
            return Outcome([self._unjudged(goal, why, failed=True) for goal in self.goals], [])
        return Outcome(
            [self._judged(goal, timings, findings) for goal in self.goals],
            [self._time(contender, timings.get(contender.name), findings) for contender in self.contenders],
        )

    def _judged(self, goal: Goal, timings: Mapping[str, Timing], findings: Findings) -> GoalRow:
        known = [timings[name] for name in goal.references if name in timings]
        if not known:
            missing = self.left_out or f"{', '.join(goal.references)}: not installed"
            return self._unjudged(goal, "; ".join((missing, *findings.problems)), bool(findings.problems))
        reference = min(known, key=lambda timing: timing.seconds)
        return judged(
            goal,
            topic=self.topic,
            what=self.what,
            law=LAWS[self.dataset.law],
            ours=1e3 * timings[goal.ours].seconds,
            reference=reference.name,
            reference_value=1e3 * reference.seconds,
            problems=findings.problems,
        )

    def _unjudged(self, goal: Goal, why: str, failed: bool) -> GoalRow:
        where = {"topic": self.topic, "what": self.what, "law": LAWS[self.dataset.law]}
        return unjudged(goal, **where, why=why, failed=failed)

    def _time(self, contender: Contender, timing: Timing | None, findings: Findings) -> TimeRow:
        where = self.topic, self.what, LAWS[self.dataset.law], contender.name, contender.threads
        if timing is None:
            return TimeRow(*where, None, None, 0, f"{contender.needs} is not installed")
        note = findings.notes.get(contender.name, "")
        return TimeRow(*where, 1e3 * timing.seconds, 1e3 * timing.least_s, timing.runs, note)


def _on(contender: Contender, data: Any, tiny: Any, own_tiny: Any) -> Contender:
    """The contender, on data of its own in place of the case's."""
    return replace(contender, prepare=lambda given: contender.prepare(tiny if given is own_tiny else data))
