"""A flow experiment as JSON and CSV, for programs and for ``fmq claims --fidelity``."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from fmq_theory.claims.comparison.flow_verdict import (
    MEASURES,
    flow_verdict,
    winners_at_bits,
    winners_within_budget,
)
from fmq_theory.flow.flow_report import FlowReport
from fmq_theory.flow.flow_rows import RUNGS, FlowRow, flow_rows
from fmq_theory.metrics import mean_estimate
from fmq_theory.report.base.environment import environment
from fmq_theory.report.base.files import write_rows, write_text_atomically
from fmq_theory.shown import csv_text, json_text, plain_values

__all__ = ["flow_as_json", "write_flow_csv", "write_flow_json"]

_NESTED = ("bounds", "tightness", "intervals", "ladder", "by_batch", "frechet_by_seed")
_LINE_BY_LINE = ("rows", "layers", "winners_at_bits", "winners_at_effective_bits", "verdict")
_WORDS = ("assumptions", "grade")
_DIGITS = 8
"""Significant digits; samples differ in the last ones from machine to machine."""


def flow_as_json(report: FlowReport) -> dict[str, Any]:
    """The report as plain JSON values: None is null, an infinite quantity the string "inf"."""
    full, rows = report.full, flow_rows(report)
    latent, sampler = full.latent, full.convergence
    return _rounded(
        {
            "format": "fmq-flow-1",
            "subject": report.subject,
            "measure": report.measure,
            "config": report.config,
            "sample_shape": list(report.sample_shape),
            "data_range": report.data_range,
            "ssim_window": report.ssim_window,
            "features": report.features,
            "full_precision": {
                "sample_rms": full.sample_rms,
                "discretisation_error_rms_hat": (
                    None if sampler is None else sampler.error_rms_hat * report.dimension**0.5
                ),
                "converged": None if sampler is None else sampler.converged,
                "latent_std": None if latent is None else mean_estimate(latent.std).value,
                "latent_mean": None if latent is None else mean_estimate(latent.mean).value,
                "latent_collapsed": None if latent is None else max(latent.collapsed),
                "latent_dimensions": None if latent is None else latent.dimensions,
                "latent_whole_std": None if latent is None else latent.whole_std,
                "frechet_to_data": full.frechet_to_data,
                "images": full.images or None,
            },
            "intervals_of": "mean PSNR and SSIM of samples, Student's at 95 %; of a lead: the median of "
            "pairs, from one order statistic to another, at lead_confidence",
            "rungs": _rungs(rows),
            "rows": [_without_words(dataclasses.asdict(row)) for row in rows],
            "layers_of": report.layers_of,
            "layers": [dataclasses.asdict(layer) for layer in report.layers],
            "winners_at_bits": _winners(report, within_budget=False),
            "winners_at_effective_bits": _winners(report, within_budget=True),
            "verdict": list(flow_verdict(report)),
            "environment": environment(),
        }
    )


def write_flow_json(report: FlowReport, path: Path) -> None:
    """Writes the report to ``path``, whole or not at all: a line a row."""
    parts: list[str] = []
    for key, value in flow_as_json(report).items():
        text = json_text(value, indent=None)
        if key in _LINE_BY_LINE:
            lines = ",\n".join(f"  {json_text(item, indent=None)}" for item in value)
            text = f"[\n{lines}\n ]"
        parts.append(f" {json.dumps(key)}: {text}")
    write_text_atomically(path, "{\n" + ",\n".join(parts) + "\n}\n")


def write_flow_csv(report: FlowReport, path: Path) -> None:
    """Writes the rows to ``path``, whole or not at all; absent values are empty."""
    rows = [_flat(row) for row in flow_rows(report)]
    write_rows(path, list(dict.fromkeys(name for row in rows for name in row)), rows)


def _flat(row: FlowRow) -> Mapping[str, Any]:
    flat = {key: value for key, value in dataclasses.asdict(row).items() if key not in _NESTED}
    flat |= {f"bound_{rung}": row.bounds[rung] for rung in RUNGS}
    flat |= {f"tightness_{rung}": row.tightness[rung] for rung in RUNGS}
    for name, intervals in row.intervals.items():
        for over, ends in intervals.items():
            flat[f"{name}_{over}_low"], flat[f"{name}_{over}_high"] = ends or (None, None)
    named = {key: csv_text(value) if isinstance(value, str) else value for key, value in flat.items()}
    return plain_values(named)


def _winners(report: FlowReport, *, within_budget: bool) -> list[dict[str, Any]]:
    find = winners_within_budget if within_budget else winners_at_bits
    return [
        {**dataclasses.asdict(winner), "decided": winner.decided}
        for measure in MEASURES
        for winner in find(report, measure)
    ]


def _rungs(rows: Sequence[FlowRow]) -> dict[str, Any]:
    """What each rung assumes and how sure it is; the same in every row, so it is said once."""
    ladder = next((row.ladder for row in rows if row.ladder), None)
    return {} if ladder is None else {key: ladder[key] for key in _WORDS if key in ladder}


def _without_words(row: dict[str, Any]) -> dict[str, Any]:
    ladder = row["ladder"]
    if ladder is not None:
        row["ladder"] = {key: value for key, value in ladder.items() if key not in _WORDS}
    return row


def _rounded(value: Any) -> Any:
    """JSON values with as many digits as mean something."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in cast("list[Any]", value)]
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.{_DIGITS}g}")
    return plain_values(value)
