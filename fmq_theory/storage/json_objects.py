"""Objects of JSON files that somebody else may have written."""

from typing import Any

__all__ = ["each_once"]


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
