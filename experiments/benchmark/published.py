"""The published equal-mass algorithm, and what numpy alone needs for parts of the job."""

from typing import Any

import numpy as np

from experiments.benchmark.contender import Contender

__all__ = ["ARGSORT", "COPY", "SORT", "SORT_ROWS", "partition_at_quantiles", "published_equal_mass"]


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
SORT_ROWS = Contender("np.sort(axis=1)", lambda x: np.sort(x, axis=1))
ARGSORT = Contender("np.argsort", np.argsort)
