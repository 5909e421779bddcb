"""The families with a shape parameter in ball arithmetic: Student-t, generalized Gaussian, Gamma."""

# ruff: noqa: ARG002  (not every law needs every argument of the interface)

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import ClassVar

from flint import acb, arb, ctx

from fmq_theory.certify.enclosure import ball, precision
from fmq_theory.certify.law import Law, UpperMoments
from fmq_theory.certify.log_concavity import FLEISCHER, KIEFFER, log_concave_tail

__all__ = ["GeneralizedGaussian", "StudentT", "TwoSidedGamma"]


@lru_cache(maxsize=256)
def _gamma_at(argument: Fraction, bits: int) -> arb:
    with precision(bits):
        return ball(argument).gamma()


def _gamma(argument: Fraction) -> arb:
    """Gamma(argument) at the working precision; remembered, since every density asks for it."""
    return _gamma_at(argument, ctx.prec)


@dataclass(frozen=True, slots=True)
class StudentT(Law):
    """f = c (1 + x^2/nu)^{-(nu+1)/2}, nu = df > 2."""

    name: ClassVar[str] = "student-t"
    df: Fraction

    @property
    def uniqueness(self) -> str | None:
        return None  # log f is convex beyond sqrt(nu)

    def _constant(self) -> arb:
        root = (ball(self.df) * arb.pi()).sqrt()
        return _gamma((self.df + 1) / 2) / (_gamma(self.df / 2) * root)

    def _density(self, x: arb) -> arb:
        return self._constant() * (1 + x * x / ball(self.df)) ** ball(-(self.df + 1) / 2)

    def _beta(self, x: arb, a: Fraction, b: Fraction) -> arb:
        """Regularized incomplete beta I_z(a, b) at z = nu/(nu + x^2), by its complement where z > 1/2."""
        nu, square = ball(self.df), x * x
        if square < nu:
            return 1 - (square / (nu + square)).beta_lower(ball(b), ball(a), regularized=1)
        return (nu / (nu + square)).beta_lower(ball(a), ball(b), regularized=1)

    def _upper_moments(self, x: arb) -> UpperMoments:
        nu, half = self.df, Fraction(1, 2)
        first = self._constant() * ball(nu / (nu - 1)) * (1 + x * x / ball(nu)) ** ball(-(nu - 1) / 2)
        return UpperMoments(
            self._beta(x, nu / 2, half) / 2,
            first,
            self.variance() / 2 * self._beta(x, (nu - 2) / 2, 3 * half),
        )

    def score(self, x: arb) -> arb:
        return ball(self.df + 1) * x / (ball(self.df) + x * x)

    def variance(self) -> arb:
        return ball(self.df / (self.df - 2))

    def converges(self, power: Fraction) -> bool:
        return power * (self.df + 1) > 1

    def density_power_closed(self, power: Fraction) -> arb:
        a, b = arb(0.5), ball((power * (self.df + 1) - 1) / 2)
        beta = a.gamma() * b.gamma() / (a + b).gamma()
        return self._constant() ** ball(power) * ball(self.df).sqrt() * beta

    def density_power_of_log(self, u: acb, power: Fraction, analytic: bool) -> acb:
        base = 1 + (2 * u).exp() / ball(self.df)
        exponent = ball(-power * (self.df + 1) / 2)
        return (u + exponent * base.log(analytic=analytic)).exp() * self._constant() ** ball(power)

    def density_power_head(self, power: Fraction, eps: arb) -> arb:
        return eps * self._constant() ** ball(power)

    def density_power_tail(self, power: Fraction, start: arb) -> arb:
        # f(t) <= c nu^{(nu+1)/2} t^{-(nu+1)}; integrate the q-th power, q = power (nu + 1) > 1.
        q = power * (self.df + 1)
        scale = self._constant() ** ball(power) * ball(self.df) ** ball(q / 2)
        return scale * start ** ball(1 - q) / ball(q - 1)


@dataclass(frozen=True, slots=True)
class GeneralizedGaussian(Law):
    """f = beta exp(-|x|^beta)/(2 Gamma(1/beta))."""

    name: ClassVar[str] = "generalized-gaussian"
    beta: Fraction

    @property
    def uniqueness(self) -> str | None:
        # (log f)'' = -beta (beta - 1) x^(beta - 2) is 0 or undefined at x = 0 unless beta = 2.
        if self.beta == 2:
            return FLEISCHER
        return KIEFFER if self.beta >= 1 else None

    def _density(self, x: arb) -> arb:
        power = arb(0) if x.is_zero() else x ** ball(self.beta)
        return ball(self.beta) / 2 * (-power).exp() / _gamma(1 / self.beta)

    def _upper_moments(self, x: arb) -> UpperMoments:
        orders = [(p + 1) / self.beta for p in range(3)]
        total = 2 * _gamma(orders[0])
        if x.is_zero():
            return UpperMoments(*(_gamma(order) / total for order in orders))
        power = x ** ball(self.beta)
        return UpperMoments(*(power.gamma_upper(ball(order)) / total for order in orders))

    def score(self, x: arb) -> arb:
        return ball(self.beta) * x ** ball(self.beta - 1)

    def variance(self) -> arb:
        return _gamma(3 / self.beta) / _gamma(1 / self.beta)

    def converges(self, power: Fraction) -> bool:
        return True

    def density_power_closed(self, power: Fraction) -> arb:
        width = 2 * _gamma(1 / self.beta) / ball(self.beta)
        return width ** ball(1 - power) * ball(power) ** ball(-1 / self.beta)

    def density_power_of_log(self, u: acb, power: Fraction, analytic: bool) -> acb:
        p = ball(power)
        return (u - p * (ball(self.beta) * u).exp()).exp() * self._density(arb(0)) ** p

    def density_power_head(self, power: Fraction, eps: arb) -> arb:
        return eps * self._density(arb(0)) ** ball(power)

    def density_power_tail(self, power: Fraction, start: arb) -> arb:
        # int_L^inf e^{-p x^beta} dx = p^{-a} Gamma(a, y)/beta with a = 1/beta, y = p L^beta, and
        # Gamma(a, y) <= y^a e^{-y}/(y - a + 1) for a >= 1 (1 + s <= e^s), <= y^(a-1) e^{-y} for a <= 1.
        a, p = ball(1 / self.beta), ball(power)
        y = p * start ** ball(self.beta)
        slack = y if self.beta >= 1 else y - a + 1
        if not slack > 0:
            return arb.nan()
        return self._density(arb(0)) ** p * p ** (-a) * y**a * (-y).exp() / slack / ball(self.beta)


@dataclass(frozen=True, slots=True)
class TwoSidedGamma(Law):
    """f = |x|^(k-1) exp(-|x|)/(2 Gamma(k)), k = shape > 0."""

    name: ClassVar[str] = "gamma"
    shape: Fraction

    @property
    def uniqueness(self) -> str | None:
        # k < 1: convex log f on each side of a pole; k > 1: f(0) = 0 between two modes.
        return KIEFFER if self.shape == 1 else None

    @property
    def mode(self) -> Fraction:
        return max(Fraction(0), self.shape - 1)

    def _density(self, x: arb) -> arb:
        k = self.shape
        if x.is_zero() and k < 1:
            return arb.pos_inf()
        power = (arb(1) if k == 1 else arb(0)) if x.is_zero() else x ** ball(k - 1)
        return power * (-x).exp() / (2 * ball(k).gamma())

    def _upper_moments(self, x: arb) -> UpperMoments:
        orders, total = [self.shape + p for p in range(3)], 2 * _gamma(self.shape)
        if x.is_zero():
            return UpperMoments(*(_gamma(order) / total for order in orders))
        return UpperMoments(*(x.gamma_upper(ball(order)) / total for order in orders))

    def score(self, x: arb) -> arb:
        return 1 - ball(self.shape - 1) / x

    def variance(self) -> arb:
        return ball(self.shape * (self.shape + 1))

    def converges(self, power: Fraction) -> bool:
        return power * (self.shape - 1) > -1

    def density_power_closed(self, power: Fraction) -> arb:
        order = ball(power * (self.shape - 1) + 1)
        return 2 * (2 * _gamma(self.shape)) ** ball(-power) * order.gamma() * ball(power) ** (-order)

    def density_power_of_log(self, u: acb, power: Fraction, analytic: bool) -> acb:
        order, p = ball(power * (self.shape - 1) + 1), ball(power)
        return (order * u - p * u.exp()).exp() * (2 * _gamma(self.shape)) ** (-p)

    def density_power_head(self, power: Fraction, eps: arb) -> arb:
        # e^{-x} <= 1 leaves a pure power.
        order = ball(power * (self.shape - 1) + 1)
        return (2 * _gamma(self.shape)) ** ball(-power) * eps**order / order

    def density_power_tail(self, power: Fraction, start: arb) -> arb:
        # k >= 1: log f is concave. k < 1: f(t) <= f(L) e^{-(t - L)}.
        score = self.score(start) if self.shape >= 1 else arb(1)
        return log_concave_tail(self._density(start), power, score)
