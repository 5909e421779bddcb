"""The codebook oracle: the codebook of a law, with every digit proven."""

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from fmq_theory.certify import (
    Enclosure,
    OptimalCodebook,
    certifiable_digits,
    codebook_certificate,
    equal_mass_distortion,
    equal_mass_levels,
    exact,
    law,
    optimal_codebook,
    optimal_equal_steps,
    stationary_codebook,
)
from fmq_theory.certify.elementary import logarithm
from fmq_theory.certify.scaled import ScaledLaw
from fmq_theory.errors import CertificationError

__all__ = [
    "CRITERIA",
    "MOST_LEVELS",
    "SHAPES",
    "CodebookReport",
    "Optimum",
    "design",
    "optimum_of",
    "scaled_law",
]

CRITERIA = ("mse", "equal-mass", "uniform")
MOST_LEVELS = 1024
_QUICKLY_SEARCHED = 4
_GUARD_DIGITS, _MANY_GUARD_DIGITS = 10, 160
_SHAPE_RANGE = (Fraction(1, 1000), Fraction(10_000))
_SCALE_RANGE = (Fraction(1, 10**100), Fraction(10**100))

SHAPES: dict[str, tuple[str, str]] = {
    "student-t": ("df", "4"),
    "generalized-gaussian": ("beta", "3/2"),
    "gamma": ("shape", "1/2"),
}
"""The shape parameter of each family that has one, and its default."""

Verdict = Literal["CERTIFIED", "INCONCLUSIVE"]


@dataclass(frozen=True, slots=True)
class Optimum:
    """The least distortion of K levels, and what proves it.

    Attributes:
        value: encloses it on the law's own scale.
        verdict: CERTIFIED where a codebook is proven to have it.
        proof: by which argument, or what is missing.
        found: the best codebook found, on the natural scale.
    """

    value: Enclosure
    verdict: Verdict
    proof: str
    found: OptimalCodebook


@dataclass(frozen=True, slots=True)
class CodebookReport:
    """A codebook with its certificate.

    Attributes:
        source: the law in words.
        criterion: which codebook of it.
        digits: decimal places to show.
        verdict: CERTIFIED if the codebook is proven to be what the criterion asks for; INCONCLUSIVE if it is
            the best one found.
        proof: by which argument, or what is missing.
        distortion: of this codebook.
        least_of_kind: encloses the least distortion of all codebooks that the criterion admits: all (mse),
            all equally spaced ones (uniform), the one of equal masses (equal-mass).
        optimum: the least distortion that any codebook of K levels has.
        entropy_bits: H of the cell index.
        shannon_at_levels: Shannon's lower bound at log2 K bits.
        shannon_at_entropy: and at H bits.
        deviation: standard deviation of the law.
        certificate: of the criterion mse, a certificate of the codebook on the natural scale, which a second
            program verifies; None for the other criteria, and where too few digits are proven there.
    """

    source: str
    criterion: str
    num_levels: int
    digits: int
    verdict: Verdict
    proof: str
    levels: tuple[Enclosure, ...]
    thresholds: tuple[Enclosure, ...]
    distortion: Enclosure
    least_of_kind: Enclosure
    optimum: Enclosure
    entropy_bits: Enclosure
    shannon_at_levels: Enclosure
    shannon_at_entropy: Enclosure
    deviation: Fraction
    certificate: dict[str, object] | None


def scaled_law(name: str, shape: str | None, deviation: str) -> ScaledLaw:
    """The law as the command line names it, all numbers exact.

    Raises:
        CertificationError: an unknown law, a parameter outside its domain (no variance), a deviation
            that is not positive.
    """
    parameters: dict[str, Fraction] = {}
    if name in SHAPES:
        parameter, default = SHAPES[name]
        parameters[parameter] = _number(f"{name}: {parameter}", shape or default, *_SHAPE_RANGE)
    return ScaledLaw(law(name, parameters), _number("standard deviation", deviation, *_SCALE_RANGE))


def _number(what: str, text: str, low: Fraction, high: Fraction) -> Fraction:
    # 1e999999999 is a finite decimal too, and would not fit into memory.
    if re.search(r"[eE][+-]?\d{4,}", text) is None:
        value = exact(text)
        if value <= 0 or low <= value <= high:
            return value  # what is not positive is refused with its own reason further on
    raise CertificationError(
        f"{what} = {text}", f"it is outside {float(low):g} to {float(high):g}", "choose a number inside"
    )


def optimum_of(source: ScaledLaw, num_levels: int, *, digits: int, search: bool = True) -> Optimum:
    """The best codebook of the natural scale and the enclosure of its distortion on this one.

    Where the global search proves no useful lower bound Shannon's, at log2 K bits, takes its place.

    Args:
        source: the law.
        num_levels: K.
        digits: wanted decimal places.
        search: whether to search globally (seconds) where log-concavity does not decide.

    Raises:
        CertificationError: K is out of range, or not even a stationary codebook could be proven.
    """
    if not 1 <= num_levels <= MOST_LEVELS:
        raise CertificationError(
            f"{num_levels} levels", f"the oracle proves codebooks of 1 to {MOST_LEVELS}", "choose another K"
        )
    if search or source.law.uniqueness is not None:
        found = optimal_codebook(source.law, num_levels, digits=digits)
    else:
        book = stationary_codebook(source.law, num_levels, digits=digits)
        reached = Enclosure(Fraction(0), book.distortion.upper)
        found = OptimalCodebook(book, reached, "INCONCLUSIVE", "no global search was made")
    value = source.stretched_square(found.optimum, digits=digits)
    proof = found.proof
    if found.verdict == "INCONCLUSIVE":
        floor = source.shannon_bound(_log2(num_levels, digits), digits=digits)
        if floor.lower > value.lower:
            value = Enclosure(min(floor.lower, value.upper), value.upper)
            proof += "; Shannon's bound is the lower end"
    return Optimum(value, found.verdict, proof, found)


def design(source: ScaledLaw, num_levels: int, *, criterion: str = "mse", digits: int = 30) -> CodebookReport:
    """The codebook that ``criterion`` asks for.

    Raises:
        CertificationError: as ``optimum_of``; an unknown criterion; one level where two are needed.

    Examples:
        >>> from fmq_theory.claims.oracle.design import design, scaled_law
        >>> report = design(scaled_law("gaussian", None, "1"), 2)
        >>> report.verdict, [round(float(level), 6) for level in report.levels]
        ('CERTIFIED', [-0.797885, 0.797885])
        >>> report.shannon_at_levels.less_than(report.distortion)
        True
    """
    if not 1 <= digits <= 200:
        raise CertificationError(f"{digits} digits", "1 to 200 are supported", "choose another number")
    if criterion not in CRITERIA:
        raise CertificationError(
            f"criterion {criterion!r}", "no such criterion", f"choose one of {', '.join(CRITERIA)}"
        )
    places = digits + _leading_zeros(source.deviation)
    more = places + _GUARD_DIGITS
    best, made = _attempt(source, num_levels, criterion, more)
    limit = Fraction(1, 10**places)
    if made.distortion.radius > limit:
        # Levels far out in a heavy tail cost digits of the distortion: E c^2 is a sum of huge terms.
        more = places + _MANY_GUARD_DIGITS
        best, made = _attempt(source, num_levels, criterion, more)
    if made.distortion.radius > limit:
        raise CertificationError(
            f"{source.label()} with {num_levels} levels",
            f"{digits} digits of the distortion could not be proven",
            "choose fewer levels, fewer digits or a lighter tail",
        )
    entropy = source.entropy_bits(made.thresholds, digits=more)
    return CodebookReport(
        source.label(),
        criterion,
        num_levels,
        places,
        made.verdict,
        made.proof,
        made.levels,
        made.thresholds,
        made.distortion,
        made.least_of_kind,
        best.value,
        entropy,
        source.shannon_bound(_log2(num_levels, more), digits=more),
        source.shannon_bound(entropy, digits=more),
        source.deviation,
        _certificate(best.found, digits) if criterion == "mse" else None,
    )


def _certificate(found: OptimalCodebook, digits: int) -> dict[str, object] | None:
    places = min(digits, certifiable_digits(found))
    return codebook_certificate(found, digits=places) if places else None


@dataclass(frozen=True, slots=True)
class _Made:
    verdict: Verdict
    proof: str
    levels: tuple[Enclosure, ...]
    thresholds: tuple[Enclosure, ...]
    distortion: Enclosure
    least_of_kind: Enclosure


def _attempt(source: ScaledLaw, num_levels: int, criterion: str, digits: int) -> tuple[Optimum, _Made]:
    search = criterion == "mse" or num_levels <= _QUICKLY_SEARCHED
    best = optimum_of(source, num_levels, digits=digits, search=search)
    made = _made(source, num_levels, criterion, best, digits)
    # The least distortion of all codebooks is not above that of the one at hand.
    upper = max(best.value.lower, min(best.value.upper, made.distortion.upper))
    return replace(best, value=Enclosure(best.value.lower, upper)), made


def _made(source: ScaledLaw, num_levels: int, criterion: str, best: Optimum, digits: int) -> _Made:
    if criterion == "mse":
        book = best.found.codebook
        return _Made(
            best.verdict,
            best.proof,
            source.stretched(book.levels, digits=digits),
            source.stretched(book.thresholds, digits=digits),
            source.stretched_square(book.distortion, digits=digits),
            best.value,
        )
    if criterion == "equal-mass":
        value = source.stretched_square(
            equal_mass_distortion(source.law, num_levels, digits=digits), digits=digits
        )
        return _Made(
            "CERTIFIED",
            "the only codebook of equal masses and mean levels: quantiles proven by interval Newton",
            source.stretched(equal_mass_levels(source.law, num_levels, digits=digits), digits=digits),
            source.equal_mass_thresholds(num_levels, digits=digits),
            value,
            value,
        )
    found = optimal_equal_steps(source.law, num_levels, digits=digits)
    return _Made(
        found.verdict,
        found.proof,
        source.stretched(found.levels(num_levels), digits=digits),
        source.stretched(found.thresholds(num_levels), digits=digits),
        source.stretched_square(found.distortion, digits=digits),
        _least_of_class(source.stretched_square(found.optimum, digits=digits), best.value),
    )


def _least_of_class(reached: Enclosure, every: Enclosure) -> Enclosure:
    """What no codebook can beat no grid can beat either."""
    return Enclosure(min(max(reached.lower, every.lower), reached.upper), reached.upper)


def _leading_zeros(deviation: Fraction) -> int:
    """Decimal places that a small deviation needs before its square's first digit counts; 0 from 1 on."""
    return max(0, 2 * (len(str(deviation.denominator)) - len(str(deviation.numerator))))


def _log2(num_levels: int, digits: int) -> Enclosure:
    if num_levels.bit_count() == 1:
        return Enclosure.of(num_levels.bit_length() - 1)
    return (logarithm(num_levels, digits=digits) / logarithm(2, digits=digits)).rounded(digits)
