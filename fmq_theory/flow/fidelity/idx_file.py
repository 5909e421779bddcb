"""Files in the idx format, in which MNIST is published: plain or packed by gzip."""

import gzip
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["is_idx", "read_idx"]

_BYTES = 8
"""The code of unsigned bytes, the only type that images and labels come in."""


def is_idx(path: Path) -> bool:
    """Whether the name is one that idx files have: ``...-ubyte``, ``.idx``, either with ``.gz``."""
    name = path.name.removesuffix(".gz")
    return name.endswith(("-ubyte", ".idx", "idx3", "idx1"))


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array of an idx file of unsigned bytes.

    Two zero bytes, a byte for the type, a byte for the number of dimensions; then each size as a big-endian
    number of four bytes; then the numbers in C order.

    Args:
        path: of the file; ``.gz`` at its end means that it is packed.

    Raises:
        ValueError: it does not begin as idx files of bytes do, or is shorter than it says.
        OSError, EOFError, struct.error, zlib.error: it cannot be read.

    Reference:
        Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits, "file formats".
    """
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    zeros, kind, ndim = struct.unpack_from(">HBB", content)
    if zeros != 0 or kind != _BYTES:
        raise ValueError("it does not begin as idx files of bytes do")
    shape = struct.unpack_from(f">{ndim}I", content, 4)
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * ndim).reshape(shape)
