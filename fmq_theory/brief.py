"""A short text for a value of many parts: what it is, and the size of what is too long to be shown."""

from collections.abc import Sized
from dataclasses import fields, is_dataclass
from typing import Any, cast

from fmq_theory.shown import escaped, shorten

__all__ = ["MOST_OF_A_REPR", "brief_repr"]

MOST_OF_A_REPR = 300
_MOST_OF_A_FIELD = 48


def brief_repr(self: Any) -> str:
    """``Class(field=value, ...)`` in at most 300 characters, as ``__repr__`` of a dataclass or a named tuple.

    An array is told by its type and shape, a long tuple, list or object by how many it holds, another value
    that is long by its beginning.

    Examples:
        >>> from dataclasses import dataclass
        >>> from fmq_theory.brief import brief_repr
        >>> @dataclass
        ... class Model:
        ...     name: str
        ...     layers: tuple[int, ...]
        ...     __repr__ = brief_repr
        >>> Model("digits", tuple(range(1000)))
        Model(name='digits', layers=<tuple of 1000>)
    """
    if is_dataclass(self):
        names = [field.name for field in fields(self) if field.repr]
    else:
        names = list(getattr(self, "_fields", ()))
    told = [f"{name}={_brief(getattr(self, name, '?'))}" for name in names]
    start = f"{type(self).__qualname__}("
    room = MOST_OF_A_REPR - len(start) - 6
    shown: list[str] = []
    for text in told:
        if len(text) + 2 > room:
            shown.append("...")
            break
        room -= len(text) + 2
        shown.append(text)
    return f"{start}{', '.join(shown)})"


def _brief(value: object) -> str:
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if dtype is not None and shape:
        return f"<{dtype} {list(shape)}>"
    if isinstance(value, str):
        return repr(shorten(escaped(value), _MOST_OF_A_FIELD))
    kind: type = type(value)
    if issubclass(kind, tuple | list | dict | set | frozenset):
        count = len(cast(Sized, value))
        if count > 3:
            return f"<{kind.__name__} of {count}>"
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python writes
        return f"<{kind.__name__}>"
    name = kind.__qualname__
    if len(text) <= _MOST_OF_A_FIELD:
        return escaped(text)
    return f"{name}(...)" if text.startswith(f"{name}(") else escaped(f"{text[: _MOST_OF_A_FIELD - 3]}...")
