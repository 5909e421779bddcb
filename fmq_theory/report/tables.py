"""A comparison as tables in a terminal, wide or narrow."""

import math
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from fmq_theory.claims.comparison import Comparison, Row
from fmq_theory.report.looks import look

__all__ = ["print_comparison"]

_ABSENT = "–"
_PIPE_WIDTH = 150
_WIDE = 140
"""Characters that the full tables need; a narrower terminal gets fewer columns."""


def print_comparison(comparison: Comparison) -> None:
    """Prints the rows by scheme, the ratios, the verdict and the notes on standard output."""
    console = Console()
    if not console.is_terminal:
        # A pipe has no width to respect, and a folded table is hard to read and to search.
        console = Console(width=_PIPE_WIDTH)
    wide = console.width >= _WIDE
    console.print(f"Mean squared error: {comparison.subject}", highlight=False)
    for table in [_wide_rows(comparison.rows)] if wide else _narrow_rows(comparison.rows):
        console.print(table)
    console.print(_ratios_table(comparison, wide=wide))
    if comparison.tensors:
        console.print(_tensors_table(comparison, wide=wide))
    if comparison.skipped:
        console.print(f"Left out: {len(comparison.skipped)} tensors ({_reasons(comparison.skipped)}).")
    console.print(f"\n[bold]Verdict.[/bold] {comparison.verdict}", highlight=False)
    if not wide:
        hint = (
            f"a terminal of {_WIDE} characters shows intervals, POT and bits spent; --json and --csv have all"
        )
        console.print(f"[dim]· {hint}[/dim]", highlight=False)
    for note in comparison.notes:
        console.print(f"[dim]· {note}[/dim]", highlight=False)


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


_Column = tuple[str, Callable[[Row], str]]
_NARROW_COLUMNS: tuple[_Column, ...] = (
    ("measured", lambda row: _number(row.distortion_hat)),
    ("exact", lambda row: _number(row.distortion_exact)),
    ("upper bound", lambda row: _number(row.bound_upper)),
    ("high rate", lambda row: _number(row.high_rate)),
    ("order", lambda row: _short(row.order_predicted)),
)
_WIDE_COLUMNS: tuple[_Column, ...] = (
    _NARROW_COLUMNS[0],
    ("median's 95 %", lambda row: _interval(row.distortion_lo, row.distortion_hi)),
    _NARROW_COLUMNS[1],
    ("W2² (POT)", lambda row: _number(row.w2_squared_pot)),
    *_NARROW_COLUMNS[2:],
    ("entropy", lambda row: _short(row.entropy_bits)),
    ("eff. bits", lambda row: _short(row.effective_bits)),
)


def _by_scheme(rows: Sequence[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(look(row.scheme).label, []).append(row)
    return groups


def _cells(row: Row, columns: Sequence[_Column]) -> list[str]:
    if row.distortion_hat is None:
        return [str(row.bits), f"[dim]{row.note}[/dim]", *[_ABSENT] * (len(columns) - 1)]
    return [str(row.bits), *(cell(row) for _, cell in columns)]


def _wide_rows(rows: Sequence[Row]) -> Table:
    table = Table()
    table.add_column("scheme", no_wrap=True)
    for heading in ("bits", *(heading for heading, _ in _WIDE_COLUMNS)):
        table.add_column(heading, justify="right", no_wrap=True)
    for label, group in _by_scheme(rows).items():
        for row in group:
            first, last = row is group[0], row is group[-1]
            table.add_row(label if first else "", *_cells(row, _WIDE_COLUMNS), end_section=last)
    return table


def _narrow_rows(rows: Sequence[Row]) -> list[Table]:
    tables: list[Table] = []
    for label, group in _by_scheme(rows).items():
        table = Table(title=label, title_justify="left")
        for heading in ("bits", *(heading for heading, _ in _NARROW_COLUMNS)):
            table.add_column(heading, justify="right")
        for row in group:
            table.add_row(*_cells(row, _NARROW_COLUMNS))
        tables.append(table)
    return tables


def _ratios_table(comparison: Comparison, *, wide: bool) -> Table:
    table = Table(title="Ratio to min–max uniform (the paper's band is 0.25–0.40)", title_justify="left")
    table.add_column("bits", justify="right")
    for ratio in ("ρ_W2 Lloyd–Max", "ρ_EM equal mass"):
        for heading in (ratio, "median's 95 %", "in band") if wide else (ratio, "in band"):
            table.add_column(heading, justify="right", no_wrap=True)
    for row in comparison.ratios:
        w2 = [_ratio(row.rho_w2), _interval(row.rho_w2_lo, row.rho_w2_hi), _yes(row.rho_w2_in_band)]
        em = [_ratio(row.rho_em), _interval(row.rho_em_lo, row.rho_em_hi), _yes(row.rho_em_in_band)]
        table.add_row(str(row.bits), *(w2 + em if wide else w2[::2] + em[::2]))
    star = comparison.crossover_bits
    table.caption = (
        "equal mass and uniform do not cross in this range"
        if star is None
        else f"crossover b* = {star:.2f} bits{_ends(comparison)}: above it uniform beats equal mass"
    )
    return table


def _ends(comparison: Comparison) -> str:
    """The interval of b*; empty where there is none."""
    found = comparison.crossover
    if found is None or found.low is None or found.high is None:
        return ""
    return f" (median sample, 95 %: {found.low:.2f} … {found.high:.2f})"


def _tensors_table(comparison: Comparison, *, wide: bool) -> Table:
    bits: Sequence[int] = comparison.config["bits"]
    middle = bits[len(bits) // 2]
    shown = sorted({bits[0], middle, bits[-1]}) if wide else [middle]
    table = Table(title="Layer by layer", title_justify="left")
    table.add_column("tensor", overflow="fold")
    if wide:
        table.add_column("shape", justify="right", no_wrap=True)
    ratios = [f"{ratio} {b} b" for ratio in ("ρ_W2", "ρ_EM") for b in shown]
    for heading in ("weights", "b*", *ratios):
        table.add_column(heading, justify="right", no_wrap=True)
    places = [bits.index(b) for b in shown]
    for row in comparison.tensors:
        table.add_row(
            row.name,
            *(["×".join(map(str, row.shape))] if wide else []),
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
