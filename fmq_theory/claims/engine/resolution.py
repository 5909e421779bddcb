"""The resolution of a claim: the smallest change of its prediction that the measurements refute.

Sizes are searched on a grid of two significant digits, 1.0e-40 to 9.9e59. So the size that is printed is
itself a wrong prediction that was judged and refuted, and the next smaller one of the grid was not. For a
quantity that is an integer they are rounded up to whole numbers.
"""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from fmq_theory.claims.engine.claim import CaseResult, Claim, Mutation, Near, Resolution
from fmq_theory.claims.engine.ranges import interval

__all__ = ["in_words", "resolutions", "sentences", "size_between"]

_SMALLEST = -40
_DECADES = 100
_STEPS = 90 * _DECADES
"""Sizes of the grid: 1.0, 1.1 ... 9.9 in each decade."""


def resolutions(claim: Claim, results: Sequence[CaseResult]) -> tuple[Resolution, ...]:
    """One for each way in which the prediction can be wrong."""
    known = [result for result in results if not result.vacuous]
    return tuple(
        _resolution(claim, mutation, known)
        for mutation in (*claim.relation.mutations(claim.near), *claim.mutations)
    )


def _resolution(claim: Claim, mutation: Mutation, results: Sequence[CaseResult]) -> Resolution:
    def refuted(result: CaseResult, by: Fraction) -> bool:
        wrong = mutation.change(result.case, result.predicted, by)
        return wrong is not None and claim.relation.holds(result.measured, wrong) is False

    def size(step: int) -> Fraction:
        return _size(step, mutation.near)

    standing = [result for result in results if result.holds is not False]
    best, where = _STEPS, ""
    for result in standing:
        if best and refuted(result, size(best - 1)):
            best, where = _first(lambda step, result=result: refuted(result, size(step)), best), result.case
    found = size(best) if where else None
    failing = [result for result in results if result.holds is False]
    rescues = [
        _first(lambda step, result=result: not refuted(result, -size(step)), _STEPS) for result in failing
    ]
    within = [step for step in rescues if step < _STEPS]
    return Resolution(
        mutation,
        found,
        where,
        found is not None and found <= mutation.near.limit,
        sum(refuted(result, mutation.near.limit) for result in standing),
        len(standing),
        size(max(within)) if within else None,
    )


def _size(step: int, near: Near) -> Fraction:
    size = Fraction(10 + step % 90) * Fraction(10) ** (_SMALLEST - 1 + step // 90)
    return Fraction(math.ceil(size)) if near.whole else size


def _first(true_from: Callable[[int], bool], end: int) -> int:
    """The first step below ``end`` from which on a monotone condition is true; ``end`` if there is none."""
    low, high = 0, end
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if true_from(middle) else (middle + 1, high)
    return low


def size_between(claim: Claim, case: str, right: CaseResult, wrong: CaseResult) -> Fraction | None:
    """How far a wrong prediction is from the right one: the least size at which no end lies between the two.

    Args:
        claim: whose relation says what a change is, and whose ``near`` whether it is a factor.
        case: the case's name.
        right: the case with the right prediction.
        wrong: the same with the wrong one.

    Returns:
        The size of the smallest of the claim's own changes that is at least as wrong as the given one; None
        if the right prediction is infinite or no change reaches so far.
    """
    target = interval(wrong.predicted)
    if right.vacuous or target is None:
        return None
    found: list[int] = []
    for mutation in claim.relation.mutations(claim.near):

        def beyond(step: int, mutation: Mutation = mutation) -> bool:
            reached = mutation.change(case, right.predicted, _size(step, claim.near))
            return reached is not None and _as_wrong(right, reached.lower, reached.upper, target)

        step = _first(beyond, _STEPS)
        if step < _STEPS:
            found.append(step)
    return _size(min(found), claim.near) if found else None


def _as_wrong(right: CaseResult, low: Fraction, high: Fraction, target: tuple[Fraction, Fraction]) -> bool:
    """Whether a change has moved the end that the given wrong prediction moved, and as far."""
    ends = interval(right.predicted)
    if ends is None:
        return False
    lower = target[1] < ends[1] and high <= target[1] and high < ends[1]
    upper = target[0] > ends[0] and low >= target[0] and low > ends[0]
    return lower or upper


def in_words(size: Fraction, near: Near) -> str:
    """``1.07 times``, ``1 + 1.2e-20 times``, ``0.12 bits``."""
    if near.unit is not None:
        unit = near.unit.removesuffix("s") if near.whole and size == 1 else near.unit
        return f"{_short(size)} {unit}".rstrip()
    if size < Fraction(1, 10**6):
        return f"1 + {_short(size)} times"
    return f"{_short(1 + size, 3 if size >= Fraction(1, 10) else 3 - _leading(size))} times"


def sentences(found: Sequence[Resolution]) -> tuple[str, ...]:
    """A claim's resolutions in words: what it would have noticed, what not, and what would have held.

    ``would have noticed a bound 1.07 times smaller (gaussian, b = 8); one 2 times off in 12 of 56 cases``
    """
    lines: list[str] = []
    for near in dict.fromkeys(resolution.mutation.near for resolution in found):
        known = [each for each in found if each.near and each.mutation.near == near]
        if known:
            smallest = " or ".join(_smallest(resolution) for resolution in known)
            shares = " and ".join(dict.fromkeys(f"{each.near_cases} of {each.cases}" for each in known))
            lines.append(
                f"would have noticed {smallest}; one {in_words(near.limit, near)} off in {shares} cases"
            )
    lines += [_lack(resolution) for resolution in found if not resolution.near]
    rescues = [
        _with_size(each.mutation.relaxed, each.rescue, each.mutation.near)
        for each in found
        if each.rescue is not None
    ]
    if rescues:
        lines.append(f"no case would be refuted with {' and '.join(rescues)}")
    return tuple(dict.fromkeys(lines))


def _smallest(resolution: Resolution) -> str:
    mutation = resolution.mutation
    return f"{_with_size(mutation.words, resolution.size, mutation.near)} ({resolution.case})"


def _lack(resolution: Resolution) -> str:
    if not resolution.cases:
        return "nothing is left to notice"
    near = resolution.mutation.near
    limit = _with_size(resolution.mutation.words, near.limit, near)
    if resolution.size is None:
        return f"no resolution: {limit}, or more, is noticed nowhere"
    return f"no resolution: {limit} is noticed nowhere; the nearest that is: {_smallest(resolution)}"


def _with_size(words: str, size: Fraction | None, near: Near) -> str:
    return words.format(in_words(size or Fraction(0), near))


def _leading(size: Fraction) -> int:
    """The decimal exponent of a small size, so that 1.0008 keeps the digits that differ from 1."""
    return math.floor(math.log10(size)) + 1


def _short(value: Fraction, digits: int = 3) -> str:
    return f"{float(value):.{digits}g}".replace("e-0", "e-").replace("e+", "e")
