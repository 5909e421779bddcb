"""A progress bar on a terminal, and silence in a pipe."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from fmq_theory.shown import shown

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(title: str) -> Generator[Callable[[float, str], None]]:
    """Gives a function of (share done in 0..1, what is being done); draws on standard error."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        title = escape(shown(title, 60))
        task = bars.add_task(title, total=1.0)

        def advance(share: float, what: str) -> None:
            bars.update(task, completed=share, description=f"{title}: {escape(shown(what, 60))}")

        yield advance
