"""The register as a document: docs/claims.md.

It has no date, timing or version in it, and its numbers are rounded: the same code gives the
same bytes.
"""

from collections.abc import Sequence

from fmq_theory.claims.engine.claim import Finding, Verdict
from fmq_theory.claims.engine.policy import POLICY
from fmq_theory.report.claims.words import claim_rows, count_verdicts, headed, labelled

__all__ = ["claims_markdown"]

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
        lines += ["", f'<a id="{row.id.lower()}"></a>', "", f"## {headed(row)}", ""]
        lines += [f"{row.statement[:1].upper()}{row.statement[1:]}.", ""]
        lines += [f"- Verdict: **{row.verdict}**", f"- Domain: {row.domain}", f"- Evidence: {row.evidence}"]
        lines += [f"- {labelled(line)}" for line in row.resolution]
        if row.control:
            lines.append(f"- Negative control: {row.control}")
        if row.kind:
            lines.append(f"- Kind: {row.kind}")
        if row.remark:
            lines.append(f"- Remark: {row.remark}")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
