"""What a long run is doing, on a terminal: a stage in words, its bar, the time left. Silence in a pipe."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from fmq_theory.shown import shown

__all__ = ["Stages", "progress_bar", "stages"]

COMPILING = 20
"""Seconds that a first run takes longer, about: 15 of a processor and 21 by the clock were measured for
``fmq bounds`` on two cores."""

_LEAST_BAR, _TIME = 8, 7  # characters; that of 0:00:00, kept free where no time is known


@dataclass(frozen=True, slots=True)
class _Words:
    """Words on one line: where it is too short they lose their middle, for names differ at both ends."""

    words: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        missing = len(self.words) - options.max_width
        if missing <= 0:
            yield Text(self.words, no_wrap=True)
            return
        kept = max(options.max_width - 2, 0)  # two dots
        head = self.words[: kept // 2]
        yield Text(f"{head}..{self.words[len(self.words) - (kept - kept // 2) :]}", no_wrap=True)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        width = min(len(self.words), options.max_width)
        return Measurement(min(8, width), width)


class _Description(ProgressColumn):
    """What is being done; the only column that gives way."""

    def render(self, task: Task) -> Any:
        return _Words(task.description)


@dataclass(slots=True)
class Stages:
    """A bar whose words change: while the share of a stage is not known it moves without a length.

    Attributes:
        bars: of rich.
        task: the only one.
        title: of the whole run.
        total: of a stage.
    """

    bars: Progress
    task: TaskID
    title: str
    total: float
    _words: str = ""
    _done: float = 0.0

    def advance(self, done: float, what: str, total: float | None = None) -> None:
        """Tells how much of a stage is done.

        Args:
            done: 0 to ``total``. Less than before: a new stage has begun.
            what: the stage in words.
            total: of a stage; the same as before if it is not given.
        """
        self.total = self.total if total is None else total
        # Nothing is known of a stage's length before a first part of it is done.
        length, words = self.total if done else None, self._described(what)
        if done < self._done:
            self.bars.remove_task(self.task)
            self.task = self.bars.add_task(words, total=length, completed=int(done))
        self._done, self._words = done, what
        self.bars.update(self.task, total=length, completed=done, description=words)

    def tell(self, line: str) -> None:
        """Prints a line above the bar, where it stays; nothing where there is no terminal.

        Args:
            line: without markup.
        """
        if not self.bars.disable:
            self.bars.console.print(Text(line))

    def compiling(self, begins: bool, count: int) -> None:
        """Says that kernels are compiled, for as long as they are; the bar moves, its length is not known."""
        from fmq_theory.kernels.runtime.jit import cache_directory

        once = "once" if cache_directory() else "at every run, because their cache cannot be written"
        words = f"compiling kernels, {once} (about {COMPILING} s; {count} done)"
        described = self._described(words if begins else self._words)
        length = None if begins or not self._done else self.total
        self.bars.update(self.task, description=described, compiling=begins)
        self.bars.tasks[0].total = length  # update() takes None for "as it was"

    def _described(self, what: str) -> str:
        return f"{shown(self.title, 60)}: {shown(what, 100)}" if what else shown(self.title, 60)


@contextmanager
def stages(title: str, begin: str, *columns: ProgressColumn, period: float = 30.0) -> Generator[Stages]:
    """A bar on standard error, gone when the run is; nothing at all where that is no terminal.

    Args:
        title: of the whole run.
        begin: what is done before a first stage is named.
        columns: beside the bar; none of them wraps. While kernels are compiled the task's field
            ``compiling`` is true.
        period: seconds over which the rate is taken.
    """
    from fmq_theory.kernels.runtime.compilation import watched_compilation

    console = Console(stderr=True)
    bars = Progress(
        _Description(table_column=Column()),
        BarColumn(bar_width=None, table_column=Column(width=_LEAST_BAR, ratio=1, no_wrap=True)),
        *columns,
        TimeElapsedColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(min_width=_TIME, no_wrap=True)),
        console=console,
        expand=True,
        transient=True,
        disable=not console.is_terminal,
        speed_estimate_period=period,
    )
    if bars.disable:
        yield Stages(bars, bars.add_task(shown(title, 60), total=None), title, 1.0)
        return
    shown_stages = Stages(bars, bars.add_task("", total=None), title, 1.0)
    shown_stages.advance(0.0, begin)  # the first picture has its words
    with bars, watched_compilation(shown_stages.compiling):
        yield shown_stages


@contextmanager
def progress_bar(title: str, begin: str = "starting") -> Generator[Callable[[float, str], None]]:
    """Gives a function of (share done in 0..1, what is being done); a smaller share begins a new stage.

    Args:
        title: of the whole run.
        begin: what is done before the function is called.
    """
    with stages(title, begin) as shown_stages:
        yield shown_stages.advance
