"""One kernel call a thread, each on a range of rows or of elements.

Kernels release the GIL, so a pool of Python threads keeps every core busy without numba's own threads:
its default threading layer aborts the process when two Python threads enter it, and ``parallel=True``
costs seconds of compilation.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["THREADS_VARIABLE", "default_threads", "run_blocks", "threads_of_environment"]

R = TypeVar("R")

THREADS_VARIABLE = "FMQ_THREADS"


# More threads than this help nobody, and some systems start no more than a few thousand.
MOST_THREADS = max(64, os.cpu_count() or 1)


def default_threads() -> int:
    """FMQ_THREADS if it is a positive number, else the CPUs of this process; at most MOST_THREADS."""
    if (wanted := threads_of_environment()) is not None:
        return wanted
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_of_environment() -> int | None:
    """What FMQ_THREADS asks for, at most MOST_THREADS; None where it is no whole number from 1 on."""
    wanted = os.environ.get(THREADS_VARIABLE, "").strip()
    if not (wanted.isascii() and wanted.isdigit() and wanted.strip("0")):
        return None
    digits = wanted.lstrip("0")
    return MOST_THREADS if len(digits) > 9 else min(int(digits), MOST_THREADS)


def run_blocks(function: Callable[[int, int], R], count: int, threads: int) -> list[R]:
    """``function(start, stop)`` on ``threads`` nearly equal ranges of [0, count), in order.

    An empty range is not called. With one thread the call happens in the caller's own.
    """
    parts = max(1, min(threads, count, MOST_THREADS))
    edges = [count * part // parts for part in range(parts + 1)]
    if parts == 1:
        return [function(0, count)] if count > 0 else []
    with ThreadPoolExecutor(parts) as pool:
        return list(pool.map(function, edges[:-1], edges[1:]))
