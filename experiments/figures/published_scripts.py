"""The published comparison as it stands against a like-for-like one: what each difference contributes.

The advantage of OT (equal mass) over min–max uniform is 10 log10(SSE_uniform / SSE_OT), in dB. It is taken
under the published protocol and again after each of its differences is removed, one after another:

* "published": per channel along axis 0, all tensors of real numbers; OT leaves a tensor with fewer than 2^b
  numbers as it is, uniform does not;
* "same tensors": what one of them leaves out, both leave out;
* "weights": tensors with fewer than two dimensions (biases, scales of norms) are left out;
* "lossy": channels of at most 2^b weights are left out, which a codebook of 2^b levels holds without loss;
* "same size": uniform may spend what OT does with its codebooks counted; its error between two bit-widths,
  and beyond the last, is taken on the line of its logarithm.

The changes add up to the whole by construction. The scripts' facts are those of theory.md, section 0. Both
schemes are the published rules in float32 (``published:equal_mass``, ``published:uniform``).
"""

# matplotlib types its keyword arguments as unknown.
# pyright: reportUnknownMemberType=false

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.framework.experiment import Cell, Experiment
from experiments.framework.flow_runs import flow_cells, flow_run, skipped_runs
from experiments.framework.panels import blocks
from experiments.framework.similar import Sampled
from experiments.framework.table import Row, Table
from fmq_theory import quantize
from fmq_theory.checkpoint import read_tensors
from fmq_theory.flow.published_protocol import script_leaves
from fmq_theory.metrics import mean_estimate
from fmq_theory.report.base.style import heading

__all__ = ["EXPERIMENT", "STEPS", "Channels", "advantages", "uniform_at_size"]

STEPS = ("published", "same tensors", "weights", "lossy", "same size")
_LOOKS = (
    ("#999999", "x", "published: as the scripts do it"),
    ("#56B4E9", "s", "same tensors: OT leaves small ones\nas they are; now uniform does too"),
    ("#0072B2", "o", "weights: biases and norms left out"),
    ("#E69F00", "^", "lossy: channels that the codebook\nholds without loss left out"),
    ("#D55E00", "v", "same size: uniform may spend\nwhat OT's codebooks take"),
)
"""Colour, marker and explanation of each step."""
_SAMPLED_STEPS = STEPS[:3]
_LEAST_DB = -40.0
"""What the figure shows; at many bits codebooks cost so much that uniform is ahead by far more."""
_OT, _UNIFORM = "published:equal_mass", "published:uniform"


@dataclass(frozen=True, slots=True)
class Config:
    """Settings."""

    bits: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8)
    samples: int = 32
    only_bundled: bool = False
    seed: int = 0

    @classmethod
    def quick(cls) -> "Config":
        """The bundled model, few samples."""
        return cls(bits=(2, 3, 4), samples=8, only_bundled=True)


@dataclass(frozen=True, slots=True)
class Channels:
    """All channels of a model under one scheme and bit-width; arrays of shape ``[channels]``.

    Attributes:
        sse: sum of squared errors.
        size: weights of the channel.
        cost: bits that its codes and its codebook take.
        tensor_size: numbers of the tensor that it belongs to.
        ndim: dimensions of that tensor.
    """

    sse: np.ndarray
    size: np.ndarray
    cost: np.ndarray
    tensor_size: np.ndarray
    ndim: np.ndarray


def cells(config: Config) -> Sequence[Cell]:
    """One a model."""
    return flow_cells(only_bundled=config.only_bundled)


def rows(config: Config, cell: Cell) -> Sequence[Row]:
    """One a bit-width and step."""
    run = flow_run(cell)
    tensors = {one.name: one.array for one in read_tensors(run.path, min_ndim=0).tensors}
    uniform = {b: _channels(tensors, _UNIFORM, b) for b in range(1, 9)}
    sampled = Sampled(run, config.samples, config.seed)
    made: list[Row] = []
    for b in config.bits:
        ot = _channels(tensors, _OT, b)
        before = None
        for step, advantage in advantages(ot, uniform, b).items():
            row: dict[str, object] = {
                "model": run.name,
                "bits": b,
                "step": step,
                "advantage_db": advantage,
                "change_db": None if before is None or advantage is None else advantage - before,
            }
            if step in _SAMPLED_STEPS:
                row |= _psnr(sampled, tensors, b, step)
            made.append(row)
            before = advantage
    return made


def _channels(tensors: Mapping[str, np.ndarray], scheme: str, bits: int) -> Channels:
    columns: list[list[np.ndarray]] = [[], [], [], [], []]
    for array in tensors.values():
        found = quantize(array, scheme, bits)
        difference = array.astype(np.float64) - found.dequantize().astype(np.float64)
        rows = difference.reshape(1, -1) if array.ndim < 2 else difference.reshape(len(array), -1)
        count = np.full(len(rows), rows.shape[1])
        side = (found.effective_bits - bits) * array.size / len(rows)
        for column, values in zip(
            columns,
            (
                np.square(rows).sum(axis=1),
                count,
                bits * count + side,
                np.full(len(rows), array.size),
                np.full(len(rows), array.ndim),
            ),
            strict=True,
        ):
            column.append(np.asarray(values, dtype=np.float64))
    return Channels(*(np.concatenate(column) for column in columns))


def advantages(ot: Channels, uniform: Mapping[int, Channels], bits: int) -> dict[str, float | None]:
    """dB of each step; None where one of both has no error, so that there is no ratio."""
    levels, own = 2**bits, uniform[bits]
    enough = ot.tensor_size >= levels
    weights = enough & (ot.ndim >= 2)
    lossy = weights & (ot.size > levels)
    everything = np.ones_like(enough)
    pairs: dict[str, tuple[float, float]] = {
        "published": (_sum(own, everything), _sum(ot, enough)),
        "same tensors": (_sum(own, enough), _sum(ot, enough)),
        "weights": (_sum(own, weights), _sum(ot, weights)),
        "lossy": (_sum(own, lossy), _sum(ot, lossy)),
        "same size": (uniform_at_size(uniform, lossy, float(ot.cost[lossy].sum())), _sum(ot, lossy)),
    }
    return {step: 10.0 * math.log10(u / o) if u > 0.0 and o > 0.0 else None for step, (u, o) in pairs.items()}


def uniform_at_size(uniform: Mapping[int, Channels], chosen: np.ndarray, cost: float) -> float:
    """SSE of uniform at a cost in bits, on the line of its logarithm between bit-widths and beyond them."""
    if not chosen.any():
        return 0.0
    bits = sorted(uniform)
    sizes = [float(uniform[b].cost[chosen].sum()) for b in bits]
    errors = [math.log2(max(_sum(uniform[b], chosen), 1e-300)) for b in bits]
    right = min(max(int(np.searchsorted(sizes, cost)), 1), len(bits) - 1)
    left = right - 1
    slope = (errors[right] - errors[left]) / (sizes[right] - sizes[left])
    return 2.0 ** (errors[left] + slope * (cost - sizes[left]))


def _sum(channels: Channels, chosen: np.ndarray) -> float:
    return math.fsum(channels.sse[chosen].tolist())


def _psnr(
    sampled: Sampled, tensors: Mapping[str, np.ndarray], bits: int, step: str
) -> dict[str, float | None]:
    """Mean PSNR of both, and of OT less uniform; the samples are too few for an interval."""
    found: dict[str, list[float]] = {}
    for scheme in (_UNIFORM, _OT):
        changed: dict[str, torch.Tensor] = {}
        for name, array in tensors.items():
            # Beyond the first step uniform leaves what the others leave.
            rule = (scheme if step == "published" else _OT).removeprefix("published:")
            if script_leaves(rule, array.size, bits) or (step == "weights" and array.ndim < 2):
                continue
            changed[name] = torch.from_numpy(np.array(quantize(array, scheme, bits).dequantize()))
        found[scheme] = sampled.psnr(changed)
    leads = [ot - u for u, ot in zip(found[_UNIFORM], found[_OT], strict=True)]
    return {
        "psnr_uniform": mean_estimate(found[_UNIFORM]).value,
        "psnr_ot": mean_estimate(found[_OT]).value,
        "psnr_lead": mean_estimate(leads).value,
    }


def skipped(config: Config) -> Sequence[str]:
    """What this machine does not have."""
    return [] if config.only_bundled else skipped_runs()


def plot(table: Table) -> Mapping[str, Figure]:
    """Above: the advantage in the weights after each step. Below: in the samples."""
    models = table.values("model")
    made = blocks(models, 2)
    for model, (above, below) in made.panels.items():
        for step, (colour, marker, words) in zip(STEPS, _LOOKS, strict=True):
            part = table.where(model=model, step=step)
            above.plot(
                part.numbers("bits"), part.numbers("advantage_db"), color=colour, marker=marker,
                markersize=3.5, linewidth=1.0, label=words,
            )  # fmt: skip
            if step in _SAMPLED_STEPS:
                below.plot(
                    part.numbers("bits"), part.numbers("psnr_lead"), color=colour, marker=marker,
                    markersize=3.5, linewidth=1.0,
                )  # fmt: skip
        for axes in (above, below):
            axes.axhline(0.0, color="0.3", linewidth=0.8)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        above.set_ylim(_LEAST_DB, 8.0)
        above.set_title(model, loc="left")
        below.set_xlabel("bits of a code")
        if model in made.first:
            above.set_ylabel("weights (dB)")
            below.set_ylabel("samples (dB)")
    handles, labels = made.panels[models[0]][0].get_legend_handles_labels()
    title = "Each step keeps those before it"
    if made.spare is None:
        made.figure.legend(handles, labels, loc="outside lower center", ncols=2, title=title)
    else:
        made.spare.legend(handles, labels, loc="upper left", title=title, alignment="left", labelspacing=0.9)
    heading(
        made.figure,
        f"Above 0: OT is better. Weights: 10 log10 SSE uniform / SSE OT, cut at {_LEAST_DB:g} dB. "
        "Samples: PSNR of OT less uniform's, for the first three steps",
    )
    return {"": made.figure}


EXPERIMENT = Experiment(
    "published_scripts",
    "The published comparison against a like-for-like one: what each difference contributes.",
    Config,
    cells,
    rows,
    plot,
    skipped,
)
