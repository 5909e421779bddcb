"""Where survival functions underflow: hazards, quantiles and cells stay meaningful."""

import math

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose

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


@pytest.mark.parametrize(
    ("law", "z", "expected"),
    [
        # f / sf at arguments where both are below 1e-308, from mpmath at 40 digits.
        (Gaussian(), 60.0, lambda z: mpmath.npdf(z) / (mpmath.erfc(z / mpmath.sqrt(2)) / 2)),
        (Logistic(), 1000.0, lambda z: 1 / (1 + mpmath.exp(-z))),
        (Laplace(), 2000.0, lambda z: mpmath.mpf(1)),
        (
            GeneralizedGaussian(1.5),
            200.0,
            lambda z: 1.5 * mpmath.exp(-(z**1.5)) / mpmath.gammainc(mpmath.mpf(2) / 3, z**1.5),
        ),
        (
            GeneralizedGaussian(0.5),
            1e6,
            lambda z: 0.5 * mpmath.exp(-mpmath.sqrt(z)) / mpmath.gammainc(2, mpmath.sqrt(z)),
        ),
        (TwoSidedGamma(0.3), 900.0, lambda z: z**-0.7 * mpmath.exp(-z) / mpmath.gammainc(0.3, z)),
        (TwoSidedGamma(5.0), 900.0, lambda z: z**4 * mpmath.exp(-z) / mpmath.gammainc(5, z)),
        (StudentT(50.0), 1e8, lambda z: 50 / z),
    ],
    ids=lambda value: "closed" if callable(value) else str(value),
)
def test_hazard_where_the_survival_function_underflows(law, z, expected):
    with mpmath.workdps(40):
        assert_allclose(float(law.hazard(z)), float(expected(mpmath.mpf(z))), rtol=1e-12)


@each_law
def test_hazard_is_never_nan(law):
    x = np.concatenate(([-np.inf], law.loc + law.scale * np.geomspace(-1e200, -1e-3, 30), [law.loc]))
    x = np.concatenate((x, 2.0 * law.loc - x[-2::-1]))
    hazard = law.hazard(x)
    assert not np.isnan(hazard).any()
    assert (hazard >= 0.0).all()
    assert hazard[0] == 0.0


@pytest.mark.parametrize("q", [1e-12, 1e-20, 1e-100, 1e-300])
@each_law
def test_far_quantiles_invert_the_survival_function(law, q):
    if isinstance(law, Uniform) and q < 1e-15:
        pytest.skip("1 - 1e-20 is the edge of the support")
    x = float(law.isf(q))
    if x - law.loc > 1e150:  # beyond, df + z**2 has overflowed
        pytest.skip("the quantile is next to the largest float")
    # d ln sf = -r dx: the rounding of x is worth this much in ln sf.
    slack = 1e-12 + 4.0 * np.spacing(abs(x)) * float(law.hazard(x))
    assert_allclose(math.log(float(law.sf(x))), math.log(q), atol=slack + 2e-13 * abs(math.log(q)))


@each_law
def test_cells_beyond_the_last_float_of_mass_are_empty(law):
    reach = law.loc + law.scale * 1e300
    moments = law.partial_moments(reach, np.inf, about=law.loc)
    if isinstance(law, StudentT) and law.df <= 2.0:
        assert moments.second == math.inf
    else:
        assert moments.mass <= 1e-150
        assert not np.isnan(moments.second)
