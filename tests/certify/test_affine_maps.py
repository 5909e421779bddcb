"""The best multiple, affine map and equally spaced grid, against dense grids and by properties."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmq_theory import sources
from fmq_theory.certify import (
    Law,
    best_affine_map,
    best_multiple,
    codebook_distortion,
    law,
    optimal_codebook,
    optimal_equal_steps,
    optimal_uniform,
)
from fmq_theory.certify.affine_search import AffineSearch
from fmq_theory.errors import CertificationError
from tests.certify.conftest import CASES

GAMMA = ("gamma", {"shape": "1/2"})


def centred(num_levels: int) -> list[Fraction]:
    return [Fraction(2 * k - num_levels + 1, 2) for k in range(num_levels)]


def brute_force(name: str, shape: dict[str, str], num_levels: int) -> tuple[float, float, float]:
    """Least D on a dense grid of (step, offset) by the float room's partial moments, the step, the offset."""
    source = sources.make(name, **{key: float(Fraction(value)) for key, value in shape.items()})
    deviation = float(np.sqrt(source.variance()))
    best = (np.inf, 0.0, 0.0)
    for step in deviation * np.geomspace(1.2 / num_levels, 8 / num_levels, 110):
        offsets = step * np.linspace(0, (num_levels - 1) / 2, 24 * (num_levels - 1) + 1)
        levels = offsets[:, None] + step * (np.arange(num_levels) - (num_levels - 1) / 2)
        middles = (levels[:, 1:] + levels[:, :-1]) / 2
        wall = np.full((len(offsets), 1), np.inf)
        edges = np.concatenate([-wall, middles, wall], axis=1)
        part = source.partial_moments(edges[:, :-1], edges[:, 1:])
        values = source.variance() + np.sum(levels * (levels * part.mass - 2 * part.first), axis=1)
        index = int(np.argmin(values))
        if values[index] < best[0]:
            best = (float(values[index]), float(step), float(offsets[index]))
    return best


@pytest.mark.parametrize(
    ("num_levels", "unit_variance", "natural", "centred_value"),
    [(2, 0.5989735579, 0.44923, 0.5), (4, 0.2329809235, 0.1747357, 0.2399852)],
)
def test_the_grid_of_the_gamma_law_is_off_centre(
    num_levels: int, unit_variance: float, natural: float, centred_value: float
) -> None:
    """The fault: only grids centred on 0 were searched, and called the global minimizer."""
    best = optimal_equal_steps(law(*GAMMA), num_levels)
    assert best.verdict == "CERTIFIED"
    assert float(best.distortion) == pytest.approx(natural, rel=2e-6)
    assert float(best.distortion) / 0.75 == pytest.approx(unit_variance, rel=1e-9)
    assert best.offset.lower > 0.1
    old = optimal_uniform(law(*GAMMA), num_levels).distortion
    assert float(old) == pytest.approx(centred_value, rel=1e-6)
    assert best.distortion.less_than(old) is True


@pytest.mark.parametrize("num_levels", [4, 8, 16])
def test_log_concavity_does_not_centre_the_grid(num_levels: int) -> None:
    laplace = law("laplace")
    best, old = optimal_equal_steps(laplace, num_levels), optimal_uniform(laplace, num_levels)
    assert best.verdict == "CERTIFIED"
    assert best.offset.lower > 0
    assert best.distortion.less_than(old.distortion) is True
    # It is so for no other named log-concave law: there the two searches must give the same number.
    for name in ("gaussian", "logistic", "uniform"):
        grid, old = optimal_equal_steps(law(name), num_levels), optimal_uniform(law(name), num_levels)
        assert grid.verdict == "CERTIFIED"
        assert (grid.offset.lower, grid.offset.upper) == (0, 0)
        assert grid.distortion.overlaps(old.distortion)
        assert grid.step.overlaps(old.step)


@pytest.mark.deep
@pytest.mark.parametrize("case", [CASES[1], CASES[4], GAMMA], ids=lambda case: case[0])
@pytest.mark.parametrize("num_levels", [3, 4, 7])
def test_brute_force_over_step_and_offset(case: tuple[str, dict[str, str]], num_levels: int) -> None:
    value, step, offset = brute_force(*case, num_levels)
    best = optimal_equal_steps(law(*case), num_levels, digits=12)
    assert best.verdict == "CERTIFIED"
    assert best.distortion.lower_float <= value * (1 + 1e-12)
    # The dense grid comes near: an optimum 0.2 % lower than the true one would be noticed.
    assert value == pytest.approx(float(best.distortion), rel=2e-3)
    assert step == pytest.approx(float(best.step), rel=0.05)
    assert offset == pytest.approx(float(best.offset), abs=0.07 * step)


@settings(max_examples=8, deadline=None)
@given(
    case=st.sampled_from(CASES),
    num_levels=st.integers(3, 6),
    step=st.fractions("1/20", 4, max_denominator=40),
    offset=st.fractions(-2, 2, max_denominator=40),
)
def test_no_drawn_grid_beats_the_certified_one(
    case: tuple[str, dict[str, str]], num_levels: int, step: Fraction, offset: Fraction
) -> None:
    some = law(*case)
    drawn = codebook_distortion(some, [offset + step * place for place in centred(num_levels)], digits=15)
    assert drawn.less_than(optimal_equal_steps(some, num_levels, digits=15).optimum) is not True


@settings(max_examples=8, deadline=None)
@given(
    case=st.sampled_from(CASES),
    table=st.lists(st.integers(-12, 12), min_size=2, max_size=7, unique=True).map(sorted),
    scale=st.fractions("1/20", 3, max_denominator=40),
    shift=st.fractions(-2, 2, max_denominator=20),
)
def test_no_drawn_map_of_a_drawn_table_beats_the_certified_one(
    case: tuple[str, dict[str, str]], table: list[int], scale: Fraction, shift: Fraction
) -> None:
    some = law(*case)
    for least, moved in (
        (best_multiple(some, table, digits=12), [scale * level for level in table]),
        (best_affine_map(some, table, digits=12), [scale * level + shift for level in table]),
    ):
        drawn = codebook_distortion(some, moved, digits=12)
        assert drawn.less_than(least.optimum) is not True
        at = [least.scale.midpoint * level + least.shift.midpoint for level in table]
        assert float(codebook_distortion(some, at, digits=12)) == pytest.approx(
            float(least.distortion), rel=1e-9
        )


@settings(max_examples=40, deadline=None)
@given(
    case=st.sampled_from(CASES),
    num_levels=st.integers(2, 6),
    corner=st.tuples(st.integers(1, 40), st.integers(-24, 24)),
    sides=st.tuples(st.integers(1, 16), st.integers(1, 16)),
    inside=st.tuples(st.integers(0, 8), st.integers(0, 8)),
)
def test_the_bound_of_a_box_holds_inside(
    case: tuple[str, dict[str, str]],
    num_levels: int,
    corner: tuple[int, int],
    sides: tuple[int, int],
    inside: tuple[int, int],
) -> None:
    """F at a drawn point, exactly, is not below the bound from the corners; and the corners are needed."""
    some = law(*case)
    places = centred(num_levels)
    search = AffineSearch(some, places, shifts=True, nodes=200)
    error = 0.3 * search.variance_low
    low, left = Fraction(corner[0], 8), Fraction(corner[1], 8)
    high, right = low + Fraction(sides[0], 8), left + Fraction(sides[1], 8)
    box = np.array([[float(low), float(high), float(left), float(right)]])
    corners = [
        float(search.value_below(np.array([a]), np.array([b]), error)[0])
        for a in (float(low), float(high))
        for b in (float(left), float(right))
    ]
    wide, tall = search._gaps_of(box, error)
    sigma, shift = low + (high - low) * Fraction(inside[0], 8), left + (right - left) * Fraction(inside[1], 8)
    levels = [(place + shift) / sigma for place in places]
    exactly = codebook_distortion(some, levels, digits=20).upper * sigma**2 - Fraction(error) * sigma**2
    assert min(corners) - float(wide[0] + tall[0]) <= float(exactly) + 1e-12


def test_a_bound_without_its_widths_would_be_wrong() -> None:
    """The near control of the test above: on some box F dips below its corners."""
    search = AffineSearch(law("gaussian"), centred(4), shifts=True, nodes=2000)
    error = 0.1188460504
    corners = search.value_below(np.array([0.9, 0.9, 1.1, 1.1]), np.array([-0.2, 0.2, -0.2, 0.2]), error)
    middle = search.value_below(np.array([1.00433]), np.array([0.0]), error)
    assert corners.min() > 1e-3 > middle[0]


def test_a_candidate_that_is_not_the_best_is_not_accepted() -> None:
    """At 1.001 times the least error boxes stay alive, at 0.999 times it none does: that is a proof."""
    gamma = law(*GAMMA)
    search = AffineSearch(gamma, centred(4), shifts=True, nodes=2000)
    best = optimal_equal_steps(gamma, 4, digits=12)
    sigma, error = float(1 / best.step.midpoint), float(best.distortion)
    assert search.run(error * 0.999, sigma, effort=400_000).hull is None
    above = search.run(error * 1.001, sigma, effort=400_000)
    assert above.hull is not None
    assert above.better is not None
    # The centred grid, as the fault had it: the search finds a better one.
    wrong = search.run(float(optimal_uniform(gamma, 4).distortion.upper), sigma, effort=400_000)
    assert wrong.better is not None


def test_a_table_that_is_an_optimum_needs_no_scale() -> None:
    for name, parameters in (("gaussian", {}), ("student-t", {"df": "3"})):
        some = law(name, parameters)
        book = optimal_codebook(some, 3, digits=20).codebook
        levels: Sequence[Fraction] = [level.midpoint for level in book.levels]
        for found in (best_multiple(some, levels), best_affine_map(some, levels)):
            assert found.verdict == "CERTIFIED"
            assert abs(found.scale.midpoint - 1) < Fraction(1, 10**15)
            assert abs(found.shift.midpoint) < Fraction(1, 10**15)


def test_units_and_mirror_images() -> None:
    table = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]
    laplace = law("laplace")
    one, small = (
        best_affine_map(laplace, table),
        best_affine_map(laplace, [Fraction(v, 10**9) for v in table]),
    )
    mirrored = best_affine_map(laplace, [-v for v in reversed(table)])
    assert one.verdict == small.verdict == mirrored.verdict == "CERTIFIED"
    assert small.scale.overlaps(one.scale * 10**9)
    assert mirrored.shift.overlaps(-one.shift)
    assert one.distortion.overlaps(mirrored.distortion)
    # A table is symmetric about its own middle, wherever that is.
    gamma = law(*GAMMA)
    here, there = best_affine_map(gamma, [-3, -1, 1, 3]), best_affine_map(gamma, [10, 12, 14, 16])
    assert here.verdict == there.verdict == "CERTIFIED"
    assert there.shift.overlaps(here.shift - here.scale * 13)


def test_where_the_search_does_not_succeed_it_says_so_and_encloses() -> None:
    """With too little effort, and where the law's variance is that of its tail (no bound on the shift)."""
    search = best_affine_map(law("laplace"), [-3, -1, 1, 3], effort=100)
    assert search.verdict == "INCONCLUSIVE"
    assert "not certified" in search.proof
    full = best_affine_map(law("laplace"), [-3, -1, 1, 3])
    assert search.optimum.lower <= full.distortion.lower
    assert full.distortion.lower <= search.optimum.upper
    heavy = optimal_equal_steps(law("student-t", {"df": "41/20"}), 4, digits=12)
    assert heavy.verdict == "INCONCLUSIVE"
    assert heavy.optimum.lower < heavy.distortion.lower


def test_bad_input(some_law: Law) -> None:
    with pytest.raises(CertificationError, match="K >= 2"):
        optimal_equal_steps(some_law, 1)
    with pytest.raises(CertificationError, match="do not increase"):
        best_multiple(some_law, [1, 0])
    with pytest.raises(CertificationError, match="fewer than two"):
        best_affine_map(some_law, [1])
