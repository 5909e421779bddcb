"""Sentences and numbers of an audit that the terminal and the page share."""

import math
from collections.abc import Sequence
from pathlib import Path

from fmq_theory.checkpoint.audit.budgets import best_at
from fmq_theory.checkpoint.audit.result import Audit, AuditRatio, AuditTotals, BudgetPoint, TensorAudit
from fmq_theory.report.base.reasons import by_reason
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.report.base.words import ABSENT, percent
from fmq_theory.shown import counted, shell_word, shown

__all__ = [
    "MIXED",
    "audit_notes",
    "best_single_words",
    "crossover_cell",
    "crossover_words",
    "layer_notes",
    "next_commands",
    "skipped_by_reason",
]

_MOST_NAMED = 3
MIXED = "Scheme and bits layer by layer, of those above: the least error at each size"
"""What the table of budgets shows."""


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


def best_single_words(totals: AuditTotals, point: BudgetPoint) -> str:
    """The best that treats all tensors alike at the size of a mix, with its error; a dash if none fits."""
    cell = best_at(totals, point.budget_bits)
    if cell is None:
        return ABSENT
    return f"{percent(cell.relative_error)} {style_of(cell.scheme).short}, {counted(cell.bits, 'bit')}"


def next_commands(audit: Audit, checkpoint: Path | str | None = None) -> list[tuple[str, str]]:
    """What to run after an audit: commands, each with what it does.

    Args:
        audit: what was found.
        checkpoint: as the user named it; None for the file that was read.
    """
    scheme, bits, config = audit.advice["scheme"], audit.advice["bits"], audit.config
    if config["quantized_before"] or scheme is None:
        return []
    which = "".join(f" --include {shell_word(name)}" for name in config["include"])
    which += "".join(f" --exclude {shell_word(name)}" for name in config["exclude"])
    which += f" --on-nonfinite {config['on_nonfinite']}" if config["on_nonfinite"] != "stop" else ""
    group = config["group_size"]
    how = f"--granularity {config['granularity']}" + (f" --group-size {group}" if group else "")
    total = audit.totals.cell(scheme, bits)
    size = f"{total.effective_bits:.2f}" if total is not None else str(bits)
    start = f"fmq quantize {shell_word(checkpoint or audit.path)} -o OUT"
    return [
        (f"{start} --scheme {scheme} --bits {bits} {how}{which}", "this choice for every layer"),
        (f"{start} --budget {size}{which}", "scheme and bits layer by layer, same size"),
    ]


def layer_notes(audit: Audit) -> list[str]:
    """What the errors of weights do not tell."""
    if audit.advice["scheme"] is None:
        return []
    return [
        "the samples of a model need not follow the squared error of its weights: layers matter unequally. "
        "fmq flow measures how much each does, and fmq quantize --budget --sensitivities uses it"
    ]


def audit_notes(audit: Audit, *, theory: bool = True) -> list[str]:
    """What a reader of the numbers has to know.

    Args:
        audit: what was found.
        theory: whether tails and laws are shown.
    """
    notes: list[str] = []
    if audit.config.get("quantized_before"):
        notes.append(
            "these weights come from a file of fmq quantize: every number is of quantizing them once more, "
            "and says nothing of the weights before"
        )
    without = [tensor for tensor in audit.tensors if not tensor.spread.tail.theory_applies]
    if without and theory:
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
