"""Theory against measurement on real weights: every selected tensor of a checkpoint."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fmq_theory.bounds import Prediction, predict
from fmq_theory.checkpoint import NamedTensor, read_tensors
from fmq_theory.checkpoint.io.files import is_quantized
from fmq_theory.checkpoint.io.shards import find_checkpoint
from fmq_theory.claims.comparison.rows import (
    RATIO_SCHEMES,
    Comparison,
    RatioRow,
    Row,
    TensorRow,
    crossing,
    in_band,
)
from fmq_theory.claims.comparison.verdict import paper_verdict
from fmq_theory.counts import checked_threads
from fmq_theory.errors import SchemeError, WeightsError
from fmq_theory.kernels.codes.encode import counts_rows
from fmq_theory.kernels.squared_error import squared_error_rows
from fmq_theory.metrics import row_distortion, rowwise_w2_squared_pot
from fmq_theory.quantizers import Scheme, get_scheme
from fmq_theory.quantizers.tensor import codebook_type, overhead_bits
from fmq_theory.sources import Empirical, SortedRows
from fmq_theory.sources.weights import as_weights

__all__ = ["compare_checkpoint"]


_Cell = tuple[str, int]


@dataclass(slots=True)
class _Sums:
    """Totals over channels, each channel's mean times its number of weights; for one scheme and bit-width.

    A prediction that one channel lacks is lacking for the sum: ``upper``, ``high_rate`` and ``order`` are
    None from then on.
    """

    weights: int = 0
    hat: float = 0.0
    exact: float = 0.0
    pot: float = 0.0
    upper: float | None = 0.0
    high_rate: float | None = 0.0
    order: float | None = math.inf
    entropy: float = 0.0
    overhead_bits: int = 0
    missing: str = ""

    def add(self, other: "_Sums") -> None:
        """Adds another tensor's totals; its slowest order decides."""
        self.weights += other.weights
        self.hat += other.hat
        self.exact += other.exact
        self.pot += other.pot
        self.entropy += other.entropy
        self.overhead_bits += other.overhead_bits
        self.upper = _plus(self.upper, other.upper)
        self.high_rate = _plus(self.high_rate, other.high_rate)
        self.order = None if self.order is None or other.order is None else min(self.order, other.order)
        self.missing = self.missing or other.missing

    def add_prediction(self, prediction: Prediction, n: int) -> None:
        """Adds one channel of ``n`` weights."""
        upper, high_rate, order = prediction.own.upper, prediction.own.high_rate, prediction.order
        self.upper = _plus(self.upper, None if upper is None else n * upper.value)
        self.high_rate = _plus(self.high_rate, None if high_rate is None else n * high_rate.value)
        self.order = None if self.order is None or order is None else min(self.order, order)


def _plus(total: float | None, term: float | None) -> float | None:
    return None if total is None or term is None else total + term


def compare_checkpoint(
    path: Path,
    *,
    tensors: Sequence[str] = (),
    granularity: str = "channel",
    bits: Sequence[int],
    schemes: Sequence[str],
    progress: Callable[[float, str], None] = lambda _share, _what: None,
) -> Comparison:
    """Quantizes every selected tensor in every way and sets the theory beside it.

    The weights are the whole population, not a sample of one: measured values are exact for them and have
    no interval, so ``own_lo = own_hat = own_hi``.

    Args:
        path: a checkpoint that ``checkpoint.read_tensors`` reads.
        tensors: names to keep; all tensors of two or more dimensions if empty.
        granularity: ``channel`` (a codebook a slice along axis 0) or ``tensor``.
        bits: bit-widths.
        schemes: names as ``quantizers.get_scheme`` takes them.
        progress: called with the share done and the tensor's name.

    Raises:
        CheckpointError: the file cannot be read, or holds nothing to quantize.
        WeightsError: a selected tensor holds nan or inf.
        SchemeError: a scheme is unknown.
    """
    designs = {name: get_scheme(name) for name in dict.fromkeys((*schemes, *RATIO_SCHEMES))}
    found = read_tensors(path, names=tensors)
    total = found.num_weights
    sums = {(name, b): _Sums() for name in designs for b in bits}
    rows: list[TensorRow] = []
    done = 0
    for tensor in found.tensors:
        rows.append(_one_tensor(tensor, granularity, designs, bits, schemes, sums))
        done += tensor.array.size
        progress(done / total, tensor.name)
    ratios = tuple(_ratio_of_sums(sums, b) for b in bits)
    crossover = crossing(bits, [row.rho_em for row in ratios])
    subject = f"{path.name}, {len(rows)} tensors, {total:,} weights, a codebook per {granularity}"
    return Comparison(
        subject=subject,
        config={
            "checkpoint": str(path),
            "tensors": list(tensors),
            "granularity": granularity,
            "bits": list(bits),
            "schemes": list(schemes),
        },
        rows=tuple(_row(name, b, sums[name, b]) for name in schemes for b in bits),
        ratios=ratios,
        crossover_bits=crossover,
        verdict=paper_verdict(subject, ratios, crossover),
        tensors=tuple(rows),
        skipped=tuple((tensor.name, tensor.reason) for tensor in found.skipped),
        notes=(*_of_quantized(path), *_notes(rows, bits)),
        table_notes=_TABLE_NOTES,
    )


def _one_tensor(
    tensor: NamedTensor,
    granularity: str,
    designs: dict[str, Scheme],
    bits: Sequence[int],
    shown: Sequence[str],
    sums: dict[_Cell, _Sums],
) -> TensorRow:
    """Adds one tensor to the totals and returns its own ratios; a scheme not shown only serves those."""
    array = _finite(tensor)
    # A 1-D tensor has no slices: it is one channel, as the published uniform treats it.
    by_channel = granularity == "channel" and array.ndim > 1
    channels = np.ascontiguousarray(array.reshape(array.shape[0] if by_channel else 1, -1))
    rows = SortedRows.of(channels, checked_threads(None))
    sources = [rows.row(index) for index in range(len(channels))] if shown else []
    own: dict[_Cell, _Sums] = {}
    for name, scheme in designs.items():
        for b in bits:
            own[name, b] = _one_design(channels, rows, sources if name in shown else None, name, scheme, b)
            sums[name, b].add(own[name, b])
    em = [_ratio(own, "equal_mass", b) for b in bits]
    return TensorRow(
        name=tensor.name,
        shape=tuple(array.shape),
        weights=array.size,
        lossless_bits=next((b for b in bits if channels.shape[1] <= 2**b), None),
        rho_w2=tuple(_ratio(own, "lloyd_max", b) for b in bits),
        rho_em=tuple(em),
        crossover_bits=crossing(bits, em),
    )


def _finite(tensor: NamedTensor) -> NDArray[np.floating]:
    try:
        return as_weights(tensor.array, narrow=True)
    except WeightsError as error:
        raise error.renamed(f"tensor {tensor.name!r}") from error


def _one_design(
    channels: NDArray[np.floating],
    rows: SortedRows,
    sources: Sequence[Empirical] | None,
    name: str,
    scheme: Scheme,
    b: int,
) -> _Sums:
    """One scheme and bit-width on every channel: the sums over channels of n_c times each mean.

    What only a row of its own would show is left at zero where ``sources``, the channels, are None.
    """
    total = _Sums()
    try:
        books, codes = scheme.quantize_sorted_rows(rows, channels, 2**b)
    except SchemeError as error:
        total.missing = error.cause
        return total
    dtype = codebook_type(channels)
    levels = scheme.stored_levels(books.levels, dtype).astype(np.float64)
    total.weights = channels.size
    total.overhead_bits = overhead_bits(scheme, books.used, dtype)
    # fsum: a tensor of large weights must not lose the error of its small ones.
    total.hat = math.fsum(squared_error_rows(channels, codes, levels, None, rows.threads))
    if sources is not None:
        n = channels.shape[1]
        # Another road to the same number: sums over the cells of the sorted weights.
        counts = counts_rows(codes, 2**b, rows.threads)
        ends = np.concatenate((np.zeros((len(counts), 1), dtype=np.int64), counts.cumsum(axis=1)), axis=1)
        told = row_distortion(levels, ends, rows)
        total.exact = math.fsum(told.squared_error)
        total.entropy = n * math.fsum(told.entropy)
        for source in sources:
            total.add_prediction(predict(name, source, 2**b, n), n)
        quantized = np.take_along_axis(levels, codes.astype(np.intp), axis=1)
        total.pot = n * float(np.sum(rowwise_w2_squared_pot(channels, quantized)))
    return total


def _ratio(sums: dict[_Cell, _Sums], name: str, b: int) -> float | None:
    uniform = sums["uniform", b].hat
    return sums[name, b].hat / uniform if uniform > 0 else None


def _ratio_of_sums(sums: dict[_Cell, _Sums], b: int) -> RatioRow:
    # The sums are exact for these weights, so each interval is a point.
    w2, em = _ratio(sums, "lloyd_max", b), _ratio(sums, "equal_mass", b)
    return RatioRow(b, w2, w2, w2, in_band(w2), em, em, em, in_band(em))


def _row(name: str, b: int, total: _Sums) -> Row:
    if total.missing:
        return Row(name, b, 2**b, note=total.missing)
    n = total.weights
    hat = total.hat / n
    return Row(
        name,
        b,
        2**b,
        own_hat=hat,
        own_lo=hat,
        own_hi=hat,
        own_exact=total.exact / n,
        w2_squared_pot=total.pot / n,
        own_upper=None if total.upper is None else total.upper / n,
        own_high_rate=None if total.high_rate is None else total.high_rate / n,
        order_predicted=total.order,
        entropy_bits=total.entropy / n,
        effective_bits=b + total.overhead_bits / n,
    )


_TABLE_NOTES = (
    "measured, by moments and W2² (POT) are one number by three roads: the errors of all weights, sums over "
    "the cells of the sorted weights, and the squared Wasserstein distances of the codebooks' own weights by "
    "another library, each with its share of the weights. They may differ in rounding; W2² is never above "
    "the error, and equals it where no larger weight has a smaller level.",
    "high-rate values rest on a density estimated from spacings: they mean little in channels of few "
    "weights, and bound nothing.",
)


def _of_quantized(path: Path) -> tuple[str, ...]:
    if not is_quantized(find_checkpoint(path)):
        return ()
    return (
        "these weights come from a file of fmq quantize: every number is of quantizing them once more, and "
        "says nothing of the weights before.",
    )


def _notes(rows: Sequence[TensorRow], bits: Sequence[int]) -> tuple[str, ...]:
    notes = [
        "these weights are the whole population: measured values are exact for them and need no interval."
    ]
    lossless = [row for row in rows if row.lossless_bits is not None]
    if lossless:
        notes.append(
            f"{len(lossless)} of {len(rows)} tensors have channels of at most 2^{bits[-1]} weights: there a "
            "codebook can hold every weight, so equal mass and Lloyd-Max are lossless by construction, and "
            "their codebooks cost as much as the weights."
        )
    return tuple(notes)
