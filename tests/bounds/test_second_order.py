"""The second order of the optimum and of equal mass: by recursion, by certified optima, by measured rates."""

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fmq_theory.bounds import (
    end_shift,
    equal_mass_distortion,
    equal_mass_exponential_tail,
    equal_mass_high_rate,
    equal_mass_regular_tail,
    equal_mass_second_order,
    exponential_half_widths,
    hazard_place,
    level_shift,
    limiting_level_shift,
    optimum_second_order,
    panter_dite_constant,
    panter_dite_high_rate,
)
from fmq_theory.bounds.equal_mass_sums import S_INFINITY
from fmq_theory.certify import law as certified_law
from fmq_theory.certify import stationary_codebook
from fmq_theory.errors import SourceError
from fmq_theory.metrics import distortion
from fmq_theory.quantizers import LloydMax
from fmq_theory.sources import make
from fmq_theory.sources.empirical import Empirical
from tests.bounds.laws import laws, standard_laws

STANDARD = standard_laws()


def optimum(law, num_levels):
    return distortion(LloydMax().design(law, num_levels), law)


# --- the recursion ------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_levels", [2, 4, 8, 32])
def test_half_widths_give_the_laplace_optimum_exactly(num_levels):
    """Against the certified optimum, which knows no recursion."""
    certified = float(stationary_codebook(certified_law("laplace"), num_levels).distortion)
    widths = exponential_half_widths(num_levels // 2)
    assert widths[-1] ** 2 == pytest.approx(certified, rel=1e-12)
    if num_levels > 2:
        assert widths[-2] ** 2 > 1.1 * certified  # control: one cell less


def test_the_exponential_end_by_two_recursions():
    """kappa(1) from the closed recursion in w, and the number that the general one gives."""
    widths = exponential_half_widths(4000)
    by_widths = [1.5 / widths[n - 1] - n for n in (1000, 2000, 4000)]
    steps = np.diff(by_widths)
    assert steps[0] / steps[1] == pytest.approx(2.0, abs=0.02)  # the rest falls like 1/n
    limit = 2 * by_widths[2] - by_widths[1]
    assert end_shift(1.0) == pytest.approx(limit, abs=3e-5)
    assert abs(end_shift(1.01) - limit) > 1e-3  # a near exponent is told apart


def test_the_rest_of_the_recursion_is_positive_and_of_second_order():
    """(3/2)(1/a' - 1/a) - 1 lies in (0, (2/45) a^2]: kappa is a limit from below, by Wilker's inequality."""
    widths = np.array(exponential_half_widths(200))
    rest = 1.5 * (1 / widths[1:] - 1 / widths[:-1]) - 1
    assert (rest > 0).all()
    assert (rest <= 2 / 45 * widths[:-1] ** 2 * (1 + 1e-6)).all()


@pytest.mark.parametrize("exponent", [0.3, 1.0, 2.5])
def test_an_end_in_high_precision(exponent):
    """The first two cells by mpmath, with closed moments."""
    q = mp.mpf(exponent) + (mp.mpf(10) ** -12 if exponent == 1.0 else 0)
    with mp.workdps(40):
        distance = lambda z: (z ** (1 - q) - 1) / (1 - q)  # noqa: E731
        half = 1 / (q + 2)
        # mpf: quad is typed as if it could return a pair here
        moment = lambda f, z: mp.mpf(mp.quad(lambda y: f(y) * y ** (2 * q), [1, z]))  # noqa: E731
        mean = lambda z: moment(distance, z) / moment(lambda y: 1, z)  # noqa: E731
        stop = mp.findroot(lambda z: mean(z) - half, 1 + 2 * half)
        second = 1 / (2 * (distance(stop) - half) * stop ** (q - 1)) - 2
    assert float(1 / (2 * half) - 1) == pytest.approx(exponent / 2)
    assert exponent / 2 < float(second) < end_shift(exponent)


def test_a_jump_is_worth_nothing_and_heavier_ends_are_worth_more():
    values = [end_shift(q) for q in (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)]
    assert values[0] == pytest.approx(0.0, abs=1e-9)
    assert values == sorted(values)


@pytest.mark.parametrize("exponent", [-0.5, -1.0, math.inf, math.nan])
def test_what_is_no_end(exponent):
    with pytest.raises(SourceError, match="above -1/2"):
        end_shift(exponent)


# --- the optimum --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gaussian", "laplace", "logistic", "t3", "t5", "flat", "stretched"])
@pytest.mark.parametrize(("num_levels", "within"), [(8, 0.07), (16, 0.03), (64, 0.004), (256, 0.0004)])
def test_second_order_is_near_and_nearer_than_the_first(name, num_levels, within):
    law = STANDARD[name]
    exact = optimum(law, num_levels)
    error = optimum_second_order(law, num_levels).value / exact - 1
    first = panter_dite_high_rate(law, num_levels).value / exact - 1
    assert abs(error) < within
    assert abs(error) < first / 5
    # a shift of one level more would be seen
    assert 2 / (num_levels + level_shift(law, num_levels)) > 4 * abs(error) or name == "t3"


@given(laws(), st.integers(8, 40))
@settings(max_examples=40)
def test_the_second_order_never_loses_on_drawn_laws(law, num_levels):
    assume(math.isfinite(panter_dite_constant(law)) and getattr(law, "df", 4.0) >= 2.6)
    exact = optimum(law, num_levels)
    second = abs(math.log(optimum_second_order(law, num_levels).value / exact))
    first = abs(math.log(panter_dite_high_rate(law, num_levels).value / exact))
    assert second <= first + 1e-9


@pytest.mark.parametrize(
    ("name", "digits"), [("laplace", 4e-3), ("logistic", 4e-3), ("t5", 0.03), ("t3", 0.08)]
)
def test_the_limit_of_the_second_order(name, digits):
    """K_eff - K at growing K, extrapolated by its own 1/K term, against the sum of kappa over the ends."""
    law = STANDARD[name]
    shifts = [math.sqrt(panter_dite_constant(law) / optimum(law, k)) - k for k in (64, 128)]
    assert 2 * shifts[1] - shifts[0] == pytest.approx(limiting_level_shift(law), abs=digits)


def test_the_gaussian_comes_to_the_same_limit_slowly():
    """As 1/ln K: what remains falls with K, and is told by the local exponent."""
    law = STANDARD["gaussian"]
    limit = limiting_level_shift(law)
    assert limit == pytest.approx(limiting_level_shift(STANDARD["laplace"]))
    rest = [limit - level_shift(law, k) for k in (2**4, 2**8, 2**16, 2**32)]
    assert rest == sorted(rest, reverse=True)
    assert rest[0] / rest[3] == pytest.approx(8, rel=0.5)  # ln K grows eightfold


def test_a_pole_at_the_centre_counts():
    law = STANDARD["pole"]
    measured = np.mean([math.sqrt(panter_dite_constant(law) / optimum(law, k)) - k for k in (128, 129)])
    assert measured == pytest.approx(level_shift(law, 128), abs=0.01)
    assert abs(measured - 2 * end_shift(1.0)) > 0.15  # without the pole


def test_uniform_is_exact_at_every_order():
    assert optimum_second_order(make("uniform"), 7).value == pytest.approx(1 / 147, rel=1e-9)


def test_where_there_is_no_second_order():
    assert optimum_second_order(make("student-t", df=2), 8).is_infinite
    assert optimum_second_order(make("gaussian", scale=3.0), 1).value == pytest.approx(9.0)
    data = Empirical(np.arange(50.0))
    assert optimum_second_order(data, 4) == panter_dite_high_rate(data, 4)
    with pytest.raises(SourceError, match="no first"):
        limiting_level_shift(data)


# --- equal mass ---------------------------------------------------------------------------------------


def test_the_place_of_the_hazard_by_mpmath():
    with mp.workdps(20):
        total = mp.mpf(-2)
        for j in range(1, 200):
            mean, square, cube = (
                mp.mpf(mp.quad(lambda w, p=p: mp.log(w) ** p, [j, j + 1])) for p in (1, 2, 3)
            )
            variance = square - mean**2
            third = cube - 3 * mean * square + 2 * mean**3
            total += variance * (mean + third / (2 * variance))
        total += (mp.log(200) + 1) / (12 * 200)
        assert hazard_place() == pytest.approx(float(mp.exp(total / S_INFINITY)), rel=1e-5)


@pytest.mark.parametrize("name", ["logistic", "t3", "t5", "stretched", "pole", "two-humped"])
def test_the_hazard_at_its_place_is_nearer(name):
    law = STANDARD[name]
    for num_levels in (16, 256, 4096):
        exact = equal_mass_distortion(law, num_levels)
        error = abs(math.log(equal_mass_second_order(law, num_levels).value / exact))
        regular = law.tail.kind == "regular"
        first = equal_mass_regular_tail if regular else equal_mass_exponential_tail
        assert error < 0.1
        if not regular or num_levels <= 256:
            assert error < abs(math.log(first(law, num_levels).value / exact)) or error < 0.02


def test_the_review_s_two_laws_at_four_bits():
    """Before: 1.57 times too high (Gaussian, hazard at 1/K) and 5.6 times too low (t30, T5d)."""
    gaussian, t30 = make("gaussian"), make("student-t", df=30.0)
    exact = [equal_mass_distortion(law, 16) for law in (gaussian, t30)]
    assert equal_mass_exponential_tail(gaussian, 16).value / exact[0] == pytest.approx(1.57, abs=0.005)
    assert exact[1] / equal_mass_regular_tail(t30, 16).value == pytest.approx(5.6, abs=0.06)
    for law, value in zip((gaussian, t30), exact, strict=True):
        assert 0.86 < equal_mass_second_order(law, 16).value / value < 1.0
    assert equal_mass_high_rate(t30, 16) == equal_mass_second_order(t30, 16)


def test_the_gaussian_error_is_of_second_order_in_one_over_ln_k():
    law = make("gaussian")
    error = {
        k: [
            equal_mass_second_order(law, k).value / equal_mass_distortion(law, k) - 1,
            equal_mass_exponential_tail(law, k).value / equal_mass_distortion(law, k) - 1,
        ]
        for k in (2**8, 2**16)
    }
    second, first = (math.log2(error[2**8][i] / error[2**16][i]) for i in (0, 1))
    assert second > 1.7  # ln K doubles: a quarter of the error is left
    assert first < 1.0


def test_the_limits_are_those_of_the_laws_before():
    t3 = STANDARD["t3"]
    assert equal_mass_second_order(t3, 2**20).value == pytest.approx(
        equal_mass_regular_tail(t3, 2**20).value, rel=1e-3
    )
    with pytest.raises(SourceError, match="bounded"):
        equal_mass_second_order(make("uniform"), 4)
    assert equal_mass_second_order(make("student-t", df=1.5), 4).is_infinite
