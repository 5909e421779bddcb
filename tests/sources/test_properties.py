"""Properties that hold for every law with drawn parameters."""

import math

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from fmq_theory.sources import Uniform
from tests.strategies import cells, probabilities, sources


@given(sources(), probabilities())
def test_quantile_inverts_distribution_function(law, q):
    x = float(law.ppf(q))
    # The rounding of x, and of q near one, is worth this much.
    slack = 4.0 * np.spacing(abs(x)) * float(law.pdf(x)) if math.isfinite(float(law.pdf(x))) else 0.0
    assert_allclose(float(law.cdf(x)), q, rtol=1e-11, atol=slack + 1e-15)
    assert_allclose(float(law.isf(q)) - law.loc, law.loc - x, rtol=1e-9, atol=8 * np.spacing(abs(x) + 6.0))


@given(sources(), st.floats(-50.0, 50.0))
def test_symmetry(law, offset):
    above, below = law.loc + offset, law.loc - offset
    assume(above - law.loc == law.loc - below)  # no rounding between the two
    assert law.pdf(above) == law.pdf(below)
    assert law.cdf(above) == law.sf(below)
    assert_allclose(float(law.cdf(above) + law.sf(above)), 1.0, rtol=1e-15)


@given(sources(), st.data())
def test_moments_of_adjacent_cells_add_up(law, data):
    edges = data.draw(cells(law))
    about = data.draw(st.floats(edges[0], edges[-1]))
    parts = law.partial_moments(edges[:-1], edges[1:], about=about)
    whole = law.partial_moments(edges[0], edges[-1], about=about)
    assert_allclose(parts.mass.sum(), whole.mass, rtol=1e-12)
    assert_allclose(parts.second.sum(), whole.second, rtol=1e-12)
    size = np.abs(parts.first).sum() + math.sqrt(float(whole.mass) * float(whole.second))
    assert_allclose(parts.first.sum(), whole.first, atol=1e-12 * size)


@given(sources(), st.data())
def test_mass_is_the_difference_of_distribution_functions(law, data):
    edges = data.draw(cells(law))
    mass = law.partial_moments(edges[:-1], edges[1:]).mass
    assert_allclose(mass, np.diff(law.cdf(edges)), atol=1e-14)


@given(sources(), st.data(), st.floats(-2.0, 2.0))
def test_shift_identity(law, data, about):
    edges = data.draw(cells(law))
    mass, first, second = law.partial_moments(edges[:-1], edges[1:])
    shifted = law.partial_moments(edges[:-1], edges[1:], about=about)
    assert_allclose(shifted.mass, mass, rtol=1e-13)
    size = second + about * about * mass
    assert_allclose(shifted.first, first - about * mass, atol=1e-13 * np.sqrt(mass * size).max())
    assert_allclose(
        shifted.second, second - 2.0 * about * first + about * about * mass, atol=1e-12 * size.max()
    )


@given(sources(standard=True), st.floats(-3.0, 3.0), st.floats(0.2, 5.0), st.data())
def test_location_and_scale(law, loc, scale, data):
    moved = law._replaced(loc=loc, scale=scale)
    q = data.draw(probabilities())
    z = float(law.ppf(q))
    x = loc + scale * z
    assert_allclose(float(moved.ppf(q)), x, rtol=1e-14, atol=1e-14)
    edges = np.sort(data.draw(cells(law)))
    about = edges[:-1] + 0.5 * np.diff(edges)
    here = law.partial_moments(edges[:-1], edges[1:], about=about)
    there = moved.partial_moments(
        loc + scale * edges[:-1], loc + scale * edges[1:], about=loc + scale * about
    )
    # The rounding of the moved edges: one ulp of loc + scale z, times the density at the edge.
    ulp = 4.0 * np.spacing(np.abs(loc) + scale * np.abs(edges).max()) / scale
    width = np.diff(edges)
    peak = law.density_sup(edges[:-1] - ulp, edges[1:] + ulp)
    assume(np.isfinite(peak).all())
    slack = 4.0 * ulp * peak
    assert (np.abs(there.mass - here.mass) <= slack + 1e-13 * here.mass).all()
    assert (
        np.abs(there.second / scale**2 - here.second) <= slack * (width + ulp) ** 2 + 1e-12 * here.second
    ).all()


@given(sources(finite_moment=2.0))
def test_standard_deviation_one(law):
    unit = law.standard_deviation_one()
    assert unit.mean() == 0.0
    assert_allclose(unit.variance(), 1.0, rtol=1e-14)
    assert_allclose(unit.partial_moments(-np.inf, np.inf).second, 1.0, rtol=1e-13)
    scale = math.sqrt(law.variance())
    assert_allclose(unit.ppf(0.9) * scale + law.loc, law.ppf(0.9), rtol=1e-12, atol=1e-12)


@given(sources(finite_moment=2.0))
def test_variance_agrees_with_the_general_route(law):
    from fmq_theory.sources import Source

    assert_allclose(Source.variance(law), law.variance(), rtol=1e-13)


@given(sources(), st.data())
def test_density_sup_bounds_the_density(law, data):
    edges = data.draw(cells(law, count=1))
    sup = float(law.density_sup(edges[0], edges[1]))
    grid = np.clip(np.linspace(edges[0], edges[1], 400), edges[0], edges[1])
    density = law.pdf(grid)
    assert (density <= sup * (1.0 + 1e-13)).all()
    if math.isfinite(sup) and not isinstance(law, Uniform):
        fine = law.scale * np.geomspace(1e-10, 1e3, 1500)
        near = np.clip(np.concatenate((law.loc - fine, law.loc + fine)), edges[0], edges[1])
        assert max(density.max(), law.pdf(near).max()) >= 0.97 * sup


@given(sources())
def test_tail_class_and_constant(law):
    low, high = law.support
    if law.tail.kind == "bounded":
        assert math.isfinite(high - low)
    else:
        assert (low, high) == (-math.inf, math.inf)
    if law.tail.kind == "regular":
        x = 1e9 * law.scale
        expected = law.tail.constant * x**-law.tail.index
        assume(expected > 1e-290)
        assert_allclose(float(law.sf(x)), expected, rtol=1e-5)


@given(sources(), st.integers(1, 10**9))
def test_typical_range_is_the_median_of_the_extremes(law, n):
    low, high = law.typical_range(n)
    assert low <= high
    for x, outside in ((high, float(law.sf(high))), (low, float(law.cdf(low)))):
        # (1 - outside)**n = 1/2, in logarithms; the rounding of x - loc is worth ``slack``.
        density = float(law.pdf(x))
        slack = 8.0 * np.spacing(abs(x) + abs(law.loc)) * density * n if math.isfinite(density) else 0.0
        assert_allclose(n * math.log1p(-outside), -math.log(2.0), rtol=1e-9, atol=slack)


@given(sources(), st.integers(10, 10**9))
def test_typical_magnitudes_are_the_medians_of_the_extremes(law, n):
    for sign, side in zip((-1.0, 1.0), law.typical_magnitudes(n), strict=True):
        mirrored = law if sign > 0 else law._replaced(loc=-law.loc)
        mass = float(mirrored.sf(0.0))
        if side is None:
            assert mass < -math.expm1(-math.log(2.0) / n)
            continue
        assert 0.0 < side.smallest <= side.largest
        if mass > 2.1 * -math.expm1(-math.log(2.0) / n):
            below = float(mirrored.partial_moments(0.0, side.smallest).mass)
            slack = 8.0 * np.spacing(abs(law.loc) + side.smallest) * float(mirrored.pdf(side.smallest)) * n
            assert_allclose(n * math.log1p(-below), -math.log(2.0), rtol=1e-9, atol=slack)
