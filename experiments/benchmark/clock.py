"""Timing contenders in turn: warm-up outside the clock, paired order, medians, threads held."""

import gc
import importlib
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from numba.core.errors import NumbaError

from experiments.benchmark.contender import Contender, installed_version
from fmq_theory.errors import FmqError

__all__ = ["BREAKS", "Pace", "Timing", "held_threads", "in_turn"]


# What a contender may raise. Its rows then fail, and the run goes on.
BREAKS = (
    FmqError,
    NumbaError,
    ArithmeticError,
    AssertionError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to measure.

    Attributes:
        budget_s: for all rounds of one case.
        least: rounds, unless a call is slow.
        most: rounds.
        slow_s: a peer whose first full call takes longer is not called again; that call counts, and
            was preceded by one on a small input.
        threads: that every contender may use at least.
    """

    budget_s: float
    least: int
    most: int
    slow_s: float
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Timing:
    """What the clock saw of one contender.

    Attributes:
        name: of the contender.
        seconds: median.
        least_s: shortest.
        runs: how many calls were timed.
        threads: it was allowed.
        result: of its last call.
    """

    name: str
    seconds: float
    least_s: float
    runs: int
    threads: int
    result: Any


def in_turn(contenders: Sequence[Contender], data: Any, tiny: Any, pace: Pace) -> list[Timing]:
    """Times of all contenders on the same data.

    Each is called on ``tiny`` and once on ``data`` before it is timed. Then rounds: every contender
    once a round, in the given order, so that a change in the machine's speed meets all of them alike.
    """
    contenders = [replace(one, threads=max(one.threads, pace.threads)) for one in contenders]
    for contender in contenders:
        with held_threads(contender.threads):
            contender.run(contender.prepare(tiny))
    with held_pools(pace.threads):  # now that every library is loaded
        return _rounds(contenders, data, pace)


def _rounds(contenders: Sequence[Contender], data: Any, pace: Pace) -> list[Timing]:
    first: dict[str, float] = {}
    results: dict[str, Any] = {}
    gc.collect()
    for contender in contenders:
        first[contender.name], results[contender.name] = timed(contender, data)
    repeated = [one for one in contenders if not (one.only_once and first[one.name] > pace.slow_s)]
    round_s = sum(first[contender.name] for contender in repeated)
    rounds = round(min(max(pace.budget_s / max(round_s, 1e-6), pace.least), pace.most))
    samples: dict[str, list[float]] = {name: [seconds] for name, seconds in first.items()}
    samples |= {contender.name: [] for contender in repeated}
    for _ in range(rounds):
        for contender in repeated:
            results[contender.name] = None  # frees the last result before the next is made
            seconds, results[contender.name] = timed(contender, data)
            samples[contender.name].append(seconds)
    return [
        Timing(
            contender.name,
            statistics.median(samples[contender.name]),
            min(samples[contender.name]),
            len(samples[contender.name]),
            contender.threads,
            results[contender.name],
        )
        for contender in contenders
    ]


def timed(contender: Contender, data: Any) -> tuple[float, Any]:
    """Seconds and result of one call, without garbage collection."""
    prepared = contender.prepare(data)
    gc.disable()
    try:
        with held_threads(contender.threads):
            start = time.perf_counter()
            result = contender.run(prepared)
            return time.perf_counter() - start, result
    finally:
        gc.enable()


@contextmanager
def held_threads(threads: int) -> Iterator[None]:
    """Lets ours use ``threads`` threads."""
    before = os.environ.get("FMQ_THREADS")
    os.environ["FMQ_THREADS"] = str(threads)
    try:
        yield
    finally:
        if before is None:
            del os.environ["FMQ_THREADS"]
        else:
            os.environ["FMQ_THREADS"] = before


@contextmanager
def held_pools(threads: int) -> Iterator[None]:
    """Lets OpenMP and BLAS, as far as they are loaded, use ``threads`` threads; by threadpoolctl."""
    if installed_version("threadpoolctl") is None:
        yield
        return
    with importlib.import_module("threadpoolctl").threadpool_limits(limits=threads):
        yield
