"""One function on many tasks by several processes of this machine, and what may be asked of workers."""

import signal
import threading
import warnings
from collections.abc import Callable, Generator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from fmq_theory.counts import whole_number
from fmq_theory.errors import FmqError, Way

__all__ = ["BACKENDS", "WorkersError", "check_workers", "on_processes"]

BACKENDS = ("local", "dask")

T = TypeVar("T")
R = TypeVar("R")


class WorkersError(FmqError, RuntimeError):
    """Workers that cannot be as asked, cannot be reached, or died."""


def check_workers(backend: str, scheduler: str | None, jobs: int) -> None:
    """Refuses, before any work, what cannot be run.

    Raises:
        WorkersError: an unknown backend, a scheduler without one or the reverse, or no job.
    """
    if backend not in BACKENDS:
        raise WorkersError(f"backend {backend!r}", "no such backend", f"choose one of {', '.join(BACKENDS)}")
    if (backend == "dask") != (scheduler is not None):
        raise WorkersError(
            f"backend {backend!r} with scheduler {scheduler!r}",
            "dask needs the address of a scheduler, and nothing else has one",
            ("pass ", Way("dask", "backend='dask' and scheduler='tcp://HOST:PORT'"), ", or neither"),
        )
    if (whole_number(jobs) or 0) < 1:
        raise WorkersError(f"jobs = {jobs!r}", "it is no whole number from 1 on", "pass for example 2")


def on_processes(work: Callable[[T], R], tasks: Sequence[T], jobs: int) -> Generator[R]:
    """``work`` of each task, in the order in which they are finished, by ``jobs`` processes of this machine.

    Args:
        work: picklable by its name; what it raises arrives here.
        tasks: picklable.
        jobs: at least 1.

    Raises:
        WorkersError: a process died.
    """
    import joblib  # pyright: ignore[reportMissingTypeStubs]

    library = cast("Any", joblib)
    calls = (library.delayed(work)(task) for task in tasks)
    parallel = library.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
    # Said where the caller stops early, which is what it wants.
    warnings.filterwarnings("ignore", ".*have been cancelled", UserWarning)
    results: Generator[R] | None = None
    try:
        with _interrupts_held_back():
            results = cast("Generator[R]", parallel(calls))  # starts the processes
        yield from results
    except BrokenProcessPool as error:
        raise WorkersError(
            "workers",
            "a process died, perhaps for want of memory",
            (
                "pass a smaller ",
                Way("jobs", "jobs"),
                "; what is finished is kept where the run can be resumed",
            ),
        ) from error
    finally:
        if results is not None:
            results.close()


@contextmanager
def _interrupts_held_back() -> Generator[None]:
    """Processes that start meanwhile never see Ctrl-C, which a terminal sends to all; this one sees it after.

    A worker ends when the process that asked for it does. Told of Ctrl-C itself, it would print where it was.
    """
    hold = getattr(signal, "pthread_sigmask", None)
    if hold is None or threading.current_thread() is not threading.main_thread():  # Windows; no handlers here
        yield
        return
    came: list[int] = []
    # Another thread of a library may take the signal, and Python would still raise it in this one.
    handler = signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    before = hold(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        hold(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGINT, handler)
    if came:
        signal.raise_signal(signal.SIGINT)
