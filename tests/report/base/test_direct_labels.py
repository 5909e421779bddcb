"""Names beside curves: apart, in order, near their curve."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from fmq_theory.report.base.direct_labels import EndLabel, label_ends, spread_apart


@given(places=st.lists(st.floats(0, 1), max_size=12), gap=st.floats(0.01, 0.08))
def test_places_are_apart_in_order_and_inside(places: list[float], gap: float) -> None:
    found = spread_apart(places, gap)
    ordered = sorted(range(len(places)), key=lambda index: places[index])
    for low, high in itertools.pairwise(ordered):
        assert found[high] - found[low] >= gap - 1e-9
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in found)


def test_places_that_are_apart_stay_and_near_ones_part_evenly() -> None:
    assert spread_apart([0.1, 0.9, 0.5], 0.2) == pytest.approx([0.1, 0.9, 0.5])
    assert spread_apart([0.5, 0.5], 0.2) == pytest.approx([0.4, 0.6])
    assert spread_apart([], 0.1) == []


def test_labels_are_written_once_for_each_finite_end() -> None:
    axes = Figure().subplots()
    axes.plot([0, 1], [1, 100])
    axes.set_yscale("log")
    label_ends(
        axes,
        [EndLabel("a", 1, 100, "black"), EndLabel("b", 1, 10, "red"), EndLabel("c", 1, float("nan"), "blue")],
        height=2.0,
    )
    written = {text.get_text(): text for text in axes.texts}
    assert set(written) == {"a", "b"}
    # 100 is the upper end and 10 the middle of the axis
    assert written["a"].xyann[1] > written["b"].xyann[1] + 0.2  # type: ignore[attr-defined]
