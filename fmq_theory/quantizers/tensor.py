"""Quantizing a tensor of weights, codebook by codebook."""

import math
import operator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fmq_theory.errors import FmqError, SchemeError, SourceError, WeightsError
from fmq_theory.quantizers.layout import Granularity, Layout
from fmq_theory.quantizers.registry import get_scheme
from fmq_theory.quantizers.scheme import Scheme
from fmq_theory.sources.empirical import Empirical
from fmq_theory.sources.weights import as_weights

__all__ = ["QuantizedTensor", "quantize"]

# Types whose every value, and so whose range, float32 holds.
_WITHIN_FLOAT32 = ("float16", "bfloat16", "float32", "float8")


@dataclass(frozen=True, slots=True, eq=False)
class QuantizedTensor:
    """Codes and codebooks of one tensor.

    Attributes:
        codes: uint8, the shape of the weights.
        codebooks: levels, shape ``[codebooks, 2**bits]``; float32 for weights of at most 32 bits,
            else float64. A codebook of fewer levels repeats its last one.
        num_levels_used: how many levels of each codebook are not padding, shape ``[codebooks]``.
        lossless_by_construction: which codebooks have no more weights than 2**bits, so that some
            codebook of that size loses nothing; shape ``[codebooks]``. A comparison of schemes
            should leave such channels out.
        scheme: name of the scheme.
        bits: per code.
        layout: which weights share a codebook.
        mse: mean of (weight - dequantized weight)**2 over all weights in float64, weighted by the
            sample weights if there are any; inf where it exceeds float64.
        effective_bits: bits per weight with all that must be stored: the codes, and for each
            codebook the numbers it is rebuilt from (``Scheme.side_numbers``) in the codebook's type.
    """

    codes: NDArray[np.uint8]
    codebooks: NDArray[np.floating]
    num_levels_used: NDArray[np.int64]
    lossless_by_construction: NDArray[np.bool_]
    scheme: str
    bits: int
    layout: Layout
    mse: float
    effective_bits: float

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
        """The level of each weight, of the weights' shape and the codebooks' type."""
        rows = self.layout.rows(self.codes)
        return self.layout.restore(np.take_along_axis(self.codebooks, rows.astype(np.intp), axis=1))


def quantize(
    weights: object,
    scheme: str | Scheme = "lloyd_max",
    bits: int = 4,
    granularity: str = "channel",
    axis: int = 0,
    group_size: int | None = None,
    sample_weight: object = None,
) -> QuantizedTensor:
    """Quantize a tensor of weights with a codebook for each channel, each group, or the whole.

    All arithmetic is in float64, whatever the type of the weights; levels are rounded once, to the
    type of the codebooks.

    Args:
        weights: numpy array, array-like or torch tensor of real numbers, any shape.
        scheme: a name ``get_scheme`` knows, or a Scheme.
        bits: 1 to 8; a codebook has at most 2**bits levels.
        granularity: "tensor", "channel" (one codebook for each index of ``axis``), or "group" (one
            for each ``group_size`` consecutive weights of a flattened channel).
        axis: of the channels.
        group_size: for granularity "group"; it must divide the weights of a channel.
        sample_weight: importance of each weight, >= 0, of the weights' shape. A channel where it
            is all zero costs nothing however it is quantized; it is treated as unweighted.

    Raises:
        WeightsError: empty, nan or infinite weights (the message names the first channel that has
            some), sample weights that do not fit, an axis or groups that do not fit.
        SchemeError: an unknown scheme, bits outside 1..8, or a scheme without 2**bits levels.
    """
    scheme = get_scheme(scheme)
    num_levels = 2 ** _checked_bits(bits)
    values = _finite_weights(weights, granularity, axis, group_size)
    layout = Layout.of(values.shape, granularity, axis, group_size)
    rows = layout.rows(values)
    importance = _importance(sample_weight, layout)

    codes = np.empty(rows.shape, dtype=np.uint8)
    codebooks = np.empty((rows.shape[0], num_levels), dtype=_codebook_type(weights))
    used = np.empty(rows.shape[0], dtype=np.int64)
    errors: list[float] = []
    total = rows.size if importance is None else math.fsum(importance.sum(axis=1))
    for index, row in enumerate(rows):
        mass = None if importance is None else importance[index]
        try:
            source = Empirical(row, mass if mass is not None and mass.any() else None)
            codebook = scheme.design(source, num_levels)
        except (SourceError, WeightsError) as error:
            raise error.renamed(f"{layout.row_name(index)}: {error.thing}") from error
        codes[index] = scheme.encode(codebook, row)
        used[index] = codebook.num_levels
        # Rounding to float32 cannot overflow: no level is larger than the largest weight.
        codebooks[index, : used[index]] = codebook.levels
        codebooks[index, used[index] :] = codebooks[index, used[index] - 1]
        errors.append(_squared_error(row, codebooks[index].astype(np.float64)[codes[index]], mass) / total)
    side_numbers = sum(scheme.side_numbers(int(count)) for count in used)
    return QuantizedTensor(
        codes=np.ascontiguousarray(layout.restore(codes)),
        codebooks=codebooks,
        num_levels_used=used,
        lossless_by_construction=np.full(len(rows), bool(rows.shape[1] <= num_levels)),
        scheme=scheme.name,
        bits=bits,
        layout=layout,
        mse=math.fsum(errors),
        effective_bits=bits + side_numbers * codebooks.itemsize * 8 / rows.size,
    )


def _checked_bits(bits: int) -> int:
    try:
        number = operator.index(bits)
    except TypeError:
        number = 0
    if not 1 <= number <= 8:
        raise SchemeError(f"bits = {bits!r}", "codes have 1 to 8 bits", "choose an integer from 1 to 8")
    return number


def _codebook_type(weights: object) -> type[np.floating]:
    name = str(getattr(weights, "dtype", "float64")).removeprefix("torch.")
    return np.float32 if name.startswith(_WITHIN_FLOAT32) else np.float64


def _finite_weights(
    weights: object, granularity: str, axis: int, group_size: int | None
) -> NDArray[np.float64]:
    """The weights in float64.

    Raises:
        WeightsError: see ``quantize``.
    """
    try:
        return as_weights(weights)
    except WeightsError as error:
        raise _naming_the_channel(error, weights, granularity, axis, group_size) from error


def _naming_the_channel(
    error: WeightsError, weights: object, granularity: str, axis: int, group_size: int | None
) -> FmqError:
    """An error about the first channel that is not finite, if that is what is wrong."""
    tensor = cast(Any, weights)
    try:
        array = np.asarray(tensor.detach().cpu().double() if hasattr(tensor, "detach") else tensor)
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


def _importance(sample_weight: object, layout: Layout) -> NDArray[np.float64] | None:
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


def _squared_error(
    row: NDArray[np.float64], decoded: NDArray[np.float64], mass: NDArray[np.float64] | None
) -> float:
    """sum mass (x - y)**2; inf where it exceeds float64."""
    exponent = math.frexp(max(float(row.max()), -float(row.min())))[1]
    exponent = exponent if abs(exponent) > 400 else 0  # squares of other numbers stay inside float64
    if exponent:
        row, decoded = np.ldexp(row, -exponent), np.ldexp(decoded, -exponent)
    residual = row - decoded
    squares = residual * residual if mass is None else mass * residual * residual
    with np.errstate(over="ignore", under="ignore"):
        return float(np.ldexp(squares.sum(), 2 * exponent))
