"""From packed codes to levels in one pass, without the codes in between."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.codes.packing import GROUP
from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.runtime.threads import run_blocks

__all__ = ["decode_packed"]

Bytes = NDArray[np.uint8]
Reals = NDArray[np.floating]


_NO_SCALES = np.empty(0, dtype=np.float32)
_NO_SCALES.setflags(write=False)


def decode_packed(
    packed: Bytes,
    bits: int,
    columns: int,
    levels: Reals,
    threads: int = 1,
    scales: NDArray[np.float32] = _NO_SCALES,
    out: Reals | None = None,
) -> Reals:
    """levels[r, code] * scales[r] for each code of each row r.

    Args:
        packed: as ``pack_codes`` leaves it, C-contiguous, shape ``[R, ceil(C * bits / 8)]``.
        bits: 1 to 8.
        columns: C.
        levels: float32 or float64, C-contiguous, shape ``[R, 2**bits]``, or ``[1, 2**bits]`` where all rows
            share them. A code cannot point outside of it, whatever the bytes.
        threads: at most so many share the rows, or the columns of few rows.
        scales: a factor of each row, C-contiguous, shape ``[R]``; empty for none. Products are rounded once,
            to the wider type of the two.
        out: what is written, C-contiguous, shape ``[R, C]``, of the levels' type; None for a new array.

    Returns:
        shape ``[R, C]``, of the levels' type.
    """
    packed, levels, scales = packed.view(), levels.view(), scales.view()
    packed.setflags(write=False)  # one compilation, whether the caller's arrays are read-only or not
    levels.setflags(write=False)
    scales.setflags(write=False)
    found = np.empty((packed.shape[0], columns), dtype=levels.dtype) if out is None else out
    if packed.shape[0] >= threads:
        run_blocks(partial(_decode_rows, packed, bits, levels, scales, found), packed.shape[0], threads)
    else:
        groups = (columns + GROUP - 1) // GROUP
        for r in range(packed.shape[0]):
            table = levels[min(r, levels.shape[0] - 1)]
            one = scales[r : r + 1] if scales.size else scales
            run_blocks(partial(_decode_groups, packed[r], bits, table, one, found[r]), groups, threads)
    return found


def _decode_rows(
    packed: Bytes, bits: int, levels: Reals, scales: Reals, found: Reals, start: int, stop: int
) -> None:
    _decode(packed, bits, levels, scales, found, start, stop)


def _decode_groups(
    packed: Bytes, bits: int, table: Reals, scales: Reals, found: Reals, start: int, stop: int
) -> None:
    """Eight codes are as many whole bytes as a code has bits, so a row may be cut between eights."""
    part, into = packed[start * bits : stop * bits], found[start * GROUP : stop * GROUP]
    _decode(part[np.newaxis], bits, table[np.newaxis], scales, into[np.newaxis], 0, 1)


@kernel
def _decode(
    packed: Bytes, bits: int, levels: Reals, scales: Reals, found: Reals, first_row: int, last_row: int
) -> None:
    columns, size = found.shape[1], packed.shape[1]
    step = np.uint64(bits)
    mask = (np.uint64(1) << step) - np.uint64(1)
    flat = packed.reshape(-1)
    factor = np.float32(1.0)  # which changes no number
    for r in range(first_row, last_row):
        table, row, into = levels[min(r, levels.shape[0] - 1)], packed[r], found[r]
        if scales.size > 0:
            factor = scales[r]
        if bits == 8:
            for c in range(columns):
                into[c] = table[row[c]] * factor
        elif bits == 4:
            for c in range(columns // 2):
                pair = row[c]
                into[2 * c] = table[pair & np.uint8(15)] * factor
                into[2 * c + 1] = table[pair >> np.uint8(4)] * factor
            if columns % 2 == 1:
                into[columns - 1] = table[row[columns // 2] & np.uint8(15)] * factor
        else:
            # Eight codes are read as one word of eight bytes, of which the last may be those of the next row;
            # at the end of all rows byte by byte. Unsigned, so that no index is looked at for its sign: that
            # takes half of the time.
            begin, left = np.uint64(r * size), flat.size - r * size
            words = min(columns // GROUP, (left - 8) // bits + 1) if left >= 8 else 0
            for group in range(np.uint64(words)):
                start = begin + group * step
                word = np.uint64(0)
                for j in range(np.uint64(8)):
                    word |= np.uint64(flat[start + j]) << (np.uint64(8) * j)
                for j in range(np.uint64(GROUP)):
                    into[group * np.uint64(GROUP) + j] = table[(word >> (j * step)) & mask] * factor
            for group in range(words, (columns + GROUP - 1) // GROUP):
                first = group * bits
                word = np.uint64(0)
                for j in range(min(bits, size - first)):
                    word |= np.uint64(row[first + j]) << np.uint64(8 * j)
                for j in range(min(GROUP, columns - group * GROUP)):
                    into[group * GROUP + j] = table[(word >> np.uint64(j * bits)) & mask] * factor
