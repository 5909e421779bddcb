"""What every time is compared with: reading, copying and the best sort that this machine has.

numpy's sort of float32 takes six times as long where its build has no vector sort, or does not use it on
this processor. A ratio to it says more about that than about ours. So the sorts at hand are timed once and
the fastest is the anchor, be it numpy's, torch's or our own; the page names it.
"""

import functools
import importlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from experiments.benchmark.clock import held_pools, held_threads
from experiments.benchmark.contender import Contender, installed_version
from experiments.benchmark.published import COPY, THREADS
from fmq_theory.kernels.sorting.radix_sort import sort_rows

__all__ = ["ANCHORS", "BEST_SORT", "OUR_SORT", "TORCH_SORT", "anchors", "sort_seconds"]

Sort = Callable[[Any], Any]

# The numbers of the trial, flat and as rows of this length: what the cases sort, at a tenth of the time.
_TRIAL, _ROW = 1 << 20, 4096
_TRIES = 3


def _by_torch(x: Any) -> Any:
    return importlib.import_module("torch").sort(importlib.import_module("torch").from_numpy(x), dim=-1)[0]


def _by_ours(x: Any) -> Any:
    return sort_rows(x.reshape(-1, x.shape[-1]), 1)


_SORTS: Mapping[str, tuple[Sort, str | None]] = {
    "np.sort": (np.sort, None),
    "torch.sort": (_by_torch, "torch"),
    "our radix sort": (_by_ours, None),
}
TORCH_SORT = Contender("torch.sort", _by_torch, needs="torch")
OUR_SORT = Contender("our radix sort", _by_ours)


@functools.cache
def sort_seconds(dimensions: int) -> Mapping[str, float]:
    """The least time of each sort along the last axis, on one thread, the fastest first.

    Args:
        dimensions: 1 for 2**20 float32 numbers in one row, 2 for the same in rows of 4096.
    """
    x = np.random.default_rng(0).standard_normal(_TRIAL, dtype=np.float32)
    x = x if dimensions == 1 else x.reshape(-1, _ROW)
    least: dict[str, float] = {}
    for name, (sort, needs) in _SORTS.items():
        if needs is not None and installed_version(needs) is None:
            continue
        sort(x)  # compiles or loads
        with held_threads(1), held_pools(1):
            least[name] = min(_seconds(sort, x) for _ in range(_TRIES))
    return dict(sorted(least.items(), key=lambda found: found[1]))


def _seconds(sort: Sort, x: Any) -> float:
    start = time.perf_counter()
    sort(x)
    return time.perf_counter() - start


def _best_sort(x: Any) -> Any:
    return _SORTS[next(iter(sort_seconds(x.ndim)))][0](x)


BEST_SORT = Contender("best sort", _best_sort)
"""Along the last axis; which one is chosen at its first call, on a small input, outside the clock."""


def _whole(one: Contender) -> Contender:
    """Of a tensor of any shape."""
    return Contender(one.name, lambda x: one.run(x.reshape(-1)), threads=one.threads)


def anchors() -> tuple[Contender, ...]:
    """The best sort, a copy and a read of the same numbers, in the same rounds as ours."""
    read = next(one for one in THREADS if one.name == "read")
    return BEST_SORT, COPY, _whole(read)


ANCHORS = tuple(one.name for one in anchors())
