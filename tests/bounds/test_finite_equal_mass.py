"""Equal mass designed and measured on n weights: closed forms, a table, Monte Carlo, properties, a rate."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmq_theory.bounds import (
    equal_count_sizes,
    equal_mass_distortion,
    equal_mass_on_own_weights,
    rank_cells_on_own_weights,
    uniform_law_cell,
)
from fmq_theory.bounds.finite_equal_mass import _cells
from fmq_theory.errors import SourceError
from fmq_theory.sources import Uniform, make
from fmq_theory.sources.empirical import Empirical
from tests.bounds.laws import changed, laws, standard_laws

STANDARD = standard_laws()


def by_quadrature(law, num_levels, n):
    """The uniform law by the rules that other laws need."""
    m = equal_count_sizes(num_levels, n)
    start = np.cumsum(m) - m
    keep = m > 1
    start, m = start[keep], m[keep]
    mirrored = start > n - start - m
    value, _ = _cells(law, np.where(mirrored, n - start - m, start), m, mirrored, n)
    return float(((m - 1.0) * value).sum() / n)


def drawn(law, num_levels, n, repeats, rng):
    """Errors of equal mass on ``repeats`` samples, by means of sorted weights."""
    x = np.sort(law.sample(n * repeats, rng=rng).reshape(repeats, n), axis=1)
    sizes = equal_count_sizes(num_levels, n)
    means = np.add.reduceat(x, np.cumsum(sizes) - sizes, axis=1) / sizes
    return ((x - np.repeat(means, sizes, axis=1)) ** 2).mean(axis=1)


@pytest.mark.parametrize(
    ("num_levels", "n"), [(2, 6), (4, 100), (16, 70), (16, 64), (256, 1024), (256, 10**6)]
)
def test_quadrature_meets_the_closed_form_of_the_uniform_law(num_levels, n):
    closed = equal_mass_on_own_weights(Uniform(), num_levels, n)
    assert closed.error == 0
    assert by_quadrature(Uniform(), num_levels, n) == pytest.approx(closed.value, rel=1e-9)
    assert by_quadrature(Uniform(), num_levels, n) != pytest.approx(
        equal_mass_distortion(Uniform(), num_levels), rel=1e-4
    )  # control: the law's value


def test_the_uniform_cell_is_that_of_theory_10_2():
    for m in (2, 4, 7):
        n = 4 * m
        pairs = sum(d * (d + 1) * (m - d) for d in range(1, m)) / ((n + 1) * (n + 2) * m)
        assert float(uniform_law_cell(m, n)) == pytest.approx(pairs, rel=1e-12)
    found = equal_mass_on_own_weights(Uniform(), 256, 1024).value / equal_mass_distortion(Uniform(), 256)
    assert found == pytest.approx(1.402, abs=5e-4)  # printed in theory 10.2; measured there 1.407


def test_four_gaussian_weights_in_two_cells():
    """From the moments of normal order statistics, n = 4 (Sarhan and Greenberg 1962, table 10C.1)."""
    between = 1.02937537 - 0.29701138
    square = 0.49171524 + 0.36045534 - 2 * 0.24559267 + between**2
    found = equal_mass_on_own_weights(STANDARD["gaussian"], 2, 4)
    assert found.value == pytest.approx(0.25 * square, rel=1e-6)
    assert found.error < 1e-6 * found.value


@pytest.mark.parametrize("name", ["gaussian", "laplace", "t5", "pole", "two-humped", "flat"])
@pytest.mark.parametrize(("num_levels", "n"), [(4, 12), (4, 18)])
def test_samples_have_this_mean_and_not_a_near_one(name, num_levels, n):
    law, repeats = STANDARD[name], 20_000
    errors = drawn(law, num_levels, n, repeats, np.random.default_rng(num_levels * n))
    spread = errors.std() / math.sqrt(repeats)
    found = equal_mass_on_own_weights(law, num_levels, n)
    assert abs(errors.mean() - found.value) < 5 * spread + found.error
    m = n // num_levels
    assert abs(errors.mean() - found.value * m / (m - 1)) > 5 * spread  # control: m for m - 1 in the lemma


@given(laws(), st.integers(1, 24), st.integers(1, 400))
@settings(max_examples=12)
def test_limits_and_bounds(law, num_levels, n):
    found = equal_mass_on_own_weights(law, num_levels, n).value
    assert found <= (n - 1) / n * law.variance() * (1 + 1e-6)
    if n <= num_levels:
        assert found == 0
    if num_levels == 1:
        assert found == pytest.approx((n - 1) / n * law.variance(), rel=1e-9)


@given(laws(), st.integers(2, 12))
@settings(max_examples=12)
def test_many_weights_a_level_give_the_law_s_value(law, num_levels):
    found = equal_mass_on_own_weights(law, num_levels, 10**9).value
    # On power tails the outer cells converge like n^-(1 - 2/nu).
    power = 1 - 2 / law.tail.index
    assert found == pytest.approx(equal_mass_distortion(law, num_levels), rel=1e-6 + 300 * 1e-9**power)


@given(laws(), st.sampled_from([(3, 20), (8, 64), (16, 33)]), st.floats(0.01, 100), st.floats(-5, 5))
@settings(max_examples=8)
def test_units_and_origins(law, sizes, factor, shift):
    moved = changed(law, scale=factor * law.scale, loc=law.loc + shift)
    assert equal_mass_on_own_weights(moved, *sizes).value == pytest.approx(
        factor**2 * equal_mass_on_own_weights(law, *sizes).value, rel=1e-7
    )


def test_the_excess_of_a_flat_law_falls_like_two_over_m():
    """D_n / D_law - 1 ~ 2/m, measured by regression over m = 8 .. 512."""
    for name in ("uniform", "flat"):
        law = STANDARD[name]
        m = 2.0 ** np.arange(3, 10)
        own = (
            [equal_mass_on_own_weights(law, 8192, int(8192 * k)).value for k in m]
            if name == "uniform"
            else [equal_mass_on_own_weights(law, 64, int(64 * k)).value for k in m]
        )
        cells = 8192 if name == "uniform" else 64
        excess = np.array(own) / equal_mass_distortion(law, cells) - 1
        if name == "uniform":
            slope, level = np.polyfit(np.log(m), np.log(excess), 1)
            assert slope == pytest.approx(-1, abs=0.03)
            assert math.exp(level) == pytest.approx(2, rel=0.1)
        else:  # its ends are not flat: they lower the constant, and the order stays
            assert 0.8 < np.log(abs(excess[-2]) / abs(excess[-1])) / math.log(2) < 1.2


def test_ranks_of_any_sizes():
    sizes = [1, 5, 2, 9, 3]
    law, n = STANDARD["gaussian"], 20
    x = np.sort(law.sample(n * 20_000, rng=np.random.default_rng(0)).reshape(-1, n), axis=1)
    means = np.add.reduceat(x, list(itertools.accumulate([0, *sizes[:-1]])), axis=1) / sizes
    errors = ((x - np.repeat(means, sizes, axis=1)) ** 2).mean(axis=1)
    found = rank_cells_on_own_weights(law, sizes).value
    assert abs(errors.mean() - found) < 5 * errors.std() / math.sqrt(errors.size)
    assert rank_cells_on_own_weights(law, sizes[::-1]).value == pytest.approx(found, rel=1e-9)


@pytest.mark.parametrize(
    ("source", "num_levels", "n", "match"),
    [
        (make("student-t", df=2.0), 4, 100, "variance"),
        (Empirical([1.0, 2.0]), 4, 100, "one sample"),
        (make("gaussian"), 0, 100, "positive"),
        (make("gaussian"), 4, 0, "positive"),
    ],
)
def test_what_has_no_mean_is_refused(source, num_levels, n, match):
    with pytest.raises(SourceError, match=match):
        equal_mass_on_own_weights(source, num_levels, n)
