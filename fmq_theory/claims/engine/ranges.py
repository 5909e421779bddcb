"""The range in which a quantity lies, whatever encloses it."""

import math
from fractions import Fraction

from fmq_theory.certify import Enclosure
from fmq_theory.claims.engine.claim import Quantity

__all__ = ["interval", "middle"]


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
