"""The public tools that do the same jobs, each called as its documentation says.

A peer is imported at its first call, so one that is not installed costs nothing but its rows.
"""

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.benchmark.contender import Contender

__all__ = ["EXACT", "HEURISTIC", "PEERS", "POT", "Labels", "Peer", "exact_peers", "heuristic_peers"]


@dataclass(frozen=True, slots=True)
class Peer:
    """What a package is, for readers.

    Attributes:
        package: its name on PyPI.
        description: one sentence.
    """

    package: str
    description: str


PEERS: tuple[Peer, ...] = (
    Peer(
        "numpy", "sort, argsort and partition of float32, single-threaded; with SIMD where its build has it"
    ),
    Peer("kmeans1d", "exact 1-D K-means in C++, O(K n) by the SMAWK algorithm; returns labels and centres"),
    Peer("ckmeans", "exact 1-D K-means in Rust (Ckmeans.1d.dp); K <= 255; returns sorted groups, no labels"),
    Peer("ckwrap", "exact 1-D K-means in C++: a wrapper of Ckmeans.1d.dp 4.3.5; returns labels and centres"),
    Peer(
        "flash1dkmeans", "heuristic: k-means++ and Lloyd on prefix sums, in numba; returns labels and centres"
    ),
    Peer("scikit-learn", "heuristic: KMeans, Lloyd's algorithm from one k-means++ start; labels and centres"),
    Peer("POT", "optimal transport: wasserstein_1d(p=2) in float64"),
    Peer("bitsandbytes", "NF4 in blocks of 64 with float32 scales: quantize_4bit on the CPU"),
)


@dataclass(frozen=True, slots=True)
class Labels:
    """A partition as a peer returns it: a label for each number, or the sizes of sorted groups."""

    labels: Any = None
    sizes: Any = None


def _module(name: str) -> Any:
    return importlib.import_module(name)


def by_kmeans1d(num_levels: int) -> Contender:
    def run(values: list[float]) -> Labels:
        return Labels(_module("kmeans1d").cluster(values, num_levels).clusters)

    # It reads one number after the other, so a list spares it the conversions.
    return Contender("kmeans1d", run, lambda x: x.astype(np.float64).tolist(), "kmeans1d")


def by_ckmeans(num_levels: int) -> Contender:
    def run(values: Any) -> Labels:
        return Labels(sizes=[group.size for group in _module("ckmeans").ckmeans(values, num_levels)])

    return Contender("ckmeans (Rust)", run, lambda x: x.astype(np.float64), "ckmeans")


def by_ckwrap(num_levels: int) -> Contender:
    def run(values: Any) -> Labels:
        return Labels(_module("ckwrap").ckmeans(values, num_levels).labels)

    return Contender("ckwrap", run, lambda x: x.astype(np.float64), "ckwrap")


def by_flash1dkmeans(num_levels: int) -> Contender:
    def run(values: Any) -> Labels:
        _, labels = _module("flash1dkmeans").kmeans_1d(values, num_levels, random_state=0)
        return Labels(labels)

    return Contender("flash1dkmeans", run, np.copy, "flash1dkmeans")


def by_scikit_learn(num_levels: int) -> Contender:
    def run(values: Any) -> Labels:
        estimator = _module("sklearn.cluster").KMeans(num_levels, n_init=1, random_state=0)
        return Labels(estimator.fit(values).labels_)

    return Contender("scikit-learn KMeans", run, lambda x: x.reshape(-1, 1), "scikit-learn")


def _by_pot(samples: Any) -> float:
    return float(_module("ot.lp").wasserstein_1d(*samples, p=2))


POT = Contender(
    "POT wasserstein_1d, float64",
    _by_pot,
    lambda samples: tuple(sample.astype(np.float64) for sample in samples),
    "POT",
)

EXACT = ("ckmeans (Rust)", "ckwrap", "kmeans1d")
HEURISTIC = ("flash1dkmeans", "scikit-learn KMeans")


def exact_peers(num_levels: int) -> tuple[Contender, ...]:
    """Those that find the optimum, fastest first."""
    exact = (by_ckwrap(num_levels), by_kmeans1d(num_levels))
    return (by_ckmeans(num_levels), *exact) if num_levels <= 255 else exact


def heuristic_peers(num_levels: int) -> tuple[Contender, ...]:
    """Those that stop at a local optimum."""
    return by_flash1dkmeans(num_levels), by_scikit_learn(num_levels)
