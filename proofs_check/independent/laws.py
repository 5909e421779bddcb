"""The seven laws on their natural scale: series of positive terms in plain arithmetic."""

from fractions import Fraction
from typing import Any

import mpmath as mp

from proofs_check.independent.reading import fields, rational, refuse_unless

__all__ = ["Law", "Point"]

PARAMETER = {"student-t": "df", "generalized-gaussian": "beta", "gamma": "shape"}
FAMILIES = ("gaussian", "laplace", "logistic", "uniform", *PARAMETER)
STRICT = "the only stationary one: (log f)'' < 0 everywhere: Fleischer 1964, theorem 1"
CONCAVE = (
    "the only stationary one: log f is concave, not strictly everywhere: "
    "Trushkin 1982 and Kieffer 1983, theorem 1 (squared error)"
)
Point = tuple[mp.mpf, mp.mpf, mp.mpf]


class Law:
    """A symmetric law on its natural scale: density and T_p(x) = E[X^p; X > x] for x >= 0, p = 0, 1, 2."""

    def __init__(self, data: Any) -> None:
        """Read family and parameters, and nothing else."""
        self.family, parameters = fields(data, "family", "parameters")
        known = type(self.family) is str and self.family in FAMILIES
        refuse_unless(known, f"unknown law {str(self.family)[:40]!r}")
        name = PARAMETER.get(self.family)
        values = fields(parameters, *([name] if name else []))
        self.exact = rational(values[0], Fraction(2 * (name == "df")), str(name)) if name else None
        self.label = f"{self.family}({name} = {self.exact})" if name else self.family
        self.mode = max(0.0, float(self.exact) - 1) if self.family == "gamma" and self.exact else 0.0

    @property
    def shape(self) -> mp.mpf:
        """The parameter at the working precision; the exponent where the family fixes it."""
        if self.exact is None:
            return mp.mpf(2 if self.family == "gaussian" else 1)
        return mp.mpf(self.exact.numerator) / self.exact.denominator

    def argument(self) -> str | None:
        """Why every stationary codebook is optimal; None where f is not log-concave."""
        if self.family in ("gaussian", "logistic") or (self.family[:3] == "gen" and self.exact == 2):
            return STRICT
        concave = {"generalized-gaussian": self.shape >= 1, "gamma": self.exact == 1}
        return CONCAVE if concave.get(self.family, self.family in ("laplace", "uniform")) else None

    def panter_dite(self) -> mp.mpf:
        """C_PD from the closed form of half the integral of f^(1/3)."""
        s, third = self.shape, mp.mpf(1) / 3
        match self.family:
            case "uniform":
                half = mp.mpf(1) / mp.cbrt(2)
            case "logistic":  # f = p (1 - p), dx = dp/(p (1 - p))
                half = mp.beta(third, third) / 2
            case "student-t":
                half = mp.cbrt(self.density(mp.mpf(0))) * mp.sqrt(s) * mp.beta(third / 2 * (s - 2), 0.5) / 2
            case "gamma":
                power = (s + 2) / 3
                half = mp.cbrt(1 / (2 * mp.gamma(s))) * mp.gamma(power) * 3**power
            case _:
                scale = mp.sqrt(2) if self.family == "gaussian" else mp.mpf(1)
                half = mp.cbrt(self.density(mp.mpf(0))) * scale * 3 ** (1 / s) * mp.gamma(1 + 1 / s)
        return (2 * half) ** 3 / 12

    def entropy(self) -> mp.mpf:
        """-E ln f(X), in closed form."""
        s, two = self.shape, mp.mpf(2)
        match self.family:
            case "uniform":
                return mp.log(two)
            case "logistic":
                return two
            case "student-t":  # E ln(1 + X^2/s) is a difference of digammas
                spread = mp.digamma((s + 1) / 2) - mp.digamma(s / 2)
                return spread * (s + 1) / 2 - mp.log(self.density(mp.mpf(0)))
            case "gamma":  # E |X| = s, E ln|X| = psi(s)
                return s + (1 - s) * mp.digamma(s) + mp.log(2 * mp.gamma(s))
            case _:  # E |X|^s = 1/s, of a Gaussian with |X|^2/2 in place of it
                return 1 / s - mp.log(self.density(mp.mpf(0)))

    def density(self, x: mp.mpf) -> mp.mpf:
        """The density f(x) for x >= 0."""
        s = self.shape
        match self.family:
            case "gaussian":
                return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)
            case "logistic":
                return mp.sech(x / 2) ** 2 / 4
            case "student-t":
                return (1 + x * x / s) ** (-(s + 1) / 2) / (mp.sqrt(s) * mp.beta(s / 2, mp.mpf(1) / 2))
            case "gamma":
                refuse_unless(x > 0 or s >= 1, "a threshold at the pole of the density")
                return x ** (s - 1) * mp.exp(-x) / (2 * mp.gamma(s))
            case "uniform":
                return mp.mpf(1) / 2 if x < 1 else mp.mpf(0)
            case _:
                return s / (2 * mp.gamma(1 / s)) * mp.exp(-(x**s))

    def tails(self, x: mp.mpf) -> Point:
        """T_0, T_1, T_2 at x >= 0."""
        s, half = self.shape, mp.mpf(1) / 2
        match self.family:
            case "uniform":
                y = min(x, mp.mpf(1))
                return (1 - y) / 2, (1 - y**2) / 4, (1 - y**3) / 6
            case "logistic":
                e = mp.exp(-x)
                mass, log = e / (1 + e), mp.log1p(e)
                return mass, x * mass + log, x * x * mass + 2 * x * log - 2 * mp.polylog(2, -e)
            case "student-t":
                z, first = x * x / (s + x * x), self.density(x) * (s + x * x) / (s - 1)
                second = half * s / (s - 2) * beta_above(z, 3 * half, s / 2 - 1)
                return half * beta_above(z, half, s / 2), first, second
            case "gamma":
                weights = [half, half * s, half * s * (s + 1)]
                mass, first, second = (w * gamma_above(s + p, x) for p, w in enumerate(weights))
                return mass, first, second
            case _:
                scale = mp.sqrt(2) if self.family == "gaussian" else mp.mpf(1)
                orders, y = [(p + 1) / s for p in range(3)], (x / scale) ** s
                parts = [scale**p * mp.gamma(a) * gamma_above(a, y) / 2 for p, a in enumerate(orders)]
                mass, first, second = (part / mp.gamma(orders[0]) for part in parts)
                return mass, first, second


def gamma_above(a: mp.mpf, x: mp.mpf) -> mp.mpf:
    """1 - P(a, x), P by its series of positive terms."""
    if x > 4 * (a + 3 * mp.mp.dps):
        return mp.mpf(0)  # below 10^(-dps)
    total = term = 1 / a
    n = 0
    while term > total * mp.eps:
        n += 1
        term *= x / (a + n)
        total += term
    return 1 - x**a * mp.exp(-x) * total / mp.gamma(a) if x else mp.mpf(1)


def beta_above(z: mp.mpf, a: mp.mpf, b: mp.mpf) -> mp.mpf:
    """1 - I_z(a, b), by the series of positive terms of the smaller side."""
    if 2 * z > 1:
        return beta_below(1 - z, b, a)
    return 1 - beta_below(z, a, b)


def beta_below(z: mp.mpf, a: mp.mpf, b: mp.mpf) -> mp.mpf:
    """I_z(a, b) for z <= 1/2."""
    total, term, n = mp.mpf(1), mp.mpf(1), 0
    while term > total * mp.eps / 4:
        term *= z * (a + b + n) / (a + 1 + n)
        total, n = total + term, n + 1
    return z**a * (1 - z) ** b * total / (a * mp.beta(a, b))
