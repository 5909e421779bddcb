"""A comparison as JSON or CSV, for programs."""

import csv
import dataclasses
import json
import math
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

from fmq_theory.claims.comparison import Comparison, Row
from fmq_theory.report.files import write_atomically, write_text_atomically

__all__ = ["comparison_as_json", "environment", "plain_values", "write_csv", "write_json"]

_PACKAGES = ("fmq_theory", "numpy", "scipy", "numba", "POT", "torch")


def comparison_as_json(comparison: Comparison) -> dict[str, Any]:
    """The report as plain JSON values: None is null, an infinite quantity the string "inf"."""
    report: dict[str, Any] = {
        "subject": comparison.subject,
        "config": comparison.config,
        "rows": [dataclasses.asdict(row) for row in comparison.rows],
        "ratios": [dataclasses.asdict(row) for row in comparison.ratios],
        "crossover_bits": comparison.crossover_bits,
        "crossover_bits_lo": None if comparison.crossover is None else comparison.crossover.low,
        "crossover_bits_hi": None if comparison.crossover is None else comparison.crossover.high,
        "intervals": _intervals(comparison),
        "verdict": comparison.verdict,
        "shannon": [{"bits": bits, "distortion": value} for bits, value in comparison.shannon],
        "tensors": [dataclasses.asdict(row) for row in comparison.tensors],
        "skipped": [{"name": name, "reason": reason} for name, reason in comparison.skipped],
        "notes": list(comparison.notes),
        "environment": environment(),
    }
    return plain_values(report)


def _intervals(comparison: Comparison) -> dict[str, Any]:
    """What the ``_lo`` and ``_hi`` of rows, ratios and b* are ends of."""
    if not comparison.layer_ratios:
        return {"of": "value", "confidence": 1.0, "method": "data are known exactly"}
    return {"of": "median", "confidence": 0.95, "method": "interpolated order statistics of the drawn layers"}


def write_json(comparison: Comparison, path: Path) -> None:
    """Writes the report to ``path``, whole or not at all."""
    text = json.dumps(comparison_as_json(comparison), indent=1, allow_nan=False) + "\n"
    write_text_atomically(path, text)


def write_csv(comparison: Comparison, path: Path) -> None:
    """Writes the rows (scheme by bits) to ``path``, whole or not at all; absent values are empty."""

    def write(place: Path) -> None:
        with place.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, [field.name for field in dataclasses.fields(Row)])
            table.writeheader()
            table.writerows(plain_values(dataclasses.asdict(row)) for row in comparison.rows)

    write_atomically(path, write)


def plain_values(value: Any) -> Any:
    """JSON values: nan is None, an infinite number the string "inf"."""
    if isinstance(value, dict):
        return {key: plain_values(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [plain_values(item) for item in cast("list[Any]", value)]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


def environment() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
