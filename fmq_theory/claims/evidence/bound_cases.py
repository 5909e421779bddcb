"""Laws and cases for the statement D_LM <= C_PD 2^(-2b): where it is proven, and where it is refuted."""

from fractions import Fraction
from functools import cache

from fmq_theory.certify import Enclosure, SpikeLaw, absolute_moment, pierce_bound, three_blocks
from fmq_theory.claims.evidence.certified_values import (
    BITS,
    DIGITS,
    LAWS,
    constant,
    named,
    optimum,
    per_square,
)

__all__ = [
    "CLASS",
    "NARROW_PEAK",
    "NARROW_PEAK_BITS",
    "THREE_BLOCKS",
    "bound_cases",
    "constant_over_square",
    "least_error",
    "pierce",
]

CLASS = tuple(name for name in LAWS if name != "gamma(1/2)")
"""The reference laws with f^(-1/3) convex."""

THREE_BLOCKS = "three blocks of width 0.1 at -1, 0, 1"
NARROW_PEAK = "0.9 U(-1e-9, 1e-9) + 0.1 U(-1, 1)"
NARROW_PEAK_BITS = (1, 2, 3, 4, 5, 6)

_BLOCKS_BITS = (1,)
_BUCKETS = 40
_ORDER = 3
"""Of the moment in Pierce's bound: every law here has it."""


@cache
def _peak() -> SpikeLaw:
    return SpikeLaw(Fraction(9, 10), Fraction(1, 10**9))


def bound_cases(*, outside: bool = True) -> list[tuple[str, str, int]]:
    """Name of the case, law and bits: the seven laws, and with ``outside`` the two that refute."""
    named_laws = [(name, bits) for name in LAWS for bits in BITS]
    others = [(THREE_BLOCKS, bits) for bits in _BLOCKS_BITS]
    others += [(NARROW_PEAK, bits) for bits in NARROW_PEAK_BITS]
    return [(f"{name}, b = {bits}", name, bits) for name, bits in named_laws + (others if outside else [])]


@cache
def _constant(name: str) -> Enclosure:
    if name == THREE_BLOCKS:
        return three_blocks().panter_dite_constant(digits=DIGITS)
    return _peak().blocks().panter_dite_constant(digits=DIGITS) if name == NARROW_PEAK else constant(name)


def constant_over_square(name: str, bits: int) -> Enclosure:
    """C_PD 2^(-2b).

    Args:
        name: one of the laws of ``bound_cases``.
        bits: b.
    """
    return per_square(_constant(name), bits)


@cache
def least_error(name: str, bits: int) -> Enclosure:
    """Encloses D_LM(2^b).

    Args:
        name: one of the laws of ``bound_cases``.
        bits: b.
    """
    if name == THREE_BLOCKS:
        return three_blocks().optimum(2**bits, buckets=_BUCKETS)
    return _peak().optimum(2**bits) if name == NARROW_PEAK else optimum(name, bits)


@cache
def _third_moment(name: str) -> Enclosure:
    if name == THREE_BLOCKS:
        return Enclosure.of(three_blocks().absolute_moment(_ORDER))
    if name == NARROW_PEAK:
        return Enclosure.of(_peak().blocks().absolute_moment(_ORDER))
    return absolute_moment(named(name), _ORDER, digits=DIGITS)


def pierce(name: str, bits: int) -> Enclosure:
    """The bound T3c of D_LM(2^b) from E|X|^3: 108 ||X||_3^2 min(1/K^2, 1/(3 (K - 1)^2)).

    Args:
        name: one of the laws of ``bound_cases``.
        bits: b.
    """
    return pierce_bound(_third_moment(name), _ORDER, 2**bits, digits=DIGITS)
