"""An audit in a terminal: the whole model, its worst layers, what was left out, and what follows."""

from collections.abc import Sequence

from fmq_theory.checkpoint.audit.result import Audit, AuditTotals, TensorAudit
from fmq_theory.report.audit.words import (
    MIXED,
    audit_notes,
    best_single_words,
    crossover_cell,
    crossover_words,
    layer_notes,
    skipped_by_reason,
)
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.report.base.tables import Line, Section, Sheet, print_prose, print_sheet, terminal
from fmq_theory.report.base.words import ABSENT, percent, size_of
from fmq_theory.shown import counted

__all__ = ["print_audit"]


def print_audit(audit: Audit, *, theory: bool = False) -> None:
    """Prints on standard output.

    Args:
        audit: what was found.
        theory: whether the ratios to uniform, b* and the tails are shown.
    """
    console = terminal()
    totals, config = audit.totals, audit.config
    reused = f", {audit.reused} of them finished before" if audit.reused else ""
    print_prose(
        console,
        f"{audit.path}: {counted(totals.tensors, 'tensor')}{reused}, {totals.weights:,} weights, "
        f"a codebook per {_per(config['granularity'], config['group_size'])}",
    )
    console.print()
    print_sheet(console, _whole_model(totals, config["bits"], theory=theory))
    if audit.budgets:
        console.print()
        print_sheet(console, _budgets(audit))
    if audit.advice["scheme"] is not None:
        console.print()
        print_sheet(console, _worst_layers(audit, theory=theory))
    for line in (*skipped_by_reason(audit), *audit_notes(audit, theory=theory), *layer_notes(audit)):
        print_prose(console, f"· {line}", style="dim")
    console.print()
    print_prose(console, audit.advice["text"], head="What follows.")


def _per(granularity: str, group_size: int | None) -> str:
    return f"group of {group_size}" if granularity == "group" else granularity


def _whole_model(totals: AuditTotals, bits: Sequence[int], *, theory: bool) -> Sheet:
    sections: list[Section] = []
    for scheme in dict.fromkeys(cell.scheme for cell in totals.cells):
        cells = [totals.cell(scheme, b) for b in bits]
        line = [
            ABSENT if cell is None else f"{percent(cell.relative_error)} ({cell.effective_bits:.1f})"
            for cell in cells
        ]
        sections.append(Section(style_of(scheme).label, [Line(line)]))
    ratios = {ratio.bits: ratio for ratio in totals.ratios}
    caption = ""
    if theory and any(ratio.rho_w2 is not None for ratio in totals.ratios):
        line = [_ratio(ratios[b].rho_w2, inside=ratios[b].rho_w2_in_band) for b in bits]
        sections.append(Section("ρ_W2: Lloyd–Max / uniform", [Line(line)]))
    if theory and any(ratio.rho_em is not None for ratio in totals.ratios):
        line = [_ratio(ratios[b].rho_em, inside=ratios[b].rho_em_in_band) for b in bits]
        sections.append(Section("ρ_EM: equal mass / uniform", [Line(line)]))
        caption = f"* in the paper's band 0.25–0.40; {crossover_words(totals)}"
    return Sheet(
        sections,
        [counted(b, "bit") for b in bits],
        label="whole model",
        title="Relative error ‖W − Q‖ / ‖W‖ (effective bits a weight)",
        caption=caption,
    )


def _budgets(audit: Audit) -> Sheet:
    sections = [
        Section(
            f"{point.budget_bits:g}",
            [
                Line(
                    (
                        f"{point.effective_bits:.2f}",
                        size_of(point.num_bytes),
                        percent(point.relative_error),
                        best_single_words(audit.totals, point),
                    )
                )
            ],
        )
        for point in audit.budgets
    ]
    return Sheet(
        sections,
        ["effective bits", "size", "error", "one choice for all"],
        label="bits a weight",
        title=MIXED,
        left=frozenset({"one choice for all"}),
    )


def _worst_layers(audit: Audit, *, theory: bool) -> Sheet:
    scheme, bits = audit.advice["scheme"], audit.advice["bits"]
    starred = theory and any(ratio.rho_em is not None for ratio in audit.totals.ratios)
    tensors = {tensor.name: tensor for tensor in audit.tensors}
    sections: list[Section] = []
    for layer in audit.advice["worst"]:
        tensor = tensors[layer["name"]]
        cells = (
            "×".join(map(str, tensor.shape)),
            f"{tensor.weights:,}",
            percent(layer["share_of_error"]),
            percent(layer["share_of_weights"]),
            percent(layer["relative_error"]),
            *([crossover_cell(tensor)] if starred else []),
            *([_tail(tensor)] if theory else []),
        )
        sections.append(Section(tensor.name, [Line(cells)]))
    star = ["b*"] if starred else []
    return Sheet(
        sections,
        ["shape", "weights", "of error", "of weights", "error", *star, *(["tail"] if theory else [])],
        label="tensor",
        title=f"Worst layers: {style_of(scheme).label} at {counted(bits, 'bit')}",
        left=frozenset({"tail"}),
    )


def _tail(tensor: TensorAudit) -> str:
    tail, reach = tensor.spread.tail, tensor.spread.max_over_sigma
    if reach is None or tail.moments is None:
        return tail.kind if tail.theory_applies else f"{tail.kind}, no law"
    words = f"{tail.kind}, ξ = {tail.moments[0]:.2f}, max {reach:.1f} σ"
    return words if tail.theory_applies else f"{words}; no law"


def _ratio(value: float | None, *, inside: bool | None) -> str:
    return ABSENT if value is None else f"{value:.3f}{'*' if inside else ' '}"
