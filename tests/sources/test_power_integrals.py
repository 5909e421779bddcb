"""I(beta) and escort laws against quadrature, and the constants that follow from them."""

import itertools
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad

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
from tests.sources.laws import each_law

POWERS = (0.1, 1.0 / 3.0, 0.5, 1.0, 1.8)


def integral(function, law) -> float:
    """Twice the integral over the half line above loc, split where the laws change their nature."""
    # x = loc + scale e^s: algebraic tails and the singularity at loc both become exponential in s.
    top = math.log(law.support[1] - law.loc) - math.log(law.scale) if isinstance(law, Uniform) else 400.0

    def integrand(s: float) -> float:
        step = law.scale * math.exp(s)
        return float(function(law.loc + step)) * step

    pieces = [-400.0, -40.0, -10.0, -3.0, 0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 40.0, 400.0]
    pieces = [piece for piece in pieces if piece < top] + [top]
    return 2.0 * sum(
        quad(integrand, a, b, epsabs=0.0, epsrel=1e-11, limit=200)[0] for a, b in itertools.pairwise(pieces)
    )


def nearly_divergent(law, power: float) -> bool:
    """Whether f**power has a tail so heavy that no float reaches its end."""
    return isinstance(law, StudentT) and power * (law.df + 1.0) - 1.0 < 0.1


CENTRED = [law for law in each_law.args[1] if law.loc == 0.0]


@pytest.mark.filterwarnings("ignore::scipy.integrate.IntegrationWarning")
@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("law", CENTRED, ids=str)
def test_power_integral_agrees_with_quadrature(law, power):
    closed = law.density_power_integral(power)
    if not math.isfinite(closed):
        pytest.skip("it diverges")
    if not nearly_divergent(law, power):
        assert_allclose(closed, integral(lambda x: law.pdf(x) ** power, law), rtol=1e-8)


@each_law
def test_first_power_integrates_to_one(law):
    assert_allclose(law.density_power_integral(1.0), 1.0, rtol=1e-13)


@each_law
def test_power_integral_scales(law):
    moved = law._replaced(loc=0.0, scale=3.0 * law.scale)
    ratio = moved.density_power_integral(0.4) / law.density_power_integral(0.4)
    assert math.isnan(ratio) or ratio == pytest.approx(3.0**0.6, rel=1e-13)


@pytest.mark.parametrize(
    ("law", "power"),
    [
        (Gaussian(), 0.0),
        (Laplace(), -1.0),
        (Logistic(), 0.0),
        (StudentT(3.0), 0.25),
        (StudentT(3.0), 0.0),
        (GeneralizedGaussian(1.5), 0.0),
        (TwoSidedGamma(0.5), 2.0),
        (TwoSidedGamma(0.5), 0.0),
        (TwoSidedGamma(2.0), -0.5),
    ],
    ids=str,
)
def test_power_integral_diverges_at_the_end_of_its_domain(law, power):
    assert law.density_power_integral(power) == math.inf
    with pytest.raises(SourceError, match="alpha"):
        law.escort(power)


@pytest.mark.parametrize(
    ("law", "power"),
    [
        (StudentT(3.0), 0.255),
        (TwoSidedGamma(0.5), 1.9999),
        (Gaussian(), 1e-6),
        (Uniform(), 0.0),
        (Uniform(), -3.0),
    ],
    ids=str,
)
def test_power_integral_is_finite_just_inside_its_domain(law, power):
    assert math.isfinite(law.density_power_integral(power))
    assert np.isfinite(law.escort(power).ppf(0.6))


def test_escort_error_names_the_domain():
    with pytest.raises(SourceError, match=r"alpha > 0\.25 = 1 / \(df \+ 1\)"):
        StudentT(3.0).escort(0.2)
    with pytest.raises(SourceError, match=r"0 < alpha < 2 = 1 / \(1 - shape\)"):
        TwoSidedGamma(0.5).escort(2.5)
    with pytest.raises(SourceError, match="alpha > 0"):
        Gaussian().escort(math.nan)


@pytest.mark.parametrize("alpha", [1.0 / 3.0, 0.6, 1.0, 1.3])
@each_law
def test_escort_quantiles_invert_the_integral_of_the_power(law, alpha):
    """Integrate f**alpha from loc to the escort's quantile: it must be (q - 1/2) I(alpha)."""
    if not math.isfinite(law.density_power_integral(alpha)) or nearly_divergent(law, alpha):
        pytest.skip("no escort law, or one that no quadrature can follow")
    law = law._replaced(loc=0.0)  # next to a loc other than zero, x - loc is coarse
    for q in (0.55, 0.8, 0.99):
        reach = float(law.escort(alpha).ppf(q)) - law.loc
        # u^10 = x - loc flattens the singularity of a Gamma law of small shape.
        part, _ = quad(
            lambda u, reach=reach: float(law.pdf(law.loc + reach * u**10)) ** alpha * 10.0 * reach * u**9,
            0.0,
            1.0,
            epsabs=0.0,
            epsrel=1e-10,
            limit=400,
        )
        assert_allclose(part, (q - 0.5) * law.density_power_integral(alpha), rtol=1e-6)


@each_law
def test_escort_at_one_is_the_law_itself(law):
    q = np.array([1e-12, 1e-3, 0.2, 0.5, 0.77, 0.9999])
    assert_allclose(law.escort(1.0).ppf(q), law.ppf(q), rtol=1e-11, atol=1e-12 * law.scale)


def test_logistic_escort_is_accurate_in_both_tails():
    escort = Logistic(1.0, 2.0).escort(0.05)
    q = np.array([1e-300, 1e-40, 1e-5, 0.3])
    low = escort.ppf(q)
    assert np.isfinite(low).all()
    # The law is a power of exp(-|z|) far out: ln q falls by alpha for each unit of z.
    slope = (np.log(q[1]) - np.log(q[0])) / ((low[1] - low[0]) / 2.0)
    assert slope == pytest.approx(0.05, rel=1e-9)
    assert_allclose(escort.ppf(0.7) - 1.0, 1.0 - escort.ppf(0.3), rtol=1e-12)
    assert np.isnan(escort.ppf(np.array([-0.1, 1.1]))).all()
    assert escort.ppf(np.array([0.0, 1.0])).tolist() == [-math.inf, math.inf]


# Panter-Dite constants (1/12) I(1/3)^3, at unit scale and at unit variance.


def panter_dite(law) -> float:
    return law.density_power_integral(1.0 / 3.0) ** 3 / 12.0


@pytest.mark.parametrize(
    ("law", "expected"),
    [
        (Uniform(0.0, 1.7), 1.7**2 / 3.0),
        (Gaussian(), math.sqrt(3.0) * math.pi / 2.0),
        (Laplace(), 9.0),
        (
            GeneralizedGaussian(1.5),
            3.0 ** (3.0 / 1.5) * (2.0 * math.gamma(1.0 / 1.5) / 1.5) ** 2 / 12.0,
        ),
        (Logistic(), (math.gamma(1 / 3) * math.gamma(1 / 2) / math.gamma(5 / 6)) ** 3 / 6.0),
        (
            StudentT(5.0),
            math.gamma(3.0)
            / (math.sqrt(5.0 * math.pi) * math.gamma(2.5))
            * 5.0**1.5
            * (math.gamma(0.5) * math.gamma(0.5) / math.gamma(1.0)) ** 3
            / 12.0,
        ),
    ],
    ids=str,
)
def test_panter_dite_constants_in_closed_form(law, expected):
    assert_allclose(panter_dite(law), expected, rtol=1e-13)


@pytest.mark.parametrize(
    ("law", "expected"),
    [
        (Gaussian(), 2.72070),
        (Laplace(), 4.5),
        (StudentT(3.0), 20.5191),
        (StudentT(4.0), 9.30437),
        (StudentT(5.0), 6.57974),
    ],
    ids=str,
)
def test_panter_dite_constants_at_unit_variance(law, expected):
    assert_allclose(panter_dite(law.standard_deviation_one()), expected, rtol=2e-6)
    assert panter_dite(law.standard_deviation_one()) != pytest.approx(panter_dite(Logistic()), rel=1e-3)


def test_panter_dite_is_infinite_without_a_variance():
    assert panter_dite(StudentT(2.0)) == math.inf
    assert math.isfinite(panter_dite(StudentT(2.001)))
