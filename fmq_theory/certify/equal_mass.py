"""Certified distortion of the equal-mass quantizer (theory T2b): the published algorithm.

D_EM(K) = E X^2 - (1/K) sum_k m_k^2 with m_k = K (T_1(q_{k-1}) - T_1(q_k)), where P(X > q_k) = 1 - k/K. For
a symmetric law only the cells on x > 0 are needed; a cell that straddles 0 (odd K) has mean 0.
"""

from fractions import Fraction
from itertools import pairwise
from typing import Protocol

from flint import arb

from fmq_theory.certify.enclosure import Enclosure, precision
from fmq_theory.certify.law import Law, UpperMoments
from fmq_theory.errors import CertificationError

__all__ = ["equal_mass_distortion", "equal_mass_levels", "tail_cell_bound"]


class HasQuantiles(Protocol):
    """What equal mass asks of a symmetric law: a ``Law``, or any other with these three."""

    def variance(self) -> arb:
        """E X^2."""
        ...

    def upper_moments(self, x: arb) -> UpperMoments:
        """E[X^p; X > x] for p = 0, 1, 2."""
        ...

    def upper_quantile(self, mass: Fraction) -> arb:
        """The x with P(X > x) = mass."""
        ...


def equal_mass_distortion(law: HasQuantiles, num_levels: int, *, digits: int = 30) -> Enclosure:
    """D_EM(K) = E X^2 - (1/K) sum m_k^2, m_k the mean of the k-th of K cells of mass 1/K.

    Args:
        law: a law with certified quantiles and upper moments, on its natural scale.
        num_levels: K >= 1.
        digits: wanted decimal places.

    Returns:
        In squared units of the law.

    Raises:
        CertificationError: K < 1, or a quantile could not be proven.

    Reference:
        T2b (docs/theory/t2-two-transport-problems.md).

    Examples:
        Equal mass against the optimum, four levels for the Gaussian; that it costs more is proven:

        >>> from fmq_theory import certify
        >>> law = certify.law("gaussian")
        >>> found = certify.equal_mass_distortion(law, 4)
        >>> round(float(found), 6)
        0.139441
        >>> certify.optimal_codebook(law, 4).optimum.less_than(found)
        True
    """
    with precision(_bits(num_levels, digits)):
        means = _positive_means(law, num_levels)
        return Enclosure.of(law.variance() - 2 * sum((m * m for m in means), arb(0)) / num_levels)


def equal_mass_levels(law: Law, num_levels: int, *, digits: int = 30) -> tuple[Enclosure, ...]:
    """m_k = K E[X; cell k], the means of K cells of mass 1/K.

    Args:
        law: the source, on its natural scale.
        num_levels: K >= 1.
        digits: wanted decimal places.

    Returns:
        K enclosures in the law's units, increasing.

    Raises:
        CertificationError: as ``equal_mass_distortion``.

    Reference:
        T2b (docs/theory/t2-two-transport-problems.md).
    """
    with precision(_bits(num_levels, digits)):
        means = _positive_means(law, num_levels)
        centre = [arb(0)] if num_levels % 2 else []
        return tuple(Enclosure.of(m) for m in [*(-m for m in means), *centre, *reversed(means)])


def tail_cell_bound(law: Law, num_levels: int, *, digits: int = 30) -> Enclosure:
    """(1/K) (Var(X | top cell) + Var(X | bottom cell)), the lower bound of D_EM at every K (theory T5f).

    Args:
        law: the source, on its natural scale.
        num_levels: K >= 2.
        digits: wanted decimal places.

    Returns:
        In squared units of the law.

    Raises:
        CertificationError: K < 2, or a quantile could not be proven.

    Reference:
        T5f (docs/theory/t5-equal-mass-rates.md).
    """
    if num_levels < 2:
        raise CertificationError(
            f"tail cells of {num_levels} levels", "there is one cell only", "choose K >= 2"
        )
    with precision(_bits(num_levels, digits)):
        top = law.upper_moments(law.upper_quantile(Fraction(1, num_levels)))
        mean = top.first * num_levels
        return Enclosure.of(2 * (top.second - mean * mean / num_levels))


def _bits(num_levels: int, digits: int) -> int:
    if num_levels < 1:
        raise CertificationError(f"{num_levels} levels", "K must be at least 1", "pass 2**bits")
    return int(3.33 * digits) + 64 + 2 * num_levels.bit_length()


def _positive_means(law: HasQuantiles, num_levels: int) -> list[arb]:
    """Means of the cells inside x > 0, from the outermost inwards."""
    masses = [Fraction(k, num_levels) for k in range(1, num_levels // 2 + 1)]
    firsts = [arb(0), *(law.upper_moments(law.upper_quantile(mass)).first for mass in masses)]
    return [(inner - outer) * num_levels for outer, inner in pairwise(firsts)]
