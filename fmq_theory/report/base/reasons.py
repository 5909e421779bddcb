"""Why tensors were left out, a line for those that were left out alike."""

import re
from collections.abc import Iterable
from typing import TypeVar

__all__ = ["by_reason"]

T = TypeVar("T")

# What differs from one tensor to the next in a reason, and what is said of all of them.
_ALIKE = (
    (re.compile(r"^(same storage as|stored twice: also) .+$"), r"\1 another tensor"),
    (
        re.compile(r"^\d+ of its \d+ numbers are nan and \d+ are infinite$"),
        "nan or infinite numbers",
    ),
    (re.compile(r"^(\d+ does not divide) the \d+ (weights of a channel)$"), r"\1 the \2"),
)


def by_reason(left_out: Iterable[tuple[T, str]]) -> dict[str, list[T]]:
    """The tensors of each reason, in the order of the first of them.

    Args:
        left_out: a tensor, or what stands for it, and its reason. Reasons that differ in a name or a count
            alone are one; a reason that one tensor has stays as it is.

    Examples:
        >>> from fmq_theory.report.base.reasons import by_reason
        >>> by_reason([("b", "same storage as 'a'"), ("d", "same storage as 'c'"), ("x", "empty")])
        {'same storage as another tensor': ['b', 'd'], 'empty': ['x']}
        >>> by_reason([("b", "same storage as 'a'")])
        {"same storage as 'a'": ['b']}
    """
    groups: dict[str, list[tuple[T, str]]] = {}
    for tensor, reason in left_out:
        kind = reason
        for pattern, words in _ALIKE:
            kind = pattern.sub(words, kind)
        groups.setdefault(kind, []).append((tensor, reason))
    return {
        kind if len({reason for _, reason in group}) > 1 else group[0][1]: [tensor for tensor, _ in group]
        for kind, group in groups.items()
    }
