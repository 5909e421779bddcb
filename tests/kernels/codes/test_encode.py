"""Codes against numpy's search, errors against exact sums."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fmq_theory.kernels.codes.encode import counts_rows, encode_rows, rounded_up
from fmq_theory.kernels.squared_error import squared_error_rows


def searched(rows: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    pairs = zip(rows.astype(np.float64), thresholds, strict=True)
    return np.stack([np.searchsorted(border, row, side="right") for row, border in pairs])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("num_levels", [1, 2, 3, 4, 15, 16, 17, 255, 256])
@pytest.mark.parametrize("threads", [1, 3])
def test_codes_are_numpys(dtype: type, num_levels: int, threads: int) -> None:
    rng = np.random.default_rng(num_levels)
    rows = rng.standard_normal((2, 777)).astype(dtype)
    thresholds = rng.standard_normal((2, num_levels - 1))
    # Some thresholds are weights, and some lie between a float32 and the next.
    thresholds[:, : num_levels // 3] = rows[:, : num_levels // 3]
    thresholds[0, num_levels // 2 :] += 1e-9
    thresholds.sort(axis=1)
    thresholds[1, num_levels // 2 :] = np.inf
    assert (encode_rows(rows, thresholds, threads) == searched(rows, thresholds)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("num_levels", [2, 16, 256])
def test_codes_where_thresholds_crowd_or_reach_far(dtype: type, num_levels: int) -> None:
    """The bins of the search have equal widths: many thresholds in one of them, or none that fit."""
    rng = np.random.default_rng(0)
    steps = np.arange(num_levels - 1)
    thresholds = {
        "powers of two": np.ldexp(1.0, -steps % 100),
        "equal": np.full(num_levels - 1, 0.25),
        "two values": np.where(steps % 2, -1.0, 1e30),
        "whole range": np.linspace(-1.0, 1.0, num_levels - 1) * np.finfo(dtype).max,
        "smallest": steps * float(np.finfo(dtype).smallest_subnormal),
        "far": 1e8 + steps / num_levels,
    }
    for name, border in thresholds.items():
        border.sort()
        inside = rng.choice(border, 4000).astype(dtype)
        outside = np.array([np.finfo(dtype).max, -np.finfo(dtype).max, 0.0, -0.0], dtype=dtype)
        with np.errstate(over="ignore"):
            around = np.concatenate([np.nextafter(inside, dtype(s)) for s in (-np.inf, np.inf)])
        row = np.concatenate((inside, around, outside, rng.standard_normal(3000).astype(dtype)))
        row = row[np.isfinite(row)][np.newaxis]
        assert (encode_rows(row, border[np.newaxis]) == searched(row, border[np.newaxis])).all(), name


def test_control_a_number_on_a_threshold_decides() -> None:
    row, border = np.array([[0.25] * 100]), np.array([[0.25]])
    assert (encode_rows(row, border) == 1).all()
    assert (np.searchsorted(border[0], row[0], side="left") == 0).all()


@given(
    hnp.arrays(np.float32, (1, 40), elements=st.floats(-4, 4, width=16)),
    hnp.arrays(np.float64, (1, 7), elements=st.floats(-4, 4) | st.floats(-4, 4, width=16)),
)
def test_ties_go_up(rows: np.ndarray, thresholds: np.ndarray) -> None:
    thresholds.sort(axis=1)
    assert (encode_rows(rows, thresholds) == searched(rows, thresholds)).all()


def test_rounding_a_threshold_down_would_be_wrong() -> None:
    row = np.array([[1.0]], dtype=np.float32)
    above = np.array([[1.0 + 1e-12]])
    assert encode_rows(row, above)[0, 0] == 0
    assert row[0, 0] >= above.astype(np.float32)[0, 0]  # what a plain cast would have said


@given(hnp.arrays(np.float64, 9, elements=st.floats(allow_nan=False)))
def test_rounded_up_is_the_least_float32_not_below(numbers: np.ndarray) -> None:
    up = rounded_up(numbers)
    assert (up.astype(np.float64) >= numbers).all()
    with np.errstate(over="ignore"):
        below = np.nextafter(up, np.float32(-np.inf)).astype(np.float64)
    assert ((below < numbers) | np.isneginf(numbers)).all()


@pytest.mark.parametrize(("num_rows", "columns"), [(1, 1), (1, 1001), (2, 500), (5, 7)])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_counts_are_numpys(num_rows: int, columns: int, threads: int) -> None:
    codes = np.random.default_rng(columns).integers(0, 9, (num_rows, columns)).astype(np.uint8)
    expected = [np.bincount(row, minlength=9) for row in codes]
    assert (counts_rows(codes, 9, threads) == expected).all()
    codes[0, 0] = (codes[0, 0] + 1) % 9
    assert (counts_rows(codes, 9, threads) != expected).sum() == 2
    codes.setflags(write=False)
    assert counts_rows(codes, 256, threads).sum() == codes.size


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
def test_squared_errors_are_exact_to_rounding(dtype: type, weighted: bool, threads: int) -> None:
    rng = np.random.default_rng(0)
    for rows in (rng.standard_t(2.0, (1, 3000)), rng.standard_normal((3, 100))):
        rows = rows.astype(dtype)
        codes = rng.integers(0, 4, rows.shape).astype(np.uint8)
        levels = rng.standard_normal((rows.shape[0], 4))
        mass = rng.random(rows.shape) if weighted else None
        found = squared_error_rows(rows, codes, levels, mass, threads)
        gaps = rows.astype(np.float64) - np.take_along_axis(levels, codes.astype(np.intp), axis=1)
        squares = gaps * gaps * (1.0 if mass is None else mass)
        expected = [math.fsum(row) for row in squares]
        np.testing.assert_allclose(found, expected, rtol=1e-15)
        wrong = squared_error_rows(rows, (codes + 1) % 4, levels, mass, threads)
        assert (np.abs(wrong / expected - 1.0) > 1e-3).all()
