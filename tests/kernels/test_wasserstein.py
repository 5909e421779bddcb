"""W2**2 of sorted samples against POT, quantile integration and rational arithmetic."""

import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import ot
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmq_theory.kernels.wasserstein import w2_squared_sorted

sizes = st.integers(1, 30)


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


@given(sizes, sizes, st.integers(0, 2**32), st.booleans())
def test_equals_rational_arithmetic(n: int, m: int, seed: int, weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    x, y = np.sort(rng.standard_normal(n)), np.sort(1.0 + rng.standard_t(3, size=m))
    wx, wy = (rng.random(k) + 0.01 if weighted else np.ones(k) for k in (n, m))
    expected = float(exact_w2_squared(x, wx, y, wy))
    assert w2_squared_sorted(x, wx, y, wy) == pytest.approx(expected, rel=1e-12)


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
    moved = x + shift
    expected = np.square(moved - x).mean()
    assert w2_squared_sorted(x, ones, moved, ones) == pytest.approx(expected, rel=1e-13)


def test_one_atom_gives_the_second_moment_about_it() -> None:
    x = np.sort(np.random.default_rng(0).standard_normal(1000))
    found = w2_squared_sorted(x, np.ones(1000), np.array([0.5]), np.array([7.0]))
    assert found == pytest.approx(np.square(x - 0.5).mean(), rel=1e-13)


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
