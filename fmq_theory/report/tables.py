"""A comparison as tables in a terminal."""

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from fmq_theory.claims.comparison import Comparison, Row
from fmq_theory.report.looks import look

__all__ = ["print_comparison"]

_ABSENT = "–"
_HEADINGS = (
    "bits",
    "measured",
    "95 % interval",
    "exact",
    "W2² (POT)",
    "upper bound",
    "high rate",
    "order",
    "entropy",
    "eff. bits",
)


_PIPE_WIDTH = 150


def print_comparison(comparison: Comparison) -> None:
    """Prints the rows by scheme, the ratios, the verdict and the notes on standard output."""
    console = Console()
    if not console.is_terminal:
        # A pipe has no width to respect, and a folded table is hard to read and to search.
        console = Console(width=_PIPE_WIDTH)
    console.print(_rows_table(comparison))
    console.print(_ratios_table(comparison))
    if comparison.tensors:
        console.print(_tensors_table(comparison))
    if comparison.skipped:
        console.print(f"Left out: {len(comparison.skipped)} tensors ({_reasons(comparison.skipped)}).")
    console.print(f"\n[bold]Verdict.[/bold] {comparison.verdict}", highlight=False)
    for note in comparison.notes:
        console.print(f"[dim]· {note}[/dim]", highlight=False)


def _rows_table(comparison: Comparison) -> Table:
    table = Table(title=f"Mean squared error: {comparison.subject}", title_justify="left")
    table.add_column("scheme", no_wrap=True)
    for heading in (
        "bits",
        "measured",
        "95 % interval",
        "exact",
        "W2² (POT)",
        "bound",
        "high rate",
        "order",
        "H",
        "eff.",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for index, row in enumerate(comparison.rows):
        first = index == 0 or comparison.rows[index - 1].scheme != row.scheme
        last = index + 1 == len(comparison.rows) or comparison.rows[index + 1].scheme != row.scheme
        table.add_row(look(row.scheme).label if first else "", *_cells(row), end_section=last)
    return table


def _cells(row: Row) -> list[str]:
    if row.distortion_hat is None:
        return [str(row.bits), f"[dim]{row.note}[/dim]", *[_ABSENT] * 8]
    return [
        str(row.bits),
        _number(row.distortion_hat),
        _interval(row.distortion_lo, row.distortion_hi),
        _number(row.distortion_exact),
        _number(row.w2_squared_pot),
        _number(row.bound_upper),
        _number(row.high_rate),
        _short(row.order_predicted),
        _short(row.entropy_bits),
        _short(row.effective_bits),
    ]


def _ratios_table(comparison: Comparison) -> Table:
    table = Table(title="Ratio to min–max uniform (the paper's band is 0.25–0.40)", title_justify="left")
    table.add_column("bits", justify="right")
    for heading in (
        "ρ_W2 Lloyd–Max",
        "95 % interval",
        "in band",
        "ρ_EM equal mass",
        "95 % interval",
        "in band",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in comparison.ratios:
        table.add_row(
            str(row.bits),
            _ratio(row.rho_w2),
            _interval(row.rho_w2_lo, row.rho_w2_hi),
            _yes(row.rho_w2_in_band),
            _ratio(row.rho_em),
            _interval(row.rho_em_lo, row.rho_em_hi),
            _yes(row.rho_em_in_band),
        )
    star = comparison.crossover_bits
    table.caption = (
        "equal mass and uniform do not cross in this range"
        if star is None
        else f"crossover b* = {star:.2f} bits: above it uniform beats equal mass"
    )
    return table


def _tensors_table(comparison: Comparison) -> Table:
    bits: Sequence[int] = comparison.config["bits"]
    shown = sorted({bits[0], bits[len(bits) // 2], bits[-1]})
    table = Table(title="Layer by layer", title_justify="left")
    table.add_column("tensor")
    for heading in (
        "shape",
        "weights",
        "b*",
        *(f"ρ_W2 {b} b" for b in shown),
        *(f"ρ_EM {b} b" for b in shown),
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    places = [bits.index(b) for b in shown]
    for row in comparison.tensors:
        table.add_row(
            row.name,
            "×".join(map(str, row.shape)),
            f"{row.weights:,}",
            _short(row.crossover_bits),
            *(_ratio(row.rho_w2[place]) for place in places),
            *(_ratio(row.rho_em[place]) for place in places),
        )
    return table


def _reasons(skipped: Sequence[tuple[str, str]]) -> str:
    counts: dict[str, int] = {}
    for _, reason in skipped:
        counts[reason] = counts.get(reason, 0) + 1
    return "; ".join(f"{count} {reason}" for reason, count in counts.items())


def _number(value: float | None) -> str:
    if value is None:
        return _ABSENT
    return "inf" if math.isinf(value) else f"{value:.4g}"


def _short(value: float | None) -> str:
    if value is None:
        return _ABSENT
    return "inf" if math.isinf(value) else f"{value:.2f}"


def _ratio(value: float | None) -> str:
    return _ABSENT if value is None else f"{value:.3f}"


def _interval(low: float | None, high: float | None) -> str:
    return _ABSENT if low is None or high is None else f"{low:.4g} … {high:.4g}"


def _yes(value: bool | None) -> str:
    return _ABSENT if value is None else ("[green]yes[/green]" if value else "no")
