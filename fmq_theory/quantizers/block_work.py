"""The state of one quantization with block scaling: scales, bins, codebook, codes."""

import math

import numpy as np
from numpy.typing import NDArray

from fmq_theory.errors import WeightsError
from fmq_theory.kernels.block_scaling import (
    best_scales,
    bin_sums,
    encode_blocks,
    peaks,
    signed_peaks,
    try_scales,
)
from fmq_theory.kernels.runtime.threads import run_blocks
from fmq_theory.quantizers.block_codebook import BlockCodebook, block_codebook
from fmq_theory.quantizers.block_scales import rounded_scales, scale_unit
from fmq_theory.quantizers.block_scheme import BlockScheme
from fmq_theory.quantizers.registry import get_scheme
from fmq_theory.sources.units import unit_exponent

__all__ = ["BlockWork"]

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]

# The blocks whose bins are summed together are the same for any number of threads, so that no result depends
# on it: so many parts, or fewer of so many blocks.
_MOST_PARTS = 16
_FEWEST_BLOCKS = 1 << 14
# Weights beyond these powers of two are brought to about 1 first: float32 has room for their inverses then.
_INVERSES_IN_FLOAT32 = 40


class BlockWork:
    """Blocks as rows of float32 with scales that follow from their peaks.

    Attributes:
        rows: the weights divided by 2**exponent, shape ``[G, group]``.
        exponent: 0 unless float32 could not hold the inverses of scales.
        scales: of the rows, shape ``[G]``.
        unit: scales / unit are numbers of the scale type.

    Raises:
        WeightsError: scales, or products of them with levels, would leave float32.
    """

    __slots__ = ("block", "exponent", "peaks", "rows", "scales", "threads", "unit")

    def __init__(self, groups: NDArray[np.floating], block: BlockScheme, threads: int) -> None:
        self.block, self.threads = block, threads
        with np.errstate(over="ignore"):
            rows = np.ascontiguousarray(groups, dtype=np.float32).view()
        rows.setflags(write=False)  # one compilation, whether the caller's array is read-only or not
        found = self._peaks_of(rows)
        largest = float(np.abs(found).max())
        exponent = math.frexp(largest)[1]
        if not (math.isfinite(largest) and -80 <= exponent <= 126) or (largest == 0.0 and groups.any()):
            raise WeightsError(
                "weights",
                f"scales in float32 do not suit a largest magnitude of {float(np.abs(groups).max()):g}",
                "scale the weights towards 1",
            )
        self.exponent = unit_exponent(largest, _INVERSES_IN_FLOAT32)
        if self.exponent:
            rows, found = np.ldexp(rows, -exponent), np.ldexp(found, -exponent)
            rows.setflags(write=False)
        self.rows, self.peaks = rows, found
        self.unit = scale_unit(float(np.abs(found).max()), block.scale_type)
        self.scales = rounded_scales(found, self.unit, block.scale_type)

    def _peaks_of(self, rows: Float32Array) -> Float32Array:
        bits, found = rows.view(np.uint32), np.empty(len(rows), dtype=np.uint32)
        find = signed_peaks if self.block.signed else peaks
        run_blocks(lambda a, b: find(bits[a:b], found[a:b]), len(rows), self.threads)
        return found.view(np.float32)

    def codebook(self, sums: FloatArray, num_levels: int) -> BlockCodebook:
        """The shared codebook for the scales, from the sums of their bins."""
        used = self.scales != 0.0
        reach = float(np.max(np.abs(self.peaks[used] / self.scales[used]), initial=1.0))
        return block_codebook(sums, get_scheme(self.block.scheme), num_levels, reach)

    def bin_sums(self, num_bins: int) -> FloatArray:
        """Of all blocks, part by part in a fixed order."""
        size = max(_FEWEST_BLOCKS, -(-len(self.rows) // _MOST_PARTS))

        def of_parts(first: int, last: int) -> list[FloatArray]:
            found: list[FloatArray] = []
            for part in range(first, last):
                here = slice(part * size, (part + 1) * size)
                found.append(np.zeros((num_bins, 3)))
                bin_sums(self.rows[here], self.scales[here], found[-1])
            return found

        num_parts = -(-len(self.rows) // size)
        parts = [part for found in run_blocks(of_parts, num_parts, self.threads) for part in found]
        total = parts[0]
        for part in parts[1:]:
            total += part
        return total

    def encode(self, book: BlockCodebook) -> tuple[NDArray[np.uint8], FloatArray]:
        """The codes, shape ``[G, group]``, and the squared error of each block."""
        codes, errors = np.empty(self.rows.shape, dtype=np.uint8), np.empty(len(self.rows))
        levels = book.levels.astype(np.float64)
        run_blocks(
            lambda a, b: encode_blocks(
                self.rows[a:b], self.scales[a:b], levels, book.table, codes[a:b], errors[a:b]
            ),
            len(self.rows),
            self.threads,
        )
        return codes, errors

    def refine_scales(self, book: BlockCodebook, codes: NDArray[np.uint8], errors: FloatArray) -> None:
        """Takes the best scales for the codes, rounded, where that lowers the error; rewrites all three."""
        levels = book.levels.astype(np.float64)

        def refine(a: int, b: int) -> None:
            wanted = np.empty(b - a, dtype=np.float32)
            best_scales(self.rows[a:b], codes[a:b], levels, wanted)
            if not self.block.signed:
                wanted = np.maximum(wanted, np.float32(0.0))
            try_scales(
                self.rows[a:b],
                rounded_scales(wanted, self.unit, self.block.scale_type),
                levels,
                book.table,
                self.scales[a:b],
                codes[a:b],
                errors[a:b],
            )

        run_blocks(refine, len(self.rows), self.threads)
