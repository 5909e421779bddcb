"""One hostile input: what it is, and what must be true of the answer to it."""

import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from fmq_theory.errors import FmqError
from fmq_theory.kernels.runtime.compilation import watched_compilation

__all__ = [
    "COUNTS",
    "Campaign",
    "Tally",
    "Trial",
    "WarnedAnswerError",
    "WrongAnswerError",
    "attempt",
    "tried",
]

_KEPT_FAILURES = 20
COUNTS = ("right", "refused", "warned", "wrong", "tracebacks", "foreign")
"""What is counted of a campaign, as attributes of a ``Tally``; all but the last add up to its inputs."""


class WrongAnswerError(Exception):
    """An answer that is neither right nor a refusal: the worst that can happen."""


class WarnedAnswerError(Exception):
    """A wrong answer, after a word that nothing guards it: not silent, and not promised to be right."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A hostile input.

    Attributes:
        what: the input in words, enough to make it again together with the campaign's seed.
        run: gives it to the code. It returns where the answer is right, and raises ``WrongAnswerError``
            where it is not, or ``WarnedAnswerError``; an ``FmqError`` is a refusal.
    """

    what: str
    run: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Campaign:
    """Trials of one kind.

    Attributes:
        name: of the kind.
        question: what must hold for every input.
        trials: from a generator and an empty folder of its own; may be endless.
        whole: how many inputs a whole run of it has at least.
    """

    name: str
    question: str
    trials: Callable[[np.random.Generator, Path], Iterator[Trial]]
    whole: int = 1000


@dataclass(slots=True)
class Tally:
    """What became of the inputs of one campaign.

    Attributes:
        right, refused, warned, wrong, tracebacks: inputs by what became of them.
        foreign: changes of files that are not the campaign's.
        slowest: seconds of the slowest input, without the compilation of kernels: that happens once, and to
            whichever input comes first.
        slowest_input: which one that was.
        seconds: of all of them.
        refusals: by the name of the error.
        failures: the first ones, in words.
    """

    right: int = 0
    refused: int = 0
    warned: int = 0
    wrong: int = 0
    tracebacks: int = 0
    foreign: int = 0
    slowest: float = 0.0
    slowest_input: str = ""
    seconds: float = 0.0
    refusals: Counter[str] = field(default_factory=Counter[str])
    failures: list[str] = field(default_factory=list[str])

    @property
    def inputs(self) -> int:
        """All that were tried."""
        return self.right + self.refused + self.warned + self.wrong + self.tracebacks

    def as_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        told: dict[str, object] = {one.name: getattr(self, one.name) for one in fields(self)}
        return {**told, "refusals": dict(self.refusals)}

    @property
    def failed(self) -> bool:
        """Whether any answer was wrong, any error came from the depths, or a foreign file was touched."""
        return self.wrong + self.tracebacks + self.foreign > 0

    def keep(self, failure: str) -> None:
        """Keeps the words of a failure, if there is room."""
        if len(self.failures) < _KEPT_FAILURES:
            self.failures.append(failure[:500])


def attempt(trial: Trial, tally: Tally) -> None:
    """Runs one trial and counts what became of it."""
    begin, compiling = time.perf_counter(), _Compiling()
    try:
        with watched_compilation(compiling):
            trial.run()
        tally.right += 1
    except FmqError as error:
        tally.refused += 1
        tally.refusals[type(error).__name__] += 1
    except WarnedAnswerError:
        tally.warned += 1
    except WrongAnswerError as error:
        tally.wrong += 1
        tally.keep(f"WRONG {trial.what}: {error}")
    except Exception as error:  # noqa: BLE001 (exactly what must not happen is what is counted)
        tally.tracebacks += 1
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        tally.keep(f"{type(error).__name__} at {where}, {trial.what}: {error}")
    took = time.perf_counter() - begin - compiling.seconds
    tally.seconds += took
    if took > tally.slowest:
        tally.slowest, tally.slowest_input = took, trial.what[:300]


class _Compiling:
    """Adds up how long kernels were compiled."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._begin = 0.0

    def __call__(self, begins: bool, _done: int) -> None:
        now = time.perf_counter()
        if begins:
            self._begin = now
        else:
            self.seconds += now - self._begin


def tried(campaign: Campaign, count: int, folder: Path, seed: int = 0) -> Tally:
    """What became of the first inputs of a campaign.

    Args:
        campaign: of which kind.
        count: at most so many.
        folder: an empty one.
        seed: the same one gives the same inputs.
    """
    tally = Tally()
    trials = campaign.trials(np.random.default_rng(seed), folder)
    for trial, _ in zip(trials, range(count), strict=False):
        attempt(trial, tally)
    return tally
