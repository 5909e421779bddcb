"""The two-sided Gamma law."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import special

from fmq_theory.sources.folded import FloatArray, Moments
from fmq_theory.sources.incomplete_gamma import (
    lower_gamma,
    lower_gamma_inverse,
    upper_gamma,
    upper_gamma_tail,
)
from fmq_theory.sources.source import Membership, Parameter, PointDensity, Tail
from fmq_theory.sources.symmetric import LOCATION, SCALE, SymmetricSource

__all__ = ["TwoSidedGamma"]

# Below 1/50 one weight of a million lies closer to 0 than the smallest float; above 1000 the density loses
# its twelfth digit.
SHAPE = Parameter("shape", (0.02, 1000.0), (0.3, 2.0), 0.5, "the shape k in |x|^(k-1) exp(-|x|)")


@dataclass(frozen=True, slots=True)
class TwoSidedGamma(SymmetricSource):
    """f(x) = |z|**(shape - 1) exp(-|z|) / (2 Gamma(shape) scale), z = (x - loc) / scale.

    shape = 1 is the Laplace law. For shape < 1 the density is infinite at the centre; for shape > 1 it
    vanishes there and has two modes, at distance (shape - 1) scale.

    Args:
        shape: the shape k of the law of |Z|, without unit.
        loc: the centre of symmetry, in the units of the weights.
        scale: the inverse of the tails' hazard rate, in the units of the weights.

    Raises:
        SourceError: a parameter outside its domain.
    """

    name: ClassVar[str] = "gamma"
    parameters: ClassVar[tuple[Parameter, ...]] = (SHAPE, LOCATION, SCALE)

    shape: float
    loc: float = 0.0
    scale: float = 1.0

    @property
    def inverse_cube_root_convex(self) -> Membership:
        if self.shape == 1.0:
            return Membership(True, "f is log-concave: shape = 1 is the Laplace law")
        if self.shape < 1.0:
            return Membership(False, "shape < 1: f^(-1/3) is 0 at the centre and concave beside it")
        return Membership(False, "shape > 1: f is 0 at the centre, between two modes")

    @property
    def tail(self) -> Tail:
        return Tail("exponential")

    def _std_mode(self) -> float:
        return max(self.shape - 1.0, 0.0)

    def _std_pdf(self, z: FloatArray) -> FloatArray:
        return 0.5 * np.exp(special.xlogy(self.shape - 1.0, z) - z - math.lgamma(self.shape))

    def _std_sf(self, z: FloatArray) -> FloatArray:
        return 0.5 * upper_gamma(self.shape, z)

    def _std_isf(self, q: FloatArray) -> FloatArray:
        return lower_gamma_inverse(self.shape, q)

    def _std_hazard(self, z: FloatArray) -> FloatArray:
        # sf underflows at about z = 745 + shape; the continued fraction converges before.
        near = self._std_pdf(z) / self._std_sf(z)
        far = 1.0 / upper_gamma_tail(self.shape, np.maximum(z, 1.0))
        return np.where(z < 600.0 + self.shape, near, far)

    def _limiting_hazard(self) -> float:
        return 1.0

    def _std_inner(self, z: FloatArray) -> Moments:
        k = self.shape
        second = 0.5 * k * (k + 1.0) * lower_gamma(k + 2.0, z)
        return 0.5 * lower_gamma(k, z), 0.5 * k * lower_gamma(k + 1.0, z), second

    def _std_outer(self, z: FloatArray) -> Moments:
        k = self.shape
        second = 0.5 * k * (k + 1.0) * upper_gamma(k + 2.0, z)
        return 0.5 * upper_gamma(k, z), 0.5 * k * upper_gamma(k + 1.0, z), second

    def _std_absolute_moment(self, order: float) -> float:
        if order == int(order):
            return math.prod(self.shape + j for j in range(int(order)))
        with np.errstate(over="ignore"):
            return float(np.exp(math.lgamma(self.shape + order) - math.lgamma(self.shape)))

    def _std_power_integral(self, beta: float) -> float:
        exponent = beta * (self.shape - 1.0) + 1.0
        if not (beta > 0.0 and exponent > 0.0):
            return math.inf
        log_peak = -beta * (math.log(2.0) + math.lgamma(self.shape))
        return 2.0 * float(np.exp(log_peak + math.lgamma(exponent) - exponent * math.log(beta)))

    def _escort(self, alpha: float) -> PointDensity:
        return self._beyond_domain(shape=alpha * (self.shape - 1.0) + 1.0, scale=self.scale / alpha)

    def _escort_domain(self) -> str:
        if self.shape >= 1.0:
            return "alpha > 0"
        return f"0 < alpha < {1.0 / (1.0 - self.shape):g} = 1 / (1 - shape)"

    def _std_entropy(self) -> float:
        k = self.shape
        return k + math.lgamma(k) + (1.0 - k) * float(special.digamma(k)) + math.log(2.0)

    def _std_sample(self, n: int, rng: np.random.Generator) -> FloatArray:
        magnitude = rng.standard_gamma(self.shape, n)
        return np.where(rng.random(n) < 0.5, -magnitude, magnitude)
