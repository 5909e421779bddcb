"""Numbers in words, the same in every report."""

import math

__all__ = ["ABSENT", "percent"]

ABSENT = "–"
"""In place of a number that there is none of."""


def percent(share: float | None) -> str:
    """Two significant digits in per cent."""
    if share is None:
        return ABSENT
    value = 100.0 * share
    places = max(0, min(6, 1 - math.floor(math.log10(value)))) if value > 0.0 else 0
    return f"{value:.{places}f}%"
