"""Data as a source: the law that puts the same mass, or a given mass, on every weight."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fmq_theory.errors import SourceError, WeightsError
from fmq_theory.kernels.sorting.radix_sort import sorted_copy
from fmq_theory.sources.sorted_points import SortedPoints
from fmq_theory.sources.source import FloatArray, MagnitudeRange, Membership, PartialMoments, Source, Tail
from fmq_theory.sources.spacings import PiecewiseLinearLaw, Spacings, num_buckets
from fmq_theory.sources.weights import as_weights

__all__ = ["Empirical"]

_CHUNK = 2**20  # points whose powers are in memory at once
_FAR = 2.0**300  # in units of the points, of which none is beyond 2**100


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class Empirical(Source):
    """mu = sum_i w_i delta(x_i) / sum_i w_i over the weights x_1 <= ... <= x_n.

    Everything it says comes from one sort and one pass of sums. A cell is [a, b).

    Attributes:
        data: the weights in order with their running sums.
        size: n, the number of weights of positive mass.
        is_weighted: whether sample weights were given.

    Args:
        weights: array-like or torch tensor of any shape.
        sample_weight: importance of each weight, of the same shape; None for equal importance.

    Raises:
        WeightsError: see ``as_weights``; or sample weights that are negative, all zero, or of
            another shape.

    Examples:
        >>> from fmq_theory.sources import Empirical
        >>> data = Empirical([3.0, 1.0, 1.0, 2.0])
        >>> data.values.tolist(), data.multiplicity.tolist()
        ([1.0, 2.0, 3.0], [2.0, 1.0, 1.0])
        >>> float(data.cdf(1.5))
        0.5
    """

    name: ClassVar[str] = "empirical"

    data: SortedPoints
    size: int
    is_weighted: bool
    _density: list[Spacings]  # computed once, when first asked for

    def __init__(self, weights: object, sample_weight: object = None) -> None:
        x = as_weights(weights, narrow=True)
        if sample_weight is None:
            ordered, mass = sorted_copy(np.ascontiguousarray(x).ravel()), None
        else:
            ordered, mass = _sorted_with_mass(x, as_weights(sample_weight, "sample_weight"))
        self._fill(SortedPoints.of(ordered, mass), ordered.size, is_weighted=mass is not None)

    @classmethod
    def from_sorted(cls, ordered: NDArray[np.floating]) -> "Empirical":
        """Finite float32 or float64 weights that are in order already and hold no -0.0, shape ``[n]``.

        Args:
            ordered: the weights, ascending, contiguous, shape ``[n]``; kept, not copied.
        """
        source = object.__new__(cls)
        source._fill(SortedPoints.of(ordered), ordered.size, is_weighted=False)
        return source

    @classmethod
    def from_points(cls, data: SortedPoints) -> "Empirical":
        """Weights that are in order with their sums, each of mass 1.

        Args:
            data: the weights in order with their running sums.
        """
        source = object.__new__(cls)
        source._fill(data, data.num_points, is_weighted=False)
        return source

    @classmethod
    def from_counts(cls, points: NDArray[np.floating], counts: FloatArray) -> "Empirical":
        """Finite, ascending, distinct float32 or float64 weights without -0.0, and how often each occurs.

        Args:
            points: the distinct values, shape ``[m]``.
            counts: how often each occurs, positive whole numbers in float64, shape ``[m]``.
        """
        source = object.__new__(cls)
        source._fill(SortedPoints.of(points, counts), int(counts.sum()), is_weighted=False)
        return source

    def _fill(self, data: SortedPoints, size: int, *, is_weighted: bool) -> None:
        fields = {"data": data, "size": size, "is_weighted": is_weighted, "_density": list[Spacings]()}
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        low, high = self.support
        weighted = ", weighted" if self.is_weighted else ""
        return f"Empirical({self.size} weights in [{low:g}, {high:g}]{weighted})"

    @property
    def values(self) -> FloatArray:
        """The distinct weights in order, shape ``[m]``."""
        return self.data.distinct()[0]

    @property
    def multiplicity(self) -> FloatArray:
        """How often each distinct weight occurs, or the sum of its sample weights; shape ``[m]``.

        A common power of two is removed from extreme sample weights.
        """
        return self.data.distinct()[1]

    @property
    def total_mass(self) -> float:
        """Sum of the multiplicities; n for data without sample weights."""
        return self.data.total_mass

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
        return self.data.repeated()

    @property
    def support(self) -> tuple[float, float]:
        return float(self.data.at(0)), float(self.data.at(-1))

    @property
    def tail(self) -> Tail:
        return Tail("bounded")

    def pdf(self, x: ArrayLike) -> FloatArray:  # noqa: ARG002
        raise SourceError("data", "they have no density", "use a law, or escort() for a density estimate")

    def cdf(self, x: ArrayLike) -> FloatArray:
        rank = self.data.rank(np.asarray(x, dtype=np.float64), or_equal=True)
        return self.data.mass_below(rank) / self.total_mass

    def sf(self, x: ArrayLike) -> FloatArray:
        rank = self.data.rank(np.asarray(x, dtype=np.float64), or_equal=True)
        return (self.total_mass - self.data.mass_below(rank)) / self.total_mass

    def ppf(self, q: ArrayLike) -> FloatArray:
        """Smallest weight x with F(x) >= q; nan outside [0, 1]."""
        q = np.asarray(q, dtype=np.float64)
        return self._order_statistic(q * self.total_mass, q)

    def isf(self, q: ArrayLike) -> FloatArray:
        """Smallest weight x with sf(x) <= q; nan outside [0, 1]."""
        q = np.asarray(q, dtype=np.float64)
        return self._order_statistic(self.total_mass - q * self.total_mass, q)

    def _order_statistic(self, rank: FloatArray, q: FloatArray) -> FloatArray:
        index = self.data.index_at_mass(rank)
        found = self.data.at(np.minimum(index, self.data.num_points - 1))
        return np.where((q >= 0.0) & (q <= 1.0), found, np.nan)

    def quantile_linear(self, q: ArrayLike) -> FloatArray:
        """Interpolated quantile, ``numpy.quantile``'s default, for q in [0, 1].

        Weighted data interpolate linearly between the points (S_j / (W - w_m), x_j), S_j the mass
        below x_j and W the total: the same rule when all weights are distinct and equally heavy.

        Args:
            q: probabilities from 0 to 1, of any shape.

        Returns:
            In the units of the weights, of the shape of ``q``.
        """
        q = np.asarray(q, dtype=np.float64)
        if self.is_weighted:
            values, _ = self.data.distinct()
            below = self.data.cumulative[:-1]
            rank: FloatArray = q * below[-1]
            return np.interp(rank, below, values)
        position = q * (self.size - 1)
        low = np.clip(np.floor(position), 0, self.size - 1)
        fraction = position - low
        left = self.data.at(self.data.index_at_mass(low, or_equal=True))
        high = np.minimum(low + 1, self.size - 1)
        right = self.data.at(self.data.index_at_mass(high, or_equal=True))
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
            mean, _ = self._mean_and_variance_of_z()
            return float(self.data.from_z(np.array([mean]))[0])
        exponent = math.frexp(max(map(abs, self.support)))[1]
        mean = self._mean_of(lambda x: np.ldexp(x, -exponent) ** order)
        with np.errstate(over="ignore"):  # a moment beyond float64 is inf, as documented
            return float(np.ldexp(mean, order * exponent))

    def absolute_moment(self, order: float) -> float:
        if not order >= 1.0:
            raise SourceError(f"absolute moment of order {order!r}", "it is below 1", "choose an order >= 1")
        centre, (low, high) = self.moment(1), self.support
        reach = max(high - centre, centre - low)
        if reach == 0.0:
            return 0.0
        mean = self._mean_of(lambda x: np.abs((x - centre) / reach) ** order)
        with np.errstate(over="ignore"):
            return float(np.float64(reach) ** order * mean)

    @property
    def inverse_cube_root_convex(self) -> Membership:
        return Membership(False, "data have no density")

    def _mean_of(self, function: Callable[[FloatArray], FloatArray]) -> float:
        """The mean of a function of one weight, a chunk of the points at a time."""
        total = 0.0
        for start in range(0, self.data.num_points, _CHUNK):
            index = np.arange(start, min(start + _CHUNK, self.data.num_points))
            found = function(self.data.at(index))
            total += float((self.data.mass[index] * found).sum() if self.data.has_mass else found.sum())
        return total / self.total_mass

    def variance(self) -> float:
        with np.errstate(over="ignore"):
            return float(np.ldexp(self._mean_and_variance_of_z()[1], 2 * self.data.exponent))

    def _mean_and_variance_of_z(self) -> tuple[float, float]:
        """In the units of the sums, in which an offset of the data does not round the mean."""
        mean = self.data.blocks[-1, 1] / self.total_mass
        everything = np.array([0]), np.array([self.data.num_points])
        _, _, second = self.data.moments(*everything, np.array([mean]))
        return float(mean), float(second[0]) / self.total_mass

    def partial_moments(self, a: ArrayLike, b: ArrayLike, *, about: ArrayLike = 0.0) -> PartialMoments:
        """M_p = E[(X - about)**p; a <= X < b], summed in double-double."""
        a, b, about = (np.asarray(value, dtype=np.float64) for value in (a, b, about))
        if not a.shape == b.shape == about.shape:  # broadcasting costs more than a small cell's moments
            a, b, about = np.broadcast_arrays(a, b, about)
        starts, stops = self._ranks_of_cells(a.ravel(), b.ravel())
        total, exponent = self.total_mass, self.data.exponent
        with np.errstate(over="ignore", under="ignore"):
            centre = self.data.to_z(about.ravel())
            is_far = np.abs(centre) > _FAR
            mass, first, second = self.data.moments(starts, stops, np.where(is_far, 0.0, centre))
            share = mass / total
            first = np.ldexp(first / total, exponent)
            second = np.ldexp(second / total, 2 * exponent)
            if is_far.any():
                # From so far away all points are one: the distance is right to 2**-200, and its square is
                # not lost in units in which it is no float64.
                is_far &= mass > 0.0
                away = self.data.origin - about.ravel()[is_far]
                first[is_far] = share[is_far] * away
                second[is_far] = share[is_far] * away * away
            return PartialMoments(share.reshape(a.shape), first.reshape(a.shape), second.reshape(a.shape))

    def _ranks_of_cells(self, a: FloatArray, b: FloatArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """How many points lie below each a, and below each b or a if that is more."""
        if a.size > 1 and bool((a[1:] == b[:-1]).all()):  # cells side by side: each end once
            ranks = self.data.rank(np.append(a, b[-1]))
            return ranks[:-1], np.maximum(ranks[:-1], ranks[1:])
        starts = self.data.rank(a)
        return starts, np.maximum(starts, self.data.rank(b))

    def density_power_integral(self, beta: float) -> float:
        """Estimate of the integral of f**beta, f the unknown density, from spacings."""
        return self._spacings().density_power_integral(beta)

    def escort(self, alpha: float) -> PiecewiseLinearLaw:
        """Point density f**alpha / I(alpha), f estimated from spacings."""
        return self._spacings().escort(alpha)

    def _spacings(self) -> Spacings:
        if not self._density:
            effective = float(self.size)
            if self.is_weighted:
                effective = self.total_mass**2 / float(np.square(self.data.mass).sum())
            buckets = min(num_buckets(effective), max(1, self.size - 1))
            edges = self.quantile_linear(np.linspace(0.0, 1.0, buckets + 1))
            self._density.append(Spacings(edges, count=max(1.0, (effective - 1.0) / buckets)))
        return self._density[0]

    def density_sup(self, a: ArrayLike, b: ArrayLike) -> FloatArray:
        """``inf``: data have no density."""
        return np.full(np.broadcast(a, b).shape, math.inf)

    def differential_entropy(self) -> float:
        raise SourceError("data", "they have no density, so no differential entropy", "use a law")

    def sample(self, n: int, *, rng: np.random.Generator) -> FloatArray:
        """``n`` draws with replacement, shape ``[n]``."""
        rank = rng.random(n) * self.total_mass if self.is_weighted else rng.integers(self.size, size=n)
        index = self.data.index_at_mass(rank.astype(np.float64), or_equal=True)
        return self.data.at(np.minimum(index, self.data.num_points - 1))

    def typical_range(self, n: int) -> tuple[float, float]:  # noqa: ARG002
        """The range of the data, whatever ``n``."""
        return self.support

    def typical_magnitudes(
        self,
        n: int,  # noqa: ARG002
    ) -> tuple[MagnitudeRange | None, MagnitudeRange | None]:
        """The magnitudes of the data, whatever ``n``."""
        zero = np.zeros(1)
        below, above = int(self.data.rank(zero)[0]), int(self.data.rank(zero, or_equal=True)[0])
        low, high = self.support
        negative = MagnitudeRange(-float(self.data.at(below - 1)), -low) if below > 0 else None
        positive = MagnitudeRange(float(self.data.at(above)), high) if above < self.data.num_points else None
        return negative, positive

    def standard_deviation_one(self) -> "Empirical":
        """The data moved to mean 0 and scaled to variance 1.

        Raises:
            SourceError: all weights are equal.
        """
        low, high = self.support
        if low == high:
            raise SourceError(
                "data", "all weights are equal, so the variance is zero", "pass weights that differ"
            )
        mean, variance = self._mean_and_variance_of_z()
        scaled = (self.data.points.astype(np.float64) - mean) / math.sqrt(variance)
        if self.is_weighted:
            return Empirical(scaled, self.data.mass)
        counts = self.data.mass.astype(np.int64) if self.data.has_mass else 1
        return Empirical(np.repeat(scaled, counts))

    def scaled_by_power_of_two(self, exponent: int) -> "Empirical":
        """2**exponent times the data.

        Args:
            exponent: of the power of two; the product is exact where it stays a normal float.
        """
        values, mass = self.data.distinct()
        if self.is_weighted:
            return Empirical(np.ldexp(values, exponent), mass)
        return Empirical.from_sorted(np.ldexp(self.sorted_weights, exponent))


def _sorted_with_mass(x: NDArray[np.floating], mass: FloatArray) -> tuple[NDArray[np.floating], FloatArray]:
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
    x = x[order] + x.dtype.type(0.0)  # -0.0 becomes 0.0
    exponent = math.frexp(float(mass.max()))[1]
    if abs(exponent) > 400:  # products of masses and squares must stay within float64
        mass = np.ldexp(mass, -exponent)
    return x, mass[order]
