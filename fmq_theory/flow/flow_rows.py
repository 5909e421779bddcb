"""The cells of an experiment as rows: means with intervals, ready for a table or JSON."""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from fmq_theory.flow.cell import BySeed, Cell
from fmq_theory.flow.flow_report import FlowReport
from fmq_theory.metrics import INTERVAL_KINDS, mean_estimate, printed_interval

__all__ = [
    "RUNGS",
    "FlowRow",
    "Spread",
    "flow_rows",
    "spread_of",
]

RUNGS = ("g0", "g1", "g2", "g3", "g4")

Bounds = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Spread:
    """A mean with two 95 % intervals.

    Attributes:
        value: the mean.
        samples: over all samples, which are independent: the kind "mean" of ``INTERVAL_KINDS``. None where
            that kind has none, or a value is infinite.
        seeds: over the seeds' means: the kind "seeds".
    """

    value: float
    samples: tuple[float, float] | None
    seeds: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class FlowRow:
    """One scheme at one bit-width; None is what does not exist.

    Attributes:
        scheme: name.
        bits: per code.
        effective_bits: bits a quantized weight, codebooks counted.
        mse: squared error a quantized weight.
        weight_error_norm: |theta_q - theta|.
        sample_error_rms: rms over samples of the Euclidean |e_1|.
        psnr_db: mean over samples.
        ssim: mean over samples.
        latent_std: standard deviation over dimensions of the latent's variance, mean over seeds.
        latent_std_ratio: to full precision's, mean over seeds.
        latent_mean_ratio: of the mean variance, to full precision's, mean over seeds.
        latent_whole_ratio: of the standard deviation, all batches of real data taken as one; None for
            samples.
        latent_collapsed: dimensions collapsed, the most in a seed.
        frechet: distance from the full-precision samples in the features.
        frechet_feature_rms: rms |phi(xhat) - phi(x)|, at least the root of ``frechet``.
        frechet_by_seed: ``frechet`` of each seed's samples alone; empty without a feature map.
        frechet_to_data: distance from the data.
        bounds: rms over the ladder's samples at t = 1; g3 is a prediction.
        tightness: median over them of bound / error.
        intervals: of mean PSNR and SSIM, by name of the attribute, {"samples": [low, high], "seeds": [low,
            high]}; ends are None where there are too few samples for one. Only what ``INTERVAL_KINDS`` has:
            none of the error's mean square, which a few samples make; none of SSIM from 5 bits on, where it
            crowds below 1; none of the latent and none of outputs on real data, whose draws and batches are
            in ``by_batch`` one by one.
        ladder: what is known of the bounds besides.
        lossless_share: of the weights in channels that some codebook holds without loss.
        by_batch: ``psnr_db``, ``ssim``, ``latent_std_ratio`` and ``latent_mean_ratio`` of each draw of the
            noise, or of each batch of real data, in an order that is the same under every scheme.
        note: why a number is missing.
        failed: whether the note is an error.
    """

    scheme: str
    bits: int
    effective_bits: float | None
    mse: float | None
    weight_error_norm: float | None
    sample_error_rms: float | None
    psnr_db: float | None
    ssim: float | None
    latent_std: float | None
    latent_std_ratio: float | None
    latent_mean_ratio: float | None
    latent_whole_ratio: float | None
    latent_collapsed: int | None
    frechet: float | None
    frechet_feature_rms: float | None
    frechet_by_seed: tuple[float, ...]
    frechet_to_data: float | None
    bounds: Bounds
    tightness: Bounds
    intervals: dict[str, dict[str, tuple[float, float] | None]]
    ladder: dict[str, Any] | None
    lossless_share: float
    by_batch: dict[str, list[float]]
    note: str
    failed: bool


def flow_rows(report: FlowReport) -> tuple[FlowRow, ...]:
    """A row a cell, in order."""
    return tuple(_row(report, cell) for cell in report.cells)


def spread_of(values: BySeed, name: str, bits: int) -> Spread | None:
    """Mean and intervals of a score of samples, seed by seed; None for none.

    An interval is made only where it was seen to cover (experiment ``coverage``): scores are skewed, and the
    mean of few of them with it.

    Args:
        values: of each sample of each seed.
        name: "psnr_db" or "ssim".
        bits: of the code.
    """
    if not values:
        return None
    pooled = mean_estimate([value for seed in values for value in seed])
    seeds = mean_estimate([mean_estimate(seed).value for seed in values])
    enough = min(map(len, values)) >= INTERVAL_KINDS["seeds"].fewest_each
    return Spread(
        pooled.value,
        printed_interval(pooled, "mean", name, bits),
        printed_interval(seeds, "seeds", name, bits) if enough else None,
    )


def _row(report: FlowReport, cell: Cell) -> FlowRow:
    squares = [value * value for seed in cell.error for value in seed]
    spreads = {name: spread_of(values, name, cell.bits) for name, values in _scores(cell).items()}
    ladder = dict(cell.ladder) if cell.ladder else None
    frechet = cell.frechet
    return FlowRow(
        scheme=cell.scheme,
        bits=cell.bits,
        effective_bits=cell.effective_bits,
        mse=cell.mse,
        weight_error_norm=cell.weight_error_norm,
        sample_error_rms=math.sqrt(mean_estimate(squares).value) if squares else None,
        **{name: None if spread is None else spread.value for name, spread in spreads.items()},
        latent_std=_mean(cell.latent.std if cell.latent else ()),
        latent_std_ratio=_mean(_ratios(report, cell, lambda values: values.std)),
        latent_mean_ratio=_mean(_ratios(report, cell, lambda values: values.mean)),
        latent_whole_ratio=_whole_ratio(report, cell),
        latent_collapsed=max(cell.latent.collapsed) if cell.latent else None,
        frechet=frechet.distance if frechet else None,
        frechet_feature_rms=frechet.feature_rms if frechet else None,
        frechet_by_seed=frechet.per_seed if frechet else (),
        frechet_to_data=frechet.to_data if frechet else None,
        bounds=_rungs(ladder, "bounds"),
        tightness=_rungs(ladder, "tightness"),
        intervals={
            name: {"samples": spread.samples, "seeds": spread.seeds}
            for name, spread in spreads.items()
            if spread is not None and _has_interval(report, name, cell.bits)
        },
        ladder=ladder,
        lossless_share=cell.lossless_share,
        by_batch=_by_batch(report, cell),
        note=cell.note,
        failed=cell.failed,
    )


def _scores(cell: Cell) -> dict[str, BySeed]:
    return {"psnr_db": cell.psnr, "ssim": cell.ssim}


def _has_interval(report: FlowReport, name: str, bits: int) -> bool:
    """Whether enough samples would have one; outputs on real data never have."""
    return report.measure == "samples" and INTERVAL_KINDS["mean"].has(name, bits, sys.maxsize)


def _mean(values: Sequence[float]) -> float | None:
    return mean_estimate(values).value if values else None


def _ratios(report: FlowReport, cell: Cell, part: Callable[[Any], tuple[float, ...]]) -> list[float]:
    full = report.full.latent
    if cell.latent is None or full is None or not all(part(full)):
        return []
    return [q / fp for q, fp in zip(part(cell.latent), part(full), strict=True)]


def _whole_ratio(report: FlowReport, cell: Cell) -> float | None:
    full = report.full.latent
    if cell.latent is None or full is None or cell.latent.whole_std is None or not full.whole_std:
        return None
    return cell.latent.whole_std / full.whole_std


def _by_batch(report: FlowReport, cell: Cell) -> dict[str, list[float]]:
    found = {
        **{name: [mean_estimate(batch).value for batch in values] for name, values in _scores(cell).items()},
        "latent_std_ratio": _ratios(report, cell, lambda values: values.std),
        "latent_mean_ratio": _ratios(report, cell, lambda values: values.mean),
    }
    return {name: values for name, values in found.items() if values}


def _rungs(ladder: dict[str, Any] | None, key: str) -> Bounds:
    known = cast("Bounds", (ladder or {}).get(key, {}))
    return {rung: known.get(rung) for rung in RUNGS}
