"""The block types of GGUF that are written: 32 weights with a scale, or scale and least value, in float16.

    Q4_0, Q5_0, Q8_0   d q                 q a signed integer of 4, 5 or 8 bits
    IQ4_NL             d c_k               c a table of 16 integers, fixed by the format
    Q4_1, Q5_1         d q + m             q an unsigned integer of 4 or 5 bits

Scales are the best that the format holds: the least squared error over all d and m of float16, of either
sign, with codes nearest. The packages that write these types set d from the largest weight of a block.

Reference: ggml/src/ggml-common.h and ggml-quants.c of llama.cpp, which define the layouts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.threads import run_blocks
from fmq_theory.kernels.scaled_codes import nearest_codes
from fmq_theory.kernels.step_scales import best_steps
from fmq_theory.kernels.table_scales import FLOAT16, best_table_scales

__all__ = ["BLOCK", "TYPES", "GgufType", "quantized_blocks"]

Bytes = NDArray[np.uint8]

BLOCK = 32
"""Weights that share a scale."""
_PART = 4096  # blocks in float64 at a time
_IQ4_NL = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)


@dataclass(frozen=True, slots=True)
class GgufType:
    """A block type.

    Attributes:
        name: as GGUF calls it.
        number: that stands for it in files.
        file_type: the number of a file most of whose weights have it.
        bits: of a code.
        levels: what a scale multiplies, rising.
        has_least: a least value is added.
    """

    name: str
    number: int
    file_type: int
    bits: int
    levels: tuple[int, ...]
    has_least: bool = False

    @property
    def block_bytes(self) -> int:
        """Of 32 weights with all that belongs to them."""
        return BLOCK * self.bits // 8 + (4 if self.has_least else 2)

    @property
    def bits_per_weight(self) -> float:
        """With scales and least values."""
        return 8 * self.block_bytes / BLOCK


TYPES = {
    kind.name: kind
    for kind in (
        GgufType("Q4_0", 2, 2, 4, tuple(range(-8, 8))),
        GgufType("Q4_1", 3, 3, 4, tuple(range(16)), has_least=True),
        GgufType("Q5_0", 6, 8, 5, tuple(range(-16, 16))),
        GgufType("Q5_1", 7, 9, 5, tuple(range(32)), has_least=True),
        GgufType("Q8_0", 8, 7, 8, tuple(range(-128, 128))),
        GgufType("IQ4_NL", 20, 25, 4, _IQ4_NL),
    )
}
"""Those that are written, by name."""


def quantized_blocks(
    weights: NDArray[np.float32], kind: GgufType, threads: int
) -> tuple[Bytes, NDArray[np.float64]]:
    """The bytes of each block, shape ``[blocks, kind.block_bytes]``, and its sum of squared errors.

    Args:
        weights: finite, shape ``[blocks, 32]``.
        kind: of ``TYPES``.
        threads: at most so many at once; no result depends on it.
    """
    count = len(weights)
    scales, least, errors = np.zeros(count), np.zeros(count), np.empty(count)
    codes = np.empty(weights.shape, dtype=np.uint8)
    table = np.array(kind.levels, dtype=np.float64)

    def search(begin: int, end: int) -> None:
        for first in range(begin, end, _PART):
            part = slice(first, min(end, first + _PART))
            rows = weights[part].astype(np.float64)
            if kind.has_least:
                best_steps(rows, table.size, errors[part], scales[part], least[part])
            else:
                best_table_scales(rows, table, FLOAT16, True, errors[part], scales[part])
            exact = scales[part].astype(np.float32), least[part].astype(np.float32)  # they are of float16
            nearest_codes(rows, table.astype(np.float32), *exact, codes[part], errors[part])

    run_blocks(search, count, threads)
    return _packed(codes, scales.astype(np.float16), least.astype(np.float16), kind), errors


def _packed(codes: Bytes, scales: NDArray[np.float16], least: NDArray[np.float16], kind: GgufType) -> Bytes:
    """Scale, least value, the fifth bits, then the lower halves of bytes for weights 0 to 15."""
    parts = [scales[:, None].view(np.uint8)]
    if kind.has_least:
        parts.append(least[:, None].view(np.uint8))
    if kind.bits == 5:
        parts.append(np.packbits(codes >> 4, axis=1, bitorder="little"))
    if kind.bits == 8:
        parts.append(codes ^ np.uint8(0x80))  # code k stands for k - 128, in two's complement
    else:
        half = BLOCK // 2
        parts.append((codes[:, :half] & np.uint8(15)) | (codes[:, half:] << np.uint8(4)))
    return np.concatenate(parts, axis=1)
