"""Upper bounds at every K: never below the exact distortion of the codebook they are about."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from fmq_theory.bounds import (
    finite_alpha_interval,
    interior_cells_upper_bound,
    nearest_grid_upper_bound,
    power_compander_upper_bound,
    thresholds_upper_bound,
)
from fmq_theory.codebook import Codebook
from fmq_theory.errors import SourceError
from fmq_theory.metrics import distortion
from fmq_theory.quantizers import PowerCompander
from fmq_theory.sources import make
from fmq_theory.sources.empirical import Empirical
from tests.bounds.laws import changed, laws, standard_laws

STANDARD = standard_laws()
ROUNDING = 1 + 1e-11


def centroids(source, thresholds):
    """The codebook of cell means, made here so that the tests do not lean on the schemes."""
    edges = np.concatenate([[-math.inf], thresholds, [math.inf]])
    anchor = np.concatenate([thresholds[:1], thresholds])
    mass, first, _ = source.partial_moments(edges[:-1], edges[1:], about=anchor)
    means = anchor + np.divide(first, mass, out=np.zeros_like(first), where=mass > 0)
    low = np.concatenate([[-math.inf], thresholds])
    high = np.concatenate([thresholds, [math.inf]])
    return Codebook(np.clip(means, low, high), thresholds)


@given(laws(), st.lists(st.floats(0.01, 0.99), min_size=1, max_size=12, unique=True))
def test_any_thresholds(law, shares):
    thresholds = np.sort(law.ppf(np.array(shares)))
    exact = distortion(centroids(law, thresholds), law)
    assert exact <= thresholds_upper_bound(law, thresholds) * ROUNDING


@given(
    st.lists(st.integers(-20, 20), min_size=2, max_size=40),
    st.lists(st.integers(-41, 41), min_size=1, max_size=8, unique=True),
)
def test_any_thresholds_on_data(numbers, halves):
    source = Empirical(np.array(numbers, dtype=np.float64))
    thresholds = np.sort(np.array(halves)) / 2.0  # on weights and between them
    edges = np.concatenate([[-math.inf], thresholds, [math.inf]])
    data = np.sort(np.array(numbers, dtype=np.float64))
    cells = [data[(data >= a) & (data < b)] for a, b in itertools.pairwise(edges)]
    exact = sum(((cell - cell.mean()) ** 2).sum() for cell in cells if cell.size) / data.size
    assert exact <= thresholds_upper_bound(source, thresholds) + 1e-12


@given(laws(), st.floats(0.02, 0.98), st.floats(0.0, 0.3))
@example(make("logistic"), 0.75, 2.0**-52)  # a cell whose middle is no float64
def test_an_interior_cell_about_its_middle(law, start, length):
    left, right = (float(law.ppf(q)) for q in (start, min(start + length, 0.99)))
    assume(left < right)
    moments = law.partial_moments(left, right, about=0.5 * left + 0.5 * right)
    bound = float(interior_cells_upper_bound(law, [left, right])[0])
    # The middle is rounded by up to d: E[(X - m - d)^2] <= E[(X - m)^2] + p d (w + d).
    off = 0.5 * np.spacing(max(abs(left), abs(right)))
    assert float(moments.second) <= bound * ROUNDING + float(moments.mass) * off * (right - left + off)


def test_a_smaller_constant_would_be_wrong():
    # Uniform cells attain s w^3/12, and two atoms at the ends of a cell attain p w^2/4.
    law = make("uniform")
    exact = float(law.partial_moments(-0.5, 0.5, about=0.0).second)
    assert float(interior_cells_upper_bound(law, [-0.5, 0.5])[0]) == pytest.approx(exact, rel=1e-12)
    atoms = Empirical([0.0, 1.0])
    assert float(interior_cells_upper_bound(atoms, [0.0, 1.0 + 2e-16])[0]) == pytest.approx(0.25)


@given(laws(), st.floats(0.05, 0.95), st.integers(1, 64))
def test_power_companders(law, share, num_levels):
    low, high = finite_alpha_interval(law)
    alpha = max(low, 0.0) + share * (1.0 - max(low, 0.0)) if high < 1 else 2 * share
    exact = distortion(PowerCompander(alpha).design(law, num_levels), law)
    bound = power_compander_upper_bound(law, alpha, num_levels)
    assert exact <= bound.value * ROUNDING


@pytest.mark.parametrize("name", sorted(STANDARD))
def test_the_bound_is_sharp_for_many_levels(name):
    law, alpha = STANDARD[name], 0.36
    exact = distortion(PowerCompander(alpha).design(law, 1024), law)
    ratio = power_compander_upper_bound(law, alpha, 1024).value / exact
    assert 1 - 1e-11 <= ratio < {"t3": 3.0, "t5": 1.2}.get(name, 1.1)


def test_there_is_no_compander_where_the_integral_is_infinite():
    law = make("student-t", df=3.0)
    bound = power_compander_upper_bound(law, 0.2, 8)
    assert bound.is_vacuous
    assert "integral" in bound.describe()
    assert power_compander_upper_bound(make("student-t", df=1.9), 0.36, 8).is_vacuous


def test_one_level_is_the_variance():
    law = make("laplace", scale=2.0)
    assert power_compander_upper_bound(law, 1 / 3, 1).value == pytest.approx(8.0)
    assert thresholds_upper_bound(law, []) == pytest.approx(8.0)


@given(laws(), st.integers(1, 24), st.floats(0.05, 3.0), st.floats(-0.5, 0.5))
def test_uniform_grids(law, num_levels, width, shift):
    deviation = math.sqrt(law.variance())
    centre, step = law.loc + shift * deviation, width * deviation
    levels = centre + (np.arange(num_levels) - (num_levels - 1) / 2) * step
    exact = distortion(Codebook.nearest(levels), law)
    assert exact <= float(nearest_grid_upper_bound(law, centre, step, num_levels)[0]) * ROUNDING


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=40), st.integers(1, 9), st.floats(0.1, 9.0))
def test_uniform_grids_on_data(numbers, num_levels, step):
    data = np.array(numbers, dtype=np.float64)
    levels = (np.arange(num_levels) - (num_levels - 1) / 2) * step
    exact = float((np.abs(data[:, None] - levels).min(axis=1) ** 2).mean())
    assert exact <= float(nearest_grid_upper_bound(Empirical(data), 0.0, step, num_levels)[0]) * ROUNDING


def test_grids_need_a_step():
    with pytest.raises(SourceError, match="positive"):
        nearest_grid_upper_bound(make("gaussian"), 0.0, [1.0, 0.0], 4)


def test_bounds_move_with_the_law():
    law = make("gamma", shape=2.5)
    moved = changed(law, loc=5.0, scale=3.0)
    plain, other = (power_compander_upper_bound(source, 0.4, 16).value for source in (law, moved))
    assert other == pytest.approx(9 * plain, rel=1e-9)
