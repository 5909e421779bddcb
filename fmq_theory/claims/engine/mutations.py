"""How a prediction can be a little wrong: a bound moved, an end drawn in, a value changed, an order raised.

Each mutation has a size. ``resolution`` looks for the smallest that the measurements refute.
"""

import math
import re
from collections.abc import Callable
from fractions import Fraction

from fmq_theory.certify import Enclosure
from fmq_theory.claims.engine.claim import Mutation, Near, Quantity
from fmq_theory.claims.engine.ranges import interval
from fmq_theory.errors import CertificationError

__all__ = ["ends_drawn_in", "larger_bound", "other_value", "plus", "smaller_bound", "steeper", "times"]

_BITS = re.compile(r"b = (\d+)$")

_End = Callable[[Fraction, Fraction], Fraction]
"""An end of a prediction and a size to the end of the wrong one."""


def times(limit: Fraction | int | str) -> Near:
    """Predictions are changed by a factor, and one of up to ``limit`` counts as near.

    Args:
        limit: the factor, above 1; text or a fraction, so that it is exact.

    Raises:
        CertificationError: the factor is not above 1.
    """
    factor = Fraction(limit)
    if factor <= 1:
        raise CertificationError(f"factor {limit}", "it changes nothing", "choose one above 1")
    return Near(factor - 1)


def plus(limit: Fraction | int | str, unit: str = "", *, whole: bool = False) -> Near:
    """Predictions are changed by a difference, as for bits or dB; one of up to ``limit`` counts as near.

    Args:
        limit: the largest difference that is near, above 0.
        unit: what it is counted in, as it is printed after the number: ``bits``, ``dB``, or nothing.
        whole: the predicted quantity is an integer: the smallest change is one unit.

    Raises:
        CertificationError: the difference is not above 0.
    """
    difference = Fraction(limit)
    if difference <= 0:
        raise CertificationError(f"difference {limit}", "it changes nothing", "choose one above 0")
    return Near(difference, unit, whole)


def smaller_bound(near: Near) -> tuple[Mutation, ...]:
    """For "at most": the bound is lower than it should be."""
    down, _ = _ends(near)
    return (Mutation("a bound {} smaller", "a bound {} larger", near, _moved(down, down)),)


def larger_bound(near: Near) -> tuple[Mutation, ...]:
    """For "at least": the bound is higher than it should be."""
    _, up = _ends(near)
    return (Mutation("a bound {} larger", "a bound {} smaller", near, _moved(up, up)),)


def ends_drawn_in(near: Near) -> tuple[Mutation, ...]:
    """For "in": one end of the range lies further in than it should."""
    down, up = _ends(near)
    return (
        Mutation("a lower end {} higher", "a lower end {} lower", near, _moved(up, None)),
        Mutation("an upper end {} lower", "an upper end {} higher", near, _moved(None, down)),
    )


def other_value(near: Near) -> tuple[Mutation, ...]:
    """For "=": the value is another one."""
    down, up = _ends(near)
    return (
        Mutation("a value {} larger", "a value {} smaller", near, _moved(up, up)),
        Mutation("a value {} smaller", "a value {} larger", near, _moved(down, down)),
    )


def steeper(limit: Fraction | int | str = "1/4") -> Mutation:
    """The bound falls with the bits by a higher order: 2^(-d b) times the bound, d the size.

    For cases named ``..., b = 4``; others have no order and are not changed. The power is a float: it decides
    which control is shown, not a verdict.

    Args:
        limit: the largest d that counts as near.
    """

    def change(case: str, predicted: Quantity, size: Fraction) -> Enclosure | None:
        found, ends = _BITS.search(case), interval(predicted)
        if found is None or ends is None:
            return None
        exponent = max(-1000.0, min(1000.0, -float(size) * int(found[1])))
        factor = Fraction(math.exp2(exponent))
        return Enclosure(*sorted(end * factor for end in ends))

    return Mutation("an order {} higher", "an order {} lower", plus(limit), change)


def _ends(near: Near) -> tuple[_End, _End]:
    """How an end goes down, and up, by a size; a negative size turns either round."""
    if near.unit is not None:
        return (lambda end, size: end - size), (lambda end, size: end + size)
    return _lowered, _raised


def _lowered(end: Fraction, size: Fraction) -> Fraction:
    if size < 0:
        return _raised(end, -size)
    return end / (1 + size) if end >= 0 else end * (1 + size)


def _raised(end: Fraction, size: Fraction) -> Fraction:
    return -_lowered(-end, size)


def _moved(low: _End | None, high: _End | None) -> Callable[[str, Quantity, Fraction], Enclosure | None]:
    """Each end moved by its rule, or left; ends that would pass each other meet at the one that was moved."""

    def change(_case: str, predicted: Quantity, size: Fraction) -> Enclosure | None:
        ends = interval(predicted)
        if ends is None:
            return None
        first = ends[0] if low is None else low(ends[0], size)
        last = ends[1] if high is None else high(ends[1], size)
        if first > last:
            first, last = (last, last) if low is None else (first, first)
        return Enclosure(first, last)

    return change
