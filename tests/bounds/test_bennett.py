"""B(alpha), its domain (T4), its minimum (T3) and the closed forms of theory section 2."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import integrate, special

from fmq_theory.bounds import (
    OPTIMAL_ALPHA,
    bennett_constant,
    bennett_high_rate,
    companding_order,
    finite_alpha_interval,
    panter_dite_constant,
    panter_dite_high_rate,
)
from fmq_theory.metrics import distortion
from fmq_theory.quantizers import PowerCompander
from fmq_theory.sources import make
from fmq_theory.sources.empirical import Empirical
from tests.bounds.laws import changed, laws, standard_laws

STANDARD = standard_laws()


def closed_forms():
    """(law, C_PD) at unit scale, theory section 2."""
    yield make("gaussian"), math.sqrt(3) * math.pi / 2
    yield make("laplace"), 9.0
    yield make("uniform"), 1.0 / 3.0
    yield make("logistic"), special.beta(1 / 3, 1 / 2) ** 3 / 6
    for beta in (0.5, 1.0, 2.0, 7.0):
        value = 3 ** (3 / beta) * (2 * special.gamma(1 / beta) / beta) ** 2 / 12
        yield make("generalized-gaussian", beta=beta), value
    for nu in (2.5, 3.0, 4.0, 5.0, 30.0):
        c = math.exp(special.gammaln((nu + 1) / 2) - special.gammaln(nu / 2)) / math.sqrt(nu * math.pi)
        yield make("student-t", df=nu), c * nu**1.5 * special.beta(0.5, (nu - 2) / 6) ** 3 / 12


@pytest.mark.parametrize(("law", "expected"), list(closed_forms()), ids=str)
def test_panter_dite_constant_has_its_closed_form(law, expected):
    assert panter_dite_constant(law) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize(
    ("name", "parameters", "printed"),
    [
        ("gaussian", {}, "2.72070"),
        ("laplace", {}, "4.50000"),
        ("student-t", {"df": 3.0}, "20.51908"),
        ("student-t", {"df": 4.0}, "9.30437"),
        ("student-t", {"df": 5.0}, "6.57974"),
    ],
)
def test_unit_variance_constants_to_the_printed_digits(name, parameters, printed):
    law = make(name, **parameters).standard_deviation_one()
    assert f"{panter_dite_constant(law):.5f}" == printed  # theory section 2


@pytest.mark.parametrize("name", sorted(STANDARD))
def test_bennett_constant_is_the_integral_of_the_density_over_the_squared_point_density(name):
    law = STANDARD[name]
    alpha = 0.36 if name.startswith("t") else 0.28  # inside every interval of T4
    low, high = law.support

    def integral(power):
        # x = sinh(u) spreads a heavy tail and the pole of the Gamma law over moderate u
        def integrand(u):
            x = math.sinh(u)
            return float(law.pdf(x)) ** power * math.cosh(u)

        reach = (math.asinh(low), math.asinh(high)) if math.isfinite(high) else (-160.0, 160.0)
        knots = [reach[0], -8.0, -2.0, -0.1, -1e-3, 0.0, 1e-3, 0.1, 2.0, 8.0, reach[1]]
        knots = [k for k in sorted(knots) if reach[0] <= k <= reach[1]]
        pieces = itertools.pairwise(knots)
        return sum(integrate.quad(integrand, a, b, limit=200)[0] for a, b in pieces)

    expected = integral(alpha) ** 2 * integral(1 - 2 * alpha) / 12
    assert bennett_constant(law, alpha) == pytest.approx(expected, rel=1e-6)


@given(laws(), st.floats(0.02, 0.98))
def test_one_third_is_the_optimum(law, share):
    low, high = (max(end, -1.0) if end < 0 else min(end, 2.0) for end in finite_alpha_interval(law))
    alpha = low + share * (high - low)
    assert bennett_constant(law, alpha) >= panter_dite_constant(law) * (1 - 1e-10)


def test_the_optimum_is_strict_off_one_third():
    law = make("gaussian")
    assert bennett_constant(law, 0.30) > 1.001 * panter_dite_constant(law)  # negative control of the above


@given(laws(), st.floats(-0.5, 1.5))
def test_the_interval_is_where_both_integrals_are_finite(law, alpha):
    low, high = finite_alpha_interval(law)
    assume(min(abs(alpha - low), abs(alpha - high)) >= 1e-3)
    integrals = [law.density_power_integral(beta) for beta in (alpha, 1 - 2 * alpha)]
    assert (low < alpha < high) == all(math.isfinite(value) for value in integrals)


def test_equal_mass_has_no_square_law_on_unbounded_support():
    for name, law in STANDARD.items():
        assert math.isinf(bennett_constant(law, 1.0)) == (name != "uniform")
        assert bennett_high_rate(law, 1.0, 16).is_vacuous == (name != "uniform")


def test_the_interval_of_power_tails_is_empty_from_nu_2_down():
    low, high = finite_alpha_interval(make("student-t", df=2.0))
    assert low >= high
    low, high = finite_alpha_interval(make("student-t", df=2.1))
    assert low < OPTIMAL_ALPHA < high


@pytest.mark.parametrize(
    ("name", "alpha", "levels"),
    [
        ("gaussian", 0.25, (128, 1024)),  # inside the interval: order 2
        ("laplace", OPTIMAL_ALPHA, (128, 1024)),
        ("laplace", 0.8, (64, 4096)),  # beyond 1/2: order 1/alpha
        ("t5", 0.3, (512, 8192)),
        ("t5", 0.6, (256, 8192)),  # order (nu-2)/(alpha(nu+1)-1)
        ("uniform", 0.7, (16, 256)),
    ],
)
def test_order_of_power_companders_is_what_exact_distortions_show(name, alpha, levels):
    law = STANDARD[name]
    counts = np.geomspace(levels[0], levels[1], 5).astype(int)
    exact = [distortion(PowerCompander(alpha).design(law, int(k)), law) for k in counts]
    slope = -np.polyfit(np.log(counts), np.log(exact), 1)[0]
    order = companding_order(law, alpha)
    assert order is not None
    assert slope == pytest.approx(order, abs=0.06)
    assert slope != pytest.approx(order + 0.2, abs=0.06)  # a wrong order is told apart


@pytest.mark.parametrize("name", ["gaussian", "laplace", "logistic", "pole", "t5"])
def test_high_rate_of_the_compander_is_reached(name):
    law = STANDARD[name]
    ratios = []
    for num_levels in (256, 2048):
        exact = distortion(PowerCompander(OPTIMAL_ALPHA).design(law, num_levels), law)
        ratios.append(panter_dite_high_rate(law, num_levels).value / exact)
    assert abs(ratios[1] - 1) < abs(ratios[0] - 1) < 0.02
    assert ratios[1] == pytest.approx(1.0, abs=0.002)


@given(laws(), st.floats(-2, 2), st.floats(0.25, 4))
def test_constants_scale_with_the_square_of_the_unit(law, shift, factor):
    moved = changed(law, loc=shift, scale=law.scale * factor)
    expected = panter_dite_constant(law) * factor**2
    assert panter_dite_constant(moved) == pytest.approx(expected, rel=1e-9)


def test_data_give_an_estimate_of_the_law_they_come_from():
    rng = np.random.default_rng(5)
    data = Empirical(rng.standard_normal(200_000))
    bound = panter_dite_high_rate(data, 16)
    assert bound.kind == "estimate"
    assert bound.value * 256 == pytest.approx(math.sqrt(3) * math.pi / 2, rel=0.03)


def test_infinite_variance_makes_the_constant_infinite():
    law = make("student-t", df=1.5)
    assert math.isinf(panter_dite_constant(law))
    assert companding_order(law, OPTIMAL_ALPHA) is None
