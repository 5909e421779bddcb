"""The three kinds of certificate, each checked field by field."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import mpmath as mp
from mpmath.libmp import NoConvergence

from proofs_check.independent.document import DOCUMENT, check_document
from proofs_check.independent.laws import CONCAVE, STRICT, Law
from proofs_check.independent.reading import (
    MOST_DIGITS,
    RefusedError,
    enclosure,
    fields,
    rational,
    refuse_unless,
    require,
    same,
    whole,
)
from proofs_check.independent.search import search
from proofs_check.independent.stationary import stationary
from proofs_check.independent.sums import sum_of_cells

__all__ = ["check"]

FORMAT, MOST_LEVELS, MOST_TERMS = "fmq-certificate-2", 1024, 20_000
SEARCH, ONE, HALVES = (
    "global search, then Krawczyk on what it left",
    "K = 1: the mean is optimal",
    "its one free level is E|X|",
)
CODEBOOK_STEPS = [
    "each threshold is the mean of its two levels",
    "Newton's iteration from the levels ends in them",
    "the distortion from the moments of the cells",
    "the argument for optimality, where one is claimed",
]
NOT_CLAIMED = "none: that no codebook is better is not claimed"


def check_constant(cert: Any) -> str:
    """C_PD = (1/12) (int f^(1/3))^3."""
    _, _, statement, data, digits, value, verify = fields(
        cert, "format", "kind", "statement", "law", "digits", "value", "verify"
    )
    law, digits = Law(data), whole(digits, 0, MOST_DIGITS, "digits")
    same(
        statement, f"(1/12) (integral of f^(1/3))^3 of {law.label}, unit scale, lies in 'value'", "statement"
    )
    same(verify, ["the integral of f^(1/3), cubed, divided by 12"], "verify")
    constant = law.panter_dite()
    with mp.workdps(digits + 40 + size_of(constant)):
        require(value, law.panter_dite(), digits, "constant")
    return "verified"


def check_sum(cert: Any) -> str:
    """S_nu, S_N or S_inf by their definitions."""
    _, _, statement, index, count, digits, value, verify = fields(
        cert, "format", "kind", "statement", "index", "num_terms", "digits", "value", "verify"
    )
    digits = whole(digits, 0, MOST_DIGITS, "digits")
    refuse_unless(index is None or count is None, "S_nu and S_N are different sums")
    name, nu = "S_inf", None
    if index is not None:
        nu = rational(index, Fraction(2), "index")
        name = f"S_nu, nu = {index}"
    elif count is not None:
        name = f"S_N, N = {whole(count, 0, MOST_TERMS, 'num_terms')}"
    same(statement, f"{name} lies in 'value'", "statement")
    same(verify, ["the sum by its definition"], "verify")
    enclosure(value, digits, "sum")  # before the work
    with mp.workdps(140):
        require(value, sum_of_cells(nu, count), digits, "sum")
    return "verified"


def size_of(value: mp.mpf) -> int:
    """Digits before the point."""
    return max(0, int(mp.log10(1 + abs(value))))


def check_codebook(cert: Any) -> str:
    """Stationary to the last digit; and the best one, if that is claimed."""
    return codebook(cert)[1]


def codebook(cert: Any) -> tuple[list[mp.mpf], str]:
    """The levels of a codebook's certificate to at least 16 further digits, and what was verified of it."""
    (
        form,
        kind,
        statement,
        data,
        count,
        digits,
        levels,
        cuts,
        distortion,
        optimum,
        among,
        verdict,
        argument,
        verify,
    ) = fields(
        cert,
        *("format", "kind", "statement", "law", "num_levels", "digits", "levels", "thresholds"),
        *("distortion", "optimum", "among", "verdict", "argument", "verify"),
    )
    same((form, kind), (FORMAT, "codebook"), "malformed: format or kind")
    law, digits = Law(data), whole(digits, 1, MOST_DIGITS, "digits")
    count = whole(count, 1, MOST_LEVELS, "num_levels")
    optimal = verdict == "CERTIFIED"
    claim = "whether another codebook has a smaller distortion is not said"
    if optimal:
        of = {"all": "all codebooks", "symmetric": "all symmetric codebooks"}.get(
            among if type(among) is str else "", "no codebooks"
        )
        claim = f"it is the least distortion of {of} of that size, 'optimum'"
    same(verdict, "CERTIFIED" if optimal else "STATIONARY", "verdict")
    same(
        statement,
        f"one stationary codebook of {law.label}, unit scale, has its {count} levels in 'levels', its "
        f"thresholds in 'thresholds' and its distortion in 'distortion'; {claim}",
        "statement",
    )
    same(verify, CODEBOOK_STEPS, "verify")
    numbers = type(levels) is list and type(cuts) is list and len(levels) == count == len(cuts) + 1
    refuse_unless(numbers, "levels are not K increasing numbers with K - 1 thresholds")
    boxes = [enclosure(level, digits, f"level {k}") for k, level in enumerate(levels)]
    middles = [(low + high) / 2 for low, high in boxes]
    refuse_unless(
        all(a < b for a, b in pairwise(middles)), "levels are not K increasing numbers with K - 1 thresholds"
    )
    for k, cut in enumerate(cuts):
        enclosure(cut, digits, f"threshold {k}")
    enclosure(distortion, digits, "distortion")
    if optimal:
        same(optimum, distortion, "the optimum, which is the distortion,")
    else:
        same((optimum, among, argument), (None, None, NOT_CLAIMED), "optimum, among or argument")
    largest = max(map(abs, middles))
    with mp.workdps(digits + 40 + 3 * len(str(int(largest)))):
        start = [mp.mpf(c.numerator) / c.denominator for c in middles]
        found, value = stationary(law, start, mp.mpf(10) ** -digits)
        for k, (level, c) in enumerate(zip(levels, found, strict=True)):
            require(level, c, digits, f"level {k}")
        for k, (cut, (a, b)) in enumerate(zip(cuts, pairwise(found), strict=True)):
            require(cut, (a + b) / 2, digits, f"threshold {k}, half-way between its levels")
        require(distortion, value, digits, "distortion")
    if not optimal:
        return found, "verified: stationary only, as it says itself"
    return found, optimality(law, [float(c) for c in found], float(value), among, argument)


def optimality(law: Law, levels: list[float], distortion: float, among: Any, argument: Any) -> str:
    """Whether the argument for optimality holds for this law and this K."""
    refuse_unless(type(among) is str and type(argument) is str, "among or argument is no text")
    refuse_unless(among in ("all", "symmetric"), "among which codebooks it is the best is not said")
    if among == "all" and argument == ONE:
        refuse_unless(len(levels) == 1, "more than one level is not the mean")
        return "verified: optimal, K = 1"
    if among == "all" and argument in (STRICT, CONCAVE):
        refuse_unless(
            argument == law.argument(), "optimality is claimed by log-concavity, which this law lacks"
        )
        return "verified: optimal, since log f is concave"
    mirrored = all(
        abs(a + b) <= 1e-12 * abs(levels[-1]) for a, b in zip(levels, reversed(levels), strict=True)
    )
    if among == "symmetric":
        refuse_unless(mirrored and len(levels) % 2 == 0, "it is not a symmetric codebook of an even K")
        small = "verified: the best of the symmetric codebooks, among all of them stationary only"
        if argument == HALVES:
            refuse_unless(len(levels) == 2, "more than two levels have more than one free one")
            return small
    else:
        small = "verified: optimal, by a search made again"
    refuse_unless(argument == SEARCH, "no such argument for optimality")
    match search(law, levels, distortion, symmetric=among == "symmetric"):
        case "best":
            return small
        case "not best":
            raise RefusedError("the codebook is not optimal: a better one was found")
        case _:
            return "verified: stationary only; the search for a better codebook ended undecided"


KINDS: dict[str, Callable[[Any], str]] = {
    "constant": check_constant,
    "sum": check_sum,
    "codebook": check_codebook,
}


def check(cert: Any) -> str:
    """What was verified, in words.

    Raises:
        RefusedError: the certificate does not hold, with the reason.
    """
    refuse_unless(type(cert) is dict, "malformed: no object")
    with mp.workdps(80):
        try:
            if cert.get("format") == DOCUMENT:
                return check_document(cert, codebook)
            same(cert.get("format"), FORMAT, "malformed: format")
            kind = cert.get("kind")
            refuse_unless(type(kind) is str and kind in KINDS, "malformed: unknown kind")
            return KINDS[kind](cert)
        except (ArithmeticError, ValueError, NoConvergence) as error:
            raise RefusedError(f"its numbers cannot be computed with ({type(error).__name__})") from error
