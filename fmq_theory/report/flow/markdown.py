"""A flow experiment as a page: the command, the verdict, the tables, the figures."""

from collections.abc import Sequence

from fmq_theory.claims.comparison.flow_verdict import flow_verdict
from fmq_theory.flow.flow_report import FlowReport
from fmq_theory.flow.flow_rows import FlowRow, flow_rows
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.report.flow.columns import LADDER_COLUMNS, Column, fidelity_columns, in_digits
from fmq_theory.report.flow.tables import flow_notes
from fmq_theory.shown import counted, one_line, shown

__all__ = ["flow_markdown"]

_LAYERS = 8


def flow_markdown(report: FlowReport, command: str, figures: Sequence[str] = ()) -> str:
    """The page.

    Args:
        report: what was measured.
        command: that makes it.
        figures: files beside the page.
    """
    rows = flow_rows(report)
    compared = "one output" if report.measure == "velocity" else "samples"
    title = one_line(f"{report.title}, {compared}")
    lines = [f"# {title}", "", f"Written by `{one_line(command)}`.", "", "## Verdict", ""]
    lines += [f"- {one_line(sentence)}" for sentence in flow_verdict(report)]
    lines += ["", f"## {report.compared}", ""]
    lines += _table(rows, fidelity_columns(report, rows, page=True))
    if any(row.ladder for row in rows):
        lines += ["", "## The ladder: bound / error at t = 1, median over samples", ""]
        lines += _table(rows, LADDER_COLUMNS)
    if report.layers:
        lines += ["", *_layers(report)]
    lines += ["", "## Notes", "", *(f"- {one_line(note)}" for note in flow_notes(report))]
    for name in figures:
        title = name.rpartition(".")[0]
        lines += ["", f"![{title}]({name})"]
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[FlowRow], columns: Sequence[Column]) -> list[str]:
    headings = ["scheme", "bits", *(heading for heading, _ in columns)]
    lines = [_line(headings), _line(["---", *["---:"] * (len(headings) - 1)])]
    return lines + [
        _line([style_of(row.scheme).label, str(row.bits), *(cell(row) for _, cell in columns)])
        for row in rows
    ]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _layers(report: FlowReport) -> list[str]:
    scheme, bits = report.layers_of or ("", 0)
    lines = [
        f"## One tensor alone quantized: {style_of(scheme).label}, {counted(bits, 'bit')}",
        "",
        _line(["tensor", "‖Δθ‖", "rms ‖e‖", "first order"]),
        _line(["---", "---:", "---:", "---:"]),
    ]
    for layer in report.layers[:_LAYERS]:
        numbers = (layer.weight_change, layer.measured, layer.predicted)
        lines.append(_line([f"`{shown(layer.name)}`", *map(in_digits, numbers)]))
    return lines
