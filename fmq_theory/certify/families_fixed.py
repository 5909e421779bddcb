"""The families without a shape parameter in ball arithmetic: Gaussian, Laplace, logistic, uniform."""

# ruff: noqa: ARG002  (not every law needs every argument of the interface)

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from flint import acb, arb

from fmq_theory.certify.enclosure import ball
from fmq_theory.certify.law import Law, UpperMoments
from fmq_theory.certify.log_concavity import FLEISCHER, KIEFFER, log_concave_tail
from fmq_theory.errors import CertificationError

__all__ = ["Gaussian", "Laplace", "Logistic", "Uniform"]


@dataclass(frozen=True, slots=True)
class Gaussian(Law):
    """f = exp(-x^2/2)/sqrt(2 pi)."""

    name: ClassVar[str] = "gaussian"

    @property
    def uniqueness(self) -> str | None:
        return FLEISCHER

    def _density(self, x: arb) -> arb:
        return (-(x * x) / 2).exp() / (2 * arb.pi()).sqrt()

    def _upper_moments(self, x: arb) -> UpperMoments:
        mass, density = (x / arb(2).sqrt()).erfc() / 2, self._density(x)
        return UpperMoments(mass, density, x * density + mass)

    def score(self, x: arb) -> arb:
        return x

    def variance(self) -> arb:
        return arb(1)

    def converges(self, power: Fraction) -> bool:
        return True

    def density_power_closed(self, power: Fraction) -> arb:
        p = ball(power)
        return (2 * arb.pi()) ** (-p / 2) * (2 * arb.pi() / p).sqrt()

    def density_power_of_log(self, u: acb, power: Fraction, analytic: bool) -> acb:
        p = ball(power)
        return (u - p / 2 * (2 * u).exp()).exp() * (2 * arb.pi()) ** (-p / 2)

    def density_power_head(self, power: Fraction, eps: arb) -> arb:
        return eps * self._density(arb(0)) ** ball(power)

    def density_power_tail(self, power: Fraction, start: arb) -> arb:
        return log_concave_tail(self._density(start), power, start)


@dataclass(frozen=True, slots=True)
class Laplace(Law):
    """f = exp(-|x|)/2."""

    name: ClassVar[str] = "laplace"

    @property
    def uniqueness(self) -> str | None:
        return KIEFFER

    def _density(self, x: arb) -> arb:
        return (-x).exp() / 2

    def _upper_moments(self, x: arb) -> UpperMoments:
        half = (-x).exp() / 2
        return UpperMoments(half, half * (x + 1), half * (x * x + 2 * x + 2))

    def score(self, x: arb) -> arb:
        return arb(1)

    def variance(self) -> arb:
        return arb(2)

    def _positive_quantile(self, mass: Fraction) -> arb:
        return -(ball(2 * mass).log())

    def converges(self, power: Fraction) -> bool:
        return True

    def density_power_closed(self, power: Fraction) -> arb:
        return 2 / ball(power) * arb(2) ** (-ball(power))

    def density_power_of_log(self, u: acb, power: Fraction, analytic: bool) -> acb:
        p = ball(power)
        return (u - p * u.exp()).exp() * arb(2) ** (-p)

    def density_power_head(self, power: Fraction, eps: arb) -> arb:
        return eps * arb(2) ** (-ball(power))

    def density_power_tail(self, power: Fraction, start: arb) -> arb:
        return log_concave_tail(self._density(start), power, arb(1))


@dataclass(frozen=True, slots=True)
class Logistic(Law):
    """f = e^{-x}/(1 + e^{-x})^2."""

    name: ClassVar[str] = "logistic"

    @property
    def uniqueness(self) -> str | None:
        return FLEISCHER

    def _density(self, x: arb) -> arb:
        e = (-x).exp()
        return e / (1 + e) ** 2

    def _upper_moments(self, x: arb) -> UpperMoments:
        # By parts: T_1 = x T_0 + ln(1 + e^-x), T_2 = x^2 T_0 + 2 x ln(1 + e^-x) - 2 Li_2(-e^-x).
        e = (-x).exp()
        mass, log = e / (1 + e), e.log1p()
        return UpperMoments(mass, x * mass + log, x * (x * mass + 2 * log) - 2 * (-e).polylog(2))

    def score(self, x: arb) -> arb:
        return (x / 2).tanh()

    def variance(self) -> arb:
        return arb.pi() ** 2 / 3

    def _positive_quantile(self, mass: Fraction) -> arb:
        return ball(1 / mass - 1).log()

    def converges(self, power: Fraction) -> bool:
        return True

    def density_power_closed(self, power: Fraction) -> arb:
        p = ball(power)
        return p.gamma() ** 2 / (2 * p).gamma()

    def density_power_of_log(self, u: acb, power: Fraction, analytic: bool) -> acb:
        p, x = ball(power), u.exp()
        return (u - p * (x + 2 * (1 + (-x).exp()).log(analytic=analytic))).exp()

    def density_power_head(self, power: Fraction, eps: arb) -> arb:
        return eps * arb(4) ** (-ball(power))

    def density_power_tail(self, power: Fraction, start: arb) -> arb:
        return log_concave_tail(self._density(start), power, self.score(start))


@dataclass(frozen=True, slots=True)
class Uniform(Law):
    """f = 1/2 on [-1, 1]."""

    name: ClassVar[str] = "uniform"
    support_end: ClassVar[int | None] = 1

    @property
    def uniqueness(self) -> str | None:
        return KIEFFER

    def _density(self, x: arb) -> arb:
        if x < 1:
            return arb(0.5)
        return arb(0) if x > 1 else arb(0).union(arb(0.5))

    def _upper_moments(self, x: arb) -> UpperMoments:
        x = arb.min(x, arb(1))
        return UpperMoments((1 - x) / 2, (1 - x * x) / 4, (1 - x * x * x) / 6)

    def score(self, x: arb) -> arb:
        return arb(0)

    def variance(self) -> arb:
        return arb(1) / 3

    def _positive_quantile(self, mass: Fraction) -> arb:
        return ball(1 - 2 * mass)

    def converges(self, power: Fraction) -> bool:
        return True

    def density_power_closed(self, power: Fraction) -> arb:
        return arb(2) ** ball(1 - power)

    def density_power_of_log(self, u: acb, power: Fraction, analytic: bool) -> acb:
        raise CertificationError(
            "uniform law", "its density is not analytic on the line", "use the finite support"
        )

    def density_power_head(self, power: Fraction, eps: arb) -> arb:
        return eps * arb(2) ** ball(-power)

    def density_power_tail(self, power: Fraction, start: arb) -> arb:
        return arb(0) if start >= 1 else arb.nan()
