"""Numbers with the interval that holds their mean."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from scipy import special

from fmq_theory.errors import WeightsError

__all__ = ["Estimate", "exact_estimate", "mean_estimate"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and an interval around it.

    Attributes:
        value: the estimate.
        low: lower end; None if nothing is known of the spread (one repeat, or an infinite sample).
        high: upper end; None likewise.
        count: how many independent repeats it rests on.
        confidence: probability with which the interval covers; 1.0 for a value known exactly.
    """

    value: float
    low: float | None
    high: float | None
    count: int
    confidence: float


def mean_estimate(samples: Iterable[float], *, confidence: float = 0.95) -> Estimate:
    """Mean of independent repeats with Student's interval, mean +- t_{m-1} s / sqrt(m).

    The coverage is exact for normal repeats and nominal otherwise: where the repeats have an infinite
    variance no interval of this form is valid, and the caller must say so. A ratio of two quantities
    measured on the same repeats is the mean of the per-repeat ratios.

    Args:
        samples: one number a repeat.
        confidence: in (0, 1).

    Raises:
        WeightsError: no repeats, one that is nan, or a confidence outside (0, 1).

    Examples:
        >>> from fmq_theory.metrics import mean_estimate
        >>> found = mean_estimate([1.0, 2.0, 3.0])
        >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)  # t(2) at 97.5 %: 4.303
        (2.0, -0.484, 4.484)
    """
    values = [float(sample) for sample in samples]
    if not 0.0 < confidence < 1.0:
        raise WeightsError(
            f"confidence {confidence!r}", "it must lie between 0 and 1", "pass for example 0.95"
        )
    if not values:
        raise WeightsError("repeats", "there are none to average", "measure at least one")
    if any(math.isnan(value) for value in values):
        raise WeightsError("repeats", "one of them is nan", "leave undefined repeats out before averaging")
    count = len(values)
    if any(math.isinf(value) for value in values):
        return Estimate(sum(values), None, None, count, confidence)
    # Scaled, so that neither the sum nor the squares of 1e300 overflow.
    unit = max(map(abs, values)) or 1.0
    scaled = [value / unit for value in values]
    mean = math.fsum(scaled) / count
    if count == 1:
        return Estimate(values[0], None, None, 1, confidence)
    variance = math.fsum((value - mean) ** 2 for value in scaled) / (count - 1)
    half = float(special.stdtrit(count - 1, 0.5 + 0.5 * confidence)) * math.sqrt(variance / count)
    return Estimate(mean * unit, (mean - half) * unit, (mean + half) * unit, count, confidence)


def exact_estimate(value: float) -> Estimate:
    """A quantity measured on the whole population, such as the weights of one checkpoint."""
    return Estimate(value, value, value, 1, 1.0)
