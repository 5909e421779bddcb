"""Sentences and numbers of an audit that the terminal and the page share."""

import math
from collections.abc import Sequence

from fmq_theory.checkpoint.audit.result import Audit, AuditRatio, AuditTotals, TensorAudit
from fmq_theory.report.base.reasons import by_reason
from fmq_theory.report.base.words import ABSENT
from fmq_theory.shown import counted, shown

__all__ = [
    "audit_notes",
    "crossover_cell",
    "crossover_words",
    "skipped_by_reason",
]

_MOST_NAMED = 3


def crossover_words(totals: AuditTotals) -> str:
    """Where uniform overtakes equal mass, and where it falls behind again because channels are short."""
    star = totals.crossover_bits
    if star is None:
        return _without_crossover(totals.ratios)
    beyond = [ratio for ratio in totals.ratios if ratio.bits > star and ratio.rho_em is not None]
    again = next((ratio.bits for ratio in beyond if (ratio.rho_em or 0.0) < 1.0), None)
    cell = None if again is None else totals.cell("equal_mass", again)
    if cell is None:
        return f"crossover b* = {star:.2f} bits: above it uniform beats equal mass"
    return (
        f"crossover b* = {star:.2f} bits: above it uniform beats equal mass, up to "
        f"{counted(cell.bits - 1, 'bit')}; at {cell.bits} bits the codebooks of equal mass hold "
        "so many of the weights one by one, at "
        f"{cell.effective_bits:.1f} effective bits, that it is better again"
    )


def _without_crossover(ratios: Sequence[AuditRatio]) -> str:
    """Who has the smaller error where the ratio does not rise through 1."""
    known = [ratio for ratio in ratios if ratio.rho_em]
    exact = [ratio.bits for ratio in ratios if ratio.rho_em == 0.0]
    if not known:
        return "no b*: equal mass loses nothing at these bits" if exact else "no b*: there is no ratio"
    bits = (
        f"from {known[0].bits} to {known[-1].bits} bits"
        if len(known) > 1
        else f"at {counted(known[0].bits, 'bit')}"
    )
    then = f"; at {counted(exact[0], 'bit')} equal mass loses nothing" if exact else ""
    if all((ratio.rho_em or 0.0) < 1.0 for ratio in known):
        return f"no b*: equal mass has the smaller error {bits}{then}"
    if all((ratio.rho_em or 0.0) >= 1.0 for ratio in known):
        return f"no b*: uniform has the smaller error {bits}{then}"
    return f"no b*: the ratio falls through 1 {bits}, and does not rise again{then}"


def crossover_cell(tensor: TensorAudit | AuditTotals) -> str:
    """b* in a table; else why there is none, in one word of four.

    "> 8": equal mass has the smaller error up to 8 bits; "< 2": uniform has it from 2 bits on; "exact": equal
    mass loses nothing at any bit-width measured; a dash: nothing to compare, or a
    ratio that falls through 1 and does not rise again.
    """
    if tensor.crossover_bits is not None:
        return f"{tensor.crossover_bits:.2f}"
    known = [ratio for ratio in tensor.ratios if ratio.rho_em]
    if not known:
        return "exact" if any(ratio.rho_em == 0.0 for ratio in tensor.ratios) else ABSENT
    if all((ratio.rho_em or 0.0) < 1.0 for ratio in known):
        return f"> {known[-1].bits}"
    return f"< {known[0].bits}" if all((ratio.rho_em or 0.0) >= 1.0 for ratio in known) else ABSENT


def skipped_by_reason(audit: Audit) -> list[str]:
    """What was left out, a line a reason, with some names and how many numbers these tensors hold."""
    groups = by_reason(((name, math.prod(shape)), reason) for name, shape, reason in audit.skipped)
    lines: list[str] = []
    for reason, tensors in groups.items():
        names = ", ".join(shown(name) for name, _ in tensors[:_MOST_NAMED])
        more = f" and {len(tensors) - _MOST_NAMED} more" if len(tensors) > _MOST_NAMED else ""
        count = sum(size for _, size in tensors)
        lines.append(f"left out, {reason}: {names}{more} ({counted(count, 'number')})")
    return lines


def audit_notes(audit: Audit) -> list[str]:
    """What a reader of the numbers has to know."""
    notes: list[str] = []
    if audit.config.get("quantized_before"):
        notes.append(
            "these weights come from a file of fmq quantize: every number is of quantizing them once more, "
            "and says nothing of the weights before"
        )
    without = [tensor for tensor in audit.tensors if not tensor.spread.tail.theory_applies]
    if without:
        reason = without[0].spread.tail.reason
        notes.append(
            f"theory about laws does not apply to {len(without)} of {len(audit.tensors)} tensors "
            f"({shown(without[0].name)}: {reason}); measured errors are exact all the same"
        )
    short = [tensor for tensor in audit.tensors if tensor.dtype.startswith("float8")]
    if short:
        notes.append(
            f"{len(short)} of {len(audit.tensors)} tensors are stored in 8 bits already "
            f"({shown(short[0].name)}: {short[0].dtype}); errors are those beyond that rounding, and scales, "
            "if any, are not known"
        )
    lossless = [tensor for tensor in audit.tensors if tensor.lossless_bits is not None]
    if lossless:
        most = audit.config["bits"][-1]
        notes.append(
            f"{len(lossless)} of {len(audit.tensors)} tensors have at most 2^{most} weights a codebook: some "
            "schemes are exact there by construction, at the price of codebooks as large as the weights"
        )
    return notes
