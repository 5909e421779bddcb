"""The goals' table as data: what is timed beside what, and what is asked of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from experiments.benchmark.anchors import ANCHORS, BEST_SORT, OUR_SORT, TORCH_SORT, anchors
from experiments.benchmark.block_scaling import BlockScaling
from experiments.benchmark.checks import (
    equal_mass_is_published,
    grid_is_consistent,
    nothing_to_check,
    optimum_is_optimal,
    row_codebooks_fit,
    w2_is_exact,
)
from experiments.benchmark.clock import Pace
from experiments.benchmark.datasets import LAWS, Dataset, Law
from experiments.benchmark.duel import Duel, Outcome
from experiments.benchmark.grown import GROWN, MANY_TENSORS
from experiments.benchmark.growth import Growth
from experiments.benchmark.memory import Memory
from experiments.benchmark.ours import JOBS, ours
from experiments.benchmark.peers import EXACT, POT, exact_peers, heuristic_peers
from experiments.benchmark.published import (
    ARGSORT,
    COPY,
    SORT,
    THREADS,
    partition_at_quantiles,
    published_equal_mass,
)
from experiments.benchmark.rows import Goal
from experiments.benchmark.startup import Startup
from experiments.benchmark.words import count

__all__ = ["FULL", "QUICK", "TINY", "Case", "Extent", "cases"]


class Case(Protocol):
    """What a run consists of."""

    @property
    def topic(self) -> str:
        """What ``--only`` chooses by."""
        ...

    def run(self, pace: Pace) -> Outcome:
        """Measures."""
        ...


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is run.

    Attributes:
        pace: how long each case is measured.
        large: n of the jobs in O(n).
        small: n of the comparison with exact peers.
        matrix: the weights by channel.
        growth: sizes of the fit.
        growth_jobs: what is fitted.
        slow_peers: also run, once each, what takes most of a minute: exact peers at K = 256, or at large n.
        memory_of: laws on whose data memory is measured; it hardly depends on them.
        memory_jobs: whose memory is measured, each in a process of its own, which takes seconds to start.
    """

    pace: Pace
    large: int
    small: int
    matrix: tuple[int, int]
    growth: tuple[int, ...]
    growth_jobs: tuple[str, ...]
    slow_peers: bool
    memory_of: tuple[Law, ...]
    memory_jobs: tuple[str, ...]


_QUICK_MEMORY = (
    "equal mass, 4 bits",
    "optimum, 8 bits",
    "optimum of bfloat16, 8 bits",
    "equal mass by channel, 4 bits",
    "optimum by channel, 4 bits",
    "W2 of two samples",
    "8 schemes × 7 bit-widths",
)

_QUICK_GROWTH = (
    "equal_mass, 4 bits",
    "lloyd_max, 4 bits",
    "lloyd_max, 8 bits",
    "uniform_clipped by channel, 4 bits",
    "lloyd_max by channel, 4 bits",
    "W2 of two samples",
)
# A model has tens of thousands of tensors, not hundreds of thousands.
_MOST_SMALL = 10**7

FULL = Extent(
    Pace(budget_s=20.0, least=5, most=15, slow_s=8.0),
    large=10**7,
    small=10**6,
    matrix=(4096, 4096),
    growth=(10**5, 10**6, 10**7, 2 * 10**8),
    growth_jobs=tuple(GROWN),
    slow_peers=True,
    memory_of=("gaussian", "student-t"),
    memory_jobs=tuple(JOBS),
)
QUICK = Extent(
    Pace(budget_s=2.0, least=3, most=9, slow_s=1.5),
    large=10**7,
    small=10**6,
    matrix=(4096, 4096),
    growth=(10**5, 10**6, 10**7),
    growth_jobs=_QUICK_GROWTH,
    slow_peers=False,
    memory_of=("gaussian",),
    memory_jobs=_QUICK_MEMORY,
)
TINY = Extent(
    Pace(budget_s=0.01, least=1, most=1, slow_s=60.0),
    large=20_000,
    small=2_000,
    matrix=(8, 4096),
    growth=(10_000, 20_000),
    growth_jobs=_QUICK_GROWTH,
    slow_peers=True,
    memory_of=("gaussian",),
    memory_jobs=_QUICK_MEMORY,
)

_TWO_THREADS = "ours, 2 threads"
_LEFT_OUT = "the exact peers take most of a minute, and run in a full run only"


def cases(extent: Extent) -> Iterator[Case]:
    """All of them, by law."""
    for law in LAWS:
        yield _limits(law, extent)
        yield from _equal_mass(law, extent)
        yield from _optimum(law, extent)
        yield from _optimum_of_16_bits(law, extent)
        yield from _by_channel(law, extent)
        yield _w2(law, extent)
        yield _grid(law, extent)
        yield BlockScaling(law, extent.matrix)
        yield from _growth_and_memory(law, extent)
    yield Startup()


def _limits(law: Law, extent: Extent) -> Case:
    what = f"n = {count(extent.large)}"
    contenders = (COPY, *THREADS, SORT, TORCH_SORT, OUR_SORT, ARGSORT, partition_at_quantiles(16))
    return Duel("limits", what, Dataset(law, (extent.large,)), contenders, (), nothing_to_check)


def _equal_mass(law: Law, extent: Extent) -> Iterator[Case]:
    for bits, most in ((2, 0.5), (4, 0.5), (8, 1.0)):
        job, num_levels = f"equal mass, {bits} bits", 2**bits
        goals = (
            Goal(f"≤ {most:g} × the best sort", (BEST_SORT.name,), most),
            Goal("≥ 30 × faster than published", ("published equal mass",), 30.0, faster=True),
            Goal("2 threads ≥ 1.7 × faster", ("ours",), 1.7, faster=True, ours=_TWO_THREADS),
        )
        contenders = (ours(job), ours(job, 2, _TWO_THREADS), *anchors(), published_equal_mass(num_levels))
        yield Duel(
            "equal mass",
            f"n = {count(extent.large)}, K = {num_levels}",
            JOBS[job].dataset(law, extent.large),
            contenders,
            goals,
            equal_mass_is_published(num_levels),
        )


def _optimum(law: Law, extent: Extent) -> Iterator[Case]:
    for bits, fewest, most in ((4, 45.0, 1.5), (8, 250.0, 3.0)):
        job, num_levels = f"optimum, {bits} bits", 2**bits
        exact = exact_peers(num_levels)
        is_run = num_levels <= 16 or extent.slow_peers
        # scikit-learn takes nine seconds at K = 256, and finds no optimum.
        heuristics = heuristic_peers(num_levels)[: None if is_run else 1]
        yield Duel(
            "optimum",
            f"n = {count(extent.small)}, K = {num_levels}",
            JOBS[job].dataset(law, extent.small),
            (ours(job), *anchors(), *(exact if is_run else ()), *heuristics),
            (Goal(f"≥ {fewest:g} × faster than the fastest exact peer", EXACT, fewest, faster=True),),
            optimum_is_optimal(num_levels),
            left_out="" if is_run else _LEFT_OUT,
        )
        slow = exact[:1] if extent.slow_peers and num_levels <= 16 else ()
        yield Duel(
            "optimum",
            f"n = {count(extent.large)}, K = {num_levels}",
            JOBS[job].dataset(law, extent.large),
            (ours(job), *anchors(), *slow),
            (Goal(f"≤ {most:g} × the best sort", (BEST_SORT.name,), most),),
            optimum_is_optimal(num_levels),
        )


def _optimum_of_16_bits(law: Law, extent: Extent) -> Iterator[Case]:
    for kind in ("bfloat16", "float16"):
        for bits in (4, 8):
            job = f"optimum of {kind}, {bits} bits"
            yield Duel(
                f"optimum of {kind}",
                f"n = {count(extent.large)}, K = {2**bits}",
                JOBS[job].dataset(law, extent.large),
                (ours(job), *anchors()),
                (Goal("≤ 1 × the best sort of float32", (BEST_SORT.name,), 1.0),),
                optimum_is_optimal(2**bits),
                reference_dataset=Dataset(law, (extent.large,)),
                on_reference=ANCHORS,
            )


def _by_channel(law: Law, extent: Extent) -> Iterator[Case]:
    for topic, bits, most in (("equal mass", 4, 1.2), ("optimum", 4, 4.0), ("optimum", 8, 4.0)):
        job = f"{topic} by channel, {bits} bits"
        yield Duel(
            f"{topic} by channel",
            f"{extent.matrix}, K = {2**bits}",
            Dataset(law, extent.matrix),
            (ours(job), ours(job, 2, _TWO_THREADS), *anchors()),
            (
                Goal(f"≤ {most:g} × the best sort by rows", (BEST_SORT.name,), most),
                Goal("2 threads ≥ 1.7 × faster", ("ours",), 1.7, faster=True, ours=_TWO_THREADS),
            ),
            row_codebooks_fit(2**bits),
        )


def _w2(law: Law, extent: Extent) -> Case:
    job = "W2 of two samples"
    return Duel(
        "W2",
        f"n = {count(extent.large)} each",
        JOBS[job].dataset(law, extent.large),
        (ours(job), ours(job, 2, _TWO_THREADS), *anchors(), POT),
        (
            Goal("≤ 2 × one best sort", (BEST_SORT.name,), 2.0),
            Goal("≥ 15 × faster than POT in float64", (POT.name,), 15.0, faster=True),
        ),
        w2_is_exact,
        reference_dataset=Dataset(law, (extent.large,)),
        on_reference=ANCHORS,
    )


def _grid(law: Law, extent: Extent) -> Case:
    job = "8 schemes × 7 bit-widths"
    return Duel(
        "grid",
        f"{job}, n = {count(extent.large)}",
        JOBS[job].dataset(law, extent.large),
        (ours(job), *anchors()),
        (Goal("≤ 8 × the best sort", (BEST_SORT.name,), 8.0),),
        grid_is_consistent,
    )


def _growth_and_memory(law: Law, extent: Extent) -> Iterator[Case]:
    for job in extent.growth_jobs:
        most = _MOST_SMALL if job == MANY_TENSORS else max(extent.growth)
        yield Growth(job, law, tuple(size for size in extent.growth if size <= most))
    for job in extent.memory_jobs if law in extent.memory_of else ():
        yield Memory(job, law, extent.large)
