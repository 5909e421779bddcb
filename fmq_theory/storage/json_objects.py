"""JSON that a user names: what may not stand in it, and why a file is none, in words."""

import json
from collections.abc import Callable
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NoReturn

from fmq_theory.errors import FmqError

__all__ = ["each_once", "json_value", "text_of_json"]

Refused = Callable[[str], FmqError]
"""The caller's error, about its own thing and with its own remedy, for a cause."""
_HEAD = 9
_CHECKPOINTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")  # archives and pickles


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which no name stands twice; for ``json.loads(..., object_pairs_hook=each_once)``.

    Args:
        pairs: names and values, in the order of the file.

    Raises:
        ValueError: a name does; which of its values counts would be a guess.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def text_of_json(path: Path | Traversable, refused: Refused) -> str:
    """The text of a file that ought to be JSON; of a checkpoint only the first bytes are read.

    Args:
        path: of the file.
        refused: makes the caller's error.

    Raises:
        FmqError: the caller's, where the file cannot be read, is empty, or is no text.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            if head.startswith(_CHECKPOINTS) or (len(head) == _HEAD and head.endswith(b"{") and 0 in head):
                _refuse(refused, "it is a checkpoint, and no JSON")
            content = head + file.read()
        text = content.decode("utf-8-sig")  # some editors put a mark before it
    except FileNotFoundError as error:
        _refuse(refused, "there is no such file", error)
    except OSError as error:
        _refuse(refused, f"it cannot be read ({error.strerror or error})", error)
    except UnicodeDecodeError as error:
        _refuse(refused, "it is no text, and so no JSON", error)
    if not text.strip():
        _refuse(refused, "the file is empty")
    return text


def json_value(text: str, refused: Refused, **hooks: Any) -> Any:
    """The value that a text holds; no name of an object stands twice.

    Args:
        text: all of it.
        refused: makes the caller's error.
        **hooks: what else ``json.loads`` takes, as ``parse_float``.

    Raises:
        FmqError: the caller's, where the text is no JSON.
    """
    try:
        return json.loads(text, object_pairs_hook=each_once, **hooks)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        _refuse(refused, f"it is no JSON: {error.msg[:1].lower()}{error.msg[1:]} ({place})", error)
    except RecursionError as error:
        _refuse(refused, "it is no JSON that can be read: too many brackets within brackets", error)
    except ValueError as error:
        _refuse(refused, f"it is no JSON ({error})", error)


def _refuse(refused: Refused, cause: str, error: Exception | None = None) -> NoReturn:
    raise refused(cause) from error
