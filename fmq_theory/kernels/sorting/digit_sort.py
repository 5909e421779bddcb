"""Sorting unsigned keys by their digits: the small and middle-sized sorts that larger ones are made of."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.sorting.float_keys import BitArray

__all__ = ["COUNTS", "sort_keys"]

# Digits of 11 bits need the fewest passes; their 2048 counters must not cost more than the keys.
WIDE, NARROW = 11, 8
COUNTS = 1 << WIDE
FEW_KEYS = 2048
# Below this an insertion sort is faster than counting.
TINY = 40


@kernel
def _insert(keys: BitArray) -> None:
    """Insertion sort."""
    for i in range(1, keys.size):
        key = keys[i]
        j = i
        while j > 0 and keys[j - 1] > key:
            keys[j] = keys[j - 1]
            j -= 1
        keys[j] = key


@kernel
def sort_keys(keys: BitArray, spare: BitArray, counts: NDArray[np.uint32], num_bits: int) -> bool:
    """Sorts by the lowest ``num_bits`` bits; the others are to be the same in all keys.

    Radix sort from the lowest digit; a digit that all keys share costs no pass.

    Args:
        keys: shape ``[m]``, overwritten; fewer than 2**32.
        spare: workspace of the keys' type, shape ``[m]``.
        counts: workspace of shape ``[COUNTS]``.
        num_bits: at most the keys' width.

    Returns:
        whether the sorted keys are in ``spare``, not in ``keys``.
    """
    if keys.size <= TINY:
        _insert(keys)
        return False
    digit = NARROW if keys.size < FEW_KEYS else WIDE
    counts = counts[: 1 << digit]
    mask = np.uint64(counts.size - 1)
    size = np.uint32(keys.size)
    source, target = keys, spare
    moved = False
    for low in range(0, num_bits, digit):
        shift = np.uint64(low)
        for value in range(counts.size):
            counts[value] = 0
        for i in range(size):
            counts[(np.uint64(source[i]) >> shift) & mask] += np.uint32(1)
        if counts[(np.uint64(source[0]) >> shift) & mask] == size:
            continue
        start = np.uint32(0)
        for value in range(counts.size):
            here = counts[value]
            counts[value] = start
            start += here
        for i in range(size):
            key = source[i]
            value = (np.uint64(key) >> shift) & mask
            place = counts[value]
            counts[value] = place + np.uint32(1)
            target[place] = key
        source, target = target, source
        moved = not moved
    return moved
