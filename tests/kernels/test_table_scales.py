"""The best scale of a fixed table: closed forms, every scale of a fine grid, and properties."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fmq_theory.kernels.table_scales import FLOAT16, FLOAT32, best_table_scales, least_table_errors

Floats = NDArray[np.float64]
TABLES = {
    "two": [-1.0, 1.0],
    "three": [-1.0, 0.0, 1.0],
    "int4": list(np.arange(-8.0, 8.0)),
    "no zero": [
        -127.0,
        -104.0,
        -83.0,
        -65.0,
        -49.0,
        -35.0,
        -22.0,
        -10.0,
        1.0,
        13.0,
        25.0,
        38.0,
        53.0,
        69.0,
        89.0,
    ],
    "positive": [0.5, 1.0, 3.0],
    "e2m1": [-6.0, -4.0, -3.0, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0],
}


def _least(rows: Floats, table: list[float]) -> Floats:
    errors = np.empty(len(rows))
    least_table_errors(np.ascontiguousarray(rows), np.array(table), errors)
    return errors


def _error(row: Floats, table: list[float], scale: float) -> float:
    levels = scale * np.array(table)
    return float(np.square(row[:, None] - levels).min(axis=1).sum())


def test_two_levels_have_the_mean_magnitude() -> None:
    rows = np.random.default_rng(0).standard_normal((50, 33))
    magnitudes = np.abs(rows)
    closed = np.square(magnitudes - magnitudes.mean(axis=1, keepdims=True)).sum(axis=1)
    assert _least(rows, TABLES["two"]) == pytest.approx(closed, rel=1e-12)


def test_three_levels_keep_the_largest_magnitudes() -> None:
    """sum w**2 - max_m (sum of the m largest magnitudes)**2 / m."""
    rows = np.random.default_rng(1).standard_normal((50, 33))
    ordered = -np.sort(-np.abs(rows), axis=1)
    gain = (np.square(ordered.cumsum(axis=1)) / np.arange(1, 34)).max(axis=1)
    assert _least(rows, TABLES["three"]) == pytest.approx(np.square(rows).sum(axis=1) - gain, rel=1e-12)


@pytest.mark.parametrize("name", TABLES)
def test_no_scale_of_a_fine_grid_is_better_and_one_comes_near(name: str) -> None:
    table = TABLES[name]
    rows = np.random.default_rng(2).standard_normal((8, 24))
    rows[0, ::3] = 0.0
    least = _least(rows, table)
    grid = np.concatenate([-np.geomspace(1e-3, 20, 4000), np.geomspace(1e-3, 20, 4000)])
    for row, error in zip(rows, least, strict=True):
        found = min(_error(row, table, scale) for scale in grid)
        assert error <= found * (1 + 1e-12)
        assert found <= error * 1.01 + 1e-9


def test_rows_that_the_table_holds_cost_nothing() -> None:
    table = TABLES["int4"]
    rows = 0.37 * np.array([[-8.0, 7.0, 3.0, 0.0], [1.0, -1.0, 2.0, 5.0], [0.0, 0.0, 0.0, 0.0]])
    assert _least(rows, table) == pytest.approx([0.0, 0.0, 0.0], abs=1e-14)


@given(
    row=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12),
    name=st.sampled_from(sorted(TABLES)),
    scale=st.floats(-1e6, 1e6),
    factor=st.sampled_from([-4.0, 0.5, 2.0]),
)
@example(row=[1.0, 5.0, 5e-324], name="e2m1", scale=1.0, factor=-4.0)
def test_no_scale_is_better(row: list[float], name: str, scale: float, factor: float) -> None:
    weights, table = np.array(row), TABLES[name]
    (least,) = _least(weights[None], table)
    energy = float(weights @ weights)
    assert 0.0 <= least <= _error(weights, table, scale) + 1e-12 * energy
    (turned,) = _least(factor * weights[None, ::-1], table)
    assert turned == pytest.approx(factor * factor * least, rel=1e-6, abs=1e-9 * energy)


HALVES = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float64)


def _held(rows: Floats, table: list[float], held: int) -> tuple[Floats, Floats]:
    errors, scales = np.empty(len(rows)), np.empty(len(rows))
    best_table_scales(np.ascontiguousarray(rows), np.array(table), held, True, errors, scales)
    return errors, scales


@pytest.mark.parametrize("size", [1.0, 1e-6, 3e5])
@pytest.mark.parametrize("name", TABLES)
def test_no_scale_of_float16_is_better(name: str, size: float) -> None:
    """Every one of them, of either sign; the numbers next to 0 and the largest one too."""
    table = TABLES[name]
    rows = size * np.random.default_rng(3).standard_normal((2, 5))
    levels = np.concatenate([HALVES, -HALVES])[:, None] * np.array(table)
    errors, scales = _held(rows, table, FLOAT16)
    for row, error, scale in zip(rows, errors, scales, strict=True):
        each = sum(np.square(w - levels).min(axis=1) for w in row)
        assert error == pytest.approx(float(np.min(each)), rel=1e-9, abs=1e-15 * float(row @ row))
        assert scale in HALVES or -scale in HALVES
        assert error == pytest.approx(_error(row, table, scale), rel=1e-9, abs=1e-15 * float(row @ row))


@pytest.mark.parametrize("name", TABLES)
def test_scales_of_float32_cost_next_to_nothing_over_all_real_ones(name: str) -> None:
    rows = np.random.default_rng(4).standard_normal((50, 33))
    table = TABLES[name]
    errors, scales = _held(rows, table, FLOAT32)
    least = _least(rows, table)
    assert (errors >= least * (1 - 1e-12)).all()
    assert errors == pytest.approx(least, rel=1e-6)
    assert np.array_equal(scales, scales.astype(np.float32))
    assert errors == pytest.approx([_error(w, table, s) for w, s in zip(rows, scales, strict=True)], rel=1e-9)
