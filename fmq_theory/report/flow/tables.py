"""A flow experiment as tables in a terminal."""

from collections.abc import Sequence

from fmq_theory.claims.comparison.flow_verdict import flow_verdict
from fmq_theory.flow.flow_report import FlowReport
from fmq_theory.flow.flow_rows import FlowRow, flow_rows
from fmq_theory.metrics import INTERVAL_KINDS
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.report.base.tables import Line, Section, Sheet, print_prose, print_sheet, terminal
from fmq_theory.report.flow.columns import LADDER_COLUMNS, Column, fidelity_columns, in_digits
from fmq_theory.shown import counted

__all__ = ["flow_notes", "print_flow"]

_LAYERS = 8
_LADDER = (
    "g0 is Grönwall's bound, with the largest Lipschitz constant of the quantized velocity between the "
    "two runs (L_x max) and that of the velocity in the weights (L_θ); g1, g2 and g4 add up the measured "
    "error of every step, made larger by the steps after it: g1 by norms of Jacobians, g2 by logarithmic "
    "norms (largest: μ₂ max), g4 by the norm of the whole step's Jacobian; g3 is the error to first "
    "order, off by the share in its column (rms); secant takes what the steps did to the two runs, read "
    "off them, and predicts nothing; broken: bounds below the measured error"
)


def print_flow(report: FlowReport) -> None:
    """Prints the verdict, the samples' fidelity, the ladder, the layers and the notes on standard output."""
    console = terminal()
    rows = flow_rows(report)
    print_prose(console, f"Quantized flow: {report.subject}")
    console.print("\n[bold]Verdict.[/bold]")
    for sentence in flow_verdict(report):
        print_prose(console, sentence, indent=2)
    console.print()
    print_sheet(console, _sheet(report.compared, rows, fidelity_columns(report, rows)))
    if any(row.ladder for row in rows):
        print_sheet(console, _sheet("Bound / error at t = 1, median over samples", rows, LADDER_COLUMNS))
    if report.layers:
        print_sheet(console, _layers(report))
    for note in flow_notes(report):
        print_prose(console, f"· {note}", style="dim")


def flow_notes(report: FlowReport) -> tuple[str, ...]:
    """What the reader must know about the numbers."""
    notes = _of_outputs(report) if report.measure == "velocity" else _of_samples(report)
    most = max((row.lossless_share for row in flow_rows(report)), default=0.0)
    if most > 0.01:
        notes.append(
            f"up to {100 * most:.0f} % of the weights lie in channels with no more weights than levels, "
            "which a fitted codebook holds without loss"
        )
    notes += [f"{cell.scheme} {counted(cell.bits, 'bit')}: {cell.note}" for cell in report.cells if cell.note]
    return tuple(notes)


def _of_outputs(report: FlowReport) -> list[str]:
    config, latent = report.config, report.full.latent
    batches = config["batches"]
    spread = (
        "in brackets the smallest and the largest of the batches, no interval" if batches > 1 else "one batch"
    )
    notes = [
        f"{batches} batch{'es' if batches > 1 else ''} of {config['batch']} real samples, one evaluation at "
        "t = 0, no flow integrated; "
        f"PSNR of a whole batch with peak {config['peak']:g}; {spread}; JSON has every batch",
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
    config, kind = report.config, INTERVAL_KINDS["mean"]
    notes = [
        f"{counted(config['seeds'], 'seed')} of {config['samples']} samples, {config['sampler']} with "
        f"{config['steps']} steps; ± is half the 95 % interval of the mean over all samples (from "
        f"{kind.fewest} samples on; SSIM: up to {kind.most_bits['ssim']} bits); JSON has it over seeds as "
        "well",
        "|e| is the Euclidean error of a sample, rms over samples",
    ]
    if config["ladder_samples"]:
        notes.append(
            f"the bounds are worked out for {config['ladder_samples']} of the samples; g3 is a prediction, "
            "no bound"
        )
        notes.append(_LADDER)
    if report.layers:
        notes.append(
            "|Δθ| is the Euclidean norm of the change of the weights; first order is g3 of that tensor alone"
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
            f"latent: {report.full.latent.dimensions} answers of the middle layer at the step nearest "
            "t = 1/2; the ratio is a mean over draws of the noise, without an interval; JSON has every draw"
        )
    return notes


def _sheet(title: str, rows: Sequence[FlowRow], columns: Sequence[Column]) -> Sheet:
    groups: dict[str, list[Line]] = {}
    for row in rows:
        # A cell without samples says why where its numbers would stand.
        absent = row.sample_error_rms is None and row.note
        cells = [] if absent else [cell(row) for _, cell in columns]
        line = Line(cells, str(row.bits), _why_absent(row) if absent else None)
        groups.setdefault(style_of(row.scheme).label, []).append(line)
    return Sheet(
        [Section(label, lines) for label, lines in groups.items()],
        [heading for heading, _ in columns],
        label="scheme",
        key="bits",
        title=title,
    )


def _why_absent(row: FlowRow) -> str:
    known = "" if row.mse is None else f"no samples (weights mse {in_digits(row.mse)}): "
    return f"{known}{row.note}"


def _layers(report: FlowReport) -> Sheet:
    scheme, bits = report.layers_of or ("", 0)
    more = len(report.layers) - _LAYERS
    return Sheet(
        [
            Section(
                layer.name,
                [Line([in_digits(x) for x in (layer.weight_change, layer.measured, layer.predicted)])],
            )
            for layer in report.layers[:_LAYERS]
        ],
        ("|Δθ|", "|e| rms", "first order"),
        label="tensor",
        title=f"|e| when one tensor alone is quantized: {style_of(scheme).label}, {counted(bits, 'bit')}",
        caption=f"and {more} more; JSON has them all" if more > 0 else "",
    )
