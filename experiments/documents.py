"""Numbers in the documents: ``python -m experiments.documents`` writes them, ``--check`` compares.

In a document a generated passage stands between two comments, in a line of its own or within a sentence:

    <!-- = SOURCE; WHERE; COLUMN; FORMAT -->0.63<!-- / -->

* SOURCE: a file of docs/results without its ending: an experiment's table (.csv) or a flow report (.json).
* WHERE: what chooses rows: ``name=value``, also with != < <= > >=; a value with blanks in quotes.
* COLUMN: of the one row that is left, or ``min|max|median|count COLUMN`` over all that are left.
* FORMAT: as in Python's ``format``, ``.2f`` say; left out for words.

``<!-- = verdict P4-EM -->`` is the verdict of a claim (from docs/claims.md, which ``fmq claims --check``
holds to the register); ``<!-- = table NAME -->`` is one of the tables of ``experiments.document_tables``.
"""

import argparse
import difflib
import json
import operator
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from experiments.document_tables import TABLES, verdict
from experiments.framework.table import read_table
from fmq_theory.errors import FmqError
from fmq_theory.report import write_text_atomically

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results"
DOCUMENTS = (
    "README.md",
    "docs/findings.md",
    "docs/results/index.md",
    "docs/intervals.md",
    "docs/reliability.md",
)

PASSAGE = re.compile(r"<!-- = (?P<asks>.+?) -->(?P<says>.*?)<!-- / -->", re.DOTALL)
_CONDITION = re.compile(r"([\w.]+)(!=|<=|>=|=|<|>)(.*)")
_RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_OVER: dict[str, Callable[[list[float]], float]] = {"min": min, "max": max, "median": median, "count": len}

Row = dict[str, Any]


class DocumentError(FmqError, ValueError):
    """A passage that asks for something that is not there."""


def rows_of(source: str, results: Path = RESULTS) -> list[Row]:
    """The rows of an experiment's table or of a flow report, without those that failed.

    Raises:
        DocumentError: there is no such file.
    """
    if (results / f"{source}.csv").exists():
        return [row for row in read_table(results, source) if not row.get("error")]
    path = results / f"{source}.json"
    if not path.exists():
        raise DocumentError(f"results {source!r}", f"{results} has no such file", "run what makes it")
    return json.loads(path.read_text("utf-8"))["rows"]


def value(asks: str, results: Path = RESULTS) -> str:
    """What a passage says, from what it asks.

    Raises:
        DocumentError: it asks for no row, for several where one is meant, or for a column that is not there.
    """
    kind, _, name = asks.partition(" ")
    if kind == "verdict":
        return verdict(name)
    if kind == "table":
        if name not in TABLES:
            raise DocumentError(f"table {name!r}", "there is none", f"choose from {', '.join(TABLES)}")
        return f"\n\n{TABLES[name]()}\n\n"
    parts = [part.strip() for part in asks.split(";")]
    if len(parts) not in (3, 4):
        raise DocumentError(f"{asks!r}", "it has not the form", "SOURCE; WHERE; COLUMN; FORMAT")
    source, where, column = parts[:3]
    wanted = [_condition(words) for words in shlex.split(where)]
    rows = [row for row in rows_of(source, results) if all(fits(row) for fits in wanted)]
    over, _, inner = column.rpartition(" ")
    found = [has for row in rows if (has := _cell(row, inner)) is not None]
    if over == "count" and all(_cell(row, inner) is None for row in rows_of(source, results)):
        raise DocumentError(f"{asks!r}", "there is no such column", "look into the file")
    if not found and over != "count":
        raise DocumentError(f"{asks!r}", "no row has such a value", "look into the file")
    if not over and len(found) > 1:
        raise DocumentError(f"{asks!r}", f"{len(found)} rows fit", "choose one, or say min, max or median")
    result = _OVER[over](found) if over else found[0]
    return format(result, parts[3]) if len(parts) == 4 else str(result)


def _cell(row: Row, column: str) -> Any:
    """The value of a column; ``tightness.g0`` is a value within a value."""
    has: Any = row
    for name in column.split("."):
        has = has.get(name) if isinstance(has, dict) else None
    return has


def _condition(words: str) -> Callable[[Row], bool]:
    found = _CONDITION.fullmatch(words)
    if found is None:
        raise DocumentError(f"condition {words!r}", "it has not the form", "name=value, or != < <= > >=")
    column, relation, wanted = found.groups()

    def fits(row: Row) -> bool:
        has = _cell(row, column)
        if isinstance(has, int | float) and not isinstance(has, bool):
            return _RELATIONS[relation](has, float(wanted))
        return relation in ("=", "!=") and _RELATIONS[relation](str(has), wanted)

    return fits


def filled(text: str, results: Path = RESULTS) -> str:
    """``text`` with each passage saying what the results say.

    Raises:
        DocumentError: as ``value``.
    """
    return PASSAGE.sub(
        lambda found: f"<!-- = {found['asks']} -->{value(found['asks'], results)}<!-- / -->", text
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the passages, or says where they differ."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.documents",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check", action="store_true", help="only compare")
    is_check = parser.parse_args(arguments).check
    is_stale = False
    for name in DOCUMENTS:
        path = ROOT / name
        text = path.read_text("utf-8")
        now = filled(text)
        if is_check and now != text:
            is_stale = True
            lines = difflib.unified_diff(text.splitlines(), now.splitlines(), name, "results", "", "", 0)
            print("\n".join(lines), file=sys.stderr)
        elif now != text:
            write_text_atomically(path, now)
    if is_stale:
        print("run python -m experiments.documents", file=sys.stderr)
    return int(is_stale)


if __name__ == "__main__":
    sys.exit(main())
