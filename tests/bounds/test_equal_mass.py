"""The exact equal-mass distortion: published table, closed form, quadrature, the published rule on data."""

import itertools
import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmq_theory.bounds import (
    equal_mass_cells,
    equal_mass_distortion,
    equal_mass_edges,
    equal_mass_exact,
    equal_mass_laplace,
    equal_mass_lower_bound,
    equal_mass_upper_bound,
)
from fmq_theory.errors import SourceError
from fmq_theory.metrics import distortion
from fmq_theory.quantizers import get_scheme
from fmq_theory.sources import Laplace, make
from fmq_theory.sources.empirical import Empirical
from tests.bounds.laws import laws, standard_laws

STANDARD = standard_laws()
LAPLACE = Laplace(0.0, math.sqrt(0.5))  # unit variance


@pytest.mark.parametrize(
    ("name", "num_levels", "printed"),
    [  # theory section 9, equal mass columns
        ("gaussian", 2, "0.363380"),
        ("gaussian", 4, "0.139441"),
        ("gaussian", 8, "0.0549657"),
        ("gaussian", 16, "0.0222249"),
        ("laplace", 2, "0.500000"),
        ("laplace", 4, "0.259773"),
        ("laplace", 8, "0.132444"),
        ("laplace", 16, "0.0668698"),
    ],
)
def test_reference_table(name, num_levels, printed):
    digits = len(printed) - 2
    assert f"{equal_mass_distortion(STANDARD[name], num_levels):.{digits}f}" == printed


@pytest.mark.parametrize("num_levels", [2 * k for k in range(1, 129)])
def test_laplace_equals_its_closed_form(num_levels):
    law = LAPLACE
    exact, closed = equal_mass_distortion(law, num_levels), equal_mass_laplace(law, num_levels).value
    assert exact == pytest.approx(closed, rel=1e-12, abs=0)


def test_laplace_off_the_closed_form_is_told_apart():
    law = LAPLACE
    assert equal_mass_distortion(law, 9) != pytest.approx(equal_mass_laplace(law, 10).value, rel=1e-3)


@pytest.mark.parametrize("name", ["gaussian", "logistic", "t3", "stretched", "two-humped"])
def test_quantile_formula_by_quadrature(name):
    """D = E X^2 - (1/K) sum m_k^2 with m_k = K * integral of the quantile function over ((k-1)/K, k/K)."""
    law, num_levels = STANDARD[name], 6
    nodes, weights = np.polynomial.legendre.leggauss(40)
    # u^4 below grades the nodes towards the tail, where the quantile function is singular; the last panels
    # are short because that of the two-humped law has a singularity at the median.
    ends = np.array([0.0, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999, 0.9999, 1.0])
    u = (ends[:-1, None] + np.diff(ends)[:, None] * 0.5 * (nodes + 1)).ravel()
    weights = (np.diff(ends)[:, None] * weights).ravel()
    squares = 0.0
    for k in range(num_levels // 2):  # the laws are symmetric
        inside = (k + u**4) / num_levels
        mean = float(law.isf(inside) @ (0.5 * weights * 4 * u**3))
        squares += 2 * mean * mean / num_levels
    assert equal_mass_distortion(law, num_levels) == pytest.approx(1 - squares, rel=1e-7)


def test_gaussian_against_mpmath():
    law, num_levels = STANDARD["gaussian"], 16
    with mpmath.workdps(30):
        edges = [-mpmath.inf]
        edges += [
            mpmath.sqrt(2) * mpmath.erfinv(2 * mpmath.mpf(k) / num_levels - 1) for k in range(1, num_levels)
        ]
        density = [mpmath.npdf(x) for x in [*edges, mpmath.inf]]
        means = [num_levels * (a - b) for a, b in itertools.pairwise(density)]
        expected = 1 - sum(m * m for m in means) / num_levels
    assert equal_mass_distortion(law, num_levels) == pytest.approx(float(expected), rel=1e-13)


@given(laws(), st.integers(1, 40))
def test_lower_bound_below_exact_below_upper_bound(law, num_levels):
    lower, exact = equal_mass_lower_bound(law, num_levels), equal_mass_distortion(law, num_levels)
    upper = equal_mass_upper_bound(law, num_levels)
    assert (lower.kind, upper.kind) == ("lower", "upper")
    assert lower.value <= exact * (1 + 1e-11)
    assert exact <= upper.value * (1 + 1e-11)


@given(laws(), st.integers(1, 40))
def test_exact_value_is_the_scheme_s_own_distortion(law, num_levels):
    measured = distortion(get_scheme("equal_mass").design(law, num_levels), law)
    assert equal_mass_distortion(law, num_levels) == pytest.approx(measured, rel=1e-9)


def test_lower_bound_is_tight_for_the_laplace_law():
    # Of S_(K/2) = 1.08 the outermost cells are 1.
    law = STANDARD["laplace"]
    ratio = equal_mass_lower_bound(law, 256).value / equal_mass_distortion(law, 256)
    assert ratio == pytest.approx(1 / 1.07968, rel=1e-3)


def test_edges_are_symmetric_to_the_last_digit():
    edges = equal_mass_edges(STANDARD["t3"], 1 << 10)
    np.testing.assert_array_equal(edges, -edges[::-1])


@given(
    st.lists(st.integers(-30, 30), min_size=1, max_size=80),
    st.integers(1, 90),
    st.sampled_from([1.0, 1e-160, 1e38, 2.0**-40]),
)
def test_data_follow_array_split_ties_included(numbers, num_levels, unit):
    data = np.array(numbers, dtype=np.float64)
    parts = np.array_split(np.sort(data), min(num_levels, data.size))
    expected = sum(((part - part.mean()) ** 2).sum() for part in parts) / data.size
    cells = equal_mass_cells(Empirical(data * unit), num_levels)
    assert float(cells.second.sum()) == pytest.approx(expected * unit * unit, rel=1e-12, abs=1e-25 * unit**2)
    np.testing.assert_allclose(cells.mass, [part.size / data.size for part in parts])
    np.testing.assert_allclose(cells.width, [(part[-1] - part[0]) * unit for part in parts], rtol=1e-12)


@given(st.lists(st.integers(-9, 9), min_size=2, max_size=40), st.integers(1, 12))
def test_bounds_hold_on_data(numbers, num_levels):
    source = Empirical(np.array(numbers, dtype=np.float64))
    exact = equal_mass_distortion(source, num_levels)
    assert equal_mass_lower_bound(source, num_levels).value <= exact + 1e-13
    assert exact <= equal_mass_upper_bound(source, num_levels).value + 1e-13


def test_offset_data_do_not_cancel():
    base = np.random.default_rng(0).integers(0, 1 << 20, 999) * 2.0**-20
    shifted = equal_mass_distortion(Empirical(base + 1e8), 7)
    exact_offsets = (base + 1e8) - 1e8
    assert shifted == pytest.approx(equal_mass_distortion(Empirical(exact_offsets), 7), rel=1e-12)


def test_weighted_atoms_are_split_to_equal_mass():
    values = np.array([0.0, 1.0, 5.0])
    source = Empirical(values, np.array([1.0, 2.0, 1.0]))
    # Halves: {0, half of the 1s} and {half of the 1s, 5}: means 1/2 and 3.
    assert equal_mass_distortion(source, 2) == pytest.approx(0.5 * 0.25 + 0.5 * 4.0, rel=1e-14)
    whole_weights = Empirical(np.repeat(values, [1, 2, 1]))
    assert equal_mass_distortion(whole_weights, 2) == pytest.approx(2.125, rel=1e-14)


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=30), st.integers(1, 6))
def test_equal_sample_weights_change_nothing_where_cells_divide_evenly(numbers, num_levels):
    data = np.repeat(np.array(numbers), num_levels)
    plain = equal_mass_distortion(Empirical(data), num_levels)
    weighted = equal_mass_distortion(Empirical(data, np.full(data.size, 0.3)), num_levels)
    assert weighted == pytest.approx(plain, rel=1e-9, abs=1e-12)


def test_infinite_variance_is_infinite_and_says_so():
    law = make("student-t", df=2.0)
    assert math.isinf(equal_mass_distortion(law, 8))
    bound = equal_mass_exact(law, 8)
    assert bound.is_infinite
    assert "variance is infinite" in bound.describe()
    assert math.isinf(equal_mass_lower_bound(law, 8).value)


def test_no_cells_is_an_error():
    with pytest.raises(SourceError, match="positive"):
        equal_mass_cells(make("gaussian"), 0)
