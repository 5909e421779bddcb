"""How fast equal mass converges: K² D_EM on every tail, and fitted orders beside those of theorem T5.

Exact values come from partial moments of the law, measured ones from samples. An order is the slope of
-log2 D over bits, by least squares. Over the exact values it is given with the least and the greatest slope
between neighbours, over samples as the median of their fits with its 95 % interval, which needs no moments
and is nominal, not sure, as it is interpolated (``fmq_theory.metrics.intervals``); so are the errors. A
mean would have none without a fourth moment.

T5 gives an order as K grows, and a formula at each K. Where the order is reached slowly (a logarithm for
Gaussian, a power of it for generalized Gaussian tails) the fit is to be compared with the same fit of the
formula.
"""

# matplotlib types its keyword arguments as unknown.
# pyright: reportUnknownMemberType=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.framework.experiment import Cell, Experiment, rng_of
from experiments.framework.laws import LAWS, law, law_label
from experiments.framework.panels import law_colours
from experiments.framework.table import Row, Table
from fmq_theory.bounds import equal_mass_distortion, equal_mass_high_rate
from fmq_theory.metrics import median_estimate, printed_interval
from fmq_theory.report.base.direct_labels import EndLabel, label_ends
from fmq_theory.report.base.interval_bars import interval_bars
from fmq_theory.report.base.style import PAGE_WIDTH
from fmq_theory.sources.empirical import Empirical

__all__ = ["EXPERIMENT", "fitted_order", "order_of_formula"]


@dataclass(frozen=True, slots=True)
class Config:
    """Settings; variance is 1 in every law."""

    laws: tuple[str, ...] = tuple(LAWS)
    most_bits: int = 18
    window: tuple[int, int] = (10, 18)
    sample_window: tuple[int, int] = (4, 10)
    n: int = 1_000_000
    repeats: int = 20
    seed: int = 0

    @classmethod
    def quick(cls) -> "Config":
        """Fewer laws, smaller samples."""
        return cls(
            laws=("uniform", "gaussian", "laplace", "t(3)"), most_bits=12, window=(8, 12), n=50_000, repeats=8
        )


def cells(config: Config) -> Sequence[Cell]:
    """One a law."""
    return [{"law": name} for name in config.laws]


def rows(config: Config, cell: Cell) -> Sequence[Row]:
    """Kind "value": D_EM at each bit-width. Kind "order": a fit over a window."""
    source = law(cell["law"])
    all_bits = range(1, config.most_bits + 1)
    exact = {b: equal_mass_distortion(source, 2**b) for b in all_bits}
    predicted = {b: equal_mass_high_rate(source, 2**b) for b in all_bits}
    rng = rng_of(config, cell)
    low, high = config.sample_window
    measured = [
        [
            equal_mass_distortion(Empirical(source.sample(config.n, rng=rng)), 2**b)
            for b in range(low, high + 1)
        ]
        for _ in range(config.repeats)
    ]
    made: list[Row] = []
    for b in all_bits:
        at_b = median_estimate([found[b - low] for found in measured]) if low <= b <= high else None
        ends = (at_b and printed_interval(at_b, "median")) or (None, None)
        made.append(
            {
                "law": cell["law"], "kind": "value", "bits": b,
                "exact": exact[b], "high_rate": predicted[b].value, "measured": at_b and at_b.value,
                "measured_lo": ends[0], "measured_hi": ends[1],
            }
        )  # fmt: skip
    order = predicted[config.most_bits].order
    first, last = config.window
    slopes = [float(np.log2(exact[b] / exact[b + 1])) for b in range(first, last)]
    made.append(
        {
            "law": cell["law"], "kind": "order", "of": "law", "from": first, "to": last, "predicted": order,
            "order": fitted_order(range(first, last + 1), [exact[b] for b in range(first, last + 1)]),
            "slope_least": min(slopes), "slope_most": max(slopes),
        }
    )  # fmt: skip
    fits = median_estimate([fitted_order(range(low, high + 1), found) for found in measured])
    ends = printed_interval(fits, "median") or (None, None)
    made.append(
        {
            "law": cell["law"], "kind": "order", "of": "samples", "from": low, "to": high, "predicted": order,
            "order": fits.value, "order_lo": ends[0], "order_hi": ends[1],
            "order_of_law": fitted_order(range(low, high + 1), [exact[b] for b in range(low, high + 1)]),
            "n": config.n, "repeats": config.repeats,
        }
    )  # fmt: skip
    return made


def fitted_order(bits: Sequence[int], errors: Sequence[float]) -> float:
    """p in D ~ 2^(-p b): the slope of -log2 D over b, least squares."""
    return -float(np.polyfit(np.asarray(bits, dtype=float), np.log2(errors), 1)[0])


def plot(table: Table) -> Mapping[str, Figure]:
    """K² D over bits, and the orders law by law."""
    figure = Figure(figsize=(PAGE_WIDTH, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.0, 1.05))
    laws = table.values("law")
    colours = law_colours(laws)
    _values_panel(left, table.where(kind="value"), colours)
    _orders_panel(right, table, colours)
    return {"": figure}


def _values_panel(axes: Axes, table: Table, colours: Mapping[str, str]) -> None:
    ends: list[EndLabel] = []
    for name, colour in colours.items():
        part = table.where(law=name)
        bits, exact, measured = part.numbers("bits"), part.numbers("exact"), part.numbers("measured")
        scaled = [4.0**b * d for b, d in zip(bits, exact, strict=True)]
        axes.plot(bits, scaled, color=colour)
        axes.plot(
            bits, [4.0**b * d for b, d in zip(bits, measured, strict=True)],
            linestyle="", marker="o", markersize=2.8, color=colour,
        )  # fmt: skip
        ends.append(EndLabel(law_label(name), bits[-1], scaled[-1], colour))
    axes.set_yscale("log")
    axes.set_xlabel("bits per weight b")
    axes.set_ylabel(r"$K^2\,D_\mathrm{EM}\,/\,σ^2$")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title("A law 2^(−2b) would be flat; points: median sample", loc="left")
    label_ends(axes, ends, height=4.0, size=8.0)


def _orders_panel(axes: Axes, table: Table, colours: Mapping[str, str]) -> None:
    names = list(colours)
    for place, name in enumerate(names):
        of_law, of_samples = table.where(law=name, of="law"), table.where(law=name, of="samples")
        predicted = of_law.numbers("predicted")[0]
        axes.plot([predicted] * 2, [place - 0.38, place + 0.38], color="0.2", linewidth=2.0)
        axes.plot(
            [order_of_formula(table.where(law=name), of_law)], [place + 0.14], marker="D", markersize=7.0,
            markerfacecolor="none", markeredgecolor="0.2", markeredgewidth=0.8, linestyle="",
        )  # fmt: skip
        slopes = [of_law.numbers(column)[0] for column in ("slope_least", "slope_most")]
        axes.plot(slopes, [place + 0.14] * 2, color=colours[name], linewidth=1.0)
        axes.plot(of_law.numbers("order"), [place + 0.14], marker="s", markersize=4.0, color=colours[name])
        order = of_samples.numbers("order")
        bars = interval_bars("median", order, of_samples.numbers("order_lo"), of_samples.numbers("order_hi"))
        axes.errorbar(
            order, [place - 0.14], xerr=bars, marker="o", markersize=4.0, color=colours[name],
            capsize=2, elinewidth=1.0, markerfacecolor="white",
        )  # fmt: skip
    axes.axvline(2.0, color="#D55E00", linewidth=0.9, linestyle=(0, (4, 2)))
    axes.annotate(
        "paper's order", (2.0, 0.55), xytext=(-4, 0), textcoords="offset points", fontsize=8, color="#D55E00",
        rotation=90, ha="right", va="bottom", xycoords=("data", "axes fraction"),
    )  # fmt: skip
    axes.plot([], [], color="0.2", linewidth=2.0, label="T5, as K grows")
    axes.plot(
        [], [], color="0.2", marker="D", markersize=7.0, markerfacecolor="none", markeredgewidth=0.8,
        linestyle="", label="T5's formula, fitted as the law",
    )  # fmt: skip
    kinds = (
        ("law", "s", "0.3", "line: least to greatest slope"),
        ("samples", "o", "white", "bar: 95 % of the median"),
    )
    for of, marker, face, bar in kinds:
        fit = table.where(of=of).rows[0]
        axes.plot(
            [], [], linestyle="", marker=marker, color="0.3", markerfacecolor=face,
            label=f"{of}, b = {fit['from']}–{fit['to']}\n({bar})",
        )  # fmt: skip
    axes.set_yticks(range(len(names)), [law_label(name) for name in names])
    axes.set_xlim(left=0.0)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel("order p in D ~ 2^(−p b)")
    axes.set_title("Fitted orders", loc="left")
    axes.legend(loc="lower right", bbox_to_anchor=(0.95, 0.02), fontsize=7.5)


def order_of_formula(table: Table, of_law: Table) -> float:
    """The fit over the same bits, of what T5 predicts at each K."""
    (fit,) = of_law.rows
    inside = table.where(kind="value").that(lambda row: fit["from"] <= row["bits"] <= fit["to"])
    return fitted_order(inside.column("bits"), inside.numbers("high_rate"))


EXPERIMENT = Experiment(
    "equal_mass_rates",
    "K² D of equal mass grows on the unbounded laws tried; fitted orders beside T5's.",
    Config,
    cells,
    rows,
    plot,
)
