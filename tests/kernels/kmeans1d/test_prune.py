"""The exact optimum by pruning, against brute force, rational arithmetic, kmeans1d and the full search."""

import itertools
from fractions import Fraction

import kmeans1d
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fmq_theory.kernels.kmeans1d.breakpoints import breakpoints_at, equal_cost_breakpoints, tie_ends
from fmq_theory.kernels.kmeans1d.multiplier import breakpoint_search
from fmq_theory.kernels.kmeans1d.paths import partition_cost
from fmq_theory.kernels.kmeans1d.problem import Breakpoints
from fmq_theory.kernels.kmeans1d.prune import best_by_pruning
from fmq_theory.kernels.kmeans1d.solve import optimum, optimum_of_sums
from fmq_theory.kernels.sums.prefix import block_prefix, prefix_rows
from tests.kernels.inputs import NO_MASS, prefix_moments, row_of
from tests.kernels.oracles import exact_cost, least_cost, least_cost_by_recursion

KINDS = ("normal", "lattice", "t2", "clusters", "powers", "even", "offset")


def draw_points(kind: str, size: int, rng: np.random.Generator) -> np.ndarray:
    """Sorted points, many of them ties for some kinds."""
    return np.sort(
        {
            "normal": lambda: rng.standard_normal(size),
            "lattice": lambda: rng.integers(0, max(2, size // 2), size) + 0.0,
            "t2": lambda: rng.standard_t(2, size=size),
            "clusters": lambda: rng.choice([-1.0, 1.0], size) + 1e-6 * rng.standard_normal(size),
            "powers": lambda: 2.0 ** -rng.integers(0, 40, size),
            "even": lambda: np.arange(size, dtype=float),
            "offset": lambda: 1e4 + rng.standard_normal(size),
            "coarse": lambda: np.round(300.0 * rng.standard_normal(size)) / 300.0,
            "outlier": lambda: np.append(rng.standard_normal(size - 1), 1e8),
            "islands": lambda: rng.integers(0, 37, size) + 1e-5 * rng.standard_normal(size),
        }[kind]()
    )


def check(
    points: np.ndarray,
    num_cells: int,
    *,
    mass: np.ndarray = NO_MASS,
    gap: float = 0.0,
    rounding: float = 3e-11,
) -> tuple[float, float]:
    """Checks what must hold of every result, and returns cost and lower bound."""
    boundaries, cost, lower = optimum(row_of(points, mass), num_cells, gap)
    assert boundaries.size == min(num_cells, np.unique(points).size) + 1
    assert boundaries[[0, -1]].tolist() == [0, points.size]
    assert (np.diff(boundaries) > 0).all()
    inner = boundaries[1:-1]
    assert (points[inner - 1] != points[inner]).all()
    weights = mass if mass.size else np.ones(points.size)
    noise = 1e-25 * float((weights * points.astype(float) ** 2).sum())
    rows = prefix_moments(points.astype(float), weights)[boundaries]
    assert cost == pytest.approx(partition_cost(rows, np.arange(boundaries.size)), rel=1e-13, abs=noise)
    assert lower <= cost
    assert cost - lower <= max(gap, rounding) * cost + noise
    return cost, lower


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_brute_force_on_small_arrays(kind: str, dtype: type) -> None:
    rng = np.random.default_rng([KINDS.index(kind), dtype == np.float32])
    for _ in range(72):  # 7 kinds of 2 types of 72 arrays: 1,008 arrays
        points = draw_points(kind, int(rng.integers(1, 10)), rng).astype(dtype)
        num_cells = int(rng.integers(1, 8))
        values, counts = np.unique(points.astype(float), return_counts=True)
        exact = least_cost(values, counts.astype(float), num_cells)
        noise = 1e-27 * float((counts * values**2).sum())
        for gap in (0.0, 1e-2):
            cost, lower = check(points, num_cells, gap=gap)
            assert Fraction(lower) <= exact  # always: the certificate
            assert cost <= (1.0 + max(gap, 1e-11)) * float(exact) + noise
            assert cost >= (1.0 - 1e-13) * float(exact) - noise


@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_recursion_in_rational_arithmetic_with_masses(kind: str) -> None:
    rng = np.random.default_rng(KINDS.index(kind))
    points = np.unique(draw_points(kind, 32, rng))
    mass = np.exp(3.0 * rng.standard_normal(points.size))
    for num_cells in (2, 5, 13, points.size - 1):
        exact = least_cost_by_recursion(points, mass, num_cells)
        cost, lower = check(points, num_cells, mass=mass, rounding=1e-10)
        assert Fraction(lower) <= exact
        assert cost == pytest.approx(float(exact), rel=1e-10, abs=1e-27 * (mass * points**2).sum())


@pytest.mark.parametrize("kind", ["normal", "lattice", "t2", "even"])
@pytest.mark.parametrize("num_cells", [2, 16, 100])
def test_equals_kmeans1d(kind: str, num_cells: int) -> None:
    points = draw_points(kind, 40_000, np.random.default_rng(num_cells))
    clusters, centroids = kmeans1d.cluster(points.tolist(), num_cells)
    expected = np.square(points - np.array(centroids)[clusters]).sum()
    cost, lower = check(points, num_cells)
    assert cost == pytest.approx(expected, rel=1e-10)
    assert lower <= expected * (1.0 + 1e-13)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", [*KINDS, "coarse", "islands"])
def test_equals_the_search_over_all_points(kind: str, weighted: bool) -> None:
    rng = np.random.default_rng([KINDS.index(kind) if kind in KINDS else len(kind), weighted])
    points = draw_points(kind, 30_000, rng)
    values, counts = np.unique(points, return_counts=True)
    mass = NO_MASS
    weights = counts.astype(float)
    if weighted:
        weights = np.exp(2.0 * rng.standard_normal(values.size))
        points, mass = values, weights
    prefix = prefix_moments(values, weights)
    rounding = 1e-9 if kind == "offset" or weighted else 5e-12
    for num_cells in (2, 5, 16, 64):
        _, expected, _ = optimum_of_sums(prefix, num_cells)
        cost, lower = check(points, num_cells, mass=mass, rounding=rounding)
        assert cost == pytest.approx(expected, rel=1e-11)
        assert lower <= expected * (1.0 + 1e-13)
        for gap in (1e-2, 1e-4):
            near, bound = check(points, num_cells, mass=mass, gap=gap, rounding=rounding)
            assert bound <= expected * (1.0 + 1e-13)
            assert near <= (1.0 + gap) * expected


@pytest.mark.parametrize("kind", ["normal", "t2"])
def test_many_cells(kind: str) -> None:
    points = draw_points(kind, 100_000, np.random.default_rng(7)).astype(np.float32)
    values, counts = np.unique(points.astype(float), return_counts=True)
    _, expected, _ = optimum_of_sums(prefix_moments(values, counts.astype(float)), 256)
    assert check(points, 256)[0] == pytest.approx(expected, rel=1e-12)


def test_an_outlier_costs_neither_accuracy_nor_the_bulk() -> None:
    points = draw_points("outlier", 50_000, np.random.default_rng(4))
    _, expected, _ = optimum_of_sums(prefix_moments(points, np.ones(points.size)), 16)
    assert check(points, 16, rounding=1e-9)[0] == pytest.approx(expected, rel=1e-12)


def test_a_multiplier_that_skips_k_is_spliced() -> None:
    """Equally spaced points: C is linear on long stretches, so few K are met by a multiplier alone."""
    for size, some in ((1000, (3, 7, 30, 333, 499, 501, 777, 999)), (40_000, (3, 7, 17, 31, 90))):
        points = np.arange(size, dtype=float)
        for num_cells in some:
            small, large = divmod(size, num_cells)
            exact = Fraction(
                (num_cells - large) * (small**3 - small) + large * ((small + 1) ** 3 - small - 1), 12
            )
            # With as many cells as points F is nearly all multiplier, and its rounding hides the cost.
            cost, lower = check(points, num_cells, rounding=3e-11 if 3 * num_cells < size else 1e-9)
            assert Fraction(lower) <= exact
            assert cost == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_few_distinct_values(dtype: type) -> None:
    one = np.zeros(1, dtype=dtype)
    two = np.repeat(np.array([-1.0, 3.0], dtype=dtype), 30_000)
    same = np.full(70_000, 0.1, dtype=dtype)
    five = np.repeat(np.array([-2.0, -1.0, 0.0, 0.5, 9.0], dtype=dtype), [1, 40_000, 1, 2, 50_000])
    for points in (one, two, same, five):
        distinct = np.unique(points).size
        for num_cells in (1, 2, 3, 5, 8, 256):
            cost, lower = check(points, num_cells)
            if num_cells >= distinct:
                assert cost == lower == 0.0
            else:
                values, counts = np.unique(points.astype(float), return_counts=True)
                exact = least_cost(values, counts.astype(float), num_cells)
                assert cost == pytest.approx(float(exact), rel=1e-12)
                assert Fraction(lower) <= exact


def test_denormals_of_float32() -> None:
    points = np.sort(np.random.default_rng(0).integers(-9000, 9000, 30_000)).astype(np.float32)
    tiny = points * np.float32(2.0**-149)
    assert np.abs(tiny).max() < np.finfo(np.float32).tiny
    for num_cells in (2, 16):
        cost, _ = check(tiny, num_cells)
        assert cost * 2.0**298 == pytest.approx(check(points, num_cells)[0], rel=1e-12)


def test_an_offset_leaves_a_bound_of_what_the_sums_still_know() -> None:
    """Sources move data to an exact frame first; raw data at 1e8 still give a true, honest bound."""
    points = np.sort(1e8 + np.random.default_rng(1).standard_normal(30_000))
    values, counts = np.unique(points - 1e8, return_counts=True)
    _, expected, _ = optimum_of_sums(prefix_moments(values, counts.astype(float)), 16)
    cost, lower = check(points, 16, rounding=1e-6)
    assert cost == pytest.approx(expected, rel=1e-9)
    assert lower <= expected


@given(
    st.lists(st.integers(-40, 40), min_size=2, max_size=60),
    st.integers(2, 12),
    st.sampled_from([1e-3, 5.0, 1e4]),
)
def test_a_poor_guess_of_the_multiplier_changes_nothing(
    data: list[int], num_cells: int, guess: float
) -> None:
    points = np.sort(np.array(data)) / 7.0
    values, counts = np.unique(points, return_counts=True)
    assume(values.size > num_cells)
    _, expected, _ = optimum_of_sums(prefix_moments(values, counts.astype(float)), num_cells)
    index = tie_ends(points)
    breakpoints = breakpoints_at(row_of(points), index)
    path, lower, _ = breakpoint_search(breakpoints, num_cells, guess, is_centred=False)
    assert partition_cost(breakpoints.rows, path) == pytest.approx(expected, rel=1e-10, abs=1e-26)
    assert lower <= expected * (1.0 + 1e-13)


@pytest.mark.parametrize("wrong", [0.5, 0.97, 1.04, 2.0])
def test_a_multiplier_that_does_not_give_k_is_corrected(wrong: float) -> None:
    """The first multiplier of the pruning is off on purpose, so that its best paths have other counts."""
    points = draw_points("t2", 30_000, np.random.default_rng(5)).astype(np.float32)
    row = row_of(points)
    breakpoints, roots = equal_cost_breakpoints(row, 600)
    path, _, multiplier = breakpoint_search(breakpoints, 24, 2.0 * (roots / 24) ** 3, is_centred=True)
    _, cost, lower = best_by_pruning(row, breakpoints, wrong * multiplier, breakpoints.places[path], 0.0)
    expected, _ = check(points, 24)
    assert cost == pytest.approx(expected, rel=1e-13)
    assert cost - lower <= 2e-12 * cost


# --- controls: what a wrong bound or a wrong discard would look like -----------------------------------


def test_control_a_lower_bound_that_is_too_high_is_seen() -> None:
    """The comparison with rational arithmetic is sharp enough to see a bound raised by 1e-9."""
    rng = np.random.default_rng(8)
    seen = 0
    for _ in range(50):
        points = np.unique(rng.standard_normal(8))
        exact = least_cost(points, np.ones(points.size), 3)
        _, lower = check(points, 3)
        assert Fraction(lower) <= exact
        seen += Fraction(lower * (1.0 + 1e-9)) > exact
    assert seen == 50


def test_control_a_breakpoint_discarded_wrongly_is_seen() -> None:
    """Without the breakpoints about one optimal boundary the search ends at a cost that the checks refuse."""
    points = draw_points("normal", 3000, np.random.default_rng(9))
    blocks = block_prefix(points, NO_MASS)
    best, cost, lower = optimum(row_of(points), 8, 0.0)
    breakpoints = tie_ends(points)
    kept = breakpoints[np.abs(breakpoints - best[4]) > 3]
    rows = prefix_rows(points, NO_MASS, blocks, kept)
    edges = np.column_stack((points[np.maximum(kept - 1, 0)], points[np.minimum(kept, points.size - 1)]))
    path, bound, _ = breakpoint_search(Breakpoints(kept, rows, edges), 8, cost / 4.0, is_centred=False)
    worse = partition_cost(rows, path)
    assert worse > cost * (1.0 + 1e-9)
    assert bound > cost * (1.0 + 1e-9)  # so a bound from wrongly discarded breakpoints would be false
    assert lower <= cost


def test_control_equal_counts_are_not_optimal() -> None:
    points = draw_points("t2", 20_000, np.random.default_rng(0))
    equal_counts = np.linspace(0, points.size, 17).astype(np.int64)
    rows = prefix_rows(points, NO_MASS, block_prefix(points, NO_MASS), equal_counts)
    assert partition_cost(rows, np.arange(17)) > 1.1 * check(points, 16)[0]


def test_the_cost_is_that_of_the_boundaries() -> None:
    points = draw_points("normal", 9, np.random.default_rng(1))
    boundaries, cost, _ = optimum(row_of(points), 3, 0.0)
    cells = itertools.pairwise(boundaries)
    exact = sum((exact_cost(points[a:b], np.ones(b - a)) for a, b in cells), Fraction(0))
    assert cost == pytest.approx(float(exact), rel=1e-14)
