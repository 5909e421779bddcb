"""What a comparison of theory with measurement holds, for one law or one checkpoint."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fmq_theory.bounds import BAND, crossover_bits
from fmq_theory.brief import brief_repr
from fmq_theory.metrics import Estimate, median_estimate, printed_interval

__all__ = [
    "RATIO_KINDS",
    "RATIO_SCHEMES",
    "Comparison",
    "RatioRow",
    "Row",
    "TensorRow",
    "crossing",
    "crossing_of_layers",
    "in_band",
    "ratio_row",
]

# Both ratios are always reported, so these three are always measured.
RATIO_SCHEMES = ("uniform", "equal_mass", "lloyd_max")
RATIO_KINDS = ("rho_w2", "rho_em")
"""In the order of ``Comparison.layer_ratios``."""


@dataclass(frozen=True, slots=True)
class Row:
    """One scheme at one bit-width; the field names are the keys of the JSON report and the CSV's columns.

    Three quantities are told apart, each with its own measured and predicted values:

    * ``own``: the codebook designed on n weights, measured on these n weights;
    * ``fresh``: the same codebook on weights that it has not seen: on the law, exact, by partial moments;
    * ``law``: the codebook designed on the law, on the law.

    None means that the quantity does not exist or is not known; ``math.inf`` that it is infinite. For a
    checkpoint the weights are the whole population: there is ``own`` alone.

    Attributes:
        scheme: its name.
        bits: b.
        num_levels: K = 2^b.
        own_hat: measured mean squared error, mean over the drawn layers. It has no interval: a mean's covers
            only where the errors of layers are nearly normal (``metrics.intervals``).
        own_median: of the median layer.
        own_lo: lower end of the median's 95 % interval; None for fewer than 6 layers.
        own_hi: its upper end; None where ``own_lo`` is.
        own_exact: theory's mean over samples of n weights, exact up to quadrature; for a checkpoint the
            codebooks' error by partial moments.
        own_upper: proven upper bound of that mean; for a checkpoint of the error itself.
        own_high_rate: asymptotic prediction; for a checkpoint an estimate from spacings.
        fresh_hat: mean over the drawn layers of the codebook's error on the law.
        fresh_median: of the median layer.
        fresh_lo: lower end of the median's 95 % interval; None for fewer than 6 layers.
        fresh_hi: its upper end; None where ``fresh_lo`` is.
        fresh_exact: theory's mean over samples.
        fresh_lower: the law's W2 optimum with K levels, which no codebook of K levels beats on fresh weights.
        law_exact: by partial moments of the law, no sampling.
        law_upper: proven upper bound of ``law_exact``.
        law_high_rate: asymptotic prediction of ``law_exact``.
        order_predicted: p in D = O(2^(-p b)), up to logarithms, n fixed and far more than 2^b.
        w2_squared_pot: W2^2 between the weights of one layer and the quantized ones, computed by POT.
        entropy_bits: entropy of the codes.
        effective_bits: bits a weight, codebook included.
        note: why a quantity is missing or what it assumes; empty when nothing needs saying.
    """

    scheme: str
    bits: int
    num_levels: int
    own_hat: float | None = None
    own_median: float | None = None
    own_lo: float | None = None
    own_hi: float | None = None
    own_exact: float | None = None
    own_upper: float | None = None
    own_high_rate: float | None = None
    fresh_hat: float | None = None
    fresh_median: float | None = None
    fresh_lo: float | None = None
    fresh_hi: float | None = None
    fresh_exact: float | None = None
    fresh_lower: float | None = None
    law_exact: float | None = None
    law_upper: float | None = None
    law_high_rate: float | None = None
    order_predicted: float | None = None
    w2_squared_pot: float | None = None
    entropy_bits: float | None = None
    effective_bits: float | None = None
    note: str = ""

    __repr__ = brief_repr


@dataclass(frozen=True, slots=True)
class RatioRow:
    """rho_w2 = D_lloyd_max / D_uniform and rho_em = D_equal_mass / D_uniform at one bit-width.

    Attributes:
        bits: b.
        rho_w2: of the median layer; None where uniform is exact.
        rho_w2_lo: lower end of the median's 95 % interval; None for fewer than 6 layers.
        rho_w2_hi: its upper end.
        rho_w2_in_band: whether ``rho_w2`` lies in the paper's band.
        rho_em: the other ratio, of the median layer.
        rho_em_lo: lower end of its interval.
        rho_em_hi: upper end of its interval.
        rho_em_in_band: whether ``rho_em`` lies in the paper's band.
    """

    bits: int
    rho_w2: float | None
    rho_w2_lo: float | None
    rho_w2_hi: float | None
    rho_w2_in_band: bool | None
    rho_em: float | None
    rho_em_lo: float | None
    rho_em_hi: float | None
    rho_em_in_band: bool | None


@dataclass(frozen=True, slots=True)
class TensorRow:
    """Both ratios of one tensor of a checkpoint, a number a bit-width, and its crossover.

    Attributes:
        lossless_bits: the fewest bits of the run at which a channel's codebook has room for each of its
            weights, so that an error of zero is by construction; None if there is no such bit-width.
        name: of the tensor.
        shape: its sizes.
        weights: how many numbers it holds.
        rho_w2: D_LM / D_U at each bit-width; None where uniform has no error.
        rho_em: D_EM / D_U at each bit-width; None where uniform has no error.
        crossover_bits: b*, where rho_em first rises through 1; None if it does not within the bits.
    """

    name: str
    shape: tuple[int, ...]
    weights: int
    lossless_bits: int | None
    rho_w2: tuple[float | None, ...]
    rho_em: tuple[float | None, ...]
    crossover_bits: float | None

    __repr__ = brief_repr


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that the main job found out about one input.

    Attributes:
        subject: the input in words, as tables and figures name it.
        config: what was asked for, enough to run it again.
        rows: one a scheme and bit-width.
        ratios: one a bit-width.
        crossover_bits: b* of the median layer; None if it does not lie within the bits.
        verdict: the paper's claim on this input, in a sentence.
        shannon: (bits, Shannon lower bound) pairs; empty for data, which have no density.
        tensors: one row a tensor of a checkpoint; empty for a law.
        skipped: (name, reason) of each tensor of a checkpoint that was left out.
        notes: what the reader must know of the input and the verdict.
        table_notes: what the columns of the table mean and assume.
        crossover: b* of the median layer, with those of all layers; None for data.
        layer_ratios: (rho_w2, rho_em) of every drawn layer by bit-width, in the order of ``ratios``; empty
            for data.
    """

    subject: str
    config: dict[str, Any]
    rows: tuple[Row, ...]
    ratios: tuple[RatioRow, ...]
    crossover_bits: float | None
    verdict: str
    shannon: tuple[tuple[int, float], ...] = ()
    tensors: tuple[TensorRow, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    table_notes: tuple[str, ...] = ()
    crossover: Estimate | None = None
    layer_ratios: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...] = ()

    __repr__ = brief_repr


def in_band(ratio: float | None) -> bool | None:
    """Whether a ratio lies in the paper's band 0.25 to 0.40; None if there is no ratio."""
    return None if ratio is None else BAND[0] <= ratio <= BAND[1]


def ratio_row(bits: int, w2: Sequence[float], em: Sequence[float]) -> RatioRow:
    """The median layer's ratios of one bit-width; undefined ratios are passed as nan.

    Args:
        bits: b.
        w2: rho_w2 of each independent layer.
        em: rho_em of each.
    """
    first, second = _estimate(w2), _estimate(em)
    return RatioRow(
        bits,
        *_triple(first),
        in_band(first.value if first else None),
        *_triple(second),
        in_band(second.value if second else None),
    )


def _estimate(ratios: Sequence[float]) -> Estimate | None:
    finite = [ratio for ratio in ratios if math.isfinite(ratio)]
    return median_estimate(finite) if finite else None


def _triple(estimate: Estimate | None) -> tuple[float | None, float | None, float | None]:
    if estimate is None:
        return None, None, None
    low, high = printed_interval(estimate, "median") or (None, None)
    return estimate.value, low, high


def crossing(bits: Sequence[int], rho_em: Sequence[float | None]) -> float | None:
    """b*: the bit-width at which rho_em first passes 1; None if it does not in this range.

    Bit-widths at which the ratio does not exist, or is 0, are passed over.
    """
    known = [(b, rho) for b, rho in zip(bits, rho_em, strict=True) if rho]
    return crossover_bits([b for b, _ in known], [rho for _, rho in known])


def crossing_of_layer(bits: Sequence[int], rho_em: Sequence[float]) -> float | None:
    """b* of one layer, +inf where its ratio stays below 1, -inf where it is above 1 from the first bits on.

    Args:
        bits: in increasing order.
        rho_em: the ratio at each; nan where uniform is exact.

    Returns:
        None where no ratio is finite and positive.
    """
    known = [
        (b, ratio) for b, ratio in zip(bits, rho_em, strict=True) if math.isfinite(ratio) and ratio > 0.0
    ]
    if not known:
        return None
    star = crossover_bits([b for b, _ in known], [ratio for _, ratio in known])
    if star is not None:
        return star
    return math.inf if known[-1][1] <= 1.0 else -math.inf


def crossing_of_layers(bits: Sequence[int], rho_em: Sequence[Sequence[float]]) -> Estimate | None:
    """b* of the median layer, with those of all layers in order.

    A layer that does not cross within the bits counts as infinite (``crossing_of_layer``): order statistics
    need no more than that. A verdict may ask for an interval (``Estimate.at``); none is printed, because the
    density of b* jumps at whole bits and an interpolated one covers 92 % on some laws.

    Args:
        bits: in increasing order.
        rho_em: the ratio of each layer at each bit-width, ``[bits][layers]``; nan where uniform is exact.

    Returns:
        None if the median layer does not cross within the bits.
    """
    stars = [crossing_of_layer(bits, layer) for layer in zip(*rho_em, strict=True)]
    found = [star for star in stars if star is not None]
    estimate = median_estimate(found) if found else None
    return estimate if estimate is not None and math.isfinite(estimate.value) else None
