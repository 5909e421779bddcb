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


def decode_packed(packed: Bytes, bits: int, columns: int, levels: Reals, threads: int = 1) -> Reals:
    """levels[r, code] for each code of each row r.

    Args:
        packed: as ``pack_codes`` leaves it, C-contiguous, shape ``[R, ceil(C * bits / 8)]``.
        bits: 1 to 8.
        columns: C.
        levels: float32 or float64, C-contiguous, shape ``[R, 2**bits]``, or ``[1, 2**bits]`` where all rows
            share them. A code cannot point outside of it, whatever the bytes.
        threads: at most so many share the rows, or the columns of few rows.

    Returns:
        shape ``[R, C]``, of the levels' type.
    """
    packed, levels = packed.view(), levels.view()
    packed.setflags(write=False)  # one compilation, whether the caller's arrays are read-only or not
    levels.setflags(write=False)
    found = np.empty((packed.shape[0], columns), dtype=levels.dtype)
    if packed.shape[0] >= threads:
        run_blocks(partial(_decode_rows, packed, bits, levels, found), packed.shape[0], threads)
    else:
        groups = (columns + GROUP - 1) // GROUP
        for r in range(packed.shape[0]):
            table = levels[min(r, levels.shape[0] - 1)]
            run_blocks(partial(_decode_groups, packed[r], bits, table, found[r]), groups, threads)
    return found


def _decode_rows(packed: Bytes, bits: int, levels: Reals, found: Reals, start: int, stop: int) -> None:
    _decode(packed, bits, levels, found, start, stop)


def _decode_groups(packed: Bytes, bits: int, table: Reals, found: Reals, start: int, stop: int) -> None:
    """Eight codes are as many whole bytes as a code has bits, so a row may be cut between eights."""
    part, into = packed[start * bits : stop * bits], found[start * GROUP : stop * GROUP]
    _decode(part[np.newaxis], bits, table[np.newaxis], into[np.newaxis], 0, 1)


@kernel
def _decode(packed: Bytes, bits: int, levels: Reals, found: Reals, first_row: int, last_row: int) -> None:
    columns, size = found.shape[1], packed.shape[1]
    mask = (np.uint64(1) << np.uint64(bits)) - np.uint64(1)
    whole = columns // GROUP
    for r in range(first_row, last_row):
        table, row, into = levels[min(r, levels.shape[0] - 1)], packed[r], found[r]
        if bits == 8:
            for c in range(columns):
                into[c] = table[row[c]]
        elif bits == 4:
            for c in range(columns // 2):
                pair = row[c]
                into[2 * c] = table[pair & np.uint8(15)]
                into[2 * c + 1] = table[pair >> np.uint8(4)]
            if columns % 2 == 1:
                into[columns - 1] = table[row[columns // 2] & np.uint8(15)]
        else:
            for group in range(whole + (columns % GROUP > 0)):
                start = group * bits
                word = np.uint64(0)
                for j in range(min(bits, size - start)):
                    word |= np.uint64(row[start + j]) << np.uint64(8 * j)
                for j in range(min(GROUP, columns - group * GROUP)):
                    into[group * GROUP + j] = table[(word >> np.uint64(j * bits)) & mask]
