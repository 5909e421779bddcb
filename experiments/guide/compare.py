"""Where two runs of a page disagree: in words, or in numbers by more than rounding."""

import math
import re
from collections.abc import Sequence

from experiments.guide.page import AS_PRINTED, Block

__all__ = ["differences"]

_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*\.?\d*(?:e[-+]?\d+)?")
# A number may be off by one in its last digit, where a library sums in another order.
_TOLERANCE = 2e-3


def differences(shown: Sequence[Block], now: Sequence[Block]) -> list[str]:
    """Where two runs of a page disagree: in words, or in numbers by more than rounding."""
    found: list[str] = []
    for one, other in zip(shown, now, strict=True):
        if one.mark == AS_PRINTED or one.lines == other.lines:
            continue
        if len(one.lines) != len(other.lines):
            found.append(f"{len(one.lines)} lines shown, {len(other.lines)} now: {other.lines[:1]}")
        found += [
            f"shown {a!r}, now {b!r}"
            for a, b in zip(one.lines, other.lines, strict=False)
            if not _alike(a, b)
        ]
    return found


def _alike(one: str, other: str) -> bool:
    if _NUMBER.sub("#", one) != _NUMBER.sub("#", other):
        return False
    return all(
        a == b or math.isclose(_value(a), _value(b), rel_tol=_TOLERANCE) or _last_digit(a, b)
        for a, b in zip(_NUMBER.findall(one), _NUMBER.findall(other), strict=True)
    )


def _value(number: str) -> float:
    return float(number.replace(",", "").rstrip("."))


def _last_digit(one: str, other: str) -> bool:
    """Whether two roundings differ by one in the last digit that is shown."""
    places = len(one.partition(".")[2])
    same = places == len(other.partition(".")[2]) and places > 0 and "e" not in one + other
    return same and abs(_value(one) - _value(other)) < 1.5 * 10.0**-places
