"""Paths through all points of a row: exact sums, least values, and a lower bound that is never exceeded."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from fmq_theory.kernels.kmeans1d.link_path import cheapest_path
from fmq_theory.kernels.kmeans1d.paths import partition_cost, path_to
from fmq_theory.kernels.kmeans1d.point_lanes import (
    FEW_STARTS,
    best_few_starts_of_points,
    best_starts_of_points,
    starts_near_the_best,
)
from fmq_theory.kernels.kmeans1d.point_path import Rounding, cheapest_path_of_points, least_cost_of_cells
from fmq_theory.kernels.kmeans1d.point_sums import exact_sums, point_work
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


def sums_of(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, float, float]:
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


def solve(points: np.ndarray, share: float) -> tuple[np.ndarray, float, Rounding]:
    """The best path for a share of the second moment as the multiplier, that multiplier, and the rounding."""
    first, second, total, _, shift = sums_of(points)
    work = point_work(points.size)._replace(first=first, second=second)
    rounding = cheapest_path_of_points(work, share * total, shift)
    return path_to(work.parent, points.size), share * total, rounding


def bound_of(points: np.ndarray, cost: float, multiplier: float, cells: int, rounding: Rounding) -> float:
    _, _, total, moved, _ = sums_of(points)
    return float(least_cost_of_cells(cost, 0.0, total, moved, multiplier, cells, rounding))


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
    parent: np.ndarray,
    is_few: bool,
) -> tuple[float, int, int]:
    """Bounds of one row, and then the values of eight rows from it on."""
    found = starts_near_the_best(value, first, backward, low, high, row, tolerance)
    if is_few:
        best_few_starts_of_points(value, first, inverse, low, row, 0.25, parent)
    else:
        best_starts_of_points(value, first, inverse, low, high, row, 0.25, parent)
    return found


@pytest.mark.parametrize("is_few", [False, True])
def test_lanes_against_numpy(is_few: bool) -> None:
    rng = np.random.default_rng(0)
    size, low, row, tolerance = 60, 5, 37, 0.4
    high = low + FEW_STARTS if is_few else 30
    first = np.append(np.cumsum(np.sort(rng.standard_normal(size))), np.zeros(PAD))
    value = np.full(size + PAD, np.inf)
    value[:high] = np.abs(np.arange(high) - 17.0) + rng.random(high)
    known = value.copy()
    parent = np.zeros(size + PAD, dtype=np.int32)
    tabled = tables(size)
    best, left, right = starts_of_rows(value, first, *tabled, low, high, row, tolerance, parent, is_few)
    t = np.arange(low, high)[:, None]
    j = row + np.arange(LANES)
    total = known[t] - (first[j] - first[t]) ** 2 / (j - t)
    np.testing.assert_allclose(value[row : row + LANES], total.min(axis=0) + 0.25, rtol=1e-14)
    np.testing.assert_array_equal(parent[row : row + LANES], total.argmin(axis=0) + low)
    np.testing.assert_array_equal(np.delete(value, j), np.delete(known, j))
    of_row = total[:, 0]
    near = np.flatnonzero(of_row <= of_row.min() + tolerance) + low
    assert best == pytest.approx(of_row.min(), rel=1e-14)
    assert low <= left <= near[0]
    assert near[-1] <= right < high + LANES


@pytest.mark.parametrize("kind", ["normal", "t1", "offset", "clusters", "ties", "even"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [2, 13, 64, 101])
def test_sums_are_exact_and_what_they_move_is_known(kind: str, dtype: type, size: int) -> None:
    points = draw(kind, size, np.random.default_rng(size)).astype(dtype)
    first, second, total, moved, shift = sums_of(points)
    z = np.diff(first[: size + 1])
    assert (np.diff(z) >= 0.0).all()
    # Each difference of sums is a float: the sums have no rounding.
    assert sum(map(Fraction, z.tolist()), Fraction(0)) == Fraction(float(first[size]))
    assert off_by(points, z) <= moved * (1.0 + 1e-9) + 2.0**-52 * np.sqrt(total)
    squares = sum((Fraction(float(v)) ** 2 for v in z), Fraction(0))
    assert abs(Fraction(float(total)) / squares - 1) <= 10 * Fraction(2) ** -53
    np.testing.assert_allclose(second[1 : size + 1], np.cumsum(z * z), rtol=1e-13)
    np.testing.assert_array_equal((z + shift) - shift, z)


def test_float32_weights_are_hardly_moved() -> None:
    rng = np.random.default_rng(1)
    wide = np.sort(rng.standard_normal(4096))
    single = wide.astype(np.float32)
    first, _, total, moved, _ = sums_of(single)
    assert off_by(single, np.diff(first[:4097])) <= moved <= 1e-16 * np.sqrt(total)
    # Control: weights of more digits are moved, and it shows.
    first, _, total, moved, _ = sums_of(wide)
    assert 1e-16 * np.sqrt(total) < off_by(wide, np.diff(first[:4097])) <= moved < 1e-11 * np.sqrt(total)


def exact_cost_of(costs: dict[tuple[int, int], Fraction], path: np.ndarray) -> Fraction:
    return sum((costs[int(a), int(b)] for a, b in pairwise(path)), Fraction(0))


@pytest.mark.deep
@pytest.mark.parametrize("kind", ["normal", "t1", "offset", "clusters", "ties", "even"])
@pytest.mark.parametrize("share", [1e-9, 1e-6, 1e-4, 0.01, 0.3, 5.0])
def test_path_and_bound_against_rational_arithmetic(kind: str, share: float) -> None:
    """The path is the cheapest up to its charges, and the bound is one for as many cells of the points."""
    size = 41
    points = draw(kind, size, np.random.default_rng(7))
    path, multiplier, rounding = solve(points, share)
    costs, penalty = exact_costs(points, np.ones(size)), Fraction(multiplier)
    least = [Fraction(0)]
    for j in range(1, size + 1):
        least.append(min(least[i] + costs[i, j] for i in range(j)) + penalty)
    cells = path.size - 1
    cost = exact_cost_of(costs, path)
    _, _, total, moved, _ = sums_of(points)
    charges = 2 * (cells + size) * rounding.of_cell + 2 * rounding.of_stretches
    assert cost + penalty * cells <= least[-1] + Fraction(float(charges + 4 * moved * np.sqrt(total)))
    best = {0: Fraction(0)}
    for _ in range(cells):
        best = {
            j: min(best[i] + costs[i, j] for i in best if i < j) for j in range(1, size + 1) if min(best) < j
        }
    bound = bound_of(points, float(cost), multiplier, cells, rounding)
    assert Fraction(bound) <= best[size]
    assert bound >= float(best[size]) - 1e-11 * np.sqrt(float(best[size]) * total) - 1e-13 * (
        total + multiplier
    )


def test_bound_fails_where_it_must() -> None:
    """Control: a cost that is too high gives no bound, so the comparison above can fail."""
    points = draw("normal", 41, np.random.default_rng(7))
    path, multiplier, rounding = solve(points, 0.01)
    cost = exact_cost_of(exact_costs(points, np.ones(41)), path)
    known = multiplier, path.size - 1, rounding
    assert Fraction(bound_of(points, float(cost), *known)) <= cost
    assert Fraction(bound_of(points, float(cost) * (1 + 1e-9), *known)) > cost
    # And what rounding may have done is taken off.
    coarse = Rounding(1e-3 * float(cost), rounding.of_stretches)
    assert bound_of(points, float(cost), multiplier, path.size - 1, coarse) < 0.99 * float(cost)


@pytest.mark.parametrize("kind", ["normal", "t1", "offset", "ties", "even"])
@pytest.mark.parametrize("size", [63, 700, 5000])
@pytest.mark.parametrize("share", [1e-8, 1e-7, 1e-4, 1e-2])
def test_equals_the_queue_on_many_points(kind: str, size: int, share: float) -> None:
    """Batches in stretches with origins of their own against one queue of starts in double-double."""
    points = draw(kind, size, np.random.default_rng(size))
    path, multiplier, rounding = solve(points, share)
    expected, parent = np.empty(size + 1), np.empty(size + 1, dtype=np.int32)
    work = parent, *np.empty((2, size + 1), dtype=np.int64)
    prefix = prefix_moments(points, np.empty(0))
    queue = cheapest_path(prefix, multiplier, expected, *work)
    cells = path.size - 1
    cost = float(partition_cost(prefix, path))
    assert cost + multiplier * cells == pytest.approx(expected[-1], rel=1e-11)
    if kind in ("normal", "t1", "offset") and share > 1e-7:
        np.testing.assert_array_equal(path, queue)
    bound = bound_of(points, cost, multiplier, cells, rounding)
    assert bound <= expected[-1] - multiplier * cells + 1e-14 * expected[-1]


@pytest.mark.parametrize("kind", ["normal", "t3"])
def test_the_rounding_of_a_path_is_that_of_its_stretches(kind: str) -> None:
    """About one origin, 256 cells of 4096 float32 weights would be known to 7e-10 of their cost alone."""
    rng = np.random.default_rng(3)
    drawn = rng.standard_normal(4096) if kind == "normal" else rng.standard_t(3, 4096)
    points = np.sort(drawn.astype(np.float32))
    path, multiplier, rounding = solve(points, 2e-7 if kind == "normal" else 1.5e-7)
    cells = path.size - 1
    assert 150 < cells < 400
    cost = float(partition_cost(prefix_moments(points, np.empty(0)), path))
    assert cost * (1.0 - 3e-11) <= bound_of(points, cost, multiplier, cells, rounding) < cost


@pytest.mark.parametrize("apart", [0.0, 1.0, 1e6])
def test_gaps_between_clusters_begin_stretches_anew(apart: float) -> None:
    """Ten clusters at distances that a stretch could not bridge: none costs the others their digits."""
    rng = np.random.default_rng(11)
    clusters = np.arange(10) ** 2 * apart
    points = np.sort((clusters[:, None] + rng.random((10, 100))).ravel()).astype(np.float32)
    share = 1e-4 / float(np.square(points - points.mean(dtype=np.float64)).sum())
    path, multiplier, rounding = solve(points, share)
    cells = path.size - 1
    prefix = prefix_moments(points, np.empty(0))
    expected, parent = np.empty(points.size + 1), np.empty(points.size + 1, dtype=np.int32)
    work = parent, *np.empty((2, points.size + 1), dtype=np.int64)
    cheapest_path(prefix, multiplier, expected, *work)
    cost = float(partition_cost(prefix, path))
    assert cost + multiplier * cells == pytest.approx(expected[-1], rel=1e-10)
    assert bound_of(points, cost, multiplier, cells, rounding) <= cost
