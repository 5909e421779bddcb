from fractions import Fraction

import mpmath as mp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmq_theory.certify import (
    Enclosure,
    exponential_partial_sum,
    exponential_sum,
    exponential_sum_by_integral,
    regular_sum,
)
from fmq_theory.errors import CertificationError
from tests.certify.conftest import Real, holds, number


def exponential_term(j: Real) -> Real:
    return 1 - j * (j + 1) * mp.log1p(1 / j) ** 2 if j else mp.mpf(1)


def regular_term(j: Real, a: Real) -> Real:
    one = ((j + 1) ** (1 - a) - j ** (1 - a)) / (1 - a)
    return ((j + 1) ** (1 - 2 * a) - j ** (1 - 2 * a)) / (1 - 2 * a) - one**2


def test_the_sum_has_thirty_digits_and_the_known_start() -> None:
    value = exponential_sum()
    assert value.radius < Fraction(1, 10**30)
    assert str(value).startswith("1.0803270395149801988900721540627")


def test_two_independent_routes_overlap() -> None:
    series, integral = exponential_sum(digits=45), exponential_sum_by_integral(digits=40)
    assert integral.radius < Fraction(1, 10**39)
    assert series.overlaps(integral)


def test_against_richardson_extrapolation_in_mpmath() -> None:
    # v_j has an expansion in integer powers of 1/j, so nsum's extrapolation applies.
    assert holds(exponential_sum(digits=20), mp.nsum(exponential_term, [0, mp.inf]), "1e-20")


def test_the_rational_zeta_series_of_the_docstring() -> None:
    # zeta(2k) - 1 decays like 4^-k; the part with 1 instead of zeta(2k) is pi^2/6 - type and telescopes:
    # sum_k (2k+1)^-2 - (2k+2)^-2 over k >= 1 = eta(2) - (1 - 1/4).
    fast = mp.nsum(lambda k: (mp.zeta(2 * k) - 1) * ((2 * k + 1) ** -2 - (2 * k + 2) ** -2), [1, mp.inf])
    value = mp.mpf(3) / 2 - 4 * (fast + mp.altzeta(2) - mp.mpf(3) / 4)
    assert holds(exponential_sum(digits=35), value, "1e-38")


@pytest.mark.parametrize("count", [0, 1, 2, 7, 128])
def test_partial_sums_by_definition(count: int) -> None:
    direct = mp.fsum(exponential_term(mp.mpf(j)) for j in range(count))
    assert holds(exponential_partial_sum(count, digits=38), direct, "1e-44")


@settings(max_examples=25, deadline=None)
@given(
    nu=st.fractions(min_value=Fraction(21, 10), max_value=30, max_denominator=50),
    starts=st.tuples(st.integers(1, 9), st.integers(10, 60)),
)
def test_the_regular_sum_does_not_depend_on_where_the_remainder_starts(
    nu: Fraction, starts: tuple[int, int]
) -> None:
    early, late = (regular_sum(nu, digits=20, start=start) for start in starts)
    assert early.overlaps(late)
    assert late.radius < Fraction(1, 10**19)


@pytest.mark.parametrize("nu", [3, 4, 5])
def test_the_regular_sum_against_a_long_partial_sum_with_an_elementary_remainder(nu: int) -> None:
    # s_j > 0, and |e_m| <= 1 gives s_j <= c^(-2a) h^2/(1 - h^2) with c = j + 1/2, h = 1/(2c).
    a, count = mp.mpf(1) / nu, 3000
    head = mp.fsum(regular_term(mp.mpf(j), a) for j in range(count))
    value = regular_sum(nu)
    assert value.radius < Fraction(1, 10**15)
    tail_at_most = (mp.mpf(count) - 1) ** (-1 - 2 * a) / (4 * (1 + 2 * a))
    assert head < number(value.lower)
    assert number(value.upper) < head + tail_at_most


def test_negative_control_a_remainder_that_is_too_short_is_caught() -> None:
    # Truncating the expansion after one term must widen the enclosure, not shift it.
    loose, tight = exponential_sum(start=2, order=1), exponential_sum()
    assert loose.contains(tight)
    assert loose.radius > 10**6 * tight.radius
    # Dropping the remainder altogether leaves an enclosure that excludes the true sum.
    dropped = exponential_partial_sum(24)
    assert not dropped.overlaps(tight)
    shifted = Enclosure(tight.lower + Fraction(1, 10**20), tight.upper + Fraction(1, 10**20))
    assert not holds(shifted, number(exponential_sum(digits=45).midpoint))


@pytest.mark.parametrize("nu", [2, "3/2", 0, -1])
def test_no_sum_without_a_variance(nu: int | str) -> None:
    with pytest.raises(CertificationError, match="nu > 2"):
        regular_sum(nu)


def test_bad_input() -> None:
    with pytest.raises(CertificationError, match="N >= 0"):
        exponential_partial_sum(-1)
    with pytest.raises(CertificationError, match="one term"):
        exponential_sum(start=0)
    with pytest.raises(CertificationError, match="one digit"):
        exponential_sum(digits=0)
    with pytest.raises(CertificationError, match="write it as 3"):
        regular_sum(3.0)  # type: ignore[arg-type]
