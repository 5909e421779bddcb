"""W2**2: our kernel against POT's two functions, linear programming and closed forms."""

import math
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import optimize

from fmq_theory.codebook import Codebook
from fmq_theory.errors import WeightsError
from fmq_theory.metrics import (
    distortion,
    rowwise_w2_squared_pot,
    sample_to_codebook_w2_squared,
    sample_to_codebook_w2_squared_pot,
    sample_to_codebooks_w2_squared_pot,
    w2_squared,
    w2_squared_pot,
)
from fmq_theory.quantizers import get_scheme
from fmq_theory.sources.empirical import Empirical

METHODS = ("wasserstein_1d", "emd2_1d", "emd_1d_sorted")


def _by_linear_programming(a: np.ndarray, b: np.ndarray, p: np.ndarray, q: np.ndarray) -> float:
    """min sum_ij pi_ij (a_i - b_j)**2 over couplings: no use of the order of the line."""
    n, m = a.size, b.size
    cost = (a[:, None] - b[None, :]) ** 2
    rows = np.kron(np.eye(n), np.ones(m))
    columns = np.kron(np.ones(n), np.eye(m))
    found = optimize.linprog(
        cost.ravel(), A_eq=np.vstack((rows, columns)), b_eq=np.concatenate((p, q)), method="highs"
    )
    assert found.fun is not None
    return float(found.fun)


small = st.integers(1, 7)
numbers = st.integers(-20, 20).map(float)
masses = st.integers(0, 5).map(float)


@st.composite
def weighted_samples(draw: st.DrawFn) -> tuple[np.ndarray, ...]:
    n, m = draw(small), draw(small)
    a, b = draw(hnp.arrays(float, n, elements=numbers)), draw(hnp.arrays(float, m, elements=numbers))
    p, q = draw(hnp.arrays(float, n, elements=masses)), draw(hnp.arrays(float, m, elements=masses))
    assume(p.sum() > 0 and q.sum() > 0)
    return a, b, p, q


@given(weighted_samples())
def test_against_linear_programming_and_pot(samples: tuple[np.ndarray, ...]) -> None:
    a, b, p, q = samples
    expected = _by_linear_programming(a, b, p / p.sum(), q / q.sum())
    assert w2_squared(a, b, p, q) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    for method in METHODS:
        assert w2_squared_pot(a, b, p, q, method=method) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_pot_returns_the_square_and_not_the_distance() -> None:
    for method in METHODS:
        assert w2_squared_pot([0.0], [3.0], method=method) == pytest.approx(9.0, rel=1e-15)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 50), (1000, 1000), (999, 1000), (5000, 16)])
def test_large_samples_against_pot(n: int, m: int) -> None:
    rng = np.random.default_rng(n + m)
    a, b = rng.standard_t(3, n), 0.5 + rng.normal(size=m)
    p, q = rng.random(n), rng.random(m)
    for weights in ((None, None), (p, q), (p, None)):
        ours = w2_squared(a, b, *weights)
        for method in METHODS:
            assert w2_squared_pot(a, b, *weights, method=method) == pytest.approx(ours, rel=1e-9)


def test_equal_sizes_are_a_sort() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=500), rng.laplace(size=500)
    sorted_gap = np.sort(a) - np.sort(b)
    assert w2_squared(a, b) == pytest.approx(np.mean(sorted_gap**2), rel=1e-13)
    # Negative control: without the sort the coupling is not optimal.
    assert w2_squared(a, b) < 0.5 * np.mean((a - b) ** 2)


def test_counts_are_repeats() -> None:
    rng = np.random.default_rng(1)
    values, counts = rng.normal(size=30), rng.integers(1, 9, 30)
    b = rng.normal(size=17)
    assert w2_squared(values, b, counts) == pytest.approx(w2_squared(np.repeat(values, counts), b), rel=1e-13)


def test_translation_and_scale() -> None:
    rng = np.random.default_rng(2)
    a = rng.normal(size=101)
    assert w2_squared(a, a) == 0.0
    assert w2_squared(a, a + 3.0) == pytest.approx(9.0, rel=1e-14)
    assert w2_squared(2.0 * a, 2.0 * (a + 1.0)) == pytest.approx(4.0, rel=1e-14)
    for factor in (2.0**-600, 2.0**500):
        with np.errstate(under="ignore"):
            squared = w2_squared(a * factor, a[::2] * factor)
        assert squared == pytest.approx(w2_squared(a, a[::2]) * factor * factor, rel=1e-13)
    assert w2_squared([1e300], [-1e300]) == math.inf
    assert w2_squared([5e-324], [0.0]) == 0.0


def test_offset_costs_no_accuracy() -> None:
    rng = np.random.default_rng(3)
    # Multiples of 2^-20 stay exact after an offset of 1e8.
    a, b = (np.round(rng.normal(size=m) * 2**20) / 2**20 for m in (1000, 77))
    expected = w2_squared(a, b)
    assert w2_squared(a + 1e8, b + 1e8) == pytest.approx(expected, rel=1e-13)
    for method in METHODS:
        assert w2_squared_pot(a + 1e8, b + 1e8, method=method) == pytest.approx(expected, rel=1e-11)
    # Negative control: the expansion E X^2 - 2 E X Y + E Y^2 does lose it.
    s, t = np.sort(a), np.sort(rng.normal(size=1000))
    shifted = np.mean((s + 1e8) ** 2) - 2 * np.mean((s + 1e8) * (t + 1e8)) + np.mean((t + 1e8) ** 2)
    assert abs(shifted - w2_squared(s, t)) > 1e-3


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8])
def test_types_and_shapes(dtype: type) -> None:
    a = (10 * np.random.default_rng(4).normal(size=(6, 7))).astype(dtype)
    b = np.ascontiguousarray(a[::-1, ::2].T)
    a.setflags(write=False)
    expected = w2_squared(a.astype(float).ravel(), b.astype(float).ravel())
    assert w2_squared(a, b) == expected
    assert w2_squared(a[:, ::2], b) == pytest.approx(0.0, abs=1e-30)
    assert w2_squared(torch.tensor(a.astype("f4")), torch.tensor(b.astype("f4")).bfloat16()) >= 0.0
    half = torch.tensor([1.0, 2.0]).bfloat16()
    assert w2_squared(half, [1.0, 4.0]) == pytest.approx(2.0)


@pytest.mark.parametrize(("n", "m"), [(300, 300), (300, 299), (300, 7)])
@pytest.mark.parametrize("types", [("f4", "f4"), ("f4", "f8"), ("f8", "f4")])
def test_float32_is_exact_for_its_values(n: int, m: int, types: tuple[str, str]) -> None:
    rng = np.random.default_rng(7)
    a, b = (rng.standard_t(3, size=k).astype(kind) for k, kind in zip((n, m), types, strict=True))
    p = rng.random(n).astype("f4")
    for weights in (None, p):
        expected = pytest.approx(w2_squared(a.astype("f8"), b.astype("f8"), weights), rel=1e-15)
        assert w2_squared(a, b, weights) == expected
        assert w2_squared(b, a, None, weights) == expected
        assert w2_squared(torch.tensor(a), torch.tensor(b), weights) == expected
    # Beyond the squares of float32.
    far, near = (a * np.float32(1e30)).astype("f4"), (a * np.float32(1e-40)).astype("f4")
    assert w2_squared(far, -far) == pytest.approx(w2_squared(np.float64(far), -np.float64(far)), rel=1e-14)
    assert w2_squared(near, -near) == pytest.approx(
        w2_squared(np.float64(near), -np.float64(near)), rel=1e-14
    )


def test_threads_change_nothing() -> None:
    rng = np.random.default_rng(8)
    a, b = rng.normal(size=2000), rng.normal(size=1500)
    assert w2_squared(a, b, threads=1) == w2_squared(a, b, threads=2) == w2_squared(a, b)
    with pytest.raises(WeightsError, match="b"):
        w2_squared(a, [math.nan], threads=2)


def test_memory_is_that_of_the_sorted_copies() -> None:
    rng = np.random.default_rng(9)
    a, b = (rng.standard_normal(500_000).astype("f4") for _ in range(2))
    w2_squared(a, b, threads=1)  # compiles what arrays of this size take
    tracemalloc.start()
    w2_squared(a, b, threads=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    in_float64 = a.astype("f8"), b.astype("f8")
    _, control = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.6 * (a.nbytes + b.nbytes)
    assert control > 1.9 * (a.nbytes + b.nbytes)
    assert in_float64[0].size == a.size


@pytest.mark.parametrize("bad", [math.nan, -math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
def test_not_finite_is_named(bad: float, kind: str) -> None:
    a = np.array([1.0, bad, 2.0, 3.0], dtype=kind)
    for weights in (None, [1.0, 0.0, 1.0, 1.0]):
        with pytest.raises(WeightsError, match="1 nan" if math.isnan(bad) else "1 infinite"):
            w2_squared(a, [1.0], weights)


@pytest.mark.parametrize("function", [w2_squared, w2_squared_pot])
@pytest.mark.parametrize(
    "arguments",
    [
        ([], [1.0]),
        ([1.0], [math.nan]),
        ([math.inf], [1.0]),
        ([1.0, 2.0], [1.0], [1.0]),
        ([1.0, 2.0], [1.0], [1.0, -1.0]),
        ([1.0, 2.0], [1.0], [0.0, 0.0]),
        ([1.0, 2.0], [1.0], None, [math.nan]),
        (["x"], [1.0]),
        ([1j], [1.0]),
    ],
)
def test_bad_input(function, arguments) -> None:
    with pytest.raises(WeightsError):
        function(*arguments)


def test_unknown_pot_method() -> None:
    with pytest.raises(WeightsError, match="wasserstein_1d"):
        w2_squared_pot([1.0], [2.0], method="sinkhorn")  # type: ignore[arg-type]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_sample_to_codebook(weighted: bool, offset: float) -> None:
    rng = np.random.default_rng(5)
    x = np.round(rng.standard_t(4, 20_000) * 256) / 256 + offset  # with ties
    sample = Empirical(x, rng.random(x.size) if weighted else None)
    codebook = Codebook.nearest(
        np.concatenate((np.linspace(-3.0, 3.0, 13), [500.0])) + offset
    )  # one empty cell
    expected = distortion(codebook, sample)
    assert sample_to_codebook_w2_squared(sample, codebook) == pytest.approx(expected, rel=1e-12)
    for method in METHODS:
        found = sample_to_codebook_w2_squared_pot(sample, codebook, method=method)
        assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("offset", [0.0, 1e9, 1e100])
def test_many_codebooks_by_pot_are_as_one_by_one(offset: float) -> None:
    """The copy of the data that they share is as it was: POT changes nothing that it is handed."""
    x = np.random.default_rng(4).standard_normal(500) * (1.0 + offset) + offset
    for sample in (Empirical(x), Empirical(np.round(x)), Empirical(x, np.arange(1.0, 501.0))):
        books = [get_scheme(name).design(sample, k) for name in ("uniform", "lloyd_max") for k in (2, 16)]
        alone = [sample_to_codebook_w2_squared_pot(sample, book) for book in books]
        assert sample_to_codebooks_w2_squared_pot(sample, [*books, *books]) == alone * 2
        assert len(set(alone)) > 1  # control


def test_rowwise_by_pot() -> None:
    rng = np.random.default_rng(6)
    rows = rng.normal(size=(5, 40)).astype(np.float32) * np.array(
        [[1e-3], [1.0], [1e3], [1e18], [0.0]], dtype="f4"
    )
    quantized = np.round(rows, 1)
    found = rowwise_w2_squared_pot(rows, quantized)
    expected = [w2_squared(x, y) for x, y in zip(rows, quantized, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    # A quantizer that is not monotone: the sorted coupling is used, not the given one.
    np.testing.assert_allclose(rowwise_w2_squared_pot(rows, rows[:, ::-1]), 0.0, atol=0.0)
    with pytest.raises(WeightsError):
        rowwise_w2_squared_pot(rows, quantized[:, :-1])
    with pytest.raises(WeightsError):
        rowwise_w2_squared_pot(rows[0], quantized[0])
