"""A law at a chosen standard deviation, and what a table of numbers is worth on it.

X = a N, N the law on its natural scale and a = deviation/sigma_N, which is irrational for most laws: the
ball of a is carried through every result. The rate of a table, and the least distortion that any code
of that rate can have, are here too:

    H = -sum_k P_k log2 P_k,        D >= 2^{2h - 2R}/(2 pi e)  (Shannon's lower bound, h in bits).

With R = log2 K the bound holds for every quantizer of K levels, so it is also a proven floor of the
optimum wherever the global search gives none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from flint import arb

from fmq_theory.certify.enclosure import Enclosure, Exact, ball, exact, precision
from fmq_theory.certify.entropy import differential_entropy
from fmq_theory.certify.law import Law, UpperMoments
from fmq_theory.certify.stationary import distortion_ball
from fmq_theory.errors import CertificationError

__all__ = ["ScaledLaw"]

Number = Exact | Enclosure


@dataclass(frozen=True, slots=True)
class ScaledLaw:
    """``law`` stretched to the standard deviation ``deviation``.

    Raises:
        CertificationError: the deviation is not positive.
    """

    law: Law
    deviation: Fraction

    def __post_init__(self) -> None:
        if self.deviation <= 0:
            raise CertificationError(
                f"standard deviation {self.deviation}", "it is not positive", "choose a positive number"
            )

    def factor(self, *, digits: int = 40) -> Enclosure:
        """a."""
        with precision(_bits(digits)):
            return Enclosure.of(self._factor())

    def stretched(self, values: Sequence[Number], *, digits: int = 40) -> tuple[Enclosure, ...]:
        """a v for numbers v on the natural scale."""
        with precision(_bits(digits)):
            return tuple(Enclosure.of(self._factor() * ball(value)) for value in values)

    def stretched_square(self, value: Number, *, digits: int = 40) -> Enclosure:
        """a^2 v, for distortions."""
        with precision(_bits(digits)):
            known, square = Enclosure.of(value), self._factor() ** 2
            # End by end: one ball around a wide enclosure would widen it further.
            return Enclosure(
                Enclosure.of(square * ball(known.lower)).lower, Enclosure.of(square * ball(known.upper)).upper
            )

    def distortion(
        self, levels: Sequence[Number], thresholds: Sequence[Number], *, digits: int = 40
    ) -> Enclosure:
        """E (X - Q(X))^2."""
        with precision(_bits(digits)):
            a = self._factor()
            points, cuts = ([ball(v) / a for v in values] for values in (levels, thresholds))
            return Enclosure.of(a * a * distortion_ball(self.law, points, cuts))

    def centroids(self, thresholds: Sequence[Number], *, digits: int = 40) -> tuple[Enclosure | None, ...]:
        """E[X | cell], one cell more than there are thresholds; None where no mass is proven."""
        with precision(_bits(digits)):
            a = self._factor()
            return tuple(
                Enclosure.of(a * cell.first / cell.mass) if cell.mass > 0 else None
                for cell in self._cells(thresholds)
            )

    def entropy_bits(self, thresholds: Sequence[Number], *, digits: int = 40) -> Enclosure:
        """H of the cell index."""
        with precision(_bits(digits)):
            total = arb(0)
            for cell in self._cells(thresholds):
                if cell.mass > 0:
                    total -= cell.mass * cell.mass.log()
                else:  # 0 <= -p ln p <= sqrt(p)
                    total += arb(0).union(abs(cell.mass).upper().sqrt())
            return Enclosure.of(total / arb(2).log())

    def shannon_bound(self, rate_bits: Number, *, digits: int = 40) -> Enclosure:
        """2^{2h - 2R}/(2 pi e)."""
        with precision(_bits(digits)):
            h = differential_entropy(self.law) + self._factor().log()
            nats = ball(rate_bits) * arb(2).log()
            return Enclosure.of((2 * (h - nats) - 1).exp() / (2 * arb.pi()))

    def equal_mass_thresholds(self, num_levels: int, *, digits: int = 40) -> tuple[Enclosure, ...]:
        """Quantiles at k/K."""
        with precision(_bits(digits)):
            a = self._factor()
            masses = [1 - Fraction(k, num_levels) for k in range(1, num_levels)]
            return tuple(Enclosure.of(a * self.law.upper_quantile(mass)) for mass in masses)

    def upper_quantile(self, mass: Fraction, *, digits: int = 40) -> Enclosure:
        """The x with P(X > x) = mass."""
        with precision(_bits(digits)):
            return Enclosure.of(self._factor() * self.law.upper_quantile(mass))

    def _factor(self) -> arb:
        variance = self.law.variance()
        sigma = arb(1) if variance == 1 else variance.sqrt()
        return ball(self.deviation) / sigma

    def _cells(self, thresholds: Sequence[Number]) -> list[UpperMoments]:
        a, nothing = self._factor(), UpperMoments(arb(0), arb(0), arb(0))
        cuts = [ball(t) / a for t in thresholds]
        tails = [self.law.everything(), *(self.law.upper_moments(cut) for cut in cuts), nothing]
        cells = [left - right for left, right in pairwise(tails)]
        # Left of 0 the tails are near 1 and their difference would lose the far cells: mirror them.
        mirrored = [nothing, *(self.law.upper_moments(-cut) for cut in cuts if cut <= 0)]
        for index, (left, right) in enumerate(pairwise(mirrored)):
            cell = right - left
            cells[index] = UpperMoments(cell.mass, -cell.first, cell.second)
        return cells

    def label(self) -> str:
        """The law and its standard deviation in words."""
        deviation = exact(self.deviation)
        shown = str(deviation) if deviation.denominator == 1 else f"{float(deviation):g}"
        return f"{self.law.label()}, standard deviation {shown}"


def _bits(digits: int) -> int:
    if digits < 1:
        raise CertificationError(f"{digits} digits", "nothing is asked for", "ask for at least one digit")
    return int(3.33 * digits) + 96
