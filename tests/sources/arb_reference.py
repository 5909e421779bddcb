"""Laws in ball arithmetic (python-flint's Arb): each value with a proven error, at any parameter.

Every function takes the standard law (centre 0, unit scale) and z >= 0.
"""

from collections.abc import Callable
from fractions import Fraction

from flint import arb, ctx

from fmq_theory.certify import families_fixed
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

FIXED = {
    Gaussian: families_fixed.Gaussian(),
    Laplace: families_fixed.Laplace(),
    Logistic: families_fixed.Logistic(),
    Uniform: families_fixed.Uniform(),
}


def enclosed(value: Callable[[], arb]) -> arb:
    """The value to 18 digits, or to 1e-320: precision is doubled until its proven error allows."""
    for bits in (128, 256, 512, 1024, 2048, 4096, 8192):
        ctx.prec = bits
        found = value()
        if found.is_finite() and (
            found.rad() <= abs(found.mid()) * arb("1e-18") or found.abs_upper() < arb("1e-320")
        ):
            return found.mid()
    raise ArithmeticError("no precision was enough")


def density(law: SymmetricSource, z: float) -> arb:
    """f(z)."""
    x = arb(z)
    match law:
        case StudentT(df=df):
            return student_peak(df) * (-(arb(df) + 1) / 2 * (1 + x * x / arb(df)).log()).exp()
        case GeneralizedGaussian(beta=beta):
            return arb(beta) / 2 * (-(x ** arb(beta))).exp() / (1 / arb(beta)).gamma()
        case TwoSidedGamma(shape=shape):
            return x ** (arb(shape) - 1) * (-x).exp() / 2 / arb(shape).gamma()
        case _:
            return FIXED[type(law)].density(x)


def beyond(law: SymmetricSource, power: int, z: float) -> arb:
    """E[Z**power; Z > z] for power 0, 1, 2."""
    x = arb(z)
    match law:
        case StudentT(df=df):
            nu, square, half = arb(df), x * x, arb(1) / 2
            if power == 1:
                return student_peak(df) * nu / (nu - 1) * (1 + square / nu) ** (-(nu - 1) / 2)
            a, b = (half, nu / 2) if power == 0 else (3 * half, (nu - 2) / 2)
            whole = half if power == 0 else nu / (nu - 2) / 2
            if square < nu:
                return whole * (1 - (square / (nu + square)).beta_lower(a, b, regularized=1))
            return whole * (nu / (nu + square)).beta_lower(b, a, regularized=1)
        case GeneralizedGaussian(beta=beta):
            a = 1 / arb(beta)
            return (x ** arb(beta)).gamma_upper((power + 1) * a) / (2 * a.gamma())
        case TwoSidedGamma(shape=shape):
            return x.gamma_upper(arb(shape) + power) / (2 * arb(shape).gamma())
        case _:
            return FIXED[type(law)].upper_moments(x)[power]


def student_peak(df: float) -> arb:
    nu = arb(df)
    return (((nu + 1) / 2).lgamma() - (nu / 2).lgamma()).exp() / (nu * arb.pi()).sqrt()


def power_integral(law: SymmetricSource, power: Fraction) -> arb:
    """The integral of f**power, which the caller knows to be finite."""
    p = arb(power.numerator) / power.denominator
    match law:
        case StudentT(df=df):
            rest = (p * (arb(df) + 1) - 1) / 2
            beta = (arb(1) / 2).gamma() * (rest.lgamma() - (rest + arb(1) / 2).lgamma()).exp()
            return student_peak(df) ** p * arb(df).sqrt() * beta
        case GeneralizedGaussian(beta=beta):
            width = 2 * (1 + 1 / arb(beta)).gamma()
            return width ** (1 - p) * p ** (-1 / arb(beta))
        case TwoSidedGamma(shape=shape):
            order = p * (arb(shape) - 1) + 1
            return 2 * (order.lgamma() - p * (arb(2).log() + arb(shape).lgamma()) - order * p.log()).exp()
        case _:
            return FIXED[type(law)].density_power_closed(power)
