"""The Gaussian law."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import special

from fmq_theory.sources.folded import FloatArray, Moments
from fmq_theory.sources.incomplete_gamma import lower_gamma
from fmq_theory.sources.source import Membership, Parameter, PointDensity, Tail
from fmq_theory.sources.symmetric import LOCATION, SCALE, SymmetricSource

__all__ = ["Gaussian"]


@dataclass(frozen=True, slots=True)
class Gaussian(SymmetricSource):
    """f(x) = exp(-z**2 / 2) / (scale sqrt(2 pi)), z = (x - loc) / scale.

    Args:
        loc: the mean, in the units of the weights.
        scale: the standard deviation sigma > 0, in the units of the weights.

    Raises:
        SourceError: a parameter outside its domain.

    Examples:
        The share within one standard deviation, E[X; X > 0] = 1 / sqrt(2 pi), and h = ln(2 pi e) / 2:

        >>> import math
        >>> from fmq_theory.sources import Gaussian
        >>> law = Gaussian()
        >>> round(float(law.partial_moments(-1.0, 1.0).mass), 4)
        0.6827
        >>> round(float(law.partial_moments(0.0, math.inf).first), 4), round(1 / math.sqrt(2 * math.pi), 4)
        (0.3989, 0.3989)
        >>> round(law.differential_entropy(), 4)
        1.4189
    """

    name: ClassVar[str] = "gaussian"
    parameters: ClassVar[tuple[Parameter, ...]] = (LOCATION, SCALE)

    loc: float = 0.0
    scale: float = 1.0

    @property
    def inverse_cube_root_convex(self) -> Membership:
        return Membership(True, "f is log-concave: (ln f)'' = -1/scale^2")

    @property
    def tail(self) -> Tail:
        return Tail("exponential")

    def _std_pdf(self, z: FloatArray) -> FloatArray:
        return np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)

    def _std_sf(self, z: FloatArray) -> FloatArray:
        return special.ndtr(-z)

    def _std_isf(self, q: FloatArray) -> FloatArray:
        return -special.ndtri(q)

    def _std_hazard(self, z: FloatArray) -> FloatArray:
        return math.sqrt(2.0 / math.pi) / special.erfcx(z / math.sqrt(2.0))

    def _limiting_hazard(self) -> float:
        return math.inf

    def _std_inner(self, z: FloatArray) -> Moments:
        half_square = 0.5 * z * z
        mass = 0.5 * special.erf(z / math.sqrt(2.0))
        first = -np.expm1(-half_square) / math.sqrt(2.0 * math.pi)
        # E[Z^2; 0 < Z < z] = P(3/2, z^2/2) / 2; mass - z f(z) would cancel for small z.
        return mass, first, 0.5 * lower_gamma(1.5, half_square)

    def _std_outer(self, z: FloatArray) -> Moments:
        mass, density = self._std_sf(z), self._std_pdf(z)
        return mass, density, mass + z * density

    def _std_absolute_moment(self, order: float) -> float:
        # 2**(p/2) Gamma((p + 1) / 2) / sqrt(pi)
        return float(np.exp2(0.5 * order) * special.gamma(0.5 * (order + 1.0))) / math.sqrt(math.pi)

    def _std_power_integral(self, beta: float) -> float:
        if not beta > 0.0:
            return math.inf
        return float(np.exp(0.5 * (1.0 - beta) * math.log(2.0 * math.pi)) / math.sqrt(beta))

    def _escort(self, alpha: float) -> PointDensity:
        return Gaussian(self.loc, self.scale / math.sqrt(alpha))

    def _escort_domain(self) -> str:
        return "alpha > 0"

    def _std_entropy(self) -> float:
        return 0.5 * math.log(2.0 * math.pi * math.e)

    def _std_sample(self, n: int, rng: np.random.Generator) -> FloatArray:
        return rng.standard_normal(n)
