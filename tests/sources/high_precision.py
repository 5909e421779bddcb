"""Hundred-digit moments of every family, from antiderivatives that the package does not use."""

import math

import mpmath
import numpy as np

from fmq_theory.sources import (
    Gaussian,
    GeneralizedGaussian,
    Laplace,
    Logistic,
    StudentT,
    TwoSidedGamma,
    Uniform,
)

DIGITS = 100


def half_density(law, z):
    """Standard density at z >= 0, an mpf."""
    z = mpmath.mpf(z)
    match law:
        case Gaussian():
            return mpmath.npdf(z)
        case Laplace():
            return mpmath.exp(-z) / 2
        case Logistic():
            return mpmath.sech(z / 2) ** 2 / 4
        case StudentT(df=df):
            df = mpmath.mpf(df)
            peak = mpmath.gamma((df + 1) / 2) / (mpmath.sqrt(df * mpmath.pi) * mpmath.gamma(df / 2))
            return peak * (1 + z * z / df) ** (-(df + 1) / 2)
        case GeneralizedGaussian(beta=beta):
            beta = mpmath.mpf(beta)
            return beta / (2 * mpmath.gamma(1 / beta)) * mpmath.exp(-(z**beta))
        case TwoSidedGamma(shape=shape):
            shape = mpmath.mpf(shape)
            return z ** (shape - 1) * mpmath.exp(-z) / (2 * mpmath.gamma(shape))
        case Uniform():
            return mpmath.mpf(1) / 2 if z <= 1 else mpmath.mpf(0)
    raise TypeError(law)


def half_moment(law, p, z):
    """Integral of x**p f(x) over [0, z] for the standard law, an mpf; z may be inf."""
    z = mpmath.mpf(z)
    match law:
        case Gaussian():
            return half_moment(GeneralizedGaussian(2.0), p, z / mpmath.sqrt(2)) * mpmath.sqrt(2) ** p
        case Laplace():
            return half_moment(TwoSidedGamma(1.0), p, z)
        case Logistic():
            return logistic_primitive(p, z) - logistic_primitive(p, mpmath.mpf(0))
        case StudentT(df=df):
            if z == mpmath.inf:
                if p >= df:
                    return mpmath.inf
                df = mpmath.mpf(df)
                beta = mpmath.beta(mpmath.mpf(p + 1) / 2, (df - p) / 2) / mpmath.beta(0.5, df / 2)
                return df ** (mpmath.mpf(p) / 2) * beta / 2
            df = mpmath.mpf(df)
            q = mpmath.mpf(p + 1) / 2
            value = mpmath.hyp2f1((df + 1) / 2, q, q + 1, -z * z / df)
            return half_density(law, 0) * z ** (p + 1) / (p + 1) * value
        case GeneralizedGaussian(beta=beta):
            a = 1 / mpmath.mpf(beta)
            top = z if z == mpmath.inf else z ** mpmath.mpf(beta)
            return mpmath.gammainc((p + 1) * a, 0, top) / (2 * mpmath.gamma(a))
        case TwoSidedGamma(shape=shape):
            shape = mpmath.mpf(shape)
            return mpmath.gammainc(shape + p, 0, z) / (2 * mpmath.gamma(shape))
        case Uniform():
            return min(z, mpmath.mpf(1)) ** (p + 1) / (2 * (p + 1))
    raise TypeError(law)


def logistic_primitive(p, z):
    """-z**p S - p (...): integration by parts with S = 1 / (1 + e^z), and Li2 for the rest."""
    if z == mpmath.inf:
        return mpmath.mpf(0)
    t = mpmath.exp(-z)
    survival = t / (1 + t)
    if p == 0:
        return -survival
    if p == 1:
        return -z * survival - mpmath.log1p(t)
    return -z * z * survival - 2 * (z * mpmath.log1p(t) - mpmath.polylog(2, -t))


def cell_moments(law, a, b, about):
    """(mass, first, second) about ``about`` over [a, b], three mpf; edges are floats or inf."""
    with mpmath.workdps(DIGITS):
        loc, scale = mpmath.mpf(law.loc), mpmath.mpf(law.scale)
        centre = [mpmath.mpf(0)] * 3
        edges = [(mpmath.mpf(edge) - loc) / scale for edge in (a, b)]
        for p in range(3):
            low, high = (signed(law, p, edge) for edge in edges)
            centre[p] = high - low
        shift = (mpmath.mpf(about) - loc) / scale
        mass, first, second = centre
        return mass, scale * (first - shift * mass), scale**2 * (second - 2 * shift * first + shift**2 * mass)


def signed(law, p, z):
    """Integral of x**p f(x) from 0 to z, z of either sign."""
    if z >= 0:
        return half_moment(law, p, z)
    return (-1) ** (p + 1) * half_moment(law, p, -z)


def worst_errors(law, a, b, about):
    """Largest relative errors of mass and second, and of first relative to sqrt(mass * second)."""
    got = law.partial_moments(a, b, about=about)
    worst = np.zeros(3)
    where = [(math.nan, math.nan, math.nan)] * 3
    for i in range(len(a)):
        mass, first, second = cell_moments(law, float(a[i]), float(b[i]), float(about[i]))
        if mass < 1e-290:  # subnormal results have no relative accuracy
            continue
        errors = (
            abs(got.mass[i] / mass - 1),
            abs(got.first[i] - first) / mpmath.sqrt(mass * second),
            abs(got.second[i] / second - 1),
        )
        for p in range(3):
            if not math.isfinite(float(errors[p])) or errors[p] > worst[p]:
                worst[p] = float(errors[p])
                where[p] = (float(a[i]), float(b[i]), float(about[i]))
    return worst, where
