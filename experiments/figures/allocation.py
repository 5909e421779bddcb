"""Plans within a budget against constant bits: errors of the weights and of the samples at equal size.

A plan chooses bits, scheme and granularity of each tensor for the least squared error that the budget allows;
groups of weights with scales are among its options. A constant choice is one scheme, bit-width and
granularity (channel or tensor) for all tensors. Sizes count codebooks and scales.
"""

# matplotlib types its keyword arguments as unknown.
# pyright: reportUnknownMemberType=false

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.framework.experiment import Cell, Experiment
from experiments.framework.flow_runs import FlowRun, flow_cells, flow_run, skipped_runs
from experiments.framework.panels import blocks
from experiments.framework.similar import Sampled
from experiments.framework.table import Row, Table
from fmq_theory.checkpoint import load, write_quantized
from fmq_theory.checkpoint.audit import AUDIT_SCHEMES, audit
from fmq_theory.checkpoint.plan.budget import plan_from_options
from fmq_theory.checkpoint.plan.options import build_options
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.recipe import Planned, recipes_for
from fmq_theory.metrics import mean_estimate
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.report.base.style import heading

__all__ = ["EXPERIMENT", "best_constant"]

_GRANULARITIES = ("channel", "tensor")
_PLAN_COLOUR = "#000000"
_HIGHLIGHTED = {
    ("uniform", "channel"): "#0072B2",
    ("equal_mass", "channel"): "#D55E00",
    ("lloyd_max", "tensor"): "#009E73",
}
"""Constant choices with a colour of their own; all others are thin grey lines, there for comparison."""


@dataclass(frozen=True, slots=True)
class Config:
    """Settings."""

    budgets: tuple[float, ...] = (2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0)
    bits: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8)
    samples: int = 32
    only_bundled: bool = False
    seed: int = 0

    @classmethod
    def quick(cls) -> "Config":
        """The bundled model, three budgets, few samples."""
        return cls(budgets=(3.0, 4.0, 5.0), bits=(2, 3, 4, 5), samples=8, only_bundled=True)


def cells(config: Config) -> Sequence[Cell]:
    """One a model."""
    return flow_cells(only_bundled=config.only_bundled)


def rows(config: Config, cell: Cell) -> Sequence[Row]:
    """Kind "constant": each scheme, bit-width, granularity. Kinds "plan" and "best constant": by budget."""
    run = flow_run(cell)
    constants = _constants(config, run)
    options = build_options(run.path)
    sampled = Sampled(run, config.samples, config.seed)
    made: list[Row] = list(constants)
    for budget in config.budgets:
        plan = plan_from_options(options, budget)
        made.append(
            {
                "model": run.name,
                "kind": "plan",
                "budget": budget,
                "effective_bits": plan.effective_bits,
                "mse": plan.mse,
                "optimality_gap": plan.optimality_gap,
                **_similar(sampled, run, plan.tensors),
            }
        )
        best = best_constant(constants, budget)
        if best is not None:
            wanted = Choice(str(best["scheme"]), int(best["bits"]), str(best["granularity"]))
            recipes, _ = recipes_for(run.path, wanted, (), (), "error")
            made.append(
                {**best, "kind": "best constant", "budget": budget, **_similar(sampled, run, recipes)}
            )
    return made


def _constants(config: Config, run: FlowRun) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for granularity in _GRANULARITIES:
        totals = audit(run.path, schemes=AUDIT_SCHEMES, bits=config.bits, granularity=granularity).totals
        found += [
            {
                "model": run.name,
                "kind": "constant",
                "scheme": cell.scheme,
                "bits": cell.bits,
                "granularity": granularity,
                "effective_bits": cell.effective_bits,
                "mse": cell.mse,
            }
            for cell in totals.cells
        ]
    return found


def best_constant(constants: Sequence[Row], budget: float) -> Row | None:
    """The constant choice of least error within the budget; None where even the smallest is larger."""
    within = [row for row in constants if row["effective_bits"] <= budget]
    return min(within, key=lambda row: row["mse"], default=None)


def _similar(sampled: Sampled, run: FlowRun, recipes: Iterable[Planned]) -> dict[str, float]:
    """Mean PSNR of the samples of the quantized file, written and read back; too few for an interval."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "quantized.safetensors"
        write_quantized(run.path, path, recipes)
        return {"psnr_db": mean_estimate(sampled.psnr(load(path))).value}


def skipped(config: Config) -> Sequence[str]:
    """What this machine does not have."""
    return [] if config.only_bundled else skipped_runs()


def plot(table: Table) -> Mapping[str, Figure]:
    """Above: root mean squared error of the weights over size. Below: PSNR of the samples."""
    models = table.values("model")
    made = blocks(models, 2, share_y=False)
    for model, (above, below) in made.panels.items():
        part = table.where(model=model)
        _weights(above, part)
        _samples(below, part)
        above.set_title(model, loc="left")
        below.set_xlabel("effective bits per weight")
        if model in made.first:
            above.set_ylabel("weights, mean squared error")
            below.set_ylabel("samples, PSNR (dB)")
    handles, labels = made.panels[models[0]][0].get_legend_handles_labels()
    if made.spare is None:
        made.figure.legend(handles, labels, loc="outside lower center", ncols=3)
    else:
        made.spare.legend(handles, labels, loc="upper left", labelspacing=0.9)
    heading(
        made.figure,
        "Above: mean squared error of the weights. Below: PSNR of the samples, of the plan and of the "
        "constant choice that has the least error of the weights at most at the plan's size",
    )
    return {"": made.figure}


def _weights(axes: Axes, table: Table) -> None:
    most = 1.1 * max(table.where(kind="plan").numbers("effective_bits"))
    named_others = False
    for scheme in table.where(kind="constant").values("scheme"):
        for granularity in _GRANULARITIES:
            part = table.that(
                lambda row, scheme=scheme, granularity=granularity: (
                    (row["kind"], row["scheme"], row["granularity"]) == ("constant", scheme, granularity)
                    and row["effective_bits"] <= most
                    and row["mse"] > 0.0
                )
            )
            places, values = part.numbers("effective_bits"), part.numbers("mse")
            colour = _HIGHLIGHTED.get((scheme, granularity))
            if colour is None:
                label = "_" if named_others else "other constant choices"
                axes.plot(places, values, color="0.75", linewidth=0.7, label=label, zorder=1)
                named_others = True
            else:
                axes.plot(
                    places, values, color=colour, marker=style_of(scheme).marker, markersize=3.5,
                    linewidth=1.0,
                    label=f"{style_of(scheme).label},\na codebook a {granularity}",
                )  # fmt: skip
    plan = table.where(kind="plan")
    axes.plot(
        plan.numbers("effective_bits"), plan.numbers("mse"), color=_PLAN_COLOUR, linewidth=2.0, marker="o",
        markersize=3.0, label="plan, tensor by tensor",
    )  # fmt: skip
    axes.set_yscale("log")


def _samples(axes: Axes, table: Table) -> None:
    kinds = (("best constant", "#6B4FA0", "s", 0.03), ("plan", _PLAN_COLOUR, "o", 0.13))
    for kind, colour, marker, place in kinds:
        part = table.where(kind=kind)
        axes.plot(
            part.numbers("effective_bits"), part.numbers("psnr_db"), color=colour, marker=marker,
            markersize=3.5, linewidth=1.2,
        )  # fmt: skip
        axes.text(
            0.98, place, kind, transform=axes.transAxes, ha="right", va="bottom", fontsize=8, color=colour
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


EXPERIMENT = Experiment(
    "allocation",
    "Plans within a budget against constant bits at equal effective size.",
    Config,
    cells,
    rows,
    plot,
    skipped,
)
