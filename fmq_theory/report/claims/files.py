"""The register's findings as JSON, for programs."""

from collections.abc import Sequence
from typing import Any

from fmq_theory.certify import Enclosure
from fmq_theory.claims.engine.claim import CaseResult, Finding, Quantity, Resolution
from fmq_theory.claims.engine.policy import POLICY
from fmq_theory.claims.engine.ranges import interval

__all__ = ["claims_as_json"]


def claims_as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """Everything, with enclosures as exact decimal strings."""
    return {
        "format": "fmq-claims-1",
        "policy": [part.replace("*", "").replace("`", "") for part in POLICY],
        "claims": [
            {
                "id": finding.claim.id,
                "statement": finding.claim.statement,
                "domain": finding.domain,
                "relation": f"measured {finding.claim.relation.symbol} predicted",
                "verdict": finding.verdict.name,
                "evidence": finding.evidence,
                "remark": finding.claim.remark,
                "cases": [_case(result) for result in finding.details],
                "resolution": [_resolution(found) for found in finding.resolutions],
                "negative_control": _control(finding),
            }
            for finding in findings
        ],
    }


def _resolution(found: Resolution) -> dict[str, Any]:
    return {
        "mutation": found.mutation.words,
        "by": "factor" if found.mutation.near.unit is None else "difference",
        "size": None if found.size is None else float(found.size),
        "near": found.near,
        "case": found.case,
        "near_limit": float(found.mutation.near.limit),
        "near_cases": found.near_cases,
        "cases": found.cases,
        "rescue": None if found.rescue is None else float(found.rescue),
    }


def _control(finding: Finding) -> dict[str, Any] | None:
    stated, found = finding.claim.negative_control, finding.control
    if stated is None:
        return None
    return {
        "mutation": stated.mutation,
        "reason": stated.reason,
        "verdict": None if found is None else found.verdict.name,
        "caught": None if found is None else found.caught,
        "evidence": None if found is None else found.evidence,
    }


def _case(result: CaseResult) -> dict[str, Any]:
    return {
        "case": result.case,
        "holds": result.holds,
        "proven": result.rigorous,
        "measured": _quantity(result.measured),
        "predicted": _quantity(result.predicted),
    }


def _quantity(quantity: Quantity) -> dict[str, Any]:
    if isinstance(quantity, Enclosure):
        return {"kind": "enclosure", **quantity.rounded(40).to_json()}
    ends = interval(quantity)
    if isinstance(quantity, (int, float)):
        return {"kind": "float", "value": None if ends is None else quantity}
    low, high = (None, None) if ends is None else (float(ends[0]), float(ends[1]))
    return {
        "kind": "estimate",
        "of": quantity.of,
        "value": quantity.value,
        "low": low,
        "high": high,
        "count": quantity.count,
        "confidence": quantity.confidence,
    }
