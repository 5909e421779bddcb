"""Both ratios for every layer of real checkpoints, by channel and by tensor, beside the paper's band.

A bit-width at which a layer's codebooks have room for each of its weights says nothing: it is in the table,
marked, and not in the figure. The sums over a whole model hold such layers too, which is why its ratios by
channel fall where most layers are small.
"""

# matplotlib types its keyword arguments as unknown.
# pyright: reportUnknownMemberType=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from experiments.framework.checkpoints import missing_note, stored_models
from experiments.framework.experiment import Cell, Experiment
from experiments.framework.table import Row, Table
from fmq_theory.bounds import BAND
from fmq_theory.checkpoint.audit import audit

__all__ = ["EXPERIMENT"]

_GRANULARITIES = ("channel", "tensor")
_SCHEMES = ("uniform", "equal_mass", "lloyd_max")
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#7F5539", "#E69F00", "#56B4E9")


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
    """A line a layer; a thick one for the whole model."""
    figure = Figure(figsize=(10.2, 6.4), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True, sharey="col")
    models = table.values("model")
    for line, granularity in enumerate(_GRANULARITIES):
        part = table.where(granularity=granularity)
        _panel(panels[line][0], part, "rho_em", models)
        _panel(panels[line][1], part, "rho_w2", models)
        panels[line][0].set_ylabel("error relative to min–max uniform")
        panels[line][0].set_title(f"$ρ_{{EM}}$: equal mass, a codebook a {granularity}", loc="left")
        panels[line][1].set_title(f"$ρ_{{W2}}$: Lloyd–Max, a codebook a {granularity}", loc="left")
    for axes in panels[1]:
        axes.set_xlabel("bits per weight b")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(3, len(labels)), fontsize=8)
    return {"": figure}


def _panel(axes: Axes, table: Table, ratio: str, models: Sequence[str]) -> None:
    axes.axhspan(*BAND, color="#F0E442", alpha=0.35, linewidth=0, label=f"paper: {BAND[0]:.2f}–{BAND[1]:.2f}")
    axes.axhline(1.0, color="0.3", linewidth=0.8)
    for model, colour in zip(models, _COLOURS * (1 + len(models) // len(_COLOURS)), strict=False):
        part = table.where(model=model)
        names = part.values("tensor")
        for name in names:
            layer = part.that(lambda row, name=name: row["tensor"] == name and not row["lossless"])
            axes.plot(
                layer.numbers("bits"),
                _positive(layer.numbers(ratio)),
                color=colour,
                linewidth=0.5,
                alpha=0.45,
            )
        whole = part.that(lambda row: row["tensor"] is None)
        axes.plot(
            whole.numbers("bits"), _positive(whole.numbers(ratio)), color=colour, linewidth=2.0,
            label=f"{model} ({len(names)} tensors; thick: whole model)",
        )  # fmt: skip
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_locator(LogLocator(base=2, numticks=14))
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:g}" if value >= 1 else f"1/{1 / value:g}")
    )
    axes.set_ylim(bottom=2.0**-7)


def _as_fraction(value: float, _place: float) -> str:
    return f"{value:g}" if value >= 1 else f"1/{1 / value:g}"


def _positive(values: Sequence[float]) -> list[float]:
    """A ratio of zero has no place on a log axis."""
    return [value if value > 0.0 else float(np.nan) for value in values]


EXPERIMENT = Experiment(
    "real_layers",
    "ρ_EM and ρ_W2 for every layer of the checkpoints at hand.",
    Config,
    cells,
    rows,
    plot,
    skipped,
)
