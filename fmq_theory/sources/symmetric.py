"""Location-scale families of laws that are symmetric about their location."""

import abc
import math
import numbers
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from fmq_theory.errors import SourceError
from fmq_theory.sources.folded import FloatArray, FoldedLaw
from fmq_theory.sources.source import MagnitudeRange, Parameter, PartialMoments, PointDensity, Source

__all__ = ["LOCATION", "SCALE", "SymmetricSource"]

# So that squares and fourth powers of lengths, and of their inverses, are floats.
LOCATION = Parameter("loc", (-1e75, 1e75), (-3.0, 3.0), 0.0, "the centre of symmetry")
SCALE = Parameter("scale", (1e-75, 1e75), (0.2, 5.0), 1.0, "the unit of length")

# Widths between zero and the centre at most: beyond, too few floats lie within a width, and at 1e16 only one.
_FARTHEST = 1e9
# Up to so many scales from the centre the square of a point is a float.
_FARTHEST_POINT = 1e150
_LARGEST_LOG = math.log(np.finfo(np.float64).max)


class SymmetricSource(FoldedLaw, Source):
    """X = loc + scale * Z, with Z symmetric about zero.

    A family is a frozen dataclass with fields ``loc`` and ``scale`` that fills in the hooks about the
    standard law Z; all of them take z >= 0 and describe that half only.
    """

    __slots__ = ()

    loc: float
    scale: float
    parameters: ClassVar[tuple[Parameter, ...]]

    def __post_init__(self) -> None:
        for parameter in self.parameters:
            value = getattr(self, parameter.name)
            if isinstance(value, bool) or not isinstance(value, numbers.Real):
                raise SourceError(
                    f"{self.name}: {parameter.name} = {value!r}",
                    f"{parameter.name} ({parameter.description}) must be a real number",
                    f"choose for example {parameter.name} = {parameter.default:g}",
                )
            try:
                number = float(value)
            except OverflowError:  # an int beyond the largest float
                number = math.inf  # of either sign: what matters is that it is refused
            parameter.validate(number, self.name)
            object.__setattr__(self, parameter.name, number)
        if abs(self.loc) > _FARTHEST * self.scale:
            second = self._std_absolute_moment(2)
            width = self.scale * max(1.0, math.sqrt(second) if math.isfinite(second) else 1.0)
            if abs(self.loc) > _FARTHEST * width:
                raise SourceError(
                    f"{self.name}: loc = {self.loc!r} and scale = {self.scale!r}",
                    f"the centre is more than {_FARTHEST:g} widths from zero, where float64 tells places of "
                    "the law hardly apart",
                    "choose loc = 0: the distance from zero changes no error but that of log2",
                )

    # What a family fills in, besides the hooks of FoldedLaw.

    @abc.abstractmethod
    def _std_isf(self, q: FloatArray) -> FloatArray:
        """The z >= 0 with sf(z) = q, for 0 <= q <= 1/2."""

    @abc.abstractmethod
    def _std_power_integral(self, beta: float) -> float:
        """Integral of f**beta over the standard law's support; ``inf`` where it diverges."""

    @abc.abstractmethod
    def _escort(self, alpha: float) -> PointDensity:
        """The escort law, for an alpha at which it exists."""

    @abc.abstractmethod
    def _escort_domain(self) -> str:
        """The alpha at which the escort law exists, in words: "alpha > 0"."""

    @abc.abstractmethod
    def _std_entropy(self) -> float:
        """Differential entropy of the standard law, in nats."""

    @abc.abstractmethod
    def _std_sample(self, n: int, rng: np.random.Generator) -> FloatArray:
        """``n`` independent draws of Z."""

    def _std_half_width(self) -> float:
        """The standard support is [-w, w]."""
        return math.inf

    # The interface of Source.

    @property
    def support(self) -> tuple[float, float]:
        """[loc - w scale, loc + w scale], w the half-width of the standard support."""
        reach = self.scale * self._std_half_width()
        return self.loc - reach, self.loc + reach

    def pdf(self, x: ArrayLike) -> FloatArray:
        z = np.abs(self._standard(x))
        with np.errstate(all="ignore"):
            return np.where(np.isinf(z), 0.0, self._std_pdf(np.where(np.isinf(z), 0.0, z)) / self.scale)[()]

    def cdf(self, x: ArrayLike) -> FloatArray:
        return self._upper(-self._standard(x))

    def sf(self, x: ArrayLike) -> FloatArray:
        return self._upper(self._standard(x))

    def ppf(self, q: ArrayLike) -> FloatArray:
        with np.errstate(over="ignore"):
            return self.loc - self.scale * self._upper_inverse(q)

    def isf(self, q: ArrayLike) -> FloatArray:
        with np.errstate(over="ignore"):
            return self.loc + self.scale * self._upper_inverse(q)

    def hazard(self, x: ArrayLike) -> FloatArray:
        z = self._standard(x)
        far = np.isinf(z)
        with np.errstate(all="ignore"):
            magnitude = np.where(far, 0.0, np.abs(z))
            below = self._std_pdf(magnitude) / (1.0 - self._std_sf(magnitude))
            rate = np.where(z < 0.0, below, self._std_hazard(magnitude))
        return (np.where(far, np.where(z > 0.0, self._limiting_hazard(), 0.0), rate) / self.scale)[()]

    def density_sup(self, a: ArrayLike, b: ArrayLike) -> FloatArray:
        low, high = self._standard(a), self._standard(b)
        nearest = np.maximum(np.maximum(low, -high), 0.0)
        farthest = np.maximum(np.abs(low), np.abs(high))
        with np.errstate(all="ignore"):
            sup = self._std_sup(np.where(np.isinf(nearest), 0.0, nearest), farthest)
            return np.where(np.isinf(nearest), 0.0, sup / self.scale)[()]

    def moment(self, order: int) -> float:
        if order != int(order) or order < 0:
            raise SourceError(
                f"moment of order {order!r}", "the order must be a whole number >= 0", "choose 1 or 2"
            )
        order = int(order)
        if math.isinf(self._std_absolute_moment(order)):
            if order % 2 == 0:
                return math.inf
            raise SourceError(
                f"{self}: moment of order {order}",
                "it does not exist, because the absolute moment of that order is infinite",
                "choose a law with lighter tails",
            )
        loc, scale = np.float64(self.loc), np.float64(self.scale)
        with np.errstate(over="ignore", under="ignore"):
            terms = (
                math.comb(order, p) * loc ** (order - p) * scale**p * self._std_absolute_moment(p)
                for p in range(0, order + 1, 2)
            )
            return float(sum(terms))

    def absolute_moment(self, order: float) -> float:
        if not order >= 1.0:
            raise SourceError(f"absolute moment of order {order!r}", "it is below 1", "choose an order >= 1")
        standard = self._std_absolute_moment(order)
        if math.isinf(standard):  # or beyond float64: not a number times a power of the scale that is 0
            return math.inf
        with np.errstate(over="ignore", under="ignore"):
            return float(np.float64(self.scale) ** order * standard)

    def variance(self) -> float:
        return self.scale**2 * self._std_absolute_moment(2)

    def partial_moments(self, a: ArrayLike, b: ArrayLike, *, about: ArrayLike = 0.0) -> PartialMoments:
        low, high, level = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (a, b, about)))
        if not (low <= high).all():  # also catches nan
            raise SourceError("cell [a, b)", "it has a > b or an edge that is not a number", "sort the edges")
        if not np.isfinite(level).all():
            raise SourceError(
                "moments about a point", "the point is not finite", "pass the level of the cell"
            )
        shape = low.shape
        low, high, level = low.ravel(), high.ravel(), level.ravel()
        if math.isinf(self._std_absolute_moment(1)) and (np.isinf(low) & np.isinf(high) & (low < high)).any():
            raise SourceError(
                f"{self}: first moment over the whole line",
                "it does not exist, because the absolute first moment is infinite",
                "cut the line into cells, or choose a law with lighter tails",
            )
        # A cell on one side is one part; a cell across the centre is two parts that start there. The
        # parts below the centre are mirrored.
        occupied = low < high
        right = np.flatnonzero(occupied & (high > self.loc))
        left = np.flatnonzero(occupied & (low < self.loc))
        sign = np.repeat([1.0, -1.0], [right.size, left.size])
        centre, at = sign * self.loc, np.concatenate((right, left))
        near = np.maximum(np.concatenate((low[right], -high[left])), centre)
        far = np.concatenate((high[right], -low[left]))
        here = sign * level[at]
        with np.errstate(over="ignore", invalid="ignore"):
            # Cut to the support here and not before: beside a large centre its ends are no floats.
            end = self._std_half_width()
            inner = np.minimum((near - centre) / self.scale, end)
            outer = np.minimum((far - centre) / self.scale, end)
            lengths = ((near - here) / self.scale, np.fmin((far - near) / self.scale, end - inner))
            point = (here - centre) / self.scale
            parts = np.stack(self._cell_moments(inner, outer, point, *lengths))
            self._refuse_lost_squares(point, parts)
            parts[1] *= sign * self.scale
            parts[2] *= self.scale * self.scale
        total = np.zeros((3, low.size))
        total[:, right] = parts[:, : right.size]
        total[:, left] += parts[:, right.size :]
        mass, first, second = total.reshape(3, *shape)
        return PartialMoments(mass, first, second)

    def _refuse_lost_squares(self, point: FloatArray, parts: FloatArray) -> None:
        """Where point^2 is no float but point^2 times the mass is one, the formula has lost the square."""
        with np.errstate(divide="ignore"):
            size = 2.0 * np.log(np.abs(point)) + np.log(parts[0])
        lost = (np.abs(point) > _FARTHEST_POINT) & ~np.isfinite(parts[2]) & (size < _LARGEST_LOG)
        if lost.any():
            raise SourceError(
                f"{self}: moments about a point",
                f"it lies over {_FARTHEST_POINT:g} scales from the centre, where squares leave float64",
                "cut the law there: no level of a codebook is needed so far out",
            )

    def density_power_integral(self, beta: float) -> float:
        with np.errstate(all="ignore"):
            return float(np.float64(self.scale) ** (1.0 - beta) * self._std_power_integral(float(beta)))

    def escort(self, alpha: float) -> PointDensity:
        if not math.isfinite(self._std_power_integral(float(alpha))):
            raise SourceError(
                f"{self}: escort law at alpha = {alpha!r}",
                "the integral of f**alpha is infinite or not a number",
                f"choose {self._escort_domain()}",
            )
        return self._escort(float(alpha))

    def differential_entropy(self) -> float:
        return self._std_entropy() + math.log(self.scale)

    def sample(self, n: int, *, rng: np.random.Generator) -> FloatArray:
        return self.loc + self.scale * self._std_sample(n, rng)

    def typical_range(self, n: int) -> tuple[float, float]:
        q = extreme_probability(n)
        return float(self.ppf(q)), float(self.isf(q))

    def typical_magnitudes(self, n: int) -> tuple[MagnitudeRange | None, MagnitudeRange | None]:
        """Medians of the smallest and the largest magnitude on each side of zero among n draws.

        None where more than half of all samples of n draws leave the side empty. Where a side holds
        so little that the medians would cross, both are the median of the side.
        """
        mirrored = self._replaced(loc=-self.loc)
        return mirrored._magnitudes_above(n), self._magnitudes_above(n)

    def standard_deviation_one(self) -> Self:
        variance = self._std_absolute_moment(2)
        if not math.isfinite(variance):
            raise SourceError(*self._infinite_variance())
        return self._replaced(loc=0.0, scale=1.0 / math.sqrt(variance))

    # Helpers.

    def _replaced(self, **changes: float) -> Self:
        """The law of the same family with some parameters changed."""
        return type(self)(**({p.name: getattr(self, p.name) for p in self.parameters} | changes))

    def _beyond_domain(self, **changes: float) -> Self:
        """The law of the same family with some parameters changed, of which only quantiles are asked.

        The escort law of a law inside the domain may lie outside it: that of a Student-t law of little more
        than two degrees of freedom has hardly any. Its quantiles are right, up to those that are no floats.
        """
        law = object.__new__(type(self))
        for name, value in ({p.name: getattr(self, p.name) for p in self.parameters} | changes).items():
            object.__setattr__(law, name, value)
        return law

    def _infinite_variance(self) -> tuple[str, str, str]:
        """Thing, cause and remedy for a law without variance; a family with such laws is more precise."""
        return f"{self}", "the variance is infinite", "choose a law with lighter tails"

    def _limiting_hazard(self) -> float:
        """Limit of the standard law's hazard as z grows."""
        return 0.0

    def _standard(self, x: ArrayLike) -> FloatArray:
        with np.errstate(over="ignore"):
            return (np.asarray(x, dtype=np.float64) - self.loc) / self.scale

    def _upper(self, z: FloatArray) -> FloatArray:
        """P(Z > z) for z of either sign."""
        magnitude = np.abs(z)
        with np.errstate(all="ignore"):
            outside = np.where(
                np.isinf(magnitude), 0.0, self._std_sf(np.where(np.isinf(magnitude), 0.0, magnitude))
            )
        return np.where(z < 0.0, 1.0 - outside, outside)[()]

    def _upper_inverse(self, q: ArrayLike) -> FloatArray:
        """The z with P(Z > z) = q; nan for q outside [0, 1]."""
        q = np.asarray(q, dtype=np.float64)
        outside = np.minimum(q, 1.0 - q)
        inside = outside >= 0.0  # false for nan too
        with np.errstate(all="ignore"):
            z = self._std_isf(np.where(inside & (outside > 0.0), outside, 0.5))
        z = np.where(outside > 0.0, z, np.where(inside, self._std_half_width(), np.nan))
        return np.where(q > 0.5, -z, z)[()]

    def _magnitudes_above(self, n: int) -> MagnitudeRange | None:
        """The side above zero of ``typical_magnitudes``."""
        q = extreme_probability(n)
        above = float(self.sf(0.0))
        if above < q:
            return None
        if above < 2.0 * q:
            middle = float(self.isf(0.5 * above))
            return MagnitudeRange(middle, middle)
        return MagnitudeRange(self._smallest_above(q), float(self.isf(q)))

    def _smallest_above(self, q: float) -> float:
        """The m > 0 with P(0 < X < m) = q.

        cdf(0) + q drowns a small q, so the quantile is only a start for Newton's method on
        ln P(0 < X < m) as a function of ln m. That function is close to a straight line where the density
        is close to a power of m, which it is for each law near its centre and away from it.
        """
        tiny = float(np.finfo(np.float64).tiny)
        m = max(float(self.isf(float(self.sf(0.0)) - q)), tiny)
        for _ in range(60):
            mass = float(self.partial_moments(0.0, m).mass)
            density = float(self.pdf(m))
            if not (mass > 0.0 and density > 0.0):
                break
            step = math.log(q / mass) * mass / (m * density)
            m = max(m * math.exp(min(max(step, -50.0), 50.0)), tiny)
            if abs(step) <= 1e-9:  # convergence is quadratic: the next step is below rounding
                break
        return m


def extreme_probability(n: int) -> float:
    """q with (1 - q)**n = 1/2: a set of probability q is missed by half of all samples of n draws.

    Raises:
        SourceError: n is not a whole number >= 1.
    """
    if n != int(n) or n < 1:
        raise SourceError(
            f"sample size {n!r}", "it must be a whole number >= 1", "choose for example 1000000"
        )
    return -math.expm1(-math.log(2.0) / n)
