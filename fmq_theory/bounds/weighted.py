"""Weighted squared errors E w(X)(X - Q(X))^2: what they are least for, and both ratios under a weight.

With M = E w(X) and Y of density w f/M, E w(X) h(X) = M E h(Y): the best codebook for a weight is the
Lloyd-Max codebook of Y, and K^2 times its weighted error tends to

C_w = (1/12) (integral of (w f)^(1/3))^3,

the point density being (w f)^(1/3) over its integral (T3e). The weight of a product with another quantized
number Z is w(x) = E(Z^2 | X = x).
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad

from fmq_theory.errors import SourceError
from fmq_theory.sources import Source

__all__ = [
    "WeightedConstants",
    "product_peaks",
    "product_weight",
    "weighted_constants",
    "weighted_point_density",
]

FloatArray = NDArray[np.float64]
Weight = Callable[[FloatArray], FloatArray]
"""w(x) >= 0 for an array of places."""


class WeightedConstants(NamedTuple):
    """Limits of K^2 times a weighted error, in the source's units squared times those of the weight.

    Attributes:
        optimum: C_w, of the codebook that is best for the weight.
        unweighted: (1/12) (integral of f^(1/3))^2 integral of w f^(1/3), of the codebook that is best
            without it.
        equal_mass: (1/12) integral of w/f, of cells of equal mass; ``inf`` where that diverges, as it does on
            unbounded supports with weights that do not vanish.
        mean_weight: M = E w(X).
    """

    optimum: float
    unweighted: float
    equal_mass: float
    mean_weight: float

    def rho_w2(self, half_range: float) -> float:
        """Limit of the optimum's weighted error over that of K levels from -R to R: 3 C_w/(M R^2).

        Args:
            half_range: R, in the source's units.
        """
        return 3.0 * self.optimum / (self.mean_weight * half_range**2)

    def rho_em(self, half_range: float) -> float:
        """The same of equal mass, (integral of w/f)/(4 M R^2); infinite where it has no K^-2 law.

        Args:
            half_range: R, in the source's units.
        """
        return 3.0 * self.equal_mass / (self.mean_weight * half_range**2)


def weighted_constants(source: Source, weight: Weight) -> WeightedConstants:
    """The constants of a law and a weight, by quadrature.

    Args:
        source: a law with a density.
        weight: w(x) >= 0.

    Raises:
        SourceError: E w(X) is zero or infinite.

    Examples:
        >>> from fmq_theory import bounds, sources
        >>> gaussian = sources.make("gaussian")
        >>> weighted = bounds.weighted_constants(gaussian, bounds.product_weight(0.9))
        >>> round(weighted.unweighted / weighted.optimum, 3)  # what it costs to ignore the weight
        1.585
    """
    mean = _integral(source, lambda x, f: weight(x) * f)
    if not 0 < mean < math.inf:
        raise SourceError(
            f"{source.name}: weighted error",
            f"the mean weight is {mean!r}",
            "choose a weight with a finite mean",
        )
    third = _integral(source, lambda x, f: np.cbrt(weight(x) * f))
    plain = _integral(source, lambda _x, f: np.cbrt(f))
    mixed = _integral(source, lambda x, f: weight(x) * np.cbrt(f))
    low, high = source.support
    bounded = math.isfinite(low) and math.isfinite(high)
    spread = _integral(source, lambda x, f: weight(x) / f) if bounded else math.inf
    return WeightedConstants(third**3 / 12, plain**2 * mixed / 12, spread / 12, mean)


def weighted_point_density(source: Source, weight: Weight, x: FloatArray) -> FloatArray:
    """(w f)^(1/3) over its integral, at the places x.

    Args:
        source: a law with a density.
        weight: w(x) >= 0.
        x: places in the source's units, of any shape.

    Returns:
        The density of levels there, of the shape of ``x``.
    """
    total = _integral(source, lambda places, f: np.cbrt(weight(places) * f))
    return np.cbrt(weight(x) * source.pdf(x)) / total


def product_weight(correlation: float) -> Weight:
    """w(u) = E(Z^2 | X = u) = (1 - rho^2) + rho^2 u^2 of a standard Gaussian pair (X, Z).

    Args:
        correlation: rho, from -1 to 1.

    Raises:
        SourceError: it is outside.
    """
    if not -1 <= correlation <= 1:
        raise SourceError(f"correlation {correlation!r}", "it is not from -1 to 1", "choose one that is")
    square = correlation * correlation
    return lambda u: (1.0 - square) + square * u * u


def product_peaks(correlation: float) -> tuple[float, ...]:
    """Where the point density for the product of a standard Gaussian pair is largest.

    It is proportional to exp(-u^2/6) ((1 - rho^2) + rho^2 u^2)^(1/3): one peak at 0 for |rho| <= 1/sqrt 3,
    two at +-sqrt(3 - 1/rho^2) beyond (Ang, Kim & Pilanci 2026, abstract; T3e).

    Args:
        correlation: rho, from -1 to 1.

    Returns:
        The places, ascending.

    Raises:
        SourceError: it is outside.

    Examples:
        >>> from fmq_theory import bounds
        >>> bounds.product_peaks(0.5), [round(u, 4) for u in bounds.product_peaks(0.8)]
        ((0.0,), [-1.199, 1.199])
    """
    product_weight(correlation)  # refuses what is no correlation
    square = correlation * correlation
    if 3.0 * square <= 1.0:
        return (0.0,)
    peak = math.sqrt(3.0 - 1.0 / square)
    return (-peak, peak)


def _integral(source: Source, integrand: Callable[[FloatArray, FloatArray], FloatArray]) -> float:
    """Over the support; split at quantiles, so that no part of the mass is missed."""
    low, high = source.support
    inner = source.ppf(np.array([1e-6, 0.01, 0.25, 0.5, 0.75, 0.99, 1 - 1e-6]))
    ends = [low, *inner.tolist(), high]

    def at(x: float) -> float:
        place = np.array([x])
        return float(integrand(place, source.pdf(place))[0])

    return sum(quad(at, a, b, epsrel=1e-11, limit=200)[0] for a, b in pairwise(ends))
