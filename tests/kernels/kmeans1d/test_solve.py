"""The one entry: many rows equal single ones, rows of ties equal all their points, fallbacks are taken."""

import numpy as np
import pytest

from fmq_theory.kernels.kmeans1d import solve
from fmq_theory.kernels.kmeans1d.few_points import (
    LARGEST_GAP,
    few_points_optimum,
    first_multiplier,
    optimum_of_breakpoints,
    optimum_of_points,
    switch_between,
)
from fmq_theory.kernels.kmeans1d.paths import path_to
from fmq_theory.kernels.kmeans1d.point_path import cheapest_path_of_points
from fmq_theory.kernels.kmeans1d.point_sums import exact_sums, point_work
from fmq_theory.kernels.kmeans1d.solve import (
    LONG,
    Partition,
    Row,
    is_proven,
    optimum,
    optimum_of_sums,
    optimum_rows,
)
from fmq_theory.kernels.runtime.threads import run_blocks
from fmq_theory.kernels.sums.prefix import block_prefix_of_rows
from tests.kernels.inputs import NO_MASS, row_of


def mixed_rows(length: int) -> np.ndarray:
    rng = np.random.default_rng(length)
    rows = rng.standard_normal((12, length)).astype(np.float32)
    rows[3] *= 1e-6
    rows[4] = rng.standard_t(2, length)
    rows[5] = 0.25
    rows[6] = rng.integers(0, 3, length)
    rows[7] *= 1e6
    return np.sort(rows, axis=1)


@pytest.mark.parametrize("length", [1, 5, 100, 1500, 20_000])
@pytest.mark.parametrize("num_cells", [1, 4, 16])
def test_rows_equal_single_calls(length: int, num_cells: int) -> None:
    points = mixed_rows(length)
    boundaries, cost, lower = optimum_rows(points, block_prefix_of_rows(points), num_cells, 0.0)
    assert boundaries.shape == (12, num_cells + 1)
    for r, row in enumerate(points):
        found, expected, _ = optimum(row_of(row), num_cells, 0.0)
        assert found.size - 1 == min(num_cells, np.unique(row).size)
        assert cost[r] == pytest.approx(expected, rel=1e-13)
        assert cost[r] - lower[r] <= 3e-11 * cost[r]
        assert lower[r] <= expected * (1.0 + 1e-14)
        np.testing.assert_array_equal(boundaries[r, found.size :], length)
        inner = found[1:-1]
        assert (row[inner - 1] != row[inner]).all()
        np.testing.assert_array_equal(boundaries[r, : found.size], found)


def test_threads_and_read_only_input_give_the_same() -> None:
    points = mixed_rows(700)
    blocks = block_prefix_of_rows(points)
    whole = optimum_rows(points, blocks, 8, 0.0)
    parts = run_blocks(lambda a, b: optimum_rows(points[a:b], blocks[a:b], 8, 0.0), 12, 2)
    for together, apart in zip(whole[1:], zip(*(part[1:] for part in parts), strict=True), strict=True):
        np.testing.assert_array_equal(np.concatenate(apart), together)
    points.setflags(write=False)
    np.testing.assert_array_equal(optimum_rows(points, blocks, 8, 0.0)[1], whole[1])


def test_a_gap_is_kept() -> None:
    points = mixed_rows(20_000)
    blocks = block_prefix_of_rows(points)
    _, exact, _ = optimum_rows(points, blocks, 16, 0.0)
    _, cost, lower = optimum_rows(points, blocks, 16, 1e-2)
    assert (lower <= exact * (1.0 + 1e-14)).all()
    assert (cost - lower <= 1e-2 * cost).all()
    # Control: the gap is used, so the costs are not those of the optimum throughout.
    assert (cost > exact).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("num_cells", [2, 16, 64])
def test_float64_sums_find_what_windows_find(dtype: type, num_cells: int) -> None:
    """The kernel for all rows against the search in windows and double-double, row by row."""
    rng = np.random.default_rng(num_cells)
    rows = [rng.standard_normal(900), rng.standard_t(3, 900), 1e3 + rng.random(900), rng.laplace(size=900)]
    rows.append(np.round(64.0 * rng.standard_normal(900)))
    points = np.sort(np.array(rows).astype(dtype), axis=1)
    blocks = block_prefix_of_rows(points)
    boundaries, cost, lower, multipliers, is_done = few_points_optimum(points, blocks, num_cells)
    assert is_done.any()
    assert (multipliers > 0.0).all()
    for r in np.flatnonzero(is_done):
        found, expected, below = optimum_of_breakpoints(Row(points[r], NO_MASS, blocks[r]), num_cells)
        assert cost[r] == pytest.approx(expected, rel=1e-13)
        assert lower[r] <= expected * (1.0 + 1e-14)
        assert below <= cost[r] * (1.0 + 1e-14)
        assert cost[r] - lower[r] <= LARGEST_GAP * cost[r]
        if r != 4:  # ties: several partitions may be optimal
            np.testing.assert_array_equal(boundaries[r], found)


def test_rows_that_float64_sums_cannot_prove_are_left() -> None:
    rng = np.random.default_rng(5)
    points = np.sort(rng.standard_normal((3, 900)), axis=1)
    points[1] = np.sort(rng.choice([-1.0, 1.0], 900) + 1e-9 * rng.standard_normal(900))
    blocks = block_prefix_of_rows(points)
    assert few_points_optimum(points, blocks, 8)[4].tolist() == [True, False, True]
    _, cost, lower = optimum_rows(points, blocks, 8, 0.0)
    assert (cost - lower <= LARGEST_GAP * cost + 1e-25 * 900).all()
    assert 0.0 < cost[1] < 1e-12 < cost[0]


@pytest.mark.parametrize("num_cells", [1, 2, 5, 12, 40])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_of_ties_equal_the_search_over_all_points(
    num_cells: int, dtype: type[np.floating], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(num_cells)
    row = row_of(np.sort(np.round(3.0 * rng.standard_normal(3000)).astype(dtype) / 7))
    expected, cost, _ = optimum(row, num_cells, 0.0)
    monkeypatch.setattr(solve, "LONG", 3000)
    by_points = solve._of_points
    monkeypatch.setattr(solve, "_of_points", lambda row, *rest: by_points(_with_counts(row), *rest))
    found, tied_cost, lower = optimum(row, num_cells, 0.0)
    np.testing.assert_array_equal(found, expected)
    assert tied_cost == pytest.approx(cost, rel=1e-12, abs=1e-20)
    assert tied_cost - 1e-10 * cost - 1e-20 <= lower <= tied_cost


def _with_counts(row: Row) -> Row:
    assert row.mass.sum() == 3000 > row.mass.size > 0
    return row


def test_which_rows_are_of_ties() -> None:
    rng = np.random.default_rng(0)

    def is_tied(points: np.ndarray) -> bool:
        return solve._is_mostly_tied(np.sort(points))

    assert is_tied(rng.integers(0, 50, LONG).astype(np.float32))
    assert is_tied(np.zeros(LONG))
    assert not is_tied(rng.integers(0, 50, LONG - 1).astype(np.float32))
    assert not is_tied(rng.standard_normal(LONG))
    # Half of the points tied are not nearly all.
    assert not is_tied(np.maximum(rng.standard_normal(LONG), 0.0))


def test_what_is_not_proven_is_searched_point_by_point(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.sort(np.random.default_rng(3).standard_normal((2, 500)), axis=1)
    points[:, 7] = points[:, 6]
    blocks = block_prefix_of_rows(points)
    expected = optimum_rows(points, blocks, 5, 0.0)
    asked: list[int] = []

    def unproven(row: Row, *_: object) -> Partition:
        return Partition(np.array([0, 2, row.points.size]), 1.0, 0.5)

    def by_points(prefix: np.ndarray, num_cells: int) -> Partition:
        asked.append(prefix.shape[0])
        return optimum_of_sums(prefix, num_cells)

    def no_row(points: np.ndarray, *_: object) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.zeros((len(points), 6), dtype=np.int64), np.ones(len(points)), np.zeros(len(points))

    monkeypatch.setattr(solve, "_of_points", unproven)
    monkeypatch.setattr(solve, "_of_short_rows", no_row)
    monkeypatch.setattr(solve, "optimum_of_sums", by_points)
    found = optimum_rows(points, blocks, 5, 0.0)
    assert asked == [500, 500]  # one place for each distinct point, and the end
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-12)


def test_how_much_rounding_a_proof_may_hold() -> None:
    assert is_proven(4, 1.0, 1.0 - 3e-11, 1.0, 0.0)
    assert not is_proven(4, 1.0, 1.0 - 4e-11, 1.0, 0.0)
    assert is_proven(4, 1.0, 0.991, 1.0, 1e-2)
    assert is_proven(4, 1e-30, 0.0, 1.0, 0.0)  # what double-double sums of squares of 1 still know
    assert not is_proven(4, 1e-20, 0.0, 1.0, 0.0)


@pytest.mark.parametrize("kind", ["normal", "t3"])
@pytest.mark.parametrize("wanted", [30, 64, 200])
def test_multipliers_between_two_paths_soon_give_the_cells_between(kind: str, wanted: int) -> None:
    """From paths of four cells fewer and more: each lies between those of both, and K is met by the third."""
    rng = np.random.default_rng(4)
    drawn = rng.standard_normal(3000) if kind == "normal" else rng.standard_t(3, 3000)
    points = np.sort(drawn.astype(np.float32))[None]
    blocks = block_prefix_of_rows(points)
    work = point_work(3000)
    row = Row(points[0], NO_MASS, blocks[0])
    spread = float(np.square(points[0] - points[0].mean(dtype=np.float64)).sum())
    guess = first_multiplier(blocks[0], 3000, wanted)
    fewer, _, _, largest = optimum_of_points(row, spread, wanted - 4, guess, work)
    more, _, _, least = optimum_of_points(row, spread, wanted + 4, guess, work)
    _, _, shift = exact_sums(points[0], points[0].mean(), 3000.0 * 20.0, work.first, work.second)
    met: list[int] = []
    for _ in range(3):
        between = switch_between(work, fewer, more, wanted)
        assert least < between < largest
        cheapest_path_of_points(work, between, shift)
        path = path_to(work.parent, 3000)
        met.append(path.size - 1)
        if met[-1] < wanted:
            fewer, largest = path, between
        else:
            more, least = path, between
        if met[-1] == wanted:
            break
    assert met[-1] == wanted
    assert all(abs(found - wanted) < 4 for found in met)


@pytest.mark.parametrize("num_cells", [4, 16, 64])
def test_the_first_multiplier_is_near(num_cells: int) -> None:
    points = np.sort(np.random.default_rng(2).standard_normal((1, 4096)), axis=1)
    blocks = block_prefix_of_rows(points)
    *_, multipliers, _ = few_points_optimum(points, blocks, num_cells)
    assert first_multiplier(blocks[0], 4096, num_cells) == pytest.approx(multipliers[0], rel=0.5)
