"""The main figure: bound against measurement over bits, and both ratios against the paper's band."""

# matplotlib types its keyword arguments as unknown.
# pyright: reportUnknownMemberType=false

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from fmq_theory.bounds import BAND
from fmq_theory.claims.comparison.rows import Comparison, RatioRow, Row
from fmq_theory.report.base.interval_bars import interval_bars
from fmq_theory.report.base.names import in_figure
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.report.base.style import PAGE_WIDTH, figure_style, heading, save_figure

__all__ = ["as_fraction", "comparison_figure", "write_comparison_figure"]


_DASHES = (0, (4, 2))


def comparison_figure(comparison: Comparison) -> Figure:
    """Two panels over bits.

    Left, log2 axis: mean squared error of the median layer, codebook and error of the same n weights (points
    with 95 % intervals); theory's mean of it, or a proven upper bound of that mean (line); the law's own
    codebook on the law (dashes); Shannon bound (grey). For given weights: the error, its proven upper bound
    and its high-rate estimate. Right, log2 axis: both ratios to
    min-max uniform with the band 0.25-0.40 and the crossover b*.
    """
    with figure_style():
        figure = Figure(figsize=(PAGE_WIDTH, 4.6), layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2, width_ratios=(1.3, 1))
        _distortion_panel(left, comparison)
        _ratio_panel(right, comparison)
        heading(figure, in_figure(comparison.subject, 160), size=11)
        return figure


def write_comparison_figure(comparison: Comparison, path: Path) -> None:
    """Draws the figure into ``path``; the suffix names the format (svg, pdf, png)."""
    with figure_style():
        save_figure(comparison_figure(comparison), path)


def _distortion_panel(axes: Axes, comparison: Comparison) -> None:
    schemes = list(dict.fromkeys(row.scheme for row in comparison.rows))
    for scheme in schemes:
        rows = [row for row in comparison.rows if row.scheme == scheme and row.own_hat]
        if rows:
            _draw_scheme(axes, scheme, rows)
    if comparison.shannon:
        axes.plot(
            *zip(*comparison.shannon, strict=True),
            color="0.35",
            linewidth=2.2,
            alpha=0.55,
            label="Shannon bound",
        )
    words = (
        ("line: proven upper bound", "dashes: high-rate prediction")
        if _of_data(comparison.rows)
        else ("line: theory's mean for n\nweights, or its upper bound", "dashes: the law's own codebook")
    )
    axes.plot([], [], color="0.2", linewidth=1.0, label=words[0])
    axes.plot([], [], color="0.2", linewidth=1.0, linestyle=_DASHES, label=words[1])
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_locator(LogLocator(base=2, numticks=12))
    axes.set_xlabel("bits per weight b")
    axes.set_ylabel("mean squared error (squared weight units)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title("Bound against measurement", loc="left")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02), handlelength=2.2)


def _draw_scheme(axes: Axes, scheme: str, rows: Sequence[Row]) -> None:
    seen = style_of(scheme)
    bits = [row.bits for row in rows]
    # The interval is of the median layer, so the point is too; data are one layer, known exactly.
    values = [row.own_median or row.own_hat or math.nan for row in rows]
    ends = [row.own_lo for row in rows], [row.own_hi for row in rows]
    spread = interval_bars("median", values, *ends, log=True)
    axes.errorbar(
        bits, values, yerr=spread, fmt=seen.marker, color=seen.colour, capsize=2, elinewidth=1,
        label=seen.label, zorder=3,
    )  # fmt: skip
    for line, dashes in zip(_theory(rows), ("-", _DASHES), strict=True):
        axes.plot(bits, line, color=seen.colour, linewidth=0.9, alpha=0.8, linestyle=dashes)


def _of_data(rows: Sequence[Row]) -> bool:
    """Whether the rows are of given weights: then there is no law, and so no codebook designed on it."""
    return all(row.law_exact is None for row in rows)


def _theory(rows: Sequence[Row]) -> tuple[list[float], list[float]]:
    """What is drawn as a line and as dashes; nan where there is nothing."""
    if _of_data(rows):
        pairs = [(row.own_upper, row.own_high_rate) for row in rows]
    else:
        pairs = [(row.own_upper if row.own_exact is None else row.own_exact, row.law_exact) for row in rows]
    return [_finite(one) for one, _ in pairs], [_finite(other) for _, other in pairs]


def _ratio_panel(axes: Axes, comparison: Comparison) -> None:
    axes.axhspan(*BAND, color="#F0E442", alpha=0.35, linewidth=0, label="paper: 0.25–0.40")
    axes.axhline(1.0, color="0.3", linewidth=0.8)
    ratios = comparison.ratios
    _draw_ratio(axes, ratios, "rho_em", "equal_mass", "ρ_EM  equal mass / uniform")
    _draw_ratio(axes, ratios, "rho_w2", "lloyd_max", "ρ_W2  Lloyd–Max / uniform")
    if comparison.crossover_bits is not None:
        axes.axvline(
            comparison.crossover_bits, color=style_of("equal_mass").colour, linewidth=0.8, linestyle=":"
        )
        # At the foot of its line, away from points and their bars.
        axes.annotate(
            f"b* = {comparison.crossover_bits:.2f}", (comparison.crossover_bits, 0.0), xytext=(4, 4),
            xycoords=("data", "axes fraction"), textcoords="offset points", fontsize=8,
        )  # fmt: skip
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_formatter(FuncFormatter(as_fraction))
    axes.set_xlabel("bits per weight b")
    axes.set_ylabel("error relative to min–max uniform")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title("Ratios", loc="left")
    # The points set the scale, not their intervals, which may reach zero; the legend needs room above.
    drawn = [value for row in ratios for value in (row.rho_em, row.rho_w2) if value]
    axes.set_ylim(min([BAND[0], *drawn]) / 4, max([1.0, *drawn]) * 24)
    axes.legend(loc="upper left", frameon=True, framealpha=0.9, edgecolor="none")


def _draw_ratio(axes: Axes, ratios: Sequence[RatioRow], key: str, scheme: str, label: str) -> None:
    known = [row for row in ratios if getattr(row, key)]
    seen = style_of(scheme)
    values, lows, highs = ([getattr(row, key + end) for row in known] for end in ("", "_lo", "_hi"))
    axes.errorbar(
        [row.bits for row in known], values, yerr=interval_bars("median", values, lows, highs, log=True),
        marker=seen.marker, color=seen.colour, capsize=2, elinewidth=1, label=label,
    )  # fmt: skip


def as_fraction(value: float, _place: float) -> str:
    """``1/8``, ``4``: powers of two as one reads them."""
    return f"{value:g}" if value >= 1 else f"1/{1 / value:g}"


def _finite(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) else math.nan
