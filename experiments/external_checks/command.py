"""``python -m experiments.external_checks`` writes docs/external-checks.md; ``--check`` compares it."""

import argparse
import difflib
import sys

from experiments.documents.places import ROOT
from experiments.external_checks.page import page
from fmq_theory.report import write_text_atomically

__all__ = ["PAGE", "main"]

PAGE = ROOT / "docs" / "external-checks.md"


def main(arguments: list[str] | None = None) -> int:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(prog="python -m experiments.external_checks", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    chosen = parser.parse_args(arguments)
    now = page()
    if not chosen.check:
        write_text_atomically(PAGE, now)
        print(f"{PAGE.relative_to(ROOT)} is written")
        return 0
    then = PAGE.read_text("utf-8") if PAGE.exists() else ""
    if now == then:
        print("docs/external-checks.md is what comes out now")
        return 0
    sys.stdout.writelines(
        difflib.unified_diff(then.splitlines(True), now.splitlines(True), "the page", "what comes out now")
    )
    return 1
