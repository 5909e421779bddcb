"""Weights in blocks with a scale each: peaks, the histogram of what the scales leave, codes, better scales.

A weight w of a block with scale s lies in bin floor((w / s + edge) * bins / (2 edge)), clipped at both ends;
all kernels compute it by the same float32 operations. So the sums of the bins are exact about any partition
into whole bins, and a table from bin to code encodes.
"""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.runtime.simd import LANES

__all__ = ["EDGE", "best_scales", "bin_sums", "encode_blocks", "peaks", "signed_peaks", "try_scales"]

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
Codes = NDArray[np.uint8]
Bits = NDArray[np.uint32]

# Bins span [-EDGE, EDGE] of w / s: a scale rounded to 3 binary digits behind the first is 1/16 short at most.
EDGE = 1.0625
# The largest float32.
LARGEST = np.finfo(np.float32).max


@kernel
def peaks(bits: Bits, out: Bits) -> None:
    """max |w| of each block; the weights and the peaks as the bits of float32.

    Args:
        bits: shape ``[G, group]``.
        out: written, shape ``[G]``.
    """
    for g in range(bits.shape[0]):
        row = bits[g]
        most = np.uint32(0)
        for i in range(row.size):
            most = max(most, row[i] & np.uint32(0x7FFFFFFF))
        out[g] = most


@kernel
def signed_peaks(bits: Bits, out: Bits) -> None:
    """The weight of largest magnitude of each block, with its sign; the negative one of two.

    Args:
        bits: shape ``[G, group]``.
        out: written, shape ``[G]``.
    """
    for g in range(bits.shape[0]):
        row = bits[g]
        most = np.uint32(0)
        for i in range(row.size):  # with the sign as the last bit, integers compare as magnitudes do
            most = max(most, np.uint32(row[i] << np.uint32(1)) | (row[i] >> np.uint32(31)))
        out[g] = (most >> np.uint32(1)) | np.uint32(most << np.uint32(31))


@kernel
def _bins_of(row: Float32Array, per_weight: np.float32, last: np.float32, bins: NDArray[np.int32]) -> None:
    # ``max`` keeps its first argument where the second is nan: no nan becomes an index.
    middle = np.float32(0.5) * (last + np.float32(1.0))
    for i in range(row.size):
        bins[i] = np.int32(min(max(np.float32(0.0), row[i] * per_weight + middle), last))


@kernel
def _per_weight(scale: np.float32, num_bins: int) -> np.float32:
    """Bins by which a weight of 1 is off the middle; 0 for a block of zeros, whose scale is 0.

    Held to float32: the inverse of a denormal scale is infinite, and would make nan of a weight of zero.
    """
    if scale == 0.0:
        return np.float32(0.0)
    return min(max(-LARGEST, np.float32(0.5 * num_bins / EDGE) / scale), LARGEST)


@kernel
def bin_sums(rows: Float32Array, scales: Float32Array, sums: FloatArray) -> None:
    """Adds s**2, s w and w**2 to the bin of each weight: mass and moments of w / s with masses s**2.

    Args:
        rows: shape ``[G, group]``.
        scales: s, shape ``[G]``.
        sums: shape ``[bins, 3]``.
    """
    num_bins = sums.shape[0]
    last = np.float32(num_bins - 1)
    bins = np.empty(rows.shape[1], dtype=np.int32)
    for g in range(rows.shape[0]):
        row, scale = rows[g], np.float64(scales[g])
        _bins_of(row, _per_weight(scales[g], num_bins), last, bins)
        square = scale * scale
        for i in range(row.size):
            b = np.uint32(bins[i])
            w = np.float64(row[i])
            sums[b, 0] += square
            sums[b, 1] += scale * w
            sums[b, 2] += w * w


@kernel
def _block_error(
    row: Float32Array, scale: float, levels: FloatArray, code: Codes, lanes: FloatArray
) -> float:
    """sum (w - s levels[code])**2."""
    lanes[:] = 0.0
    whole = row.size // LANES * LANES
    for i in range(0, whole, LANES):
        for lane in range(LANES):
            gap = np.float64(row[i + lane]) - scale * levels[code[i + lane]]
            lanes[lane] += gap * gap
    total = 0.0
    for lane in range(LANES):
        total += float(lanes[lane])
    for i in range(whole, row.size):
        gap = np.float64(row[i]) - scale * levels[code[i]]
        total += float(gap * gap)
    return total


@kernel
def encode_blocks(
    rows: Float32Array,
    scales: Float32Array,
    levels: FloatArray,
    table: Codes,
    codes: Codes,
    errors: FloatArray,
) -> None:
    """The code of each weight, and the squared error of each block.

    Args:
        rows: shape ``[G, group]``.
        scales: shape ``[G]``.
        levels: shape ``[K]``.
        table: the code of each bin, shape ``[bins]``.
        codes: written, shape ``[G, group]``.
        errors: written, shape ``[G]``.
    """
    last = np.float32(table.size - 1)
    bins = np.empty(rows.shape[1], dtype=np.int32)
    lanes = np.empty(LANES)
    for g in range(rows.shape[0]):
        row, code = rows[g], codes[g]
        _bins_of(row, _per_weight(scales[g], table.size), last, bins)
        for i in range(row.size):
            code[i] = table[np.uint32(bins[i])]
        errors[g] = _block_error(row, np.float64(scales[g]), levels, code, lanes)


@kernel
def best_scales(rows: Float32Array, codes: Codes, levels: FloatArray, scales: Float32Array) -> None:
    """The scale of least squared error for the codes of each block: sum w y / sum y**2, y the levels.

    Args:
        rows: shape ``[G, group]``.
        codes: shape ``[G, group]``.
        levels: shape ``[K]``.
        scales: written, shape ``[G]``; 0 where all y are.
    """
    for g in range(rows.shape[0]):
        row, code = rows[g], codes[g]
        product = square = 0.0
        for i in range(row.size):
            y = levels[code[i]]
            product += np.float64(row[i]) * y
            square += y * y
        scales[g] = np.float32(product / square) if square > 0.0 else np.float32(0.0)


@kernel
def try_scales(
    rows: Float32Array,
    candidates: Float32Array,
    levels: FloatArray,
    table: Codes,
    scales: Float32Array,
    codes: Codes,
    errors: FloatArray,
) -> None:
    """Takes the candidate of each block, with the codes that it gives, where the error is smaller.

    Args:
        rows: shape ``[G, group]``.
        candidates: shape ``[G]``; 0 where there is none.
        levels: shape ``[K]``.
        table: the code of each bin.
        scales: shape ``[G]``; rewritten, as are codes and errors.
        codes: shape ``[G, group]``.
        errors: shape ``[G]``.
    """
    last = np.float32(table.size - 1)
    bins = np.empty(rows.shape[1], dtype=np.int32)
    code = np.empty(rows.shape[1], dtype=np.uint8)
    lanes = np.empty(LANES)
    for g in range(rows.shape[0]):
        if candidates[g] == 0.0 or candidates[g] == scales[g]:
            continue
        row = rows[g]
        _bins_of(row, _per_weight(candidates[g], table.size), last, bins)
        for i in range(row.size):
            code[i] = table[np.uint32(bins[i])]
        error = _block_error(row, np.float64(candidates[g]), levels, code, lanes)
        if error < errors[g]:
            scales[g], errors[g] = candidates[g], error
            codes[g] = code
