"""Time of the kernels on a million float64 weights, one thread. Run with ``-m benchmark``.

The first call of each kernel, which compiles it or loads it, is outside the measurement.
"""

import kmeans1d
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from fmq_theory.kernels.partition import optimal_partition
from fmq_theory.kernels.prefix import prefix_moments
from fmq_theory.kernels.wasserstein import w2_squared_sorted
from fmq_theory.quantizers.lloyd_max import LloydMax
from fmq_theory.sources import Gaussian, Source, StudentT
from fmq_theory.sources.empirical import Empirical

pytestmark = pytest.mark.benchmark

SIZE = 1_000_000
LAWS: dict[str, Source] = {"gaussian": Gaussian(), "student-t": StudentT(3.0)}


def weights(law: str, size: int = SIZE) -> np.ndarray:
    return LAWS[law].sample(size, rng=np.random.default_rng(0))


@pytest.mark.benchmark(group="limits")
def test_sort(benchmark: BenchmarkFixture) -> None:
    benchmark(np.sort, weights("gaussian"))


@pytest.mark.benchmark(group="limits")
def test_prefix_sums(benchmark: BenchmarkFixture) -> None:
    x = np.sort(weights("gaussian"))
    benchmark.pedantic(prefix_moments, (x, np.ones(SIZE)), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="data as a source")
def test_empirical(benchmark: BenchmarkFixture) -> None:
    benchmark.pedantic(Empirical, (weights("gaussian"),), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="exact optimum of data")
@pytest.mark.parametrize("num_cells", [4, 16, 64, 256])
@pytest.mark.parametrize("law", LAWS)
def test_optimal_partition(benchmark: BenchmarkFixture, law: str, num_cells: int) -> None:
    prefix = Empirical(weights(law)).prefix
    benchmark.pedantic(optimal_partition, (prefix, num_cells), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="exact optimum of a channel")
@pytest.mark.parametrize("num_levels", [16, 256])
def test_channel(benchmark: BenchmarkFixture, num_levels: int) -> None:
    x = weights("gaussian", 1024)
    benchmark(lambda: LloydMax().design(Empirical(x), num_levels))


@pytest.mark.benchmark(group="exact optimum of data, 100,000 weights, 16 levels")
def test_peer_kmeans1d(benchmark: BenchmarkFixture) -> None:
    x = weights("gaussian", 100_000)
    benchmark.pedantic(kmeans1d.cluster, (x, 16), rounds=3)


@pytest.mark.benchmark(group="exact optimum of data, 100,000 weights, 16 levels")
def test_ours(benchmark: BenchmarkFixture) -> None:
    x = weights("gaussian", 100_000)
    benchmark.pedantic(lambda: LloydMax().design(Empirical(x), 16), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="optimum of a law")
@pytest.mark.parametrize("num_levels", [16, 256])
@pytest.mark.parametrize("law", LAWS)
def test_law(benchmark: BenchmarkFixture, law: str, num_levels: int) -> None:
    benchmark.pedantic(LloydMax().design, (LAWS[law], num_levels), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="W2 of two sorted samples")
def test_w2_squared_sorted(benchmark: BenchmarkFixture) -> None:
    x, y = np.sort(weights("gaussian")), np.sort(weights("student-t"))
    ones = np.ones(SIZE)
    benchmark.pedantic(w2_squared_sorted, (x, ones, y, ones), rounds=5, warmup_rounds=1)
