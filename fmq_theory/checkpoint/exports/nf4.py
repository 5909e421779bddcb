"""NF4 of bitsandbytes: each block of weights with the absmax of the least squared error.

    weight = quant_map[code] * absmax[block], product in float32, then in the type that the state names

bitsandbytes takes the largest magnitude of a block for its absmax, which gives it back exactly and all others
a wider table than they need. Here absmax is the number of float32, of either sign, at which the block has the
least squared error with codes nearest. Where the absmax are quantized in their turn ("double quantization",
8 bits and a float32 for each 256 of them) each block has the best of the 256 numbers that it can have.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fmq_theory.checkpoint.io.tensors import as_numpy
from fmq_theory.kernels.runtime.threads import run_blocks
from fmq_theory.kernels.scaled_codes import best_offered, nearest_codes
from fmq_theory.kernels.table_scales import FLOAT32, best_table_scales

__all__ = ["BLOCK_SIZES", "NESTED_BLOCK", "NF4_MAP", "Nf4Weight", "dynamic_map", "quantize_nf4"]

Bytes = NDArray[np.uint8]
Singles = NDArray[np.float32]

BLOCK_SIZES = (64, 128, 256, 512, 1024, 2048, 4096)
"""Weights of a block: the sizes that all releases of bitsandbytes have."""
NESTED_BLOCK = 256
"""Absmax that share one of their own."""
_PART = 2**18  # weights that are in float64 at a time

NF4_MAP: Singles = np.array(
    [
        -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
        -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
        0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
        0.7229568362236023, 1.0,
    ],
    dtype=np.float32,
)  # fmt: skip
"""The table of the format (bitsandbytes, ``functional.get_4bit_type``)."""


@dataclass(frozen=True, slots=True, eq=False)
class Nf4Weight:
    """One weight in this format.

    Attributes:
        codes: two in a byte, the upper half first, shape ``[(n + 1) // 2, 1]``.
        absmax: of each block: float32, or codes of 8 bits where they are quantized.
        nested_absmax: of each 256 codes of ``absmax``; None where these are float32.
        nested_offset: what is added to the absmax that those give.
        error: sum of squared errors of what bitsandbytes rebuilds.
    """

    codes: Bytes
    absmax: Singles | Bytes
    nested_absmax: Singles | None
    nested_offset: float
    error: float


def dynamic_map() -> Singles:
    """The 256 numbers of bitsandbytes' signed dynamic type, rising: seven exponents, equal steps in each.

    Reference: Dettmers et al., 8-bit Optimizers via Block-wise Quantization (2022); ``create_dynamic_map``.
    """
    numbers = [0.0, 1.0]
    for exponent in range(7):
        edges = torch.linspace(0.1, 1, 2**exponent + 1, dtype=torch.float32)
        middles = (edges[:-1] + edges[1:]) / 2.0
        scaled = ((10 ** (exponent - 6)) * middles).tolist()
        numbers += [*scaled, *(-number for number in scaled)]
    return np.array(sorted(numbers), dtype=np.float32)


def quantize_nf4(
    weights: Singles, dtype: torch.dtype, block: int, *, nested: bool, threads: int
) -> Nf4Weight:
    """The weight with the best absmax of each block.

    Args:
        weights: finite, of any shape; blocks are consecutive in its order, and the last may be shorter.
        dtype: of what bitsandbytes rebuilds.
        block: weights of a block, one of ``BLOCK_SIZES``.
        nested: quantize the absmax in their turn.
        threads: at most so many; no result depends on it.
    """
    flat = weights.reshape(-1)
    count = -(-flat.size // block)
    # Zeros are a level at every scale: they cost nothing.
    rows = np.pad(flat, (0, count * block - flat.size)).reshape(count, block)
    scales = _scales(rows, mirrored=not nested, threads=threads)
    stored, nested_absmax, offset = scales, None, 0.0
    if nested:
        stored, nested_absmax, offset, scales = _nested(rows, scales, threads)
    codes, none, errors = np.empty(rows.shape, dtype=np.uint8), np.zeros_like(scales), np.empty(count)

    def encode(first: int, last: int) -> None:
        own = slice(first, last)
        part = rows[own].astype(np.float64)
        nearest_codes(part, NF4_MAP, scales[own], none[own], codes[own], errors[own])

    _in_parts(encode, count, block, threads)
    whole = codes.reshape(-1)[: flat.size]
    exact = (NF4_MAP[codes] * scales[:, None]).reshape(-1)[: flat.size]
    rebuilt = torch.from_numpy(exact).to(dtype)  # pyright: ignore[reportUnknownMemberType]
    gap = as_numpy(rebuilt.double()) - flat
    pairs = np.append(whole, np.uint8(7)) if whole.size % 2 else whole  # 7 is the code of 0
    packed = (pairs[::2] << np.uint8(4)) | pairs[1::2]
    return Nf4Weight(packed[:, None], stored, nested_absmax, offset, float(gap @ gap))


def _in_parts(work: Callable[[int, int], None], count: int, block: int, threads: int) -> None:
    """``work(first, last)`` on rows that are in float64 at a time, on so many threads."""
    step = max(1, _PART // block)

    def run(begin: int, end: int) -> None:
        for first in range(begin, end, step):
            work(first, min(end, first + step))

    run_blocks(run, count, threads)


def _scales(rows: Singles, *, mirrored: bool, threads: int) -> Singles:
    found, errors = np.empty(len(rows)), np.empty(len(rows))
    table = NF4_MAP.astype(np.float64)

    def search(first: int, last: int) -> None:
        part = rows[first:last].astype(np.float64)
        best_table_scales(part, table, FLOAT32, mirrored, errors[first:last], found[first:last])

    _in_parts(search, len(rows), rows.shape[1], threads)
    return found.astype(np.float32)  # exact: they are of float32


def _nested(rows: Singles, scales: Singles, threads: int) -> tuple[Bytes, Singles, float, Singles]:
    """Codes of the absmax, their own absmax, the offset, and the absmax that these give."""
    offset = np.float32(scales.mean(dtype=np.float64))
    groups = -(-scales.size // NESTED_BLOCK)
    away = np.pad(scales - offset, (0, groups * NESTED_BLOCK - scales.size)).reshape(groups, NESTED_BLOCK)
    widest = np.abs(away).max(axis=1)
    # What bitsandbytes computes: the product in float32, then the sum.
    offered = dynamic_map()[None, :] * widest[:, None] + offset
    group = np.arange(scales.size) // NESTED_BLOCK
    codes = np.empty(scales.size, dtype=np.uint8)

    def choose(first: int, last: int) -> None:
        own = offered[group[first:last]]
        codes[first:last] = np.abs(own - scales[first:last, None]).argmin(axis=1)
        best_offered(rows[first:last].astype(np.float64), NF4_MAP, own, codes[first:last])

    _in_parts(choose, scales.size, rows.shape[1], threads)
    return codes, widest, float(offset), offered[group, codes]
