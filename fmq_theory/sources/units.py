"""Powers of two as units of weights: where the numbers themselves would lose what is computed of them.

Multiplying by a power of two is exact, so weights of any magnitude can be measured in a unit in which they
are about 1. Most are computed with as they are: within a limit 2**-limit .. 2**limit nothing can overflow
and nothing that counts can underflow.
"""

import math
from typing import overload

import numpy as np
from numpy.typing import NDArray

__all__ = ["COMPENSATED_SQUARES", "FOURTH_POWERS", "SQUARES", "same_binade", "unit_exponent"]

SQUARES = 400
"""Within 2**-400 .. 2**400 squares, and sums of many of them, stay far inside float64."""
FOURTH_POWERS = 200
"""Within 2**-200 .. 2**200 fourth powers and their sums do."""
COMPENSATED_SQUARES = 100
"""Within 2**-100 .. 2**100 squares and the errors of their rounding do."""


@overload
def unit_exponent(largest: float, limit: int) -> int: ...
@overload
def unit_exponent(largest: NDArray[np.float64], limit: int) -> NDArray[np.int64]: ...
def unit_exponent(largest: float | NDArray[np.float64], limit: int) -> int | NDArray[np.int64]:
    """The e of a unit 2**e in which ``largest`` lies in [1/2, 1); 0 within the limit, and for 0 and infinity.

    Args:
        largest: a magnitude, or several, in the units of the weights.
        limit: e is 0 if it would be from -limit to limit.

    Returns:
        e; of the shape of ``largest``.
    """
    if isinstance(largest, float):
        exponent = math.frexp(largest)[1]
        return exponent if abs(exponent) > limit else 0
    exponents = np.frexp(largest)[1].astype(np.int64)
    return np.where(np.abs(exponents) > limit, exponents, 0)


@overload
def same_binade(low: float, high: float) -> bool: ...
@overload
def same_binade(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.bool_]: ...
def same_binade(
    low: float | NDArray[np.float64], high: float | NDArray[np.float64]
) -> bool | NDArray[np.bool_] | np.bool_:
    """Whether all numbers from low to high lie within a factor two: differences of any two are then exact.

    Args:
        low: the smallest number, or several.
        high: the largest number, of the shape of ``low``.

    Reference:
        Sterbenz 1974, "Floating-point computation", theorem 4.3.1.
    """
    return ((low > 0.0) & (0.5 * high <= low)) | ((high < 0.0) & (0.5 * low >= high))
