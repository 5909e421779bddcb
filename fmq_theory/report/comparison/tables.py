"""A comparison in a terminal: the verdict and the ratios, then every number."""

import math
from collections.abc import Callable, Sequence

from rich.text import Text

from fmq_theory.claims.comparison.crossover import crossover_in_words, crossover_mark
from fmq_theory.claims.comparison.rows import Comparison, Row
from fmq_theory.claims.comparison.verdict import place_in_band
from fmq_theory.report.base.reasons import by_reason
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.report.base.tables import Line, Section, Sheet, print_prose, print_sheet, terminal
from fmq_theory.shown import counted

__all__ = ["print_comparison"]

_ABSENT = "–"
_BELOW_LAW = "*"
_ABOVE_BOUND = "†"
_MARKS = {
    _BELOW_LAW: "own below law: the codebook was designed on these very weights, the law's was not. "
    "Nothing bounds own by law from below; on fresh weights the same codebook is worse.",
    _ABOVE_BOUND: "measured above law's bound: that bound is of the law's own codebook. This one was "
    "designed on n weights, and costs more on weights it has not seen (fresh) or in a rare sample (own).",
}


def print_comparison(comparison: Comparison, *, quiet: bool = False) -> None:
    """Prints on standard output: verdict, ratios, then the rows by scheme, the layers and the notes.

    Args:
        comparison: what was found.
        quiet: without rows, layers and the notes on them.
    """
    console = terminal()
    print_prose(console, f"Mean squared error: {comparison.subject}")
    print_prose(console, comparison.verdict, head="Verdict.")
    console.print()
    print_sheet(console, _ratios(comparison))
    if not quiet:
        console.print()
        sheet, marks = _rows(comparison)
        print_sheet(console, sheet)
        for mark in marks:
            print_prose(console, f"{mark} {_MARKS[mark]}", style="dim")
        if comparison.tensors:
            print_sheet(console, _tensors(comparison))
    if comparison.skipped:
        reasons = _reasons(comparison.skipped)
        print_prose(console, f"Left out: {counted(len(comparison.skipped), 'tensor')} ({reasons}).")
    for note in (*comparison.notes, *(() if quiet else comparison.table_notes)):
        print_prose(console, f"· {note}", style="dim")


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
    return _ABSENT if low is None or high is None else f"[{low:.3g}, {high:.3g}]"


def _in_band(value: float | None, low: float | None, high: float | None) -> str | Text:
    """As the verdict has it: by the whole interval."""
    if value is None:
        return _ABSENT
    place = place_in_band(low, high)
    return (
        Text("yes", style="green") if place == "inside" else place if place == "undecided" else f"no, {place}"
    )


def _mark(row: Row, value: float | None) -> str:
    """Why a measured value is on the side of law's where one would not look for it; empty where it is not.

    Numbers are compared as they are shown: a difference that nobody sees needs no word.
    """
    if value is None or row.law_exact is None:
        return ""
    if row.law_upper is not None and float(_number(value)) > float(_number(row.law_upper)):
        return _ABOVE_BOUND
    own_below = value == row.own_hat and float(_number(value)) < float(_number(row.law_exact))
    return _BELOW_LAW if own_below else ""


def _measured(row: Row, value: float | None) -> str:
    return f"{_number(value)}{_mark(row, value) or ' '}"


_Column = tuple[str, Callable[[Row], str]]


def _law_columns(repeats: int) -> tuple[_Column, ...]:
    mean = f"mean of {repeats}" if repeats > 1 else "1 sample"
    return (
        (f"own\n{mean}", lambda row: _measured(row, row.own_hat)),
        ("own: median's\n95 % interval", lambda row: _interval(row.own_lo, row.own_hi)),
        ("own\ntheory", lambda row: _theory(row.own_exact, row.own_upper, "≤")),
        ("POT W2²\nsample 1", lambda row: _number(row.w2_squared_pot)),
        (f"fresh\n{mean}", lambda row: _measured(row, row.fresh_hat)),
        ("fresh\ntheory", lambda row: _theory(row.fresh_exact, row.fresh_lower, "≥")),
        ("law\nexact", lambda row: _number(row.law_exact)),
        ("law\nat most", lambda row: _number(row.law_upper)),
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


def _rows(comparison: Comparison) -> tuple[Sheet, list[str]]:
    """The table, and the marks that stand in it."""
    rows = comparison.rows
    of_data = bool(rows) and all(row.law_exact is None for row in rows)
    columns = _DATA_COLUMNS if of_data else _law_columns(int(comparison.config.get("repeats", 1)))
    sections = [
        Section(label, [_line(row, columns) for row in group]) for label, group in _by_scheme(rows).items()
    ]
    used = {_mark(row, value) for row in rows for value in (row.own_hat, row.fresh_hat)}
    sheet = Sheet(sections, [heading for heading, _ in columns], label="scheme", key="bits")
    return sheet, [mark for mark in _MARKS if mark in used]


def _by_scheme(rows: Sequence[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(style_of(row.scheme).label, []).append(row)
    return groups


def _line(row: Row, columns: Sequence[_Column]) -> Line:
    if row.own_hat is None:
        return Line((), str(row.bits), row.note)
    return Line([cell(row) for _, cell in columns], str(row.bits))


def _ratios(comparison: Comparison) -> Sheet:
    rows = comparison.ratios
    ends = [end for row in rows for end in ((row.rho_w2_lo, row.rho_w2_hi), (row.rho_em_lo, row.rho_em_hi))]
    of_samples = any(low != high or low is None for low, high in ends)
    columns: list[str] = []
    cells: list[list[str | Text]] = [[] for _ in rows]
    for name, heading in (("rho_w2", "ρ_W2\nLloyd–Max"), ("rho_em", "ρ_EM\nequal mass")):
        # Data are the whole population: an interval of no width says nothing.
        columns += [heading, "median's\n95 %", "in band"] if of_samples else [heading, "in band"]
        for row, line in zip(rows, cells, strict=True):
            value: float | None = getattr(row, name)
            low, high = getattr(row, f"{name}_lo"), getattr(row, f"{name}_hi")
            interval = [_interval(low, high)] if of_samples else []
            line += [_ratio(value), *interval, _in_band(value, low, high)]
    bits, em = [row.bits for row in rows], [row.rho_em for row in rows]
    caption = crossover_in_words(bits, em, comparison.crossover_bits, _ends(comparison))
    return Sheet(
        [Section("", [Line(line, str(row.bits)) for row, line in zip(rows, cells, strict=True)])],
        columns,
        key="bits",
        title="Ratio to min–max uniform (the paper's band is 0.25–0.40)",
        caption=f"in the median sample: {caption}" if of_samples else caption,
        left=frozenset({"in band"}),
    )


def _ends(comparison: Comparison) -> str:
    """Between which b* the drawn layers are; empty where there is one layer, or none."""
    found = comparison.crossover
    if found is None or found.count < 2:
        return ""
    bits = comparison.config["bits"]
    low, high = found.ordered[0], found.ordered[-1]
    least = f"{low:.2f}" if math.isfinite(low) else f"below {min(bits)}"
    most = f"{high:.2f}" if math.isfinite(high) else f"beyond {max(bits)}"
    return f" (smallest to largest of {found.count} samples: {least} to {most})"


def _tensors(comparison: Comparison) -> Sheet:
    bits: Sequence[int] = comparison.config["bits"]
    shown = sorted({bits[0], bits[len(bits) // 2], bits[-1]})
    places = [bits.index(b) for b in shown]
    ratios = [f"{ratio} {b} b" for ratio in ("ρ_W2", "ρ_EM") for b in shown]
    sections = [
        Section(
            row.name,
            [
                Line(
                    (
                        "×".join(map(str, row.shape)),
                        f"{row.weights:,}",
                        crossover_mark(bits, row.rho_em, row.crossover_bits),
                        *(_ratio(row.rho_w2[place]) for place in places),
                        *(_ratio(row.rho_em[place]) for place in places),
                    )
                )
            ],
        )
        for row in comparison.tensors
    ]
    return Sheet(sections, ["shape", "weights", "b*", *ratios], label="tensor", title="Layer by layer")


def _reasons(skipped: Sequence[tuple[str, str]]) -> str:
    return "; ".join(f"{len(alike)} {reason}" for reason, alike in by_reason(skipped).items())
