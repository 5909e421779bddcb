"""Upper bounds of the optimum at every K, the class on which C_PD / K^2 is one, and laws at its edge."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from fmq_theory.bounds import (
    optimum_upper_bound,
    panter_dite_constant,
    panter_dite_upper_bound,
    pierce_factor,
    pierce_upper_bound,
)
from fmq_theory.certify import SpikeLaw, pierce_bound, three_blocks
from fmq_theory.metrics import distortion
from fmq_theory.quantizers import LloydMax, get_scheme
from fmq_theory.sources import Source, make
from fmq_theory.sources.empirical import Empirical
from tests.bounds.laws import laws, standard_laws

STANDARD = standard_laws()
ROUNDING = 1 + 1e-9


@pytest.mark.parametrize("name", STANDARD)
def test_bounds_of_a_law_in_any_unit(name: str) -> None:
    """Powers of a small scale are no floats, and a bound of 0 was said of it."""
    law = STANDARD[name]
    parameters = {one.name: getattr(law, one.name) for one in law.parameters}
    for scale in (2.0**-130, 2.0**130):
        scaled = make(law.name, **parameters | {"scale": scale})
        for bound in (pierce_upper_bound, optimum_upper_bound):
            in_units = bound(scaled, 14).value / scale**2
            assert in_units == pytest.approx(bound(law, 14).value / law.scale**2, rel=1e-12)


def convex_on_a_grid(law: Source) -> bool:
    """Whether f^(-1/3) has no negative second difference on unequal grids, by the density alone."""
    low, high = law.ppf(1e-9), law.ppf(1.0 - 1e-9)
    for points in (np.linspace(low, high, 4001), law.ppf(np.linspace(1e-6, 1.0 - 1e-6, 4001))):
        value = law.pdf(points) ** (-1.0 / 3.0)
        if not np.isfinite(value).all():
            return False
        slopes = np.diff(value) / np.diff(points)
        if (np.diff(slopes) < -1e-7 * (1.0 + np.abs(slopes[1:]))).any():
            return False
    return True


@given(laws())
@settings(max_examples=60)
def test_the_class_is_that_of_convex_inverse_cube_roots(law):
    shape = getattr(law, "shape", getattr(law, "beta", getattr(law, "df", 3.0)))
    assume(min(abs(shape - 1.0), abs(shape - 2.0)) >= 0.02)  # at the edge second differences cannot tell
    assert convex_on_a_grid(law) == law.inverse_cube_root_convex.holds


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("student-t", {"df": 2.0}, {"df": 1.9}),
        ("generalized-gaussian", {"beta": 1.0}, {"beta": 0.95}),
        ("gamma", {"shape": 1.0}, {"shape": 0.9}),
        ("gamma", {"shape": 1.0}, {"shape": 1.1}),
    ],
)
def test_near_misses_are_outside(name, inside, outside):
    for parameters, member in ((inside, True), (outside, False)):
        law = make(name, **parameters)
        assert law.inverse_cube_root_convex.holds is member
        assert convex_on_a_grid(law) is member
        assert panter_dite_upper_bound(law, 16).is_infinite is (not member or law.variance() == math.inf)


def test_data_are_outside():
    assert not Empirical([1.0, 2.0, 4.0]).inverse_cube_root_convex.holds
    assert panter_dite_upper_bound(Empirical([1.0, 2.0, 4.0]), 2).is_infinite


@given(laws(), st.integers(1, 48))
@settings(max_examples=60)
def test_no_optimum_exceeds_its_bound(law, num_levels):
    measured = distortion(LloydMax().design(law, num_levels), law)
    assert measured <= optimum_upper_bound(law, num_levels).value * ROUNDING
    assert measured <= pierce_upper_bound(law, num_levels).value * ROUNDING


@given(laws(), st.integers(1, 64))
@settings(max_examples=60)
def test_the_compander_itself_keeps_to_the_constant_on_the_class(law, num_levels):
    bound = panter_dite_upper_bound(law, num_levels)
    compander = distortion(get_scheme("panter_dite").design(law, num_levels), law)
    assert compander <= bound.value * ROUNDING


def test_the_bound_is_near_and_attained_by_the_uniform_law_alone():
    convex = {name: law for name, law in STANDARD.items() if law.inverse_cube_root_convex.holds}
    assert {"uniform", "gaussian", "laplace", "logistic", "t3"} <= set(convex)
    for name, law in convex.items():
        share = distortion(LloydMax().design(law, 64), law) / panter_dite_upper_bound(law, 64).value
        assert (share == pytest.approx(1.0, abs=1e-12)) is (name == "uniform")
        assert share > 0.85  # a constant 18 % smaller would be exceeded


def kernel_inequality(law: Source, level: float) -> tuple[float, float]:
    """Both sides of the proof's inequality for one cell, from the ``level`` quantile on, by quadrature."""
    start = float(law.ppf(level))
    end = float(law.ppf(1.0 - 1e-12))
    share = quad(lambda x: float(law.pdf(x)) ** (1 / 3), start, end, limit=200)[0]
    moments = law.partial_moments(start, end, about=start)
    spread = float(moments.second) - float(moments.first) ** 2 / float(moments.mass)
    return spread, share**3 / 12.0


@pytest.mark.parametrize("name", ["gaussian", "laplace", "logistic", "t3", "t5", "flat", "uniform"])
def test_one_cell_of_the_class(name):
    for level in (0.01, 0.3, 0.5, 0.8, 0.99):
        spread, bound = kernel_inequality(STANDARD[name], level)
        assert spread <= bound * (1 + 1e-6)


SPIKE = SpikeLaw(Fraction(9, 10), Fraction(1, 1000))


def test_control_a_law_outside_the_class_exceeds_it():
    """A spike on a plateau: what the convexity excludes."""
    assert float(SPIKE.optimum(2).lower) > float(SPIKE.blocks().panter_dite_constant().upper) / 4


@pytest.mark.parametrize("num_levels", [1, 2, 3, 4, 8])
def test_pierce_holds_where_the_constant_does_not(num_levels):
    for law, optimum in (
        (three_blocks(), three_blocks().optimum(num_levels, buckets=12)),
        (SPIKE.blocks(), SPIKE.optimum(num_levels)),
    ):
        bound = pierce_bound(law.absolute_moment(3), 3, num_levels)
        assert optimum.upper <= bound.lower
        assert law.panter_dite_constant().upper < 108 * float(law.absolute_moment(3)) ** (2 / 3)


def test_pierce_agrees_with_its_certified_form():
    law = make("laplace")
    for num_levels in (2, 3, 40):
        best = pierce_upper_bound(law, num_levels).value
        assert best <= float(pierce_bound(6, 3, num_levels)) * ROUNDING


@pytest.mark.parametrize("num_levels", [2, 3, 7, 30])
def test_the_construction_of_pierce_by_itself(num_levels):
    """The best of many shifts is no worse than the bound, for a law by quadrature and for data exactly."""
    law = make("student-t", df=5.0)
    delta = 1.0
    norm = law.absolute_moment(2.0 + delta) ** (1.0 / (2.0 + delta))
    scale = delta * norm / 2.0
    count = num_levels - 1
    data = law.ppf((np.arange(20_000) + 0.5) / 20_000)
    errors = []
    for shift in (np.arange(50) + 0.5) / 50.0:
        right = (np.arange(count) + shift) / count
        left = (np.arange(count) + 1.0 - shift) / count
        levels = [0.0]
        for side, sign in ((right[right < 0.5], 1.0), (left[left < 0.5], -1.0)):
            levels += list(sign * scale * ((1.0 - 2.0 * side) ** (-2.0 / delta) - 1.0))
        assert len(levels) <= num_levels
        errors.append(float((np.abs(data[:, None] - np.array(levels)) ** 2).min(axis=1).mean()))
    bound = 4.0 * (1.0 + 2.0 / delta) ** (2.0 + delta) * norm**2 / (3.0 * count**2)
    assert min(errors) <= bound
    assert min(errors) > bound / 150  # of the same order in K


@given(st.integers(1, 10_000))
def test_pierce_factor_is_the_least_of_its_two(num_levels):
    factor = pierce_factor(num_levels)
    assert 1 / (3 * num_levels**2) <= factor <= 1 / num_levels**2


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=30), st.integers(1, 8))
def test_pierce_holds_for_data(values, num_levels):
    source = Empirical(np.array(values))
    optimum = distortion(LloydMax().design(source, num_levels), source)
    assert optimum <= pierce_upper_bound(source, num_levels).value * ROUNDING + 1e-25


def test_pierce_says_nothing_without_a_variance():
    assert pierce_upper_bound(make("student-t", df=1.9), 4).is_vacuous
    assert optimum_upper_bound(make("student-t", df=2.0), 4).is_vacuous
    assert not optimum_upper_bound(make("student-t", df=2.05), 4).is_vacuous


def test_an_order_of_the_bound_is_measured():
    law = make("gamma", shape=0.5)
    values = [optimum_upper_bound(law, num_levels).value for num_levels in (101, 201, 401)]
    assert np.diff(np.log2(values)) == pytest.approx([-2.0, -2.0], abs=0.02)
    assert values[0] > panter_dite_constant(law) / 101**2  # not the constant: it is not proven there
