"""The codebook oracle: the codebook of a law, with every digit proven."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from fmq_theory.certify import (
    Enclosure,
    OptimalCodebook,
    StationaryCodebook,
    equal_mass_distortion,
    equal_mass_levels,
    exact,
    law,
    optimal_codebook,
    optimal_uniform,
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

SHAPES: dict[str, tuple[str, str]] = {
    "student-t": ("df", "4"),
    "generalized-gaussian": ("beta", "3/2"),
    "gamma": ("shape", "1/2"),
}
"""The shape parameter of each family that has one, and its default."""

Verdict = Literal["CERTIFIED", "INCONCLUSIVE"]


@dataclass(frozen=True, slots=True)
class Optimum:
    """The least distortion of K levels, and what proves it."""

    value: Enclosure
    verdict: Verdict
    proof: str
    codebook: StationaryCodebook


@dataclass(frozen=True, slots=True)
class CodebookReport:
    """A codebook with its certificate.

    Attributes:
        source: the law in words.
        criterion: which codebook of it.
        verdict: CERTIFIED if the codebook is proven to be what the criterion asks for.
        proof: by which argument, or what is missing.
        distortion: of this codebook.
        optimum: the least distortion that any codebook of K levels has.
        entropy_bits: H of the cell index.
        shannon_at_levels: Shannon's lower bound at log2 K bits.
        shannon_at_entropy: and at H bits.
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
    optimum: Enclosure
    entropy_bits: Enclosure
    shannon_at_levels: Enclosure
    shannon_at_entropy: Enclosure


def scaled_law(name: str, shape: str | None, deviation: str) -> ScaledLaw:
    """The law as the command line names it, all numbers exact.

    Raises:
        CertificationError: an unknown law, a parameter outside its domain (no variance), a deviation
            that is not positive.
    """
    parameters = {SHAPES[name][0]: exact(shape or SHAPES[name][1])} if name in SHAPES else {}
    return ScaledLaw(law(name, parameters), exact(deviation))


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
    return Optimum(value, found.verdict, proof, found.codebook)


def design(source: ScaledLaw, num_levels: int, *, criterion: str = "mse", digits: int = 30) -> CodebookReport:
    """The codebook that ``criterion`` asks for.

    Raises:
        CertificationError: as ``optimum_of``; an unknown criterion; one level where two are needed.
    """
    if not 1 <= digits <= 200:
        raise CertificationError(f"{digits} digits", "1 to 200 are supported", "choose another number")
    more = digits + 10
    best = optimum_of(source, num_levels, digits=more, search=criterion == "mse")
    verdict: Verdict = "CERTIFIED"
    if criterion == "mse":
        verdict, proof = best.verdict, best.proof
        book = best.codebook
        levels = source.stretched(book.levels, digits=more)
        thresholds = source.stretched(book.thresholds, digits=more)
        distortion = source.stretched_square(book.distortion, digits=more)
    elif criterion == "equal-mass":
        proof = "quantiles proven by interval Newton, levels the means of their cells"
        levels = source.stretched(equal_mass_levels(source.law, num_levels, digits=more), digits=more)
        thresholds = source.equal_mass_thresholds(num_levels, digits=more)
        distortion = source.stretched_square(
            equal_mass_distortion(source.law, num_levels, digits=more), digits=more
        )
    elif criterion == "uniform":
        found = optimal_uniform(source.law, num_levels, digits=more)
        proof = "the step is the global minimizer, by branch and bound"
        places = [Fraction(2 * k - num_levels + 1, 2) for k in range(num_levels)]
        levels = source.stretched([found.step * place for place in places], digits=more)
        thresholds = source.stretched(
            [found.step * (place + Fraction(1, 2)) for place in places[:-1]], digits=more
        )
        distortion = source.stretched_square(found.distortion, digits=more)
    else:
        raise CertificationError(
            f"criterion {criterion!r}", "no such criterion", f"choose one of {', '.join(CRITERIA)}"
        )
    entropy = source.entropy_bits(thresholds, digits=more)
    return CodebookReport(
        source.label(),
        criterion,
        num_levels,
        digits,
        verdict,
        proof,
        levels,
        thresholds,
        distortion,
        best.value,
        entropy,
        source.shannon_bound(_log2(num_levels, more), digits=more),
        source.shannon_bound(entropy, digits=more),
    )


def _log2(num_levels: int, digits: int) -> Enclosure:
    if num_levels.bit_count() == 1:
        return Enclosure.of(num_levels.bit_length() - 1)
    return (logarithm(num_levels, digits=digits) / logarithm(2, digits=digits)).rounded(digits)
