"""Published tables judged by the oracle: the numbers of docs/external-checks.md, and how they are made."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from experiments.external_checks import judged
from experiments.external_checks.command import main
from experiments.external_checks.plane import planar_distortion
from fmq_theory.claims.oracle.table_file import read_table

REFERENCE = Path(__file__).resolve().parents[1] / "reference"


@pytest.mark.parametrize(
    ("path", "percent"),
    [(judged.DATA / "nf4.json", 4.19), (REFERENCE / "iq4_nl.json", 4.25), (REFERENCE / "cb4.json", 5.77)],
    ids=["NF4", "IQ4_NL", "CB4"],
)
def test_formats_on_the_gaussian_law(path: Path, percent: float) -> None:
    """Measured once before by other means: NF4 and IQ4_NL about 4.2 %, CB4 5.8 % above the optimum."""
    found = judged.at_best_scale(path, "N(0, 1)")
    assert found.certified
    assert 100 * float(found.excess) == pytest.approx(percent, abs=0.005)
    assert found.excess.radius < Fraction(1, 10**15)


def test_a_table_for_heavier_tails_is_worse_on_the_gaussian_law() -> None:
    """SF4's levels are quantiles of t laws: the excess falls as nu grows, and NF4 is below all."""
    paths = [*(REFERENCE / f"sf4_{nu}.json" for nu in range(3, 8)), judged.DATA / "nf4.json"]
    excesses = [judged.at_best_scale(path, "N(0, 1)").excess for path in paths]
    assert all(b.less_than(a) is True for a, b in pairwise(excesses))


@pytest.mark.parametrize("path", judged.GRIDS, ids=lambda path: path.stem)
def test_higgs_on_the_line_is_the_optimum_in_float32(path: Path) -> None:
    table, law = read_table(str(path)), judged.LAWS["N(0, 1)"]
    least = judged.least("N(0, 1)", len(table.levels)).value
    assert judged.as_given(table, law).less_than(least * (1 + Fraction(1, 10**13))) is True
    # A near wrong table: one level off by 1e-4.
    moved = table.levels[0] + Fraction(1, 10**4)
    wrong = judged.Table("moved", (moved, *table.levels[1:]), None, table.unit)
    assert (least * (1 + Fraction(1, 10**10))).less_than(judged.as_given(wrong, law)) is True


def test_printed_numbers_below_the_minimum_are_named_and_no_others() -> None:
    assert [row.num_levels for row in judged.max_1960() if row.below] == [8, 16, 32]
    assert [row.num_levels for row in judged.turboquant() if row.below] == [16]
    assert not any(row.above for row in (*judged.max_1960(), *judged.turboquant()))
    # 0.03455 is the rounding of .0345478; one unit of the last digit less or more is told apart.
    rows = [judged.printed(8, text) for text in ("0.03454", "0.03455", "0.03456")]
    assert [(row.below, row.above) for row in rows] == [(True, False), (False, False), (False, True)]


def test_the_error_in_the_plane_of_a_product_grid_is_that_of_the_line() -> None:
    """Sixteen points of a 4 by 4 product have the error of four levels a coordinate, .1174818."""
    line = np.array([float(level) for level in read_table(str(REFERENCE / "higgs_1d_4.json")).levels])
    product = np.array([(a, b) for a in line for b in line])
    # Where points lie in columns the integrand has kinks, and the trapezoidal rule an error of order h^2.
    assert planar_distortion(product, 1801) == pytest.approx(0.11748184783, abs=1e-5)
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    assert planar_distortion(product @ turn, 1801) == pytest.approx(0.11748184783, abs=2e-7)
    assert abs(planar_distortion(product * 1.01, 901) - 0.11748184783) > 1e-5


def test_the_error_of_the_plane_grid_by_sampling() -> None:
    points = np.array(judged.read_reference(REFERENCE / "higgs_2d_16.json")["points"])
    drawn = np.random.default_rng(12).standard_normal((200_000, 2))
    squares = np.min(np.sum((drawn[:, None] - points) ** 2, axis=2), axis=1) / 2
    value = planar_distortion(points, 901)
    error = squares.std() / np.sqrt(len(squares))
    assert abs(squares.mean() - value) < 4 * error
    assert error < 0.004 * value
    assert value == pytest.approx(0.1076, abs=5e-5)


def test_every_table_says_where_it_was_read() -> None:
    for path in REFERENCE.glob("*.json"):
        found = judged.read_reference(path)
        assert len(found["source"]) > 30, path.name


@pytest.mark.deep
def test_the_page_is_what_comes_out_now() -> None:
    assert main(["--check"]) == 0
