"""Records as lines of a text file, each with a checksum, for results that a stopped run leaves behind."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, cast

__all__ = ["digest_of", "sealed_line", "unsealed"]


def digest_of(values: object) -> str:
    """A name of JSON values, equal for equal values only (BLAKE2b of 16 bytes).

    Args:
        values: what ``json.dumps`` takes; the order of keys does not matter.
    """
    return hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=16).hexdigest()


def sealed_line(key: str, record: Mapping[str, Any]) -> str:
    """One line of JSON, newline included: the key, a checksum of key and record, the record.

    Args:
        key: of all that the record depends on.
        record: plain JSON values; an infinite number is written as Python reads it again.
    """
    values = dict(record)
    line = {"key": key, "check": _check(key, values), "record": values}
    return json.dumps(line) + "\n"


def unsealed(line: str) -> tuple[str, dict[str, Any]] | None:
    """The key and the record of a line; None if it is cut off, damaged, edited or of something else."""
    try:
        found: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    values = cast("dict[str, Any]", found)
    key, record = values.get("key"), values.get("record")
    if not isinstance(key, str) or not isinstance(record, dict) or set(values) != {"key", "check", "record"}:
        return None
    record = cast("dict[str, Any]", record)
    return (key, record) if values["check"] == _check(key, record) else None


def _check(key: str, record: dict[str, Any]) -> str:
    return digest_of([key, record])
