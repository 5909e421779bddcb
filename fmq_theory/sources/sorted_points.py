"""Sorted data and their running sums, in units in which both are exact."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.sums.cells import cell_moments
from fmq_theory.kernels.sums.prefix import block_prefix, prefix_rows
from fmq_theory.kernels.sums.ranks import count_below
from fmq_theory.sources.source import FloatArray
from fmq_theory.sources.units import COMPENSATED_SQUARES, same_binade, unit_exponent

__all__ = ["SortedPoints"]

IndexArray = NDArray[np.int64]

_NO_MASS = np.empty(0)


@dataclass(frozen=True, slots=True, eq=False)
class SortedPoints:
    """x_i = origin + 2**exponent * points[i], i = 0 .. m - 1, in order, with masses w_i.

    x - origin is exact: the origin is nonzero only where all data lie within a factor two of each other
    (Sterbenz 1974). So an offset of 1e8, magnitudes of 1e300 and denormals cost no accuracy. A point below
    2**-1022 of the largest is rounded in ``points`` and in the sums; ``exact`` has it as it is.

    Attributes:
        exact: x_i as the data have it, shape ``[m]``; ``points`` itself where its units are theirs.
        points: float32 where the data are, else float64; ties only where every mass is 1; shape ``[m]``.
        mass: shape ``[m]``, or ``[0]`` where every mass is 1.
        blocks: running sums at every 64th point; see ``kernels/sums/prefix.py``.
        cumulative: the mass of the first i points, shape ``[m + 1]``; ``[0]`` where every mass is 1.
        origin: in the units of the data.
        exponent: the unit of ``points`` is 2**exponent.
    """

    exact: NDArray[np.floating]
    points: NDArray[np.floating]
    mass: FloatArray
    blocks: FloatArray
    cumulative: FloatArray
    origin: float
    exponent: int

    @classmethod
    def of(cls, ordered: NDArray[np.floating], mass: FloatArray | None = None) -> "SortedPoints":
        """Sorted float32 or float64 data without -0.0 and, if given, their masses.

        Equal data with masses become one point; without, only where that halves their number.
        """
        first_of_run = np.empty(ordered.size, dtype=np.bool_)
        first_of_run[0] = True
        np.not_equal(ordered[1:], ordered[:-1], out=first_of_run[1:])
        distinct = int(np.count_nonzero(first_of_run))
        if mass is not None or 2 * distinct <= ordered.size:
            starts = np.flatnonzero(first_of_run)
            if mass is None:
                mass = np.diff(starts, append=ordered.size).astype(np.float64)
            elif distinct < ordered.size:
                mass = np.add.reduceat(mass, starts)
            ordered = ordered[starts]
        points, origin, exponent = _in_exact_units(ordered)
        weights = _NO_MASS if mass is None else mass
        blocks = block_prefix(points, weights)
        cumulative = _NO_MASS
        if mass is not None:
            rows = np.arange(points.size + 1)
            cumulative = prefix_rows(points, weights, blocks, rows)[:, 0]
        # The sums stay writable: to numba a read-only array is another type, for which every kernel that
        # also runs on arrays of its own would be compiled once more.
        return cls(ordered, points, weights, blocks, cumulative, origin, exponent)

    @classmethod
    def plain(cls, points: NDArray[np.floating], blocks: FloatArray) -> "SortedPoints":
        """Points of mass 1 in their own units, whose sums are known."""
        return cls(points, points, _NO_MASS, blocks, _NO_MASS, 0.0, 0)

    @property
    def num_points(self) -> int:
        """m."""
        return self.points.size

    @property
    def has_mass(self) -> bool:
        """Whether the points carry masses; if not, each has mass 1."""
        return self.mass.size > 0

    @property
    def total_mass(self) -> float:
        """Sum of the masses."""
        return float(self.blocks[-1, 0])

    def at(self, index: NDArray[np.integer] | int) -> FloatArray:
        """x_i, in the units of the data."""
        return self.exact[index].astype(np.float64)

    def z_at(self, index: NDArray[np.integer] | int) -> FloatArray:
        """points[i] in float64."""
        return self.points[index].astype(np.float64)

    def to_z(self, x: FloatArray) -> FloatArray:
        """Numbers in the units of the data as positions among ``points``; rounded."""
        return x if self._is_plain else np.ldexp(x - self.origin, -self.exponent)

    def from_z(self, z: FloatArray) -> FloatArray:
        """The inverse of ``to_z``."""
        return z if self._is_plain else self.origin + np.ldexp(z, self.exponent)

    @property
    def _is_plain(self) -> bool:
        return self.exponent == 0 and self.origin == 0.0

    def rank(self, x: FloatArray, *, or_equal: bool = False) -> IndexArray:
        """How many points lie below each of ``x``, or not above it; the shape of ``x``."""
        found = count_below(self.exact, x.ravel(), or_equal)
        return found.reshape(x.shape)

    def mass_below(self, index: NDArray[np.integer]) -> FloatArray:
        """The mass of the first ``index`` points."""
        return self.cumulative[index] if self.has_mass else index.astype(np.float64)

    def index_at_mass(self, target: FloatArray, *, or_equal: bool = False) -> IndexArray:
        """How many i in 1 .. m have mass_below(i) below ``target``, or not above it."""
        if self.has_mass:
            side = "right" if or_equal else "left"
            return np.searchsorted(self.cumulative[1:], target, side=side).astype(np.int64)
        count = np.floor(target) if or_equal else np.ceil(target) - 1.0
        with np.errstate(invalid="ignore"):  # nan goes to the end, as searchsorted puts it
            count = np.where(np.isnan(count), self.num_points, np.clip(count, 0, self.num_points))
        return count.astype(np.int64)

    def sums(self, index: IndexArray) -> FloatArray:
        """Rows of running sums of 1, z and z**2 over the first ``index`` points, shape ``[k, 6]``."""
        return prefix_rows(self.points, self.mass, self.blocks, index)

    def moments(
        self, starts: IndexArray, stops: IndexArray, about: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """sum w (z - about)**p over points starts[k] .. stops[k] - 1, p = 0, 1, 2; shape ``[k]`` each."""
        count = starts.size
        if count > 1 and bool((starts[1:] == stops[:-1]).all()):  # neighbours share their sums
            rows = self.sums(np.append(starts, stops[-1]))
            return cell_moments(rows, np.arange(count), np.arange(1, count + 1), about)
        rows = self.sums(np.concatenate((starts, stops)))
        return cell_moments(rows, np.arange(count), np.arange(count, 2 * count), about)

    def repeated(self) -> FloatArray:
        """All data in order, repeats included, for masses that are counts; shape ``[n]``."""
        x = self.exact.astype(np.float64)
        return np.repeat(x, self.mass.astype(np.int64)) if self.has_mass else x

    def ends_of_ties(self) -> IndexArray:
        """0, and the number of points up to and with each distinct one."""
        changes = np.flatnonzero(self.exact[1:] != self.exact[:-1]) + 1
        return np.concatenate(([0], changes, [self.num_points]))

    def distinct(self) -> tuple[FloatArray, FloatArray]:
        """The distinct x in order, and the mass of each."""
        x = self.exact.astype(np.float64)
        if self.has_mass:
            return x, self.mass
        ends = self.ends_of_ties()
        return x[ends[:-1]], np.diff(ends).astype(np.float64)


def _in_exact_units(ordered: NDArray[np.floating]) -> tuple[NDArray[np.floating], float, int]:
    """Points, origin and exponent such that the points are exact and their squares stay in float64."""
    low, high = float(ordered[0]), float(ordered[-1])
    origin = float(ordered[ordered.size // 2]) if same_binade(low, high) else 0.0
    exponent = unit_exponent(max(high - origin, origin - low), COMPENSATED_SQUARES)
    if origin != 0.0:
        ordered = ordered - ordered.dtype.type(origin)
    if exponent == 0:
        return ordered, origin, 0
    exponent = min(exponent, 1023)  # 2**1024 is no float64
    return np.ldexp(ordered.astype(np.float64), -exponent), origin, exponent
