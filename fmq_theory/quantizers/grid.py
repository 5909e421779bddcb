"""Every scheme at every bit-width from one sort of a tensor."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fmq_theory.brief import brief_repr
from fmq_theory.codebook import Codebooks
from fmq_theory.counts import checked_threads
from fmq_theory.errors import SchemeError
from fmq_theory.quantizers.layout import Layout
from fmq_theory.quantizers.registry import get_scheme
from fmq_theory.quantizers.scheme import Scheme
from fmq_theory.quantizers.tensor import (
    checked_bits,
    codebook_type,
    finite_weights,
    overhead_bits,
)
from fmq_theory.sources.sorted_rows import SortedRows

__all__ = ["GridCell", "design_grid", "grid_of_rows"]


@dataclass(frozen=True, slots=True, eq=False)
class GridCell:
    """One scheme at one bit-width on a tensor: its codebooks, and which weights are in which cell.

    What that costs is told by ``metrics.mean_distortion(cell.levels, cell.ends, cell.rows)``.

    Attributes:
        scheme: as it was asked for: "ecq:0.1" and "ecq:0.5" are two schemes of one name.
        bits: a codebook has at most 2**bits levels.
        codebooks: one a channel, a group, or the tensor; R of them.
        levels: of the codebooks as they are stored, in float64, shape ``[R, K]``.
        ends: of each row the rank of the first weight of each cell, then the end, shape ``[R, K + 1]``. Each
            weight is in the cell of its code, as ``quantize`` has it.
        rows: the weights in order, shape ``[R, C]``.
        effective_bits: bits a weight with the numbers that the codebooks are rebuilt from.
    """

    scheme: str
    bits: int
    codebooks: Codebooks
    levels: NDArray[np.float64]
    ends: NDArray[np.int64]
    rows: SortedRows
    effective_bits: float

    __repr__ = brief_repr


def design_grid(
    weights: object,
    schemes: Sequence[str | Scheme],
    bits: Sequence[int],
    granularity: str = "channel",
    axis: int = 0,
    group_size: int | None = None,
    threads: int | None = None,
) -> Iterator[GridCell]:
    """The codebooks and cells of each scheme at each bit-width, without codes.

    The weights are sorted once, when the first cell is asked for; each cell then costs about as much as its
    codebooks. Pairs that do not exist (NF4 at other than 4 bits) are left out.

    Args:
        weights: numpy array, array-like or torch tensor of real numbers, any shape.
        schemes: names or schemes.
        bits: 1 to 8 each.
        granularity: "tensor", "channel" (one codebook for each index of ``axis``), or "group".
        axis: of the channels.
        group_size: weights that share a codebook, for granularity "group"; it must divide a channel.
        threads: at most so many at once; None for FMQ_THREADS, or all CPUs. No result depends on it.

    Raises:
        WeightsError: see ``quantize``.
        SchemeError: see ``quantize``.

    Examples:
        >>> import numpy as np
        >>> from fmq_theory.metrics import mean_distortion
        >>> from fmq_theory.quantizers import design_grid
        >>> weights = np.random.default_rng(0).laplace(size=(8, 4096))
        >>> for cell in design_grid(weights, ["uniform", "lloyd_max"], [2, 4]):
        ...     mse = mean_distortion(cell.levels, cell.ends, cell.rows).mse
        ...     print(f"{cell.scheme:9} {cell.bits} bits: {mse:.4f}")
        uniform   2 bits: 3.6913
        uniform   4 bits: 0.1074
        lloyd_max 2 bits: 0.3506
        lloyd_max 4 bits: 0.0281
    """  # the others are those of quantize
    for scheme in schemes:
        get_scheme(scheme)
    widths = [checked_bits(b) for b in bits]
    threads = checked_threads(threads)
    values = finite_weights(weights, granularity, axis, group_size, threads)
    layout = Layout.of(values.shape, granularity, axis, group_size)
    rows = SortedRows.of(np.ascontiguousarray(layout.rows(values)), threads)
    yield from grid_of_rows(rows, schemes, widths, weights)


def grid_of_rows(
    rows: SortedRows,
    schemes: Sequence[str | Scheme],
    bits: Sequence[int],
    weights: object,
    refused: dict[tuple[str, int], str] | None = None,
) -> Iterator[GridCell]:
    """``design_grid`` of rows that are in order already: a part of a tensor, or one used for more than this.

    Args:
        rows: one a codebook.
        schemes: names or schemes.
        bits: 1 to 8 each.
        weights: what they came from, for the type in which codebooks are stored.
        refused: gets the reason of each scheme and bit-width for which there are no codebooks.

    Raises:
        SchemeError: see ``quantize``.
    """
    chosen = [(each if isinstance(each, str) else each.name, get_scheme(each)) for each in schemes]
    widths = [checked_bits(b) for b in bits]
    for name, scheme in chosen:
        for b in widths:
            try:
                books, ends = scheme.cells_of_rows(rows, 2**b)
            except SchemeError as error:
                if refused is not None:
                    refused[name, b] = error.cause
                continue
            dtype = codebook_type(weights)
            stored = scheme.stored_levels(books.levels, dtype).astype(np.float64)
            num_rows, size = rows.shape
            overhead = overhead_bits(scheme, books.used, dtype)
            yield GridCell(name, b, books, stored, ends, rows, b + overhead / (num_rows * size))
