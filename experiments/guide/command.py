"""Runs what the pages of docs/guide show and writes what it printed, or compares."""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from experiments import guide
from experiments.documents.places import ROOT
from experiments.guide.compare import differences
from experiments.guide.page import Block, parse, written
from experiments.guide.workplace import rerun, workplace
from fmq_theory.report import write_text_atomically

__all__ = ["PAGES", "PATTERN", "main"]

PAGES = ROOT / "docs" / "guide"
PATTERN = "*.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the pages, or compares them with what their commands print now."""
    parser = argparse.ArgumentParser(prog="python -m experiments.guide", description=guide.__doc__)
    parser.add_argument("--check", action="store_true", help="only compare; exit 1 if a page differs")
    parser.add_argument("--jobs", type=int, default=1, help="pages at once (default: 1)")
    parser.add_argument("pages", nargs="*", type=Path, help="default: all of docs/guide")
    asked = parser.parse_args(arguments)
    pages = asked.pages or sorted(PAGES.glob(PATTERN))
    status = 0
    with ThreadPoolExecutor(asked.jobs) as pool:
        for path, (shown, now) in zip(pages, pool.map(_shown_and_now, pages), strict=True):
            print(path.name, flush=True)
            if not asked.check:
                write_text_atomically(path, written(now))
            elif found := differences(shown, now):
                print("\n".join(f"  {difference}" for difference in found), file=sys.stderr)
                status = 1
    return status


def _shown_and_now(path: Path) -> tuple[list[Block], list[Block]]:
    shown = parse(path.read_text(encoding="utf-8"))
    with workplace() as place:
        return shown, rerun(shown, place)
