"""The best equally spaced levels on a law: step and offset.

Levels c + a_k s, a_k = k - (K-1)/2. They are the affine maps of the table (a_k), so ``affine_optimum.py``
searches them all: no symmetry of the best grid is assumed, and none holds. On the Laplace law the best grid
of 4, 8, ..., 128 levels is off centre although the density is log-concave: the second derivative of D in c at
c = 0 is 2 (1 - s sum_j f(b_j s)), and for f = e^{-|x|}/2 and thresholds at the multiples of s, s sum_j f(j s)
over all j is (s/2) coth(s/2) > 1.

Two levels are equally spaced whatever they are, so K = 2 is the best codebook of ``codebooks.py``. For the
uniform law on [-1, 1] K cells of lengths l_k have D >= sum l_k^3/24, which is least when all are equal; the
step 2/K reaches that.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from fmq_theory.brief import brief_repr
from fmq_theory.certify.affine_optimum import best_affine_map
from fmq_theory.certify.enclosure import Enclosure
from fmq_theory.certify.law import Law
from fmq_theory.errors import CertificationError

__all__ = ["MOST_SEARCHED", "EqualSteps", "optimal_equal_steps"]

MOST_SEARCHED = 128
"""Beyond this many levels the search over step and offset would take more than a minute."""


@dataclass(frozen=True, slots=True)
class EqualSteps:
    """Equally spaced levels offset + (k - (K-1)/2) step, k = 0..K-1, with nearest levels.

    Attributes:
        step: distance of neighbouring levels.
        offset: centre of the grid, >= 0; the mirror image is as good.
        distortion: of this grid.
        optimum: encloses the least distortion of all steps and offsets.
        verdict: CERTIFIED if no other grid (but the mirror image) is as good; INCONCLUSIVE if it is the best
            one found.
        proof: the argument, or what is missing.
    """

    step: Enclosure
    offset: Enclosure
    distortion: Enclosure
    optimum: Enclosure
    verdict: Literal["CERTIFIED", "INCONCLUSIVE"]
    proof: str

    __repr__ = brief_repr

    def levels(self, num_levels: int) -> tuple[Enclosure, ...]:
        """The levels offset + (k - (K-1)/2) step for k = 0 .. K - 1.

        Args:
            num_levels: K, that the grid was found for.

        Returns:
            K enclosures in the law's units, increasing.
        """
        return tuple(self.step * Fraction(2 * k - num_levels + 1, 2) + self.offset for k in range(num_levels))

    def thresholds(self, num_levels: int) -> tuple[Enclosure, ...]:
        """The midpoints offset + (k - (K-2)/2) step of neighbouring levels, k = 0 .. K - 2.

        Args:
            num_levels: K, that the grid was found for.

        Returns:
            K - 1 enclosures in the law's units, increasing.
        """
        return tuple(
            self.step * Fraction(2 * k - num_levels + 2, 2) + self.offset for k in range(num_levels - 1)
        )


def optimal_equal_steps(law: Law, num_levels: int, *, digits: int = 30) -> EqualSteps:
    """The step and the offset of least distortion, certified where the global search succeeds.

    Args:
        law: the source, on its natural scale.
        num_levels: K >= 2.
        digits: wanted decimal places.

    Raises:
        CertificationError: K < 2.

    Examples:
        The two-sided gamma law of shape 1/2 has a pole at 0, and the best grid of four puts a level near it:

        >>> from fmq_theory import certify
        >>> gamma = certify.law("gamma", {"shape": "1/2"})
        >>> best, centred = certify.optimal_equal_steps(gamma, 4), certify.optimal_uniform(gamma, 4)
        >>> best.verdict, round(float(best.distortion), 7), round(float(centred.distortion), 7)
        ('CERTIFIED', 0.1747357, 0.2399852)
        >>> [round(float(level), 3) for level in best.levels(4)]
        [-1.411, -0.061, 1.289, 2.64]
    """
    if num_levels < 2:
        raise CertificationError(
            f"uniform quantizer of {num_levels} levels", "a step needs two levels", "choose K >= 2"
        )
    if law.support_end is not None:
        end = Fraction(law.support_end)
        step, value = Enclosure.of(2 * end / num_levels), Enclosure.of(end**2 / (3 * num_levels**2))
        proof = "optimal among all codebooks: equal cells of the support have the least sum of cubed lengths"
        return EqualSteps(step, Enclosure.of(0), value, value, "CERTIFIED", proof)
    places = [Fraction(2 * k - num_levels + 1, 2) for k in range(num_levels)]
    effort = 2_000_000 if num_levels <= MOST_SEARCHED else 0
    found = best_affine_map(law, places, digits=digits, effort=effort)
    proof = found.proof.replace("scales and shifts", "steps and offsets")
    return EqualSteps(found.scale, found.shift, found.distortion, found.optimum, found.verdict, proof)
