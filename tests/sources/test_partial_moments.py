"""Partial moments keep their relative accuracy in every cell."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from fmq_theory.errors import SourceError
from fmq_theory.sources import (
    Gaussian,
    GeneralizedGaussian,
    Laplace,
    Logistic,
    StudentT,
    TwoSidedGamma,
    Uniform,
)
from tests.sources.high_precision import cell_moments, half_density, half_moment, worst_errors
from tests.sources.laws import LAWS, each_law

TOLERANCE = 1e-13


def compander_cells(law, num_levels: int, alpha: float = 1.0 / 3.0):
    """Edges and levels of the compander of point density f**alpha."""
    escort = law.escort(alpha)
    edges = np.concatenate(([-np.inf], escort.ppf(np.arange(1, num_levels) / num_levels), [np.inf]))
    return edges, escort.ppf((np.arange(num_levels) + 0.5) / num_levels)


@pytest.mark.parametrize(
    "law",
    [
        Gaussian(),
        Gaussian(1.7, 0.3),
        Laplace(),
        Logistic(),
        StudentT(2.01),
        StudentT(3.0, -1.0, 2.0),
        StudentT(200.0),
        GeneralizedGaussian(0.5),
        GeneralizedGaussian(1.5),
        GeneralizedGaussian(4.0),
        TwoSidedGamma(0.3),
        TwoSidedGamma(1.7, 1.0, 0.5),
        Uniform(),
    ],
    ids=str,
)
def test_narrow_cells_of_a_compander(law):
    alpha = 0.4 if isinstance(law, StudentT) and law.df < 2.5 else 1.0 / 3.0
    edges, levels = compander_cells(law, 256, alpha)
    chosen = np.concatenate(([0, 1, 126, 127, 128, 129, 254, 255], np.arange(2, 126, 12)))
    worst, where = worst_errors(law, edges[chosen], edges[chosen + 1], levels[chosen])
    assert worst.max() < TOLERANCE, where


@pytest.mark.parametrize("law", [law for law in LAWS if not isinstance(law, Uniform)], ids=str)
def test_cells_of_all_shapes(law):
    """Cells from 1e-14 of the mass out, from 1e-6 to thirty times their distance from the centre wide."""
    rng = np.random.default_rng(20)
    count = 12 if isinstance(law, StudentT) else 40
    offset = (law.isf(10.0 ** -rng.uniform(0.01, 14.0, count)) - law.loc) * rng.choice([-1.0, 1.0], count)
    a = law.loc + offset
    b = a + np.abs(offset) * 10.0 ** rng.uniform(-6.0, 1.5, count)
    about = a + (b - a) * rng.uniform(0.0, 1.0, count)
    worst, where = worst_errors(law, a, b, about)
    assert worst.max() < TOLERANCE, where


@pytest.mark.parametrize("law", [Gaussian(), Laplace(), GeneralizedGaussian(1.5), StudentT(30.0)], ids=str)
def test_outermost_cells(law):
    """The excess over a far edge is small next to the edge: the shifted closed form would lose digits."""
    a = law.isf(np.array([1e-3, 1e-6, 1e-12]))
    about = a + 0.2
    worst, where = worst_errors(law, a, np.full(3, np.inf), about)
    assert worst.max() < TOLERANCE, where


def test_the_shifted_closed_form_would_fail():
    """Control: c**2 mass - 2 c first + second loses digits that the method keeps."""
    law, a, b = Gaussian(), np.array([3.0]), np.array([3.001])
    c = 3.0005
    plain = law.partial_moments(a, b)
    shifted = plain.second - 2.0 * c * plain.first + c * c * plain.mass
    _, _, exact = cell_moments(law, 3.0, 3.001, c)
    kept = float(law.partial_moments(a, b, about=c).second[0])
    assert abs(kept / float(exact) - 1.0) < TOLERANCE
    assert abs(float(shifted[0]) / float(exact) - 1.0) > 1e-11


def test_the_reference_notices_a_wrong_moment():
    """Control: an error of one part in 1e12 is seen."""
    edges, levels = compander_cells(Gaussian(), 16)

    class Off:
        loc, scale = 0.0, 1.0

        def partial_moments(self, a, b, *, about):
            exact = Gaussian().partial_moments(a, b, about=about)
            return exact._replace(second=exact.second * (1.0 + 1e-12))

    off = Off()
    got = off.partial_moments(edges[3:5], edges[4:6], about=levels[3:5])
    exact = cell_moments(Gaussian(), float(edges[3]), float(edges[4]), float(levels[3]))
    assert abs(float(got.second[0] / exact[2]) - 1.0) > TOLERANCE


@pytest.mark.parametrize("law", [law._replaced(loc=0.0, scale=1.0) for law in LAWS], ids=str)
@pytest.mark.parametrize("power", [0, 1, 2])
def test_reference_antiderivatives_against_quadrature(law, power):
    """The reference is itself checked: mpmath integrates its density."""
    import mpmath

    if isinstance(law, Uniform):
        a, b = 0.2, 0.7
    else:
        a, b = 0.4, 1.9
    with mpmath.workdps(20):
        by_parts = half_moment(law, power, b) - half_moment(law, power, a)
        direct = mpmath.quad(lambda x: x**power * half_density(law, x), [a, b])
        assert abs(by_parts / direct - 1) < 1e-15


@each_law
def test_whole_line(law):
    if isinstance(law, StudentT) and law.df <= 1.0:
        with pytest.raises(SourceError, match="does not exist"):
            law.partial_moments(-np.inf, np.inf)
        return
    mass, first, second = law.partial_moments(-np.inf, np.inf)
    assert_allclose(mass, 1.0, rtol=1e-15)
    assert_allclose(first, law.mean(), rtol=1e-14, atol=1e-15)
    assert_allclose(second, law.moment(2), rtol=1e-13)


@pytest.mark.parametrize("centre", [0.0, 1e3, -1e6, 9e8])
@each_law
def test_the_whole_line_has_mass_one_wherever_the_centre_is(law, centre):
    """The ends of a bounded support are rounded as floats near the centre are: what is cut there is lost."""
    law = law._replaced(loc=centre * law.scale)
    low = -np.inf if law.tail.index > 1.0 else law.loc - 1e18 * law.scale
    mass, _, second = law.partial_moments([low, low], [np.inf, law.loc], about=law.loc)
    assert_allclose(mass, [1.0, 0.5], rtol=1e-6 if np.isfinite(low) else 1e-15)
    if law.tail.index > 2.0:
        assert_allclose(second, [law.variance(), law.variance() / 2.0], rtol=1e-13)


@pytest.mark.parametrize("df", [0.6, 1.0, 1.5, 2.0])
def test_infinite_moments(df):
    law = StudentT(df, 0.5, 2.0)
    upper = law.partial_moments(1.0, np.inf, about=2.0)
    lower = law.partial_moments(-np.inf, -1.0, about=-2.0)
    across = law.partial_moments(-1.0, np.inf, about=2.0)
    assert upper.second == lower.second == across.second == math.inf
    assert (upper.first == math.inf) == (df <= 1.0)
    assert (lower.first == -math.inf) == (df <= 1.0)
    assert law.moment(2) == law.variance() == math.inf
    bounded = law.partial_moments(-1.0, 1e6)
    assert np.isfinite(bounded).all()


@each_law
def test_empty_cells_and_broadcasting(law):
    a = np.array([[-np.inf], [law.loc - law.scale / 3], [law.loc], [np.inf]])
    moments = law.partial_moments(a, a, about=np.array([0.0, 1.0]))
    for moment in moments:
        assert moment.shape == (4, 2)
        assert (moment == 0.0).all()
    assert law.partial_moments(0.0, 1.0).mass.shape == ()
    assert law.partial_moments(np.zeros((0, 3)), 1.0).mass.shape == (0, 3)


def test_cells_outside_a_bounded_support_are_empty():
    moments = Uniform(1.0, 0.5).partial_moments([-9.0, 1.5, 2.0], [0.5, 1.7, np.inf], about=0.3)
    assert all((moment == 0.0).all() for moment in moments)


@pytest.mark.parametrize(("a", "b", "about"), [(1.0, 0.0, 0.0), (math.nan, 1.0, 0.0), (0.0, 1.0, math.inf)])
def test_bad_cells_are_refused(a, b, about):
    with pytest.raises(SourceError):
        Gaussian().partial_moments(a, b, about=about)


def test_read_only_and_strided_edges():
    edges = np.linspace(-3.0, 3.0, 21)[::2]
    edges.setflags(write=False)
    law = Logistic()
    moments = law.partial_moments(edges[:-1], edges[1:], about=0.5 * (edges[:-1] + edges[1:]))
    assert_allclose(moments.mass, np.diff(law.cdf(edges)), rtol=1e-13)
