"""The verdict sentence says what the ratios say, and no more."""

import math
from collections.abc import Sequence

import pytest

from fmq_theory.claims import paper_verdict
from fmq_theory.claims.comparison.rows import RatioRow, crossing, crossing_of_layers, ratio_row


def _row(bits: int, w2: Sequence[float], em: Sequence[float]) -> RatioRow:
    """A row from six layers: the fewest with a 95 % interval, which is nearly their whole range."""
    return ratio_row(bits, [*w2] * 3, [*em] * 3)


def test_claim_that_holds_everywhere_is_reported_as_holding() -> None:
    rows = [_row(b, (0.30, 0.3001), (0.31, 0.3101)) for b in (2, 3, 4)]
    text = paper_verdict("weights", rows, None)
    assert "holds for weights: equal mass, the paper's algorithm, is inside it at 2-4 bits" in text
    assert "not shown to be worse than uniform" in text


def test_claim_that_fails_everywhere_names_where_uniform_wins() -> None:
    rows = [_row(b, (0.30, 0.3001), (1.5 * b, 1.5001 * b)) for b in (4, 5, 6, 8)]
    text = paper_verdict("weights", rows, 3.5)
    assert "fails for weights: equal mass, the paper's algorithm, is above it at 4-6, 8 bits" in text
    assert "worse than uniform at 4-6, 8 bits (b* = 3.50)" in text
    assert "(Lloyd-Max) is inside it at 4-6, 8 bits" in text


def test_better_than_claimed_is_not_called_inside() -> None:
    text = paper_verdict("weights", [_row(2, (0.01, 0.0101), (0.1, 0.1001))], None)
    assert "fails for weights" in text
    assert text.count("below it at 2 bits") == 2


def test_interval_across_an_edge_is_undecided() -> None:
    rows = [_row(2, (0.30, 0.3001), (0.30, 0.3001)), _row(3, (0.30, 0.3001), (0.2, 0.6))]
    text = paper_verdict("weights", rows, None)
    assert "holds only in part" in text
    assert "inside it at 2 bits (3 bits undecided)" in text


def test_one_repeat_decides_nothing() -> None:
    text = paper_verdict("weights", [ratio_row(3, [0.3], [5.0])], None)
    assert "is undecided for weights" in text
    assert "fails" not in text


def test_exact_uniform_gives_no_verdict() -> None:
    row = ratio_row(2, [math.nan], [math.nan])
    assert row.rho_em is None
    assert row.rho_em_in_band is None
    assert "No verdict" in paper_verdict("a constant tensor", [row], None)


@pytest.mark.parametrize(("value", "inside"), [(0.25, True), (0.40, True), (0.2499, False), (0.4001, False)])
def test_band_edges(value: float, inside: bool) -> None:
    assert ratio_row(2, [value], [value]).rho_em_in_band is inside


def test_intervals_of_ratios_stay_among_the_layers() -> None:
    row = _row(2, (0.01, 0.5), (0.01, 3.0))
    assert (row.rho_w2_lo, row.rho_w2_hi) == (0.01, 0.5)
    assert (row.rho_em_lo, row.rho_em_hi) == (0.01, 3.0)
    assert ratio_row(2, [0.3] * 5, [0.3] * 5).rho_w2_lo is None  # 5 layers reach 93.75 %


def test_the_median_layer_crosses_where_half_of_the_layers_have_crossed() -> None:
    # Layers cross at 2.5, 3.5, beyond 4, and before 2; order statistics need no more.
    layers = [[0.5, 2.0, 8.0], [0.25, 0.5, 2.0], [0.1, 0.2, 0.4], [1.5, 3.0, 6.0]]
    by_bits = list(zip(*layers, strict=True))
    found = crossing_of_layers([2, 3, 4], by_bits)
    assert found is not None
    assert found.value == pytest.approx(3.0)
    assert found.low is None  # four layers
    assert crossing_of_layers([2, 3, 4], [row[2:3] for row in by_bits]) is None
    assert crossing_of_layers([2, 3, 4], [(math.nan,)] * 3) is None


def test_crossing_is_interpolated_between_bits() -> None:
    assert crossing([2, 3, 4], [0.25, 0.5, 2.0]) == pytest.approx(3.5)
    assert crossing([2, 3], [0.25, 0.5]) is None
    assert crossing([2, 3, 4], [0.5, None, 2.0]) == pytest.approx(3.0)
