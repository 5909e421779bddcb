"""Blocks of weights with a scale each, and one codebook for all of them: optimal for the blocks as scaled.

With scale s_g of block g and levels c, the squared error is sum_g s_g**2 sum_{i in g} (w_i / s_g - c(i))**2.
So the best shared codebook is the Lloyd-Max codebook of the numbers w / s with masses s**2.
"""

import math
import operator
from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from fmq_theory.errors import SchemeError, WeightsError
from fmq_theory.kernels.block_scaling import (
    best_scales,
    bin_sums,
    encode_blocks,
    peaks,
    signed_peaks,
    try_scales,
)
from fmq_theory.kernels.threads import default_threads, run_blocks
from fmq_theory.quantizers.block_codebook import BlockCodebook, bins_for, block_codebook
from fmq_theory.quantizers.block_scales import SCALE_BITS, ScaleType, rounded_scales, scale_unit
from fmq_theory.quantizers.layout import Layout
from fmq_theory.quantizers.registry import get_scheme
from fmq_theory.quantizers.tensor import checked_bits, finite_weights

__all__ = ["BlockQuantized", "BlockScheme", "quantize_blocks"]

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]

# The blocks whose bins are summed together are the same for any number of threads, so that no result depends
# on it: so many parts, or fewer of so many blocks.
_MOST_PARTS = 16
_FEWEST_BLOCKS = 1 << 14
# Weights beyond these powers of two are brought to about 1 first: float32 has room for their inverses then.
_SAFE_EXPONENT = 40


@dataclass(frozen=True, slots=True)
class BlockScheme:
    """What block scaling does, apart from bits and group size.

    Written "block:SCHEME", then any of ":float16" ":float8_e4m3" ":float32", ":signed" ":absmax", ":sweepsN".

    Attributes:
        scheme: makes the shared codebook from the scaled weights; "lloyd_max" is optimal.
        scale_type: of the stored scales; each is rounded to nearest.
        signed: the scale is the weight of largest magnitude, sign included, so that this weight always
            becomes 1 and no level is spent on -1; else it is its magnitude.
        sweeps: how often the scales are improved for given codes and the codebook for given scales.

    Raises:
        SchemeError: an unknown scheme or scale type, or sweeps below 0.
    """

    scheme: str = "lloyd_max"
    scale_type: ScaleType = "float16"
    signed: bool = True
    sweeps: int = 0

    def __post_init__(self) -> None:
        get_scheme(self.scheme)
        if self.scale_type not in SCALE_BITS:
            raise SchemeError(
                f"scale_type {self.scale_type!r}", "no such type", f"choose one of {', '.join(SCALE_BITS)}"
            )
        if not self.sweeps >= 0:
            raise SchemeError(f"sweeps = {self.sweeps!r}", "it is negative", "pass 0 or more")

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The block scheme that ``text`` names; None where it does not begin with "block:".

        Raises:
            SchemeError: it does, and the rest cannot be read.
        """
        if not text.startswith("block:"):
            return None
        words = text.split(":")[1:]
        options: dict[str, Any] = {}
        while len(words) > 1:
            word = words[-1]
            if word in SCALE_BITS:
                options["scale_type"] = word
            elif word in ("signed", "absmax"):
                options["signed"] = word == "signed"
            elif word.startswith("sweeps") and word[6:].isascii() and word[6:].isdigit():
                options["sweeps"] = int(word[6:])
            else:
                break
            words.pop()
        return cls(":".join(words), **options)

    @property
    def name(self) -> str:
        """What ``parse`` reads, in full."""
        sweeps = f":sweeps{self.sweeps}" if self.sweeps else ""
        return f"block:{self.scheme}:{self.scale_type}:{'signed' if self.signed else 'absmax'}{sweeps}"


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
        weights: see ``quantize``; those in float64 are rounded to float32 first.
        scheme: of the shared codebook; "block:..." (see ``BlockScheme``) decides on the next options too.
        bits: 1 to 8.
        group_size: it must divide the weights of a channel.
        scale_type: "float16", "float8_e4m3" or "float32".
        signed: see ``BlockScheme``; it gives 4 to 6 % less error at 4 bits and costs nothing.
        sweeps: see ``BlockScheme``; none ever raises the error.
        axis: of the channels.
        threads: see ``quantize``.

    Raises:
        WeightsError: see ``quantize``; or magnitudes that float32 cannot scale.
        SchemeError: see ``quantize`` and ``BlockScheme``.
    """
    block = BlockScheme.parse(scheme) or BlockScheme(scheme, scale_type, signed, sweeps)
    num_levels = 2 ** checked_bits(bits)
    threads = default_threads() if threads is None else max(1, operator.index(threads))
    values = finite_weights(weights, "group", axis, group_size)
    layout = Layout.of(values.shape, "group", axis, group_size)
    rows, found, exponent = _framed(values, layout, signed=block.signed, threads=threads)
    work = _Work(rows, found, block, num_levels, threads)
    work.scale_by_peaks()
    work.encode()
    for _ in range(block.sweeps):
        if not work.sweep():
            break
    frame = math.ldexp(1.0, exponent)
    unit_bits = 0 if block.scale_type == "float32" else 32
    side = unit_bits + 32 * get_scheme(block.scheme).side_numbers(work.book.used)
    return BlockQuantized(
        codes=np.ascontiguousarray(layout.restore(work.codes)),
        levels=work.book.levels,
        num_levels_used=work.book.used,
        scales=work.scales * np.float32(frame),
        unit=work.unit * frame,
        block=block,
        bits=bits,
        layout=layout,
        mse=work.error * frame * frame / rows.size,
        optimality_gap=_gap(work.error, work.book.lower_bound),
        effective_bits=bits + SCALE_BITS[block.scale_type] / rows.shape[1] + side / rows.size,
    )


def _framed(
    values: NDArray[np.floating], layout: Layout, *, signed: bool, threads: int
) -> tuple[Float32Array, Float32Array, int]:
    """The groups as rows of float32 and their peaks, divided by 2**exponent where float32 calls for it.

    Raises:
        WeightsError: scales, or products of them with levels, would leave float32.
    """
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(layout.rows(values), dtype=np.float32)
    found = _peaks_of(rows, signed=signed, threads=threads)
    largest = float(np.abs(found).max())
    exponent = math.frexp(largest)[1]
    if not (math.isfinite(largest) and -80 <= exponent <= 126) or (largest == 0.0 and values.any()):
        raise WeightsError(
            "weights",
            f"scales in float32 do not suit a largest magnitude of {float(np.abs(values).max()):g}",
            "scale the weights towards 1",
        )
    if abs(exponent) <= _SAFE_EXPONENT:
        return rows, found, 0
    return np.ldexp(rows, -exponent), np.ldexp(found, -exponent), exponent


def _peaks_of(rows: Float32Array, *, signed: bool, threads: int) -> Float32Array:
    bits, found = rows.view(np.uint32), np.empty(len(rows), dtype=np.uint32)
    find = signed_peaks if signed else peaks
    run_blocks(lambda a, b: find(bits[a:b], found[a:b]), len(rows), threads)
    return found.view(np.float32)


def _gap(error: float, least: float) -> float | None:
    if math.isnan(least):
        return None
    if error <= least:
        return 0.0
    return error / least - 1.0 if least > 0.0 else math.inf


class _Work:
    """The state of one quantization: scales, codebook, codes and errors that belong together."""

    __slots__ = (
        "block",
        "book",
        "codes",
        "errors",
        "num_bins",
        "num_levels",
        "peaks",
        "rows",
        "scales",
        "threads",
        "unit",
    )

    def __init__(
        self, rows: Float32Array, peaks: Float32Array, block: BlockScheme, num_levels: int, threads: int
    ) -> None:
        self.rows, self.peaks, self.block = rows, peaks, block
        self.num_levels, self.threads = num_levels, threads
        self.num_bins = bins_for(num_levels)
        self.unit = scale_unit(float(np.abs(peaks).max()), block.scale_type)
        self.scales = np.empty(len(rows), dtype=np.float32)
        self.codes = np.empty(rows.shape, dtype=np.uint8)
        self.errors = np.empty(len(rows))
        self.book = BlockCodebook.trivial(num_levels, self.num_bins)

    @property
    def error(self) -> float:
        return float(self.errors.sum())

    def scale_by_peaks(self) -> None:
        self.scales = rounded_scales(self.peaks, self.unit, self.block.scale_type)

    def encode(self) -> None:
        """The codebook for the scales, and the codes."""
        used = self.scales != 0.0
        reach = float(np.max(np.abs(self.peaks[used] / self.scales[used]), initial=1.0))
        sums = self._bin_sums()
        self.book = block_codebook(sums, get_scheme(self.block.scheme), self.num_levels, reach)
        levels = self.book.levels.astype(np.float64)
        run_blocks(
            lambda a, b: encode_blocks(
                self.rows[a:b], self.scales[a:b], levels, self.book.table, self.codes[a:b], self.errors[a:b]
            ),
            len(self.rows),
            self.threads,
        )

    def sweep(self) -> bool:
        """The best scales for the codes, rounded, where they help; then ``encode``. False: no gain."""
        before = self.error
        kept = self.scales.copy(), self.codes, self.errors, self.book
        self.codes, self.errors = self.codes.copy(), self.errors.copy()
        levels = self.book.levels.astype(np.float64)

        def improve(a: int, b: int) -> None:
            wanted = np.empty(b - a, dtype=np.float32)
            best_scales(self.rows[a:b], self.codes[a:b], levels, wanted)
            if not self.block.signed:
                wanted = np.maximum(wanted, np.float32(0.0))
            try_scales(
                self.rows[a:b],
                rounded_scales(wanted, self.unit, self.block.scale_type),
                levels,
                self.book.table,
                self.scales[a:b],
                self.codes[a:b],
                self.errors[a:b],
            )

        run_blocks(improve, len(self.rows), self.threads)
        self.encode()
        if self.error < before:
            return True
        self.scales, self.codes, self.errors, self.book = kept
        return False

    def _bin_sums(self) -> FloatArray:
        """Of all blocks, part by part in a fixed order."""
        size = max(_FEWEST_BLOCKS, -(-len(self.rows) // _MOST_PARTS))

        def of_parts(first: int, last: int) -> list[FloatArray]:
            found: list[FloatArray] = []
            for part in range(first, last):
                here = slice(part * size, (part + 1) * size)
                found.append(np.zeros((self.num_bins, 3)))
                bin_sums(self.rows[here], self.scales[here], found[-1])
            return found

        parts = [
            part for found in run_blocks(of_parts, -(-len(self.rows) // size), self.threads) for part in found
        ]
        total = parts[0]
        for part in parts[1:]:
            total += part
        return total
