"""The register as docs/claims.md, as one self-contained page, and as JSON.

The document has no date, timing or version in it, and its numbers are rounded: the same code gives the
same bytes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment

from fmq_theory.certify import Enclosure
from fmq_theory.claims.claim import CaseResult, Finding, Quantity, Resolution, Verdict
from fmq_theory.claims.policy import POLICY
from fmq_theory.claims.ranges import interval
from fmq_theory.report.claims_words import ClaimRow, claim_rows, count_verdicts
from fmq_theory.report.files import write_text_atomically
from fmq_theory.report.names import in_page
from fmq_theory.shown import json_text

__all__ = ["claims_as_json", "claims_html", "claims_markdown", "write_claims_html", "write_claims_json"]

_HEAD = """# Claims

<!-- Written by `fmq claims --write`; do not edit. -->

What the paper claims (P1 to P8, as reconstructed: the full text was not at hand, so each claim is stated
in our words and that statement is tested) and what we claim instead (C1 ...). Each claim joins a prediction
to a measurement; the two come from rooms that do not know each other.

| verdict | means |
|---|---|
"""

_BETWEEN = """
"≤", "≥" and "=" are decided to 20 digits, because no enclosure can prove an equality. A certified or
proven number is an enclosure in ball arithmetic; statistics never earn CERTIFIED.

A verdict is worth something if a wrong claim would have been noticed. So each entry has a resolution: the
smallest change of its prediction that some case refutes, and in how many cases a change that still counts
as near (a factor of 2, unless the entry says otherwise) is refuted. Where no near change is noticed the
entry says "no resolution": its verdict then means that nothing contradicts the claim, not that much supports
it. A negative control is a prediction of another form that must fail; it counts only where it is near the
right one.

"""


def claims_markdown(findings: Sequence[Finding]) -> str:
    """docs/claims.md."""
    lines = [_HEAD.rstrip("\n")]
    lines += [f"| {verdict.name} | {verdict.value} |" for verdict in Verdict]
    lines += [
        _BETWEEN.rstrip("\n"),
        "",
        "How samples decide:",
        "",
        *(f"- {part}" for part in POLICY),
        "",
        f"{count_verdicts(findings)}.",
        "",
    ]
    lines += ["| claim | | verdict | evidence |", "|---|---|---|---|"]
    rows = claim_rows(findings)
    lines += [
        f"| [{row.id}](#{row.id.lower()}) | {row.title} | {row.verdict} | {_cell(row.evidence)} |"
        for row in rows
    ]
    for row in rows:
        # The anchor stays the identifier when the words behind it change; the site makes the same one.
        lines += ["", f'<a id="{row.id.lower()}"></a>', "", f"## {_headed(row)}", ""]
        lines += [f"{row.statement[:1].upper()}{row.statement[1:]}.", ""]
        lines += [f"- Verdict: **{row.verdict}**", f"- Domain: {row.domain}", f"- Evidence: {row.evidence}"]
        lines += [f"- {_labelled(line)}" for line in row.resolution]
        if row.control:
            lines.append(f"- Negative control: {row.control}")
        if row.kind:
            lines.append(f"- Kind: {row.kind}")
        if row.remark:
            lines.append(f"- Remark: {row.remark}")
    return "\n".join(lines) + "\n"


def _headed(row: ClaimRow) -> str:
    return f"{row.id}: {row.title}" if row.title else row.id


def _labelled(line: str) -> str:
    """A line on a claim's resolution, as an item of its own: what has one is named, what has none says so."""
    return f"Resolution: {line}" if line.startswith("would") else f"{line[:1].upper()}{line[1:]}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>fmq claims</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } td:first-child { white-space: nowrap; }
td, th { padding: .25rem .6rem; border-bottom: 1px solid #ddd; text-align: left; }
.CERTIFIED { color: #00694f; } .SUPPORTED { color: #0072b2; } .INCONCLUSIVE { color: #8a6d00; }
.REFUTED { color: #b03a00; } .VACUOUS { color: #8a4b78; } .verdict { font-weight: 600; }
details { margin: .3rem 0 1rem; } h2 { margin-bottom: .2rem; }
@media (prefers-color-scheme: dark) {
  body { background: #16181c; color: #ddd; } td, th { border-color: #444; } a { color: #8ab4f8; }
}
</style></head><body>
<h1>Claims</h1><p>{{ count }}.</p>
<table><tr><th>claim</th><th></th><th>verdict</th><th>evidence</th></tr>
{% for row in rows %}<tr><td><a href="#{{ row.id }}">{{ row.id }}</a></td><td>{{ row.title }}</td>
<td class="verdict {{ row.verdict }}">{{ row.verdict }}</td><td>{{ row.evidence }}</td></tr>
{% endfor %}</table>
{% for row in rows %}
<h2 id="{{ row.id }}">{{ headed(row) }}
<span class="{{ row.verdict }}">{{ row.verdict }}</span></h2>
<p>{{ row.statement }}.</p><ul><li>Domain: {{ row.domain }}</li>
{% for line in row.resolution %}<li>{{ labelled(line) }}</li>{% endfor %}
{% if row.control %}<li>Negative control: {{ row.control }}</li>{% endif %}
{% if row.kind %}<li>{{ row.kind }}</li>{% endif %}
{% if row.remark %}<li>{{ row.remark }}</li>{% endif %}</ul>
{% if row.cases %}<details><summary>{{ row.cases | length }} cases</summary>
<table><tr><th>case</th><th>measured</th><th>predicted</th><th>holds</th></tr>
{% for case in row.cases %}<tr>{% for cell in case %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</table></details>{% endif %}
{% endfor %}</body></html>
"""


def claims_html(findings: Sequence[Finding]) -> str:
    """One page without any outside resource."""
    template = Environment(autoescape=True, trim_blocks=True, finalize=in_page).from_string(_PAGE)
    rows = claim_rows(findings)
    return (
        template.render(count=count_verdicts(findings), rows=rows, labelled=_labelled, headed=_headed) + "\n"
    )


def claims_as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """Everything, with enclosures as exact decimal strings."""
    return {
        "format": "fmq-claims-1",
        "policy": [part.replace("*", "").replace("`", "") for part in POLICY],
        "claims": [
            {
                "id": finding.claim.id,
                "statement": finding.claim.statement,
                "domain": finding.domain_checked,
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


def write_claims_json(findings: Sequence[Finding], path: Path) -> None:
    """The JSON report, whole or not at all."""
    write_text_atomically(path, json_text(claims_as_json(findings)) + "\n")


def write_claims_html(findings: Sequence[Finding], path: Path) -> None:
    """The page, whole or not at all."""
    write_text_atomically(path, claims_html(findings))
