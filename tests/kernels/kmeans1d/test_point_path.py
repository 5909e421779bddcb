"""Paths through all points of a row: exact sums, least values, and a lower bound that is never exceeded."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from fmq_theory.kernels.kmeans1d.link_path import cheapest_path
from fmq_theory.kernels.kmeans1d.paths import path_to
from fmq_theory.kernels.kmeans1d.point_lanes import best_starts_of_points, starts_near_the_best
from fmq_theory.kernels.kmeans1d.point_path import (
    exact_sums,
    least_cost_of_cells,
    least_path_value,
    point_work,
)
from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.runtime.simd import LANES
from tests.kernels.inputs import prefix_moments
from tests.kernels.oracles import exact_costs

PAD = 1 + LANES


def draw(kind: str, size: int, rng: np.random.Generator) -> np.ndarray:
    return np.sort(
        {
            "normal": lambda: rng.standard_normal(size),
            "t1": lambda: rng.standard_t(1, size),
            "offset": lambda: 1e4 + rng.standard_normal(size),
            "clusters": lambda: rng.choice([-1.0, 1.0, 1e3], size) + 1e-5 * rng.standard_normal(size),
            "ties": lambda: np.round(4.0 * rng.standard_normal(size)) / 4.0,
            "even": lambda: np.arange(size, dtype=float),
        }[kind]()
    )


def sums_of(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, float]:
    wide = points.astype(np.float64)
    origin = float(wide.mean())
    reach = 0.51 * float(np.sqrt(points.size * np.square(wide - origin).sum())) + 1e-12 * abs(origin)
    first, second = np.zeros((2, points.size + PAD))
    return first, second, *exact_sums(points, origin, reach, first, second)


def off_by(points: np.ndarray, z: np.ndarray) -> float:
    """The root of the sum of (z - (point - origin))**2 for the best origin."""
    off = [Fraction(float(p)) - Fraction(float(v)) for p, v in zip(points, z, strict=True)]
    middle = sum(off, Fraction(0)) / len(off)
    return float(sum(((s - middle) ** 2 for s in off), Fraction(0))) ** 0.5


def tables(size: int) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(divide="ignore"):
        return 1.0 / np.arange(size + PAD), 1.0 / (size - np.arange(size + PAD, dtype=float))


def solve(first: np.ndarray, second: np.ndarray, multiplier: float) -> tuple[float, np.ndarray, np.ndarray]:
    """The least penalised cost, U at every point, and the best path."""
    size = first.size - PAD
    work = point_work(size)._replace(first=first, second=second)
    end = least_path_value(work, multiplier)
    return end, work.value[: size + 1], path_to(work.parent, size)


@kernel
def starts_of_rows(
    value: np.ndarray,
    first: np.ndarray,
    inverse: np.ndarray,
    backward: np.ndarray,
    low: int,
    high: int,
    row: int,
    tolerance: float,
    out: np.ndarray,
    parent: np.ndarray,
) -> None:
    """Bounds of one row, and then the values of eight rows from it on."""
    starts_near_the_best(value, first, backward, low, high, row, tolerance, out)
    best_starts_of_points(value, first, inverse, low, high, row, 0.25, parent)


def test_lanes_against_numpy() -> None:
    rng = np.random.default_rng(0)
    size, low, high, row, tolerance = 60, 5, 30, 37, 0.4
    first = np.append(np.cumsum(np.sort(rng.standard_normal(size))), np.zeros(PAD))
    value = np.full(size + PAD, np.inf)
    value[:high] = np.abs(np.arange(high) - 17.0) + rng.random(high)
    known = value.copy()
    out, parent = np.empty((3, LANES)), np.zeros(size + PAD, dtype=np.int32)
    starts_of_rows(value, first, *tables(size), low, high, row, tolerance, out, parent)
    t = np.arange(low, high)[:, None]
    j = row + np.arange(LANES)
    total = known[t] - (first[j] - first[t]) ** 2 / (j - t)
    np.testing.assert_allclose(value[row : row + LANES], total.min(axis=0) + 0.25, rtol=1e-14)
    np.testing.assert_array_equal(parent[row : row + LANES], total.argmin(axis=0) + low)
    np.testing.assert_array_equal(np.delete(value, j), np.delete(known, j))
    of_row = total[:, 0]
    near = np.flatnonzero(of_row <= of_row.min() + tolerance) + low
    assert out[0].min() == pytest.approx(of_row.min(), rel=1e-14)
    for lane in range(LANES):
        mine = near[(near - low) % LANES == lane]
        if mine.size:
            assert out[1, lane] <= mine[0]
            assert mine[-1] <= out[2, lane]


@pytest.mark.parametrize("kind", ["normal", "t1", "offset", "clusters", "ties", "even"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [2, 13, 64, 101])
def test_sums_are_exact_and_what_they_move_is_known(kind: str, dtype: type, size: int) -> None:
    points = draw(kind, size, np.random.default_rng(size)).astype(dtype)
    first, second, total, moved = sums_of(points)
    z = np.diff(first[: size + 1])
    assert (np.diff(z) >= 0.0).all()
    # Each difference of sums is a float: the sums have no rounding.
    assert sum(map(Fraction, z.tolist()), Fraction(0)) == Fraction(float(first[size]))
    assert off_by(points, z) <= moved * (1.0 + 1e-9) + 2.0**-52 * np.sqrt(total)
    squares = sum((Fraction(float(v)) ** 2 for v in z), Fraction(0))
    assert abs(Fraction(float(total)) / squares - 1) <= 10 * Fraction(2) ** -53
    np.testing.assert_allclose(second[1 : size + 1], np.cumsum(z * z), rtol=1e-13)


def test_float32_weights_are_hardly_moved() -> None:
    rng = np.random.default_rng(1)
    wide = np.sort(rng.standard_normal(4096))
    single = wide.astype(np.float32)
    first, _, total, moved = sums_of(single)
    assert off_by(single, np.diff(first[:4097])) <= moved <= 1e-16 * np.sqrt(total)
    # Control: weights of more digits are moved, and it shows.
    first, _, total, moved = sums_of(wide)
    assert 1e-16 * np.sqrt(total) < off_by(wide, np.diff(first[:4097])) <= moved < 1e-11 * np.sqrt(total)


@pytest.mark.deep
@pytest.mark.parametrize("kind", ["normal", "t1", "offset", "clusters", "ties", "even"])
@pytest.mark.parametrize("share", [1e-9, 1e-4, 0.01, 0.3, 5.0])
def test_values_and_bound_against_rational_arithmetic(kind: str, share: float) -> None:
    """U at every point, and for each K the bound of the least cost of K cells of the points as given."""
    size = 41
    points = draw(kind, size, np.random.default_rng(7))
    first, second, total, moved = sums_of(points)
    multiplier = share * total
    end, value, path = solve(first, second, multiplier)
    z = np.diff(first[: size + 1])
    costs = exact_costs(z, np.ones(size))
    squares = [Fraction(0)]
    for v in z:
        squares.append(squares[-1] + Fraction(float(v)) ** 2)
    least = [Fraction(0)]
    for j in range(1, size + 1):
        least.append(min(least[i] + costs[i, j] for i in range(j)) + Fraction(multiplier))
    noise = 1e-13 * (total + multiplier)
    for found, true, before in zip(value, least, squares, strict=True):
        assert abs(found - float(true - before) - 0.5 * total) <= noise
    of_path = sum((costs[a, b] for a, b in pairwise(path)), Fraction(0))
    assert float(of_path + Fraction(multiplier) * (path.size - 1)) <= float(least[-1]) + noise
    true_costs = exact_costs(points, np.ones(size))
    best = {0: {0: Fraction(0)}}
    for cells in range(1, max(10, path.size - 1) + 1):  # to where the bound is attained, and beyond
        best[cells] = {
            j: min(best[cells - 1][i] + true_costs[i, j] for i in best[cells - 1] if i < j)
            for j in range(cells, size + 1)
        }
        bound = least_cost_of_cells(end, total, moved, multiplier, cells)
        assert Fraction(float(bound)) <= best[cells][size]
        if cells == path.size - 1:
            optimum = float(best[cells][size])
            assert bound >= optimum - 1e-11 * np.sqrt(optimum * total) - 10 * noise


def test_bound_fails_where_it_must() -> None:
    """Control: a penalised value that is too high is no bound, so the comparison above can fail."""
    points = draw("normal", 41, np.random.default_rng(7))
    first, second, total, moved = sums_of(points)
    end, _, path = solve(first, second, 0.01 * total)
    cells = path.size - 1
    costs = exact_costs(points, np.ones(41))
    of_path = sum((costs[a, b] for a, b in pairwise(path)), Fraction(0))
    assert Fraction(float(least_cost_of_cells(end, total, moved, 0.01 * total, cells))) <= of_path
    raised = least_cost_of_cells(end + 1e-12 * total, total, moved, 0.01 * total, cells)
    assert Fraction(float(raised)) > of_path


@pytest.mark.parametrize("kind", ["normal", "t1", "offset", "ties", "even"])
@pytest.mark.parametrize("size", [63, 700, 5000])
@pytest.mark.parametrize("share", [1e-7, 1e-4, 1e-2])
def test_equals_the_queue_on_many_points(kind: str, size: int, share: float) -> None:
    """Batches between bounds of starts against one queue of starts in double-double."""
    points = draw(kind, size, np.random.default_rng(size))
    first, second, total, moved = sums_of(points)
    multiplier = share * total
    end, value, path = solve(first, second, multiplier)
    expected, parent = np.empty(size + 1), np.empty(size + 1, dtype=np.int32)
    work = parent, *np.empty((2, size + 1), dtype=np.int64)
    prefix = prefix_moments(points, np.empty(0))
    queue = cheapest_path(prefix, multiplier, expected, *work)
    np.testing.assert_allclose(
        value + second[: size + 1] - 0.5 * total, expected, rtol=1e-11, atol=1e-12 * total
    )
    if kind in ("normal", "t1", "offset") and share > 1e-7:
        np.testing.assert_array_equal(path, queue)
    cells = path.size - 1
    cost = expected[-1] - multiplier * cells
    assert least_cost_of_cells(end, total, moved, multiplier, cells) <= cost + 1e-14 * expected[-1]
