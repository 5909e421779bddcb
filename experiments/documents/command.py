"""``python -m experiments.documents`` writes what the documents show of the results; ``--check`` compares."""

import argparse
import difflib
import sys
from collections.abc import Sequence

from experiments.documents.numbers import read_numbers
from experiments.documents.passages import filled, names_in
from experiments.documents.places import DOCUMENTS, ROOT
from fmq_theory.report import write_text_atomically

__all__ = ["main", "unused_numbers"]


def unused_numbers() -> set[str]:
    """Names in docs/numbers.toml that no document shows."""
    return set(read_numbers()).difference(*(names_in((ROOT / name).read_text("utf-8")) for name in DOCUMENTS))


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the documents, or says where they differ; 1 where they do, or a number is shown nowhere."""
    parser = argparse.ArgumentParser(prog="python -m experiments.documents", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare")
    is_check = parser.parse_args(arguments).check
    numbers = read_numbers()
    is_stale = False
    for name in DOCUMENTS:
        path = ROOT / name
        text = path.read_text("utf-8")
        now = filled(text, numbers)
        if is_check and now != text:
            is_stale = True
            lines = difflib.unified_diff(text.splitlines(), now.splitlines(), name, "results", "", "", 0)
            print("\n".join(lines), file=sys.stderr)
        elif now != text:
            write_text_atomically(path, now)
    if is_stale:
        print("run python -m experiments.documents", file=sys.stderr)
    if unused := sorted(unused_numbers()):
        print(f"docs/numbers.toml: no document shows {', '.join(unused)}", file=sys.stderr)
    return int(is_stale or bool(unused))
