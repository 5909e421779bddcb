"""The logistic law."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from fmq_theory.sources.folded import NODES, WEIGHTS, FloatArray, Moments
from fmq_theory.sources.source import Membership, Parameter, PointDensity, Tail
from fmq_theory.sources.symmetric import LOCATION, SCALE, SymmetricSource

__all__ = ["Logistic", "LogisticEscort"]

# -Li2(-t) is summed for t = exp(-z) <= 1/3, that is sf <= 1/4: 3**-34 / 34**2 = 5e-20.
DILOGARITHM_TERMS = 34
# Up to here E[Z**2; 0 < Z < z] is a quadrature: the poles at +-i pi are far, the rule is exact.
INNER_QUADRATURE = 1.5


@dataclass(frozen=True, slots=True)
class Logistic(SymmetricSource):
    """F(x) = 1 / (1 + exp(-z)), z = (x - loc) / scale; the variance is pi**2 scale**2 / 3.

    Args:
        loc: the mean, in the units of the weights.
        scale: the inverse of the tails' hazard rate, in the units of the weights.

    Raises:
        SourceError: a parameter outside its domain.
    """

    name: ClassVar[str] = "logistic"
    parameters: ClassVar[tuple[Parameter, ...]] = (LOCATION, SCALE)

    loc: float = 0.0
    scale: float = 1.0

    @property
    def inverse_cube_root_convex(self) -> Membership:
        return Membership(True, "f is log-concave: (ln f)'' = -2 f")

    @property
    def tail(self) -> Tail:
        return Tail("exponential")

    def _std_pdf(self, z: FloatArray) -> FloatArray:
        return np.exp(-z) / (1.0 + np.exp(-z)) ** 2

    def _std_sf(self, z: FloatArray) -> FloatArray:
        return special.expit(-z)

    def _std_isf(self, q: FloatArray) -> FloatArray:
        # 1 - 2 q is exact for q >= 1/4; the other form keeps subnormal q.
        return np.where(q < 0.25, np.log1p(-q) - np.log(q), np.log1p((1.0 - 2.0 * q) / q))

    def _std_hazard(self, z: FloatArray) -> FloatArray:
        return special.expit(z)

    def _limiting_hazard(self) -> float:
        return 1.0

    def _std_inner(self, z: FloatArray) -> Moments:
        half = 0.5 * np.minimum(z, 2.0)
        # (z/2) tanh(z/2) - ln cosh(z/2), and its equal far out, where those two would cancel.
        near = half * np.tanh(half) - np.log1p(2.0 * np.sinh(0.5 * half) ** 2)
        first = np.where(z < 2.0, near, math.log(2.0) - self._outer_first(z))
        return 0.5 * np.tanh(0.5 * z), first, self._inner_second(z)

    def _std_outer(self, z: FloatArray) -> Moments:
        return self._std_sf(z), self._outer_first(z), self._outer_second(z)

    def _outer_first(self, z: FloatArray) -> FloatArray:
        """E[Z; Z > z] = z sf(z) + the integral of sf."""
        return z * self._std_sf(z) + np.log1p(np.exp(-z))

    def _outer_second(self, z: FloatArray) -> FloatArray:
        """E[Z**2; Z > z] = z**2 sf(z) + 2 z ln(1 + t) - 2 Li2(-t), t = exp(-z), for sf(z) <= 1/4."""
        t = np.exp(-z)
        dilogarithm = np.zeros_like(z)
        for k in range(DILOGARITHM_TERMS, 0, -1):
            dilogarithm = t * ((1.0 if k % 2 else -1.0) / k**2 + dilogarithm)
        return z * z * self._std_sf(z) + 2.0 * (z * np.log1p(t) + dilogarithm)

    def _inner_second(self, z: FloatArray) -> FloatArray:
        """E[Z**2; 0 < Z < z]; the whole half has pi**2 / 6."""
        step = 0.5 * np.minimum(z, INNER_QUADRATURE)[:, None] * (1.0 + NODES)
        near = 0.5 * np.minimum(z, INNER_QUADRATURE) * ((step**2 * self._std_pdf(step)) @ WEIGHTS)
        return np.where(z < INNER_QUADRATURE, near, math.pi**2 / 6.0 - self._outer_second(z))

    def _std_absolute_moment(self, order: float) -> float:
        # 2 p! eta(p), eta Dirichlet's alternating zeta function.
        if order == 0:
            return 1.0
        if order == 1:
            return 2.0 * math.log(2.0)
        eta = (1.0 - 2.0 ** (1 - order)) * float(special.zeta(float(order)))
        return 2.0 * eta * float(special.gamma(order + 1.0))

    def _std_power_integral(self, beta: float) -> float:
        # f dz = F (1 - F) dz = dF, so the integral is B(beta, beta).
        return float(special.beta(beta, beta)) if beta > 0.0 else math.inf

    def _escort(self, alpha: float) -> PointDensity:
        return LogisticEscort(alpha, self.loc, self.scale)

    def _escort_domain(self) -> str:
        return "alpha > 0"

    def _std_entropy(self) -> float:
        return 2.0

    def _std_sample(self, n: int, rng: np.random.Generator) -> FloatArray:
        return rng.logistic(size=n)


@dataclass(frozen=True, slots=True)
class LogisticEscort:
    """The law with density proportional to f**alpha: F(X) has the Beta(alpha, alpha) law."""

    alpha: float
    loc: float
    scale: float

    def ppf(self, q: ArrayLike) -> FloatArray:
        """loc + scale * logit(I^-1(q; alpha, alpha)); nan for q outside [0, 1]."""
        q = np.asarray(q, dtype=np.float64)
        alpha, lower = self.alpha, np.minimum(q, 1.0 - q)
        with np.errstate(all="ignore"):
            p = np.asarray(special.betaincinv(alpha, alpha, lower), dtype=np.float64)
            # I(p) = p**alpha / (alpha B(alpha, alpha)) for small p, where p itself may underflow.
            log_p = (np.log(lower) + math.log(alpha) + float(special.betaln(alpha, alpha))) / alpha
            magnitude = np.where(p > 1e-200, np.log1p(-p) - np.log(p), -log_p)
        return (self.loc + self.scale * np.where(q < 0.5, -magnitude, magnitude))[()]
