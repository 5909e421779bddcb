"""Comparisons as JSON and CSV, for programs."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fmq_theory.checkpoint.compare.result import FileScore
from fmq_theory.report.base.environment import environment
from fmq_theory.report.base.files import write_rows
from fmq_theory.shown import csv_text, plain_values

__all__ = ["scores_as_json", "write_scores_csv"]

_WHOLE = "*"


def scores_as_json(scores: Sequence[FileScore]) -> dict[str, Any]:
    """Everything, with the versions and the machine it was measured on.

    Args:
        scores: of one original.
    """
    return {
        "format": "fmq-compare-1",
        "original": scores[0].original,
        "files": [score.as_json() for score in scores],
        "environment": environment(),
    }


def write_scores_csv(scores: Sequence[FileScore], path: Path) -> None:
    """Writes a line a file and layer, then the sums of a file as layer ``*``; whole or not at all.

    Args:
        scores: of one original.
        path: of the file.
    """
    rows = [row for score in scores for row in _rows(score)]
    write_rows(path, list(dict.fromkeys(name for row in rows for name in row)), rows)


def _rows(score: FileScore) -> list[dict[str, Any]]:
    named = {"file": csv_text(score.path)}
    layers: list[dict[str, Any]] = []
    for record in score.to_records():
        shape = "x".join(map(str, record.pop("shape")))
        texts = {key: csv_text(value) for key, value in record.items() if isinstance(value, str)}
        layers.append(plain_values({**named, **record, **texts, "shape": shape}))
    totals = asdict(score.totals)
    known = {key: value for key, value in totals.items() if key in layers[0]}
    return [*layers, plain_values({**named, "name": _WHOLE, "format": csv_text(score.formats[0]), **known})]
