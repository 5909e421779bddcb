"""Codes of 1 to 7 bits as SDNQ packs them: the bits that a byte has left hold parts of further codes.

For 3, 5, 6 and 7 bits a record of several bytes holds 8 (6 bits: 4) codes. The low bits of its bytes are the
first codes; what follows is put together from the upper bits.
"""

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from fmq_theory.errors import CheckpointError
from fmq_theory.shown import counted

__all__ = ["unpacked"]

_Bytes = NDArray[np.uint8]
_RECORDS = {3: (3, 8), 5: (5, 8), 6: (3, 4), 7: (7, 8)}  # bytes and codes of a record


def unpacked(data: torch.Tensor, bits: int, count: int) -> torch.Tensor:
    """One code a byte, shape ``[count]``.

    Args:
        data: uint8 of any shape, as stored.
        bits: of a code, 1 to 7.
        count: how many there are.

    Raises:
        CheckpointError: the bytes are not those of so many codes.
    """
    flat = cast("_Bytes", data.contiguous().view(torch.uint8).reshape(-1).numpy())
    if flat.size * 8 != count * bits or (bits in _RECORDS and flat.size % _RECORDS[bits][0]):
        raise CheckpointError(
            f"{flat.size} bytes of codes",
            f"they are not {count} codes of {counted(bits, 'bit')}",
            "write the file again",
        )
    if bits in (1, 2, 4):
        parts = [(flat >> shift) & (2**bits - 1) for shift in range(0, 8, bits)]
        found = np.stack(parts, axis=-1)
    else:
        record = flat.reshape(-1, _RECORDS[bits][0])
        found = np.concatenate([record & (2**bits - 1), _upper(record, bits)], axis=1) & (2**bits - 1)
    return torch.from_numpy(np.ascontiguousarray(found.reshape(-1)))  # pyright: ignore[reportUnknownMemberType]


def _upper(b: _Bytes, bits: int) -> NDArray[Any]:
    """The codes of a record that are made of the upper bits of its bytes."""
    if bits == 3:
        last = (b[:, :2] >> 6) | np.stack(((b[:, 2] >> 4) & 4, (b[:, 2] >> 5) & 4), axis=1)
        return np.concatenate([b >> 3, last], axis=1)
    if bits == 5:
        pair = (b[:, :2] >> 5) | ((b[:, 3:5] >> 2) & 24)
        last = (b[:, 2] >> 5) | ((b[:, 3] >> 3) & 16) | ((b[:, 4] >> 4) & 8)
        return np.concatenate([pair, last[:, None]], axis=1)
    if bits == 6:
        return (((b[:, 0] >> 2) & 48) | ((b[:, 1] >> 4) & 12) | (b[:, 2] >> 6))[:, None]
    parts = [(b[:, place] >> (place + 1)) & (64 >> place) for place in range(7)]
    return np.bitwise_or.reduce(np.stack(parts), axis=0)[:, None]
