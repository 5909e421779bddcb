"""Audits by one, two and four worker processes of this machine, and its own limit in the same rounds.

What the weights cost is the processor time of the workers, which other work of the machine changes little.
What several workers bring is a ratio of wall times; beside it stands what as many processes that need nothing
from each other bring in the same round: what other work takes away is taken from both.
"""

import importlib
import statistics
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, cast

import numpy as np

from experiments.benchmark.memory import peak_resident_bytes
from experiments.cluster.slices import Slice
from fmq_theory.checkpoint.audit import audit
from fmq_theory.checkpoint.audit.cluster import on_dask

__all__ = ["Spent", "Workers", "audited", "limits", "median_row", "nothing", "task_overhead", "workers"]


@dataclass(frozen=True, slots=True)
class Spent:
    """What one audit took.

    Attributes:
        wall_s: of the caller.
        client_s: processor time of the caller.
        workers_s: processor time of all workers.
        measured_s: by the workers' own clocks, the sum over tensors.
        peak_bytes: high-water mark of the largest worker.
    """

    wall_s: float
    client_s: float
    workers_s: float
    measured_s: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Workers:
    """Worker processes of this machine.

    Attributes:
        count: how many.
        client: of their scheduler.
        address: its.
    """

    count: int
    client: Any
    address: str

    def state(self) -> tuple[float, int]:
        """(Processor seconds of all workers, high-water mark of the largest)."""
        found = list(self.client.run(_state).values())
        return sum(seconds for seconds, _ in found), max(peak for _, peak in found)


def _state() -> tuple[float, int]:
    return time.process_time(), peak_resident_bytes()


@contextmanager
def workers(count: int) -> Generator[Workers]:
    """So many, of one thread each."""
    library = cast("Any", importlib.import_module("distributed"))
    with (
        library.LocalCluster(
            n_workers=count, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as cluster,
        library.Client(cluster, set_as_default=False) as client,
    ):
        yield Workers(count, client, cluster.scheduler_address)


def audited(path: Path, by: Workers) -> Spent:
    """An audit with its defaults: eight schemes, seven bit-widths, a codebook a channel."""
    before, _ = by.state()
    client, start = time.process_time(), time.perf_counter()
    found = audit(path, backend="dask", scheduler=by.address)
    wall, client = time.perf_counter() - start, time.process_time() - client
    after, peak = by.state()
    return Spent(wall, client, after - before, sum(tensor.seconds for tensor in found.tensors), peak)


def nothing(task: int) -> int:
    """A task without work."""
    return task


def task_overhead(by: Workers, tasks: int) -> dict[str, float]:
    """Milliseconds a task that does nothing: of the wall clock, and of processors."""
    list(on_dask(nothing, range(by.count * 4), by.address))  # the workers import what they call
    before, _ = by.state()
    client, start = time.process_time(), time.perf_counter()
    done = sum(1 for _ in on_dask(nothing, range(tasks), by.address))
    wall, client = time.perf_counter() - start, time.process_time() - client
    spent = by.state()[0] - before
    return {
        "tasks": done,
        "wall_ms": 1e3 * wall / done,
        "client_ms": 1e3 * client / done,
        "worker_ms": 1e3 * spent / done,
    }


def _spin(repeats: int) -> float:
    """Seconds of sorting the same numbers, which stay in a core's cache, again and again."""
    numbers = np.random.default_rng(0).standard_normal(1 << 14)
    start = time.perf_counter()
    for _ in range(repeats):
        np.sort(numbers, kind="heapsort")
    return time.perf_counter() - start


@contextmanager
def limits(counts: Sequence[int], repeats: int) -> Generator[Any]:
    """A function that tells how many times the work of one process each count of them does in its time."""
    with ProcessPoolExecutor(max(counts), mp_context=get_context("spawn")) as pool:
        list(pool.map(_spin, [1] * max(counts)))

        def measured() -> dict[int, float]:
            wall: dict[int, float] = {}
            for count in counts:
                start = time.perf_counter()
                list(pool.map(_spin, [repeats] * count))
                wall[count] = time.perf_counter() - start
            return {count: count * wall[counts[0]] / wall[count] for count in counts}

        yield measured


def median_row(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    """The median of each number over the rounds, its least and its greatest."""
    found: dict[str, float] = {}
    for name in rounds[0]:
        values = [one[name] for one in rounds]
        found |= {
            name: statistics.median(values),
            f"{name}_least": min(values),
            f"{name}_most": max(values),
        }
    return found


def warmed(path: Path, by: Workers) -> None:
    """Lets every worker load its kernels, so that no audit that is timed does."""
    Slice(0, (8, 64), 16 * by.count).write(path)
    audit(path, backend="dask", scheduler=by.address)
