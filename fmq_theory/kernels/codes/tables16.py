"""Data of 16 bits a number: a count for each of the 65,536 patterns loses nothing.

float16 and bfloat16 are a sign, an exponent and a significand in 16 bits, so ten million weights are at
most 65,280 distinct numbers with whole masses. Their counts replace the sort, and a table with one
code a pattern replaces the search for each weight's cell. Patterns come as uint16, bit for bit.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.runtime.threads import run_blocks

__all__ = ["BFLOAT16", "FLOAT16", "ExponentBits", "encode16", "histogram16", "pattern_values"]

Patterns = NDArray[np.uint16]
ExponentBits = Literal[5, 8]

FLOAT16: ExponentBits = 5
BFLOAT16: ExponentBits = 8

_NUM_PATTERNS = 1 << 16
_SIGN = 1 << 15
# Neighbouring numbers count in different arrays: an equal neighbour need not wait until the count is
# stored. Counts of 32 bits keep the four arrays within a megabyte.
_CHUNK = 1 << 31


@kernel
def count_patterns(patterns: Patterns) -> NDArray[np.int64]:
    """How often each pattern occurs, shape ``[65536]``."""
    counts = np.zeros(_NUM_PATTERNS, dtype=np.int64)
    one = np.uint32(1)
    for start in range(0, patterns.size, _CHUNK):
        stop = min(start + _CHUNK, patterns.size)
        first = np.zeros(_NUM_PATTERNS, dtype=np.uint32)
        second = np.zeros(_NUM_PATTERNS, dtype=np.uint32)
        third = np.zeros(_NUM_PATTERNS, dtype=np.uint32)
        fourth = np.zeros(_NUM_PATTERNS, dtype=np.uint32)
        whole = start + (stop - start) // 4 * 4
        for i in range(start, whole, 4):
            first[patterns[i]] += one
            second[patterns[i + 1]] += one
            third[patterns[i + 2]] += one
            fourth[patterns[i + 3]] += one
        for i in range(whole, stop):
            first[patterns[i]] += one
        for p in range(_NUM_PATTERNS):
            counts[p] += np.int64(first[p]) + second[p] + third[p] + fourth[p]
    return counts


@kernel
def look_up(patterns: Patterns, table: NDArray[np.uint8], codes: NDArray[np.uint8]) -> None:
    """codes[i] = table[patterns[i]]."""
    for i in range(patterns.size):
        codes[i] = table[patterns[i]]


def pattern_values(exponent_bits: ExponentBits) -> NDArray[np.float32]:
    """The number that each pattern stands for, nan and infinities included; shape ``[65536]``.

    Args:
        exponent_bits: ``FLOAT16`` or ``BFLOAT16``.
    """
    patterns = np.arange(_NUM_PATTERNS, dtype=np.uint32)
    if exponent_bits == BFLOAT16:  # the upper half of a float32
        return (patterns << 16).view(np.float32)
    with np.errstate(invalid="ignore"):  # a signalling nan
        return patterns.astype(np.uint16).view(np.float16).astype(np.float32)


def histogram16(
    patterns: Patterns, exponent_bits: ExponentBits, threads: int = 1
) -> tuple[NDArray[np.float32], NDArray[np.float64], int]:
    """The distinct finite numbers in order, and how often each occurs.

    -0.0 counts as 0.0.

    Args:
        patterns: one-dimensional; read-only will do.
        exponent_bits: ``FLOAT16`` or ``BFLOAT16``.
        threads: each counts a part of the patterns.

    Returns:
        (points, mass, how many are not finite): sorted float32 of shape ``[m]``, m <= 65279; counts
        of shape ``[m]``.
    """
    parts = run_blocks(lambda start, stop: count_patterns(patterns[start:stop]), patterns.size, threads)
    counts = sum(parts, np.zeros(_NUM_PATTERNS, dtype=np.int64))
    values = pattern_values(exponent_bits)
    counts[0] += counts[_SIGN]
    counts[_SIGN] = 0
    num_finite = int(counts[np.isfinite(values)].sum())
    # In order: the negative numbers by falling pattern, then the others by rising pattern.
    in_order = np.concatenate((np.arange(_NUM_PATTERNS - 1, _SIGN - 1, -1), np.arange(_SIGN)))
    taken = in_order[(counts[in_order] > 0) & np.isfinite(values[in_order])]
    return values[taken], counts[taken].astype(np.float64), patterns.size - num_finite


def encode16(patterns: Patterns, table: NDArray[np.uint8], threads: int = 1) -> NDArray[np.uint8]:
    """The code of each number by ``table``, shape ``[n]``: one load a number, whatever the codebook.

    Args:
        patterns: one-dimensional.
        table: the code of each pattern, shape ``[65536]``.
        threads: each encodes a part.
    """
    codes = np.empty(patterns.size, dtype=np.uint8)

    def encode(start: int, stop: int) -> None:
        look_up(patterns[start:stop], table, codes[start:stop])

    run_blocks(encode, patterns.size, threads)
    return codes
