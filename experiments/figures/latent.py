"""The latent of the quantized model: spread of its variance over dimensions, relative to full precision.

The latent is what the middle layer answers at the step nearest t = 1/2. Each dimension has a variance over
the samples; shown is the standard deviation of these variances over dimensions, and their mean.
"""

# matplotlib types its keyword arguments as unknown.
# pyright: reportUnknownMemberType=false

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from experiments.figures.fidelity import Config, cells, skipped
from experiments.framework.experiment import Cell, Experiment
from experiments.framework.flow_runs import flow_report, flow_run
from experiments.framework.table import Row, Table
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.report.base.style import PAGE_WIDTH, heading

__all__ = ["EXPERIMENT"]

_RATIOS = ("latent_std_ratio", "latent_mean_ratio")


def rows(config: Config, cell: Cell) -> Sequence[Row]:
    """One a scheme and bit-width: means over draws of the noise, too few for an interval."""
    run = flow_run(cell)
    report = flow_report(run, quick=config.is_quick)
    full = report["full_precision"]
    return [
        {
            "model": run.name,
            "scheme": row["scheme"],
            "bits": row["bits"],
            "latent_std": row["latent_std"],
            **{key: row[key] for key in _RATIOS},
            "collapsed": row["latent_collapsed"],
            "full_precision_std": full["latent_std"],
            "dimensions": full["latent_dimensions"],
            "seeds": report["config"]["seeds"],
        }
        for row in report["rows"]
    ]


def plot(table: Table) -> Mapping[str, Figure]:
    """A row a model, a column a moment."""
    models = table.values("model")
    figure = Figure(figsize=(PAGE_WIDTH, 2.2 * len(models) + 0.3), layout="constrained")
    panels = figure.subplots(len(models), 2, sharex=True, squeeze=False)
    for line, model in zip(panels, models, strict=True):
        part = table.where(model=model)
        for axes, key, moment in zip(line, _RATIOS, ("standard deviation", "mean"), strict=True):
            _curves(axes, part, key)
            axes.set_ylabel(moment)
        line[0].set_title(f"{model}, {part.values('dimensions')[0]} dimensions", loc="left", fontsize=9)
    heading(
        figure,
        "Variance of the latent over samples: its standard deviation and mean over dimensions, relative to "
        "full precision; mean over draws of the noise; grey: within a factor of two",
    )
    for axes in panels[-1]:
        axes.set_xlabel("bits of a code")
    # All curves end at 1, where names beside them could not be told apart.
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return {"": figure}


def _curves(axes: Axes, table: Table, key: str) -> None:
    axes.axhspan(0.5, 2.0, color="0.93", linewidth=0, zorder=0)
    axes.axhline(1.0, color="0.3", linewidth=0.8)
    for scheme in table.values("scheme"):
        part, seen = table.where(scheme=scheme), style_of(scheme)
        axes.plot(
            part.numbers("bits"), part.numbers(key), marker=seen.marker, markersize=3.5, linewidth=1.0,
            color=seen.colour, label=seen.label,
        )  # fmt: skip
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_ylim(0.2, 8.0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


EXPERIMENT = Experiment(
    "latent",
    "Spread of the latent's variance over dimensions, relative to full precision.",
    Config,
    cells,
    rows,
    plot,
    skipped,
)
