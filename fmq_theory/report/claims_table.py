"""The register in a terminal: a line of evidence for each claim."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fmq_theory.claims.claim import Finding
from fmq_theory.report.claims_words import CLAIM_COLOURS, claim_rows, count_verdicts

__all__ = ["print_claims"]

_PIPE_WIDTH = 200


def _coloured(line: str) -> str:
    """A resolution, and in another colour that there is none."""
    return f"[{'yellow' if line.startswith('no resolution') else 'dim cyan'}]{escape(line)}[/]"


def print_claims(findings: Sequence[Finding]) -> None:
    """Prints the table, the controls that were not caught, and the count."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPE_WIDTH)
    table = Table(title="Claims", title_justify="left", show_lines=True)
    table.add_column("id", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("claim and evidence", overflow="fold")
    for finding, row in zip(findings, claim_rows(findings), strict=True):
        colour = CLAIM_COLOURS[finding.verdict]
        table.add_row(
            row.id,
            f"[{colour}]{row.verdict}[/{colour}]",
            "\n".join(
                (
                    f"[dim]{escape(row.statement)}[/dim]",
                    escape(row.evidence),
                    *(_coloured(line) for line in row.resolution),
                )
            ),
        )
    console.print(table)
    for finding in findings:
        if finding.control is not None and not finding.control.caught:
            control = finding.claim.negative_control
            console.print(
                f"[red]{finding.claim.id}: its negative control was not caught[/red] "
                f"({escape(control.mutation if control else '')}): {escape(finding.control.evidence)}"
            )
    console.print(count_verdicts(findings), highlight=False)
