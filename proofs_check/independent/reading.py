"""Strict reading: one meaning for every field, and sizes that are bounded before any work."""

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

import mpmath as mp

__all__ = [
    "MOST_DIGITS",
    "RefusedError",
    "enclosure",
    "ends",
    "fields",
    "rational",
    "read",
    "refuse_unless",
    "require",
    "same",
    "whole",
]

MOST_BYTES, MOST_DIGITS = 1_000_000, 60


class RefusedError(Exception):
    """The certificate is malformed, or says something that is not so."""


def refuse_unless(holds: bool, reason: str) -> None:
    """Go on only where the condition holds."""
    if not holds:
        raise RefusedError(reason)


def fields(data: Any, *names: str) -> list[Any]:
    """The values of an object that has exactly these fields."""
    refuse_unless(type(data) is dict and set(data) == set(names), f"malformed: not an object of {names}")
    return [data[name] for name in names]


def whole(value: Any, low: int, high: int, what: str) -> int:
    """An integer, and no truth value, within its bounds."""
    refuse_unless(type(value) is int and low <= value <= high, f"{what} is not an integer in {low}..{high}")
    return value


def rational(text: Any, low: Fraction, what: str) -> Fraction:
    """A parameter p or p/q in lowest terms, above ``low`` and within .001 to 10,000."""
    plain = type(text) is str and re.fullmatch(r"[1-9][0-9]{0,11}(/[1-9][0-9]{0,11})?", text)
    value = Fraction(text) if plain else Fraction(0)
    refuse_unless(str(value) == text, f"{what} is not an exact number p or p/q in lowest terms")
    inside = low < value and Fraction(1, 1000) <= value <= 10_000
    refuse_unless(inside, f"{what} = {text} is outside its domain, or outside .001 to 10,000")
    return value


def enclosure(data: Any, digits: int, what: str) -> tuple[Fraction, Fraction]:
    """Both ends, at most two units of the last place apart."""
    low, high = ends(data, digits, what)
    refuse_unless((high - low) * 10**digits <= 2, f"{what}: the enclosure is wider than its digits allow")
    return low, high


def ends(data: Any, digits: int, what: str) -> tuple[Fraction, Fraction]:
    """Both ends: decimals without needless digits, in order."""
    found: list[Fraction] = []
    for text in fields(data, "lower", "upper"):
        decimal = type(text) is str and len(text) <= 1000 and text != "-0"
        decimal = decimal and re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?", text)
        refuse_unless(bool(decimal), f"{what}: an end is not an exact number in decimals")
        refuse_unless(len(text.partition(".")[2]) <= digits, f"{what}: more than {digits} places")
        found.append(Fraction(text))
    low, high = found
    refuse_unless(low <= high, f"{what}: an enclosure is upside down")
    return low, high


def require(data: Any, value: mp.mpf, digits: int, what: str) -> None:
    """Refuse unless the enclosure is the outward rounding of the value to ``digits`` places."""
    low, high = (end * 10**digits for end in enclosure(data, digits, what))
    scaled = value * mp.mpf(10) ** digits
    near = int(mp.nint(scaled))
    if abs(scaled - near) <= mp.mpf(10) ** -6:
        holds = high - near == near - low and (low.denominator, high.denominator) == (1, 1)
    else:
        holds = (low, high) == (int(mp.floor(scaled)), int(mp.ceil(scaled)))
    refuse_unless(holds, f"{what}: {mp.nstr(value, digits + 8)} is not in its enclosure, or not tightly")


def same(given: Any, wanted: Any, what: str) -> None:
    """Refuse words that are not those that the other fields fix."""
    refuse_unless(type(given) is type(wanted) and given == wanted, f"{what} is not what the other fields say")


def read(path: Path) -> Any:
    """The JSON of a file, of which every part means one thing."""
    refuse_unless(path.is_file(), "it is no regular file")
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    refuse_unless(len(data) <= MOST_BYTES, f"it is longer than {MOST_BYTES} bytes")
    try:
        return json.loads(
            data.decode("utf-8"),
            parse_float=_refused,
            parse_constant=_refused,
            parse_int=_integer,
            object_pairs_hook=_without_repetition,
        )
    except (ValueError, RecursionError) as problem:
        raise RefusedError(f"malformed: no JSON ({type(problem).__name__}: {str(problem)[:80]})") from None


def _refused(text: str) -> NoReturn:
    raise RefusedError(f"malformed: {text[:20]} is neither an integer nor an exact decimal in quotes")


def _integer(text: str) -> int:
    refuse_unless(
        re.fullmatch(r"0|[1-9][0-9]{0,8}", text) is not None, "malformed: an integer is out of bounds"
    )
    return int(text)


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    refuse_unless(len({key for key, _ in pairs}) == len(pairs), "malformed: a field stands twice")
    return dict(pairs)
