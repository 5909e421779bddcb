"""S_N, S_inf and S_nu against high-precision sums."""

import itertools
import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmq_theory.bounds import (
    S_INFINITY,
    equal_mass_sum,
    equal_mass_terms,
    regular_tail_sum,
    regular_tail_terms,
)
from fmq_theory.errors import SourceError


def v(j):
    """The defining formula, with enough digits to survive its cancellation."""
    with mpmath.workdps(60):
        j = mpmath.mpf(j)
        return mpmath.mpf(1) if j == 0 else 1 - j * (j + 1) * mpmath.log1p(1 / j) ** 2


@pytest.mark.parametrize("j", [0, 1, 2, 7, 100, 12345, 10**6, 10**9, 10**15])
def test_terms_keep_full_relative_accuracy(j):
    assert float(equal_mass_terms(j)) == pytest.approx(float(v(j)), rel=4e-15, abs=0)


def test_the_defining_formula_in_float64_would_not_do():
    j = 1e6
    naive = 1 - j * (j + 1) * math.log1p(1 / j) ** 2
    assert naive != pytest.approx(float(v(10**6)), rel=1e-6, abs=0)


def test_terms_are_second_moments_of_equal_mass_cells_of_the_exponential_law():
    count = 12
    for j in range(count):
        # Cell j from the top of the survival function is ((j)/N, (j+1)/N]; x = -ln(sf).
        with mpmath.workdps(30):
            low, high = mpmath.mpf(j) / count, mpmath.mpf(j + 1) / count
            mean = mpmath.quad(lambda u: -mpmath.log(u), [low, high]) * count
            second = mpmath.quad(lambda u, m=mean: (mpmath.log(u) + m) ** 2, [low, high]) * count
        assert float(equal_mass_terms(j)) == pytest.approx(float(str(second)), rel=1e-12)


@pytest.mark.parametrize("count", [0, 1, 2, 17, 999, 1000, 1001, 20_000])
def test_finite_sums(count):
    with mpmath.workdps(40):
        expected = mpmath.fsum(v(j) for j in range(count))
    assert equal_mass_sum(count) == pytest.approx(float(expected), rel=1e-15, abs=1e-16)


def test_a_million_terms_agree_with_the_plain_sum_of_accurate_terms():
    direct = math.fsum(equal_mass_terms(np.arange(10**6)).tolist())
    assert equal_mass_sum(10**6) == pytest.approx(direct, abs=1e-15)


def test_limit_against_mpmath():
    with mpmath.workdps(30):
        limit = 1 + mpmath.nsum(lambda j: 1 - j * (j + 1) * mpmath.log(1 + 1 / j) ** 2, [1, mpmath.inf])
    assert pytest.approx(float(limit), abs=1e-15) == S_INFINITY
    assert f"{S_INFINITY:.7f}" == "1.0803270"  # theory section 3


def test_negative_counts_and_indices_are_refused():
    with pytest.raises(SourceError):
        equal_mass_sum(-1)
    with pytest.raises(SourceError):
        equal_mass_terms([-1.0])


def regular_limit(nu):
    """S_nu by sums to N = 100, 200, ..., extrapolated in powers N^(-1 - 2/nu - k)."""
    with mpmath.workdps(50):
        a = 1 / mpmath.mpf(nu)

        def term(j):
            j = mpmath.mpf(j)
            mean = ((j + 1) ** (1 - a) - j ** (1 - a)) / (1 - a)
            return ((j + 1) ** (1 - 2 * a) - j ** (1 - 2 * a)) / (1 - 2 * a) - mean**2

        sums, total, last = [], mpmath.mpf(0), 0
        for count in (50, 100, 200, 400, 800, 1600):
            total += mpmath.fsum(term(j) for j in range(last, count))
            last = count
            sums.append(total)
        power = 1 + 2 * a
        while len(sums) > 1:
            factor = mpmath.mpf(2) ** power
            sums = [(factor * b - a_) / (factor - 1) for a_, b in itertools.pairwise(sums)]
            power += 1
        return float(sums[0]), [float(term(j)) for j in range(20)]


@pytest.mark.parametrize("nu", [2.01, 2.5, 3.0, 5.0, 40.0])
def test_power_tail_sums(nu):
    limit, terms = regular_limit(nu)
    assert regular_tail_sum(nu) == pytest.approx(limit, rel=2e-14)
    np.testing.assert_allclose(regular_tail_terms(nu, np.arange(20)), terms, rtol=1e-13)


@given(st.floats(2.05, 50))
def test_power_tail_terms_are_variances_and_decrease(nu):
    terms = regular_tail_terms(nu, np.arange(40))
    assert (terms > 0).all()
    assert (np.diff(terms) < 0).all()


def test_light_power_tails_approach_the_exponential_limit():
    gaps = [abs(nu * nu * regular_tail_sum(nu) - S_INFINITY) for nu in (1e2, 1e3, 1e4)]
    assert gaps[0] > 5 * gaps[1] > 25 * gaps[2]
    assert gaps[2] < 1e-3


def test_the_sum_is_infinite_without_variance():
    assert math.isinf(regular_tail_sum(2.0))
    assert math.isinf(float(regular_tail_terms(1.5, 0)))
