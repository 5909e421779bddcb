"""What quantization does to samples: PSNR and SSIM, the latent, the samples themselves."""

# matplotlib types its keyword arguments as unknown.
# pyright: reportUnknownMemberType=false

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from fmq_theory.flow.cell import decode_images
from fmq_theory.flow.flow_report import FlowReport
from fmq_theory.flow.flow_rows import FlowRow, flow_rows
from fmq_theory.report.base.direct_labels import EndLabel, label_ends
from fmq_theory.report.base.interval_bars import interval_bars
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.report.base.style import PAGE_WIDTH, heading
from fmq_theory.shown import counted

__all__ = ["latent_figure", "samples_figure", "similarity_figure"]

_HEIGHT = 2.9
"""Of one row of panels, inches."""
_MOST_BITS = 5
_MOST_IMAGES = 6


def similarity_figure(report: FlowReport) -> Figure | None:
    """PSNR (and SSIM) over the bits of a code, and over the bits that are really spent."""
    rows = flow_rows(report)
    measures = [("psnr_db", "PSNR (dB)"), ("ssim", "SSIM")]
    known = [(key, words) for key, words in measures if any(_finite(getattr(row, key)) for row in rows)]
    if not known:
        return None
    figure = Figure(figsize=(PAGE_WIDTH, _HEIGHT * len(known) + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(known), 2, sharey="row", squeeze=False)
    for (key, words), (left, right) in zip(known, panels, strict=True):
        _over(left, rows, key, "bits")
        _over(right, rows, key, "effective_bits")
        left.set_ylabel(words)
        label_ends(right, _ends(rows, key, "effective_bits"), height=_HEIGHT - 0.6)
    for axes, words in zip(panels[-1], ("bits of a code", "effective bits (codebooks counted)"), strict=True):
        axes.set_xlabel(words)
    marks = _marks(report, rows, [key for key, _ in known])
    heading(figure, f"{report.compared}: {report.title}{marks}", size=11)
    return figure


def latent_figure(report: FlowReport) -> Figure | None:
    """The latent's variance relative to full precision: its spread over dimensions, and its mean."""
    rows = [row for row in flow_rows(report) if row.latent_std_ratio is not None]
    if not rows or report.full.latent is None:
        return None
    figure = Figure(figsize=(PAGE_WIDTH, _HEIGHT + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    titles = ("standard deviation over dimensions", "mean over dimensions")
    for axes, key, title in zip(
        (left, right), ("latent_std_ratio", "latent_mean_ratio"), titles, strict=True
    ):
        axes.axhspan(0.5, 2.0, color="0.93", linewidth=0, zorder=0)
        axes.axhline(1.0, color="0.3", linewidth=0.8)
        _over(axes, rows, key, "bits")
        axes.set_yscale("log", base=2)
        axes.yaxis.set_major_formatter(FuncFormatter(_plainly))
        values = [value for row in rows if (value := getattr(row, key)) and value > 0]
        values += [value for row in rows for value in row.by_batch.get(key, []) if value > 0]
        axes.set_ylim(min(0.4, 0.8 * min(values)), max(2.5, 1.25 * max(values)))
        axes.set_title(title, loc="left")
        axes.set_xlabel("bits of a code")
    left.set_ylabel("relative to full precision")
    left.text(
        0.98, 0.97, "grey: within a factor of two", transform=left.transAxes, fontsize=8, color="0.35",
        ha="right", va="top",
    )  # fmt: skip
    label_ends(right, _ends(rows, "latent_mean_ratio", "bits"), height=_HEIGHT - 0.7)
    heading(
        figure,
        f"Variance of the latent ({_latent_words(report, report.full.latent.dimensions)}): {report.title}"
        + _marks(report, rows, ["latent_std_ratio", "latent_mean_ratio"]),
        size=11,
    )
    return figure


def _latent_words(report: FlowReport, dimensions: int) -> str:
    if report.measure == "velocity":
        return f"{dimensions} principal components, t = 0, real data"
    return f"{dimensions} numbers, t nearest 1/2"


def samples_figure(report: FlowReport) -> Figure | None:
    """The same noise through every scheme (rows) at every bit-width (columns), full precision on top."""
    if not report.full.images or report.sample_shape[0] not in (1, 3):
        return None
    schemes = list(dict.fromkeys(cell.scheme for cell in report.cells))
    bits = _spread_of(sorted({cell.bits for cell in report.cells}))
    images = {(cell.scheme, cell.bits): cell.images for cell in report.cells if cell.images}
    rows = ["", *schemes]
    strip = _strip(report, report.full.images)
    width = PAGE_WIDTH / (len(bits) + 0.55)
    height = width * strip.shape[0] / strip.shape[1]
    figure = Figure(figsize=(PAGE_WIDTH, 0.75 + len(rows) * (height + 0.06)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(rows), len(bits), squeeze=False)
    for scheme, line in zip(rows, panels, strict=True):
        for b, axes in zip(bits, line, strict=True):
            text = report.full.images if not scheme else images.get((scheme, b))
            axes.set_axis_off()
            if text:
                axes.imshow(_strip(report, text), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        label = "full\nprecision" if not scheme else style_of(scheme).label.replace(" (", "\n(")
        line[0].text(
            -0.04, 0.5, label, transform=line[0].transAxes, ha="right", va="center", fontsize=8,
            color="black" if not scheme else style_of(scheme).colour,
        )  # fmt: skip
    for b, axes in zip(bits, panels[0], strict=True):
        axes.set_title(counted(b, "bit"), fontsize=9)
    heading(figure, f"Samples from the same noise: {report.title}", size=11)
    return figure


def _strip(report: FlowReport, text: str) -> NDArray[np.uint8]:
    """A few images side by side, a white line between them."""
    images = decode_images(text, report.sample_shape)[:_MOST_IMAGES]
    line = max(1, images.shape[-1] // 16)
    padded = np.pad(images, ((0, 0), (0, 0), (0, 0), (0, line)), constant_values=255)
    joined = np.concatenate(list(padded), axis=2)[:, :, :-line]
    return joined[0] if len(joined) == 1 else joined.transpose(1, 2, 0)


def _spread_of(bits: Sequence[int]) -> list[int]:
    """All bit-widths, or five of them: the lowest ones, where samples differ most, and the highest."""
    return [*bits[: _MOST_BITS - 1], *bits[_MOST_BITS - 1 :][-1:]]


def _over(axes: Axes, rows: Sequence[FlowRow], key: str, over: str) -> None:
    """A curve a scheme; bars are 95 % intervals over samples, or over seeds where there is no other.

    What has no interval has its draws of the noise, or its batches of real data, as points.
    """
    for scheme in dict.fromkeys(row.scheme for row in rows):
        seen = style_of(scheme)
        known = _known(rows, scheme, key)
        if not known:
            continue
        values = [float(getattr(row, key)) for row in known]
        places = [float(getattr(row, over)) for row in known]
        ends = [_printed(row, key) for row in known]
        axes.plot(places, values, marker=seen.marker, color=seen.colour, label=seen.label)
        for kind in {one[0] for one in ends} - {""}:
            lows, highs = zip(*(one[1:] if one[0] == kind else (None, None) for one in ends), strict=True)
            axes.errorbar(
                places, values, yerr=interval_bars(kind, values, lows, highs), fmt="none",
                ecolor=seen.colour, capsize=2, elinewidth=0.8,
            )  # fmt: skip
        if not any(one[0] for one in ends):
            each = [(x, value) for x, row in zip(places, known, strict=True) for value in _draws(row, key)]
            axes.plot(
                [x for x, _ in each], [value for _, value in each], linestyle="", marker="_", markersize=6.0,
                markeredgewidth=0.7, color=seen.colour,
            )  # fmt: skip
    if over == "bits":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return
    # A codebook of 256 levels for a channel of few weights costs more than the weights themselves.
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator([2, 3, 4, 6, 8, 12, 16, 24, 32, 48]))
    axes.xaxis.set_major_formatter(FuncFormatter(_plainly))


def _known(rows: Sequence[FlowRow], scheme: str, key: str) -> list[FlowRow]:
    return [row for row in rows if row.scheme == scheme and _finite(getattr(row, key))]


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _printed(row: FlowRow, key: str) -> tuple[str, float | None, float | None]:
    """The kind of the interval and its ends; "" for none."""
    intervals = row.intervals.get(key, {})
    for kind, over in (("mean", "samples"), ("seeds", "seeds")):
        if ends := intervals.get(over):
            return kind, *ends
    return "", None, None


def _marks(report: FlowReport, rows: Sequence[FlowRow], keys: Sequence[str]) -> str:
    """What stands beside the points of a curve; empty where nothing does."""
    if any(_printed(row, key)[0] for row in rows for key in keys):
        return ". Bars: 95 % of the mean"
    if any(_draws(row, key) for row in rows for key in keys):
        return f". Dashes: {'batches' if report.measure == 'velocity' else 'draws of the noise'} one by one"
    return ""


def _draws(row: FlowRow, key: str) -> list[float]:
    each = row.by_batch.get(key, [])
    return [value for value in each if math.isfinite(value)] if len(each) > 1 else []


def _ends(rows: Sequence[FlowRow], key: str, over: str) -> list[EndLabel]:
    found: list[EndLabel] = []
    for scheme in dict.fromkeys(row.scheme for row in rows):
        known = _known(rows, scheme, key)
        if known:
            last = known[-1]
            found.append(
                EndLabel(
                    style_of(scheme).label, getattr(last, over), getattr(last, key), style_of(scheme).colour
                )
            )
    return found


def _plainly(value: float, _place: float) -> str:
    return f"{value:g}"
