"""All rows at once against one row at a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fmq_theory.errors import SchemeError
from fmq_theory.kernels.squared_error import squared_errors
from fmq_theory.metrics import distortion
from fmq_theory.quantizers import SCHEMES, get_scheme
from fmq_theory.sources import Empirical
from fmq_theory.sources.sorted_rows import SortedRows

NAMES = (*SCHEMES, "power:0.5", "power:0", "power:0.7:midpoint")


def levels_for(name: str, bits: int) -> int:
    return 16 if name in ("nf4", "fp4") else 2**bits


def assert_same_codebooks(name: str, rows: np.ndarray, num_levels: int, threads: int = 1) -> None:
    scheme = get_scheme(name)
    books = scheme.design_rows(SortedRows.of(rows, threads), num_levels)
    for index, row in enumerate(rows):
        source = Empirical(row)
        one, many = scheme.design(source, num_levels), books.row(index)
        spread = float(np.ptp(row)) + 1e-12 * float(np.abs(row).max())
        assert many.num_levels == one.num_levels
        # Both roads lead to the same levels, but where two codebooks are equally good.
        if name in ("uniform_clipped", "lloyd_max", "ecq"):
            assert distortion(many, source) == pytest.approx(
                distortion(one, source), rel=1e-6, abs=1e-12 * spread**2
            )
        else:
            np.testing.assert_allclose(many.levels, one.levels, rtol=1e-13, atol=1e-13 * spread)
            np.testing.assert_allclose(many.thresholds, one.thresholds, rtol=1e-13, atol=1e-13 * spread)
        assert (books.levels[index, one.num_levels :] == books.levels[index, one.num_levels - 1]).all()
        assert np.isposinf(books.thresholds[index, one.num_levels - 1 :]).all()


@pytest.mark.deep
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bits", [1, 3, 6])
def test_rows_of_heavy_tailed_weights(name: str, dtype: type, bits: int) -> None:
    rng = np.random.default_rng(bits)
    rows = rng.standard_t(3.0, (5, 300)).astype(dtype)
    assert_same_codebooks(name, rows, levels_for(name, bits), threads=2)


@pytest.mark.parametrize("name", NAMES)
def test_rows_that_are_special(name: str) -> None:
    rng = np.random.default_rng(1)
    rows = np.stack(
        [
            np.full(90, 0.3),
            np.zeros(90),
            rng.integers(-2, 3, 90).astype(float),
            np.abs(rng.standard_normal(90)) + 1e-3,
            -np.abs(rng.standard_normal(90)),
            rng.standard_normal(90) * 1e-200,
            rng.standard_normal(90) * 1e150,
            1e8 + rng.random(90),
            np.where(rng.random(90) < 0.5, -1.0, 1.0),
        ]
    )
    for bits in (1, 2, 4, 7):
        assert_same_codebooks(name, rows, levels_for(name, bits))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "ecq"])
@given(
    rows=hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.integers(1, 20)),
        elements=st.floats(-100, 100, width=16) | st.integers(-3, 3).map(float),
    ),
    bits=st.integers(1, 5),
)
def test_small_rows_with_ties(name: str, rows: np.ndarray, bits: int) -> None:
    assert_same_codebooks(name, rows, levels_for(name, bits))


def test_one_level_is_one_level() -> None:
    rows = np.random.default_rng(2).standard_normal((3, 50))
    for name in ("uniform", "uniform_clipped", "equal_mass", "pwl", "log2", "lloyd_max", "panter_dite"):
        assert_same_codebooks(name, rows, 1)


def test_a_scheme_without_that_many_levels_refuses() -> None:
    with pytest.raises(SchemeError, match="16 levels"):
        get_scheme("nf4").design_rows(SortedRows.of(np.ones((1, 4))), 8)


@pytest.mark.parametrize("name", ["uniform", "lloyd_max", "log2", "pwl", "equal_mass"])
def test_errors_and_counts_are_those_of_the_rows(name: str) -> None:
    rows = np.random.default_rng(3).standard_t(3.0, (4, 500)).astype(np.float32)
    rows[1] = 0.25
    ordered = SortedRows.of(rows)
    books, ends = get_scheme(name).cells_of_rows(ordered, 16)
    errors = squared_errors(ordered.points, ordered.blocks, books.levels, ends)
    for index, row in enumerate(rows.astype(np.float64)):
        codebook = books.row(index)
        codes = codebook.encode(row)
        assert errors[index] == pytest.approx(np.square(row - codebook.decode(codes)).sum(), rel=1e-12)
        assert (np.diff(ends[index]) == np.bincount(codes, minlength=16)).all()


def test_wrong_levels_are_seen() -> None:
    rows = np.random.default_rng(4).standard_normal((2, 100))
    ordered = SortedRows.of(rows)
    books = get_scheme("uniform").design_rows(ordered, 4)
    books.levels[1] = books.levels[0]
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(
            books.row(1).levels, get_scheme("uniform").design(Empirical(rows[1]), 4).levels
        )
