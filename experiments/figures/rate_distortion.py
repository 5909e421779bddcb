"""Error against bits for every law and scheme: measured, exact, bounded from above, and Shannon's limit.

What is drawn is 4^b D / σ², on which a square law 2^(-2b) is a horizontal line; how far above the exact error
the proven bounds and the high-rate predictions are; and the README's figure. The README's table is of the
same rows.
"""

# matplotlib types its keyword arguments as unknown.
# pyright: reportUnknownMemberType=false

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from experiments.framework.experiment import Cell, Experiment
from experiments.framework.laws import LAWS, law, law_label
from experiments.framework.panels import grid, label_curves
from experiments.framework.table import Row, Table
from fmq_theory.claims import Comparison, compare_law
from fmq_theory.claims.comparison.rows import RatioRow, crossing
from fmq_theory.claims.comparison.rows import Row as SchemeRow
from fmq_theory.report.base.interval_bars import interval_bars
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.report.comparison.figure import comparison_figure

__all__ = ["EXPERIMENT", "MAIN_LAW", "README_SCHEMES", "comparison_of"]

MAIN_LAW = "t(4)"
README_SCHEMES = ("uniform", "uniform_clipped", "equal_mass", "panter_dite", "lloyd_max")
"""What the README's figure shows: the law, and the schemes."""

_COLUMNS = (
    "own_hat", "own_median", "own_lo", "own_hi", "own_exact", "own_upper", "own_high_rate", "fresh_hat",
    "fresh_exact", "fresh_lower", "law_exact", "law_upper", "law_high_rate", "order_predicted",
    "entropy_bits", "effective_bits",
)  # fmt: skip
_NEAR = (0.4, 12.0)
"""What is drawn of bounds over errors; those of log2 and of few levels are further off, in the table."""
_RATIO_COLUMNS = tuple(field.name for field in fields(RatioRow))


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
    repeats: int = 20
    seed: int = 0

    @classmethod
    def quick(cls) -> "Config":
        """Small samples, few laws."""
        return cls(
            laws=("gaussian", "laplace", "t(3)"),
            schemes=("uniform", "uniform_clipped", "equal_mass", "panter_dite", "lloyd_max"),
            n=20_000,
            repeats=6,
        )


def cells(config: Config) -> Sequence[Cell]:
    """One a law."""
    return [{"law": name} for name in config.laws]


def rows(config: Config, cell: Cell) -> Sequence[Row]:
    """Kind "error": one a scheme and bit-width, where there is a codebook of that size. Kind "ratio": both
    ratios to uniform, one a bit-width."""
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
    about = {"law": cell["law"], "n": config.n, "repeats": config.repeats}
    shannon = dict(found.shannon)
    errors: list[Row] = [
        {
            **about, "kind": "error", "scheme": row.scheme, "bits": row.bits,
            **{name: getattr(row, name) for name in _COLUMNS}, "shannon_lower": shannon.get(row.bits),
        }
        for row in found.rows
        if row.own_hat is not None
    ]  # fmt: skip
    ratios = [
        {**about, "kind": "ratio", **{name: getattr(row, name) for name in _RATIO_COLUMNS}}
        for row in found.ratios
    ]
    return [*errors, *ratios]


def comparison_of(table: Table, name: str) -> Comparison:
    """What ``compare_law`` found on a law, from the rows of the table."""
    part = table.where(law=name)
    errors = part.where(kind="error")
    ratios = tuple(
        RatioRow(**{column: row[column] for column in _RATIO_COLUMNS}) for row in part.where(kind="ratio")
    )
    rows = tuple(
        SchemeRow(
            scheme=row["scheme"], bits=row["bits"], num_levels=2 ** row["bits"],
            **{column: value for column in _COLUMNS if (value := row.get(column)) is not None},
        )
        for row in errors
        if row["scheme"] in README_SCHEMES
    )  # fmt: skip
    limits = {row["bits"]: row["shannon_lower"] for row in errors if row["shannon_lower"]}
    return Comparison(
        subject=f"{law_label(name)}, n = {part.values('n')[0]:,}",
        config={},
        rows=rows,
        ratios=ratios,
        crossover_bits=crossing([row.bits for row in ratios], [row.rho_em for row in ratios]),
        verdict="",
        shannon=tuple(sorted(limits.items())),
    )


def plot(table: Table) -> Mapping[str, Figure]:
    """The errors of every law, the bounds above them, and the README's figure."""
    errors = table.where(kind="error")
    laws = errors.values("law")
    figures = {
        "": grid(laws, law_label, lambda axes, name: _errors(axes, errors.where(law=name)), _name_errors),
        "bounds": grid(
            laws, law_label, lambda axes, name: _bounds(axes, errors.where(law=name)), _name_bounds
        ),
    }
    if MAIN_LAW in laws:
        figures["main"] = comparison_figure(comparison_of(table, MAIN_LAW))
    return figures


def _errors(axes: Axes, table: Table) -> None:
    ends: dict[str, tuple[float, float]] = {}
    for scheme in table.values("scheme"):
        part, seen = table.where(scheme=scheme), style_of(scheme)
        bits = part.numbers("bits")
        scale = [4.0**b for b in bits]
        values, lows, highs, own, of_law = (
            [number * factor for number, factor in zip(part.numbers(name), scale, strict=True)]
            for name in ("own_median", "own_lo", "own_hi", "own_exact", "law_exact")
        )
        exact = [one if math.isfinite(one) else other for one, other in zip(own, of_law, strict=True)]
        axes.errorbar(
            bits, values, yerr=interval_bars("median", values, lows, highs, log=True), fmt=seen.marker,
            color=seen.colour, markersize=3.5, elinewidth=0.9, capsize=1.5, zorder=3,
        )  # fmt: skip
        axes.plot(bits, exact, color=seen.colour, linewidth=0.9)
        ends[scheme] = (bits[-1], exact[-1])
    limits = {row["bits"]: row["shannon_lower"] for row in table if row["shannon_lower"]}
    bits = sorted(limits)
    axes.plot(bits, [4.0**b * limits[b] for b in bits], color="0.35", linewidth=2.2, alpha=0.55)
    axes.set_yscale("log")
    axes.set_ylim(top=min(axes.get_ylim()[1], 3e4))
    label_curves(axes, ends)


def _name_errors(axes: Axes) -> None:
    axes.plot(
        [], [], color="0.2", marker="o", linestyle="", markersize=3.5, label="measured, median layer, 95 %"
    )
    axes.plot(
        [], [], color="0.2", linewidth=0.9, label="exact: mean for n weights,\nor the law's own codebook"
    )
    axes.plot([], [], color="0.35", linewidth=2.2, alpha=0.55, label="Shannon bound")
    axes.set_ylabel("$4^b\\,D\\,/\\,σ^2$")


def _bounds(axes: Axes, table: Table) -> None:
    """Over the exact error: 1 is as sharp as can be. What is infinite is not drawn."""
    axes.axhline(1.0, color="0.3", linewidth=0.8)
    ends: dict[str, tuple[float, float]] = {}
    for scheme in table.values("scheme"):
        part, seen = table.where(scheme=scheme), style_of(scheme)
        # Each bound over what it bounds: the law's codebook, or for min-max uniform that of n weights.
        whose = "law" if math.isfinite(part.numbers("law_upper")[0]) else "own"
        bits, exact = part.numbers("bits"), part.numbers(f"{whose}_exact")
        for kind, style, marker in (("upper", "-", seen.marker), ("high_rate", (0, (4, 2)), "")):
            name = f"{whose}_{kind}"
            ratio = [
                value / one if math.isfinite(value) else math.nan
                for value, one in zip(part.numbers(name), exact, strict=True)
            ]
            axes.plot(
                bits, ratio, color=seen.colour, linestyle=style, marker=marker, markersize=3, linewidth=0.9
            )
            if kind == "upper" and math.isfinite(ratio[-1]):
                ends[scheme] = (bits[-1], ratio[-1])
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, _NEAR[0]), min(high, _NEAR[1]))
    label_curves(axes, ends)


def _name_bounds(axes: Axes) -> None:
    axes.plot([], [], color="0.2", marker="o", markersize=3, linewidth=0.9, label="proven upper bound")
    axes.plot([], [], color="0.2", linestyle=(0, (4, 2)), linewidth=0.9, label="high-rate prediction")
    axes.set_ylabel("over the exact error")


EXPERIMENT = Experiment(
    "rate_distortion",
    "Error against bits for every law and scheme: measured, exact, bound, Shannon's limit.",
    Config,
    cells,
    rows,
    plot,
)
