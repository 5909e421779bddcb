"""A document's text with its numbers, tables and verdicts as the results have them.

* ``<!-- = NAME -->0.63<!-- / -->``: the number of that name in docs/numbers.toml.
* ``<!-- = table NAME -->`` ... ``<!-- / -->``: one of the tables of ``experiments.documents.tables``.
* ``[P4-EM](claims.md#p4-em), REFUTED``: the verdict behind a link to a claim, as docs/claims.md has it,
  which ``fmq claims --check`` holds to the register.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from experiments.documents.numbers import DocumentError, number
from experiments.documents.places import RESULTS
from experiments.documents.tables import TABLES
from experiments.documents.verdicts import verdict
from fmq_theory.claims.engine.claim import Verdict

__all__ = ["CITED", "PASSAGE", "filled", "names_in"]

PASSAGE = re.compile(r"<!-- = (?P<asks>.+?) -->(?P<says>.*?)<!-- / -->", re.DOTALL)
_VERDICTS = "|".join(each.name for each in Verdict)
CITED = re.compile(rf"(\[(?P<claim>[A-Z0-9-]+)\]\([^)\s]*claims\.md#[a-z0-9-]+\),) (?:{_VERDICTS})\b")
_TABLE = "table "


def filled(text: str, numbers: Mapping[str, str], results: Path = RESULTS) -> str:
    """``text`` saying what the results say.

    Args:
        text: of a document.
        numbers: expressions by name.
        results: folder of the tables that the expressions name.

    Raises:
        DocumentError: a name is not known, or its expression asks for what is not there.
        KeyError: a link names a claim that is not in docs/claims.md.
    """

    def passage(found: re.Match[str]) -> str:
        return f"<!-- = {found['asks']} -->{_said(found['asks'], numbers, results)}<!-- / -->"

    text = CITED.sub(lambda found: f"{found[1]} {verdict(found['claim'])}", text)
    return PASSAGE.sub(passage, text)


def names_in(text: str) -> set[str]:
    """The names of numbers that a document shows."""
    return {found["asks"] for found in PASSAGE.finditer(text) if not found["asks"].startswith(_TABLE)}


def _said(asks: str, numbers: Mapping[str, str], results: Path) -> str:
    if asks.startswith(_TABLE):
        name = asks.removeprefix(_TABLE)
        if name not in TABLES:
            raise DocumentError(f"table {name!r}", "there is none", f"choose from {', '.join(TABLES)}")
        return f"\n\n{TABLES[name]()}\n\n"
    if asks not in numbers:
        raise DocumentError(f"number {asks!r}", "docs/numbers.toml has none of that name", "add it there")
    return number(numbers[asks], results)
