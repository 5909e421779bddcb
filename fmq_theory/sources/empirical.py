"""Data as a source: the law that puts the same mass, or a given mass, on every weight."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from fmq_theory.errors import SourceError, WeightsError
from fmq_theory.kernels.cells import cell_moments
from fmq_theory.kernels.prefix import prefix_moments
from fmq_theory.sources.source import FloatArray, MagnitudeRange, PartialMoments, Source, Tail
from fmq_theory.sources.spacings import PiecewiseLinearLaw, Spacings
from fmq_theory.sources.weights import as_weights

__all__ = ["Empirical"]


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class Empirical(Source):
    """mu = sum_j w_j delta(x_j) / sum_j w_j over the distinct weights x_1 < ... < x_m.

    Sums run over z = (x - origin) * 2**-exponent, which is exact: the origin is nonzero only where
    all weights lie within a factor two of each other, and then x - origin is exact (Sterbenz 1974).
    So an offset of 1e8, magnitudes of 1e300 and denormals cost no accuracy. A cell is [a, b).

    Attributes:
        values: sorted distinct weights x_j, shape ``[m]``.
        multiplicity: w_j, how often each occurs, or the sum of its sample weights (with a common
            power of two removed where they are extreme), shape ``[m]``.
        size: n, the number of weights of positive mass.
        origin: in the units of the weights.
        exponent: the unit of z is 2**exponent.
        prefix: running sums of w, w z, w z**2; see ``kernels/prefix.py``; shape ``[m + 1, 6]``.
        is_weighted: whether sample weights were given.

    Args:
        weights: array-like or torch tensor of any shape.
        sample_weight: importance of each weight, of the same shape; None for equal importance.

    Raises:
        WeightsError: see ``as_weights``; or sample weights that are negative, all zero, or of
            another shape.
    """

    name: ClassVar[str] = "empirical"

    values: FloatArray
    multiplicity: FloatArray
    size: int
    origin: float
    exponent: int
    prefix: FloatArray
    is_weighted: bool

    def __init__(self, weights: object, sample_weight: object = None) -> None:
        x = as_weights(weights)
        if sample_weight is None:
            ordered, mass = np.sort(x, axis=None), None
        else:
            ordered, mass = _sorted_with_mass(x, as_weights(sample_weight, "sample_weight"))
        ordered += 0.0  # in place, on our own copy: -0.0 becomes 0.0
        first_of_run = np.concatenate(([True], ordered[1:] != ordered[:-1]))
        starts = np.flatnonzero(first_of_run)
        values = ordered[starts]
        if mass is None:
            multiplicity = np.diff(starts, append=ordered.size).astype(np.float64)
        else:
            multiplicity = np.add.reduceat(mass, starts)
        origin, exponent = _exact_frame(values)
        prefix = prefix_moments(np.ldexp(values - origin, -exponent), multiplicity)
        # The prefix stays writable: to numba a read-only array is another type, for which every kernel
        # that also runs on arrays of its own would be compiled once more.
        values.setflags(write=False)
        multiplicity.setflags(write=False)
        fields = {
            "values": values,
            "multiplicity": multiplicity,
            "size": ordered.size,
            "origin": origin,
            "exponent": exponent,
            "prefix": prefix,
            "is_weighted": mass is not None,
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        low, high = self.support
        weighted = ", weighted" if self.is_weighted else ""
        return f"Empirical({self.size} weights in [{low:g}, {high:g}]{weighted})"

    @property
    def unit(self) -> float:
        """2**exponent: x = origin + unit * z."""
        return math.ldexp(1.0, self.exponent)

    @property
    def total_mass(self) -> float:
        """Sum of the multiplicities; n for data without sample weights."""
        return float(self.prefix[-1, 0])

    @property
    def sorted_weights(self) -> FloatArray:
        """All weights in order, repeats included, shape ``[n]``.

        Raises:
            SourceError: weighted data have no such list.
        """
        if self.is_weighted:
            raise SourceError(
                "weighted data", "they are no list of equal weights", "use values and multiplicity"
            )
        if self.values.size == self.size:
            return self.values
        return np.repeat(self.values, self.multiplicity.astype(np.int64))

    @property
    def support(self) -> tuple[float, float]:
        return float(self.values[0]), float(self.values[-1])

    @property
    def tail(self) -> Tail:
        return Tail("bounded")

    def pdf(self, x: ArrayLike) -> FloatArray:  # noqa: ARG002
        raise SourceError("data", "they have no density", "use a law, or escort() for a density estimate")

    def cdf(self, x: ArrayLike) -> FloatArray:
        return self.prefix[np.searchsorted(self.values, np.asarray(x), side="right"), 0] / self.total_mass

    def sf(self, x: ArrayLike) -> FloatArray:
        below = self.prefix[np.searchsorted(self.values, np.asarray(x), side="right"), 0]
        return (self.total_mass - below) / self.total_mass

    def ppf(self, q: ArrayLike) -> FloatArray:
        """Smallest weight x with F(x) >= q; nan outside [0, 1]."""
        q = np.asarray(q, dtype=np.float64)
        return self._order_statistic(q * self.total_mass, q)

    def isf(self, q: ArrayLike) -> FloatArray:
        """Smallest weight x with sf(x) <= q; nan outside [0, 1]."""
        q = np.asarray(q, dtype=np.float64)
        return self._order_statistic(self.total_mass - q * self.total_mass, q)

    def _order_statistic(self, rank: FloatArray, q: FloatArray) -> FloatArray:
        index = np.searchsorted(self.prefix[1:, 0], rank, side="left")
        found = self.values[np.minimum(index, self.values.size - 1)]
        return np.where((q >= 0.0) & (q <= 1.0), found, np.nan)

    def quantile_linear(self, q: ArrayLike) -> FloatArray:
        """Interpolated quantile, ``numpy.quantile``'s default, for q in [0, 1].

        Weighted data interpolate linearly between the points (S_j / (W - w_m), x_j), S_j the mass
        below x_j and W the total: the same rule when all weights are distinct and equally heavy.
        """
        q = np.asarray(q, dtype=np.float64)
        if self.is_weighted:
            below = self.prefix[:-1, 0]
            rank: FloatArray = q * below[-1]
            return np.interp(rank, below, self.values)
        position = q * (self.size - 1)
        low = np.clip(np.floor(position), 0, self.size - 1)
        fraction = position - low
        ends = self.prefix[1:, 0]  # number of weights up to and including each value
        left = self.values[np.searchsorted(ends, low, side="right")]
        right = self.values[np.searchsorted(ends, np.minimum(low + 1, self.size - 1), side="right")]
        with np.errstate(over="ignore", invalid="ignore"):
            gap = right - left
            # From the nearer end, as numpy does, so that the results are the same to the bit.
            value = np.where(fraction < 0.5, left + gap * fraction, right - gap * (1.0 - fraction))
        overflown = ~np.isfinite(gap)
        return np.where(overflown, (1.0 - fraction) * left + fraction * right, value)

    def moment(self, order: int) -> float:
        """E[X**order], ``inf`` (or ``-inf``) where it exceeds float64.

        Raises:
            SourceError: the order is negative.
        """
        if order < 0:
            raise SourceError(f"data: moment of order {order}", "it is negative", "choose an order >= 0")
        if order == 1:
            return self.origin + math.ldexp(self._mean_and_variance_of_z()[0], self.exponent)
        largest = max(abs(self.values[0]), abs(self.values[-1]))
        exponent = math.frexp(largest)[1]
        scaled = np.ldexp(self.values, -exponent)
        with np.errstate(over="ignore"):  # a moment beyond float64 is inf, as documented
            mean_power = (self.multiplicity * scaled**order).sum() / self.total_mass
            return float(np.ldexp(mean_power, order * exponent))

    def variance(self) -> float:
        with np.errstate(over="ignore"):
            return float(np.ldexp(self._mean_and_variance_of_z()[1], 2 * self.exponent))

    def _mean_and_variance_of_z(self) -> tuple[float, float]:
        """In the frame of the sums, where an offset of the data does not round the mean."""
        mean = self.prefix[-1, 1] / self.prefix[-1, 0]
        everything = np.array([0]), np.array([self.values.size])
        _, _, second = cell_moments(self.prefix, *everything, np.array([mean]))
        return float(mean), float(second[0]) / self.total_mass

    def partial_moments(self, a: ArrayLike, b: ArrayLike, *, about: ArrayLike = 0.0) -> PartialMoments:
        """M_p = E[(X - about)**p; a <= X < b], summed in double-double."""
        a, b, about = (np.asarray(value, dtype=np.float64) for value in (a, b, about))
        if not a.shape == b.shape == about.shape:  # broadcasting costs more than a small cell's moments
            a, b, about = np.broadcast_arrays(a, b, about)
        centre = np.ldexp(about - self.origin, -self.exponent)
        starts = np.searchsorted(self.values, a.ravel())
        stops = np.maximum(starts, np.searchsorted(self.values, b.ravel()))
        mass, first, second = cell_moments(self.prefix, starts, stops, centre.ravel())
        total = self.total_mass
        with np.errstate(over="ignore", under="ignore"):
            return PartialMoments(
                (mass / total).reshape(a.shape),
                np.ldexp(first / total, self.exponent).reshape(a.shape),
                np.ldexp(second / total, 2 * self.exponent).reshape(a.shape),
            )

    def density_power_integral(self, beta: float) -> float:
        """Estimate of the integral of f**beta, f the unknown density, from spacings."""
        return self._spacings().density_power_integral(beta)

    def escort(self, alpha: float) -> PiecewiseLinearLaw:
        """Point density f**alpha / I(alpha), f estimated from spacings."""
        return self._spacings().escort(alpha)

    def _spacings(self) -> Spacings:
        squares = float(np.square(self.multiplicity).sum())
        effective = self.total_mass**2 / squares if self.is_weighted else float(self.size)
        num_buckets = max(1, math.ceil(effective ** (2.0 / 3.0)))
        num_buckets = min(num_buckets, max(1, self.size - 1))
        edges = self.quantile_linear(np.linspace(0.0, 1.0, num_buckets + 1))
        return Spacings(edges, count=max(1.0, (effective - 1.0) / num_buckets))

    def density_sup(self, a: ArrayLike, b: ArrayLike) -> FloatArray:
        """``inf``: data have no density."""
        return np.full(np.broadcast(a, b).shape, math.inf)

    def differential_entropy(self) -> float:
        raise SourceError("data", "they have no density, so no differential entropy", "use a law")

    def sample(self, n: int, *, rng: np.random.Generator) -> FloatArray:
        """``n`` draws with replacement, shape ``[n]``."""
        rank = rng.random(n) * self.total_mass if self.is_weighted else rng.integers(self.size, size=n)
        index = np.searchsorted(self.prefix[1:, 0], rank, side="right")
        return self.values[np.minimum(index, self.values.size - 1)]

    def typical_range(self, n: int) -> tuple[float, float]:  # noqa: ARG002
        """The range of the data, whatever ``n``."""
        return self.support

    def typical_magnitudes(
        self,
        n: int,  # noqa: ARG002
    ) -> tuple[MagnitudeRange | None, MagnitudeRange | None]:
        """The magnitudes of the data, whatever ``n``."""
        below = int(np.searchsorted(self.values, 0.0, side="left"))
        above = int(np.searchsorted(self.values, 0.0, side="right"))
        values = self.values
        negative = MagnitudeRange(-float(values[below - 1]), -float(values[0])) if below > 0 else None
        positive = MagnitudeRange(float(values[above]), float(values[-1])) if above < values.size else None
        return negative, positive

    def standard_deviation_one(self) -> "Empirical":
        """The data moved to mean 0 and scaled to variance 1.

        Raises:
            SourceError: all weights are equal.
        """
        if self.values.size == 1:
            raise SourceError(
                "data", "all weights are equal, so the variance is zero", "pass weights that differ"
            )
        mean, variance = self._mean_and_variance_of_z()
        z = np.ldexp(self.values - self.origin, -self.exponent)
        scaled = (z - mean) / math.sqrt(variance)
        if self.is_weighted:
            return Empirical(scaled, self.multiplicity)
        return Empirical(np.repeat(scaled, self.multiplicity.astype(np.int64)))


def _exact_frame(values: FloatArray) -> tuple[float, int]:
    """Origin and exponent for which z = (x - origin) * 2**-exponent is exact and |z| < 1."""
    low, high = float(values[0]), float(values[-1])
    same_binade = (low > 0.0 and 0.5 * high <= low) or (high < 0.0 and 0.5 * low >= high)
    origin = float(values[values.size // 2]) if same_binade else 0.0
    return origin, math.frexp(max(high - origin, origin - low))[1]


def _sorted_with_mass(x: FloatArray, mass: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weights of positive mass in order, and their masses."""
    if mass.shape != x.shape:
        raise WeightsError(
            "sample_weight",
            f"its shape {mass.shape} is not that of the weights {x.shape}",
            "pass one per weight",
        )
    num_negative = int((mass < 0.0).sum())
    if num_negative:
        raise WeightsError(
            "sample_weight", f"{num_negative} of {mass.size} entries are negative", "pass values >= 0"
        )
    x, mass = x.ravel(), mass.ravel()
    # What is lighter than this is beyond the double-double sums, and adds nothing to any of them.
    present = mass > 2.0**-100 * mass.max()
    if not present.any():
        raise WeightsError("sample_weight", "all entries are zero", "give some weight a positive one")
    x, mass = x[present], mass[present]
    order = np.argsort(x, kind="stable")
    exponent = math.frexp(float(mass.max()))[1]
    if abs(exponent) > 400:  # products of masses and squares must stay within float64
        mass = np.ldexp(mass, -exponent)
    return x[order], mass[order]
