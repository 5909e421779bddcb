"""Powers of two as units, and when differences are exact: on the edges, and against exact arithmetic."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmq_theory.sources.empirical import Empirical
from fmq_theory.sources.sorted_rows import SortedRows
from fmq_theory.sources.units import COMPENSATED_SQUARES, SQUARES, same_binade, unit_exponent

positive = st.floats(min_value=5e-324, max_value=1.7e308)


@given(positive, st.sampled_from([40, COMPENSATED_SQUARES, SQUARES]))
def test_the_unit_brings_a_magnitude_near_one(largest: float, limit: int) -> None:
    exponent = unit_exponent(largest, limit)
    if exponent == 0:
        assert Fraction(1, 2 ** (limit + 1)) <= Fraction(largest) < 2**limit
    else:
        assert Fraction(1, 2) <= Fraction(largest) / Fraction(2) ** exponent < 1
        assert abs(exponent) > limit


@given(st.lists(positive, min_size=1, max_size=5))
def test_many_magnitudes_are_as_one(largest: list[float]) -> None:
    found = unit_exponent(np.array(largest), COMPENSATED_SQUARES)
    assert found.tolist() == [unit_exponent(each, COMPENSATED_SQUARES) for each in largest]


@pytest.mark.parametrize("largest", [0.0, math.inf])
def test_nothing_and_infinity_have_no_unit(largest: float) -> None:
    assert unit_exponent(largest, COMPENSATED_SQUARES) == 0


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300))
def test_within_a_binade_differences_are_exact(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    same = same_binade(low, high)
    assert same_binade(np.array([low]), np.array([high])).tolist() == [same]
    if same:
        assert Fraction(high - low) == Fraction(high) - Fraction(low)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1.0, 2.0, True),
        (1.0, math.nextafter(2.0, 3.0), False),
        (-2.0, -1.0, True),
        (math.nextafter(-2.0, -3.0), -1.0, False),
        (-1.0, 1.0, False),
        (0.0, 1.0, False),
        (0.0, 0.0, False),
    ],
)
def test_the_edges_of_a_binade(low: float, high: float, expected: bool) -> None:
    assert same_binade(low, high) is expected


@pytest.mark.parametrize(
    "scale", [1.0, 2.0**99, 2.0**100, 2.0**101, 2.0**-100, 2.0**-101, 2.0**-102, 1e300, 5e-324]
)
@pytest.mark.parametrize("row", [(-1.0, 0.25, 1.0), (1.0, 1.5, 2.0), (-2.0, -1.5, -1.0), (0.0, 0.5, 1.0)])
def test_a_row_is_taken_as_it_is_where_its_data_are(row: tuple[float, ...], scale: float) -> None:
    """A row that needs no units of its own is the same source as its weights alone."""
    weights = np.sort(np.array(row) * scale)
    rows, data = SortedRows.of(weights[None, :]), Empirical(weights).data
    assert rows.needs_own_units().tolist() == [data.origin != 0.0 or data.exponent != 0]
    row_data = rows.row(0).data
    assert (row_data.origin, row_data.exponent) == (data.origin, data.exponent)
