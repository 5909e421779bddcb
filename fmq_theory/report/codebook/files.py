"""The oracle's answers as JSON, for programs."""

from collections.abc import Sequence
from typing import Any

from fmq_theory.certify import Enclosure
from fmq_theory.claims.oracle.design import CodebookReport
from fmq_theory.claims.oracle.table_check import Mending, TableReport
from fmq_theory.report.codebook.words import judgement

__all__ = ["codebook_as_json", "table_as_json"]


def codebook_as_json(report: CodebookReport) -> dict[str, Any]:
    """Enclosures as exact decimal strings, and the certificate that a second program verifies."""
    places = report.digits
    return {
        "format": "fmq-codebook-2",
        "source": report.source,
        "deviation": str(report.deviation),
        "digits": places,
        "criterion": report.criterion,
        "num_levels": report.num_levels,
        "verdict": report.verdict,
        "proof": report.proof,
        "levels": _json_list(report.levels, places),
        "thresholds": _json_list(report.thresholds, places),
        "distortion": _json(report.distortion, places),
        "least_of_kind": _json(report.least_of_kind, places),
        "optimum": _json(report.optimum, places),
        "entropy_bits": _json(report.entropy_bits, places),
        "shannon_at_levels": _json(report.shannon_at_levels, places),
        "shannon_at_entropy": _json(report.shannon_at_entropy, places),
        "certificate": report.certificate,
    }


def table_as_json(report: TableReport) -> dict[str, Any]:
    """The check, enclosures as exact decimal strings."""
    return {
        "format": "fmq-table-check-2",
        "table": report.table.name,
        "source": report.source,
        "num_levels": len(report.table.levels),
        "scaled_by": None if report.scaled_by is None else _json(report.scaled_by.factor),
        "verdict": judgement(report),
        "distortion": _json(report.distortion),
        "nearest_distortion": _json(report.nearest_distortion),
        "optimum": _json(report.optimum.value),
        "optimum_verdict": report.optimum.verdict,
        "optimum_proof": report.optimum.proof,
        "excess": _json(report.excess),
        "centroid_defects": [None if defect is None else _json(defect) for defect in report.centroid_defects],
        "threshold_defects": [str(defect) for defect in report.threshold_defects],
        "failing_levels": list(report.bad_levels),
        "failing_thresholds": list(report.bad_thresholds),
        "scale": _mending_json(report.scale),
        "affine": _mending_json(report.affine),
    }


def _mending_json(mending: Mending | None) -> dict[str, Any] | None:
    if mending is None:
        return None
    return {
        "factor": _json(mending.factor),
        "shift": _json(mending.shift),
        "distortion": _json(mending.distortion),
        "excess": _json(mending.excess),
        "verdict": mending.verdict,
        "proof": mending.proof,
    }


def _json(value: Enclosure, places: int = 30) -> dict[str, str]:
    return value.rounded(places).to_json()


def _json_list(values: Sequence[Enclosure], places: int) -> list[dict[str, str]]:
    return [_json(value, places) for value in values]
