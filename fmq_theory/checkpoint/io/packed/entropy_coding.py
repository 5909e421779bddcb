"""Codes in fewer bits than they have: an entropy coder of bytes, fed with whole codes.

Zstandard codes bytes one by one with a Huffman table for each 128 KiB. Several short codes share a byte, each
in a field of 1, 2, 4 or 8 bits, so that the table is one of pairs, or of fours or eights: of codes that are
alike all over a tensor it then comes within one to four per cent of the index entropy.
"""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fmq_theory.checkpoint.io.limits import check_expansion
from fmq_theory.checkpoint.io.optional_packages import optional_package
from fmq_theory.checkpoint.io.packed.config import CODING
from fmq_theory.errors import CheckpointError
from fmq_theory.kernels.codes.encode import counts_rows
from fmq_theory.kernels.codes.packing import pack_codes, packed_size, unpack_codes
from fmq_theory.shown import counted

__all__ = ["CODING", "compress_codes", "decompress_codes", "index_entropy", "may_expand"]

Bytes = NDArray[np.uint8]

_LEVEL = 1  # higher ones look for repetitions, of which codes have none
_FIELD = {1: 1, 2: 2, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 8: 8}


def compress_codes(codes: Bytes, bits: int, threads: int = 1) -> Bytes:
    """The codes of all rows, coded.

    Args:
        codes: unpacked, C-contiguous, shape ``[R, C]``.
        bits: 1 to 8.
        threads: of the packing.

    Raises:
        CheckpointError: the library is not installed.
    """
    fields = pack_codes(codes, _FIELD[bits], threads)
    return np.frombuffer(_library().ZstdCompressor(level=_LEVEL).compress(fields), dtype=np.uint8)


def decompress_codes(data: Bytes, bits: int, rows: int, columns: int, thing: str) -> Bytes:
    """The codes as ``pack_codes`` leaves them, shape ``[rows, ceil(columns * bits / 8)]``.

    Args:
        data: what ``compress_codes`` gave.
        bits: 1 to 8.
        rows: R.
        columns: C.
        thing: what to call it in an error.

    Raises:
        CheckpointError: the data are damaged or promise more than ``may_expand`` allows, or the library is
            not installed.
    """
    check_expansion(thing, rows * columns, data.size)
    library, field = _library(), _FIELD[bits]
    size = rows * packed_size(columns, field)
    try:
        promised = library.frame_content_size(cast("Any", data))
        # Asked first, so that a few bytes cannot call for any amount of memory.
        text = library.ZstdDecompressor().decompress(cast("Any", data)) if promised == size else b""
    except library.ZstdError as error:
        raise CheckpointError(
            thing, f"its codes are corrupt ({error})", "write or download it again"
        ) from error
    if len(text) != size:
        raise CheckpointError(
            thing, f"its codes hold {promised} bytes where its shape asks for {size}", "write it again"
        )
    fields = np.frombuffer(text, dtype=np.uint8).reshape(rows, -1)
    codes = unpack_codes(fields, field, columns)
    if bits < field and int(codes.max(initial=0)) >> bits:
        raise CheckpointError(
            thing, f"a code has more than {counted(bits, 'bit')}", "write or download it again"
        )
    return fields if bits == field else pack_codes(codes, bits)


def may_expand(data: Bytes, codes: int) -> bool:
    """Whether ``decompress_codes`` would take ``data`` for that many codes, which are a byte each."""
    try:
        check_expansion("codes", codes, data.size)
    except CheckpointError:
        return False
    return True


def index_entropy(codes: Bytes, bits: int, threads: int = 1) -> float:
    """Mean over the rows of the entropy of their codes, in bits: what a coder of each row by itself needs."""
    counts = counts_rows(codes, 2**bits, threads)
    shares = counts[counts > 0] / codes.shape[1]
    return -float(np.sum(shares * np.log2(shares))) / codes.shape[0] + 0.0


def _library() -> Any:
    return optional_package("zstandard", "entropy", "entropy-coded codes", "codes them")
