"""W2**2 of sorted samples against POT and rational arithmetic."""

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import ot
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmq_theory.kernels.wasserstein import (
    w2_squared_equal_sizes,
    w2_squared_sorted,
    w2_squared_unweighted,
)

sizes = st.integers(1, 30)
UNIT = np.empty(0)  # masses that are all 1


def exact_w2_squared(x: np.ndarray, wx: np.ndarray, y: np.ndarray, wy: np.ndarray) -> Fraction:
    """Sum over the merged grid of both cdfs, in rational arithmetic."""

    def steps(weights: np.ndarray) -> list[Fraction]:
        total, rising = sum(map(Fraction, weights.tolist())), [Fraction(0)]
        for w in weights.tolist():
            rising.append(rising[-1] + Fraction(w) / total)
        return rising

    fx, fy = steps(wx), steps(wy)
    grid = sorted(set(fx) | set(fy))
    result, i, j = Fraction(0), 0, 0
    for low, high in itertools.pairwise(grid):
        while fx[i + 1] <= low:
            i += 1
        while fy[j + 1] <= low:
            j += 1
        result += (high - low) * (Fraction(float(x[i])) - Fraction(float(y[j]))) ** 2
    return result


@given(sizes, sizes, st.integers(0, 2**32), st.booleans(), st.sampled_from(["f4", "f8"]))
def test_equals_rational_arithmetic(n: int, m: int, seed: int, weighted: bool, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    x = np.sort(rng.standard_normal(n).astype(dtype))
    y = np.sort(1.0 + rng.standard_t(3, size=m))
    wx, wy = (rng.random(k) + 0.01 if weighted else np.ones(k) for k in (n, m))
    expected = pytest.approx(float(exact_w2_squared(x, wx, y, wy)), rel=1e-14)
    assert w2_squared_sorted(x, wx, y, wy) == expected
    if not weighted:
        assert w2_squared_sorted(x, UNIT, y, wy) == expected
        assert w2_squared_unweighted(*((x, y) if n >= m else (y, x))) == expected
        if n == m:
            assert w2_squared_equal_sizes(x, y) == expected


def exact_unweighted(x: np.ndarray, y: np.ndarray) -> float:
    """Ranks by whole-number division and one exactly rounded sum, for sizes that are not tiny."""
    n, m = x.size, y.size
    edges = np.union1d(np.arange(n + 1) * m, np.arange(m + 1) * n)
    i, j = edges[:-1] // m, edges[:-1] // n
    total = Fraction(0)
    for k, width in zip(range(i.size), np.diff(edges).tolist(), strict=True):
        gap = Fraction(float(x[i[k]])) - Fraction(float(y[j[k]]))
        total += width * gap * gap
    return float(total / n / m)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(("n", "m"), [(4000, 4000), (4000, 3999), (5000, 16), (4001, 2000), (3000, 1)])
def test_moderate_sizes_against_rational_arithmetic(n: int, m: int, dtype: str) -> None:
    rng = np.random.default_rng(n * m)
    x, y = (np.sort(rng.standard_t(3, size=k).astype(dtype)) for k in (n, m))
    expected = pytest.approx(exact_unweighted(x, y), rel=2e-15)
    assert w2_squared_unweighted(x, y) == expected
    assert w2_squared_sorted(x, UNIT, y, UNIT) == expected
    if n == m:
        assert w2_squared_equal_sizes(x, y) == expected


def test_a_million_points_against_an_exactly_rounded_sum() -> None:
    rng = np.random.default_rng(3)
    x, y = (np.sort(rng.standard_t(3, size=1_000_000).astype("f4")) for _ in range(2))
    gap = x.astype("f8") - y.astype("f8")
    # (gap^2 as a rounded product) is off by 2^-53 of each term; the sum of them is exact.
    expected = math.fsum((gap * gap).tolist()) / x.size
    assert w2_squared_equal_sizes(x, y) == pytest.approx(expected, rel=1e-15)
    assert w2_squared_unweighted(x, y) == pytest.approx(expected, rel=1e-15)
    # Negative control: a running sum in the type of the data is off by far more than is allowed.
    in_float32 = float(np.cumsum((x - y) ** 2)[-1]) / x.size
    assert abs(in_float32 / expected - 1.0) > 1e-9


def test_ranks_of_large_coprime_sizes() -> None:
    rng = np.random.default_rng(4)
    n, m = 1_000_000, 999_983
    x, y = np.sort(rng.standard_normal(n)), np.sort(rng.standard_normal(m))
    found = w2_squared_unweighted(x, y)
    assert w2_squared_sorted(x, UNIT, y, UNIT) == pytest.approx(found, rel=1e-13)
    # A third route: all pieces by whole-number division, and an exactly rounded sum.
    edges = np.union1d(np.arange(n + 1) * m, np.arange(m + 1) * n)
    gap = x[edges[:-1] // m] - y[edges[:-1] // n]
    expected = math.fsum((np.diff(edges) * gap * gap).tolist()) / n / m
    assert found == pytest.approx(expected, rel=2e-15)


def test_masses_that_drift_in_float64_do_not() -> None:
    # A million masses of 0.1 against one of 100000: their running differences in float64 lose digits.
    n = 1_000_000
    x, y = np.linspace(-1.0, 1.0, n), np.array([-1.0, 1.0])
    weights = np.full(n, 0.1)
    expected = w2_squared_unweighted(x, y)
    assert w2_squared_sorted(x, weights, y, np.array([5e4, 5e4])) == pytest.approx(expected, rel=1e-14)
    remaining = 5e4
    for _ in range(n // 2):
        remaining -= 0.1
    assert abs(remaining) > 1e-9  # the control: what a plain remainder is off by


@pytest.mark.parametrize("weighted", [False, True])
def test_equals_pot(weighted: bool) -> None:
    rng = np.random.default_rng(4)
    x, y = np.sort(rng.standard_normal(700)), np.sort(rng.laplace(size=900))
    wx, wy = (rng.random(k) + 0.1 if weighted else np.ones(k) for k in (700, 900))
    expected: Any = ot.emd2_1d(x, y, wx / wx.sum(), wy / wy.sum())
    assert w2_squared_sorted(x, wx, y, wy) == pytest.approx(float(expected), rel=1e-10)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.floats(-1e6, 1e6))
def test_a_sample_and_itself_moved(points: list[float], shift: float) -> None:
    x = np.sort(np.array(points))
    ones = np.ones(x.size)
    assert w2_squared_sorted(x, ones, x, ones) == 0.0
    assert w2_squared_equal_sizes(x, x) == w2_squared_unweighted(x, x) == 0.0
    moved = x + shift
    expected = np.square(moved - x).mean()
    assert w2_squared_sorted(x, ones, moved, ones) == pytest.approx(expected, rel=1e-13)
    assert w2_squared_equal_sizes(x, moved) == pytest.approx(expected, rel=1e-13)


def test_one_atom_gives_the_second_moment_about_it() -> None:
    x = np.sort(np.random.default_rng(0).standard_normal(1000))
    found = w2_squared_sorted(x, np.ones(1000), np.array([0.5]), np.array([7.0]))
    assert found == pytest.approx(np.square(x - 0.5).mean(), rel=1e-13)


def test_scale_multiplies_the_points() -> None:
    rng = np.random.default_rng(5)
    x, y = np.sort(rng.standard_normal(70)), np.sort(rng.standard_normal(50))
    for scale in (2.0**-3, 2.0**5):
        expected = w2_squared_unweighted(x, y) * scale * scale
        assert w2_squared_unweighted(x, y, scale) == expected
        assert w2_squared_sorted(x, UNIT, y, UNIT, scale) == pytest.approx(expected, rel=1e-14)
        assert w2_squared_equal_sizes(x[:50], y, scale) == w2_squared_equal_sizes(x[:50], y) * scale * scale


def test_read_only_points() -> None:
    x, y = np.array([0.0, 1.0], dtype="f4"), np.array([0.5, 2.5], dtype="f4")
    for array in (x, y):
        array.setflags(write=False)
    assert w2_squared_equal_sizes(x, y) == w2_squared_unweighted(x, y) == 1.25
    assert w2_squared_sorted(x, UNIT, y, UNIT) == 1.25


def test_repeating_a_point_is_weighting_it() -> None:
    x, counts = np.array([-1.0, 0.5, 2.0]), np.array([2, 1, 4])
    y = np.linspace(-2.0, 3.0, 11)
    repeated = w2_squared_sorted(np.repeat(x, counts), np.ones(7), y, np.ones(11))
    assert w2_squared_sorted(x, counts.astype(float), y, np.ones(11)) == pytest.approx(repeated, rel=1e-14)


def test_control_unsorted_input_gives_another_number() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal(100), np.sort(rng.standard_normal(100))
    ones = np.ones(100)
    assert w2_squared_sorted(x, ones, y, ones) > 2.0 * w2_squared_sorted(np.sort(x), ones, y, ones)
