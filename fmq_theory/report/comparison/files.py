"""A comparison as JSON or CSV, for programs."""

import dataclasses
from pathlib import Path
from typing import Any

from fmq_theory.claims.comparison.rows import Comparison, Row
from fmq_theory.metrics import INTERVAL_KINDS
from fmq_theory.report.base.environment import environment
from fmq_theory.report.base.files import write_rows, write_text_atomically
from fmq_theory.shown import csv_text, json_text, plain_values

__all__ = ["comparison_as_json", "write_csv", "write_json"]


def comparison_as_json(comparison: Comparison) -> dict[str, Any]:
    """The report as plain JSON values: None is null, an infinite quantity the string "inf".

    Args:
        comparison: what ``compare_law`` or ``fmq bounds --checkpoint`` found.
    """
    stars = (None,) if comparison.crossover is None else comparison.crossover.ordered
    report: dict[str, Any] = {
        "subject": comparison.subject,
        "config": comparison.config,
        "rows": [dataclasses.asdict(row) for row in comparison.rows],
        "ratios": [dataclasses.asdict(row) for row in comparison.ratios],
        "crossover_bits": comparison.crossover_bits,
        "crossover_bits_least": stars[0],
        "crossover_bits_most": stars[-1],
        "intervals": _intervals(comparison),
        "verdict": comparison.verdict,
        "shannon": [{"bits": bits, "distortion": value} for bits, value in comparison.shannon],
        "tensors": [dataclasses.asdict(row) for row in comparison.tensors],
        "skipped": [{"name": name, "reason": reason} for name, reason in comparison.skipped],
        "notes": [*comparison.notes, *comparison.table_notes],
        "environment": environment(),
    }
    return plain_values(report)


def _intervals(comparison: Comparison) -> dict[str, Any]:
    """What the ``_lo`` and ``_hi`` of rows and ratios are ends of."""
    if not comparison.layer_ratios:
        return {"of": "value", "confidence": 1.0, "method": "data are known exactly"}
    return {"of": "median", "confidence": 0.95, "method": INTERVAL_KINDS["median"].method}


def write_json(comparison: Comparison, path: Path) -> None:
    """Writes the report to ``path``, whole or not at all.

    Args:
        comparison: what is written.
        path: of the file; one that is there is replaced.

    Raises:
        OutputError: the disk refused.
    """
    write_text_atomically(path, json_text(comparison_as_json(comparison), ascii_only=True) + "\n")


def write_csv(comparison: Comparison, path: Path) -> None:
    """Writes the rows (scheme by bits) to ``path``, whole or not at all; absent values are empty.

    Args:
        comparison: what is written.
        path: of the file; one that is there is replaced.

    Raises:
        OutputError: the disk refused.
    """
    columns = [field.name for field in dataclasses.fields(Row)]
    write_rows(path, columns, (_cells(dataclasses.asdict(row)) for row in comparison.rows))


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    """Names as no spreadsheet takes them for formulas; numbers as they are."""
    named = {key: csv_text(value) if isinstance(value, str) else value for key, value in row.items()}
    return plain_values(named)
