"""What a run leaves behind: rows of numbers, with the goals they were measured against."""

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Goal", "GoalRow", "TimeRow", "as_json", "judged", "unjudged"]


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on the ratio of our number to a reference's.

    Attributes:
        words: "≤ 0.65 × np.sort".
        references: names of contenders, of which the fastest one counts.
        bound: on ours / reference; or on reference / ours if ``faster``.
        faster: the ratio says how many times faster ours is, and the bound is the least.
        ours: name of our contender.
    """

    words: str
    references: tuple[str, ...]
    bound: float
    faster: bool = False
    ours: str = "ours"


@dataclass(frozen=True, slots=True)
class GoalRow:
    """One goal on one law.

    Attributes:
        topic: what it is about; ``--only`` chooses by it.
        what: size, levels.
        law: in words; "" where there is none.
        goal: in words.
        ours: measured; in ``unit``.
        reference: name of what it is compared with.
        reference_value: measured or set; in ``unit``.
        unit: "ms", "MB", "" for a pure number.
        ratio: as the goal defines it; None where something is missing.
        met: None where it could not be judged.
        by: how far inside (above 1) or outside (below 1) the goal the ratio is.
        note: what a reader must know: a failed check, a missing peer, a smaller size.
        failed: a result was wrong or a run broke; then ``met`` is False.
    """

    topic: str
    what: str
    law: str
    goal: str
    ours: float | None
    reference: str
    reference_value: float | None
    unit: str
    ratio: float | None
    met: bool | None
    by: float | None
    note: str = ""
    failed: bool = False


@dataclass(frozen=True, slots=True)
class TimeRow:
    """The time of one contender in one case.

    Attributes:
        topic: see ``GoalRow``.
        what: see ``GoalRow``.
        law: in words.
        contender: its name.
        threads: it was allowed.
        ms: median; None where it was not run.
        least_ms: shortest.
        runs: how many were timed.
        note: quality of its result, or why it was not run.
    """

    topic: str
    what: str
    law: str
    contender: str
    threads: int
    ms: float | None
    least_ms: float | None
    runs: int
    note: str = ""


def judged(
    goal: Goal,
    *,
    topic: str,
    what: str,
    law: str,
    ours: float,
    reference: str,
    reference_value: float,
    unit: str = "ms",
    problems: tuple[str, ...] = (),
    remark: str = "",
) -> GoalRow:
    """The row of a goal whose two numbers are known; a problem with the result fails it, not a remark."""
    ratio = reference_value / ours if goal.faster else ours / reference_value
    by = ratio / goal.bound if goal.faster else goal.bound / ratio
    return GoalRow(
        topic,
        what,
        law,
        goal.words,
        ours,
        reference,
        reference_value,
        unit,
        ratio,
        by >= 1.0 and not problems,
        by,
        "; ".join(problems) or remark,
        bool(problems),
    )


def unjudged(
    goal: Goal, *, topic: str, what: str, law: str, why: str, unit: str = "ms", failed: bool = False
) -> GoalRow:
    """The row of a goal without numbers: a peer is missing, or a run broke, which fails it."""
    met = False if failed else None
    reference = ", ".join(goal.references)
    return GoalRow(topic, what, law, goal.words, None, reference, None, unit, None, met, None, why, failed)


def as_json(row: GoalRow | TimeRow) -> dict[str, Any]:
    """The row as a dictionary."""
    return asdict(row)
