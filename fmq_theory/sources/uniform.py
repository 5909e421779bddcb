"""The uniform law."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fmq_theory.sources.folded import FloatArray, Moments
from fmq_theory.sources.source import Membership, Parameter, PointDensity, Tail
from fmq_theory.sources.symmetric import LOCATION, SCALE, SymmetricSource

__all__ = ["Uniform"]

# (loc + scale - loc) / scale may come out a little above 1; the edge still belongs to the support.
EDGE = 1.0 + 4.0 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Uniform(SymmetricSource):
    """f(x) = 1 / (2 scale) on [loc - scale, loc + scale]; the variance is scale**2 / 3.

    Args:
        loc: the middle of the support, in the units of the weights.
        scale: half its length, in the units of the weights.

    Raises:
        SourceError: a parameter outside its domain.
    """

    name: ClassVar[str] = "uniform"
    parameters: ClassVar[tuple[Parameter, ...]] = (LOCATION, SCALE)

    loc: float = 0.0
    scale: float = 1.0

    @property
    def inverse_cube_root_convex(self) -> Membership:
        return Membership(True, "f is constant on one interval")

    @property
    def tail(self) -> Tail:
        return Tail("bounded")

    def _std_half_width(self) -> float:
        return 1.0

    def _std_pdf(self, z: FloatArray) -> FloatArray:
        return np.where(z <= EDGE, 0.5, 0.0)

    def _std_sf(self, z: FloatArray) -> FloatArray:
        return 0.5 * np.maximum(1.0 - z, 0.0)

    def _std_isf(self, q: FloatArray) -> FloatArray:
        return 1.0 - 2.0 * q

    def _std_hazard(self, z: FloatArray) -> FloatArray:
        return np.where(z < 1.0, 1.0 / (1.0 - z), math.inf)

    def _limiting_hazard(self) -> float:
        return math.inf

    def _std_inner(self, z: FloatArray) -> Moments:
        z = np.minimum(z, 1.0)
        return z / 2.0, z**2 / 4.0, z**3 / 6.0

    def _std_outer(self, z: FloatArray) -> Moments:
        gap = np.maximum(1.0 - z, 0.0)
        return gap / 2.0, gap * (1.0 + z) / 4.0, gap * (1.0 + z + z * z) / 6.0

    def _std_absolute_moment(self, order: float) -> float:
        return 1.0 / (order + 1.0)

    def _std_power_integral(self, beta: float) -> float:
        return float(np.exp2(1.0 - beta))

    def _escort(self, alpha: float) -> PointDensity:  # noqa: ARG002  f**alpha is constant for every alpha
        return self

    def _escort_domain(self) -> str:
        return "a finite alpha"

    def _std_entropy(self) -> float:
        return math.log(2.0)

    def _std_sample(self, n: int, rng: np.random.Generator) -> FloatArray:
        return rng.uniform(-1.0, 1.0, n)
