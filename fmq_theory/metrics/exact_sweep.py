"""W2**2 of two samples by a sweep in whole numbers, for masses and points that leave double-double."""

import math

import numpy as np
from numpy.typing import NDArray

from fmq_theory.metrics.sorted_samples import SortedPair, SortedSample

__all__ = ["needs_exact_ranks", "w2_squared_exact"]

_RANK_BITS = 60
"""Ranks in double-double are off by 2**-103 at most; a share of n 2**-60/n then keeps 2**-43, 1.1e-13."""


def needs_exact_ranks(pair: SortedPair) -> bool:
    """Whether the smallest share of all mass is so small that the rounding of ranks could be seen in it.

    Ranks are double-double numbers whose errors add up to 2**-103 of all mass, while the largest mass is at
    least 1/n of it. Of a mass below n 2**-60 of the largest one the relative error 1e-12 is not sure.
    """
    points = max(pair.x.points.size, pair.y.points.size)
    return any(
        sample.mass.size > 0 and sample.mass.min() < points * 2.0**-_RANK_BITS * sample.mass.max()
        for sample in (pair.x, pair.y)
    )


def w2_squared_exact(x: SortedSample, y: SortedSample) -> float:
    """W2**2, each number of which is exact until it is rounded once: ranks, gaps' exponents, the sum.

    Masses are whole multiples of one power of two, so products of a mass and the other sample's total are
    whole numbers and the ranks at which two of them meet are exact. A term is a share times a squared gap,
    each with an exponent of its own, so that no square leaves float64 before the sum does.

    Args:
        x: points of the first measure in order, with positive masses.
        y: points of the second measure in order, with positive masses.

    Returns:
        In the square of the units of the points; ``inf`` beyond float64.
    """
    (wx, total_x), (wy, total_y) = _whole(x), _whole(y)
    whole = total_x * total_y
    xs, ys = (np.asarray(sample.points, dtype=np.float64).tolist() for sample in (x, y))
    terms: list[tuple[float, int]] = []
    i = j = 0
    left_x, left_y = wx[0] * total_y, wy[0] * total_x
    while True:
        moved = min(left_x, left_y)
        if xs[i] != ys[j]:
            terms.append(_term(moved, whole, xs[i], ys[j]))
        left_x, left_y = left_x - moved, left_y - moved
        if left_x == 0:
            i += 1
            if i == len(xs):
                break
            left_x = wx[i] * total_y
        if left_y == 0:
            j += 1
            left_y = wy[j] * total_x
    if not terms:
        return 0.0
    # In units of the largest term nothing that counts can underflow.
    top = max(exponent for _, exponent in terms)
    total = math.fsum(math.ldexp(value, max(exponent - top, -2000)) for value, exponent in terms)
    with np.errstate(over="ignore", under="ignore"):
        return float(np.ldexp(total, top))


def _term(moved: int, whole: int, x: float, y: float) -> tuple[float, int]:
    """moved/whole (x - y)**2 as a float in (1/8, 1] or so and the power of two that it is in units of."""
    shift = whole.bit_length() - moved.bit_length()
    share = (moved << shift) / whole
    # Halves, because the difference of two numbers near the largest float is none.
    gap, exponent = math.frexp(0.5 * x - 0.5 * y) if max(abs(x), abs(y)) > 1.0 else math.frexp(x - y)
    exponent += max(abs(x), abs(y)) > 1.0
    return share * gap * gap, 2 * exponent - shift


def _whole(sample: SortedSample) -> tuple[list[int], int]:
    """Masses as whole numbers of one common unit, and their sum."""
    mass: NDArray[np.float64] = sample.masses
    mantissas, exponents = np.frexp(mass)
    units = exponents - 53
    least = int(units.min())
    pairs = zip(np.ldexp(mantissas, 53).tolist(), (units - least).tolist(), strict=True)
    whole = [int(mantissa) << shift for mantissa, shift in pairs]
    return whole, sum(whole)
