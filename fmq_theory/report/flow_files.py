"""A flow experiment as JSON and CSV, for programs and for ``fmq claims --fidelity``."""

import csv
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fmq_theory.claims.flow_verdict import MEASURES, flow_verdict, winners_at_bits, winners_within_budget
from fmq_theory.flow.experiment import FlowReport
from fmq_theory.flow.flow_rows import RUNGS, FlowRow, flow_rows
from fmq_theory.metrics import mean_estimate
from fmq_theory.report.files import write_atomically, write_text_atomically
from fmq_theory.report.machine_readable import environment, plain_values

__all__ = ["flow_as_json", "write_flow_csv", "write_flow_json"]

_NESTED = ("bounds", "tightness", "intervals", "ladder")


def flow_as_json(report: FlowReport) -> dict[str, Any]:
    """The report as plain JSON values: None is null, an infinite quantity the string "inf"."""
    full = report.full
    latent = full.latent
    return plain_values(
        {
            "format": "fmq-flow-1",
            "subject": report.subject,
            "config": report.config,
            "sample_shape": list(report.sample_shape),
            "data_range": report.data_range,
            "ssim_window": report.ssim_window,
            "features": report.features,
            "full_precision": {
                "sample_rms": full.sample_rms,
                "discretisation_error_rms_hat": full.convergence.error_rms_hat * report.dimension**0.5,
                "converged": full.convergence.converged,
                "latent_std": None if latent is None else mean_estimate(latent.std).value,
                "latent_mean": None if latent is None else mean_estimate(latent.mean).value,
                "latent_collapsed": None if latent is None else max(latent.collapsed),
                "latent_dimensions": None if latent is None else latent.dimensions,
                "frechet_to_data": full.frechet_to_data,
            },
            "rows": [dataclasses.asdict(row) for row in flow_rows(report)],
            "layers_of": report.layers_of,
            "layers": [dataclasses.asdict(layer) for layer in report.layers],
            "winners_at_bits": _winners(report, within_budget=False),
            "winners_at_effective_bits": _winners(report, within_budget=True),
            "verdict": list(flow_verdict(report)),
            "environment": environment(),
        }
    )


def write_flow_json(report: FlowReport, path: Path) -> None:
    """Writes the report to ``path``, whole or not at all."""
    write_text_atomically(path, json.dumps(flow_as_json(report), indent=1, allow_nan=False) + "\n")


def write_flow_csv(report: FlowReport, path: Path) -> None:
    """Writes the rows to ``path``, whole or not at all; absent values are empty."""
    rows = [_flat(row) for row in flow_rows(report)]

    def write(place: Path) -> None:
        with place.open("w", newline="", encoding="utf-8") as file:
            names = list(dict.fromkeys(name for row in rows for name in row))
            table = csv.DictWriter(file, names)
            table.writeheader()
            table.writerows(rows)

    write_atomically(path, write)


def _flat(row: FlowRow) -> Mapping[str, Any]:
    flat = {key: value for key, value in dataclasses.asdict(row).items() if key not in _NESTED}
    flat |= {f"bound_{rung}": row.bounds[rung] for rung in RUNGS}
    flat |= {f"tightness_{rung}": row.tightness[rung] for rung in RUNGS}
    for name, intervals in row.intervals.items():
        for over, ends in intervals.items():
            flat[f"{name}_{over}_low"], flat[f"{name}_{over}_high"] = ends or (None, None)
    return plain_values(flat)


def _winners(report: FlowReport, *, within_budget: bool) -> list[dict[str, Any]]:
    find = winners_within_budget if within_budget else winners_at_bits
    return [
        {**dataclasses.asdict(winner), "decided": winner.decided}
        for measure in MEASURES
        for winner in find(report, measure)
    ]
