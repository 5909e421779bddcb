"""The relations that claims use, each decided on whole ranges and never on midpoints alone."""

import math
from fractions import Fraction

from fmq_theory.certify import Enclosure
from fmq_theory.claims.engine.claim import Quantity, Relation
from fmq_theory.claims.engine.mutations import ends_drawn_in, larger_bound, other_value, smaller_bound
from fmq_theory.claims.engine.ranges import interval
from fmq_theory.errors import CertificationError

__all__ = ["AT_LEAST", "AT_MOST", "BELOW", "EQUAL", "INSIDE", "band"]

_SLACK = Fraction(1, 10**20)
"""Where two enclosures meet with equality (the uniform law), no finite precision proves "at most"."""


def _at_most(measured: Quantity, predicted: Quantity) -> bool | None:
    left, right = interval(measured), interval(predicted)
    if left is None or right is None:
        return None
    if left[1] <= right[0] + _SLACK * abs(right[0]):
        return True
    return False if left[0] > right[1] + _SLACK * abs(right[1]) else None


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


AT_MOST = Relation("≤", _at_most, _quotient, smaller_bound)
BELOW = Relation("<", _below, _quotient, smaller_bound)
AT_LEAST = Relation("≥", _at_least, lambda measured, predicted: -_quotient(measured, predicted), larger_bound)
INSIDE = Relation("in", _inside, _distance, ends_drawn_in)
EQUAL = Relation("=", _equal, _distance, other_value)


def band(low: Fraction | int | str, high: Fraction | int | str) -> Enclosure:
    """A predicted range with exact ends, for ``INSIDE``.

    Raises:
        CertificationError: the ends are out of order or not exact.
    """
    first, last = Fraction(low), Fraction(high)
    if first > last:
        raise CertificationError(f"range {low} to {high}", "its ends are out of order", "swap them")
    return Enclosure(first, last)
