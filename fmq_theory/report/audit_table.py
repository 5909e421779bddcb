"""An audit in a terminal: the whole model, its worst layers, what was left out, and what follows."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fmq_theory.checkpoint.audit_result import Audit, AuditTotals, TensorAudit
from fmq_theory.report.audit_words import (
    ABSENT,
    audit_notes,
    counted,
    crossover_cell,
    crossover_words,
    percent,
    skipped_by_reason,
)
from fmq_theory.report.looks import look

__all__ = ["print_audit"]

_PIPE_WIDTH = 150
_WIDE = 120
_NARROW_BITS = 4  # as many bit-widths fit a terminal of 80 characters


def print_audit(audit: Audit) -> None:
    """Prints on standard output."""
    console = Console()
    if not console.is_terminal:
        # A pipe has no width to respect, and a folded table is hard to read and to search.
        console = Console(width=_PIPE_WIDTH)
    wide = console.width >= _WIDE
    totals, config = audit.totals, audit.config
    reused = f", {audit.reused} of them finished before" if audit.reused else ""
    console.print(
        f"{escape(audit.path)}: {counted(totals.tensors, 'tensor')}{reused}, {totals.weights:,} weights, "
        f"a codebook per {_per(config['granularity'], config['group_size'])}",
        highlight=False,
    )
    bits = _shown(config["bits"], wide=wide)
    console.print(_model_table(totals, bits))
    console.print(_layers_table(audit, wide=wide))
    for line in skipped_by_reason(audit):
        console.print(f"[dim]· {escape(line)}[/dim]", highlight=False)
    notes = audit_notes(audit)
    if len(bits) < len(config["bits"]):
        notes.append("a wider terminal shows every bit-width; --json, --csv and --html have everything")
    for line in notes:
        console.print(f"[dim]· {escape(line)}[/dim]", highlight=False)
    console.print(f"\n[bold]What follows.[/bold] {escape(audit.advice['text'])}", highlight=False)


def _per(granularity: str, group_size: int | None) -> str:
    return f"group of {group_size}" if granularity == "group" else granularity


def _shown(bits: Sequence[int], *, wide: bool) -> list[int]:
    if wide or len(bits) <= _NARROW_BITS:
        return list(bits)
    return [bits[round(i * (len(bits) - 1) / (_NARROW_BITS - 1))] for i in range(_NARROW_BITS)]


def _model_table(totals: AuditTotals, bits: Sequence[int]) -> Table:
    table = Table(title="Relative error ‖W − Q‖ / ‖W‖ (effective bits a weight)", title_justify="left")
    table.add_column("whole model", no_wrap=True)
    for b in bits:
        table.add_column(f"{b} bits", justify="right", no_wrap=True)
    schemes = list(dict.fromkeys(cell.scheme for cell in totals.cells))
    for scheme in schemes:
        cells = [totals.cell(scheme, b) for b in bits]
        told = [
            ABSENT if cell is None else f"{percent(cell.relative_error)} ({cell.effective_bits:.1f})"
            for cell in cells
        ]
        table.add_row(look(scheme).label, *told, end_section=scheme == schemes[-1])
    ratios = {ratio.bits: ratio for ratio in totals.ratios}
    if any(ratio.rho_w2 is not None for ratio in totals.ratios):
        told = [_ratio(ratios[b].rho_w2, inside=ratios[b].rho_w2_in_band) for b in bits]
        table.add_row("ρ_W2: Lloyd–Max / uniform", *told)
    if any(ratio.rho_em is not None for ratio in totals.ratios):
        told = [_ratio(ratios[b].rho_em, inside=ratios[b].rho_em_in_band) for b in bits]
        table.add_row("ρ_EM: equal mass / uniform", *told)
        table.caption = f"* in the paper's band 0.25–0.40; {crossover_words(totals)}"
    return table


def _layers_table(audit: Audit, *, wide: bool) -> Table:
    scheme, bits = audit.advice["scheme"], audit.advice["bits"]
    if scheme is None:
        return Table()
    table = Table(title=f"Worst layers: {look(scheme).label} at {bits} bits", title_justify="left")
    table.add_column("tensor", overflow="fold")
    extra = ["shape", "weights"] if wide else []
    starred = any(ratio.rho_em is not None for ratio in audit.totals.ratios)
    headings = (*extra, "of error", "of weights", "error", *(["b*"] if starred else []), "tail")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "tail" else "right", no_wrap=True)
    tensors = {tensor.name: tensor for tensor in audit.tensors}
    for layer in audit.advice["worst"]:
        tensor = tensors[layer["name"]]
        more = ["×".join(map(str, tensor.shape)), f"{tensor.weights:,}"] if wide else []
        table.add_row(
            escape(tensor.name),
            *more,
            percent(layer["share_of_error"]),
            percent(layer["share_of_weights"]),
            percent(layer["relative_error"]),
            *([crossover_cell(tensor)] if starred else []),
            _tail(tensor, wide=wide),
        )
    return table


def _tail(tensor: TensorAudit, *, wide: bool) -> str:
    tail, reach = tensor.spread.tail, tensor.spread.max_over_sigma
    if not wide or reach is None or tail.moments is None:
        return tail.kind if tail.theory_applies else f"{tail.kind}, no law"
    words = f"{tail.kind}, ξ = {tail.moments[0]:.2f}, max {reach:.1f} σ"
    return words if tail.theory_applies else f"{words}; no law"


def _ratio(value: float | None, *, inside: bool | None) -> str:
    return ABSENT if value is None else f"{value:.3f}{'*' if inside else ' '}"
