"""Bars of figures: an interval has one only if its kind was counted."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fmq_theory.errors import WeightsError
from fmq_theory.metrics import INTERVAL_KINDS

__all__ = ["interval_bars"]

_LEAST_SHARE = 0.01
"""Of the value, where the interval reaches zero, which a logarithmic axis does not have."""


def interval_bars(
    kind: str,
    values: Sequence[float],
    lows: Sequence[float | None],
    highs: Sequence[float | None],
    *,
    log: bool = False,
) -> NDArray[np.float64]:
    """Lengths of bars down and up, as ``Axes.errorbar`` takes them; 0 where there is no interval.

    Args:
        kind: of the interval, a key of ``INTERVAL_KINDS``.
        values: that the bars are drawn at, ``[n]``.
        lows: lower ends, ``[n]``; None or nan for no interval.
        highs: upper ends, ``[n]``, absent where ``lows`` are.
        log: whether the axis is logarithmic and the values positive.

    Returns:
        ``[2, n]``.

    Raises:
        WeightsError: the coverage of no such interval was counted.
    """
    if kind not in INTERVAL_KINDS:
        raise WeightsError(
            f"bars of {kind!r}", "no such interval was counted", f"draw {', '.join(INTERVAL_KINDS)} or points"
        )
    lengths = np.zeros((2, len(values)))
    for place, (value, low, high) in enumerate(zip(values, lows, highs, strict=True)):
        if low is None or high is None or math.isnan(low) or math.isnan(high) or not math.isfinite(value):
            continue
        low = max(low, _LEAST_SHARE * value) if log else low
        lengths[:, place] = max(0.0, value - low), max(0.0, high - value)
    return lengths
