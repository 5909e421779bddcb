"""A flow experiment as tables in a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from fmq_theory.claims.flow_verdict import flow_verdict
from fmq_theory.flow.flow_report import FlowReport
from fmq_theory.flow.flow_rows import FlowRow, flow_rows
from fmq_theory.report.flow_columns import LADDER_COLUMNS, Column, fidelity_columns, in_digits
from fmq_theory.report.looks import look

__all__ = ["flow_notes", "print_flow"]

_PIPE_WIDTH = 150
_LAYERS = 8


def print_flow(report: FlowReport) -> None:
    """Prints the samples' fidelity, the ladder, the layers, the verdict and the notes on standard output."""
    console = Console()
    if not console.is_terminal:
        # A pipe has no width to respect, and a folded table is hard to read and to search.
        console = Console(width=_PIPE_WIDTH)
    rows = flow_rows(report)
    console.print(f"Quantized flow: {report.subject}", highlight=False)
    console.print(_table(report.compared, rows, fidelity_columns(report, rows)))
    if any(row.ladder for row in rows):
        console.print(_table("Bound / error at t = 1, median over samples", rows, LADDER_COLUMNS))
    if report.layers:
        console.print(_layers_table(report))
    console.print("\n[bold]Verdict.[/bold]")
    for sentence in flow_verdict(report):
        console.print(f"  {sentence}", highlight=False, markup=False)
    for note in flow_notes(report):
        console.print(f"[dim]· {note}[/dim]", highlight=False)


def flow_notes(report: FlowReport) -> tuple[str, ...]:
    """What the reader must know about the numbers."""
    notes = _of_outputs(report) if report.measure == "velocity" else _of_samples(report)
    most = max((row.lossless_share for row in flow_rows(report)), default=0.0)
    if most > 0.01:
        notes.append(
            f"up to {100 * most:.0f} % of the weights lie in channels with no more weights than levels, "
            "which a fitted codebook holds without loss"
        )
    notes += [f"{cell.scheme} {cell.bits} bits: {cell.note}" for cell in report.cells if cell.note]
    return tuple(notes)


def _of_outputs(report: FlowReport) -> list[str]:
    config, latent = report.config, report.full.latent
    batches = config["batches"]
    spread = (
        "± is half the 95 % interval over batches (SSIM: over images)"
        if batches > 1
        else "one batch has no interval"
    )
    notes = [
        f"{batches} batch{'es' if batches > 1 else ''} of {config['batch']} real samples, one evaluation at "
        "t = 0, no flow integrated; "
        f"PSNR of a whole batch with peak {config['peak']:g}; {spread}",
        f"the protocol '{config['protocol']}' quantizes "
        + (
            "every floating point tensor and leaves those that the scripts leave"
            if config["protocol"] == "published"
            else "tensors with two or more dimensions"
        )
        + f"; conditions: {config['conditions']}",
        "|e| is the Euclidean distance of two outputs, rms over samples",
    ]
    if report.ssim_window is None:
        notes.append("SSIM is not applicable: the samples are no images")
    if latent is not None:
        notes.append(
            f"latent: the middle layer's answers at t = 0 on {latent.dimensions} principal components of the "
            "model's own; ratio of the standard deviation of the variances along them, a batch at a time"
        )
    return notes


def _of_samples(report: FlowReport) -> list[str]:
    config = report.config
    notes = [
        f"{config['seeds']} seeds of {config['samples']} samples, {config['sampler']} with {config['steps']} "
        "steps; ± is half the 95 % interval of the mean over all samples (SSIM: up to 4 bits); JSON has it "
        "over seeds as well",
        "|e| is the Euclidean error of a sample, rms over samples",
    ]
    if config["ladder_samples"]:
        notes.append(
            f"the bounds are worked out for {config['ladder_samples']} of the samples; g3 is a prediction, "
            "no bound"
        )
    if report.ssim_window is None:
        notes.append("SSIM is not applicable: the samples are no images")
    elif report.ssim_window < 11:
        notes.append(
            f"SSIM with a window of {report.ssim_window} by {report.ssim_window}, because the usual 11 by 11 "
            "does not fit these images: compare it with images of the same size only"
        )
    if report.full.latent is not None:
        notes.append(
            f"latent: {report.full.latent.dimensions} answers of the middle layer at the step nearest t = 1/2"
        )
    return notes


def _table(title: str, rows: Sequence[FlowRow], columns: Sequence[Column]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("scheme", overflow="fold")
    for heading in ("bits", *(heading for heading, _ in columns)):
        table.add_column(heading, justify="right", no_wrap=True)
    for row, after in zip(rows, [*rows[1:], None], strict=True):
        first = row is rows[0] or rows[rows.index(row) - 1].scheme != row.scheme
        label = look(row.scheme).label if first else ""
        last = after is not None and after.scheme != row.scheme
        table.add_row(label, str(row.bits), *(cell(row) for _, cell in columns), end_section=last)
    return table


def _layers_table(report: FlowReport) -> Table:
    scheme, bits = report.layers_of or ("", 0)
    table = Table(
        title=f"|e| when one tensor alone is quantized: {look(scheme).label}, {bits} bits",
        title_justify="left",
    )
    table.add_column("tensor", overflow="fold")
    for heading in ("|Δθ|", "|e| rms", "first order"):
        table.add_column(heading, justify="right", no_wrap=True)
    for layer in report.layers[:_LAYERS]:
        table.add_row(
            layer.name, in_digits(layer.weight_change), in_digits(layer.measured), in_digits(layer.predicted)
        )
    if len(report.layers) > _LAYERS:
        table.caption = f"and {len(report.layers) - _LAYERS} more; JSON has them all"
    return table
