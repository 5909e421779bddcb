"""Time of the kernels and of the calls made of them, a million float32 weights, one thread.

Run with ``-m benchmark``. The first call of each, which compiles it or loads it, is outside the
measurement. Peers and goals are in ``python -m experiments.benchmark``.
"""

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from fmq_theory.kernels.codes.tables16 import BFLOAT16, encode16, histogram16
from fmq_theory.kernels.sums.prefix import block_prefix
from fmq_theory.kernels.wasserstein import (
    w2_squared_equal_sizes,
    w2_squared_sorted,
    w2_squared_unweighted,
)
from fmq_theory.metrics import w2_squared, w2_squared_law
from fmq_theory.quantizers import quantize
from fmq_theory.quantizers.lloyd_max import LloydMax
from fmq_theory.sources import Gaussian, Source, StudentT
from fmq_theory.sources.empirical import Empirical

pytestmark = pytest.mark.benchmark

SIZE = 1_000_000
LAWS: dict[str, Source] = {"gaussian": Gaussian(), "student-t": StudentT(3.0)}
UNIT = np.empty(0)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FMQ_THREADS", "1")


def weights(law: str, size: int = SIZE, seed: int = 0) -> np.ndarray:
    return LAWS[law].sample(size, rng=np.random.default_rng(seed)).astype(np.float32)


@pytest.mark.benchmark(group="limits")
def test_sort(benchmark: BenchmarkFixture) -> None:
    benchmark(np.sort, weights("gaussian"))


@pytest.mark.benchmark(group="limits")
def test_block_sums(benchmark: BenchmarkFixture) -> None:
    x = np.sort(weights("gaussian"))
    benchmark.pedantic(block_prefix, (x, UNIT), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="16-bit patterns")
def test_histogram16(benchmark: BenchmarkFixture) -> None:
    patterns = (weights("gaussian").view(np.uint32) >> 16).astype(np.uint16)
    benchmark.pedantic(histogram16, (patterns, BFLOAT16), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="16-bit patterns")
def test_encode16(benchmark: BenchmarkFixture) -> None:
    patterns = (weights("gaussian").view(np.uint32) >> 16).astype(np.uint16)
    table = (np.arange(1 << 16) >> 8).astype(np.uint8)
    benchmark.pedantic(encode16, (patterns, table), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="data as a source")
def test_empirical(benchmark: BenchmarkFixture) -> None:
    benchmark.pedantic(Empirical, (weights("gaussian"),), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="a tensor with one codebook")
@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("scheme", ["equal_mass", "lloyd_max"])
@pytest.mark.parametrize("law", LAWS)
def test_quantize(benchmark: BenchmarkFixture, law: str, scheme: str, bits: int) -> None:
    x = weights(law)
    benchmark.pedantic(lambda: quantize(x, scheme, bits, granularity="tensor"), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="1024 x 1024 by channel")
@pytest.mark.parametrize("scheme", ["equal_mass", "lloyd_max"])
def test_channels(benchmark: BenchmarkFixture, scheme: str) -> None:
    x = weights("gaussian", 1024 * 1024).reshape(1024, 1024)
    benchmark.pedantic(lambda: quantize(x, scheme, 4), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="optimum of a law")
@pytest.mark.parametrize("num_levels", [16, 256])
@pytest.mark.parametrize("law", LAWS)
def test_law(benchmark: BenchmarkFixture, law: str, num_levels: int) -> None:
    benchmark.pedantic(LloydMax().design, (LAWS[law], num_levels), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="W2 of sorted samples")
@pytest.mark.parametrize("kernel", ["equal sizes", "any sizes", "weighted"])
def test_w2_kernels(benchmark: BenchmarkFixture, kernel: str) -> None:
    x, y = np.sort(weights("gaussian")), np.sort(weights("student-t"))
    if kernel == "equal sizes":
        benchmark.pedantic(w2_squared_equal_sizes, (x, y), rounds=5, warmup_rounds=1)
    elif kernel == "any sizes":
        benchmark.pedantic(w2_squared_unweighted, (x, y[:-1]), rounds=5, warmup_rounds=1)
    else:
        mass = np.random.default_rng(1).random(SIZE) + 0.1
        benchmark.pedantic(w2_squared_sorted, (x, mass, y, UNIT), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="W2")
def test_w2_of_samples(benchmark: BenchmarkFixture) -> None:
    benchmark.pedantic(w2_squared, (weights("gaussian"), weights("student-t")), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="W2")
@pytest.mark.parametrize("law", LAWS)
def test_w2_to_a_law(benchmark: BenchmarkFixture, law: str) -> None:
    benchmark.pedantic(w2_squared_law, (weights(law, 100_000), LAWS[law]), rounds=3, warmup_rounds=1)
