"""Two affine flows in the plane, solved exactly: the field on which claim P1 can be certified.

dz/dt = lambda z + beta with complex lambda and beta (a scaling and rotation of the plane, and a shift) has
z_1 = e^lambda z_0 + beta phi(lambda), phi(w) = (e^w - 1)/w. Its Lipschitz constant in z is |lambda|; with
theta = (lambda, beta) the change of the field at z is at most sqrt(|z|^2 + 1) |theta' - theta|, and along
the path |z_t| <= |z_0| e^|lambda| + |beta| phi(|lambda|).
"""

from dataclasses import dataclass
from fractions import Fraction

from flint import acb, arb

from fmq_theory.certify.enclosure import Enclosure, ball, precision
from fmq_theory.errors import CertificationError

__all__ = ["AffineField", "growth_factor", "parameter_distance", "path_error", "theta_lipschitz"]


@dataclass(frozen=True, slots=True)
class AffineField:
    """dz/dt = rate z + shift; both as (real part, imaginary part).

    Raises:
        CertificationError: the rate is 0.
    """

    rate: tuple[Fraction, Fraction]
    shift: tuple[Fraction, Fraction]

    def __post_init__(self) -> None:
        if self.rate == (0, 0):
            raise CertificationError(
                "affine field", "its rate is 0", "choose another: the formula divides by it"
            )

    def end(self, start: tuple[Fraction, Fraction]) -> acb:
        """z_1 of the path from ``start``."""
        rate = _complex(self.rate)
        return rate.exp() * _complex(start) + _complex(self.shift) * (rate.exp() - 1) / rate


def path_error(
    field: AffineField, quantized: AffineField, start: tuple[Fraction, Fraction], *, digits: int = 30
) -> Enclosure:
    """|e_1|, the distance of the two end points from one start."""
    with precision(_bits(digits)):
        return Enclosure.of(abs(quantized.end(start) - field.end(start)))


def theta_lipschitz(field: AffineField, start: tuple[Fraction, Fraction], *, digits: int = 30) -> Enclosure:
    """L_theta: sqrt(M^2 + 1), M a bound of |z_t| along the path of ``field``."""
    with precision(_bits(digits)):
        speed = abs(_complex(field.rate))
        reach = abs(_complex(start)) * speed.exp() + abs(_complex(field.shift)) * (speed.exp() - 1) / speed
        return Enclosure.of((reach * reach + 1).sqrt())


def parameter_distance(field: AffineField, quantized: AffineField, *, digits: int = 30) -> Enclosure:
    """|theta' - theta|."""
    with precision(_bits(digits)):
        parts = [
            b - a
            for a, b in zip((*field.rate, *field.shift), (*quantized.rate, *quantized.shift), strict=True)
        ]
        return Enclosure.of(ball(sum((part * part for part in parts), Fraction(0))).sqrt())


def growth_factor(field: AffineField, *, digits: int = 30) -> Enclosure:
    """(e^L - 1)/L with L = |rate|, the Lipschitz constant of the field."""
    with precision(_bits(digits)):
        speed: arb = abs(_complex(field.rate))
        return Enclosure.of(speed.expm1() / speed)


def _complex(value: tuple[Fraction, Fraction]) -> acb:
    return acb(ball(value[0]), ball(value[1]))


def _bits(digits: int) -> int:
    return int(3.33 * digits) + 64
