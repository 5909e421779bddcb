"""The two ratios behind the paper's ρ over bits, tails and sizes of layers, and where they lie in its band.

ρ_EM = D_EM / D_U and ρ_W2 = D_LM / D_U of the median of drawn layers, with the theory's predictions: the
exact D_EM of the law over the high-rate error of uniform, and 3 C_PD / E[R²].
"""

# matplotlib types its keyword arguments as unknown.
# pyright: reportUnknownMemberType=false

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from experiments.framework.experiment import Cell, Experiment, rng_of
from experiments.framework.laws import law, law_label
from experiments.framework.panels import law_colours
from experiments.framework.table import Row, Table
from fmq_theory.bounds import BAND, predicted_crossover_bits, rho_em, rho_w2_high_rate
from fmq_theory.claims import compare_law
from fmq_theory.report.base.direct_labels import EndLabel, label_ends
from fmq_theory.report.base.style import PAGE_WIDTH, heading

__all__ = ["EXPERIMENT", "place_in_band"]

_RATIOS = {"rho_em": "$ρ_{EM}$: equal mass / uniform", "rho_w2": "$ρ_{W2}$: Lloyd–Max / uniform"}


@dataclass(frozen=True, slots=True)
class Config:
    """Settings: laws from light tails to heavy ones, weights a layer, samples of each."""

    laws: tuple[str, ...] = ("uniform", "gaussian", "logistic", "laplace", "t(10)", "t(5)", "t(4)", "t(3)")
    sizes: tuple[int, ...] = (1024, 16_384, 262_144, 4_194_304)
    bits: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8)
    repeats: tuple[int, ...] = (100, 40, 16, 8)
    seed: int = 0

    @classmethod
    def quick(cls) -> "Config":
        """Two sizes, four laws."""
        return cls(laws=("gaussian", "laplace", "t(5)", "t(3)"), sizes=(1024, 16_384), repeats=(16, 8))


def cells(config: Config) -> Sequence[Cell]:
    """One a law and size, the largest layers first."""
    pairs = sorted(zip(config.sizes, config.repeats, strict=True), reverse=True)
    return [{"law": name, "n": n, "repeats": repeats} for n, repeats in pairs for name in config.laws]


def rows(config: Config, cell: Cell) -> Sequence[Row]:
    """Kind "ratio": both ratios at each bit-width. Kind "crossover": b*."""
    source, n = law(cell["law"]), int(cell["n"])
    seed = int(rng_of(config, cell).integers(2**32))
    found = compare_law(
        source, cell["law"], bits=config.bits, schemes=(), n=n, repeats=cell["repeats"], seed=seed, workers=1
    )
    of_theory = rho_w2_high_rate(source, n)
    made: list[Row] = []
    for row in found.ratios:
        values = {
            f"{name}{end}": getattr(row, f"{name}{end}") for name in _RATIOS for end in ("", "_lo", "_hi")
        }
        made.append(
            {
                **cell,
                "kind": "ratio",
                "bits": row.bits,
                **values,
                **{
                    f"{name}_band": place_in_band(*(values[name + end] for end in ("_lo", "_hi")))
                    for name in _RATIOS
                },
                "rho_em_predicted": rho_em(source, 2**row.bits, n),
                "rho_w2_predicted": of_theory,
            }
        )
    star = found.crossover
    stars = star.ordered if star else (None,)
    made.append(
        {
            **cell,
            "kind": "crossover",
            "crossover": found.crossover_bits,
            "crossover_least": stars[0],
            "crossover_most": stars[-1],
            "crossover_predicted": predicted_crossover_bits(source, n),
        }
    )
    return made


def place_in_band(low: float | None, high: float | None) -> str:
    """Where an interval lies: inside the paper's band, below it, above it, or undecided."""
    if low is None or high is None:
        return "undecided"
    if high < BAND[0]:
        return "below"
    if low > BAND[1]:
        return "above"
    return "inside" if BAND[0] <= low and high <= BAND[1] else "undecided"


def plot(table: Table) -> Mapping[str, Figure]:
    """A map of each ratio for each size, and the crossover b* over sizes."""
    return {"": _maps(table), "crossover": _crossovers(table.where(kind="crossover"))}


def _maps(table: Table) -> Figure:
    """Cells in the band are framed."""
    sizes, laws = sorted(table.values("n")), table.values("law")
    bits = sorted(table.values("bits"))
    figure = Figure(figsize=(PAGE_WIDTH, 0.7 + (0.25 * len(laws) + 0.35) * len(sizes)), layout="constrained")
    panels = figure.subplots(len(sizes), 2, squeeze=False, sharex=True, sharey=True)
    for line, n in zip(panels, sizes, strict=True):
        for axes, (name, title) in zip(line, _RATIOS.items(), strict=True):
            _map(axes, table.where(n=n), name, laws, bits)
            if n == sizes[0]:
                axes.set_title(title, loc="left", fontsize=9)
            if n == sizes[-1]:
                axes.set_xlabel("bits per weight b")
        line[0].text(len(bits) - 0.4, -0.68, "b*", fontsize=8, ha="left", va="center", clip_on=False)
        line[0].set_ylabel(f"n = {n:,}", fontsize=9)
    heading(
        figure,
        f"Framed: in the paper's band {BAND[0]:.2f}–{BAND[1]:.2f}, with the whole 95 % interval; dotted: the "
        "median layer only.\nViolet: better than uniform; orange, hatched: worse. n: weights that share a "
        "codebook.",
    )
    return figure


def _map(axes: Axes, table: Table, name: str, laws: Sequence[str], bits: Sequence[int]) -> None:
    cells_of = np.full((len(laws), len(bits)), np.nan)
    ratios = {(row["law"], row["bits"]): row for row in table.where(kind="ratio")}
    for i, of_law in enumerate(laws):
        for j, b in enumerate(bits):
            row = ratios.get((of_law, b), {})
            value = row.get(name)
            if value is None:
                continue
            cells_of[i, j] = math.log2(value)
            if value > 1.0:  # in grey, orange looks like violet
                lines = "0.75" if cells_of[i, j] > 2.0 else "0.45"
                axes.add_patch(
                    Rectangle((j - 0.5, i - 0.5), 1.0, 1.0, fill=False, edgecolor=lines, linewidth=0.0,
                              hatch="////")
                )  # fmt: skip
            axes.text(j, i, _short(value), ha="center", va="center", fontsize=7.5,
                      color="white" if abs(cells_of[i, j]) > 3.2 else "black")  # fmt: skip
            if BAND[0] <= value <= BAND[1]:
                decided = row[f"{name}_band"] == "inside"
                axes.add_patch(
                    Rectangle((j - 0.46, i - 0.46), 0.92, 0.92, fill=False, edgecolor="black",
                              linewidth=1.2, linestyle="-" if decided else ":")
                )  # fmt: skip
    axes.imshow(cells_of, cmap="PuOr_r", norm=TwoSlopeNorm(0.0, -5.0, 5.0), aspect="auto", alpha=0.85)
    axes.grid(visible=False)
    axes.set_xticks(range(len(bits)), [str(b) for b in bits])
    axes.set_yticks(range(len(laws)), [law_label(one) for one in laws])
    axes.tick_params(length=0)
    if name == "rho_em":
        for row in table.where(kind="crossover"):
            star = row.get("crossover")
            text = "none" if star is None else f"{star:.1f}"
            place = (len(bits) - 0.4, laws.index(row["law"]))
            axes.text(*place, text, fontsize=8, va="center", ha="left", clip_on=False)


def _short(value: float) -> str:
    """Two digits or so; ``.004`` where two decimals would say nothing."""
    if value < 0.0095:
        return f"{value:.1g}".replace("0.", ".", 1) if value >= 0.001 else "<.001"
    return f"{value:.2f}" if value < 0.995 else f"{value:.1f}" if value < 99.5 else f"{value:.0f}"


def _crossovers(table: Table) -> Figure:
    """Where equal mass begins to be worse than uniform."""
    figure = Figure(figsize=(6.6, 4.2), layout="constrained")
    axes = figure.subplots()
    ends: list[EndLabel] = []
    names, largest = table.values("law"), max(table.values("n"))
    bits = table.config["bits"]
    within = (min(bits), max(bits))  # some layers cross beyond them
    for place, (name, colour) in enumerate(law_colours(names).items()):
        part = table.that(lambda row, name=name: row["law"] == name and row["crossover"] is not None)
        rows = sorted(part, key=lambda row: row["n"])
        if not rows:
            continue
        part = Table(tuple(rows), table.about)
        sizes, stars = part.numbers("n"), part.numbers("crossover")
        # A bit to the left or right, so that bars of different laws are told apart.
        shifted = [n * 1.06 ** (place - len(names) / 2) for n in sizes]
        for x, least, most in zip(
            shifted, part.numbers("crossover_least"), part.numbers("crossover_most"), strict=True
        ):
            axes.plot(
                [x, x],
                np.clip([least, most], *within),
                color=colour,
                linewidth=0.9,
                marker="_",
                markersize=4.0,
            )
        axes.plot(shifted, stars, color=colour, marker="o", markersize=3.5, linewidth=0.9)
        if sizes[-1] == largest:
            ends.append(EndLabel(law_label(name), shifted[-1], stars[-1], colour))
        else:  # in larger layers there is no b* at these bits; above the bar no other curve passes
            top = min(part.numbers("crossover_most")[-1], within[1])
            axes.annotate(
                law_label(name), (shifted[-1], top), xytext=(4, -2), textcoords="offset points",
                fontsize=8, color=colour, va="center",
            )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xticks(sorted(table.values("n")), [f"{n:,}" for n in sorted(table.values("n"))], minor=False)
    axes.minorticks_off()
    axes.set_xlabel("weights that share a codebook, n")
    axes.set_ylabel("crossover b* (bits per weight)")
    heading(
        figure,
        "Above b* equal mass is worse than min–max uniform: median of the drawn layers; bar: from the "
        "smallest to the largest of them",
    )
    label_ends(axes, ends, height=3.4, size=8.0)
    return figure


EXPERIMENT = Experiment(
    "ratio_map",
    "ρ_EM and ρ_W2 over bits, tails and sizes; the paper's band 0.25–0.40; the crossover b*.",
    Config,
    cells,
    rows,
    plot,
)
