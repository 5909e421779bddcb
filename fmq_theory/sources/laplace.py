"""The Laplace law."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import special

from fmq_theory.sources.folded import FloatArray, Moments
from fmq_theory.sources.incomplete_gamma import lower_gamma
from fmq_theory.sources.source import Membership, Parameter, PointDensity, Tail
from fmq_theory.sources.symmetric import LOCATION, SCALE, SymmetricSource

__all__ = ["Laplace"]


@dataclass(frozen=True, slots=True)
class Laplace(SymmetricSource):
    """f(x) = exp(-|z|) / (2 scale), z = (x - loc) / scale; the variance is 2 scale**2.

    Args:
        loc: the mean, in the units of the weights.
        scale: the mean distance from it, in the units of the weights.

    Raises:
        SourceError: a parameter outside its domain.

    Examples:
        >>> from fmq_theory.sources import Laplace
        >>> law = Laplace(scale=3.0)
        >>> round(law.variance(), 6)
        18.0
        >>> round(float(law.hazard(5.0)) * 3.0, 6)  # the hazard is the same everywhere, 1 / scale
        1.0
    """

    name: ClassVar[str] = "laplace"
    parameters: ClassVar[tuple[Parameter, ...]] = (LOCATION, SCALE)

    loc: float = 0.0
    scale: float = 1.0

    @property
    def inverse_cube_root_convex(self) -> Membership:
        return Membership(True, "f is log-concave: ln f = -|z| up to a constant")

    @property
    def tail(self) -> Tail:
        return Tail("exponential")

    def _std_pdf(self, z: FloatArray) -> FloatArray:
        return 0.5 * np.exp(-z)

    def _std_sf(self, z: FloatArray) -> FloatArray:
        return 0.5 * np.exp(-z)

    def _std_isf(self, q: FloatArray) -> FloatArray:
        return -np.log(2.0 * q)

    def _std_hazard(self, z: FloatArray) -> FloatArray:
        return np.ones_like(z)

    def _limiting_hazard(self) -> float:
        return 1.0

    def _std_inner(self, z: FloatArray) -> Moments:
        return -0.5 * np.expm1(-z), 0.5 * lower_gamma(2.0, z), lower_gamma(3.0, z)

    def _std_outer(self, z: FloatArray) -> Moments:
        mass = 0.5 * np.exp(-z)
        return mass, (1.0 + z) * mass, (2.0 + z * (2.0 + z)) * mass

    def _std_absolute_moment(self, order: float) -> float:
        return float(special.gamma(order + 1.0))

    def _std_power_integral(self, beta: float) -> float:
        return float(np.exp2(1.0 - beta) / beta) if beta > 0.0 else math.inf

    def _escort(self, alpha: float) -> PointDensity:
        return Laplace(self.loc, self.scale / alpha)

    def _escort_domain(self) -> str:
        return "alpha > 0"

    def _std_entropy(self) -> float:
        return 1.0 + math.log(2.0)

    def _std_sample(self, n: int, rng: np.random.Generator) -> FloatArray:
        return rng.laplace(size=n)
