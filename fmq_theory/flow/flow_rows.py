"""The cells of an experiment as rows: means with intervals, ready for a table or JSON."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from fmq_theory.flow.cell import BySeed, Cell
from fmq_theory.flow.flow_report import FlowReport
from fmq_theory.metrics import Estimate, mean_estimate

__all__ = [
    "FEWEST_A_SEED",
    "FEWEST_SCORES",
    "RUNGS",
    "SSIM_BITS",
    "FlowRow",
    "Spread",
    "flow_rows",
    "spread_of",
]

RUNGS = ("g0", "g1", "g2", "g3", "g4")
SSIM_BITS = 4
"""Up to here Student's interval of a mean SSIM covers 93 to 97 %; from 6 bits on it may cover below 80 %."""
FEWEST_SCORES = 192
"""From so many scores of samples on Student's interval of their mean was seen to cover 93 to 97 %."""
FEWEST_A_SEED = 16
"""From so many scores a seed on their means are near enough to normal for an interval over seeds."""

Bounds = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Spread:
    """A mean with two 95 % intervals.

    Attributes:
        value: the mean.
        samples: Student's interval over all samples, which are independent; None if a value is infinite, or
            for fewer samples than ``FEWEST_SCORES``.
        seeds: Student's interval over the seeds' means; None for one seed, or for seeds of fewer samples than
            ``FEWEST_A_SEED``.
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
        intervals: of means, by name of the attribute, {"samples": [low, high], "seeds": [low, high]}. Where
            Student's interval is known not to cover there is none: of the error's mean square, which a few
            samples make, and of SSIM from 5 bits on, where it crowds below 1 (``experiments`` coverage); ends
            are None where there are too few samples for one (see ``spread_of``).
        ladder: what is known of the bounds besides.
        lossless_share: of the weights in channels that some codebook holds without loss.
        by_batch: ``psnr_db``, ``ssim`` and ``latent_std_ratio`` of each draw of the noise, or of each batch
            of real data, in an order that is the same under every scheme.
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


def spread_of(values: BySeed) -> Spread | None:
    """Mean and intervals of a number a sample, seed by seed; None for none.

    An interval is made only where it was seen to cover (experiment ``coverage``): scores are skewed, and the
    mean of few of them with it. Seeds of one number each are batches, whose number is an average already.
    """
    if not values:
        return None
    pooled = mean_estimate([value for seed in values for value in seed])
    seeds = mean_estimate([mean_estimate(seed).value for seed in values])
    fewest = min(map(len, values))
    return Spread(
        pooled.value,
        _ends(pooled) if pooled.count >= FEWEST_SCORES or fewest == 1 else None,
        _ends(seeds) if fewest == 1 or fewest >= FEWEST_A_SEED else None,
    )


def _ends(estimate: Estimate) -> tuple[float, float] | None:
    return None if estimate.low is None or estimate.high is None else (estimate.low, estimate.high)


def _row(report: FlowReport, cell: Cell) -> FlowRow:
    squares = [value * value for seed in cell.error for value in seed]
    error = Spread(math.sqrt(mean_estimate(squares).value), None, None) if squares else None
    spreads = {
        "sample_error_rms": error,
        "psnr_db": spread_of(cell.psnr),
        "ssim": spread_of(cell.ssim),
        "latent_std": _over_seeds(cell.latent.std if cell.latent else ()),
        "latent_std_ratio": _latent_ratio(report, cell, lambda values: values.std),
        "latent_mean_ratio": _latent_ratio(report, cell, lambda values: values.mean),
    }
    uncovered = ("sample_error_rms", *(() if cell.bits <= SSIM_BITS else ("ssim",)))
    ladder = dict(cell.ladder) if cell.ladder else None
    frechet = cell.frechet
    return FlowRow(
        scheme=cell.scheme,
        bits=cell.bits,
        effective_bits=cell.effective_bits,
        mse=cell.mse,
        weight_error_norm=cell.weight_error_norm,
        **{name: None if spread is None else spread.value for name, spread in spreads.items()},  # pyright: ignore[reportArgumentType]
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
            if spread is not None and name not in uncovered
        },
        ladder=ladder,
        lossless_share=cell.lossless_share,
        by_batch=_by_batch(report, cell),
        note=cell.note,
        failed=cell.failed,
    )


def _over_seeds(values: Sequence[float]) -> Spread | None:
    if not values:
        return None
    found = mean_estimate(values)
    return Spread(found.value, None, _ends(found))


def _latent_ratio(report: FlowReport, cell: Cell, part: Callable[[Any], tuple[float, ...]]) -> Spread | None:
    ratios = _ratios(report, cell, part)
    return _over_seeds(ratios) if ratios else None


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
        "psnr_db": [mean_estimate(batch).value for batch in cell.psnr],
        "ssim": [mean_estimate(batch).value for batch in cell.ssim],
        "latent_std_ratio": _ratios(report, cell, lambda values: values.std),
    }
    return {name: values for name, values in found.items() if values}


def _rungs(ladder: dict[str, Any] | None, key: str) -> Bounds:
    known = cast("Bounds", (ladder or {}).get(key, {}))
    return {rung: known.get(rung) for rung in RUNGS}
