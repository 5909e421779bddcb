"""High-rate laws of all rows at once against those of each row as a source."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fmq_theory.bounds import PREDICTED_SCHEMES, predict
from fmq_theory.bounds.high_rate_rows import HighRateRows
from fmq_theory.errors import SchemeError
from fmq_theory.sources import SortedRows

SCHEMES = (*PREDICTED_SCHEMES, "power:0.4", "power:1", "ecq:0.3")


def _one_by_one(rows: SortedRows, scheme: str, num_levels: int) -> list[float] | None:
    found: list[float] = []
    for index in range(rows.shape[0]):
        if rows.low()[index] == rows.high()[index]:
            found.append(0.0)
            continue
        bound = predict(scheme, rows.row(index), num_levels, rows.shape[1]).own.high_rate
        if bound is None:
            return None
        found.append(bound.value)
    return found


def _compare(weights: NDArray[np.floating], scheme: str, num_levels: int) -> None:
    rows = SortedRows.of(np.ascontiguousarray(weights))
    want = _one_by_one(rows, scheme, num_levels)
    got = HighRateRows(rows).distortion(scheme, num_levels)
    if want is None:
        assert got is None
    else:
        assert got is not None
        np.testing.assert_allclose(got, want, rtol=1e-7, atol=0)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", [2, 3, 9, 64, 65, 577, 3000])
def test_rows_are_as_sources(scheme: str, size: int) -> None:
    rng = np.random.default_rng(size)
    weights = rng.standard_t(3, size=(8, size)).astype(np.float32)
    weights[1] = 0.25  # constant
    weights[2] = np.round(weights[2])  # ties
    weights[3] = np.abs(weights[3]) + 0.01  # one sign
    weights[4] = -np.abs(weights[4]) - 0.01
    weights[5] = 1.0 + 0.01 * rng.random(size)  # within a factor two: a frame of its own
    weights[6, :2] = 0.0
    for num_levels in (2, 4, 16, 256):
        _compare(weights, scheme, num_levels)


@pytest.mark.parametrize("unit", [1e-60, 1e60, 1e100])
@pytest.mark.parametrize("scheme", ["uniform", "uniform_clipped", "equal_mass", "lloyd_max"])
def test_units_far_from_one(scheme: str, unit: float) -> None:
    _compare(np.random.default_rng(3).laplace(size=(3, 200)) * unit, scheme, 16)


@given(
    st.integers(1, 6).flatmap(
        lambda r: st.lists(st.lists(st.integers(-9, 9), min_size=7, max_size=7), min_size=r, max_size=r)
    ),
    st.sampled_from(["uniform", "uniform_clipped", "equal_mass", "log2", "lloyd_max"]),
    st.integers(2, 40),
)
def test_property_small_integers(values: list[list[int]], scheme: str, num_levels: int) -> None:
    """Ties, zeros and one-sided rows in every combination."""
    _compare(np.array(values, dtype=np.float64) / 8.0, scheme, num_levels)


def test_result_does_not_depend_on_threads() -> None:
    weights = np.random.default_rng(1).normal(size=(600, 300)).astype(np.float32)
    for scheme in ("uniform_clipped", "equal_mass"):
        one = HighRateRows(SortedRows.of(weights, 1)).distortion(scheme, 16)
        three = HighRateRows(SortedRows.of(weights, 3)).distortion(scheme, 16)
        np.testing.assert_array_equal(one, three)


def test_control_the_law_of_another_scheme_is_seen() -> None:
    weights = np.random.default_rng(2).normal(size=(4, 500))
    rows = SortedRows.of(weights)
    other = HighRateRows(rows).distortion("uniform", 16)
    want = _one_by_one(rows, "uniform_clipped", 16)
    assert other is not None
    assert want is not None
    assert not np.allclose(other, want, rtol=1e-3)


def test_refusals() -> None:
    rows = HighRateRows(SortedRows.of(np.ones((1, 3))))
    with pytest.raises(SchemeError, match="two levels"):
        rows.distortion("uniform", 1)
    with pytest.raises(SchemeError, match="theory does not know"):
        HighRateRows(SortedRows.of(np.random.default_rng(0).normal(size=(1, 9)))).distortion("best", 4)
