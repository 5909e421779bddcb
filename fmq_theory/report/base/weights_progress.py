"""A progress bar that counts weights: rate and time left on a terminal, silence in a pipe."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.progress import ProgressColumn, Task
from rich.table import Column
from rich.text import Text

from fmq_theory.report.base.progress import stages

__all__ = ["weights_progress"]

_WINDOW = 600.0  # seconds; a part of a large tensor may take half a minute
_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


class _Rate(ProgressColumn):
    """Weights a second, over the last minutes; nothing while kernels are compiled, when none are measured."""

    def render(self, task: Task) -> Text:
        speed = None if task.fields.get("compiling") else task.finished_speed or task.speed
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
    rate = _Rate(table_column=Column(no_wrap=True))
    with stages(title, "reading the names of tensors", rate, period=_WINDOW) as shown_stages:

        def advance(done: int, total: int, what: str) -> None:
            shown_stages.advance(done, what or "reading", total)

        yield advance
