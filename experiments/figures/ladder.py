"""The ladder of bounds against the error that is measured: closed forms and trained networks.

Closed forms (a Gaussian and a mixture of Gaussians as data) have proven constants; those of networks are
estimated. A rung that falls below the error by more than rounding is counted as broken.
"""

# matplotlib types its keyword arguments as unknown.
# pyright: reportUnknownMemberType=false

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from experiments.framework.experiment import Cell, Experiment, rng_of
from experiments.framework.flow_runs import flow_cells, flow_report, flow_run, skipped_runs
from experiments.framework.table import Row, Table
from fmq_theory.flow import quantize_field
from fmq_theory.flow.closed_forms import GaussianField, MixtureField
from fmq_theory.flow.ladder import Effort, ladder
from fmq_theory.report.base.direct_labels import EndLabel, label_ends
from fmq_theory.report.base.scheme_styles import RUNG_STYLES
from fmq_theory.report.base.style import PAGE_WIDTH, heading

__all__ = ["EXPERIMENT"]

_RUNGS = tuple(RUNG_STYLES)
_CLOSED_FORMS = ("Gaussian", "mixture")
_COMPONENTS, _FLOOR = 3, 0.05
_HEIGHT = 1.75
"""Of a row of panels, inches."""


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of the closed forms; those of the networks are the words of ``fmq flow``."""

    schemes: tuple[str, ...] = ("uniform", "equal_mass", "lloyd_max")
    bits: tuple[int, ...] = (2, 4, 6)
    dimension: int = 8
    samples: int = 16
    steps: int = 20
    fields: int = 20
    shown: tuple[str, int] = ("equal_mass", 4)
    is_quick: bool = False
    seed: int = 0

    @classmethod
    def quick(cls) -> "Config":
        """Few drawn fields, and the bundled model."""
        return cls(samples=4, steps=8, fields=3, is_quick=True)


def cells(config: Config) -> Sequence[Cell]:
    """One a closed form, scheme and bit-width; one a network."""
    closed = [
        {"model": name, "scheme": scheme, "bits": b}
        for name in _CLOSED_FORMS
        for scheme in config.schemes
        for b in config.bits
    ]
    return [*closed, *flow_cells(only_bundled=config.is_quick)]


def rows(config: Config, cell: Cell) -> Sequence[Row]:
    """Kind "end": bounds over error at t = 1. Kind "curve": root mean squares at each t, if shown."""
    if cell["model"] not in _CLOSED_FORMS:
        run = flow_run(cell)
        report = flow_report(run, quick=config.is_quick)
        return [
            made
            for row in report["rows"]
            if row["ladder"]
            for made in _rows_of(config, run.name, row["scheme"], row["bits"], row["ladder"], row["psnr_db"])
        ]
    seed = int(rng_of(config, cell).integers(2**31))
    found = [_closed_form(config, cell, seed + index) for index in range(config.fields)]
    middle = sorted(found, key=lambda one: one["tightness"]["g4"] or math.inf)[len(found) // 2]
    merged = {
        **middle,
        "tightness": {
            rung: statistics.median([one["tightness"][rung] or math.nan for one in found]) for rung in _RUNGS
        },
        "broken_count": {
            rung: sum(one["broken_count"].get(rung, 0) for one in found) for rung in middle["broken_count"]
        },
    }
    return _rows_of(config, cell["model"], cell["scheme"], cell["bits"], merged, None)


def _closed_form(config: Config, cell: Cell, seed: int) -> dict[str, Any]:
    """The ladder of one drawn field whose parameters are all quantized."""
    generator = torch.Generator().manual_seed(seed)
    d = config.dimension

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    if cell["model"] == "Gaussian":
        field: Any = GaussianField(normal(d), normal(d, d) / math.sqrt(d), _FLOOR)
    else:
        factors = normal(_COMPONENTS, d, d) / math.sqrt(d)
        field = MixtureField(normal(_COMPONENTS), normal(_COMPONENTS, d), factors, _FLOOR)
    noise = normal(config.samples, d)
    quantized = quantize_field(
        field, cell["scheme"], cell["bits"], "tensor", include=lambda _name, _weights: True
    )
    found = ladder(field, quantized.field, noise, config.steps, "midpoint", Effort(pieces=8))

    def rms(values: torch.Tensor) -> list[float]:
        return [float(value) for value in values.square().mean(dim=1).sqrt()]

    curves = {rung: rms(bound) for rung, bound in found.bounds.items()}
    curves |= {"g3": rms(found.response), "error": rms(found.error), "times": found.times.tolist()}
    return {**found.summary(), "curves": curves}


def _rows_of(
    config: Config, model: str, scheme: str, bits: int, found: Mapping[str, Any], psnr: float | None
) -> list[Row]:
    about = {"model": model, "scheme": scheme, "bits": bits}
    end: Row = {
        **about,
        "kind": "end",
        "certified": found["certified"],
        "error_rms": found["error_rms"],
        **{rung: found["tightness"][rung] for rung in _RUNGS},
        "broken": sum(found["broken_count"].values()),
        "g3_off_by": found["response_error"],
        "psnr_db": psnr,
        "samples": found["batch"],
    }
    if (scheme, bits) != tuple(config.shown):
        return [end]
    curves = found["curves"]
    return [
        end,
        *(
            {
                **about,
                "kind": "curve",
                "t": t,
                "error_rms": curves["error"][n],
                **{rung: curves[rung][n] for rung in _RUNGS},
            }
            for n, t in enumerate(curves["times"])
            if n
        ),
    ]


def skipped(config: Config) -> Sequence[str]:
    """What this machine does not have."""
    return [] if config.is_quick else skipped_runs()


def plot(table: Table) -> Mapping[str, Figure]:
    """A row a model. Left: error and bounds over t. Right: bound over error at t = 1."""
    models = table.values("model")
    curve = table.where(kind="curve").rows[0]
    figure = Figure(figsize=(PAGE_WIDTH, _HEIGHT * len(models) + 0.6), layout="constrained")
    panels = figure.subplots(len(models), 2, squeeze=False, width_ratios=(1.0, 0.85))
    for model, (left, right) in zip(models, panels, strict=True):
        ends = _over_t(left, table.where(model=model, kind="curve"))
        part = table.where(model=model, kind="end")
        _tightness(right, part)
        certified = all(part.column("certified"))
        left.set_title(f"{model} ({'proven' if certified else 'estimated'})", loc="left", fontsize=9)
        left.set_ylabel("‖e(t)‖, rms")
        right.set_ylabel("bound / error")
        label_ends(left, ends, height=_HEIGHT - 0.5, size=7.5)
    panels[-1, 0].set_xlabel("t")
    heading(
        figure,
        f"Left: error and bounds over t, {curve['scheme']} at {curve['bits']} bits; in brackets: the "
        "constants. Right: at t = 1, a point a scheme and bit-width, bars medians; ▲ points beyond the axis, "
        "with a power of ten that none exceeds",
    )
    return {"": figure}


def _over_t(axes: Axes, table: Table) -> list[EndLabel]:
    """The global bound g0 leaves the axis where it is beyond thirty times all that is worth seeing."""
    times = table.numbers("t")
    ends: list[EndLabel] = []
    error = table.numbers("error_rms")
    for rung, seen in RUNG_STYLES.items():
        values = table.numbers(rung)
        axes.plot(times, values, color=seen.colour, linestyle=(0, seen.dashes) if seen.dashes else "-")
        ends.append(EndLabel(seen.label, times[-1], values[-1], seen.colour))
    axes.plot(times, error, color="black", linewidth=2.2, zorder=5)
    ends.append(EndLabel("measured", times[-1], error[-1], "black"))
    known = [value for rung in ("g1", "error_rms") for value in table.numbers(rung) if value > 0.0]
    if not known:  # the quantizer lost nothing
        return []
    axes.set_yscale("log")
    axes.set_ylim(min(known) / 3.0, 30.0 * max(known))
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    return ends


def _tightness(axes: Axes, table: Table) -> None:
    """The axis follows the bounds above the global one; where points lie beyond it, they are counted."""
    known = {rung: [value for value in table.numbers(rung) if math.isfinite(value)] for rung in RUNG_STYLES}
    medians = {rung: statistics.median(values) for rung, values in known.items() if values}
    top = 30.0 * max(value for rung, value in medians.items() if rung != "g0")
    axes.axhline(1.0, color="0.3", linewidth=0.8)
    for place, (rung, seen) in enumerate(RUNG_STYLES.items()):
        inside = sorted(value for value in known[rung] if value <= top)
        spread = [place + 0.5 * (index / max(1, len(inside) - 1) - 0.5) for index in range(len(inside))]
        axes.plot(spread, inside, linestyle="", marker="o", markersize=2.6, color=seen.colour)
        beyond = len(known[rung]) - len(inside)
        if beyond:
            most = math.floor(math.log10(max(known[rung])))
            axes.text(
                place, 0.99, f"▲ {beyond}\n$\\leq 10^{{{most + 1}}}$", fontsize=7, color=seen.colour,
                va="top", ha="center", transform=axes.get_xaxis_transform(),
            )  # fmt: skip
        if rung in medians and medians[rung] <= top:
            axes.plot([place - 0.35, place + 0.35], [medians[rung]] * 2, color=seen.colour, linewidth=2.0)
    axes.set_yscale("log")
    axes.set_ylim(min(0.5, 0.7 * min(min(values) for values in known.values() if values)), 10.0 * top)
    axes.set_xlim(-0.6, len(RUNG_STYLES) - 0.4)
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.set_xticks(range(len(RUNG_STYLES)), list(RUNG_STYLES), fontsize=8)


EXPERIMENT = Experiment(
    "ladder",
    "Bounds G0 to G4 against the measured error over t, and their tightness.",
    Config,
    cells,
    rows,
    plot,
    skipped,
)
