"""Every way in which a JSON file of ours may be damaged or forged, made by program.

``mutations(document)`` yields (what was done, the file's bytes): each field of each object and each entry of
each list is removed, renamed, written twice, swapped with its neighbour, replaced by every other kind of
value, and, where it holds a number, moved in its last digit, by 1 %, in sign and in spelling.
``broken_files(document)`` yields what is no JSON of ours at all.
"""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["broken_files", "mutations", "paths"]

Path = tuple[str | int, ...]

_OTHER_VALUES: tuple[tuple[str, str], ...] = (
    ("null", "null"),
    ("true", "true"),
    ("zero", "0"),
    ("minus one", "-1"),
    ("a fraction", "1.5"),
    ("a huge integer", "1" + "0" * 40),
    ("2^64", str(2**64)),
    ("a huge float", "1e308"),
    ("an exponent beyond floats", "1e999999999"),
    ("an exponent in quotes", '"1e999999999"'),
    ("infinity", "Infinity"),
    ("minus infinity", "-Infinity"),
    ("no number", "NaN"),
    ("no number in quotes", '"nan"'),
    ("an empty string", '""'),
    ("a string", '"x"'),
    ("a lone surrogate", '"\\ud800"'),
    ("a control character", '"\\u001b[31m\\n"'),
    ("a long string", '"' + "9" * 6000 + '"'),
    ("an empty list", "[]"),
    ("an empty object", "{}"),
    ("a list in a list", "[[[[1]]]]"),
)


def paths(document: Any, at: Path = ()) -> Iterator[Path]:
    """The way to every value in the document, the document itself left out."""
    if isinstance(document, dict):
        items: list[tuple[str | int, Any]] = list(document.items())
    elif isinstance(document, list):
        items = list(enumerate(document))
    else:
        return
    for key, value in items:
        yield (*at, key)
        yield from paths(value, (*at, key))


def mutations(document: Any) -> Iterator[tuple[str, bytes]]:
    """Each document that differs from this one in a single place."""
    original = json.dumps(document)
    for path in paths(document):
        for what, text in _mutated(document, path):
            if text != original:
                yield f"{'.'.join(map(str, path))}: {what}", text.encode("utf-8")
    if isinstance(document, dict):
        yield "an unknown field", json.dumps({**document, "comment": "x"}).encode()


def broken_files(document: Any) -> Iterator[tuple[str, bytes]]:
    """Files that are no document at all, or one that no reader should swallow."""
    text = json.dumps(document).encode()
    yield "empty", b""
    yield "cut in half", text[: len(text) // 2]
    yield "one byte short", text[:-1]
    yield "no UTF-8", text.replace(b'"', b'\xff"', 1)
    yield "a zero byte", text[:5] + b"\x00" + text[5:]
    yield "UTF-16", text.decode().encode("utf-16")
    yield "deep lists", b"[" * 100_000 + b"]" * 100_000
    yield "deep objects", b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    yield "an integer of 5,000 digits", b"9" * 5000
    yield "a field of 5,000 digits", text[:-1] + b', "extra": ' + b"9" * 5000 + b"}"
    yield "a number", b"1"
    yield "a string", b'"x"'
    yield "a lone surrogate", b'"\\ud800"'
    yield "a list", b"[" + text + b"]"
    yield "two documents", text + text


def _mutated(document: Any, path: Path) -> Iterator[tuple[str, str]]:
    value = _at(document, path)
    yield "removed", json.dumps(_with(document, path, remove=True))
    if isinstance(path[-1], str):
        yield "renamed", json.dumps(_renamed(document, path))
        yield "written twice", _written_twice(document, path)
    elif path[-1] > 0:
        yield "swapped with its neighbour", json.dumps(_swapped(document, path))
    if isinstance(value, dict):
        yield "an unknown field", json.dumps(_with(document, (*path, "comment"), value="x"))
        if {"lower", "upper"} <= set(value):
            turned = {**value, "lower": value["upper"], "upper": value["lower"]}
            yield "ends swapped", json.dumps(_with(document, path, value=turned))
    if isinstance(value, list) and value:
        yield "its last entry twice", json.dumps(_with(document, path, value=[*value, value[-1]]))
    for what, text in _OTHER_VALUES:
        if text != json.dumps(value):
            marked = json.dumps(_with(document, path, value="@here@"))
            yield what, marked.replace('"@here@"', text)
    for what, near in _near(value):
        yield what, json.dumps(_with(document, path, value=near))


def _near(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int):
        yield from (("one more", value + 1), ("one less", value - 1), ("as a float", float(value)))
        yield from (("in quotes", str(value)), ("negated", -value or 7))
    elif isinstance(value, float):
        yield from (("1 % more", value * 1.01 + 1e-9), ("in quotes", str(value)), ("negated", -value or 7.0))
    elif isinstance(value, str) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?(/[0-9]+)?", value):
        whole, point, rest = value.partition(".")
        last = value[:-1] + str((int(value[-1]) + 1) % 10)
        yield from (("last digit moved", last), ("a zero in front", f"0{value}"), ("a plus", f"+{value}"))
        yield from (("a blank", f" {value}"), ("an underscore", f"{value[:1]}_{value[1:]}"))
        yield "in other digits", value.replace("1", "\u0661").replace("2", "\u0662").replace("0", "\u0660")
        yield "negated", value[1:] if value.startswith("-") else f"-{value}"
        yield "as an exponent", f"{value}e0"
        if "/" not in value:
            yield "a zero behind", f"{whole}.{rest}0" if point else f"{value}.0"
            percent = str(int(whole + rest) * 101)
            places = len(rest) + 2
            digits = percent.lstrip("-").rjust(places + 1, "0")
            yield "1 % more", f"{'-' * percent.startswith('-')}{digits[:-places]}.{digits[-places:]}"
    elif isinstance(value, str):
        yield from (("one letter more", f"{value}x"), ("in capitals", value.upper()), ("cut", value[:-1]))


def _at(document: Any, path: Path) -> Any:
    for key in path:
        document = document[key]
    return document


def _with(document: Any, path: Path, *, value: Any = None, remove: bool = False) -> Any:
    changed = copy.deepcopy(document)
    parent = _at(changed, path[:-1])
    if remove:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return changed


def _renamed(document: Any, path: Path) -> Any:
    changed = copy.deepcopy(document)
    parent = _at(changed, path[:-1])
    parent[f"{path[-1]}_"] = parent.pop(path[-1])
    return changed


def _swapped(document: Any, path: Path) -> Any:
    changed = copy.deepcopy(document)
    parent, index = _at(changed, path[:-1]), int(path[-1])
    parent[index - 1], parent[index] = parent[index], parent[index - 1]
    return changed


def _written_twice(document: Any, path: Path) -> str:
    """The field under its own name again, by way of a name that is put back in the text."""
    changed = _with(document, (*path[:-1], f"{path[-1]}@again@"), value=_at(document, path))
    return json.dumps(changed).replace("@again@", "")
