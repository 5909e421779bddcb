"""The ladder of bounds: over t, and over bits."""

# matplotlib types its keyword arguments as unknown.
# pyright: reportUnknownMemberType=false

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from fmq_theory.flow.flow_report import FlowReport
from fmq_theory.flow.flow_rows import FlowRow, flow_rows
from fmq_theory.report.base.direct_labels import EndLabel, label_ends
from fmq_theory.report.base.scheme_styles import RUNG_STYLES, style_of
from fmq_theory.report.base.style import PAGE_WIDTH, heading
from fmq_theory.shown import counted

__all__ = ["error_figure", "ladder_figure"]

_COLUMNS = 3
_LABELS = 1.2  # inches for the names beside the last column
_HEIGHT = 2.6
_ROOM = 20.0
"""g0 is cut off above this multiple of everything else, and its end is written instead."""

Curves = Mapping[str, Sequence[float | None]]


def ladder_figure(report: FlowReport) -> Figure | None:
    """Bounds and the measured error over t, one panel a scheme, at one bit-width."""
    rows = [row for row in flow_rows(report) if row.ladder]
    if not rows:
        return None
    bits = _one_of(report, sorted({row.bits for row in rows}))
    panels = {row.scheme: _over_time(row) for row in rows if row.bits == bits}
    return _panels(
        panels,
        f"Error of the samples over t, {counted(bits, 'bit')}: {report.title}",
        "t (0: noise, 1: data)",
        _samples_in_words(rows[0]),
    )


def error_figure(report: FlowReport) -> Figure | None:
    """Bounds and the measured error at t = 1 over bits, one panel a scheme."""
    rows = [row for row in flow_rows(report) if row.ladder]
    schemes = list(dict.fromkeys(row.scheme for row in rows))
    if not rows or len({row.bits for row in rows}) < 2:
        return None
    panels = {scheme: _over_bits([row for row in rows if row.scheme == scheme]) for scheme in schemes}
    return _panels(
        panels,
        f"Error of the samples over bits: {report.title}",
        "bits of a code",
        _samples_in_words(rows[0]),
    )


def _one_of(report: FlowReport, bits: Sequence[int]) -> int:
    wanted = report.layers_of[1] if report.layers_of else bits[len(bits) // 2]
    return wanted if wanted in bits else bits[len(bits) // 2]


def _over_time(row: FlowRow) -> tuple[list[float], Curves]:
    curves = cast("dict[str, Any]", (row.ladder or {})["curves"])
    # All is 0 at t = 0, which a logarithm cannot show.
    return curves["times"][1:], {key: curves[key][1:] for key in ("error", *RUNG_STYLES)}


def _over_bits(rows: Sequence[FlowRow]) -> tuple[list[float], Curves]:
    curves: dict[str, list[float | None]] = {
        rung: [cast("dict[str, Any]", (row.ladder or {})["bounds"])[rung] for row in rows]
        for rung in RUNG_STYLES
    }
    curves["error"] = [(row.ladder or {})["error_rms"] for row in rows]
    return [float(row.bits) for row in rows], curves


def _samples_in_words(row: FlowRow) -> str:
    ladder = row.ladder or {}
    constants = "certified" if ladder["certified"] else "estimated, not certified"
    count = ladder["batch"]
    return (
        f"rms over {count} sample{'s' if count != 1 else ''}; constants {constants}; g3 predicts, g0–g4 bound"
    )


def _panels(panels: Mapping[str, tuple[list[float], Curves]], title: str, below: str, note: str) -> Figure:
    columns = min(_COLUMNS, len(panels))
    lines = math.ceil(len(panels) / columns)
    width = (PAGE_WIDTH - _LABELS) / _COLUMNS * columns + _LABELS
    figure = Figure(figsize=(width, _HEIGHT * lines + 0.7), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    low, high = _limits([curves for _, curves in panels.values()])
    for place, (scheme, (xs, curves)) in enumerate(panels.items()):
        axes = grid[place // columns, place % columns]
        _draw(axes, xs, curves)
        axes.set_title(style_of(scheme).label, loc="left", color=style_of(scheme).colour)
        axes.set_yscale("log")
        axes.set_ylim(low, high)
        axes.yaxis.set_major_locator(LogLocator(numticks=8))
        if max(xs) > 1.0:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if place // columns == lines - 1 or place + columns >= len(panels):
            axes.set_xlabel(below)
            axes.tick_params(labelbottom=True)
        _mark_cut(axes, curves, high)
        if place % columns == columns - 1 or place == len(panels) - 1:
            label_ends(axes, _names(xs, curves), height=_HEIGHT - 0.75, size=7.5)
    for place in range(len(panels), lines * columns):
        grid[place // columns, place % columns].set_visible(False)
    for line in grid:
        line[0].set_ylabel("‖e‖")
    heading(figure, f"{title}\n", size=11)
    figure.text(
        0.01, 0.995 - 0.27 / figure.get_figheight(), note, ha="left", va="top", fontsize=8, color="0.3"
    )
    return figure


def _draw(axes: Axes, xs: Sequence[float], curves: Curves) -> None:
    for rung, seen in RUNG_STYLES.items():
        dashes = (0, seen.dashes) if seen.dashes else "-"
        axes.plot(xs, _gaps(curves[rung]), color=seen.colour, linestyle=dashes, linewidth=1.4)
    axes.plot(xs, _gaps(curves["error"]), color="black", linewidth=2.4, marker="o", markersize=3, zorder=5)


def _names(xs: Sequence[float], curves: Curves) -> list[EndLabel]:
    ends = [EndLabel("measured", xs[-1], _last(curves["error"]), "black")]
    return ends + [
        EndLabel(seen.label, xs[-1], _last(curves[rung]), seen.colour)
        for rung, seen in RUNG_STYLES.items()
        if rung != "g0"
    ]


def _mark_cut(axes: Axes, curves: Curves, high: float) -> None:
    """Says where g0 goes when it leaves the panel."""
    values = [value for value in curves["g0"] if value is not None and value > 0.0]
    if not values or max(values) <= high:
        return
    largest = f"$10^{{{math.log10(max(values)):.0f}}}$"
    endless = any(value is None for value in curves["g0"])
    axes.text(
        0.98, 0.97, f"g0 up to {'infinity' if endless else largest}", transform=axes.transAxes, ha="right",
        va="top", fontsize=7.5, color="0.35", zorder=6,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
    )  # fmt: skip


def _limits(panels: Sequence[Curves]) -> tuple[float, float]:
    drawn = [
        value
        for curves in panels
        for key, curve in curves.items()
        if key != "g0"
        for value in curve
        if value is not None and value > 0.0
    ]
    g0 = [value for curves in panels for value in curves["g0"] if value is not None and value > 0.0]
    top = max(drawn)
    return min(drawn) / 2.0, min(max([top, *g0]), _ROOM * top)


def _gaps(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None or value <= 0.0 else value for value in values]


def _last(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None and value > 0.0]
    return known[-1] if known and values[-1] is not None else math.nan
