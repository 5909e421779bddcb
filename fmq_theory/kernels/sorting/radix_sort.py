"""Sorting float32 and float64 numbers by the digits of their keys.

Rows that fit the cache are sorted from the lowest digit. Longer ones are first dealt out into buckets by
their highest bits (sign, exponent and a few of the mantissa), so that all further passes stay in the cache.
Short rows are left to numpy, whose sorting networks win there.
"""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.runtime.threads import run_blocks
from fmq_theory.kernels.sorting.digit_sort import COUNTS, sort_keys
from fmq_theory.kernels.sorting.float_keys import BitArray, bits_of, write_bits, write_keys

__all__ = ["sort_rows", "sorted_copy"]

# Below this numpy is faster.
SHORT = 1024
# Above so many bytes a row is dealt into buckets first: it and its copy outgrow the second-level cache.
LONG = 1 << 21
# The same where more than one thread could share it.
LONG_TO_SHARE = 1 << 20
# Highest bits that choose a bucket: sign and exponent, and so much of the mantissa that a bucket of
# ten million normal deviates fits the second-level cache.
BUCKET_BITS = {4: 12, 8: 15}


def sort_rows(rows: NDArray[np.floating], threads: int = 1) -> NDArray[np.floating]:
    """Sorted copy of each row, -0.0 as +0.0.

    Args:
        rows: finite float32 or float64, C-contiguous, shape ``[R, C]``; may be read-only.
        threads: at most so many share the rows, or a long row.

    Returns:
        the same type and shape. Besides it, at most one copy of one row a thread is allocated.
    """
    num_rows, columns = rows.shape
    ordered = np.empty_like(rows)
    if columns * rows.itemsize > (LONG if num_rows >= threads else LONG_TO_SHARE):
        for row, result in zip(rows, ordered, strict=True):
            _sort_long(bits_of(row), result.view(bits_of(row).dtype), threads)
        return ordered

    def sort_block(start: int, stop: int) -> None:
        if columns < SHORT:
            ordered[start:stop] = np.sort(rows[start:stop], axis=1)
            ordered[start:stop] += 0.0  # -0.0 becomes +0.0
        else:
            bits = bits_of(rows[start:stop])
            _sort_rows_in_cache(bits, ordered[start:stop].view(bits.dtype))

    run_blocks(sort_block, num_rows, threads)
    return ordered


def sorted_copy(values: NDArray[np.floating], threads: int = 1) -> NDArray[np.floating]:
    """Sorted copy, -0.0 as +0.0.

    Args:
        values: finite float32 or float64, C-contiguous, shape ``[n]``; may be read-only.
        threads: at most so many.
    """
    return sort_rows(values[np.newaxis, :], threads)[0]


@kernel
def _sort_rows_in_cache(rows: BitArray, ordered: BitArray) -> None:
    spare = np.empty(rows.shape[1], dtype=ordered.dtype)
    counts = np.empty(COUNTS, dtype=np.uint32)
    for r in range(rows.shape[0]):
        write_keys(rows[r], ordered[r])
        moved = sort_keys(ordered[r], spare, counts, 8 * rows.itemsize)
        write_bits(spare if moved else ordered[r], ordered[r])


def _sort_long(bits: BitArray, ordered: BitArray, threads: int) -> None:
    """Deals the numbers into buckets, then sorts each bucket.

    A bucket holds the numbers whose highest bits are equal. Each thread counts and deals a range of the
    numbers; then each sorts a range of buckets with nearly as many numbers as the others'.
    """
    size = bits.size
    bucket_bits = BUCKET_BITS[bits.itemsize]
    shift = 8 * bits.itemsize - bucket_bits
    half = 1 << (bucket_bits - 1)
    parts = max(1, min(threads, size))
    edges = [size * part // parts for part in range(parts + 1)]
    counts = np.zeros((parts, 2 * half), dtype=np.int64)

    def count(start: int, stop: int) -> None:
        for part in range(start, stop):
            _count_buckets(bits[edges[part] : edges[part + 1]], shift, counts[part])

    run_blocks(count, parts, parts)
    # In the order of the numbers: the negative ones have the sign bit set and rise as their bits fall.
    order = np.concatenate((np.arange(2 * half - 1, half - 1, -1), np.arange(half)))
    in_order = counts[:, order].T.ravel()
    places = np.cumsum(in_order) - in_order
    offsets = np.empty_like(counts)
    offsets[:, order] = places.reshape(-1, parts).T
    starts = np.append(places[::parts], size)

    def deal(start: int, stop: int) -> None:
        for part in range(start, stop):
            _deal(bits[edges[part] : edges[part + 1]], shift, offsets[part], ordered)

    run_blocks(deal, parts, parts)
    shares = np.searchsorted(starts, edges)
    shares[0], shares[-1] = 0, starts.size - 1
    largest = int(np.diff(starts).max())

    def sort_share(start: int, stop: int) -> None:
        spare = np.empty(largest, dtype=bits.dtype)
        for part in range(start, stop):
            _sort_buckets(ordered, starts, int(shares[part]), int(shares[part + 1]), shift, spare)

    run_blocks(sort_share, parts, parts)


@kernel
def _count_buckets(bits: BitArray, shift: int, counts: NDArray[np.int64]) -> None:
    for i in range(bits.size):
        counts[np.uint64(bits[i]) >> np.uint64(shift)] += 1


@kernel
def _deal(bits: BitArray, shift: int, offsets: NDArray[np.int64], dealt: BitArray) -> None:
    """Writes each number to the next place of its bucket; offsets, shape ``[buckets]``, are moved on."""
    for i in range(bits.size):
        word = bits[i]
        bucket = np.uint64(word) >> np.uint64(shift)
        place = np.uint64(offsets[bucket])
        offsets[bucket] = place + np.uint64(1)
        dealt[place] = word


@kernel
def _sort_buckets(
    dealt: BitArray, starts: NDArray[np.int64], first: int, last: int, shift: int, spare: BitArray
) -> None:
    """Sorts buckets first..last-1 in place; the first half of all buckets is negative."""
    counts = np.empty(COUNTS, dtype=np.uint32)
    half = (starts.size - 1) // 2
    minus_zero = np.uint64(1) << np.uint64(8 * dealt.itemsize - 1)
    for bucket in range(first, last):
        part = dealt[starts[bucket] : starts[bucket + 1]]
        if part.size == 0:
            continue
        # Negative numbers rise as their magnitude falls, and all bits above the magnitude's are equal.
        flip = ~np.uint64(0) if bucket < half else np.uint64(0)
        if bucket < half:
            for i in range(part.size):
                part[i] = ~part[i]
        ranked = spare[: part.size] if sort_keys(part, spare[: part.size], counts, shift) else part
        for i in range(part.size):
            word = np.uint64(ranked[i]) ^ flip
            part[i] = word
        if bucket == half - 1:
            for i in range(part.size):
                if part[i] == minus_zero:
                    part[i] = 0
