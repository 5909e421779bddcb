"""Construction, registry, errors, and the relations between families."""

import math
import pickle
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from fmq_theory.errors import FmqError, SourceError
from fmq_theory.sources import (
    FAMILIES,
    Gaussian,
    GeneralizedGaussian,
    Laplace,
    Logistic,
    MagnitudeRange,
    StudentT,
    SymmetricSource,
    TwoSidedGamma,
    Uniform,
    make,
)
from tests.sources.laws import each_law


def test_registry():
    assert list(FAMILIES) == [
        "gaussian",
        "laplace",
        "logistic",
        "student-t",
        "generalized-gaussian",
        "gamma",
        "uniform",
    ]
    for name, family in FAMILIES.items():
        assert family.name == name
        law = make(name)
        for parameter in family.parameters:
            assert getattr(law, parameter.name) == parameter.default
            low, high = parameter.typical
            assert parameter.domain[0] < low <= parameter.default <= high < parameter.domain[1]


def test_make_passes_parameters_on():
    assert make("student-t", df=3, scale=2) == StudentT(3.0, 0.0, 2.0)
    assert make("generalized-gaussian", beta=0.7) == GeneralizedGaussian(0.7)


def test_make_names_the_choices():
    with pytest.raises(SourceError, match="gaussian, laplace, logistic, student-t"):
        make("cauchy")
    with pytest.raises(SourceError, match=r"laplace: df.*choose from loc, scale"):
        make("laplace", df=3.0)


@pytest.mark.parametrize(
    "bad",
    [math.nan, math.inf, -1.0, 0.0, "1", None, 1j, True, np.array([1.0]), 10**400],
    ids=lambda bad: f"{type(bad).__name__}-{bad!s:.5}",
)
def test_bad_parameters_are_refused(bad):
    for name, family in FAMILIES.items():
        for parameter in family.parameters:
            if parameter.name == "loc" and bad in (-1.0, 0.0):
                continue
            with pytest.raises(SourceError, match=rf"{name}: {parameter.name} = "):
                make(name, **{parameter.name: bad})


def test_numbers_of_any_kind_become_floats():
    given: list[Any] = [np.float32(3), np.int64(1), 2]
    law = StudentT(*given)
    assert [type(v) for v in (law.df, law.loc, law.scale)] == [float, float, float]
    assert law == StudentT(3.0, 1.0, 2.0)
    assert hash(law) == hash(StudentT(3.0, 1.0, 2.0))


@each_law
def test_laws_are_values(law):
    assert pickle.loads(pickle.dumps(law)) == law
    with pytest.raises(AttributeError):
        law.scale = 2.0


@pytest.mark.parametrize("df", [0.5, 1.5, 2.0])
def test_no_unit_variance_without_a_variance(df):
    with pytest.raises(SourceError) as caught:
        StudentT(df).standard_deviation_one()
    assert str(caught.value) == f"student-t: df = {df:g}: the variance is infinite for df <= 2; choose df > 2"
    assert isinstance(caught.value, FmqError)


def test_moments_that_do_not_exist():
    assert StudentT(1.0).moment(2) == math.inf
    assert StudentT(3.0).moment(4) == math.inf
    assert StudentT(3.0).moment(2) == pytest.approx(3.0)
    with pytest.raises(SourceError, match="does not exist"):
        StudentT(1.0).mean()
    with pytest.raises(SourceError, match="does not exist"):
        StudentT(3.0).moment(3)
    bad_orders: list[Any] = [-1, 1.5]
    for order in bad_orders:
        with pytest.raises(SourceError, match="order"):
            Gaussian().moment(order)


def test_odd_moments_of_a_moved_law():
    # E(X^3) = loc^3 + 3 loc var for any symmetric law.
    for law in (Gaussian(2.0, 0.5), Laplace(2.0, 0.5), Uniform(2.0, 0.5), TwoSidedGamma(0.5, 2.0, 0.5)):
        assert law.moment(3) == pytest.approx(8.0 + 6.0 * law.variance(), rel=1e-14)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (GeneralizedGaussian(1.0, 0.3, 2.0), Laplace(0.3, 2.0)),
        (TwoSidedGamma(1.0, 0.3, 2.0), Laplace(0.3, 2.0)),
        (GeneralizedGaussian(2.0, -1.0, math.sqrt(2.0)), Gaussian(-1.0, 1.0)),
    ],
    ids=str,
)
def test_families_that_meet(one, other):
    x = np.linspace(-7.3, 9.1, 41)
    edges = np.concatenate(([-np.inf], x, [np.inf]))
    for function in ("pdf", "cdf", "sf", "hazard"):
        assert_allclose(getattr(one, function)(x), getattr(other, function)(x), rtol=1e-12)
    for moment, expected in zip(
        one.partial_moments(edges[:-1], edges[1:], about=0.2),
        other.partial_moments(edges[:-1], edges[1:], about=0.2),
        strict=True,
    ):
        assert_allclose(moment, expected, rtol=1e-12, atol=1e-16)
    assert one.differential_entropy() == pytest.approx(other.differential_entropy(), rel=1e-14)
    assert one.variance() == pytest.approx(other.variance(), rel=1e-14)
    assert one.density_power_integral(0.4) == pytest.approx(other.density_power_integral(0.4), rel=1e-13)
    assert_allclose(one.escort(0.4).ppf([0.1, 0.7]), other.escort(0.4).ppf([0.1, 0.7]), rtol=1e-12)


def test_student_t_tends_to_gaussian():
    x = np.linspace(-3.0, 3.0, 13)
    assert_allclose(StudentT(9999.0).pdf(x), Gaussian().pdf(x), rtol=2e-3)
    assert not np.allclose(StudentT(30.0).pdf(x), Gaussian().pdf(x), rtol=1e-3)


def test_cauchy_in_closed_form():
    law = StudentT(1.0)
    assert law.cdf(1.0) == pytest.approx(0.75, rel=1e-15)
    assert law.differential_entropy() == pytest.approx(math.log(4.0 * math.pi), rel=1e-14)
    assert law.tail.constant == pytest.approx(1.0 / math.pi, rel=1e-14)
    moments = law.partial_moments(0.0, 3.0)
    assert moments.first == pytest.approx(math.log(10.0) / (2.0 * math.pi), rel=1e-14)
    assert moments.second == pytest.approx((3.0 - math.atan(3.0)) / math.pi, rel=1e-14)


def test_density_sup():
    law = Gaussian(1.0, 2.0)
    assert law.density_sup(-np.inf, np.inf) == law.pdf(1.0)
    assert law.density_sup(3.0, 4.0) == law.pdf(3.0)
    assert law.density_sup(-4.0, -3.0) == law.pdf(-3.0)
    assert_allclose(law.density_sup([0.0, 2.0], [2.0, np.inf]), [law.pdf(1.0), law.pdf(2.0)])
    assert TwoSidedGamma(0.5).density_sup(-1.0, 2.0) == math.inf
    assert TwoSidedGamma(0.5).density_sup(0.0, 2.0) == math.inf
    assert math.isfinite(TwoSidedGamma(0.5).density_sup(1e-9, 2.0))
    two_modes = TwoSidedGamma(3.0, 1.0, 0.5)  # modes at 0 and 2
    assert two_modes.density_sup(-9.0, 9.0) == two_modes.pdf(2.0)
    assert two_modes.density_sup(0.5, 1.5) == two_modes.pdf(1.5)
    assert two_modes.density_sup(-0.3, 1.2) == two_modes.pdf(0.0)
    assert two_modes.density_sup(2.5, 3.0) == two_modes.pdf(2.5)
    assert Uniform().density_sup(2.0, 3.0) == 0.0
    assert Uniform().density_sup(0.5, 3.0) == 0.5


def test_densities_at_the_centre():
    assert TwoSidedGamma(0.5).pdf(0.0) == math.inf
    assert TwoSidedGamma(1.5).pdf(0.0) == 0.0
    assert TwoSidedGamma(1.0).pdf(0.0) == 0.5
    assert Logistic().pdf(0.0) == 0.25


@pytest.mark.parametrize("n", [0, -3, 1.5])
def test_bad_sample_sizes(n):
    with pytest.raises(SourceError, match="sample size"):
        Gaussian().typical_range(n)


def test_typical_range_of_one_draw_is_the_median():
    low, high = Laplace(2.0, 3.0).typical_range(1)
    assert low == pytest.approx(2.0, abs=1e-14)
    assert high == pytest.approx(2.0, abs=1e-14)


def test_typical_range_is_the_median_of_simulated_ranges():
    rng = np.random.default_rng(11)
    law, n, repeats = StudentT(4.0), 200, 4000
    tops = law.sample(n * repeats, rng=rng).reshape(repeats, n).max(axis=1)
    share = float(np.mean(tops > law.typical_range(n)[1]))
    assert abs(share - 0.5) < 4.0 * 0.5 / math.sqrt(repeats)
    assert abs(float(np.mean(tops > law.typical_range(2 * n)[1])) - 0.5) > 0.1


def both_sides(law: SymmetricSource, n: int) -> tuple[MagnitudeRange, MagnitudeRange]:
    """The typical magnitudes of a law with mass on both sides of zero."""
    below, above = law.typical_magnitudes(n)
    assert below is not None
    assert above is not None
    return below, above


def test_typical_magnitudes_are_medians_of_simulated_magnitudes():
    rng = np.random.default_rng(12)
    law, n, repeats = TwoSidedGamma(0.5, 0.2, 1.0), 100, 4000
    x = law.sample(n * repeats, rng=rng).reshape(repeats, n)
    below, above = both_sides(law, n)
    band = 4.0 * 0.5 / math.sqrt(repeats)
    smallest = np.where(x > 0.0, x, np.inf).min(axis=1)
    assert abs(float(np.mean(smallest > above.smallest)) - 0.5) < band
    assert abs(float(np.mean(x.max(axis=1) > above.largest)) - 0.5) < band
    smallest = np.where(x < 0.0, -x, np.inf).min(axis=1)
    assert abs(float(np.mean(smallest > below.smallest)) - 0.5) < band
    assert abs(float(np.mean(-x.min(axis=1) > below.largest)) - 0.5) < band


def test_typical_magnitudes_away_from_zero():
    below, above = Gaussian(5.0, 0.1).typical_magnitudes(1000)
    assert below is None
    assert above is not None
    assert (above.smallest, above.largest) == pytest.approx(Gaussian(5.0, 0.1).typical_range(1000))
    below, above = Uniform(-5.0, 1.0).typical_magnitudes(1000)
    assert above is None
    assert below is not None
    assert 4.0 < below.smallest < below.largest < 6.0
    # About one draw in n lies below zero: smallest and largest coincide there.
    law = Gaussian(3.0, 1.0)
    below, _ = both_sides(law, 700)
    assert below.smallest == below.largest
    assert float(law.cdf(-below.smallest)) == pytest.approx(0.5 * float(law.cdf(0.0)))


def test_smallest_magnitude_keeps_its_digits():
    # P(0 < X < m) = m / 2 for the uniform law; cdf(0) + q has lost half of the digits.
    n = 10**12
    expected = -2.0 * math.expm1(-math.log(2.0) / n)
    for side in both_sides(Uniform(), n):
        assert side.smallest == pytest.approx(expected, rel=1e-13)


@each_law
def test_a_centre_that_is_too_far_from_zero_is_refused(law: SymmetricSource) -> None:
    width = law.scale if math.isinf(law.variance()) else max(law.scale, math.sqrt(law.variance()))
    assert law._replaced(loc=0.99e9 * width).loc > 0.0  # control
    for centre in (1.01e9 * width, -1e70):
        with pytest.raises(SourceError, match="widths from zero"):
            law._replaced(loc=centre)
