"""Floating-point numbers as unsigned integers, whose digits radix sorts and histograms read.

The bits of a float are a sign and a magnitude. Its key is 2**(w - 1) + magnitude, or - magnitude for the
negative ones, w the width in bits: keys are in the order of the numbers, and -0.0 and +0.0 share one.
"""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel

__all__ = ["BitArray", "bits_of", "gather_keys", "write_bits", "write_keys"]

BitArray = NDArray[np.unsignedinteger]


def bits_of(values: NDArray[np.floating]) -> BitArray:
    """The bits of float32 or float64 numbers; a read-only view, so that kernels see one type of array.

    Args:
        values: C-contiguous, finite.
    """
    bits = values.view(np.uint32 if values.dtype == np.float32 else np.uint64)
    bits.setflags(write=False)
    return bits


@kernel
def write_keys(bits: BitArray, keys: BitArray) -> None:
    """Key of each number; ``keys`` may be ``bits``."""
    half = np.uint64(1) << np.uint64(8 * bits.itemsize - 1)
    for i in range(bits.size):
        word = np.uint64(bits[i])
        magnitude = word & (half - np.uint64(1))
        keys[i] = half + magnitude if word == magnitude else half - magnitude


@kernel
def write_bits(keys: BitArray, bits: BitArray) -> None:
    """The inverse of ``write_keys``, with +0.0 for either zero; ``bits`` may be ``keys``."""
    half = np.uint64(1) << np.uint64(8 * keys.itemsize - 1)
    for i in range(keys.size):
        key = np.uint64(keys[i])
        bits[i] = key - half if key >= half else np.uint64(0) - key


@kernel
def gather_keys(bits: BitArray, places: NDArray[np.uint32], keys: BitArray) -> None:
    """Key of the number at each place."""
    half = np.uint64(1) << np.uint64(8 * bits.itemsize - 1)
    for i in range(places.size):
        word = np.uint64(bits[places[i]])
        magnitude = word & (half - np.uint64(1))
        keys[i] = half + magnitude if word == magnitude else half - magnitude
