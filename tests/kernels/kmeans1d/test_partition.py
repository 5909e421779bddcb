"""The exact 1-D K-means partition against brute force, rational arithmetic and kmeans1d."""

import kmeans1d
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmq_theory.kernels.kmeans1d.link_path import cheapest_path
from fmq_theory.kernels.kmeans1d.paths import partition_cost, splice
from fmq_theory.kernels.kmeans1d.solve import optimum_of_sums
from fmq_theory.kernels.sums.cells import cell_cost
from tests.kernels.inputs import prefix_moments
from tests.kernels.oracles import least_cost, least_cost_by_recursion

KINDS = ("normal", "lattice", "t2", "clusters", "powers", "even", "offset")


def draw_points(kind: str, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Sorted distinct points and how often each occurs."""
    x = {
        "normal": lambda: rng.standard_normal(size),
        "lattice": lambda: rng.integers(0, max(2, size // 2), size).astype(float),
        "t2": lambda: rng.standard_t(2, size=size),
        "clusters": lambda: rng.choice([-1.0, 1.0], size) + 1e-6 * rng.standard_normal(size),
        "powers": lambda: 2.0 ** -np.arange(size),
        "even": lambda: np.arange(size, dtype=float),
        "offset": lambda: 1e4 + rng.standard_normal(size),
    }[kind]()
    values, counts = np.unique(x, return_counts=True)
    return values, counts.astype(float)


def check(values: np.ndarray, weights: np.ndarray, num_cells: int) -> tuple[np.ndarray, float]:
    """Checks what must hold of every result, and returns boundaries and cost."""
    prefix = prefix_moments(values, weights)
    boundaries, cost, lower_bound = optimum_of_sums(prefix, num_cells)
    assert boundaries.size == min(num_cells, values.size) + 1
    assert boundaries[[0, -1]].tolist() == [0, values.size]
    assert (np.diff(boundaries) > 0).all()
    noise = 1e-27 * prefix[-1, 3]
    assert cost - lower_bound <= (1e-12 + 1e-15 * num_cells**2) * cost + noise
    assert lower_bound <= cost + noise
    return boundaries, cost


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_equals_brute_force_on_small_arrays(kind: str, seed: int) -> None:
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    for _ in range(36):  # 7 kinds of 4 seeds of 36 arrays: 1,008 arrays
        values, weights = draw_points(kind, int(rng.integers(1, 9)), rng)
        num_cells = int(rng.integers(1, 8))
        expected = float(least_cost(values, weights, num_cells))
        _, cost = check(values, weights, num_cells)
        assert cost == pytest.approx(expected, rel=1e-11, abs=1e-28 * (weights * values**2).sum())


@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_recursion_in_rational_arithmetic(kind: str) -> None:
    rng = np.random.default_rng(KINDS.index(kind))
    values, weights = draw_points(kind, 32, rng)
    weights = weights * np.exp(3.0 * rng.standard_normal(weights.size))
    for num_cells in (2, 5, 13, values.size - 1):
        expected = float(least_cost_by_recursion(values, weights, num_cells))
        _, cost = check(values, weights, num_cells)
        assert cost == pytest.approx(expected, rel=1e-10, abs=1e-27 * (weights * values**2).sum())


@pytest.mark.parametrize("kind", ["normal", "lattice", "t2", "even"])
@pytest.mark.parametrize("num_cells", [2, 3, 16, 100])
def test_equals_kmeans1d(kind: str, num_cells: int) -> None:
    rng = np.random.default_rng(num_cells)
    values, weights = draw_points(kind, 20_000, rng)
    x = np.repeat(values, weights.astype(int))
    clusters, centroids = kmeans1d.cluster(x.tolist(), num_cells)
    expected = np.square(x - np.array(centroids)[clusters]).sum()
    _, cost = check(values, weights, num_cells)
    assert cost == pytest.approx(expected, rel=1e-10)


def test_control_equal_counts_are_not_optimal() -> None:
    values, weights = draw_points("t2", 2_000, np.random.default_rng(0))
    prefix = prefix_moments(values, weights)
    equal_counts = np.linspace(0, values.size, 17).astype(np.int64)
    _, cost = check(values, weights, 16)
    assert partition_cost(prefix, equal_counts) > 1.1 * cost


@given(st.lists(st.integers(-40, 40), min_size=2, max_size=60, unique=True), st.integers(1, 30), st.data())
def test_more_cells_never_cost_more_and_the_cost_is_convex(
    points: list[int], num_cells: int, data: st.DataObject
) -> None:
    values = np.sort(np.array(points, dtype=float)) / data.draw(st.sampled_from([1.0, 7.0]))
    weights = np.array(
        data.draw(st.lists(st.integers(1, 9), min_size=values.size, max_size=values.size)), dtype=float
    )
    cost = [check(values, weights, k)[1] for k in (num_cells, num_cells + 1, num_cells + 2)]
    slack = 1e-11 * cost[0]
    assert cost[1] <= cost[0] + slack
    assert cost[0] - cost[1] >= cost[1] - cost[2] - slack


@given(st.lists(st.floats(-1.0, 1.0), min_size=4, max_size=30, unique=True), st.data())
def test_the_quadrangle_inequality(points: list[float], data: st.DataObject) -> None:
    values = np.sort(np.array(points))
    prefix = prefix_moments(values, np.ones(values.size))
    place = st.integers(0, values.size)
    a, b, c, d = sorted(data.draw(st.tuples(place, place, place, place).filter(lambda t: len(set(t)) == 4)))
    crossed = cell_cost(prefix, a, d) + cell_cost(prefix, b, c)
    assert cell_cost(prefix, a, c) + cell_cost(prefix, b, d) <= crossed * (1.0 + 1e-12) + 1e-28


def test_a_multiplier_that_skips_k_is_spliced() -> None:
    """Equally spaced points: C is linear on long stretches, so few K are met by a multiplier alone."""
    values, weights = np.arange(1000.0), np.ones(1000)
    skipped = 0
    for num_cells in (3, 7, 30, 333, 499, 501, 777, 999):
        _, cost = check(values, weights, num_cells)
        small, large = divmod(1000, num_cells)
        expected = ((num_cells - large) * (small**3 - small) + large * ((small + 1) ** 3 - small - 1)) / 12
        assert cost == pytest.approx(expected, rel=1e-12)
        workspace = np.empty(1001), np.empty(1001, dtype=np.int32), *np.empty((2, 1001), dtype=np.int64)
        slope = cost / num_cells
        found = cheapest_path(prefix_moments(values, weights), slope, *workspace).size - 1
        skipped += found != num_cells
    assert skipped > 0


def test_splice_has_the_number_of_cells_asked_for() -> None:
    fewer = np.array([0, 40, 100])
    more = np.array([0, 10, 20, 30, 50, 80, 100])
    for num_cells in (3, 4, 5):
        spliced = splice(fewer, more, num_cells)
        assert spliced.size == num_cells + 1
        assert spliced[[0, -1]].tolist() == [0, 100]
        assert (np.diff(spliced) > 0).all()


def test_laplace_at_full_size_has_a_certificate() -> None:
    values = np.sort(np.random.default_rng(5).laplace(size=300_000))
    values = np.unique(values)
    for num_cells in (4, 256):
        check(values, np.ones(values.size), num_cells)


def test_weights_of_very_different_size() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        values = np.sort(rng.standard_normal(18))
        weights = np.exp(8.0 * rng.standard_normal(18))
        num_cells = int(rng.integers(2, 17))
        expected = float(least_cost_by_recursion(values, weights, num_cells))
        _, cost = check(values, weights, num_cells)
        assert cost == pytest.approx(expected, rel=1e-9, abs=1e-26 * (weights * values**2).sum())
