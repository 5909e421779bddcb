"""Tables of levels as files: what ``fmq codebook --check`` reads.

A file is JSON, in any of these forms:

* a list of levels, ``[-1.5, -0.5, 0.5, 1.5]``;
* an object with ``levels`` and, if they are not half-way between them, ``thresholds``; its other entries are
  ignored;
* what ``fmq codebook --json`` writes, or a codebook certificate: an object whose levels are enclosures
  ``{"lower": "...", "upper": "..."}``.

A level is a JSON number, a string that holds a decimal or a quotient ``"p/q"``, or an enclosure. Numbers are
taken as written: 0.1 is one tenth, not the float nearest to it. An enclosure stands for its middle.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, cast

from fmq_theory.certify import Enclosure
from fmq_theory.claims.oracle.design import MOST_LEVELS
from fmq_theory.errors import CertificationError, Way, WeightsError
from fmq_theory.storage.json_objects import json_value, text_of_json

__all__ = ["SHIPPED", "Table", "read_table"]

SHIPPED = ("nf4", "fp4")
_MOST_DIGITS = 700


@dataclass(frozen=True, slots=True)
class Table:
    """Levels, and thresholds if the file gives them, exactly as written.

    Attributes:
        name: the file's, or the shipped table's.
        levels: increasing.
        thresholds: one fewer than levels; None where the file has none.
        unit: half a unit of the last decimal place written (the radius, of an enclosure): a rounding that no
            table can avoid.
    """

    name: str
    levels: tuple[Fraction, ...]
    thresholds: tuple[Fraction, ...] | None
    unit: Fraction


class _Number(NamedTuple):
    value: Fraction
    rounding: Fraction


def read_table(name: str) -> Table:
    """A shipped table by name, or a JSON file in one of the forms above.

    Args:
        name: a path, or the name of a shipped table (a file of that name comes first).

    Raises:
        WeightsError: the file is missing or malformed, or its numbers are not a codebook.
    """
    shipped = name in SHIPPED and not Path(name).exists()
    where = f"table {name}"

    def refused(cause: str) -> WeightsError:
        near = difflib.get_close_matches(name, SHIPPED, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        return WeightsError(
            where, cause, f"name a JSON file of levels, or one of {', '.join(SHIPPED)}{meant}"
        )

    place = files("fmq_theory").joinpath("data", f"{name}.json") if shipped else Path(name)
    text = text_of_json(place, refused)
    data = json_value(text, refused, parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal)
    found = cast("dict[str, object]", {"levels": data} if isinstance(data, list) else data)
    if not isinstance(data, (list, dict)) or "levels" not in found:
        raise WeightsError(
            where, "it is neither a list nor an object with 'levels'", "write [-1.5, -0.5, 0.5, 1.5]"
        )
    levels = _numbers(found["levels"], where, "level")
    given = found.get("thresholds")
    thresholds = None if given is None else [number.value for number in _numbers(given, where, "threshold")]
    values = [number.value for number in levels]
    _check(where, values, thresholds)
    unit = min(number.rounding for number in levels)
    return Table(name, tuple(values), None if thresholds is None else tuple(thresholds), unit)


def _numbers(data: object, where: str, what: str) -> list[_Number]:
    if not isinstance(data, list):
        raise WeightsError(where, f"its {what}s are not a list", "write [-1.5, -0.5, 0.5, 1.5]")
    return [_number(item, where, f"{what} {index}") for index, item in enumerate(cast("list[object]", data))]


def _number(item: object, where: str, what: str) -> _Number:
    if isinstance(item, dict):
        return _middle(cast("dict[str, object]", item), where, what)
    if isinstance(item, str) and "/" in item:
        return _quotient(item, where, what)
    value = item
    if isinstance(item, str) and "_" not in item:
        try:
            value = Decimal(item)
        except InvalidOperation:
            value = item
    if not isinstance(value, Decimal):
        raise WeightsError(where, f"{what} is {item!r}, not a number", "write decimal numbers")
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > 400 or abs(value.adjusted()) > 300:
        raise WeightsError(where, f"{what} is {item}, not a finite number", "mend that entry")
    return _Number(Fraction(value), Fraction(10) ** exponent / 2)


def _middle(item: dict[str, object], where: str, what: str) -> _Number:
    ends = {key: item.get(key) for key in ("lower", "upper")}
    wrong = f"{what} is an object without two decimal strings 'lower' and 'upper'"
    remedy = "write a number, or an enclosure as ", Way("codebook_json", "Enclosure.as_json"), " does"
    if any(
        not isinstance(end, str) or len(end) > _MOST_DIGITS or "e" in end.lower() for end in ends.values()
    ):
        raise WeightsError(where, wrong, remedy)
    try:
        enclosure = Enclosure.from_json(ends)
    except CertificationError as error:
        raise WeightsError(where, f"{what}: {error.cause}", remedy) from error
    return _Number(enclosure.midpoint, enclosure.radius)


def _quotient(item: str, where: str, what: str) -> _Number:
    try:
        if len(item) > _MOST_DIGITS:
            raise ValueError
        return _Number(Fraction(item), Fraction(0))
    except (ValueError, ZeroDivisionError):
        raise WeightsError(where, f"{what} is {item!r}, not a number", "write decimal numbers") from None


def _check(where: str, levels: Sequence[Fraction], thresholds: Sequence[Fraction] | None) -> None:
    if len(levels) < 2:
        raise WeightsError(where, f"it has {len(levels)} level(s)", "give at least two")
    if len(levels) > MOST_LEVELS:
        raise WeightsError(where, f"it has {len(levels)} levels", f"give at most {MOST_LEVELS}")
    for index, (left, right) in enumerate(pairwise(levels)):
        if left == right:
            both = f"levels {index} and {index + 1} are both {_shown(left)}"
            raise WeightsError(where, both, "drop duplicates")
        if left > right:
            below = f"level {index + 1} ({_shown(right)}) is below level {index} ({_shown(left)})"
            raise WeightsError(where, below, "sort them")
    if thresholds is None:
        return
    if len(thresholds) != len(levels) - 1:
        raise WeightsError(
            where,
            f"{len(levels)} levels and {len(thresholds)} thresholds",
            "give one threshold fewer than levels",
        )
    for index, (left, cut, right) in enumerate(zip(levels, thresholds, levels[1:], strict=False)):
        if not left <= cut <= right:
            out = f"threshold {index} ({_shown(cut)}) is not between its levels"
            raise WeightsError(where, out, "put it between the two")


def _shown(value: Fraction) -> str:
    return str(value) if value.denominator == 1 else f"{float(value):.9g}"
