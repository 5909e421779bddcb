"""Equal-mass and uniform quantizers."""

from fractions import Fraction
from itertools import pairwise

import mpmath as mp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmq_theory.certify import (
    Law,
    codebook_distortion,
    equal_mass_distortion,
    equal_mass_levels,
    exponential_partial_sum,
    law,
    optimal_codebook,
    optimal_uniform,
    tail_cell_bound,
    uniform_distortion,
)
from fmq_theory.certify.uniform import _Profile
from fmq_theory.errors import CertificationError
from tests.certify.conftest import CASES, holds

# theory.md section 9, unit variance: (optimal uniform, step, equal mass).
TABLE = {
    "gaussian": {
        2: (".363380", "1.59577", ".363380"),
        4: (".118846", ".995687", ".139441"),
        8: (".0374397", ".586019", ".0549657"),
        16: (".0115429", ".335201", ".0222249"),
    },
    "laplace": {
        2: (".5", None, ".5"),
        4: (".196302", None, ".259773"),
        8: (".0717478", None, ".132444"),
        16: (".0253510", None, ".0668698"),
    },
}


@pytest.mark.parametrize("name", TABLE)
def test_the_table_of_theory(name: str) -> None:
    variance = 2 if name == "laplace" else 1
    for num_levels, (uniform, step, equal) in TABLE[name].items():
        best = optimal_uniform(law(name), num_levels)
        mass = equal_mass_distortion(law(name), num_levels)
        for value, text in (
            (best.distortion / variance, uniform),
            (mass / variance, equal),
            (best.step, step),
        ):
            if text is not None:
                assert abs(value.midpoint - Fraction(text)) <= Fraction(1, 10 ** len(text.partition(".")[2]))


@pytest.mark.parametrize("num_levels", [2, 8, 64, 256])
def test_the_laplace_identity_t5a(num_levels: int) -> None:
    left = equal_mass_distortion(law("laplace"), num_levels)
    right = exponential_partial_sum(num_levels // 2) * 2 / num_levels
    assert left.overlaps(right)
    assert left.radius < Fraction(1, 10**30)
    # Negative control: one cell more.
    assert not left.overlaps(exponential_partial_sum(num_levels // 2 + 1) * 2 / num_levels)


def test_equal_mass_levels_give_the_equal_mass_distortion(some_law: Law) -> None:
    levels = equal_mass_levels(some_law, 8, digits=20)
    assert all(a.less_than(b) is True for a, b in pairwise(levels))
    direct = some_law.variance()
    squares = sum((level * level for level in levels[1:]), levels[0] * levels[0])
    assert float(direct) - float(squares) / 8 == pytest.approx(
        float(equal_mass_distortion(some_law, 8)), rel=1e-13
    )


@pytest.mark.parametrize("num_levels", [2, 3, 8, 32])
def test_the_order_of_the_schemes(some_law: Law, num_levels: int) -> None:
    equal = equal_mass_distortion(some_law, num_levels)
    floor = tail_cell_bound(some_law, num_levels)
    assert equal.less_than(floor) is not True  # theory T5f
    if num_levels <= 8:
        uniform = optimal_uniform(some_law, num_levels, digits=15)
        if some_law.uniqueness is not None:
            best = optimal_codebook(some_law, num_levels).optimum
            assert equal.less_than(best) is not True
            assert uniform.distortion.less_than(best) is not True


def test_equal_mass_on_unbounded_support_is_not_of_order_two() -> None:
    # K^2 D_EM grows without bound (theory T4, T5f); for the bounded uniform law it is constant.
    for name, parameters in CASES[:6]:
        source = law(name, parameters)
        scaled = [equal_mass_distortion(source, 2**b, digits=12) * 4**b for b in (2, 4, 6)]
        assert all((a * 2).less_than(b) is True for a, b in pairwise(scaled))
    flat = [equal_mass_distortion(law("uniform"), 2**b) * 4**b for b in (2, 4, 6)]
    assert all(value.contains("1/3") for value in flat)


@settings(max_examples=40, deadline=None)
@given(
    case=st.sampled_from(CASES),
    num_levels=st.integers(2, 9),
    step=st.fractions("1/50", 3, max_denominator=50),
)
def test_no_drawn_step_beats_the_certified_one(
    case: tuple[str, dict[str, str]], num_levels: int, step: Fraction
) -> None:
    source = law(*case)
    drawn = uniform_distortion(source, num_levels, step, digits=15)
    levels = [(Fraction(k) - Fraction(num_levels - 1, 2)) * step for k in range(num_levels)]
    assert drawn.overlaps(codebook_distortion(source, levels, digits=15))
    assert drawn.less_than(optimal_uniform(source, num_levels, digits=15).distortion) is not True


def test_the_step_is_stationary_and_its_neighbours_are_worse(some_law: Law) -> None:
    best = optimal_uniform(some_law, 5)
    assert best.step.radius < Fraction(1, 10**25)
    for factor in (Fraction(999, 1000), Fraction(1001, 1000)):
        worse = uniform_distortion(some_law, 5, best.step.midpoint * factor)
        assert best.distortion.less_than(worse) is True


@settings(max_examples=30, deadline=None)
@given(
    case=st.sampled_from(CASES),
    num_levels=st.integers(2, 9),
    left=st.integers(4, 64),
    width=st.integers(1, 8),
    share=st.integers(0, 8),
)
def test_the_lower_bound_of_the_branch_and_bound_holds(
    case: tuple[str, dict[str, str]], num_levels: int, left: int, width: int, share: int
) -> None:
    from flint import arb

    profile = _Profile(law(*case), num_levels)
    low, high = arb(left) / 16, arb(left + width) / 16
    inside = low + (high - low) * share / 8
    value = profile.distortion(inside)
    assert not profile.lower_bound(low, high) > value
    assert not profile.far_bound(low) > value
    below, above = profile.slope_bounds(low, high)
    assert not below > profile.slope(inside)
    assert not above < profile.slope(inside)


@pytest.mark.deep
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join((case[0], *case[1].values())))
def test_all_families_up_to_six_bits(case: tuple[str, dict[str, str]]) -> None:
    source = law(*case)
    for bits in range(1, 7):
        assert optimal_uniform(source, 2**bits).distortion.radius < Fraction(1, 10**28)
        assert equal_mass_distortion(source, 2**bits).radius < Fraction(1, 10**28)


def test_the_gaussian_equal_mass_value_by_quadrature() -> None:
    with mp.workdps(30):
        cut = mp.sqrt(2) * mp.erfinv(mp.mpf(1) / 2)
        inner, outer = (mp.npdf(0) - mp.npdf(cut)) * 4, mp.npdf(cut) * 4
        assert holds(equal_mass_distortion(law("gaussian"), 4), 1 - (inner**2 + outer**2) / 2, "1e-28")


def test_bad_input() -> None:
    gaussian = law("gaussian")
    with pytest.raises(CertificationError, match="at least 1"):
        equal_mass_distortion(gaussian, 0)
    with pytest.raises(CertificationError, match="K >= 2"):
        optimal_uniform(gaussian, 1)
    with pytest.raises(CertificationError, match="K >= 2"):
        tail_cell_bound(gaussian, 1)
    with pytest.raises(CertificationError, match="positive"):
        uniform_distortion(gaussian, 4, Fraction(0))
