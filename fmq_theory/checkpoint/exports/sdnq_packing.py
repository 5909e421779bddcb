"""Codes of 1 to 8 bits as SDNQ packs them; the inverse is ``foreign.sdnq_codes.unpacked``.

Codes of 1, 2 and 4 bits fill bytes from the low bits on. Of 3, 5, 6 and 7 bits a record of 3, 5, 3 or 7 bytes
holds 8 (6 bits: 4) codes: the low bits of its bytes are the first ones, and the bits above take the others.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["codes_of_a_record", "packed"]

_Bytes = NDArray[np.uint8]
# For each code of a record that has no byte of its own: (byte, its lowest bit there, lowest bit of the code,
# how many bits), as many pieces as it is cut into.
_PIECES: dict[int, tuple[tuple[tuple[int, int, int, int], ...], ...]] = {
    3: (
        ((0, 3, 0, 3),),
        ((1, 3, 0, 3),),
        ((2, 3, 0, 3),),
        ((0, 6, 0, 2), (2, 6, 2, 1)),
        ((1, 6, 0, 2), (2, 7, 2, 1)),
    ),
    5: (
        ((0, 5, 0, 3), (3, 5, 3, 2)),
        ((1, 5, 0, 3), (4, 5, 3, 2)),
        ((2, 5, 0, 3), (3, 7, 4, 1), (4, 7, 3, 1)),
    ),
    6: (((2, 6, 0, 2), (1, 6, 2, 2), (0, 6, 4, 2)),),
    7: (tuple((place, 7, 6 - place, 1) for place in range(7)),),
}
_BYTES = {3: 3, 5: 5, 6: 3, 7: 7}


def codes_of_a_record(bits: int) -> int:
    """How many codes are packed together: a tensor has a multiple of it.

    Args:
        bits: of a code, 1 to 8.
    """
    return _BYTES[bits] + len(_PIECES[bits]) if bits in _PIECES else 8 // bits


def packed(codes: _Bytes, bits: int) -> _Bytes:
    """The stored array of codes, of the shape that SDNQ gives it; codes of 8 bits stay as they are.

    Args:
        codes: each below ``2**bits``, of any shape; a multiple of ``codes_of_a_record(bits)``.
        bits: of a code, 1 to 8.
    """
    if bits == 8:
        return codes
    flat = codes.reshape(-1, codes_of_a_record(bits))
    if bits not in _PIECES:
        shifts = np.arange(0, 8, bits, dtype=np.uint8)
        return np.bitwise_or.reduce(flat << shifts, axis=1)
    found = flat[:, : _BYTES[bits]].copy()
    for offset, pieces in enumerate(_PIECES[bits]):
        code = flat[:, _BYTES[bits] + offset]
        for byte, place, low, count in pieces:
            found[:, byte] |= ((code >> low) & (2**count - 1)) << place
    return found
