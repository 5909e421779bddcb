from collections.abc import Callable
from fractions import Fraction

import mpmath as mp
import pytest
from flint import acb, arb
from hypothesis import given, settings
from hypothesis import strategies as st

from fmq_theory.certify import (
    Enclosure,
    Law,
    integrate,
    integrate_half_line,
    integrate_with_tails,
    law,
    law_variance,
    normalized_constant,
    panter_dite_constant,
    precision,
)
from fmq_theory.errors import CertificationError
from tests.certify.conftest import Real, holds, mp_density, mp_integral, number

THIRD = Fraction(1, 3)


def theory_constant(some_law: Law) -> Real:
    """C_PD as theory.md section 2 prints it."""
    p = {name: number(value) for name, value in some_law.parameters().items()}
    match some_law.name:
        case "gaussian":
            return mp.sqrt(3) * mp.pi / 2
        case "laplace":
            return mp.mpf(9)
        case "logistic":
            return mp.beta(number("1/3"), number("1/3")) ** 3 / 12
        case "student-t":
            nu = p["df"]
            c = mp.gamma((nu + 1) / 2) / (mp.sqrt(nu * mp.pi) * mp.gamma(nu / 2))
            return c * nu ** mp.mpf("1.5") * mp.beta(mp.mpf("0.5"), (nu - 2) / 6) ** 3 / 12
        case "generalized-gaussian":
            beta = p["beta"]
            return 3 ** (3 / beta) * (2 * mp.gamma(1 / beta) / beta) ** 2 / 12
        case "uniform":
            return mp.mpf(1) / 3
        case _:
            pytest.skip("theory.md has no closed form for this family")


def test_the_panter_dite_constants_to_thirty_digits(some_law: Law) -> None:
    value = panter_dite_constant(some_law)
    assert value.radius <= Fraction(1, 10**30) * max(1, value.upper)
    assert holds(value, theory_constant(some_law))


@pytest.mark.deep
def test_the_two_routes_agree_and_enclose_an_independent_quadrature(some_law: Law) -> None:
    closed = some_law.density_power_integral(THIRD, closed=True)
    measured = some_law.density_power_integral(THIRD)
    density = mp_density(some_law)
    assert closed.overlaps(measured)
    if some_law.name == "student-t":
        return  # f^(1/3) decays too slowly for the oracle's window; the closed form is the oracle there
    with mp.workdps(30):
        half = mp_integral(
            some_law, lambda x: density(x) ** (-mp.mpf(2) / 3) if density(x) else mp.mpf(0), mp.mpf(0)
        )
    assert holds(measured, 2 * half, "1e-25")


def test_total_mass_is_one(some_law: Law) -> None:
    assert some_law.density_power_integral(1).contains(1)


def test_unit_variance_constants_of_theory() -> None:
    expected = {"gaussian": "2.72070", "laplace": "4.5"}
    for name, text in expected.items():
        assert normalized_constant(law(name)).rounded(4).overlaps(Enclosure.of(text).rounded(4))
    for df, text in ((3, "20.5191"), (4, "9.30437"), (5, "6.57974")):
        value = normalized_constant(law("student-t", {"df": df}), digits=8)
        assert abs(value.midpoint - Fraction(text)) < Fraction(1, 10**4)
    assert law_variance(law("student-t", {"df": 3})).contains(3)


def test_the_logistic_constant_in_both_printed_forms() -> None:
    # Legendre's duplication turns B(1/3, 1/3)^3/12 into B(1/3, 1/2)^3/6.
    printed = mp.beta(number("1/3"), number("1/2")) ** 3 / 6
    assert holds(panter_dite_constant(law("logistic")), printed)


@settings(max_examples=12, deadline=None)
@given(
    case=st.one_of(
        st.tuples(st.just("student-t"), st.just("df"), st.fractions(Fraction(9, 4), 12, max_denominator=9)),
        st.tuples(
            st.just("generalized-gaussian"),
            st.just("beta"),
            st.fractions(Fraction(2, 5), 5, max_denominator=9),
        ),
        st.tuples(st.just("gamma"), st.just("shape"), st.fractions(Fraction(1, 4), 4, max_denominator=9)),
    ),
    power=st.sampled_from([Fraction(1, 3), Fraction(1, 2), Fraction(1), Fraction(5, 4)]),
)
def test_closed_form_and_quadrature_overlap_for_drawn_laws(
    case: tuple[str, str, Fraction], power: Fraction
) -> None:
    name, parameter, value = case
    drawn = law(name, {parameter: value})
    measured = drawn.density_power_integral(power, digits=12)
    assert measured.overlaps(drawn.density_power_integral(power, digits=12, closed=True))
    assert measured.radius < Fraction(1, 10**9) * max(1, measured.upper)


def test_a_shifted_enclosure_is_told_apart() -> None:
    value = law("gaussian").density_power_integral(THIRD)
    closed = law("gaussian").density_power_integral(THIRD, closed=True)
    shift = Fraction(1, 10**25)
    assert not Enclosure(value.lower + shift, value.upper + shift).overlaps(closed)


def test_cutting_the_tail_without_its_ball_loses_the_value() -> None:
    # The truncated integral alone is a perfectly sharp enclosure of the wrong number.
    with precision(128):
        gauss: Callable[[acb, bool], acb] = lambda x, _: (-(x * x)).exp()  # noqa: E731
        whole = arb.pi().sqrt()
        cut = integrate(gauss, -3, 3)
        assert not cut.overlaps(whole)
        tail = (-arb(9)).exp() / 6  # int_3^inf e^(-x^2) <= e^-9/(2*3)
        assert integrate_with_tails(gauss, arb(-3), arb(3), tail, tail).contains(whole)
        assert not integrate_with_tails(gauss, arb(-3), arb(3), tail / 10, tail / 10).overlaps(whole)


def test_a_power_singularity_and_a_power_tail() -> None:
    # int_0^inf x^(-1/2)/(1+x) dx = pi.
    with precision(128):
        value = integrate_half_line(
            lambda u, analytic: (u / 2).exp() / (1 + u.exp()),
            head_bound=lambda eps: 2 * eps.sqrt(),
            tail_bound=lambda start: 2 / start.sqrt(),
        )
        assert value.contains(arb.pi().mid())
        assert value.rad() < arb(10) ** -30


def test_bad_input() -> None:
    with pytest.raises(CertificationError, match="finite segments"):
        integrate(lambda x, _: (-x).exp(), 0, arb.pos_inf())
    with pytest.raises(CertificationError, match="split at the singularity"):
        integrate(lambda x, _: 1 / x, -1, 1)
    with pytest.raises(CertificationError, match="prove a bound"):
        integrate_with_tails(lambda x, _: x, arb(0), arb(1), arb(-1), arb(0))
    with pytest.raises(CertificationError, match="converges"):
        integrate_half_line(lambda u, _: u.exp(), head_bound=lambda e: e, tail_bound=lambda _: arb(1))
    with pytest.raises(CertificationError, match="diverges"):
        law("student-t", {"df": 3}).density_power_integral("1/4")
    with pytest.raises(CertificationError, match="diverges"):
        law("gamma", {"shape": "1/4"}).density_power_integral(2)
