"""A progress bar that counts weights: rate and time left on a terminal, silence in a pipe."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import ProgressColumn as Column
from rich.text import Text

from fmq_theory.shown import shown

__all__ = ["weights_progress"]

_WINDOW = 600.0  # seconds; a part of a large tensor may take half a minute
_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


class _Rate(Column):
    """Weights a second, over the last minutes."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{_short(speed)} weights/s")


def _short(number: float) -> str:
    for unit, letter in _UNITS:
        if number >= unit:
            return f"{number / unit:.3g} {letter}"
    return f"{number:.0f}"


@contextmanager
def weights_progress(title: str) -> Generator[Callable[[int, int, str], None]]:
    """Gives a function of (weights done, weights in all, what is being done); draws on standard error.

    What was done before the first call counts for the bar, not for the rate.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
    )
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        speed_estimate_period=_WINDOW,
    ) as bars:
        task = bars.add_task(title, total=None)

        def advance(done: int, total: int, what: str) -> None:
            if bars.tasks[0].total is None:
                bars.reset(task, total=total, completed=done, start=True)
            bars.update(
                task, completed=done, description=f"{title}: {escape(shown(what, 60))}" if what else title
            )

        yield advance
