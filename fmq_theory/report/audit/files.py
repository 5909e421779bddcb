"""An audit as JSON and CSV, for programs."""

from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from fmq_theory.checkpoint.audit.result import Audit, AuditCell
from fmq_theory.report.base.environment import environment
from fmq_theory.report.base.files import write_rows
from fmq_theory.shown import csv_text, plain_values

__all__ = ["audit_as_json", "write_audit_csv"]

_WHOLE = "*"
_ABOUT = (
    "granularity",
    "codebooks",
    "weights_per_codebook",
    "excess_kurtosis",
    "max_over_sigma",
    "tail",
    "theory_applies",
    "crossover_bits",
    "rho_w2",
    "rho_em",
)


def audit_as_json(audit: Audit) -> dict[str, Any]:
    """Everything, with the versions and the machine it was measured on."""
    return {**audit.as_json(), "environment": environment()}


def write_audit_csv(audit: Audit, path: Path) -> None:
    """Writes a line a tensor, scheme and bit-width, then the sums as tensor ``*``; whole or not at all."""
    columns = ["tensor", *(field.name for field in fields(AuditCell)), *_ABOUT]
    write_rows(path, columns, _rows(audit))


def _rows(audit: Audit) -> Iterator[dict[str, Any]]:
    for tensor in audit.tensors:
        ratios = {ratio.bits: ratio for ratio in tensor.ratios}
        about = {
            "granularity": tensor.granularity,
            "codebooks": tensor.codebooks,
            "weights_per_codebook": tensor.weights_per_codebook,
            "excess_kurtosis": tensor.spread.excess_kurtosis,
            "max_over_sigma": tensor.spread.max_over_sigma,
            "tail": tensor.spread.tail.kind,
            "theory_applies": tensor.spread.tail.theory_applies,
            "crossover_bits": tensor.crossover_bits,
        }
        for cell in tensor.cells:
            ratio = ratios[cell.bits]
            yield plain_values(
                {
                    "tensor": csv_text(tensor.name),
                    **asdict(cell),
                    **about,
                    "rho_w2": ratio.rho_w2,
                    "rho_em": ratio.rho_em,
                }
            )
    totals = audit.totals
    ratios = {ratio.bits: ratio for ratio in totals.ratios}
    for cell in totals.cells:
        ratio = ratios[cell.bits]
        yield plain_values(
            {
                "tensor": _WHOLE,
                **asdict(cell),
                "crossover_bits": totals.crossover_bits,
                "rho_w2": ratio.rho_w2,
                "rho_em": ratio.rho_em,
            }
        )
