"""Quantizing a tensor of weights, codebook by codebook."""

import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fmq_theory.brief import brief_repr
from fmq_theory.codebook import Codebooks, LowerBound
from fmq_theory.counts import checked_threads, whole_number
from fmq_theory.errors import FmqError, SchemeError, SourceError, WeightsError
from fmq_theory.kernels.squared_error import ScaledSums, mean_of, scaled_squared_errors
from fmq_theory.quantizers.layout import Granularity, Layout
from fmq_theory.quantizers.patterns import Patterns, quantize_patterns
from fmq_theory.quantizers.registry import get_scheme
from fmq_theory.quantizers.scheme import Scheme
from fmq_theory.sources.empirical import Empirical
from fmq_theory.sources.weights import as_weights, dense, type_name

__all__ = [
    "QuantizedTensor",
    "checked_bits",
    "codebook_type",
    "finite_weights",
    "overhead_bits",
    "quantize",
]

_FloatArray = NDArray[np.float64]

# Types whose every value, and so whose range, float32 holds.
_USUAL_BITS, _MOST_LEVELS = 4, 256
_WITHIN_FLOAT32 = ("float16", "bfloat16", "float32", "float8")


@dataclass(frozen=True, slots=True, eq=False)
class QuantizedTensor:
    """Codes and codebooks of one tensor.

    Attributes:
        codes: uint8, the shape of the weights.
        codebooks: levels, shape ``[codebooks, K]``, K = 2**bits unless it was chosen; float32 for weights
            of at most 32 bits, else float64. A codebook of fewer levels repeats its last one.
        num_levels_used: how many levels of each codebook are not padding, shape ``[codebooks]``.
        lossless_by_construction: which codebooks have no more weights than 2**bits, so that some
            codebook of that size loses nothing; shape ``[codebooks]``. A comparison of schemes
            should leave such channels out.
        scheme: name of the scheme.
        bits: per code.
        layout: which weights share a codebook.
        mse: mean of (weight - dequantized weight)**2 over all weights in float64, weighted by the
            sample weights if there are any; inf where it exceeds float64, and never below the least
            positive float64 unless every weight is kept to the bit.
        optimality_gap: the mse is at most (1 + gap) times the least one that any codebooks of 2**bits
            levels have on these weights; the rounding of all sums, and that of the levels to float32,
            is accounted for. inf where the error is lost in the rounding of the sums of its row. None where
            the scheme proves nothing.
        effective_bits: bits per weight with all that must be stored: the codes, and for each
            codebook the numbers it is rebuilt from (``Scheme.codebook_overhead``) in the codebook's type.

    Examples:
        >>> import fmq_theory
        >>> quantized = fmq_theory.quantize([0.0, 0.1, 0.9, 1.0], bits=1)
        >>> quantized.codes.tolist()
        [0, 0, 1, 1]
        >>> quantized.dequantize().round(2).tolist()
        [0.05, 0.05, 0.95, 0.95]
        >>> round(quantized.mse, 6)
        0.0025
    """

    codes: NDArray[np.uint8]
    codebooks: NDArray[np.floating]
    num_levels_used: NDArray[np.int64]
    lossless_by_construction: NDArray[np.bool_]
    scheme: str
    bits: int
    layout: Layout
    mse: float
    optimality_gap: float | None
    effective_bits: float

    __repr__ = brief_repr

    def __post_init__(self) -> None:
        for array in (self.codes, self.codebooks, self.num_levels_used, self.lossless_by_construction):
            array.setflags(write=False)

    @property
    def granularity(self) -> Granularity:
        """What was applied: "tensor" for tensors with fewer than two dimensions."""
        return self.layout.granularity

    @property
    def axis(self) -> int | None:
        """The axis of the channels; None where there are none."""
        return self.layout.axis

    @property
    def group_size(self) -> int | None:
        """Weights per codebook for granularity "group", else None."""
        return self.layout.group_size

    def dequantize(self) -> NDArray[np.floating]:
        """The level of each weight, of the weights' shape and the codebooks' type.

        Examples:
            >>> import fmq_theory
            >>> quantized = fmq_theory.quantize([[0.0, 1.0, 10.0, 11.0]], bits=1)
            >>> quantized.codes.tolist(), quantized.dequantize().tolist()
            ([[0, 0, 1, 1]], [[0.5, 0.5, 10.5, 10.5]])
        """
        rows = self.layout.rows(self.codes)
        if len(self.codebooks) == 1:
            return self.layout.restore(self.codebooks[0][rows])
        return self.layout.restore(np.take_along_axis(self.codebooks, rows.astype(np.intp), axis=1))


def quantize(
    weights: object,
    scheme: str | Scheme = "lloyd_max",
    bits: int | None = None,
    granularity: str | None = None,
    axis: int = 0,
    group_size: int | None = None,
    sample_weight: object = None,
    threads: int | None = None,
    *,
    num_levels: int | None = None,
) -> QuantizedTensor:
    """Quantize a tensor of weights with a codebook for each channel, each group, or the whole.

    Sums are in float64 or better, whatever the type of the weights; levels are rounded once, to the
    type of the codebooks (those that a rule spaces are spaced between rounded ends).

    Args:
        weights: numpy array, array-like or torch tensor of real numbers, any shape.
        scheme: a name ``get_scheme`` knows, or a Scheme.
        bits: 1 to 8; a codebook has at most 2**bits levels. None is 4, or what ``num_levels`` needs.
        granularity: "tensor", "channel" (one codebook for each index of ``axis``), or "group" (one
            for each ``group_size`` consecutive weights of a flattened channel). None is "group" where there
            is a ``group_size``, else "channel".
        axis: of the channels.
        group_size: for granularity "group"; it must divide the weights of a channel.
        sample_weight: importance of each weight, >= 0, of the weights' shape. A channel where it
            is all zero costs nothing however it is quantized; it is treated as unweighted.
        threads: at most so many at once; None for FMQ_THREADS, or all CPUs. No result depends on it.
        num_levels: K from 2 to 256, in place of ``bits``; a code then has ceil(log2 K) bits.

    Raises:
        WeightsError: empty, nan or infinite weights (the message names the first channel that has
            some), sample weights that do not fit, an axis or groups that do not fit.
        SchemeError: an unknown scheme, bits outside 1..8, levels outside 2..256, both of them, or a scheme
            that has no such codebook.
        SettingError: threads that are no whole number from 1 on, or an FMQ_THREADS that is none.

    Examples:
        >>> import numpy as np
        >>> import fmq_theory
        >>> weights = np.random.default_rng(0).standard_normal((64, 1024), dtype=np.float32)
        >>> optimum = fmq_theory.quantize(weights, scheme="lloyd_max", bits=3)
        >>> published = fmq_theory.quantize(weights, scheme="equal_mass", bits=3)
        >>> f"{optimum.mse:.4f} against {published.mse:.4f}"
        '0.0326 against 0.0539'
        >>> optimum.effective_bits  # 3 of the code, and 8 levels of 32 bits for 1024 weights
        3.25
    """
    scheme = get_scheme(scheme)
    bits, num_levels = _size(bits, num_levels)
    granularity = granularity or ("channel" if group_size is None else "group")
    threads = checked_threads(threads)
    if sample_weight is None and (patterns := Patterns.of(weights, granularity, group_size)) is not None:
        layout = Layout.of(patterns.shape, granularity, axis, group_size)
        counted = quantize_patterns(patterns, scheme, num_levels, threads)
        if counted is not None:
            books, codes, error = counted
            codebooks = scheme.stored_levels(books.levels, np.float32)
            return _packed(scheme, bits, layout, books, codes, codebooks, (error, 0), codes.size)
    values = finite_weights(weights, granularity, axis, group_size, threads)
    layout = Layout.of(values.shape, granularity, axis, group_size)
    rows = np.ascontiguousarray(layout.rows(values))
    importance = _importance(sample_weight, layout)
    try:
        if importance is None:
            books, codes = scheme.quantize_rows(rows, num_levels, threads)
        else:
            books, codes = _quantize_weighted_rows(scheme, rows, importance, num_levels)
    except (SourceError, WeightsError) as error:
        index, _, thing = error.thing.removeprefix("row ").partition(": ")
        raise error.renamed(f"{layout.row_name(int(index))}: {thing}") from error
    # Rounding to float32 cannot overflow: no level is larger than the largest weight.
    codebooks = scheme.stored_levels(books.levels, codebook_type(weights))
    error = scaled_squared_errors(rows, codes, codebooks.astype(np.float64), importance, threads).total()
    total = rows.size if importance is None else math.fsum(importance.sum(axis=1))
    return _packed(scheme, bits, layout, books, codes, codebooks, error, total)


def _packed(
    scheme: Scheme,
    bits: int,
    layout: Layout,
    books: Codebooks,
    codes: NDArray[np.uint8],
    codebooks: NDArray[np.floating],
    error: tuple[float, int],
    total: float,
) -> QuantizedTensor:
    num_levels = books.levels.shape[1]
    return QuantizedTensor(
        codes=np.ascontiguousarray(layout.restore(codes)).reshape(layout.shape),  # it makes 1-d of 0-d
        codebooks=codebooks,
        num_levels_used=books.used,
        lossless_by_construction=np.full(len(codebooks), bool(codes.shape[1] <= num_levels)),
        scheme=scheme.name,
        bits=bits,
        layout=layout,
        mse=mean_of(error, total),
        optimality_gap=_gap(error, books),
        effective_bits=bits + overhead_bits(scheme, books.used, codebooks.dtype.type) / codes.size,
    )


def overhead_bits(scheme: Scheme, used: NDArray[np.integer], dtype: type[np.floating]) -> int:
    """Bits of the numbers that codebooks are rebuilt from: what every report of effective bits counts.

    Args:
        scheme: it knows how many numbers a codebook of so many levels needs.
        used: levels in use of each codebook, shape ``[codebooks]``; K of a codebook that no row fills.
        dtype: of the stored numbers, see ``codebook_type``.
    """
    counts, times = np.unique(used, return_counts=True)
    numbers = sum(scheme.codebook_overhead(int(n)) * int(t) for n, t in zip(counts, times, strict=True))
    return numbers * np.dtype(dtype).itemsize * 8


def _gap(error: tuple[float, int], books: Codebooks) -> float | None:
    """Relative distance of a sum of squared errors, value * 2**exponent, from its lower bound; rounded up."""
    if np.isnan(books.lower_bound).any():
        return None
    if error[0] == 0.0:
        return 0.0
    least, exponent = ScaledSums(books.lower_bound, books.bound_exponent).total()
    if least == 0.0:
        return math.inf
    # Both sums are of non-negative terms, each good to a few units in the last place.
    ratio = (error[0] * (1.0 + 2.0**-50)) / (least * (1.0 - 2.0**-50))
    with np.errstate(over="ignore", under="ignore"):
        return max(0.0, float(np.ldexp(ratio, error[1] - exponent)) - 1.0)


def _quantize_weighted_rows(
    scheme: Scheme, rows: NDArray[np.floating], importance: _FloatArray, num_levels: int
) -> tuple[Codebooks, NDArray[np.uint8]]:
    """One row at a time: each has masses of its own."""
    books = Codebooks.empty(rows.shape[0], num_levels)
    codes = np.empty(rows.shape, dtype=np.uint8)
    for index, (row, mass) in enumerate(zip(rows, importance, strict=True)):
        try:
            source = Empirical(row, mass if mass.any() else None)
            codebook, lower_bound = scheme.design_with_bound(source, num_levels)
        except (SourceError, WeightsError) as error:
            raise error.renamed(f"row {index}: {error.thing}") from error
        books.put(index, codebook, lower_bound if mass.any() else LowerBound(0.0))
        codes[index] = scheme.encode(codebook, row.astype(np.float64))
    return books, codes


def _size(bits: int | None, num_levels: int | None) -> tuple[int, int]:
    """Bits of a code, and levels of a codebook."""
    if num_levels is None:
        bits = checked_bits(_USUAL_BITS if bits is None else bits)
        return bits, 2**bits
    count = whole_number(num_levels) or 0
    if bits is not None:
        cause = f"num_levels = {num_levels!r} says it already"
        raise SchemeError(f"bits = {bits!r}", cause, "pass one of them")
    if not 2 <= count <= _MOST_LEVELS:
        raise SchemeError(
            f"num_levels = {num_levels!r}", "a code has 1 to 8 bits", "choose an integer from 2 to 256"
        )
    return (count - 1).bit_length(), count


def checked_bits(bits: int) -> int:
    """``bits`` as an integer from 1 to 8.

    Raises:
        SchemeError: it is none.
    """
    number = whole_number(bits) or 0
    if not 1 <= number <= 8:
        raise SchemeError(f"bits = {bits!r}", "codes have 1 to 8 bits", "choose an integer from 1 to 8")
    return number


def codebook_type(weights: object) -> type[np.floating]:
    """The type of stored numbers: float32 for weights of at most 32 bits, else float64."""
    return np.float32 if type_name(weights).startswith(_WITHIN_FLOAT32) else np.float64


def finite_weights(
    weights: object, granularity: str, axis: int, group_size: int | None, threads: int
) -> NDArray[np.floating]:
    """The weights in float32 where that holds them, else in float64.

    Raises:
        WeightsError: see ``quantize``.
    """
    try:
        return as_weights(weights, narrow=True, threads=threads)
    except WeightsError as error:
        raise _naming_the_channel(error, weights, granularity, axis, group_size) from error


def _naming_the_channel(
    error: WeightsError, weights: object, granularity: str, axis: int, group_size: int | None
) -> FmqError:
    """An error about the first channel that is not finite, if that is what is wrong."""
    tensor = cast(Any, weights)
    try:
        array = np.asarray(dense(tensor).double() if hasattr(tensor, "detach") else tensor)
        finite = np.isfinite(array)
    except (TypeError, ValueError):
        return error
    if finite.size == 0 or finite.all():
        return error
    layout = Layout.of(finite.shape, granularity, axis, group_size)
    rows = layout.rows(finite)
    index = int(np.argmin(rows.all(axis=1)))
    return WeightsError(
        layout.row_name(index),
        f"{int((~rows[index]).sum())} of its {rows.shape[1]} weights are nan or infinite",
        error.remedy,
    )


def _importance(sample_weight: object, layout: Layout) -> _FloatArray | None:
    """The sample weights as rows, scaled by a power of two to at most 1."""
    if sample_weight is None:
        return None
    importance = as_weights(sample_weight, "sample_weight")
    if importance.shape != layout.shape:
        raise WeightsError(
            "sample_weight",
            f"its shape {importance.shape} is not that of the weights {layout.shape}",
            "pass one per weight",
        )
    largest = float(importance.max())
    if float(importance.min()) < 0.0 or largest == 0.0:
        raise WeightsError(
            "sample_weight", "an entry is negative, or all are zero", "pass values >= 0 and some above"
        )
    return layout.rows(np.ldexp(importance, -math.frexp(largest)[1]))
