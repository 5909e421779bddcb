"""The relations that claims use, each decided on whole ranges and never on midpoints alone."""

import math
from fractions import Fraction

from fmq_theory.certify import Enclosure
from fmq_theory.claims.claim import Quantity, Relation
from fmq_theory.errors import CertificationError

__all__ = ["AT_LEAST", "AT_MOST", "BELOW", "EQUAL", "INSIDE", "band", "interval", "middle"]

_SLACK = Fraction(1, 10**20)
"""Where two enclosures meet with equality (the uniform law), no finite precision proves "at most"."""


def interval(quantity: Quantity) -> tuple[Fraction, Fraction] | None:
    """Both ends, exact; None if nothing encloses the quantity (one repeat, an infinite value)."""
    if isinstance(quantity, Enclosure):
        return quantity.lower, quantity.upper
    if isinstance(quantity, (int, float)):
        return (Fraction(quantity), Fraction(quantity)) if math.isfinite(quantity) else None
    if quantity.low is None or quantity.high is None:
        return None
    if not (math.isfinite(quantity.low) and math.isfinite(quantity.high)):
        return None
    return Fraction(quantity.low), Fraction(quantity.high)


def middle(quantity: Quantity) -> float:
    """A float to show; it proves nothing."""
    if isinstance(quantity, (Enclosure, int, float)):
        return float(quantity)
    return quantity.value


def _at_most(measured: Quantity, predicted: Quantity) -> bool | None:
    left, right = interval(measured), interval(predicted)
    if left is None or right is None:
        return None
    if left[1] <= right[0] + _SLACK * abs(right[0]):
        return True
    return False if left[0] > right[1] * (1 + _SLACK) else None


def _below(measured: Quantity, predicted: Quantity) -> bool | None:
    left, right = interval(measured), interval(predicted)
    if left is None or right is None:
        return None
    return True if left[1] < right[0] else (False if left[0] >= right[1] else None)


def _at_least(measured: Quantity, predicted: Quantity) -> bool | None:
    return _at_most(predicted, measured)


def _inside(measured: Quantity, predicted: Quantity) -> bool | None:
    left, right = interval(measured), interval(predicted)
    if left is None or right is None:
        return None
    if right[0] <= left[0] and left[1] <= right[1]:
        return True
    return False if left[1] < right[0] or left[0] > right[1] else None


def _equal(measured: Quantity, predicted: Quantity) -> bool | None:
    left, right = interval(measured), interval(predicted)
    if left is None or right is None:
        return None
    tolerance = _SLACK * max(abs(left[1]), abs(right[1]))
    if max(left[1], right[1]) - min(left[0], right[0]) <= tolerance:
        return True
    return False if left[1] < right[0] - tolerance or left[0] > right[1] + tolerance else None


def _quotient(measured: float, predicted: float) -> float:
    if predicted == 0:
        return 0.0 if measured == 0 else math.inf
    return measured / predicted


def _distance(measured: float, predicted: float) -> float:
    return abs(measured - predicted) / (abs(predicted) or 1.0)


AT_MOST = Relation("≤", _at_most, _quotient)
BELOW = Relation("<", _below, _quotient)
AT_LEAST = Relation("≥", _at_least, lambda measured, predicted: -_quotient(measured, predicted))
INSIDE = Relation("in", _inside, _distance)
EQUAL = Relation("=", _equal, _distance)


def band(low: Fraction | int | str, high: Fraction | int | str) -> Enclosure:
    """A predicted range with exact ends, for ``INSIDE``.

    Raises:
        CertificationError: the ends are out of order or not exact.
    """
    first, last = Fraction(low), Fraction(high)
    if first > last:
        raise CertificationError(f"range {low} to {high}", "its ends are out of order", "swap them")
    return Enclosure(first, last)
