"""A flow experiment as tables in a terminal."""

import math
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from fmq_theory.claims.flow_verdict import flow_verdict
from fmq_theory.flow.experiment import FlowReport
from fmq_theory.flow.flow_rows import RUNGS, FlowRow, flow_rows
from fmq_theory.report.looks import look

__all__ = ["flow_notes", "print_flow"]

_ABSENT = "–"
_PIPE_WIDTH = 150
_LAYERS = 8

_Column = tuple[str, Callable[[FlowRow], str]]


def print_flow(report: FlowReport) -> None:
    """Prints the samples' fidelity, the ladder, the layers, the verdict and the notes on standard output."""
    console = Console()
    if not console.is_terminal:
        # A pipe has no width to respect, and a folded table is hard to read and to search.
        console = Console(width=_PIPE_WIDTH)
    rows = flow_rows(report)
    console.print(f"Quantized flow: {report.subject}", highlight=False)
    console.print(_table("Samples against full precision, same noise", rows, _fidelity_columns(report, rows)))
    if any(row.ladder for row in rows):
        console.print(_table("Bound / error at t = 1, median over samples", rows, _LADDER))
    if report.layers:
        console.print(_layers_table(report))
    console.print("\n[bold]Verdict.[/bold]")
    for sentence in flow_verdict(report):
        console.print(f"  {sentence}", highlight=False, markup=False)
    for note in flow_notes(report):
        console.print(f"[dim]· {note}[/dim]", highlight=False)


def flow_notes(report: FlowReport) -> tuple[str, ...]:
    """What the reader must know about the numbers."""
    config = report.config
    notes = [
        f"{config['seeds']} seeds of {config['samples']} samples, {config['sampler']} with {config['steps']} "
        "steps; ± is half the 95 % interval over all samples; JSON has the interval over seeds as well",
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
    most = max((row.lossless_share for row in flow_rows(report)), default=0.0)
    if most > 0.01:
        notes.append(
            f"up to {100 * most:.0f} % of the weights lie in channels with no more weights than levels, "
            "which a fitted codebook holds without loss"
        )
    notes += [f"{cell.scheme} {cell.bits} bits: {cell.note}" for cell in report.cells if cell.note]
    return tuple(notes)


def _number(value: float | None) -> str:
    if value is None:
        return _ABSENT
    return "inf" if math.isinf(value) else f"{value:.4g}"


def _short(value: float | None) -> str:
    if value is None:
        return _ABSENT
    return "inf" if math.isinf(value) else f"{value:.3g}"


def _fixed(value: float | None, places: int) -> str:
    if value is None:
        return _ABSENT
    return "inf" if math.isinf(value) else f"{value:.{places}f}"


def _with_half(row: FlowRow, name: str, places: int) -> str:
    value: float | None = getattr(row, name)
    ends = row.intervals.get(name, {}).get("samples")
    half = "" if ends is None else f" ± {0.5 * (ends[1] - ends[0]):.{places}f}"
    return _fixed(value, places) + half


def _fidelity_columns(report: FlowReport, rows: Sequence[FlowRow]) -> Sequence[_Column]:
    columns: list[_Column] = [
        ("eff. bits", lambda row: _fixed(row.effective_bits, 2)),
        ("weights mse", lambda row: _short(row.mse)),
        ("|e| rms", lambda row: _number(row.sample_error_rms)),
        ("PSNR dB", lambda row: _with_half(row, "psnr_db", 2)),
    ]
    if report.ssim_window is not None:
        columns.append(("SSIM", lambda row: _with_half(row, "ssim", 3)))
    if report.full.latent is not None:
        columns.append(("latent std ratio", lambda row: _fixed(row.latent_std_ratio, 3)))
        columns.append(
            ("collapsed", lambda row: _ABSENT if row.latent_collapsed is None else str(row.latent_collapsed))
        )
    if report.features is not None:
        columns.append(("Fréchet", lambda row: _number(row.frechet)))
    if any(row.frechet_to_data is not None for row in rows):
        columns.append(("to data", lambda row: _number(row.frechet_to_data)))
    return columns


def _tightness(rung: str) -> Callable[[FlowRow], str]:
    return lambda row: _short(row.tightness[rung])


def _ladder_number(key: str) -> Callable[[FlowRow], str]:
    return lambda row: _ABSENT if row.ladder is None else _short(row.ladder[key])


def _broken(row: FlowRow) -> str:
    if row.ladder is None:
        return _ABSENT
    broken = [rung for rung, count in row.ladder["broken_count"].items() if count]
    return ", ".join(broken) or "none"


_LADDER: Sequence[_Column] = (
    *((rung, _tightness(rung)) for rung in RUNGS),
    ("secant", lambda row: _ABSENT if row.ladder is None else _short(row.ladder["tightness"]["secant"])),
    ("g3 off by", _ladder_number("response_error")),
    ("L_x max", _ladder_number("lipschitz_max")),
    ("μ₂ max", _ladder_number("log_norm_max")),
    ("L_θ", _ladder_number("theta_lipschitz")),
    ("broken", _broken),
)


def _table(title: str, rows: Sequence[FlowRow], columns: Sequence[_Column]) -> Table:
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
            layer.name, _short(layer.weight_change), _short(layer.measured), _short(layer.predicted)
        )
    if len(report.layers) > _LAYERS:
        table.caption = f"and {len(report.layers) - _LAYERS} more; JSON has them all"
    return table
