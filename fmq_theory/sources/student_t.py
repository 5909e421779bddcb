"""Student's t law."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import special

from fmq_theory.sources.folded import FloatArray, Moments
from fmq_theory.sources.source import Membership, Parameter, PointDensity, Tail
from fmq_theory.sources.symmetric import LOCATION, SCALE, SymmetricSource

__all__ = ["StudentT"]

# Below 1/10 draws leave the floats (one in 10^8 at 1/20); at 10^4 the law is Gaussian to within 10^-4, and
# beyond, incomplete beta functions of so many degrees of freedom lose their twelfth digit.
DF = Parameter("df", (0.1, 1e4), (0.8, 30.0), 4.0, "the degrees of freedom")

# Terms of the power series at 1/2: 2**-60 is below double precision.
SERIES_TERMS = 60
# Newton's method converges quadratically: after a step of this size the next is below rounding.
NEWTON_TOLERANCE = 1e-9
# Below this many degrees of freedom the second moment comes from the series.
SERIES_DF = 2.5


@dataclass(frozen=True, slots=True)
class StudentT(SymmetricSource):
    """f(x) = (1 + z**2 / df)**(-(df + 1) / 2) / (sqrt(df) B(1/2, df/2) scale), z = (x - loc) / scale.

    The moment of order p is infinite for p >= df. With t = df / (df + z**2), t has the law
    Beta(df/2, 1/2), whence the incomplete beta functions of the partial moments.

    Args:
        df: degrees of freedom nu > 0, without unit: the index of the tail.
        loc: the centre of symmetry, in the units of the weights.
        scale: what multiplies a standard Student-t variable, in the units of the weights.

    Raises:
        SourceError: a parameter outside its domain.

    Examples:
        df = 1 is the Cauchy law, with quartiles at -scale and scale:

        >>> from fmq_theory.sources import StudentT
        >>> round(float(StudentT(df=1.0, scale=2.0).ppf(0.75)), 6)
        2.0

        The escort law of alpha = 1/3 that Panter and Dite's compander needs is a Student-t law again, of
        alpha (df + 1) - 1 degrees of freedom:

        >>> escort = StudentT(df=8.0).escort(1.0 / 3.0)
        >>> round(escort.df, 6)
        2.0
    """

    name: ClassVar[str] = "student-t"
    parameters: ClassVar[tuple[Parameter, ...]] = (DF, LOCATION, SCALE)

    df: float
    loc: float = 0.0
    scale: float = 1.0

    @property
    def inverse_cube_root_convex(self) -> Membership:
        reason = "the second derivative of (1 + z^2/df)^((df + 1)/6) has the sign of 1 + (df - 2) z^2/(3 df)"
        return Membership(self.df >= 2.0, reason)

    @property
    def tail(self) -> Tail:
        """sf(x) ~ (x / scale)**-df * df**((df - 1) / 2) / (sqrt(df) B(1/2, df/2))."""
        log_constant = 0.5 * (self.df - 2.0) * math.log(self.df) - float(special.betaln(0.5, 0.5 * self.df))
        return Tail("regular", self.df, log_constant + self.df * math.log(self.scale))

    def _peak(self) -> float:
        """f(0) of the standard law."""
        return 1.0 / (math.sqrt(self.df) * float(special.beta(0.5, 0.5 * self.df)))

    def _log_growth(self, z: FloatArray) -> FloatArray:
        """ln(1 + z**2 / df), also where z**2 overflows."""
        ratio = z / math.sqrt(self.df)
        return np.where(ratio < 1e100, np.log1p(np.minimum(ratio, 1e100) ** 2), 2.0 * np.log(ratio))

    def _beta_split(
        self, p: float, b: float, z: FloatArray, *, inner: bool = True
    ) -> tuple[FloatArray, FloatArray]:
        """I_u(p, b) and 1 - I_u(p, b), u = z**2 / (df + z**2), each accurate where it is small.

        Each is computed from the smaller one of u and 1 - u: next to 1 the rounding of its argument
        moves an incomplete beta function by a fractional power of the machine's precision. One of the two
        functions is enough for most z; they take most of the time of a law's theory.

        Args:
            p: first parameter.
            b: second parameter.
            z: not negative.
            inner: whether I_u is wanted; it may be nan otherwise.
        """
        square = z * z / self.df
        t = np.asarray(1.0 / (1.0 + square))
        u = np.where(square < 1.0, square / (1.0 + square), 1.0 / (1.0 + 1.0 / square))
        lower, upper = np.full(t.shape, math.nan), np.full(t.shape, math.nan)
        special.betainc(p, b, u, out=lower, where=~(t < (0.1 if inner else 0.5)))
        from_upper = (t < 0.5) | (lower > 0.5)
        special.betainc(b, p, t, out=upper, where=from_upper)
        # Far out t underflows; I_t(b, p) = t**b / (b B(b, p)) is exact there.
        beyond = t < 1e-200
        if beyond.any():
            far = np.exp(-b * self._log_growth(z)) / (b * float(special.beta(b, p)))
            upper = np.where(beyond, far, upper)
        return np.where(t < 0.1, 1.0 - upper, lower), np.where(from_upper, upper, 1.0 - lower)

    def _std_pdf(self, z: FloatArray) -> FloatArray:
        return self._peak() * np.exp(-0.5 * (self.df + 1.0) * self._log_growth(z))

    def _std_sf(self, z: FloatArray) -> FloatArray:
        return 0.5 * self._beta_split(0.5, 0.5 * self.df, z, inner=False)[1]

    def _std_isf(self, q: FloatArray) -> FloatArray:
        # Near the centre the inverse of I_u(1/2, df/2) is exact, and 1 - 2 q is too. Towards the tail
        # library inverses fail (by 1e-6 at df = 200, q = 1e-12), so ln sf is solved for ln z.
        u = np.full(np.shape(q), math.nan)
        special.betaincinv(0.5, 0.5 * self.df, 1.0 - 2.0 * q, out=u, where=np.asarray(q) >= 0.25)
        centre = math.sqrt(self.df) * np.sqrt(u / (1.0 - u))
        central = np.asarray(u <= 0.5)
        # All are iterated until the last one is there, so one of the central ones goes along: the others then
        # do not depend, in their last digit, on how many of them there are.
        tail = np.append(np.asarray(q)[~central], 0.25) if central.any() else np.ravel(q)
        found = np.array(centre)
        found[~central] = self._tail_quantile(tail)[: central.size - np.count_nonzero(central)]
        return found

    def _tail_quantile(self, q: FloatArray) -> FloatArray:
        """The z with sf(z) = q, for z not far below 1, by Newton's method.

        ln sf is a concave function of ln z, so the iterates come down on z from above after the first.
        sf(z) < C z**-df gives a bound to start from, and beyond 1e50 it is an equality; elsewhere
        Wallace's normal approximation is nearer.

        Reference:
            Wallace 1959, "Bounds on normal approximations to Student's and the chi-square
            distributions", Annals of Mathematical Statistics 30.
        """
        df = self.df
        log_constant = 0.5 * (df - 2.0) * math.log(df) - float(special.betaln(0.5, 0.5 * df))
        bound = np.exp((log_constant - np.log(q)) / df)
        normal = special.ndtri(q) * (8.0 * df + 3.0) / (8.0 * df + 1.0)
        z = np.fmin(np.sqrt(df * np.expm1(normal * normal / df)), bound)
        for _ in range(30):
            sf = self._std_sf(z)
            step = np.log(sf / q) * sf / (z * self._std_pdf(z))
            z = z * np.exp(np.clip(np.where(np.isfinite(step), step, 0.0), -2.0, 2.0))
            if not (np.abs(step) > NEWTON_TOLERANCE).any():
                break
        return np.where(bound > 1e50 * math.sqrt(df), bound, z)

    def _std_hazard(self, z: FloatArray) -> FloatArray:
        sf, ratio = self._std_sf(z), z / math.sqrt(self.df)
        rate = np.asarray(self._std_pdf(z) / sf)
        # Where one of the two underflows, f / sf = df / (z 2F1((df + 1) / 2, 1; df/2 + 1; t)), which
        # is DLMF 8.17.8.
        at = np.flatnonzero((sf < 1e-290) | (ratio > 1e50))
        t = 1.0 / (1.0 + ratio.flat[at] ** 2)
        series = special.hyp2f1(0.5 * (self.df + 1.0), 1.0, 0.5 * self.df + 1.0, t)
        rate.flat[at] = self.df / (z.flat[at] * series)
        return rate

    def _std_inner(self, z: FloatArray) -> Moments:
        return self._std_sides(z)[1]

    def _std_outer(self, z: FloatArray) -> Moments:
        return self._std_sides(z)[2]

    def _std_sides(self, z: FloatArray) -> tuple[FloatArray, Moments, Moments]:
        df, growth = self.df, self._log_growth(z)
        half = self._beta_split(0.5, 0.5 * df, z)
        sf = 0.5 * half[1]
        # The integral of z f; exprel(x) = (exp(x) - 1) / x covers df = 1 too.
        first = 0.5 * df * self._peak() * growth * special.exprel(-0.5 * (df - 1.0) * growth)
        rest = second = second_rest = np.full_like(z, math.inf)
        if df > 1.0:
            rest = df / (df - 1.0) * self._peak() * np.exp(-0.5 * (df - 1.0) * growth)
        if df > 2.0:
            factor, split = 0.5 * df / (df - 2.0), self._beta_split(1.5, 0.5 * df - 1.0, z)
            second, second_rest = factor * split[0], factor * split[1]
        if df < SERIES_DF:
            factor = 0.5 * df / float(special.beta(0.5, 0.5 * df))
            second = factor * incomplete_beta_three_halves(0.5 * df - 1.0, growth)
        return sf, (0.5 * half[0], first, second), (sf, rest, second_rest)

    def _std_absolute_moment(self, order: float) -> float:
        if order >= self.df:
            return math.inf
        log_ratio = special.betaln(0.5 * (order + 1), 0.5 * (self.df - order)) - special.betaln(
            0.5, 0.5 * self.df
        )
        return float(np.exp(0.5 * order * math.log(self.df) + log_ratio))

    def _std_power_integral(self, beta: float) -> float:
        rest = beta * (self.df + 1.0) - 1.0
        if not rest > 0.0:
            return math.inf
        log_peak = beta * math.log(self._peak())
        return float(np.exp(log_peak + 0.5 * math.log(self.df) + float(special.betaln(0.5, 0.5 * rest))))

    def _escort(self, alpha: float) -> PointDensity:
        df = alpha * (self.df + 1.0) - 1.0
        return self._beyond_domain(df=df, scale=self.scale * math.sqrt(self.df / df))

    def _escort_domain(self) -> str:
        return f"alpha > {1.0 / (self.df + 1.0):g} = 1 / (df + 1)"

    def _infinite_variance(self) -> tuple[str, str, str]:
        return f"{self.name}: df = {self.df:g}", "the variance is infinite for df <= 2", "choose df > 2"

    def _std_entropy(self) -> float:
        half = 0.5 * (self.df + 1.0)
        spread = float(special.digamma(half) - special.digamma(0.5 * self.df))
        return half * spread - math.log(self._peak())

    def _std_sample(self, n: int, rng: np.random.Generator) -> FloatArray:
        return rng.standard_t(self.df, n)


def incomplete_beta_three_halves(b: float, growth: FloatArray) -> FloatArray:
    """B_u(3/2, b), the integral of s**(1/2) (1 - s)**(b - 1) over [0, u], for -1 < b <= 1/4.

    Below s = 1/2 the power series in s has positive terms. Above it the series of s**(1/2) in r = 1 - s
    is integrated term by term over [1 - u, 1/2]; each term stays finite when its exponent is zero, so
    b = 0 (two degrees of freedom) is no special case.

    Args:
        b: the second parameter.
        growth: -ln(1 - u), shape ``[m]``.
    """
    inner = np.minimum(-np.expm1(-growth), 0.5)
    below = np.zeros_like(growth)
    coefficient = 1.0  # (1 - b)_k / k!
    for k in range(SERIES_TERMS):
        below += coefficient / (k + 1.5) * inner**k
        coefficient *= (k + 1.0 - b) / (k + 1.0)
    below *= inner**1.5

    length = np.maximum(growth - math.log(2.0), 0.0)  # ln of (1/2) / (1 - u)
    above = np.zeros_like(growth)
    coefficient = 1.0  # (-1)^k binomial(1/2, k)
    for k in range(SERIES_TERMS):
        above += coefficient * 0.5 ** (k + b) * length * special.exprel(-(k + b) * length)
        coefficient *= (k - 0.5) / (k + 1.0)
    return below + above
