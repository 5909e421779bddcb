"""Sums of squares that keep every square: against rational arithmetic, for every number of threads."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fmq_theory.codebook import Codebook
from fmq_theory.kernels.row_codebooks import cell_ends
from fmq_theory.kernels.squared_error import (
    BLOCK,
    ScaledSums,
    mean_of,
    scaled_cell_errors,
    scaled_squared_errors,
    squared_error_rows,
    squared_errors,
)
from fmq_theory.metrics import distortion
from fmq_theory.sources import Empirical
from fmq_theory.sources.sorted_rows import SortedRows
from tests.kernels.oracles import exact_square_sum, nearest_float

MAX = float(np.finfo(np.float64).max)


def value(sums: ScaledSums, row: int = 0) -> Fraction:
    return Fraction(float(sums.values[row])) * Fraction(2) ** int(sums.exponents[row])


@st.composite
def adversarial_rows(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """A row anywhere in float64, and levels on, next to, or far from its weights."""
    anything = st.floats(allow_nan=False, allow_infinity=False)
    base = draw(st.lists(anything, min_size=1, max_size=8))
    row = list(base)
    for x in base:
        step = draw(st.sampled_from(["none", "ulp", "negative", "twice"]))
        nearby = {"none": x, "ulp": math.nextafter(x, math.inf), "negative": -x, "twice": 2.0 * x}[step]
        row.append(nearby if math.isfinite(nearby) else x)
    levels = draw(st.lists(st.one_of(st.sampled_from(row), anything), min_size=1, max_size=4))
    return np.sort(np.array(row)) + 0.0, np.unique(np.array(levels) + 0.0)


@settings(max_examples=300)
@given(drawn=adversarial_rows())
@example(drawn=(np.array([5e-324, 1e-323]), np.array([5e-324])))
@example(drawn=(np.array([-MAX, MAX]), np.array([MAX])))
@example(drawn=(np.array([-3.0, 1.0, 1.0 + 2.0**-52]), np.array([-3.0, 1.0])))
@example(drawn=(np.array([0.0, 1e-200, 1.0]), np.array([0.0, 1.0])))
def test_no_square_is_lost(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    """By codes, by cells of sorted weights, and of a codebook on data: one number, zero only where it is."""
    row, levels = drawn
    codebook = Codebook.nearest(levels)
    codes = codebook.encode(row).astype(np.uint8)
    exact = exact_square_sum(row, codebook.decode(codes))
    table = codebook.levels.copy()[np.newaxis]
    by_codes = scaled_squared_errors(row[np.newaxis], codes[np.newaxis], table)
    rows = SortedRows.of(row[np.newaxis])
    ends = cell_ends(rows.points, codebook.thresholds.copy()[np.newaxis])
    by_cells = scaled_cell_errors(rows.points, rows.blocks, table, ends)
    for sums in (by_codes, by_cells):
        assert abs(value(sums) - exact) <= Fraction(1e-12) * exact
    mean = nearest_float(exact / row.size)
    for found in (mean_of(by_codes.total(), row.size), distortion(codebook, Empirical(row))):
        assert math.isclose(found, mean, rel_tol=1e-12, abs_tol=1e-322) or found == mean
        assert (found == 0.0) == (exact == 0)


def test_control_plain_float64_loses_them() -> None:
    row = np.array([[-3.0, 1.0, 1.0 + 2.0**-52]])
    rows, levels, ends = SortedRows.of(row), np.array([[-3.0, 1.0]]), np.array([[0, 1, 3]])
    exact = exact_square_sum(row, np.array([-3.0, 1.0, 1.0]))
    plain = float(squared_errors(rows.points, rows.blocks, levels, ends)[0])
    assert abs(Fraction(plain) - exact) > exact / 10
    assert value(scaled_cell_errors(rows.points, rows.blocks, levels, ends)) == exact
    assert np.square(np.array([1e-200]))[0] == 0.0


def test_totals_of_rows_in_different_units() -> None:
    rows = np.array([[1e200, -1e200], [1e-200, 3e-200], [0.0, 0.0], [1.0, 2.0]])
    codes, levels = np.zeros(rows.shape, dtype=np.uint8), np.zeros((4, 1))
    sums = scaled_squared_errors(rows, codes, levels)
    assert sums.values[2] == 0.0
    found, exponent = sums.total()
    exact = exact_square_sum(rows, np.zeros(rows.shape))
    assert abs(Fraction(found) * Fraction(2) ** exponent - exact) <= Fraction(1e-15) * exact
    assert squared_error_rows(rows, codes, levels).tolist() == [math.inf, 5e-324, 0.0, 5.0]
    assert mean_of((0.0, 0), 8) == 0.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 3 * BLOCK + 17), (3, BLOCK + 1), (5, 40), (20, 999)])
@pytest.mark.parametrize("weighted", [False, True])
def test_every_number_of_threads_gives_the_same_bits(
    dtype: type[np.floating], shape: tuple[int, int], weighted: bool
) -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_t(2, shape).astype(dtype)
    codes, levels = rng.integers(0, 4, shape).astype(np.uint8), rng.standard_normal((shape[0], 4))
    mass = rng.random(shape) if weighted else None
    one = squared_error_rows(rows, codes, levels, mass, 1)
    for threads in range(2, 17):
        assert squared_error_rows(rows, codes, levels, mass, threads).tobytes() == one.tobytes()
    # A control: plain sums over as many parts as threads are not the same bits.
    squares = np.square(rows - np.take_along_axis(levels, codes.astype(np.intp), axis=1)).ravel()
    parts = {sum(np.cumsum(p)[-1] for p in np.array_split(squares, threads)) for threads in range(1, 17)}
    assert len(parts) > 1
