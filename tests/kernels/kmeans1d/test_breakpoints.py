"""Breakpoints and their sums."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmq_theory.kernels.kmeans1d.breakpoints import (
    breakpoints_at,
    equal_cost_breakpoints,
    last_within,
    place_within,
    rank_near,
    tie_ends,
)
from fmq_theory.kernels.sums.cells import cell_cost
from fmq_theory.kernels.sums.prefix import prefix_rows
from tests.kernels.inputs import NO_MASS, prefix_moments, row_of


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_equal_those_of_the_prefix(dtype: type, weighted: bool) -> None:
    rng = np.random.default_rng(weighted)
    for size in (1, 63, 64, 65, 1000):
        points = np.sort(1e3 + rng.standard_normal(size)).astype(dtype)
        mass = rng.random(size) if weighted else NO_MASS
        row = row_of(points, mass)
        index = np.unique(np.append(rng.integers(0, size + 1, 40), (0, size)))
        _, rows, edges = breakpoints_at(row, index)
        expected = prefix_rows(*row, index)
        for high, low in ((0, 5), (1, 2), (3, 4)):
            scale = expected[-1, high]
            np.testing.assert_allclose(rows[:, high], expected[:, high], rtol=0, atol=1e-15 * scale)
            difference = (rows[:, high] - expected[:, high]) + (rows[:, low] - expected[:, low])
            assert np.abs(difference).max() <= 1e-29 * scale
        np.testing.assert_array_equal(edges[1:, 0], points[index[1:] - 1])
        np.testing.assert_array_equal(edges[:-1, 1], points[index[:-1]])


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=50), st.integers(-11, 11), st.data())
def test_ranks_and_ties(data: list[int], value: int, draw: st.DataObject) -> None:
    points = np.sort(np.array(data, dtype=np.float32))
    guess = draw.draw(st.integers(0, points.size))
    assert rank_near(points, value / 2, guess) == np.searchsorted(points, value / 2, side="right")
    ends = tie_ends(points)
    np.testing.assert_array_equal(ends, np.append(np.unique(points, return_index=True)[1], points.size))
    if ends.size > 2 and points.size > 2:
        place = draw.draw(st.integers(1, points.size - 1))
        found = place_within(points, points.size, place)
        assert 0 < found < points.size
        assert points[found - 1] != points[found]


@pytest.mark.parametrize("kind", ["normal", "t2", "outlier", "lattice", "two"])
@pytest.mark.parametrize("size", [300, 100_000])
def test_costs_between_breakpoints_are_nearly_equal(kind: str, size: int) -> None:
    rng = np.random.default_rng(size)
    points = {
        "normal": lambda: rng.standard_normal(size),
        "t2": lambda: rng.standard_t(2, size),
        "outlier": lambda: np.append(rng.standard_normal(size - 1), 1e9),
        "lattice": lambda: rng.integers(0, 50, size) + 0.0,
        "two": lambda: rng.integers(0, 2, size) + 0.0,
    }[kind]()
    points = np.sort(points.astype(np.float32))
    (index, rows, _), _ = equal_cost_breakpoints(row_of(points), 200)
    assert index[0] == 0
    assert index[-1] == size
    assert (np.diff(index) > 0).all()
    assert (points[index[1:-1] - 1] != points[index[1:-1]]).all()
    cost = np.array([cell_cost(rows, t, t + 1) for t in range(index.size - 1)])
    if kind in ("lattice", "two"):
        assert index.size == np.unique(points).size + 1
        assert cost.max() < 1e-12 * size
    else:
        assert 100 <= index.size <= 400
        assert cost.max() < 30.0 * cost.mean()


@given(
    st.lists(st.floats(-4.0, 4.0), min_size=1, max_size=40, unique=True),
    st.integers(0, 39),
    st.integers(1, 50),
    st.floats(0.0, 40.0),
)
def test_the_last_place_within_a_cost_is_that_of_a_plain_search(
    points: list[float], start: int, stride: int, largest: float
) -> None:
    rows = prefix_moments(np.sort(np.array(points)), NO_MASS)
    start %= len(points)
    stop = start
    while stop < len(points) and cell_cost(rows, start, stop + 1) <= largest:
        stop += 1
    assert last_within(rows, start, stride, largest) == stop
