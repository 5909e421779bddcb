"""The register as one self-contained page."""

from collections.abc import Sequence
from pathlib import Path

from fmq_theory.claims.engine.claim import Finding
from fmq_theory.report.base.files import write_text_atomically
from fmq_theory.report.base.pages import filled_page
from fmq_theory.report.claims.words import claim_rows, count_verdicts, headed, labelled

__all__ = ["claims_html", "write_claims_html"]


def claims_html(findings: Sequence[Finding]) -> str:
    """One page without any outside resource."""
    page = filled_page(
        "fmq_theory.report.claims",
        "claims.html.j2",
        count=count_verdicts(findings),
        rows=claim_rows(findings),
        labelled=labelled,
        headed=headed,
    )
    return page + "\n"


def write_claims_html(findings: Sequence[Finding], path: Path) -> None:
    """The page, whole or not at all."""
    write_text_atomically(path, claims_html(findings))
