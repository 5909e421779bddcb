"""Block sums against exact rational arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmq_theory.kernels.sums.prefix import BLOCK, block_prefix, prefix_rows
from tests.kernels.inputs import prefix_moments

NO_MASS = np.empty(0)


def exact(points: np.ndarray, mass: np.ndarray | None, stop: int) -> tuple[Fraction, Fraction, Fraction]:
    z = [Fraction(float(point)) for point in points[:stop]]
    w = [Fraction(1)] * stop if mass is None else [Fraction(float(value)) for value in mass[:stop]]
    total = sum(w, Fraction(0))
    first = sum((a * b for a, b in zip(w, z, strict=True)), Fraction(0))
    second = sum((a * b * b for a, b in zip(w, z, strict=True)), Fraction(0))
    return total, first, second


def assert_rows_are_exact(
    rows: np.ndarray, index: np.ndarray, points: np.ndarray, mass: np.ndarray | None
) -> None:
    for row, stop in zip(rows, index, strict=True):
        total, first, second = exact(points, mass, int(stop))
        reach = exact(np.abs(points), mass, int(stop))[1]
        assert abs(Fraction(row[0]) + Fraction(row[5]) - total) <= total * Fraction(2) ** -98
        assert abs(Fraction(row[1]) + Fraction(row[2]) - first) <= reach * Fraction(2) ** -98
        assert abs(Fraction(row[3]) + Fraction(row[4]) - second) <= second * Fraction(2) ** -98


@pytest.mark.deep
@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 200])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
def test_sums_are_exact_to_a_hundred_bits(size: int, dtype: type, weighted: bool) -> None:
    rng = np.random.default_rng(size)
    points = np.sort(rng.standard_t(2.0, size) * 10.0 ** rng.integers(-8, 8, size)).astype(dtype)
    mass = rng.random(size) + 1e-9 if weighted else None
    blocks = block_prefix(points, NO_MASS if mass is None else mass)
    assert blocks.shape == (-(-size // BLOCK) + 1, 6)
    ends = np.minimum(np.arange(blocks.shape[0]) * BLOCK, size)
    assert_rows_are_exact(blocks, ends, points, mass)

    index = np.arange(size + 1)
    rows = prefix_rows(points, NO_MASS if mass is None else mass, blocks, index)
    assert_rows_are_exact(rows, index, points, mass)
    assert_rows_are_exact(prefix_moments(points, NO_MASS if mass is None else mass), index, points, mass)


def test_a_plain_sum_would_fail_that_check() -> None:
    points = np.random.default_rng(0).standard_normal(200)
    rows = np.zeros((201, 6))
    rows[1:, 0] = np.arange(1, 201)
    rows[1:, 1] = np.cumsum(points)
    rows[1:, 3] = np.cumsum(points * points)
    with pytest.raises(AssertionError):
        assert_rows_are_exact(rows, np.arange(201), points, None)


@given(st.lists(st.integers(0, 300), max_size=20), st.integers(0, 2**32 - 1))
def test_rows_do_not_depend_on_the_order_of_the_questions(index: list[int], seed: int) -> None:
    points = np.sort(np.random.default_rng(seed).standard_normal(300)).astype(np.float32)
    blocks = block_prefix(points, NO_MASS)
    rows = prefix_rows(points, NO_MASS, blocks, np.array(index, dtype=np.int64))
    everything = prefix_rows(points, NO_MASS, blocks, np.arange(301))
    # A row is the sum of its block's row and the points after it, however it was reached.
    np.testing.assert_array_equal(rows[:, [0, 1, 3]], everything[index][:, [0, 1, 3]])


def test_read_only_points_work() -> None:
    points = np.arange(100, dtype=np.float32)
    points.setflags(write=False)
    assert prefix_rows(points, NO_MASS, block_prefix(points, NO_MASS), np.array([100]))[0, 1] == 4950.0
