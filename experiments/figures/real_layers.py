"""Both ratios for every layer of real checkpoints, by channel and by tensor, beside the paper's band.

A bit-width at which a layer's codebooks have room for each of its weights says nothing: it is in the table,
marked, and not in the figure. The sums over a whole model hold such layers too, which is why its ratios by
channel fall where most layers are small.
"""

# matplotlib types its keyword arguments as unknown.
# pyright: reportUnknownMemberType=false

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from experiments.framework.checkpoints import missing_note, stored_models
from experiments.framework.experiment import Cell, Experiment
from experiments.framework.panels import blocks
from experiments.framework.table import Row, Table
from fmq_theory.bounds import BAND
from fmq_theory.checkpoint.audit import audit
from fmq_theory.report.base.direct_labels import EndLabel, label_ends
from fmq_theory.report.base.scheme_styles import SchemeStyle, style_of
from fmq_theory.report.base.style import heading
from fmq_theory.report.comparison.figure import as_fraction

__all__ = ["EXPERIMENT"]

_GRANULARITIES = ("channel", "tensor")
_SCHEMES = ("uniform", "equal_mass", "lloyd_max")
_RATIOS = {"rho_em": "equal_mass", "rho_w2": "lloyd_max"}
_LOWEST = 2.0**-7
"""What is drawn of the ratios; at zero a layer has as many levels as weights."""


@dataclass(frozen=True, slots=True)
class Config:
    """Settings; nothing here is random."""

    bits: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8)
    only_bundled: bool = False
    seed: int = 0

    @classmethod
    def quick(cls) -> "Config":
        """The bundled model alone."""
        return cls(only_bundled=True)


def cells(config: Config) -> Sequence[Cell]:
    """One a file and granularity; a file that changed is another cell."""
    return [
        {"model": model.name, "granularity": granularity, "digest": model.digest}
        for model in stored_models(only_bundled=config.only_bundled)
        for granularity in _GRANULARITIES
    ]


def rows(config: Config, cell: Cell) -> Sequence[Row]:
    """One a tensor and bit-width, and one a bit-width for the whole model, whose tensor is None."""
    model = next(one for one in stored_models() if one.name == cell["model"])
    found = audit(
        model.path, schemes=_SCHEMES, bits=config.bits, granularity=cell["granularity"], on_nonfinite="skip"
    )
    made: list[Row] = []
    for tensor in found.tensors:
        about = {
            "model": model.name,
            "granularity": tensor.granularity,
            "tensor": tensor.name,
            "weights": tensor.weights,
            "weights_per_codebook": tensor.weights_per_codebook,
            "excess_kurtosis": tensor.spread.excess_kurtosis,
            "max_over_sigma": tensor.spread.max_over_sigma,
            "crossover": tensor.crossover_bits,
        }
        made += [
            {
                **about,
                "bits": ratio.bits,
                "rho_em": ratio.rho_em,
                "rho_w2": ratio.rho_w2,
                "lossless": tensor.lossless_bits is not None and ratio.bits >= tensor.lossless_bits,
            }
            for ratio in tensor.ratios
        ]
    made += [
        {
            "model": model.name,
            "granularity": cell["granularity"],
            "weights": found.totals.weights,
            "crossover": found.totals.crossover_bits,
            "bits": ratio.bits,
            "rho_em": ratio.rho_em,
            "rho_w2": ratio.rho_w2,
        }
        for ratio in found.totals.ratios
    ]
    return made


def skipped(config: Config) -> Sequence[str]:
    """What this machine does not have."""
    note = missing_note()
    return [note] if note and not config.only_bundled else []


def plot(table: Table) -> Mapping[str, Figure]:
    """Above by channel, below by tensor; thin lines are layers, thick ones the whole model."""
    models = table.values("model")
    made = blocks(models, len(_GRANULARITIES))
    for model, panels in made.panels.items():
        for axes, granularity in zip(panels, _GRANULARITIES, strict=True):
            part = table.where(model=model, granularity=granularity)
            for name, scheme in _RATIOS.items():
                _ratio(axes, part, name, style_of(scheme))
            axes.axhspan(*BAND, color="#F0E442", alpha=0.35, linewidth=0)
            axes.axhline(1.0, color="0.3", linewidth=0.8)
            if model in made.first:
                axes.set_ylabel(f"a codebook a {granularity}")
        tensors = len(table.where(model=model).values("tensor"))
        panels[0].set_title(f"{model}, {tensors} tensors", loc="left", fontsize=9)
        panels[-1].set_xlabel("bits per weight b")
    top = made.panels[models[0]][0]
    for axes in made.panels[models[0]]:
        axes.set_yscale("log", base=2)
        axes.yaxis.set_major_locator(LogLocator(base=4, numticks=14))
        axes.yaxis.set_major_formatter(FuncFormatter(as_fraction))
        axes.set_ylim(bottom=_LOWEST)
    top.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes, granularity in zip(made.panels[made.labelled], _GRANULARITIES, strict=True):
        part = table.where(model=made.labelled, granularity=granularity)
        whole = part.that(lambda row: row["tensor"] is None)
        ends = [
            EndLabel(text, *_end(whole, name), style_of(_RATIOS[name]).colour)
            for name, text in (("rho_em", "ρ_EM"), ("rho_w2", "ρ_W2"))
        ]
        band = EndLabel("0.25–0.40", max(table.numbers("bits")), math.sqrt(BAND[0] * BAND[1]), "0.3")
        label_ends(axes, [*ends, band], height=1.9, size=8.0)
    heading(
        made.figure,
        "Error relative to min–max uniform: ρ_EM of equal mass, ρ_W2 of Lloyd–Max. "
        "Yellow: the paper's 0.25–0.40",
    )
    return {"": made.figure}


def _ratio(axes: Axes, table: Table, name: str, seen: SchemeStyle) -> None:
    for tensor in table.values("tensor"):
        layer = table.that(lambda row, tensor=tensor: row["tensor"] == tensor and not row["lossless"])
        axes.plot(
            layer.numbers("bits"), _positive(layer.numbers(name)),
            color=seen.colour, linewidth=0.4, alpha=0.4,
        )  # fmt: skip
    whole = table.that(lambda row: row["tensor"] is None)
    axes.plot(
        whole.numbers("bits"), _positive(whole.numbers(name)),
        color=seen.colour, linewidth=1.8, marker=seen.marker, markersize=3.5, zorder=3,
    )  # fmt: skip


def _end(table: Table, name: str) -> tuple[float, float]:
    """The last point that is drawn."""
    points = [
        (bits, ratio)
        for bits, ratio in zip(table.numbers("bits"), table.numbers(name), strict=True)
        if ratio > _LOWEST
    ]
    return points[-1] if points else (math.nan, math.nan)


def _positive(values: Sequence[float]) -> list[float]:
    """A ratio of zero has no place on a log axis."""
    return [value if value > 0.0 else math.nan for value in values]


EXPERIMENT = Experiment(
    "real_layers",
    "ρ_EM and ρ_W2 for every layer of the checkpoints at hand.",
    Config,
    cells,
    rows,
    plot,
    skipped,
)
