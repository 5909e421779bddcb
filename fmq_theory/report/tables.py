"""A comparison as tables in a terminal, wide or narrow."""

import math
from collections.abc import Callable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from fmq_theory.claims.comparison import Comparison, Row
from fmq_theory.claims.crossover import crossover_in_words, crossover_mark
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
    return "inf" if math.isinf(value) else f"{value:.3g}"


def _theory(exact: float | None, bound: float | None, sign: str) -> str:
    """``= 0.1`` where theory has the value, ``≤ 0.1`` or ``≥ 0.1`` where it has a bound."""
    if exact is not None:
        return f"= {_number(exact)}"
    return _ABSENT if bound is None else f"{sign} {_number(bound)}"


def _short(value: float | None) -> str:
    if value is None:
        return _ABSENT
    return "inf" if math.isinf(value) else f"{value:.2f}"


def _ratio(value: float | None) -> str:
    return _ABSENT if value is None else f"{value:.3f}"


def _interval(low: float | None, high: float | None) -> str:
    return _ABSENT if low is None or high is None else f"{low:.3g} … {high:.3g}"


def _yes(value: bool | None) -> str:
    return _ABSENT if value is None else ("[green]yes[/green]" if value else "no")


_Column = tuple[str, Callable[[Row], str]]
_NARROW_COLUMNS: tuple[_Column, ...] = (
    ("own\nmeasured", lambda row: _number(row.own_hat)),
    ("own\ntheory", lambda row: _theory(row.own_exact, row.own_upper, "≤")),
    ("fresh\nmeasured", lambda row: _number(row.fresh_hat)),
    ("fresh\ntheory", lambda row: _theory(row.fresh_exact, row.fresh_lower, "≥")),
    ("law\nexact", lambda row: _number(row.law_exact)),
    ("law\nat most", lambda row: _number(row.law_upper)),
)
_WIDE_COLUMNS: tuple[_Column, ...] = (
    ("own\nmeasured", lambda row: _number(row.own_hat)),
    ("own: median's\n95 % interval", lambda row: _interval(row.own_lo, row.own_hi)),
    *_NARROW_COLUMNS[1:],
    ("law\nhigh rate", lambda row: _number(row.law_high_rate)),
    ("\norder", lambda row: _short(row.order_predicted)),
    ("eff.\nbits", lambda row: _short(row.effective_bits)),
)
# A checkpoint's weights are the whole population: there is one quantity.
_DATA_COLUMNS: tuple[_Column, ...] = (
    ("measured", lambda row: _number(row.own_hat)),
    ("by moments", lambda row: _number(row.own_exact)),
    ("W2² (POT)", lambda row: _number(row.w2_squared_pot)),
    ("at most", lambda row: _number(row.own_upper)),
    ("high rate", lambda row: _number(row.own_high_rate)),
    ("order", lambda row: _short(row.order_predicted)),
    ("entropy", lambda row: _short(row.entropy_bits)),
    ("eff. bits", lambda row: _short(row.effective_bits)),
)


def _columns(rows: Sequence[Row], *, wide: bool) -> tuple[_Column, ...]:
    """Those of a law, whose rows have all three quantities, or of data."""
    if rows and all(row.law_exact is None for row in rows):
        return _DATA_COLUMNS if wide else (*_DATA_COLUMNS[:2], *_DATA_COLUMNS[3:6])
    return _WIDE_COLUMNS if wide else _NARROW_COLUMNS


def _by_scheme(rows: Sequence[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(look(row.scheme).label, []).append(row)
    return groups


def _cells(row: Row, columns: Sequence[_Column]) -> list[str]:
    if row.own_hat is None:
        return [str(row.bits), f"[dim]{row.note}[/dim]", *[_ABSENT] * (len(columns) - 1)]
    return [str(row.bits), *(cell(row) for _, cell in columns)]


def _wide_rows(rows: Sequence[Row]) -> Table:
    columns = _columns(rows, wide=True)
    # Rules between columns would take 24 of the 140 characters.
    table = Table(box=SIMPLE_HEAD, padding=0)
    table.add_column("scheme", no_wrap=True)
    for heading in ("bits", *(heading for heading, _ in columns)):
        table.add_column(heading, justify="right", no_wrap=True)
    for label, group in _by_scheme(rows).items():
        for row in group:
            first, last = row is group[0], row is group[-1]
            table.add_row(label if first else "", *_cells(row, columns), end_section=last)
    return table


def _narrow_rows(rows: Sequence[Row]) -> list[Table]:
    tables: list[Table] = []
    for label, group in _by_scheme(rows).items():
        table = Table(title=label, title_justify="left")
        columns = _columns(rows, wide=False)
        for heading in ("bits", *(heading for heading, _ in columns)):
            table.add_column(heading, justify="right")
        for row in group:
            table.add_row(*_cells(row, columns))
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
    bits, em = [row.bits for row in comparison.ratios], [row.rho_em for row in comparison.ratios]
    table.caption = crossover_in_words(bits, em, comparison.crossover_bits, _ends(comparison))
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
            crossover_mark(bits, row.rho_em, row.crossover_bits),
            *(_ratio(row.rho_w2[place]) for place in places),
            *(_ratio(row.rho_em[place]) for place in places),
        )
    return table


def _reasons(skipped: Sequence[tuple[str, str]]) -> str:
    counts: dict[str, int] = {}
    for _, reason in skipped:
        counts[reason] = counts.get(reason, 0) + 1
    return "; ".join(f"{count} {reason}" for reason, count in counts.items())
