"""Records as lines of a text file, each with a checksum, for results that a stopped run leaves behind.

Lines are only ever appended, so that the file is never in a worse state than before.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from fmq_theory.storage.lock import lock
from fmq_theory.storage.place import open_to_append

__all__ = ["append_line", "digest_of", "records_of", "sealed_line", "unsealed"]


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


def records_of(lines: Iterable[str], key: str) -> Iterator[dict[str, Any]]:
    """The records of one key; what a kill cut off, what was damaged, what is of another key is passed over.

    Args:
        lines: of the file.
        key: see ``sealed_line``.
    """
    for line in lines:
        found = unsealed(line) if line else None
        if found is not None and found[0] == key:
            yield found[1]


def append_line(path: Path, line: str) -> None:
    """Puts a line behind the last one, which a kill may have cut off; it is on the disk when this returns.

    Args:
        path: of a file of ours, which is made if it is not there. Two processes may append to one file.
        line: with its end, as ``sealed_line`` gives it; empty to end the last one alone.

    Raises:
        OSError: see ``open_to_append``.
    """
    with open_to_append(path) as file:
        lock(file.fileno(), wait=True)
        size = os.fstat(file.fileno()).st_size
        if size and _last_byte(path, size) != b"\n":
            line = "\n" + line
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())


def _last_byte(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(size - 1)
        return file.read(1)


def _check(key: str, record: dict[str, Any]) -> str:
    return digest_of([key, record])
