"""Numbers in words, the same in every report."""

import math

__all__ = ["ABSENT", "percent", "size_of"]

ABSENT = "–"
"""In place of a number that there is none of."""
_UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def percent(share: float | None) -> str:
    """Two significant digits in per cent."""
    if share is None:
        return ABSENT
    value = 100.0 * share
    places = max(0, min(6, 1 - math.floor(math.log10(value)))) if value > 0.0 else 0
    return f"{value:.{places}f}%"


def size_of(num_bytes: int) -> str:
    """Bytes in the largest unit of which there is one."""
    for unit, name in _UNITS:
        if num_bytes >= unit:
            return f"{num_bytes / unit:.2f} {name}"
    return f"{num_bytes} B"
