"""The number types in which the scales of blocks are stored."""

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["SCALE_BITS", "ScaleType", "rounded_scales", "scale_unit"]

Float32Array = NDArray[np.float32]
ScaleType = Literal["float32", "float16", "float8_e4m3"]

SCALE_BITS: dict[ScaleType, int] = {"float32": 32, "float16": 16, "float8_e4m3": 8}

# Digits behind the leading one, exponent of the smallest normal number, largest exponent used. The unit of a
# tensor brings its largest scale into the top binade below 448 = 1.75 * 2**8, the end of float8_e4m3.
_DIGITS: dict[ScaleType, int] = {"float32": 23, "float16": 10, "float8_e4m3": 3}
_LEAST_EXPONENT: dict[ScaleType, int] = {"float32": -60, "float16": -14, "float8_e4m3": -6}
_LARGEST: dict[ScaleType, float] = {"float32": 1.0, "float16": 32768.0, "float8_e4m3": 448.0}


def scale_unit(largest: float, scale_type: ScaleType) -> float:
    """A power of two u such that largest / u just fits into the type; 1 where all scales are zero."""
    if largest == 0.0:
        return 1.0
    ratio = largest / _LARGEST[scale_type]
    mantissa, exponent = math.frexp(ratio)
    return math.ldexp(1.0, exponent - 1 if mantissa == 0.5 else exponent)


def rounded_scales(scales: Float32Array, unit: float, scale_type: ScaleType) -> Float32Array:
    """The nearest multiples of ``unit`` by numbers of the type, ties to even.

    A scale that would round to zero becomes the smallest number of the type, and one beyond its end the
    largest; zero stays zero. float32 loses nothing within 60 binades of its largest scale.
    """
    magnitude = np.abs(scales.astype(np.float64)) / unit
    exponent = np.maximum(np.frexp(magnitude)[1] - 1, _LEAST_EXPONENT[scale_type])
    quantum = np.ldexp(1.0, exponent - _DIGITS[scale_type])
    rounded = np.rint(magnitude / quantum) * quantum
    least = math.ldexp(1.0, _LEAST_EXPONENT[scale_type] - _DIGITS[scale_type])
    if scale_type == "float32":
        least = math.ldexp(1.0, _LEAST_EXPONENT[scale_type])  # its smaller numbers have no inverse here
    rounded = np.clip(rounded, least, _LARGEST[scale_type])
    rounded = np.where(magnitude == 0.0, 0.0, rounded)
    return np.copysign(rounded * unit, scales).astype(np.float32)
