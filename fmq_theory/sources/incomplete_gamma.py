"""Incomplete gamma functions as the families with an exponential of a power need them."""

import numpy as np
from scipy import special

from fmq_theory.sources.folded import FloatArray

__all__ = ["lower_gamma", "lower_gamma_inverse", "upper_gamma", "upper_gamma_tail"]

# Backward steps of the continued fraction; at x >= 100 and a <= x / 2 a dozen reach double precision.
FRACTION_STEPS = 40


def lower_gamma(a: float, x: FloatArray) -> FloatArray:
    """P(a, x), the integral of t**(a - 1) exp(-t) over [0, x], divided by Gamma(a)."""
    return np.asarray(special.gammainc(a, x), dtype=np.float64)


def upper_gamma(a: float, x: FloatArray) -> FloatArray:
    """Q(a, x) = 1 - P(a, x), accurate where it is small."""
    return np.asarray(special.gammaincc(a, x), dtype=np.float64)


def lower_gamma_inverse(a: float, q: FloatArray) -> FloatArray:
    """The x with Q(a, x) = 2 q for 0 < q <= 1/2, accurate for small and for large x."""
    # 1 - 2 q is exact for q >= 1/4.
    outer = special.gammainccinv(a, 2.0 * np.minimum(q, 0.25))
    inner = special.gammaincinv(a, 1.0 - 2.0 * np.maximum(q, 0.25))
    return np.where(q < 0.25, outer, inner)


def upper_gamma_tail(a: float, x: FloatArray) -> FloatArray:
    """exp(x) x**(1 - a) Gamma(a, x) for large x, by Legendre's continued fraction.

    It tends to 1 as x grows, and does not underflow where Gamma(a, x) does.

    Reference:
        DLMF 8.9.2.
    """
    x = np.minimum(x, 1e100)  # the limit 1 has long been reached, and inf / inf is not a number
    fraction = x + (2 * FRACTION_STEPS + 1 - a)
    for k in range(FRACTION_STEPS, 0, -1):
        fraction = x + (2 * k - 1 - a) - k * (k - a) / fraction
    return x / fraction
