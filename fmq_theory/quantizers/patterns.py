"""Weights of 16 bits: counts of their patterns take the place of a sort."""

import sys
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fmq_theory.codebook import Codebooks
from fmq_theory.errors import SourceError
from fmq_theory.kernels.codes.tables16 import (
    BFLOAT16,
    FLOAT16,
    ExponentBits,
    encode16,
    histogram16,
    pattern_values,
)
from fmq_theory.quantizers.scheme import Scheme
from fmq_theory.sources.empirical import Empirical
from fmq_theory.sources.sorted_rows import SortedRows
from fmq_theory.sources.weights import dense, type_name

__all__ = ["Patterns", "quantize_patterns"]

# Below it, a sort costs less than a pass over all patterns.
_MANY = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class Patterns:
    """A tensor of float16 or bfloat16, bit for bit.

    Attributes:
        bits: uint16, shape ``[n]``.
        exponent_bits: of the type.
        shape: of the tensor.
    """

    bits: NDArray[np.uint16]
    exponent_bits: ExponentBits
    shape: tuple[int, ...]

    @classmethod
    def of(cls, weights: object, granularity: str, group_size: int | None) -> "Patterns | None":
        """The patterns of many finite 16-bit weights that may share one codebook; else None."""
        if hasattr(weights, "detach"):
            weights = dense(weights)
        name = type_name(weights)
        shape = tuple(int(side) for side in getattr(weights, "shape", ()))
        one_codebook = group_size is None and (granularity == "tensor" or len(shape) < 2)
        if not one_codebook or name not in ("float16", "bfloat16") or np.prod(shape, dtype=np.int64) < _MANY:
            return None
        tensor = cast(Any, weights)
        if hasattr(tensor, "detach"):
            torch = cast(Any, sys.modules["torch"])  # loaded, for this is one of its tensors
            bits = tensor.contiguous().view(torch.int16).numpy().view(np.uint16)
        elif isinstance(weights, np.ndarray) and not np.ma.isMaskedArray(tensor):
            bits = np.ascontiguousarray(tensor, dtype="=f2").view(np.uint16)
        else:
            return None
        return cls(bits.ravel(), FLOAT16 if name == "float16" else BFLOAT16, shape)


def quantize_patterns(
    patterns: Patterns, scheme: Scheme, num_levels: int, threads: int
) -> tuple[Codebooks, NDArray[np.uint8], float] | None:
    """One codebook, codes of shape ``[1, n]``, and the sum of squared errors of its levels in float32.

    None where some weights are nan or infinite, or where equal weights may have different codes.

    Raises:
        SourceError: see ``Scheme.design``.
    """
    if not scheme.encodes_by_value:
        return None
    points, counts, not_finite = histogram16(patterns.bits, patterns.exponent_bits, threads)
    if not_finite:
        return None
    try:
        if (
            scheme.designs_by_search
        ):  # from the rows, so that it ends where it ends for the same rows in float32
            ordered = np.repeat(points.astype(np.float32), counts.astype(np.int64))[np.newaxis]
            books = scheme.design_rows(SortedRows.of(ordered, threads), num_levels)
            codebook = books.row(0)
        else:
            source = Empirical.from_counts(points, counts)
            codebook, lower_bound = scheme.design_with_bound(source, num_levels)
            books = Codebooks.empty(1, num_levels)
            books.put(0, codebook, lower_bound)
    except SourceError as error:
        raise error.renamed(f"weights: {error.thing.removeprefix('row 0: ')}") from error
    with np.errstate(invalid="ignore"):
        values = pattern_values(patterns.exponent_bits).astype(np.float64)
    finite = np.isfinite(values)
    table = np.zeros(values.size, dtype=np.uint8)
    table[finite] = scheme.encode(codebook, values[finite])
    codes = encode16(patterns.bits, table, threads)
    levels = scheme.stored_levels(books.levels, np.float32)[0].astype(np.float64)
    residual = points.astype(np.float64) - levels[scheme.encode(codebook, points.astype(np.float64))]
    return books, codes[None], float(np.sum(counts * residual * residual))
