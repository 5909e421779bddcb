"""The register's findings as plain rows, for the table, the page and the document alike."""

from collections.abc import Sequence
from dataclasses import dataclass

from fmq_theory.claims.engine.claim import Finding, Kind, Verdict
from fmq_theory.claims.engine.judge import in_words
from fmq_theory.claims.engine.resolution import sentences

__all__ = ["CLAIM_COLOURS", "ClaimRow", "claim_rows", "count_verdicts", "headed", "labelled"]

CLAIM_COLOURS = {
    Verdict.CERTIFIED: "green",
    Verdict.SUPPORTED: "cyan",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.REFUTED: "red",
    Verdict.VACUOUS: "magenta",
}


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """One finding in words."""

    id: str
    title: str
    """A few words on what it is about."""
    verdict: str
    statement: str
    domain: str
    evidence: str
    resolution: tuple[str, ...]
    """A sentence for each way in which the prediction can be wrong; empty where an input is missing."""
    control: str
    """What became of the negative control; empty where there is none."""
    kind: str
    """What the verdict speaks of where it is not a statement that cases can refute; else empty."""
    remark: str
    cases: tuple[tuple[str, str, str, str], ...]
    """(case, measured, predicted, holds) of every case."""


def claim_rows(findings: Sequence[Finding]) -> tuple[ClaimRow, ...]:
    """Every finding, in order."""
    return tuple(
        ClaimRow(
            finding.claim.id,
            finding.claim.title,
            finding.verdict.name,
            finding.claim.statement,
            finding.domain,
            finding.evidence,
            _resolution(finding),
            _control(finding),
            "" if finding.claim.kind is Kind.STATEMENT else finding.claim.kind.value,
            finding.claim.remark,
            tuple(
                (result.case, in_words(result.measured), in_words(result.predicted), _holds(result.holds))
                for result in finding.details
            ),
        )
        for finding in findings
    )


def count_verdicts(findings: Sequence[Finding]) -> str:
    """``21 claims: 12 CERTIFIED, 5 SUPPORTED, 4 REFUTED``."""
    counts = {verdict: sum(finding.verdict is verdict for finding in findings) for verdict in Verdict}
    parts = [f"{count} {verdict.name}" for verdict, count in counts.items() if count]
    return f"{len(findings)} claim{'s' if len(findings) != 1 else ''}: {', '.join(parts)}"


def headed(row: ClaimRow) -> str:
    """The heading of a claim's entry."""
    return f"{row.id}: {row.title}"


def labelled(line: str) -> str:
    """A line on a claim's resolution, as an item of its own: what has one is named, what has none says so."""
    return f"Resolution: {line}" if line.startswith("would") else f"{line[:1].upper()}{line[1:]}"


def _resolution(finding: Finding) -> tuple[str, ...]:
    if finding.verdict is Verdict.VACUOUS:
        return ("no resolution: nothing smaller than an infinite bound is near it",)
    return sentences(finding.resolutions)


def _control(finding: Finding) -> str:
    control = finding.claim.negative_control
    if control is None:
        return ""
    if finding.control is None:
        return f"{control.mutation}: not run, because an input is missing or the claim itself fails there"
    state = "refuted" if finding.control.caught else f"NOT CAUGHT ({finding.control.verdict.name})"
    return f"{control.mutation}: {state}, because {control.reason} ({finding.control.evidence})"


def _holds(holds: bool | None) -> str:
    return {True: "yes", False: "no", None: "undecided"}[holds]
