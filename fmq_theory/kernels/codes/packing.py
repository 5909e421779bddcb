"""Codes of 1 to 8 bits, packed into bytes without gaps.

Layout: bit i of a row is bit i % 8 of its byte i // 8, counted from the lowest, and code j is the bits
j * bits to (j + 1) * bits - 1, its lowest bit first. A row begins with a byte of its own; the unused bits
of its last byte are zero.
"""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.runtime.threads import run_blocks

__all__ = ["pack_codes", "packed_size", "unpack_codes"]

Bytes = NDArray[np.uint8]

# Eight codes are as many whole bytes as a code has bits.
GROUP = 8


def packed_size(columns: int, bits: int) -> int:
    """Bytes of a row of ``columns`` codes."""
    return (columns * bits + 7) // 8


def pack_codes(codes: Bytes, bits: int, threads: int = 1) -> Bytes:
    """The codes of each row, packed.

    Args:
        codes: C-contiguous, each below 2**bits, shape ``[R, C]``.
        bits: 1 to 8.
        threads: at most so many share the rows.

    Returns:
        shape ``[R, ceil(C * bits / 8)]``.
    """
    if bits == 8:
        return codes.copy()
    codes = codes.view()
    codes.setflags(write=False)  # one compilation, whether the caller's array is read-only or not
    packed = np.empty((codes.shape[0], packed_size(codes.shape[1], bits)), dtype=np.uint8)
    run_blocks(lambda a, b: _pack(codes[a:b], bits, packed[a:b]), codes.shape[0], threads)
    return packed


def unpack_codes(packed: Bytes, bits: int, columns: int, threads: int = 1) -> Bytes:
    """The inverse of ``pack_codes``.

    Args:
        packed: C-contiguous, shape ``[R, ceil(C * bits / 8)]``.
        bits: 1 to 8.
        columns: C.
        threads: at most so many share the rows.

    Returns:
        shape ``[R, C]``.
    """
    if bits == 8:
        return packed.copy()
    packed = packed.view()
    packed.setflags(write=False)
    codes = np.empty((packed.shape[0], columns), dtype=np.uint8)
    run_blocks(lambda a, b: _unpack(packed[a:b], bits, codes[a:b]), packed.shape[0], threads)
    return codes


@kernel
def _pack(codes: Bytes, bits: int, packed: Bytes) -> None:
    columns = codes.shape[1]
    for r in range(codes.shape[0]):
        for group in range((columns + GROUP - 1) // GROUP):
            first = group * GROUP
            word = np.uint64(0)
            if first + GROUP <= columns:
                for j in range(GROUP):
                    word |= np.uint64(codes[r, first + j]) << np.uint64(j * bits)
            else:
                for j in range(columns - first):
                    word |= np.uint64(codes[r, first + j]) << np.uint64(j * bits)
            start = group * bits
            for j in range(min(bits, packed.shape[1] - start)):
                packed[r, start + j] = np.uint8(word >> np.uint64(8 * j))


@kernel
def _unpack(packed: Bytes, bits: int, codes: Bytes) -> None:
    columns = codes.shape[1]
    mask = (np.uint64(1) << np.uint64(bits)) - np.uint64(1)
    for r in range(codes.shape[0]):
        for group in range((columns + GROUP - 1) // GROUP):
            first, start = group * GROUP, group * bits
            word = np.uint64(0)
            for j in range(min(bits, packed.shape[1] - start)):
                word |= np.uint64(packed[r, start + j]) << np.uint64(8 * j)
            for j in range(min(GROUP, columns - first)):
                codes[r, first + j] = np.uint8((word >> np.uint64(j * bits)) & mask)
