"""Error against bits for every law and scheme: measured, exact, bounded from above, and Shannon's limit.

What is drawn is 4^b D / σ², on which a square law 2^(-2b) is a horizontal line.
"""

# matplotlib types its keyword arguments as unknown.
# pyright: reportUnknownMemberType=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.framework.experiment import Cell, Experiment
from experiments.framework.laws import LAWS, law, law_label
from experiments.framework.table import Row, Table
from fmq_theory.claims import compare_law
from fmq_theory.report.looks import look

__all__ = ["EXPERIMENT"]

_COLUMNS = (
    "distortion_hat", "distortion_lo", "distortion_hi", "distortion_exact", "bound_upper", "high_rate",
    "order_predicted", "entropy_bits", "effective_bits",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Config:
    """Settings; variance is 1 in every law."""

    laws: tuple[str, ...] = tuple(LAWS)
    schemes: tuple[str, ...] = (
        "uniform", "uniform_clipped", "equal_mass", "pwl", "log2", "panter_dite", "lloyd_max", "ecq",
        "nf4", "fp4",
    )  # fmt: skip
    bits: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8)
    n: int = 1_000_000
    repeats: int = 10
    seed: int = 0

    @classmethod
    def quick(cls) -> "Config":
        """Small samples, few laws."""
        return cls(
            laws=("gaussian", "laplace", "t(3)"),
            schemes=("uniform", "uniform_clipped", "equal_mass", "panter_dite", "lloyd_max"),
            n=20_000,
            repeats=3,
        )


def cells(config: Config) -> Sequence[Cell]:
    """One a law."""
    return [{"law": name} for name in config.laws]


def rows(config: Config, cell: Cell) -> Sequence[Row]:
    """One a scheme and bit-width; a scheme without a codebook of that size has none."""
    found = compare_law(
        law(cell["law"]),
        law_label(cell["law"]),
        bits=config.bits,
        schemes=config.schemes,
        n=config.n,
        repeats=config.repeats,
        seed=config.seed,
        workers=1,
    )
    shannon = dict(found.shannon)
    return [
        {
            "law": cell["law"],
            "scheme": row.scheme,
            "bits": row.bits,
            **{name: getattr(row, name) for name in _COLUMNS},
            "shannon_lower": shannon.get(row.bits),
            "n": config.n,
            "repeats": config.repeats,
        }
        for row in found.rows
        if row.distortion_hat is not None
    ]


def plot(table: Table) -> Mapping[str, Figure]:
    """A panel a law; the last place holds the names."""
    laws = table.values("law")
    columns = min(4, len(laws) + 1)
    lines = -(-(len(laws) + 1) // columns)
    figure = Figure(figsize=(2.75 * columns, 2.45 * lines + 0.3), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False, sharex=True).ravel()
    for axes, name in zip(panels, laws, strict=False):
        _panel(axes, table.where(law=name))
        axes.set_title(law_label(name), loc="left", fontsize=9)
    for axes in panels[len(laws) :]:
        axes.set_axis_off()
    handles: dict[str, Any] = {}
    for axes in panels[: len(laws)]:
        handles |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    panels[len(laws)].legend(handles.values(), handles.keys(), loc="center left", fontsize=8.5)
    for axes in panels[::columns]:
        axes.set_ylabel("$4^b\\,D\\,/\\,σ^2$")
    for axes in panels[max(0, len(laws) - columns) : len(laws)]:
        axes.set_xlabel("bits per weight b")
        axes.tick_params(labelbottom=True)
    return {"": figure}


def _panel(axes: Axes, table: Table) -> None:
    for scheme in table.values("scheme"):
        part, seen = table.where(scheme=scheme), look(scheme)
        bits = part.numbers("bits")
        scale = [4.0**b for b in bits]
        values, lows, highs, exact = (
            [number * factor for number, factor in zip(part.numbers(name), scale, strict=True)]
            for name in ("distortion_hat", "distortion_lo", "distortion_hi", "distortion_exact")
        )
        spread = [
            [max(0.0, min(value - low, 0.99 * value)) for value, low in zip(values, lows, strict=True)],
            [max(0.0, high - value) for value, high in zip(values, highs, strict=True)],
        ]
        axes.errorbar(
            bits, values, yerr=spread, fmt=seen.marker, color=seen.colour, markersize=3.5, elinewidth=0.9,
            capsize=1.5, label=f"{seen.label}", zorder=3,
        )  # fmt: skip
        axes.plot(bits, exact, color=seen.colour, linewidth=0.9)
    limits = {row["bits"]: row["shannon_lower"] for row in table if row["shannon_lower"]}
    bits = sorted(limits)
    normed = [4.0**b * limits[b] for b in bits]
    axes.plot(bits, normed, color="0.35", linewidth=2.2, alpha=0.55, label="Shannon bound")
    axes.plot([], [], color="0.2", linewidth=0.9, label="lines: exact, on the law")
    axes.plot([], [], color="0.2", marker="o", linestyle="", markersize=3.5, label="points: measured, 95 %")
    axes.set_yscale("log")
    axes.set_xticks(sorted(set(table.numbers("bits"))))
    axes.set_ylim(top=min(axes.get_ylim()[1], 3e4))


EXPERIMENT = Experiment(
    "rate_distortion",
    "Error against bits for every law and scheme: measured, exact, bound, Shannon's limit.",
    Config,
    cells,
    rows,
    plot,
)
