"""Two laws of unbounded support that keep statements on equal mass no wider than they are.

* ``thin_tail_distortion``: on the whole numbers with P(X >= i) = 2^(-3^i), i = 1, 2, ..., K^2 D_EM(K) has no
  limit: at K = 2^b it is near 2^(b - 2) for b = 3^j - 1 and near 2^(-b) for b = 3^j. For 3^j <= b < 3^(j+1)
  every atom below j fills whole cells, so only the top cell costs anything; it holds j and all above.
* ``NearlyUniform``: (1 - s) U(-1, 1) + s N(0, 1). The support is the line, so K^2 D_EM tends to infinity (T4,
  iv), but the smaller s is the more bits pass before that can be seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from flint import arb

from fmq_theory.certify.elementary import square_root
from fmq_theory.certify.enclosure import Enclosure, ball
from fmq_theory.certify.families import law
from fmq_theory.certify.law import UpperMoments
from fmq_theory.certify.roots import certified_root
from fmq_theory.errors import CertificationError
from fmq_theory.shown import counted

__all__ = ["NearlyUniform", "equal_mass_of_atoms", "thin_tail_distortion"]


def equal_mass_of_atoms(atoms: Sequence[tuple[Fraction, Fraction]], num_levels: int) -> Fraction:
    """D_EM(K) = E X^2 - K sum_k (int over cell k of F^-1)^2 of a law with finitely many atoms, exactly.

    Args:
        atoms: (place, mass) pairs by increasing place; the masses add up to 1.
        num_levels: K.

    Raises:
        CertificationError: K < 1, or the masses do not add up to 1.
    """
    total = sum((mass for _, mass in atoms), Fraction(0))
    if num_levels < 1 or total != 1:
        raise CertificationError(
            f"equal mass of {num_levels} levels on atoms of mass {total}",
            "K is below 1 or the masses are no probability",
            "pass K >= 1 and masses that add up to 1",
        )
    cell = Fraction(1, num_levels)
    left, first, square = cell, Fraction(0), Fraction(0)  # room left in the cell, and its integral so far
    for place, mass in atoms:
        rest = mass
        if rest >= left:
            first += place * left
            square += first * first / cell
            rest -= left
            whole = rest // cell
            square += whole * cell * place * place
            rest -= whole * cell
            left, first = cell, Fraction(0)
        first += place * rest
        left -= rest
    return sum((place * place * mass for place, mass in atoms), Fraction(0)) - square


def thin_tail_distortion(bits: int) -> Enclosure:
    """D_EM(2^b) of P(X >= i) = 2^(-3^i), i >= 1.

    The law is cut to min(X, J). In W2 that moves it by e = (E (X - J)_+^2)^(1/2), e^2 <= 2 * 2^(-3^(J+1)),
    and sqrt(D_EM) by no more, because taking cell means is an orthogonal projection of quantile functions.

    Raises:
        CertificationError: b < 1.
    """
    if bits < 1:
        raise CertificationError(f"{counted(bits, 'bit')}", "there is one cell only", "choose b >= 1")
    last = 1
    while 3 ** (last + 1) < 4 * bits + 40:
        last += 1
    above = [Fraction(1), *(Fraction(1, 2 ** (3**i)) for i in range(1, last + 1)), Fraction(0)]
    atoms = [(Fraction(i), above[i] - above[i + 1]) for i in range(last + 1)]
    found = equal_mass_of_atoms(atoms, 2**bits)
    squared = Fraction(2, 2 ** (3 ** (last + 1)))
    swing = (square_root(found) * square_root(squared)).upper * 2
    return Enclosure(max(Fraction(0), found - swing), found + swing + squared)


@dataclass(frozen=True, slots=True)
class NearlyUniform:
    """(1 - s) U(-1, 1) + s N(0, 1), as ``equal_mass_distortion`` needs it.

    Attributes:
        share: s, in (0, 1).
    """

    share: Fraction

    def upper_moments(self, x: arb) -> UpperMoments:
        """T_0, T_1, T_2 at a point; for |x| <= 1 the uniform part has (1 - x)/2, (1 - x^2)/4, (1 - x^3)/6."""
        thin = law("gaussian").upper_moments(x)
        s, inside = ball(self.share), x.max(arb(-1)).min(arb(1))
        flat = UpperMoments((1 - inside) / 2, (1 - inside**2) / 4, (1 - inside**3) / 6)
        return UpperMoments(*((1 - s) * a + s * b for a, b in zip(flat, thin, strict=True)))

    def variance(self) -> arb:
        """(1 - s)/3 + s."""
        s = ball(self.share)
        return (1 - s) / 3 + s

    def upper_quantile(self, mass: Fraction) -> arb:
        """The x with P(X > x) = mass, where it lies inside (-1, 1).

        Raises:
            CertificationError: it does not, or no proof at this precision.
        """
        if mass == Fraction(1, 2):
            return arb(0)
        target, thin = ball(mass), law("gaussian")
        edge = self.upper_moments(arb(1)).mass
        if not (target > edge and target < 1 - edge):
            raise CertificationError(
                f"quantile at {mass}", "it lies beyond the uniform part", "choose fewer levels"
            )
        s = ball(self.share)
        return certified_root(
            lambda x: self.upper_moments(x).mass - target,
            lambda x: -((1 - s) / 2 + s * thin.density(x)),
            (1 - 2 * target).mid(),
        )
