"""A number of a document: an expression of docs/numbers.toml, worked out from the tables of docs/results."""

import json
import operator
import re
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from experiments.documents.places import NUMBERS, RESULTS
from experiments.framework.table import read_table
from fmq_theory.errors import FmqError

__all__ = ["DocumentError", "number", "read_numbers", "rows_of"]

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
    """A document asks for something that is not there."""


def read_numbers(path: Path = NUMBERS) -> dict[str, str]:
    """The expressions by their names.

    Raises:
        DocumentError: the file is no TOML, or an expression is no text.
    """
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise DocumentError(f"{path}", str(error), "mend that line") from error
    for name, expression in found.items():
        if not isinstance(expression, str):
            raise DocumentError(f"number {name!r}", "it is no text", 'NAME = "TABLE; ROWS; COLUMN; FORMAT"')
    return found


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


def number(expression: str, results: Path = RESULTS) -> str:
    """What ``expression`` says of the results; its form stands at the head of docs/numbers.toml.

    Raises:
        DocumentError: it asks for no row, for several where one is meant, or for a column that is not there.
    """
    parts = [part.strip() for part in expression.split(";")]
    if len(parts) not in (3, 4):
        raise DocumentError(f"{expression!r}", "it has not the form", "TABLE; ROWS; COLUMN; FORMAT")
    source, where, column = parts[:3]
    wanted = [_condition(words) for words in shlex.split(where)]
    rows = [row for row in rows_of(source, results) if all(fits(row) for fits in wanted)]
    over, _, inner = column.rpartition(" ")
    found = [has for row in rows if (has := _cell(row, inner)) is not None]
    if over == "count" and all(_cell(row, inner) is None for row in rows_of(source, results)):
        raise DocumentError(f"{expression!r}", "there is no such column", "look into the file")
    if not found and over != "count":
        raise DocumentError(f"{expression!r}", "no row has such a value", "look into the file")
    if not over and len(found) > 1:
        raise DocumentError(
            f"{expression!r}", f"{len(found)} rows fit", "choose one, or say min, max or median"
        )
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
