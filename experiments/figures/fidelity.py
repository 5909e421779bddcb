"""How near the samples of a quantized model stay to those of the full-precision model from the same noise.

PSNR, SSIM and the Fréchet distance over the bits of a code and over the bits that are really spent, with the
codebooks counted; and the samples themselves.
"""

# matplotlib types its keyword arguments as unknown.
# pyright: reportUnknownMemberType=false

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from experiments.framework.experiment import Cell, Experiment
from experiments.framework.flow_runs import flow_cells, flow_images, flow_report, flow_run, skipped_runs
from experiments.framework.panels import leave_out, name_columns
from experiments.framework.table import Row, Table
from fmq_theory.flow.cell import decode_images
from fmq_theory.report.base.direct_labels import EndLabel, label_ends
from fmq_theory.report.base.interval_bars import interval_bars
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.report.base.style import PAGE_WIDTH, heading

__all__ = ["EXPERIMENT"]

_MEASURES = {"psnr_db": "PSNR (dB)", "ssim": "SSIM", "frechet": "Fréchet distance"}
_FULL = "full precision"
_SHOWN_BITS = (2, 3, 4)
_SHOWN_IMAGES = 6


@dataclass(frozen=True, slots=True)
class Config:
    """Settings; those of the flows are the words of ``fmq flow`` in ``framework/flow_runs.py``."""

    is_quick: bool = False
    seed: int = 0

    @classmethod
    def quick(cls) -> "Config":
        """The bundled model, few samples."""
        return cls(is_quick=True)


def cells(config: Config) -> Sequence[Cell]:
    """One a model."""
    return flow_cells(only_bundled=config.is_quick)


def rows(config: Config, cell: Cell) -> Sequence[Row]:
    """One a scheme and bit-width, after one of the model as it is."""
    run = flow_run(cell)
    report = flow_report(run, quick=config.is_quick)
    images = flow_images(run, quick=config.is_quick)
    about = {
        "model": run.name,
        "features": report["features"],
        "samples": report["config"]["samples"] * report["config"]["seeds"],
        "shape": "x".join(map(str, report["sample_shape"])),
    }
    full = {
        **about,
        "scheme": _FULL,
        "frechet_to_data": report["full_precision"]["frechet_to_data"],
        "images": report["full_precision"]["images"],
    }
    return [
        full,
        *(_row(about, row, images) for row in report["rows"]),
    ]


def _row(about: Row, row: Row, images: Mapping[tuple[str, int], str]) -> Row:
    return {
        **about,
        "scheme": row["scheme"],
        "bits": row["bits"],
        "effective_bits": row["effective_bits"],
        "mse": row["mse"],
        "sample_error_rms": row["sample_error_rms"],
        **{key: row[key] for key in _MEASURES},
        **{
            f"{key}_{end}": _interval(row, key)[place]
            for key in ("psnr_db", "ssim")
            for place, end in enumerate(("lo", "hi"))
        },
        "frechet_to_data": row["frechet_to_data"],
        "lossless_share": row["lossless_share"],
        "images": images.get((row["scheme"], row["bits"]), "") if row["bits"] in _SHOWN_BITS else None,
    }


def _interval(row: Row, key: str) -> tuple[float | None, float | None]:
    """The 95 % interval over samples."""
    found = (row["intervals"].get(key) or {}).get("samples")
    return (None, None) if found is None else (found[0], found[1])


def skipped(config: Config) -> Sequence[str]:
    """What this machine does not have."""
    return [] if config.is_quick else skipped_runs()


def plot(table: Table) -> Mapping[str, Figure]:
    """The measures of every model over both kinds of bits; and the samples of each model of images."""
    measured = table.that(lambda row: row["scheme"] != _FULL)
    figures = {"": _measures(measured, "bits"), "effective": _measures(measured, "effective_bits")}
    for model in table.values("model"):
        part = table.that(lambda row, model=model: row["model"] == model and bool(row["images"]))
        if len(part):
            figures[f"samples-{model}"] = _samples(part, model)
    return figures


def _measures(table: Table, over: str) -> Figure:
    models = table.values("model")
    figure = Figure(figsize=(PAGE_WIDTH, 1.9 * len(models) + 0.4), layout="constrained")
    panels = figure.subplots(len(models), len(_MEASURES), squeeze=False, sharex=True)
    ends: dict[str, list[EndLabel]] = {}
    for line, model in zip(panels, models, strict=True):
        part = table.where(model=model)
        for axes, key in zip(line, _MEASURES, strict=True):
            if not any(math.isfinite(value) for value in part.numbers(key)):
                leave_out(axes, "no images")
                continue
            ends[model] = _curves(axes, part, key, over)
            axes.set_ylabel(_MEASURES[key])
        line[0].set_title(model, loc="left")
    for axes, model in zip(panels[:, -1], models, strict=True):  # now that the limits are known
        label_ends(axes, ends.get(model, []), height=1.5, size=7.0)
    name_columns(panels, "bits of a code" if over == "bits" else "effective bits")
    heading(
        figure,
        "Samples of the quantized model against full precision, from the same noise; bars: 95 % of the mean. "
        "A curve ends at 8 bits of a code, or where beyond it nothing is lost: no channel has more weights "
        "than levels",
    )
    return figure


def _curves(axes: Axes, table: Table, key: str, over: str) -> list[EndLabel]:
    ends: list[EndLabel] = []
    for scheme in table.values("scheme"):
        part, seen = table.where(scheme=scheme), style_of(scheme)
        places, values = part.numbers(over), part.numbers(key)
        lows, highs = part.numbers(f"{key}_lo"), part.numbers(f"{key}_hi")
        known = [
            point
            for point in zip(places, values, lows, highs, strict=True)
            if math.isfinite(point[1]) and (key != "frechet" or point[1] > 0.0)
        ]
        if not known:
            continue
        x, y, low, high = (list(column) for column in zip(*known, strict=True))
        axes.errorbar(
            x, y, yerr=interval_bars("mean", y, low, high), marker=seen.marker, markersize=3.2, linewidth=1.0,
            color=seen.colour, capsize=1.5, elinewidth=0.7,
        )  # fmt: skip
        ends.append(EndLabel(seen.label, x[-1], y[-1], seen.colour))
    if key == "frechet":
        axes.set_yscale("log")
    if over == "bits":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    else:  # a codebook of 256 levels for a channel of few weights costs more than the weights themselves
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_locator(FixedLocator([2, 3, 4, 6, 8, 16, 32, 64]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    return ends


def _samples(table: Table, model: str) -> Figure:
    """Columns: bits; the first row the model's own samples, below them the schemes, from the same noise."""
    whole, quantized = table.where(scheme=_FULL), table.that(lambda row: row["scheme"] != _FULL)
    names, bits = [_FULL, *quantized.values("scheme")], sorted(quantized.values("bits"))
    shape = tuple(int(length) for length in str(table.rows[0]["shape"]).split("x"))
    figure = Figure(figsize=(PAGE_WIDTH, 0.48 * len(names) + 0.5), layout="constrained")
    panels = figure.subplots(len(names), len(bits), squeeze=False)
    for line, name in zip(panels, names, strict=True):
        for axes, b in zip(line, bits, strict=True):
            axes.set_axis_off()
            for row in whole if name == _FULL else quantized.where(scheme=name, bits=b):
                images = decode_images(row["images"], shape)[:_SHOWN_IMAGES]
                strip = np.concatenate([np.pad(image[0], 1, constant_values=255) for image in images], axis=1)
                axes.imshow(strip, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        text, colour = (
            ("full precision", "black") if name == _FULL else (style_of(name).label, style_of(name).colour)
        )
        line[0].text(
            -0.03, 0.5, text, transform=line[0].transAxes, ha="right", va="center", fontsize=8, color=colour
        )
    for axes, b in zip(panels[0], bits, strict=True):
        axes.set_title(f"{b} bits", fontsize=9)
    heading(figure, f"{model}: samples from the same noise")
    return figure


EXPERIMENT = Experiment(
    "fidelity",
    "PSNR, SSIM and Fréchet distance over bits and effective bits, with the samples.",
    Config,
    cells,
    rows,
    plot,
    skipped,
)
