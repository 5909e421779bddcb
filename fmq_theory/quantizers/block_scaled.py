"""Blocks of weights with a scale each, and one codebook for all of them: optimal for the blocks as scaled.

With scale s_g of block g and levels c, the squared error is sum_g s_g**2 sum_{i in g} (w_i / s_g - c(i))**2.
So the best shared codebook is the Lloyd-Max codebook of the numbers w / s with masses s**2.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from fmq_theory.counts import checked_threads
from fmq_theory.quantizers.block_codebook import bins_for
from fmq_theory.quantizers.block_scales import SCALE_BITS, ScaleType
from fmq_theory.quantizers.block_scheme import BlockScheme
from fmq_theory.quantizers.block_work import BlockWork
from fmq_theory.quantizers.layout import Layout
from fmq_theory.quantizers.registry import get_scheme
from fmq_theory.quantizers.tensor import checked_bits, finite_weights

__all__ = ["BlockCell", "BlockQuantized", "BlockScheme", "design_blocks", "quantize_blocks"]

Float32Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class BlockQuantized:
    """Codes, the shared codebook and the scales of one tensor; weight = scale * levels[code] in float32.

    Attributes:
        codes: uint8, the shape of the weights.
        levels: the shared codebook, float32, shape ``[2**bits]``; with fewer in use the last is repeated.
        num_levels_used: how many are.
        scales: of each group in the order of ``layout.rows``, float32, shape ``[groups]``; scales / unit are
            numbers of the scale type, exactly.
        unit: a power of two.
        block: what was done.
        bits: per code.
        layout: which weights are a group.
        mse: mean of (weight - scale * level)**2, before that product is rounded to float32.
        optimality_gap: the mse is at most (1 + gap) times the least one that any shared codebook of 2**bits
            levels has with these scales; None where the scheme proves nothing.
        effective_bits: bits a weight with the scales, the unit and the numbers of the shared codebook.
    """

    codes: NDArray[np.uint8]
    levels: Float32Array
    num_levels_used: int
    scales: Float32Array
    unit: float
    block: BlockScheme
    bits: int
    layout: Layout
    mse: float
    optimality_gap: float | None
    effective_bits: float

    def __post_init__(self) -> None:
        for array in (self.codes, self.levels, self.scales):
            array.setflags(write=False)

    @property
    def scheme(self) -> str:
        """The name of the block scheme."""
        return self.block.name

    @property
    def group_size(self) -> int:
        """Weights a scale."""
        return cast(int, self.layout.group_size)

    def dequantize(self) -> Float32Array:
        """scale * level of each weight, rounded to float32, of the weights' shape."""
        rows = self.layout.rows(self.codes)
        return self.layout.restore(self.levels[rows] * self.scales[:, None])


def quantize_blocks(
    weights: object,
    scheme: str = "lloyd_max",
    bits: int = 4,
    group_size: int = 64,
    scale_type: ScaleType = "float16",
    signed: bool = True,
    sweeps: int = 0,
    axis: int = 0,
    threads: int | None = None,
) -> BlockQuantized:
    """Quantize with one scale for each ``group_size`` consecutive weights of a channel and one codebook.

    Args:
        weights: numpy array, array-like or torch tensor of real numbers, any shape; those in
            float64 are rounded to float32 first.
        scheme: of the shared codebook; "block:..." (see ``BlockScheme``) decides on the next options too.
        bits: 1 to 8.
        group_size: it must divide the weights of a channel.
        scale_type: "float16", "float8_e4m3" or "float32".
        signed: whether a scale carries the sign of its group's largest magnitude, which gives 4 to 6 % less
            error at 4 bits and costs nothing.
        sweeps: further rounds that refine scales, codebook and codes in turn; none ever raises the error.
        axis: of the channels.
        threads: at most so many at once; None for FMQ_THREADS, or all CPUs. No result depends on it.

    Raises:
        WeightsError: see ``quantize``; or magnitudes that float32 cannot scale.
        SchemeError: see ``quantize`` and ``BlockScheme``.
    """
    block = BlockScheme.parse(scheme) or BlockScheme(scheme, scale_type, signed, sweeps)
    num_levels = 2 ** checked_bits(bits)
    layout, work = _prepared(weights, block, group_size, axis, threads)
    book = work.codebook(work.bin_sums(bins_for(num_levels)), num_levels)
    codes, errors = work.encode(book)
    for _ in range(block.sweeps):
        kept, before = work.scales.copy(), float(errors.sum())
        work.refine_scales(book, codes.copy(), errors.copy())
        next_book = work.codebook(work.bin_sums(bins_for(num_levels)), num_levels)
        next_codes, next_errors = work.encode(next_book)
        if not float(next_errors.sum()) < before:
            work.scales = kept
            break
        book, codes, errors = next_book, next_codes, next_errors
    error, power = float(errors.sum()), math.ldexp(1.0, work.exponent)
    return BlockQuantized(
        codes=np.ascontiguousarray(layout.restore(codes)).reshape(layout.shape),
        levels=book.levels,
        num_levels_used=book.used,
        scales=work.scales * np.float32(power),
        unit=work.unit * power,
        block=block,
        bits=bits,
        layout=layout,
        mse=error * power * power / codes.size,
        optimality_gap=_gap(error, book.lower_bound),
        effective_bits=_effective_bits(block, bits, book.used, work),
    )


@dataclass(frozen=True, slots=True)
class BlockCell:
    """Block scaling at one bit-width, without codes.

    Attributes:
        bits: of a code.
        mse: mean of (weight - dequantized weight)**2 over all weights, up to rounding.
        effective_bits: bits per weight: the code, and its share of the scales and the codebook.
    """

    bits: int
    mse: float
    effective_bits: float


def design_blocks(
    weights: object,
    block: BlockScheme,
    bits: Sequence[int],
    group_size: int = 64,
    axis: int = 0,
    threads: int | None = None,
) -> Iterator[BlockCell]:
    """The error of block scaling at several bit-widths from one pass over the weights.

    With sweeps, which need codes, each bit-width costs as much as ``quantize_blocks``.

    Args:
        weights: numpy array, array-like or torch tensor of real numbers, any shape; those in
            float64 are rounded to float32 first.
        block: how scales and the shared codebook are chosen.
        bits: 1 to 8 each.
        group_size: weights that share a scale; it must divide the weights of a channel.
        axis: of the channels.
        threads: at most so many at once; None for FMQ_THREADS, or all CPUs. No result depends on it.

    Raises:
        WeightsError: see ``quantize_blocks``.
        SchemeError: see ``quantize_blocks``.
    """
    widths = [checked_bits(b) for b in bits]
    if block.sweeps:
        for b in widths:
            q = quantize_blocks(weights, block.name, b, group_size, axis=axis, threads=threads)
            yield BlockCell(b, q.mse, q.effective_bits)
        return
    _, work = _prepared(weights, block, group_size, axis, threads)
    finest = work.bin_sums(bins_for(2 ** max(widths, default=1)))
    power = math.ldexp(1.0, work.exponent)
    for b in widths:
        # The bins of ``quantize_blocks``: each is a whole number of the finest ones.
        sums = finest.reshape(bins_for(2**b), -1, 3).sum(axis=1)
        book = work.codebook(sums, 2**b)
        yield BlockCell(
            b, book.error(sums) * power * power / work.rows.size, _effective_bits(block, b, book.used, work)
        )


def _prepared(
    weights: object, block: BlockScheme, group_size: int, axis: int, threads: int | None
) -> tuple[Layout, BlockWork]:
    threads = checked_threads(threads)
    values = finite_weights(weights, "group", axis, group_size, threads)
    layout = Layout.of(values.shape, "group", axis, group_size)
    return layout, BlockWork(layout.rows(values), block, threads)


def _effective_bits(block: BlockScheme, bits: int, used: int, work: BlockWork) -> float:
    unit_bits = 0 if block.scale_type == "float32" else 32
    shared = unit_bits + 32 * get_scheme(block.scheme).codebook_overhead(used)
    groups, size = work.rows.shape
    return bits + SCALE_BITS[block.scale_type] / size + shared / (groups * size)


def _gap(error: float, least: float) -> float | None:
    if math.isnan(least):
        return None
    if error <= least:
        return 0.0
    return error / least - 1.0 if least > 0.0 else math.inf
