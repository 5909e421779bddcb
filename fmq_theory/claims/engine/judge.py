"""From a claim to a finding: the only place where a prediction meets a measurement."""

import math
import re
from collections.abc import Sequence
from fractions import Fraction

from fmq_theory.certify import Enclosure
from fmq_theory.claims.engine.claim import (
    CaseResult,
    Claim,
    ControlFinding,
    Finding,
    Inputs,
    Missing,
    Quantity,
    Values,
    Verdict,
)
from fmq_theory.claims.engine.policy import at_family_level, level_in_words
from fmq_theory.claims.engine.ranges import interval, middle
from fmq_theory.claims.engine.resolution import in_words as size_in_words
from fmq_theory.claims.engine.resolution import resolutions, size_between
from fmq_theory.claims.words import runs_in_words
from fmq_theory.errors import CertificationError

__all__ = ["examine", "in_words", "verdict_of"]

_NUMBERED = re.compile(r"(.*?)(, [a-zA-Z] = |(?:^| )[a-zA-Z] = | )(\d+)")
"""``laplace, b = 4`` and ``expanding field 7``: what is counted, how, and the number."""


def examine(claim: Claim, inputs: Inputs | None = None) -> Finding:
    """Runs a claim and its negative control.

    Raises:
        CertificationError: a measured case has no prediction: the claim is badly stated.
    """
    given = inputs or Inputs()
    measured = claim.measure(given)
    if isinstance(measured, Missing):
        return _without(claim, measured)
    predicted = claim.predict(given)
    if isinstance(predicted, Missing):
        return _without(claim, predicted)
    level = level_in_words(predicted, measured)
    predicted, measured = at_family_level(predicted, measured)
    results = _compare(claim, predicted, measured)
    verdict = verdict_of(results)
    return Finding(
        claim,
        verdict,
        "; ".join(part for part in (claim.domain, _extra(given, results), _count(results), level) if part),
        _evidence(claim, results, verdict),
        results,
        _control(claim, given, measured, results),
        resolutions(claim, results),
        _where(results),
    )


def verdict_of(results: Sequence[CaseResult]) -> Verdict:
    """One failure refutes; a doubt without a failure is inconclusive; proof needs every case proven."""
    decided = [result for result in results if not result.vacuous]
    if any(result.holds is False for result in decided):
        return Verdict.REFUTED
    if not decided:
        return Verdict.VACUOUS if results else Verdict.INCONCLUSIVE
    if any(result.holds is None for result in decided):
        return Verdict.INCONCLUSIVE
    return Verdict.CERTIFIED if all(result.rigorous for result in decided) else Verdict.SUPPORTED


def _compare(claim: Claim, predicted: Values, measured: Values) -> tuple[CaseResult, ...]:
    if set(measured) != set(predicted):
        odd = sorted(set(measured) ^ set(predicted))
        raise CertificationError(
            f"claim {claim.id}",
            f"prediction and measurement do not cover the same cases: {', '.join(odd[:4])}",
            "state both for each case",
        )
    return tuple(
        CaseResult(
            case,
            predicted[case],
            value,
            claim.relation.holds(value, predicted[case]),
            isinstance(value, Enclosure) and isinstance(predicted[case], Enclosure),
        )
        for case, value in measured.items()
    )


def _control(
    claim: Claim, inputs: Inputs, measured: Values, right: Sequence[CaseResult]
) -> ControlFinding | None:
    control = claim.negative_control
    if control is None:
        return None
    wrong = control.predict(inputs)
    if isinstance(wrong, Missing):
        return ControlFinding(Verdict.INCONCLUSIVE, False, f"needs {wrong.argument}")
    wrong, measured = at_family_level(wrong, measured)
    results = _compare(claim, wrong, measured)
    verdict = verdict_of(results)
    rights = {result.case: result for result in right}
    if all(result.holds is False for result in right if control.fails_at in result.case):
        return None  # the claim itself fails where the control should
    exposed = [
        result
        for result in results
        if result.holds is False
        and control.fails_at in result.case
        and rights[result.case].holds is not False
    ]
    if not exposed:
        return ControlFinding(verdict, False, f"no case of '{control.fails_at}' is refuted")
    sizes = {result.case: size_between(claim, result.case, rights[result.case], result) for result in exposed}
    near = [result for result in exposed if (size := sizes[result.case]) and size <= claim.near.limit]
    if not near:
        known = [size for size in sizes.values() if size is not None]
        away = (
            f"{size_in_words(min(known), claim.near)} away" if known else "beyond any change of the right one"
        )
        return ControlFinding(verdict, False, f"refuted, but it is {away}: that is not near")
    return ControlFinding(verdict, True, _sentence(claim, _worst(claim, near)))


def _evidence(claim: Claim, results: Sequence[CaseResult], verdict: Verdict) -> str:
    if verdict is Verdict.VACUOUS:
        return f"{claim.predicted} is infinite in all {len(results)} cases: it predicts nothing"
    if verdict is Verdict.REFUTED:
        failed = [result for result in results if result.holds is False]
        proof = "proven" if any(result.rigorous for result in failed) else "measured"
        rigorous = [result for result in failed if result.rigorous] or failed
        fails = f"fails in {len(failed)} of {len(results)} cases ({proof}): {_where(failed)}"
        held = [result for result in results if result.holds and not result.vacuous]
        holds = f". Holds: {_where(held)}" if held else ""
        return f"{fails}{holds}. Worst: {_sentence(claim, _worst(claim, rigorous))}"
    if verdict is Verdict.INCONCLUSIVE:
        doubtful = [result for result in results if result.holds is None and not result.vacuous]
        return f"undecided in {len(doubtful)} of {len(results)} cases; " + _sentence(
            claim, _worst(claim, doubtful)
        )
    decided = [result for result in results if not result.vacuous]
    vacuous = len(results) - len(decided)
    beside = f"; {vacuous} more are vacuous" if vacuous else ""
    return f"closest: {_sentence(claim, _worst(claim, decided))}{beside}"


def _where(results: Sequence[CaseResult]) -> str:
    """``gaussian, laplace b = 3-8; contracting field 1-20``: cases by what stands before their number."""
    numbers: dict[tuple[str, str], list[int]] = {}
    for result in results:
        found = _NUMBERED.fullmatch(result.case)
        subject, sign, number = found.groups() if found else (result.case, "", "")
        numbers.setdefault((subject, sign), []).extend([int(number)] if number else [])
    groups: dict[tuple[str, str], list[str]] = {}
    for (subject, sign), values in numbers.items():
        groups.setdefault((sign, runs_in_words(values, "/")), []).append(subject)
    return "; ".join(
        f"{_gathered(subjects)}{sign.lstrip(',')}{values}" for (sign, values), subjects in groups.items()
    )


def _gathered(subjects: Sequence[str]) -> str:
    """``net one, net two (uniform, pwl)`` for ``net one, uniform`` and the three others; else as they are."""
    parts: dict[str, list[str]] = {}
    for subject in subjects:
        first, _, rest = subject.partition(", ")
        parts.setdefault(first, []).append(rest)
    alike: dict[tuple[str, ...], list[str]] = {}
    for first, rests in parts.items():
        alike.setdefault(tuple(rests), []).append(first)
    return ", ".join(
        ", ".join(firsts) + f" ({', '.join([rest, *more])})"
        if more
        else ", ".join(first + (f", {rest}" if rest else "") for first in firsts)
        for (rest, *more), firsts in alike.items()
    )


def _worst(claim: Claim, results: Sequence[CaseResult]) -> CaseResult:
    return max(
        results, key=lambda result: claim.relation.severity(middle(result.measured), middle(result.predicted))
    )


def _sentence(claim: Claim, result: CaseResult) -> str:
    sign = claim.relation.symbol if result.holds else f"not proven {claim.relation.symbol}"
    if result.holds is False:
        sign = {"≤": ">", "<": "≥", "≥": "<", "in": "outside", "=": "≠"}[claim.relation.symbol]
    text = (
        f"{result.case}: {claim.measured} {in_words(result.measured)} {sign} "
        f"{claim.predicted} {in_words(result.predicted)}"
    )
    if result.holds is False and claim.relation.symbol in ("≤", "<"):
        text += _how_far(result)
    return text


def _how_far(result: CaseResult) -> str:
    """By what factor a bound is exceeded: by that at least, rounded down, where either side is enclosed.

    The middles of two enclosures have a quotient that nothing proves; the least over the greatest is proven.
    """
    left, right = interval(result.measured), interval(result.predicted)
    if left is None or right is None or right[1] <= 0:
        return ""
    factor = left[0] / right[1]
    if in_words(result.measured).startswith("[") or in_words(result.predicted).startswith("["):
        digits = 2 - math.floor(math.log10(factor))
        return f" (at least × {math.floor(float(factor) * 10**digits) / 10**digits:g})"
    return f" (× {float(factor):.3g})"


def in_words(quantity: Quantity) -> str:
    """A few digits, and the range where it is wide enough to matter."""
    ends = interval(quantity)
    if ends is None:
        return "∞" if isinstance(quantity, (int, float)) else f"{middle(quantity):.4g} (no interval)"
    low, high = ends
    if high - low <= Fraction(1, 10**6) * max(abs(low), abs(high)):
        return f"{float((low + high) / 2):.6g}" if isinstance(quantity, Enclosure) else f"{float(low):.4g}"
    return f"[{float(low):.4g}, {float(high):.4g}]"


def _extra(inputs: Inputs, results: Sequence[CaseResult]) -> str:
    """The real weights, where they took part."""
    name = None if inputs.checkpoint is None else inputs.checkpoint.name
    if name is None or not any(result.case.startswith(name) for result in results):
        return ""
    return ", ".join((f"checkpoint {name}", *inputs.include))


def _count(results: Sequence[CaseResult]) -> str:
    return f"{len(results)} case" + ("s" if len(results) != 1 else "")


def _without(claim: Claim, missing: Missing) -> Finding:
    return Finding(
        claim,
        Verdict.INCONCLUSIVE,
        "nothing was checked",
        f"needs {missing.argument}: {missing.reason}",
        (),
        None,
    )
