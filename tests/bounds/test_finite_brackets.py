"""Equal mass on fresh weights, PWL on its own and on fresh ones: the uniform law exactly, and Monte Carlo."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmq_theory.bounds import (
    equal_count_sizes,
    equal_mass_distortion,
    equal_mass_on_fresh_weights,
    equal_mass_on_own_weights,
    pwl_on_fresh_weights,
    pwl_on_own_weights,
)
from fmq_theory.errors import SourceError
from fmq_theory.metrics import distortion
from fmq_theory.quantizers import LloydMax, get_scheme
from fmq_theory.sources import Uniform, make
from fmq_theory.sources.empirical import Empirical
from tests.bounds.laws import laws, standard_laws, there

STANDARD = standard_laws()


def moment(a, power):
    """E (sum of a_j D_j)^power, D the n + 1 spacings of n weights of U(0, 1): moments of a Dirichlet law."""
    p1, p2, p3 = (float((a**k).sum()) for k in (1, 2, 3))
    size = a.size
    if power == 2:
        return (p1**2 + p2) / (size * (size + 1))
    return (p1**3 + 3 * p1 * p2 + 2 * p3) / (size * (size + 1) * (size + 2))


def points(n):
    """X_(0) = 0, X_(1) .. X_(n), X_(n+1) = 1 as sums of spacings, shape [n + 2, n + 1]."""
    return np.tril(np.ones((n + 2, n + 1)), -1)


def fresh(edges, levels):
    """Sum of E [(e_k - c)^3 - (e_(k-1) - c)^3] / 3, the error of levels c on U(0, 1)."""
    cells = zip(itertools.pairwise(edges), levels, strict=True)
    return sum((moment(right - c, 3) - moment(left - c, 3)) / 3 for (left, right), c in cells)


def exact_equal_mass_fresh(num_levels, n):
    x, sizes = points(n), equal_count_sizes(num_levels, n)
    stops = np.cumsum(sizes)
    levels = [x[stop - size + 1 : stop + 1].mean(axis=0) for size, stop in zip(sizes, stops, strict=True)]
    inner = [0.5 * (x[stop] + x[stop + 1]) for stop in stops[:-1]]
    return fresh([x[0], *inner, x[-1]], levels)


def exact_pwl(num_levels, n):
    """On its own weights, and on fresh ones."""
    x = points(n)
    places = [divmod((n - 1) * k, num_levels) for k in range(num_levels + 1)]
    edges = [x[i + 1] + (x[min(i + 2, n)] - x[i + 1]) * (r / num_levels) for i, r in places]
    levels = [0.5 * (a + b) for a, b in itertools.pairwise(edges)]
    own = 0.0
    for j in range(1, n + 1):
        k = min((j - 1) * num_levels // (n - 1), num_levels - 1)
        own += moment(x[j] - levels[k], 2)
    return own / n, fresh([x[0], *edges[1:-1], x[-1]], levels)


@pytest.mark.parametrize(
    ("num_levels", "n"), [(2, 7), (5, 7), (6, 7), (4, 9), (4, 13), (8, 41), (16, 64), (70, 100), (64, 200)]
)
def test_the_uniform_law_is_a_polynomial_of_its_spacings(num_levels, n):
    law = Uniform(loc=0.5, scale=0.5)
    own, new = exact_pwl(num_levels, n)
    equal = exact_equal_mass_fresh(num_levels, n)
    assert equal_mass_on_fresh_weights(law, num_levels, n).value == pytest.approx(equal, rel=1e-6)
    assert there(pwl_on_own_weights(law, num_levels, n)).value == pytest.approx(own, rel=1e-6)
    assert there(pwl_on_fresh_weights(law, num_levels, n)).value == pytest.approx(new, rel=1e-6)
    # Controls: the same quantities of one weight more, and the law's own.
    assert equal != pytest.approx(exact_equal_mass_fresh(num_levels, n + 1), rel=1e-4)
    assert own != pytest.approx(exact_pwl(num_levels, n + 1)[0], rel=1e-4)
    assert new > 1.01 * equal_mass_distortion(law, num_levels)


@pytest.mark.parametrize(
    ("name", "num_levels", "n", "repeats"),
    [
        ("gaussian", 4, 18, 250),
        *(
            pytest.param(name, num_levels, n, 1500, marks=pytest.mark.deep)
            for name in ("laplace", "t5", "two-humped")
            for num_levels, n in ((4, 18), (8, 33))
        ),
    ],
)
def test_samples_have_these_means(name, num_levels, n, repeats):
    law, rng = STANDARD[name], np.random.default_rng(n)
    mean, pwl = get_scheme("equal_mass"), get_scheme("pwl")
    measured = []
    for _ in range(repeats):
        sample = Empirical(law.sample(n, rng=rng))
        equal, middle = mean.design(sample, num_levels), pwl.design(sample, num_levels)
        measured.append((distortion(equal, law), distortion(middle, sample), distortion(middle, law)))
    means, spread = np.mean(measured, axis=0), np.std(measured, axis=0) / math.sqrt(repeats)
    functions = (equal_mass_on_fresh_weights, pwl_on_own_weights, pwl_on_fresh_weights)
    found = [there(function(law, num_levels, n)).value for function in functions]
    assert (np.abs(means - found) < 5 * spread).all()
    own = equal_mass_on_own_weights(law, num_levels, n).value
    assert abs(means[0] - own) > 5 * spread[0]  # control: the error on the weights of the design


@given(laws(), st.sampled_from([(2, 9), (4, 40), (6, 25)]))
@settings(max_examples=8)
def test_no_codebook_beats_the_optimum_on_fresh_weights(law, sizes):
    num_levels, n = sizes
    optimum = distortion(LloydMax().design(law, num_levels), law)
    for function in (equal_mass_on_fresh_weights, pwl_on_fresh_weights):
        assert there(function(law, num_levels, n)).value >= optimum * (1 - 1e-6)


def test_many_weights_a_level_give_the_law_s_value():
    law = STANDARD["gaussian"]
    found = equal_mass_on_fresh_weights(law, 8, 10**9).value
    assert found == pytest.approx(equal_mass_distortion(law, 8), rel=1e-6)


@pytest.mark.parametrize(
    ("law", "of_pwl_itself"),
    [
        (make("gaussian"), 4e-4),
        *(
            pytest.param(law, of_pwl_itself, marks=pytest.mark.deep)
            for law, of_pwl_itself in (
                (make("laplace"), 4e-4),
                (make("student-t", df=3.0), 5e-3),
                (make("generalized-gaussian", beta=0.7), 4e-4),
                (make("gamma", shape=0.5), 4e-4),
            )
        ),
    ],
    ids=lambda given: getattr(given, "name", str(given)),
)
def test_estimated_errors_are_as_section_9_has_them(law, of_pwl_itself):
    def shares(num_levels):
        functions = (equal_mass_on_fresh_weights, pwl_on_fresh_weights, pwl_on_own_weights)
        found = [there(function(law, num_levels, 64)) for function in functions]
        return [mean.error / mean.value for mean in found]

    assert max(shares(4)) < 6e-6
    few = shares(32)
    assert max(few[:2]) < 4e-4
    assert few[2] < of_pwl_itself
    assert few[2] > 1e-5  # with two weights a level it is not the 1e-5 that this page once had
    own = equal_mass_on_own_weights(law, 32, 64)
    assert own.error < 2e-7 * own.value


def test_where_there_is_no_such_quantity():
    law = make("gaussian")
    assert pwl_on_own_weights(law, 8, 8) is None  # a cell may hold no weight
    assert pwl_on_fresh_weights(law, 8, 5) is None
    assert pwl_on_own_weights(law, 8, 9) is not None
    with pytest.raises(SourceError, match="variance"):
        equal_mass_on_fresh_weights(make("student-t", df=2.0), 4, 100)
    with pytest.raises(SourceError, match="one sample"):
        pwl_on_own_weights(Empirical([1.0, 2.0, 3.0]), 2, 3)
