"""Figures 3 and 4 by the measures of the authors' scripts, and what leads from them to samples of a flow.

The scripts ask a network once, at t = 0, about a batch of 64 real images in [0, 1], and compare its output
with the full-precision network's: PSNR with peak 1 over the whole batch, SSIM with a plain window. The
latent is the middle layer's answer, turned onto 20 principal components that each model has for itself. No
flow is integrated.

Two protocols: "published" is theirs (every floating point tensor, what is left out differs by scheme, and
codebooks are float32), "weights" is like for like (tensors of two and more dimensions, alike for all).

Rows of kind "output" are of a scheme at a bit-width: means over disjoint batches, and what the first batch
alone shows, which is what a script prints. Rows of kind "step" go from the scripts' measure to samples by one
change after another, each keeping those before it, by the lead of OT in PSNR: its mean over batches, and in
how many of them OT leads. Neither has an interval:

* "script": images in [0, 1] at t = 0, published protocol;
* "own space": images in [-1, 1], the space that the network was trained in;
* "noise": standard normal noise, which is what a flow has at t = 0;
* "same tensors": the protocol "weights";
* "samples": the flow is integrated from that noise, and what is compared are its ends.
"""

# matplotlib types its keyword arguments as unknown.
# pyright: reportUnknownMemberType=false

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from torch import Tensor

from experiments.framework.experiment import Cell, Experiment
from experiments.framework.flow_runs import FlowRun, flow_report, output_runs, skipped_runs
from experiments.framework.panels import leave_out, name_columns
from experiments.framework.table import Row, Table
from fmq_theory.checkpoint import load_flow
from fmq_theory.flow import TorchField
from fmq_theory.flow.fidelity import RealData, batch_psnr, read_real_data
from fmq_theory.flow.published_protocol import quantize_by_protocol
from fmq_theory.flow.shared_noise import run_samples
from fmq_theory.flow.velocity_measure import network_outputs
from fmq_theory.metrics import mean_estimate
from fmq_theory.report.base.direct_labels import EndLabel, label_ends
from fmq_theory.report.base.scheme_styles import style_of
from fmq_theory.report.base.style import PAGE_WIDTH, heading

__all__ = ["EXPERIMENT", "STEPS"]

_MEASURES = {"psnr_db": "PSNR (dB)", "ssim": "SSIM", "latent_std_ratio": "latent ratio"}
_LEAST = {"psnr_db": -15.0, "ssim": -0.1, "latent_std_ratio": 0.2}
_MOST = {"psnr_db": 80.0, "ssim": 1.05, "latent_std_ratio": 8.0}
"""What the figures show: a network that has lost everything would hide all the others."""
STEPS = ("script", "own space", "noise", "same tensors", "samples")
_OT, _RIVALS = "equal_mass", ("uniform", "pwl", "log2")
_STEP_BITS = (2, 3)


@dataclass(frozen=True, slots=True)
class Config:
    """Settings; those of the outputs are the words of ``fmq flow`` in ``framework/flow_runs.py``.

    Attributes:
        is_quick: the bundled model alone, few images.
        batch: images that are compared as one, for the steps.
        batches: of them.
        steps: of the sampler, midpoint.
        seed: of the noise.
    """

    is_quick: bool = False
    batch: int = 64
    batches: int = 4
    steps: int = 10
    seed: int = 0

    @classmethod
    def quick(cls) -> "Config":
        """The bundled model, few images."""
        return cls(is_quick=True, batch=16, batches=3, steps=4)


def cells(config: Config) -> Sequence[Cell]:
    """The outputs of each model by each protocol; the steps of each model of images."""
    found: list[Cell] = []
    for run in output_runs(only_bundled=config.is_quick):
        model, protocol, _ = run.name.rsplit("-", 2)
        found.append({"model": model, "protocol": protocol, "digest": run.digest})
        if protocol == "published" and "--peak" not in run.options:
            found.append({"model": model, "protocol": "steps", "digest": run.digest})
    return found


def rows(config: Config, cell: Cell) -> Sequence[Row]:
    """One a scheme and bit-width; of steps, one a step, scheme and bit-width."""
    if cell["protocol"] == "steps":
        return _steps(config, _run(config, cell["model"], "published"))
    run = _run(config, cell["model"], cell["protocol"])
    report = flow_report(run, quick=config.is_quick)
    about = {
        "kind": "output",
        "model": cell["model"],
        "protocol": cell["protocol"],
        "batch": report["config"]["batch"],
        "batches": report["config"]["batches"],
        "dimensions": report["full_precision"]["latent_dimensions"],
    }
    return [{**about, **_output(row)} for row in report["rows"]]


def _run(config: Config, model: str, protocol: str) -> FlowRun:
    name = f"{model}-{protocol}-outputs"
    return next(run for run in output_runs(only_bundled=config.is_quick) if run.name == name)


def _output(row: Row) -> Row:
    found = {key: row[key] for key in ("scheme", "bits", "effective_bits", "mse", "latent_whole_ratio")}
    for key in _MEASURES:
        batches = row["by_batch"].get(key) or [None]
        found |= {key: row[key], f"{key}_first": batches[0]}
    return found


def _steps(config: Config, run: FlowRun) -> Sequence[Row]:
    model = load_flow(run.path, run.factory)
    count = config.batch * config.batches
    options = dict(zip(run.options[::2], run.options[1::2], strict=True))
    images = read_real_data(
        options["--images"],
        model.sample_shape,
        labels=options.get("--labels"),
        fit=options.get("--fit", "exact"),
    ).first(count)
    generator = torch.Generator().manual_seed(config.seed)
    field = model.field(count, generator).with_condition(images.condition)
    noise = model.noise(count, generator)
    found: list[Row] = []
    for step in STEPS:
        protocol = "published" if step in STEPS[:3] else "weights"
        exact = _answers(config, field, images, noise, step)
        for bits in _STEP_BITS:
            scores: dict[str, list[float]] = {}
            for scheme in (_OT, *_RIVALS):
                quantized = quantize_by_protocol(field, scheme, bits, protocol).field
                answers = _answers(config, quantized, images, noise, step)
                scores[scheme] = [
                    batch_psnr(one, other, 1.0)
                    for one, other in zip(
                        answers.chunk(config.batches), exact.chunk(config.batches), strict=True
                    )
                ]
            for scheme, values in scores.items():
                mean = mean_estimate(values)
                leads = [ot - value for ot, value in zip(scores[_OT], values, strict=True)]
                found.append(
                    {
                        "kind": "step",
                        "model": run.name.rsplit("-", 2)[0],
                        "step": step,
                        "scheme": scheme,
                        "bits": bits,
                        "psnr_db": mean.value,
                        "lead_db": mean_estimate(leads).value,
                        "batches_ahead": sum(lead > 0.0 for lead in leads),
                    }
                )
    return found


def _answers(config: Config, field: TorchField, images: RealData, noise: Tensor, step: str) -> Tensor:
    """What is compared in a step."""
    if step == "samples":
        return run_samples(field, noise, config.steps, "midpoint", rows=config.batch).end
    x = images.x if step == "script" else 2.0 * images.x - 1.0 if step == "own space" else noise
    return network_outputs(field, x.to(field.dtype), config.batch, None).velocity


def skipped(config: Config) -> Sequence[str]:
    """What this machine does not have."""
    return [] if config.is_quick else skipped_runs()


def plot(table: Table) -> Mapping[str, Figure]:
    """The measures over bits by each protocol; and the lead of OT from step to step."""
    found: dict[str, Figure] = {}
    for name, protocol in (("", "published"), ("weights", "weights")):
        if len(part := table.where(kind="output", protocol=protocol)):
            found[name] = _measures(part, protocol)
    if len(steps := table.where(kind="step")):
        found["steps"] = _leads(steps)
    return found


def _measures(table: Table, protocol: str) -> Figure:
    models = table.values("model")
    figure = Figure(figsize=(PAGE_WIDTH, 1.9 * len(models) + 0.5), layout="constrained")
    panels = figure.subplots(len(models), len(_MEASURES), squeeze=False, sharex=True)
    for line, model in zip(panels, models, strict=True):
        part = table.where(model=model)
        ends: list[EndLabel] = []
        for axes, key in zip(line, _MEASURES, strict=True):
            if not any(math.isfinite(value) for value in part.numbers(key)):
                leave_out(axes, "no images")
                continue
            ends = _curves(axes, part, key)
            axes.set_ylabel(_MEASURES[key])
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        line[0].set_title(model, loc="left", fontsize=9)
        label_ends(line[-1], ends, height=1.5, size=7.0)
    name_columns(panels, "bits of a code")
    words = "every tensor, as the scripts do" if protocol == "published" else "weights alone, like for like"
    heading(
        figure,
        f"One network output at t = 0 on real data against full precision's; {words}. Means "
        f"over batches. PSNR cut at {_LEAST['psnr_db']:g} and {_MOST['psnr_db']:g} dB",
    )
    return figure


def _curves(axes: Axes, table: Table, key: str) -> list[EndLabel]:
    if key == "latent_std_ratio":
        axes.axhspan(0.5, 2.0, color="0.93", linewidth=0, zorder=0)
        axes.set_yscale("log", base=2)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ends: list[EndLabel] = []
    for scheme in table.values("scheme"):
        part, seen = table.where(scheme=scheme), style_of(scheme)
        bits, values = part.numbers("bits"), part.numbers(key)
        axes.plot(bits, values, marker=seen.marker, markersize=3.2, linewidth=1.0, color=seen.colour)
        ends.append(EndLabel(seen.short, bits[-1], values[-1], seen.colour))
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, _LEAST[key]), min(high, _MOST[key]))
    return ends


def _leads(table: Table) -> Figure:
    """A panel a model and bit-width: the lead of OT over each rival, step by step."""
    models = table.values("model")
    figure = Figure(figsize=(PAGE_WIDTH, 2.3 * len(models) + 0.5), layout="constrained")
    panels = figure.subplots(len(models), len(_STEP_BITS), squeeze=False, sharex=True, sharey=True)
    named: list[list[EndLabel]] = []
    for line, model in zip(panels, models, strict=True):
        ends: list[EndLabel] = []
        for axes, bits in zip(line, _STEP_BITS, strict=True):
            ends = []
            for shift, rival in zip((-0.1, 0.0, 0.1), _RIVALS, strict=True):
                part, seen = table.where(model=model, bits=bits, scheme=rival), style_of(rival)
                places = [STEPS.index(step) + shift for step in part.column("step")]
                values = part.numbers("lead_db")
                axes.plot(places, values, marker=seen.marker, markersize=4, linewidth=1.0, color=seen.colour)
                ends.append(EndLabel(f"over {seen.short}", places[-1], values[-1], seen.colour))
            axes.axhline(0.0, color="0.3", linewidth=0.8)
            axes.set_title(f"{model}, {bits} bits", loc="left", fontsize=9)
            axes.set_xticks(range(len(STEPS)), [step.replace(" ", "\n") for step in STEPS], fontsize=8)
        line[0].set_ylabel("lead of OT (dB)")
        named.append(ends)
    for line, ends in zip(panels, named, strict=True):  # now that the limits, which all share, are known
        label_ends(line[-1], ends, height=1.8, size=7.5)
    heading(
        figure,
        "From the scripts' measure to samples of the flow, one change after another: PSNR of OT (equal "
        "mass) less the rival's, mean over batches; above 0, OT is better",
    )
    return figure


EXPERIMENT = Experiment(
    "authors_measures",
    "Figures 3 and 4 by the measures of the authors' scripts, and what leads from them to samples.",
    Config,
    cells,
    rows,
    plot,
    skipped,
)
