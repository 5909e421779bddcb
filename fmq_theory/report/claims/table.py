"""The register in a terminal: a line of evidence for each claim."""

from collections.abc import Sequence

from rich.text import Text

from fmq_theory.claims.engine.claim import Finding
from fmq_theory.report.base.tables import print_prose, terminal
from fmq_theory.report.claims.words import CLAIM_COLOURS, claim_rows, count_verdicts

__all__ = ["print_claims"]

_INDENT = 2
_PIPE_WIDTH = 200


def print_claims(findings: Sequence[Finding]) -> None:
    """Prints every claim with its evidence, the controls that were not caught, and the count."""
    console = terminal(pipe_width=_PIPE_WIDTH)
    for finding, row in zip(findings, claim_rows(findings), strict=True):
        verdict = Text(row.verdict, style=CLAIM_COLOURS[finding.verdict])
        console.print(Text(row.id, style="bold").append("  ").append_text(verdict), soft_wrap=True)
        print_prose(console, row.statement, style="dim", indent=_INDENT)
        print_prose(console, row.evidence, indent=_INDENT)
        for line in row.resolution:
            colour = "yellow" if line.startswith("no resolution") else "dim cyan"
            print_prose(console, line, style=colour, indent=_INDENT)
        console.print()
    for finding in findings:
        if finding.control is not None and not finding.control.caught:
            control = finding.claim.negative_control
            mutation = control.mutation if control else ""
            words = f"its negative control was not caught ({mutation}): {finding.control.evidence}"
            print_prose(console, f"{finding.claim.id}: {words}", style="red")
    print_prose(console, count_verdicts(findings))
