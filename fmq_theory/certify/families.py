"""The seven families in ball arithmetic, each symmetric and on its natural scale."""

# ruff: noqa: ARG002  (not every law needs every argument of the interface)

from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import lru_cache
from typing import ClassVar

from flint import acb, arb, ctx

from fmq_theory.certify.enclosure import Exact, ball, exact, precision
from fmq_theory.certify.law import Law, UpperMoments
from fmq_theory.errors import CertificationError

__all__ = [
    "LAWS",
    "Gaussian",
    "GeneralizedGaussian",
    "Laplace",
    "Logistic",
    "StudentT",
    "TwoSidedGamma",
    "Uniform",
    "law",
]

_FLEISCHER = "(log f)'' < 0 everywhere: Fleischer 1964, theorem 1"
_KIEFFER = (
    "log f is concave, not strictly everywhere: Trushkin 1982 and Kieffer 1983, theorem 1 (squared error)"
)


def _log_concave_tail(density: arb, power: Fraction, score: arb) -> arb:
    """Log f concave beyond L gives f(t) <= f(L) e^{-h(t-L)}, h = -f'(L)/f(L): f(L)^p/(p h) bounds it."""
    return density ** ball(power) / (ball(power) * score) if score > 0 else arb.nan()


@lru_cache(maxsize=256)
def _gamma_at(argument: Fraction, bits: int) -> arb:
    with precision(bits):
        return ball(argument).gamma()


def _gamma(argument: Fraction) -> arb:
    """Gamma(argument) at the working precision; remembered, since every density asks for it."""
    return _gamma_at(argument, ctx.prec)


@dataclass(frozen=True, slots=True)
class Gaussian(Law):
    """f = exp(-x^2/2)/sqrt(2 pi)."""

    name: ClassVar[str] = "gaussian"

    @property
    def uniqueness(self) -> str | None:
        return _FLEISCHER

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
        return _log_concave_tail(self._density(start), power, start)


@dataclass(frozen=True, slots=True)
class Laplace(Law):
    """f = exp(-|x|)/2."""

    name: ClassVar[str] = "laplace"

    @property
    def uniqueness(self) -> str | None:
        return _KIEFFER

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
        return _log_concave_tail(self._density(start), power, arb(1))


@dataclass(frozen=True, slots=True)
class Logistic(Law):
    """f = e^{-x}/(1 + e^{-x})^2."""

    name: ClassVar[str] = "logistic"

    @property
    def uniqueness(self) -> str | None:
        return _FLEISCHER

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
        return _log_concave_tail(self._density(start), power, self.score(start))


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
            return _FLEISCHER
        return _KIEFFER if self.beta >= 1 else None

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
        return _KIEFFER if self.shape == 1 else None

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
        return _log_concave_tail(self._density(start), power, score)


@dataclass(frozen=True, slots=True)
class Uniform(Law):
    """f = 1/2 on [-1, 1]."""

    name: ClassVar[str] = "uniform"
    support_end: ClassVar[int | None] = 1

    @property
    def uniqueness(self) -> str | None:
        return _KIEFFER

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


LAWS: dict[str, type[Law]] = {
    "gaussian": Gaussian,
    "laplace": Laplace,
    "logistic": Logistic,
    "student-t": StudentT,
    "generalized-gaussian": GeneralizedGaussian,
    "gamma": TwoSidedGamma,
    "uniform": Uniform,
}

# Smallest admissible value of each shape parameter (excluded): the variance must be finite.
_ABOVE: dict[str, int] = {"df": 2, "beta": 0, "shape": 0}


def law(name: str, parameters: Mapping[str, Exact] | None = None) -> Law:
    """The law ``name`` with exact shape parameters, e.g. ``law("student-t", {"df": 3})``.

    Raises:
        CertificationError: unknown name, missing or unknown parameter, value outside its domain or
            not exact.
    """
    family = LAWS.get(name)
    if family is None:
        raise CertificationError(f"law {name!r}", "no such family", f"choose one of {', '.join(LAWS)}")
    wanted = [field.name for field in fields(family)]
    given = {key: exact(value) for key, value in (parameters or {}).items()}
    if sorted(given) != sorted(wanted):
        raise CertificationError(
            f"law {name!r} with parameters {sorted(given)}",
            f"it takes exactly the parameters {sorted(wanted)}",
            "pass each of them once, as an int, a string or a Fraction",
        )
    for key, value in given.items():
        if value <= _ABOVE[key]:
            raise CertificationError(
                f"{name}: {key} = {value}", f"{key} must exceed {_ABOVE[key]}", "choose a larger value"
            )
    return family(**given)
