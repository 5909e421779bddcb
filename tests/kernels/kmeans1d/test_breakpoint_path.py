"""Least costs of breakpoint paths: rigorous lower bounds, tight up to rounding."""

from fractions import Fraction

import numpy as np
import pytest

from fmq_theory.kernels.kmeans1d.breakpoint_lanes import TINY_MASS, best_starts, best_starts_and_bounds
from fmq_theory.kernels.kmeans1d.breakpoint_path import relaxed_values
from fmq_theory.kernels.kmeans1d.breakpoints import breakpoints_at
from fmq_theory.kernels.kmeans1d.link_path import cheapest_path
from fmq_theory.kernels.kmeans1d.paths import path_to
from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.runtime.simd import LANES
from tests.kernels.inputs import NO_MASS, row_of
from tests.kernels.oracles import exact_costs


@kernel
def starts_of_eight(
    value: np.ndarray,
    sums: np.ndarray,
    offset: int,
    low: int,
    high: int,
    row: int,
    tolerance: float,
    out: np.ndarray,
) -> None:
    """All four versions: four, four, two and two rows of ``out``."""
    m, f, s = sums[0], sums[1], sums[2]
    four, two = out[:4], out[8:10]
    best_starts_and_bounds(value, m, f, s, offset, low, high, m, f, s, row, False, tolerance, four, 2)
    four = out[4:8]
    best_starts_and_bounds(value, m, f, s, offset, low, high, m, f, s, row, True, tolerance, four, 2)
    best_starts(value, m, f, s, offset, low, high, m, f, s, row, False, two, 2)
    two = out[10:]
    best_starts(value, m, f, s, offset, low, high, m, f, s, row, True, two, 2)


def least_values(
    values: np.ndarray, mass: np.ndarray, index: np.ndarray, slack: np.ndarray, multiplier: float
) -> list[Fraction]:
    """V at every breakpoint in rational arithmetic."""
    costs = exact_costs(values, mass)
    best = [Fraction(0)]
    for j in range(1, index.size):
        starts = (best[i] + costs[index[i], index[j]] for i in range(j))
        best.append(min(starts) + Fraction(multiplier) - Fraction(float(slack[j])))
    return best


def solve(
    points: np.ndarray,
    mass: np.ndarray,
    index: np.ndarray,
    multiplier: float,
    *,
    slack: np.ndarray | None = None,
    is_reversed: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Values by step, and the breakpoints of the best path."""
    breakpoints = breakpoints_at(row_of(points, mass), index)
    value, parent = np.empty(index.size), np.empty(index.size, dtype=np.int32)
    slack = np.zeros(index.size) if slack is None else slack
    relaxed_values(breakpoints, slack, multiplier, is_reversed, value, parent)
    return value, path_to(parent, index.size - 1)


def test_eight_rows_against_numpy() -> None:
    rng = np.random.default_rng(0)
    sums = np.cumsum(rng.random((3, 60)) + 0.1, axis=1)
    sums[2] += 50.0 * sums[0]
    value = np.abs(np.arange(100.0) - 30.0) + rng.random(100)
    out = np.zeros((12, 12))
    offset, low, high, row, tolerance = 7, 3, 41, 44, 0.4
    starts_of_eight(value, sums, offset, low, high, row, tolerance, out)
    t = np.arange(low, high)[:, None]
    j = np.arange(row, row + LANES)
    cost = (sums[2][j] - sums[2][t]) - (sums[1][j] - sums[1][t]) ** 2 / (sums[0][j] - sums[0][t])
    total = value[t + offset] + np.maximum(cost, 0.0)
    found = out[:, 2 : 2 + LANES]
    np.testing.assert_allclose(found[0], total.min(axis=0), rtol=1e-15)
    np.testing.assert_array_equal(found[1], total.argmin(axis=0) + low + offset)
    np.testing.assert_array_equal(found[4:8], found[:4])
    np.testing.assert_array_equal(found[8:], found[[0, 1, 0, 1]])
    near = total <= total.min(axis=0) + tolerance
    assert (found[2] <= near.argmax(axis=0) + low + offset).all()
    assert (found[3] >= high - 1 - near[::-1].argmax(axis=0) + offset).all()
    assert (out[:, :2] == 0.0).all()
    assert (out[:, 2 + LANES :] == 0.0).all()


def test_a_mass_lost_to_rounding_costs_nothing() -> None:
    sums = np.zeros((3, 16))
    sums[:, 4:] = np.array([[1.0], [-3.0], [9.0]])
    out = np.zeros((12, 12))
    starts_of_eight(np.ones(16), sums, 0, 5, 7, 8, 0.0, out)
    assert TINY_MASS > 0.0
    np.testing.assert_array_equal(out[[0, 8], 2 : 2 + LANES], np.ones((2, LANES)))
    # Control: the versions for counts do not look.
    assert (
        not np.isfinite(out[[4, 10], 2 : 2 + LANES] - 1.0).all() or (out[[4, 10], 2 : 2 + LANES] != 1.0).any()
    )


@pytest.mark.deep
@pytest.mark.parametrize("multiplier", [1e-12, 1e-3, 0.3, 50.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("is_reversed", [False, True])
def test_against_rational_arithmetic(multiplier: float, weighted: bool, is_reversed: bool) -> None:
    rng = np.random.default_rng(int(multiplier * 1e6) + weighted)
    for kind in ("normal", "clusters", "offset"):
        size = 44
        points = {
            "normal": rng.standard_normal(size),
            "clusters": rng.choice([-1.0, 1.0], size) + 1e-5 * rng.standard_normal(size),
            "offset": 1e5 + rng.standard_normal(size),
        }[kind]
        points = np.sort(points)
        mass = np.exp(3.0 * rng.standard_normal(size)) if weighted else NO_MASS
        inner = np.sort(rng.choice(np.arange(1, size), 30, replace=False))
        index = np.concatenate(([0], inner, [size])).astype(np.int64)
        slack = multiplier * rng.random(index.size)
        slack[[0, -1]] = 0.0
        value, path = solve(points, mass, index, multiplier, slack=slack, is_reversed=is_reversed)
        weights = mass if weighted else np.ones(size)
        if is_reversed:
            flipped = least_values(-points[::-1], weights[::-1], size - index[::-1], slack[::-1], multiplier)
        else:
            flipped = least_values(points, weights, index, slack, multiplier)
        noise = 1e-25 * float((weights * points**2).sum())
        for found, true in zip(value, flipped, strict=True):
            assert Fraction(float(found)) <= true
            assert found == pytest.approx(float(true), rel=1e-12, abs=1e-11 * multiplier + noise)
        assert path[0] == 0
        assert path[-1] == index.size - 1


@pytest.mark.parametrize("step", [1, 7])
@pytest.mark.parametrize("multiplier", [0.02, 1.0, 300.0])
@pytest.mark.parametrize("kind", ["normal", "t2", "far_clusters", "even"])
def test_equals_the_queue_on_many_breakpoints(kind: str, multiplier: float, step: int) -> None:
    """Batches, windows and cells in double-double against one queue of starts."""
    rng = np.random.default_rng(step)
    points = np.sort(
        {
            "normal": lambda: rng.standard_normal(20_000),
            "t2": lambda: rng.standard_t(2, 20_000),
            "far_clusters": lambda: 1e4 * rng.integers(0, 9, 20_000) + rng.standard_normal(20_000),
            "even": lambda: np.arange(20_000.0),
        }[kind]()
    )
    index = np.append(np.arange(0, points.size, step), points.size).astype(np.int64)
    rows = breakpoints_at(row_of(points), index).rows
    expected, parent = np.empty(index.size), np.empty(index.size, dtype=np.int32)
    work = parent, *np.empty((2, index.size), dtype=np.int64)
    path = cheapest_path(rows, multiplier, expected, *work)
    for is_reversed in (False, True):
        value, found = solve(points, NO_MASS, index, multiplier, is_reversed=is_reversed)
        assert value[-1] == pytest.approx(expected[-1], rel=1e-11)
        assert value[-1] <= expected[-1] * (1.0 + 1e-14)
        if not is_reversed:
            np.testing.assert_allclose(value[1:], expected[1:], rtol=1e-11)
        assert abs(found.size - path.size) <= (kind == "even") * path.size


def test_values_of_both_directions_meet_on_the_best_path() -> None:
    points = np.sort(np.random.default_rng(3).standard_normal(3000))
    index = np.arange(3001)
    ahead, path = solve(points, NO_MASS, index, 1.0)
    back, _ = solve(points, NO_MASS, index, 1.0, is_reversed=True)
    through = ahead + back[::-1]
    np.testing.assert_allclose(through[path], ahead[-1], rtol=1e-12)
    assert (through >= ahead[-1] * (1.0 - 1e-12)).all()
    # Control: breakpoints off the best path lie higher, so the comparison sees a difference.
    assert through.max() > 1.01 * ahead[-1]
