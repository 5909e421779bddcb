"""The arrays of a packed tensor as they are stored."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.checkpoint.io.number_types import bytes_of, safetensors_type
from fmq_theory.checkpoint.io.packed.index import CODEBOOK, CODES, SCALES
from fmq_theory.checkpoint.io.packed.tensor import PackedTensor

__all__ = ["StoredArrays", "stored_arrays"]

Bytes = NDArray[np.uint8]
StoredArrays = dict[str, tuple[str, tuple[int, ...], Bytes]]
"""Type, shape and bytes of what is stored, by the end of its key."""


def stored_arrays(packed: PackedTensor) -> StoredArrays:
    """Codes, codebook and scales.

    Args:
        packed: what is to be stored.
    """
    names = {2: "F16", 4: "F32", 8: "F64"}
    codebook = packed.codebook
    arrays: StoredArrays = {
        CODES: ("U8", packed.codes.shape, packed.codes.reshape(-1)),
        CODEBOOK: (names[codebook.dtype.itemsize], codebook.shape, codebook.reshape(-1).view(np.uint8)),
    }
    if packed.scales is not None:
        numbers = packed.scales.numbers
        arrays[SCALES] = (safetensors_type(SCALES, numbers.dtype), tuple(numbers.shape), bytes_of(numbers))
    return arrays
