"""The laws that the example-based tests run over, and scipy's version of each."""

import pytest
import scipy.stats

from fmq_theory.sources import (
    Gaussian,
    GeneralizedGaussian,
    Laplace,
    Logistic,
    StudentT,
    SymmetricSource,
    TwoSidedGamma,
    Uniform,
)

LAWS: tuple[SymmetricSource, ...] = (
    Gaussian(),
    Gaussian(1.7, 0.3),
    Laplace(),
    Laplace(-2.0, 3.0),
    Logistic(),
    Logistic(0.5, 0.2),
    StudentT(0.6),
    StudentT(1.0),
    StudentT(2.0, 1.0, 0.5),
    StudentT(2.01),
    StudentT(3.0),
    StudentT(5.0, -0.7, 2.0),
    StudentT(200.0),
    GeneralizedGaussian(0.5),
    GeneralizedGaussian(1.5, 2.0, 0.7),
    GeneralizedGaussian(4.0),
    TwoSidedGamma(0.3),
    TwoSidedGamma(0.9, 1.0, 2.0),
    TwoSidedGamma(1.7),
    TwoSidedGamma(5.0, -1.0, 0.4),
    Uniform(),
    Uniform(1.5, 0.25),
)

each_law = pytest.mark.parametrize("law", LAWS, ids=str)


def scipy_law(law: SymmetricSource):
    """The same law as a frozen scipy distribution."""
    where = {"loc": law.loc, "scale": law.scale}
    match law:
        case Gaussian():
            return scipy.stats.norm(**where)
        case Laplace():
            return scipy.stats.laplace(**where)
        case Logistic():
            return scipy.stats.logistic(**where)
        case StudentT(df=df):
            return scipy.stats.t(df, **where)
        case GeneralizedGaussian(beta=beta):
            return scipy.stats.gennorm(beta, **where)
        case TwoSidedGamma(shape=shape):
            return scipy.stats.dgamma(shape, **where)
        case Uniform():
            return scipy.stats.uniform(law.loc - law.scale, 2.0 * law.scale)
    raise TypeError(law)
