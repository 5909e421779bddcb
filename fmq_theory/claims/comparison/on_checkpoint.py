"""Theory against measurement on real weights: an audit of a checkpoint, read as a comparison."""

from collections.abc import Callable, Sequence
from pathlib import Path

from fmq_theory.checkpoint.audit import Audit, audit
from fmq_theory.checkpoint.audit.result import AuditRatio, TensorAudit
from fmq_theory.claims.comparison.rows import RATIO_SCHEMES, Comparison, RatioRow, Row, TensorRow
from fmq_theory.claims.comparison.verdict import paper_verdict
from fmq_theory.errors import Way, WeightsError

__all__ = ["compare_checkpoint"]


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
    try:
        found = audit(
            path,
            schemes=tuple(dict.fromkeys((*schemes, *RATIO_SCHEMES))),
            bits=bits,
            granularity=granularity,
            names=tensors,
            theory=bool(schemes),
            progress=lambda done, total, name: progress(done / total, name),
        )
    except WeightsError as error:
        remedy = "pass ", Way("include", "tensors"), " with other tensors"
        raise WeightsError(error.thing, error.cause, remedy) from error
    totals, widths = found.totals, found.config["bits"]
    ratios = tuple(map(_ratio, totals.ratios))
    what = f"{totals.tensors} tensor{'' if totals.tensors == 1 else 's'}, {totals.weights:,} weights"
    subject = f"{path.name}, {what}, a codebook per {granularity}"
    return Comparison(
        subject=subject,
        config={
            "checkpoint": str(path),
            "tensors": list(tensors),
            "granularity": granularity,
            "bits": widths,
            "schemes": list(schemes),
        },
        rows=tuple(_row(found, name, b) for name in schemes for b in widths),
        ratios=ratios,
        crossover_bits=totals.crossover_bits,
        verdict=paper_verdict(subject, ratios, totals.crossover_bits),
        tensors=tuple(map(_tensor, found.tensors)),
        skipped=tuple((name, reason) for name, _, reason in found.skipped),
        notes=_notes(found),
        table_notes=_TABLE_NOTES,
    )


def _tensor(found: TensorAudit) -> TensorRow:
    return TensorRow(
        name=found.name,
        shape=found.shape,
        weights=found.weights,
        lossless_bits=found.lossless_bits,
        rho_w2=tuple(ratio.rho_w2 for ratio in found.ratios),
        rho_em=tuple(ratio.rho_em for ratio in found.ratios),
        crossover_bits=found.crossover_bits,
    )


def _ratio(found: AuditRatio) -> RatioRow:
    # The sums are exact for these weights, so each interval is a point.
    w2, em = found.rho_w2, found.rho_em
    return RatioRow(found.bits, w2, w2, w2, found.rho_w2_in_band, em, em, em, found.rho_em_in_band)


def _row(found: Audit, name: str, b: int) -> Row:
    cell = found.totals.cell(name, b)
    if cell is None:
        reasons = {(s, w): reason for tensor in found.tensors for s, w, reason in tensor.refused}
        return Row(name, b, 2**b, note=reasons[name, b])
    return Row(
        name,
        b,
        2**b,
        own_hat=cell.coded_mse,
        own_lo=cell.coded_mse,
        own_hi=cell.coded_mse,
        own_exact=cell.mse,
        w2_squared_pot=cell.w2_squared_pot,
        own_upper=cell.upper_mse,
        own_high_rate=cell.high_rate_mse,
        order_predicted=cell.order,
        entropy_bits=cell.entropy_bits,
        effective_bits=cell.effective_bits,
    )


_TABLE_NOTES = (
    "measured, by moments and W2² (POT) are one number by three roads: the errors of all weights, sums over "
    "the cells of the sorted weights, and the squared Wasserstein distances of the codebooks' own weights by "
    "another library, each with its share of the weights. They may differ in rounding; W2² is never above "
    "the error, and equals it where no larger weight has a smaller level.",
    "high-rate values rest on a density estimated from spacings: they mean little in channels of few "
    "weights, and bound nothing.",
)


def _notes(found: Audit) -> tuple[str, ...]:
    notes = [
        "these weights are the whole population: measured values are exact for them and need no interval."
    ]
    if found.config["quantized_before"]:
        notes.insert(
            0,
            "these weights come from a file of fmq quantize: every number is of quantizing them once more, "
            "and says nothing of the weights before.",
        )
    lossless = sum(tensor.lossless_bits is not None for tensor in found.tensors)
    if lossless:
        notes.append(
            f"{lossless} of {len(found.tensors)} tensors have channels of at most "
            f"2^{found.config['bits'][-1]} weights: there a codebook can hold every weight, so equal mass "
            "and Lloyd-Max are lossless by construction, and their codebooks cost as much as the weights."
        )
    return tuple(notes)
