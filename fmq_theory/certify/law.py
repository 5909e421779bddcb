"""A symmetric law in ball arithmetic: what the certified computations need to know about it.

Every law of this package is symmetric about 0 and comes on its natural scale (the scale parameter
is 1). Quantities of another scale follow by multiplication with powers of sigma.
"""

import abc
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import ClassVar, NamedTuple

from flint import acb, arb, ctx

from fmq_theory.brief import brief_repr
from fmq_theory.certify.enclosure import Enclosure, Exact, ball, precision
from fmq_theory.certify.integrals import integrate_half_line
from fmq_theory.certify.roots import certified_root
from fmq_theory.errors import CertificationError

__all__ = ["Law", "UpperMoments"]


class UpperMoments(NamedTuple):
    """T_p(x) = E[X^p; X > x] for p = 0, 1, 2.

    Attributes:
        mass: T_0(x) = P(X > x).
        first: T_1(x), in the law's units.
        second: T_2(x), in squared units of the law.
    """

    mass: arb
    first: arb
    second: arb

    __repr__ = brief_repr

    def __sub__(self, other: "UpperMoments") -> "UpperMoments":
        """Moments of the cell between two points."""
        return UpperMoments(self.mass - other.mass, self.first - other.first, self.second - other.second)


@dataclass(frozen=True, slots=True)
class Law(abc.ABC):
    """A symmetric law with density f on its natural scale.

    Subclasses are frozen dataclasses whose fields are the shape parameters, as exact rationals.
    """

    name: ClassVar[str]
    support_end: ClassVar[int | None] = None
    """Right end of the support, None if it is unbounded."""

    @property
    @abc.abstractmethod
    def uniqueness(self) -> str | None:
        """Why this law has only one stationary codebook of each K; None where f is not log-concave."""

    @property
    def mode(self) -> Fraction:
        """f increases on (0, mode) and decreases (weakly) beyond."""
        return Fraction(0)

    @abc.abstractmethod
    def _density(self, x: arb) -> arb:
        """f on a ball of x >= 0."""

    @abc.abstractmethod
    def _upper_moments(self, x: arb) -> UpperMoments:
        """T_0, T_1, T_2 at one point x >= 0 (a ball of radius zero)."""

    @abc.abstractmethod
    def score(self, x: arb) -> arb:
        """-f'(x)/f(x) on a ball of x > 0.

        Args:
            x: a ball inside x > 0, in the law's units.

        Returns:
            An enclosure of all values over the ball, per unit of x.
        """

    @abc.abstractmethod
    def variance(self) -> arb:
        """E X^2."""

    @abc.abstractmethod
    def density_power_closed(self, power: Fraction) -> arb:
        """int f^power by its closed form; the caller has checked that it converges.

        Args:
            power: exponent of the density, exact and positive.

        Returns:
            A ball at the working precision.
        """

    @abc.abstractmethod
    def density_power_of_log(self, u: acb, power: Fraction, analytic: bool) -> acb:
        """f(e^u)^power e^u, analytic in u near the real line.

        Args:
            u: ln x, a complex ball.
            power: exponent of the density, exact and positive.
            analytic: whether the answer must be not finite where the ball meets a cut of the logarithm or of
                a root.

        Returns:
            The integrand of int f^power after x = e^u.
        """

    @abc.abstractmethod
    def density_power_head(self, power: Fraction, eps: arb) -> arb:
        """Proven upper bound of int_0^eps f^power.

        Args:
            power: exponent of the density, exact and positive.
            eps: where the head ends, a ball of positive numbers in the law's units.

        Returns:
            A ball whose upper end is not below the integral.
        """

    @abc.abstractmethod
    def density_power_tail(self, power: Fraction, start: arb) -> arb:
        """Proven upper bound of int_start^inf f^power; not finite where the proof needs a larger start.

        Args:
            power: exponent of the density, exact and positive.
            start: where the tail begins, a ball of positive numbers in the law's units.

        Returns:
            A ball whose upper end is not below the integral.
        """

    @abc.abstractmethod
    def converges(self, power: Fraction) -> bool:
        """Whether int f^power is finite, for power > 0.

        Args:
            power: exponent of the density, exact and positive.
        """

    def parameters(self) -> dict[str, Fraction]:
        """Shape parameters by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def label(self) -> str:
        """Name and parameters in one line, for messages and statements."""
        shown = ", ".join(f"{name} = {value}" for name, value in self.parameters().items())
        return f"{self.name}({shown})" if shown else self.name

    def density(self, x: arb) -> arb:
        """Enclosure of f over a ball of any sign; not finite where f is unbounded on it.

        Args:
            x: a ball, in the law's units.

        Returns:
            A ball that holds every value of f on it, per unit of x.
        """
        if x.is_exact():
            return self._density(abs(x))
        low, high, mode = abs(x).lower(), abs(x).upper(), ball(self.mode)
        if not low > 0:
            low = arb(0)
        value = self._density(low).union(self._density(high))
        # A mode that may lie inside is taken in; it is exact or has a tiny radius of its own.
        return value if high < mode or low > mode else value.union(self._density(mode))

    def upper_moments(self, x: arb) -> UpperMoments:
        """Enclosure of T_0, T_1, T_2 over a ball of any sign, by monotony sharp at its ends.

        T_0 and T_2 decrease everywhere; T_1 is even and decreases on x > 0.

        Args:
            x: where the tail begins: a ball, in the law's units.

        Returns:
            Balls that hold the moments for every x of the ball.
        """
        if x.is_exact():
            if x >= 0:
                return self._upper_moments(x)
            mirror = self._upper_moments(-x)
            return UpperMoments(1 - mirror.mass, mirror.first, self.variance() - mirror.second)
        left, right = self.upper_moments(x.lower()), self.upper_moments(x.upper())
        first = left.first.union(right.first)
        if x.contains(0):
            first = first.union(self._upper_moments(arb(0)).first)
        return UpperMoments(left.mass.union(right.mass), first, left.second.union(right.second))

    def everything(self) -> UpperMoments:
        """T_p at -infinity: mass 1, mean 0, the variance."""
        return UpperMoments(arb(1), arb(0), self.variance())

    def upper_quantile(self, mass: Fraction) -> arb:
        """Ball around the x with P(X > x) = mass, proven by interval Newton.

        Args:
            mass: P(X > x), exact, inside (0, 1).

        Returns:
            The quantile in the law's units, at the working precision.

        Raises:
            CertificationError: ``mass`` is not inside (0, 1), or no proof at this precision.
        """
        if not 0 < mass < 1:
            raise CertificationError(
                f"quantile at {mass}", "its level is not inside (0, 1)", "choose 0 < mass < 1"
            )
        if mass == Fraction(1, 2):
            return arb(0)
        if mass > Fraction(1, 2):
            return -self.upper_quantile(1 - mass)
        return self._positive_quantile(mass)

    def _positive_quantile(self, mass: Fraction) -> arb:
        target = ball(mass)
        with precision(64):  # a starting point only; the proof follows at full precision
            low, high = arb(0), arb(1)
            while not self._upper_moments(high).mass < target:
                low, high = high, 2 * high
            for _ in range(24):
                middle = ((low + high) / 2).mid()
                if self._upper_moments(middle).mass > target:
                    low = middle
                else:
                    high = middle
        return certified_root(
            lambda x: self.upper_moments(x).mass - target, lambda x: -self.density(x), (low + high) / 2
        )

    def density_power_integral(self, power: Exact, *, digits: int = 30, closed: bool = False) -> Enclosure:
        """I(p) = int f^p, by certified quadrature with explicit cuts, or by its closed form.

        Args:
            power: p, exact and positive.
            digits: wanted decimal places.
            closed: the closed form instead of the quadrature, which are independent of each other.

        Returns:
            I(p), in the law's units to the power 1 - p.

        Raises:
            CertificationError: the integral diverges.
        """
        p = Fraction(power)
        if p <= 0 or not self.converges(p):
            raise CertificationError(
                f"{self.label()}: integral of f^{p}",
                "it diverges",
                "choose a power inside the domain of theory T4",
            )
        with precision(int(3.33 * digits) + 48):
            if closed:
                return Enclosure.of(self.density_power_closed(p))
            if self.support_end is not None:  # only the uniform law, whose density is constant
                return Enclosure.of(2 * self.support_end * self._density(arb(0)) ** ball(p))
            half = integrate_half_line(
                lambda u, analytic: self.density_power_of_log(u, p, analytic),
                head_bound=lambda eps: self.density_power_head(p, eps),
                tail_bound=lambda start: self.density_power_tail(p, start),
                tolerance=arb(2) ** (16 - ctx.prec),
            )
            return Enclosure.of(2 * half)
