"""Numbers of float16 held in float64: the nearest one and the next one above; numba has no such type."""

import math

from fmq_theory.kernels.runtime.jit import kernel

__all__ = ["LARGEST_HALF", "half_above", "nearest_half", "next_half"]

LARGEST_HALF = 65504.0
_LEAST_EXPONENT = -13  # of frexp: below 2**-14 the numbers are equally spaced
_DIGITS = 11


@kernel
def _spacing(magnitude: float) -> float:
    """Of the numbers in the binade of a magnitude."""
    if magnitude == 0.0:  # frexp gives it the exponent of 1/2
        return math.ldexp(1.0, _LEAST_EXPONENT - _DIGITS)
    return math.ldexp(1.0, max(math.frexp(magnitude)[1], _LEAST_EXPONENT) - _DIGITS)


@kernel
def nearest_half(x: float) -> float:
    """The number of float16 nearest to x, ties to even; beyond its range its largest.

    Args:
        x: not nan.
    """
    magnitude = abs(x)
    if magnitude >= LARGEST_HALF:
        return math.copysign(LARGEST_HALF, x)
    spacing = _spacing(magnitude)
    quotient = magnitude / spacing  # exact: the spacing is a power of two
    whole = math.floor(quotient)
    rest = quotient - whole
    if rest > 0.5 or (rest == 0.5 and whole % 2.0 == 1.0):
        whole += 1.0
    return math.copysign(whole * spacing, x)


@kernel
def half_above(x: float) -> float:
    """The least number of float16 that is at least x; inf where there is none.

    Args:
        x: at least 0.
    """
    if x > LARGEST_HALF:
        return math.inf
    spacing = _spacing(x)
    return math.ceil(x / spacing) * spacing


@kernel
def next_half(x: float) -> float:
    """The next number of float16 above x; inf above the largest.

    Args:
        x: of float16, at least 0.
    """
    return math.inf if x >= LARGEST_HALF else x + _spacing(x)
