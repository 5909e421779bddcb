"""The generalized Gaussian (exponential power) law."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fmq_theory.sources.folded import FloatArray, Moments
from fmq_theory.sources.incomplete_gamma import (
    lower_gamma,
    lower_gamma_inverse,
    upper_gamma,
    upper_gamma_tail,
)
from fmq_theory.sources.source import Membership, Parameter, PointDensity, Tail
from fmq_theory.sources.symmetric import LOCATION, SCALE, SymmetricSource

__all__ = ["GeneralizedGaussian"]

# Below 1/20 a second moment nears the largest float; at 1000 the law is uniform to within a thousandth.
BETA = Parameter("beta", (0.05, 1000.0), (0.5, 4.0), 1.5, "the power in exp(-|x|^beta)")
SMOOTH_EXPONENT = 8.0
# Up to here z**beta changes no digit of exp(-z**beta).
FLAT = 1e-18


@dataclass(frozen=True, slots=True)
class GeneralizedGaussian(SymmetricSource):
    """f(x) = beta exp(-|z|**beta) / (2 Gamma(1/beta) scale), z = (x - loc) / scale.

    beta = 1 is the Laplace law, beta = 2 the Gaussian law of standard deviation scale / sqrt(2); as
    beta grows the law tends to the uniform law on [loc - scale, loc + scale].
    |Z|**beta has the Gamma law of shape 1/beta, whence every closed form here.

    Args:
        beta: the power, without unit: below 2 the tails are heavier than a Gaussian's.
        loc: the mean, in the units of the weights.
        scale: the distance from the mean at which f is 1/e of its peak, in the units of the weights.

    Raises:
        SourceError: a parameter outside its domain.
    """

    name: ClassVar[str] = "generalized-gaussian"
    parameters: ClassVar[tuple[Parameter, ...]] = (BETA, LOCATION, SCALE)

    beta: float
    loc: float = 0.0
    scale: float = 1.0

    @property
    def inverse_cube_root_convex(self) -> Membership:
        if self.beta >= 1.0:
            return Membership(True, "f is log-concave: |z|^beta is convex")
        return Membership(
            False, "beta < 1: f^(-1/3) ~ exp(|z|^beta/3) has a concave cusp on either side of 0"
        )

    @property
    def tail(self) -> Tail:
        return Tail("exponential")

    def _log_peak(self) -> float:
        """ln f(0) of the standard law."""
        return -math.log(2.0) - math.lgamma(1.0 + 1.0 / self.beta)

    def _std_pdf(self, z: FloatArray) -> FloatArray:
        return math.exp(self._log_peak()) * np.exp(-(z**self.beta))

    def _std_sf(self, z: FloatArray) -> FloatArray:
        x = z**self.beta
        return np.where(x < FLAT, 0.5 - self._flat_inner(z, 0), 0.5 * upper_gamma(1.0 / self.beta, x))

    def _std_isf(self, q: FloatArray) -> FloatArray:
        a = 1.0 / self.beta
        x = lower_gamma_inverse(a, q)
        # P(a, x) = x**a / Gamma(1 + a) near zero, where x = z**beta underflows long before z does.
        return np.where(x > 1e-100, x**a, (1.0 - 2.0 * q) * math.gamma(1.0 + a))

    def _is_smooth(self, near: FloatArray, far: FloatArray) -> NDArray[np.bool_]:
        # z**beta is exp(beta ln z): a polynomial rule follows it over a few units of its exponent.
        known = super(GeneralizedGaussian, self)._is_smooth(near, far)
        return known & (self.beta * np.log(far / near) <= SMOOTH_EXPONENT)

    def _std_hazard(self, z: FloatArray) -> FloatArray:
        a, x = 1.0 / self.beta, z**self.beta
        tail = self.beta * x ** (1.0 - a) / upper_gamma_tail(a, np.maximum(x, 1.0))
        # sf underflows at x = 745; by then the continued fraction has long converged.
        return np.where(x < 600.0, self._std_pdf(z) / self._std_sf(z), tail)

    def _limiting_hazard(self) -> float:
        return 0.0 if self.beta < 1.0 else 1.0 if self.beta == 1.0 else math.inf

    def _std_inner(self, z: FloatArray) -> Moments:
        a, x = 1.0 / self.beta, z**self.beta
        mass, first, second = (
            np.where(
                x < FLAT,
                self._flat_inner(z, p),
                0.5 * self._std_absolute_moment(p) * lower_gamma((p + 1) * a, x),
            )
            for p in range(3)
        )
        return mass, first, second

    def _flat_inner(self, z: FloatArray, power: int) -> FloatArray:
        """E[Z**p; 0 < Z < z] where f is f(0): z**beta may be 0 there, long before z is."""
        return math.exp(self._log_peak()) * z ** (power + 1) / (power + 1)

    def _std_outer(self, z: FloatArray) -> Moments:
        a, x = 1.0 / self.beta, z**self.beta
        mass, first, second = (
            np.where(
                x < FLAT,
                0.5 * self._std_absolute_moment(p) - self._flat_inner(z, p),
                0.5 * self._std_absolute_moment(p) * upper_gamma((p + 1) * a, x),
            )
            for p in range(3)
        )
        return mass, first, second

    def _std_absolute_moment(self, order: float) -> float:
        # Gamma((order + 1) a) / Gamma(a), both shifted by one to stay away from the pole at zero.
        a = 1.0 / self.beta
        log_ratio = math.lgamma(1.0 + (order + 1) * a) - math.lgamma(1.0 + a)
        with np.errstate(over="ignore"):
            return float(np.exp(log_ratio)) / (order + 1)

    def _std_power_integral(self, beta: float) -> float:
        # f**p is exp(-p |z|**beta) times f(0)**p.
        if not beta > 0.0:
            return math.inf
        return float(np.exp((beta - 1.0) * self._log_peak() - math.log(beta) / self.beta))

    def _escort(self, alpha: float) -> PointDensity:
        return self._beyond_domain(scale=self.scale * alpha ** (-1.0 / self.beta))

    def _escort_domain(self) -> str:
        return "alpha > 0"

    def _std_entropy(self) -> float:
        return 1.0 / self.beta - self._log_peak()

    def _std_sample(self, n: int, rng: np.random.Generator) -> FloatArray:
        # E**(1/beta) with E of Gamma law 1/beta underflows for large beta; Gamma(1 + a) U**(1/a) is
        # Gamma(a) (Stuart 1962), and its power a needs no more than U itself.
        a = 1.0 / self.beta
        magnitude = rng.standard_gamma(1.0 + a, n) ** a * rng.random(n)
        return np.where(rng.random(n) < 0.5, -magnitude, magnitude)
