"""The Frechet distance of two small point sets in the plane, from exact coordinates.

FID = |m_a - m_b|^2 + tr C_a + tr C_b - 2 tr (C_a C_b)^{1/2} with 1/n covariances. In two dimensions
C_a C_b has eigenvalues p, q >= 0, so

    tr (C_a C_b)^{1/2} = sqrt p + sqrt q = sqrt(tr(C_a C_b) + 2 sqrt(det C_a det C_b)):

rational numbers and two square roots.
"""

from collections.abc import Sequence
from fractions import Fraction

from fmq_theory.certify.elementary import square_root
from fmq_theory.certify.enclosure import Enclosure
from fmq_theory.errors import CertificationError

__all__ = ["Point", "frechet_distance", "root_mean_square"]

Point = tuple[Fraction, Fraction]


def frechet_distance(left: Sequence[Point], right: Sequence[Point], *, digits: int = 40) -> Enclosure:
    """sqrt(FID) of the Gaussians with the means and 1/n covariances of the two sets.

    Raises:
        CertificationError: a set is empty.
    """
    (mean_a, a), (mean_b, b) = _moments(left), _moments(right)
    shift = (mean_a[0] - mean_b[0]) ** 2 + (mean_a[1] - mean_b[1]) ** 2
    product = a[0] * b[0] + 2 * a[1] * b[1] + a[2] * b[2]
    inner = square_root((a[0] * a[2] - a[1] ** 2) * (b[0] * b[2] - b[1] ** 2), digits=2 * digits)
    cross = square_root(inner * 2 + product, digits=2 * digits)
    squared = (cross * -2 + (shift + a[0] + a[2] + b[0] + b[2])).rounded(3 * digits)
    return square_root(Enclosure(max(Fraction(0), squared.lower), squared.upper), digits=digits)


def root_mean_square(left: Sequence[Point], right: Sequence[Point], *, digits: int = 40) -> Enclosure:
    """sqrt(mean |a_i - b_i|^2) over the pairs."""
    total = sum(
        ((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 for a, b in zip(left, right, strict=True)), Fraction(0)
    )
    return square_root(total / len(left), digits=digits)


def _moments(points: Sequence[Point]) -> tuple[Point, tuple[Fraction, Fraction, Fraction]]:
    """Mean, and the covariance's xx, xy and yy entries."""
    n = len(points)
    if n == 0:
        raise CertificationError("Frechet distance", "a point set is empty", "pass at least one point")
    mx, my = sum((p[0] for p in points), Fraction(0)) / n, sum((p[1] for p in points), Fraction(0)) / n
    xx, xy, yy = (
        sum(((p[i] - (mx, my)[i]) * (p[j] - (mx, my)[j]) for p in points), Fraction(0)) / n
        for i, j in ((0, 0), (0, 1), (1, 1))
    )
    return (mx, my), (xx, xy, yy)
