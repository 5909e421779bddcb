"""The published equal-mass algorithm, and what numpy alone needs for parts of the job."""

from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.benchmark.contender import Contender
from fmq_theory.kernels.runtime.threads import run_blocks

__all__ = [
    "ARGSORT",
    "COPY",
    "SORT",
    "THREADS",
    "partition_at_quantiles",
    "published_equal_mass",
]


def published_equal_mass(num_levels: int) -> Contender:
    """Sort, split the sorted weights into K parts as numpy.array_split does, replace each by its mean.

    As published it is a loop over ``array_split`` of an ``argsort`` (numpy's default order, which is
    the fast one). The result is the quantized weights; ours makes codes and levels.
    """

    def run(x: Any) -> Any:
        order = np.argsort(x)
        out = np.empty_like(x)
        for cell in np.array_split(order, min(num_levels, x.size)):
            out[cell] = np.mean(x[cell])
        return out

    return Contender("published equal mass", run)


def partition_at_quantiles(num_levels: int) -> Contender:
    """The borders of K equal cells, without codes and levels."""

    def run(x: Any) -> Any:
        return np.partition(x, [x.size * k // num_levels for k in range(1, num_levels)])

    return Contender("np.partition", run)


COPY = Contender("copy", np.copy)
SORT = Contender("np.sort", np.sort)
ARGSORT = Contender("np.argsort", np.argsort)


# What stays in the first cache of a core, and how often a thread reads it for its part of the numbers.
_IN_CACHE, _TIMES = 1 << 12, 10


def _halves(name: str, threads: int, on_range: Callable[[Any, int, int], object]) -> Contender:
    """``on_range(x, start, stop)`` on as many parts of the numbers as there are threads."""
    words = name if threads == 1 else f"{name}, {threads} threads"
    return Contender(
        words, lambda x: run_blocks(lambda a, b: on_range(x, a, b), x.size, threads), threads=threads
    )


def _read(x: Any, start: int, stop: int) -> object:
    return x[start:stop].max()


def _read_again(x: Any, start: int, stop: int) -> object:
    first = x[:_IN_CACHE]
    return np.broadcast_to(first, (1 + _TIMES * (stop - start) // first.size, first.size)).max()


THREADS = tuple(
    _halves(name, threads, on_range)
    for name, on_range in (("read", _read), ("read from the cache", _read_again))
    for threads in (1, 2)
)
"""The most that a second core brings here: as much reading, from memory and from a core's own cache."""
