"""Samples made ready for one sweep: points in order, masses beside them, a scale that squares survive."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmq_theory.errors import WeightsError
from fmq_theory.kernels.runtime.threads import run_blocks
from fmq_theory.kernels.sorting.radix_sort import sorted_copy
from fmq_theory.sources.empirical import Empirical
from fmq_theory.sources.units import SQUARES, unit_exponent
from fmq_theory.sources.weights import as_weights

__all__ = ["SortedPair", "SortedSample", "as_sorted_sample", "paired", "sorted_pair", "sorted_sample"]

FloatArray = NDArray[np.float64]
Points = NDArray[np.floating]

_LEAST_RESOLVED = 2.0**-900  # from here on what underflowed below 2**-1022 is no part of it that counts
_MOST_APART = 1000  # powers of two between masses that can be scaled and stay positive
_LEAST_EXPONENT = -1022  # 2**1022 is the largest power of two whose inverse is no denormal


class SortedSample(NamedTuple):
    """sum_i mass_i delta(points_i).

    Attributes:
        points: in order, float32 or float64, shape ``[n]``.
        mass: positive, shape ``[n]``; shape ``[0]`` where all are 1.
    """

    points: Points
    mass: FloatArray

    @property
    def masses(self) -> FloatArray:
        """The masses written out, shape ``[n]``."""
        return self.mass if self.mass.size > 0 else np.ones(self.points.size)


class SortedPair(NamedTuple):
    """Two samples, and the unit in which a sweep sees their points.

    Attributes:
        x: one sample.
        y: the other.
        exponent: a sweep works in units of ``2**exponent``; nonzero only for points whose squares
            leave float64.
    """

    x: SortedSample
    y: SortedSample
    exponent: int

    @property
    def scale(self) -> float:
        """What points are multiplied by before they are squared."""
        return math.ldexp(1.0, -self.exponent)

    def resolves(self, squared: float) -> bool:
        """Whether no square that counts has underflowed in a sweep that gave ``squared``.

        Only where far points set the unit can that be: among others the square of a gap underflows where the
        distance itself does.
        """
        return self.exponent <= 0 or squared >= _LEAST_RESOLVED

    def in_units_of_points(self, squared: float) -> float:
        """``squared`` * 4**exponent; ``inf`` beyond float64."""
        with np.errstate(over="ignore", under="ignore"):
            return float(np.ldexp(squared, 2 * self.exponent))


def sorted_pair(
    a: object, b: object, a_weights: object, b_weights: object, *, threads: int = 1
) -> SortedPair:
    """Checks and sorts two weighted samples; see ``w2_squared``. With two threads, both at once."""
    given = ((a, a_weights, "a"), (b, b_weights, "b"))

    def sort(start: int, stop: int) -> list[SortedSample]:
        return [sorted_sample(*sample, threads=max(1, threads // 2)) for sample in given[start:stop]]

    x, y = (sample for part in run_blocks(sort, len(given), threads) for sample in part)
    return paired(x, y)


def paired(x: SortedSample, y: SortedSample) -> SortedPair:
    """Both samples and the unit that fits them."""
    ends = (-x.points[0], x.points[-1], -y.points[0], y.points[-1])
    exponent = unit_exponent(max(float(end) for end in ends), SQUARES)
    return SortedPair(x, y, max(exponent, _LEAST_EXPONENT))


def as_sorted_sample(sample: Empirical) -> SortedSample:
    """The points and masses of data that are sorted already; no copy unless they have their own units."""
    data = sample.data
    if data.origin == 0.0 and data.exponent == 0:
        return SortedSample(data.points, data.mass)
    return SortedSample(*data.distinct())


def sorted_sample(values: object, weights: object, name: str, threads: int = 1) -> SortedSample:
    """The points of positive mass in order.

    Float32 input stays float32: the sorted copy is all of its size that is made.

    Raises:
        WeightsError: see ``w2_squared``.
    """
    given = as_weights(values, name, narrow=True)
    x = given.ravel()
    if weights is None:
        return SortedSample(sorted_copy(np.ascontiguousarray(x), threads), np.empty(0))
    mass = as_weights(weights, f"{name}_weights")
    if mass.shape != given.shape:
        raise WeightsError(
            f"{name}_weights",
            f"masses of shape {mass.shape} do not fit numbers of shape {given.shape}",
            f"pass one for each of {name}, in the same shape",
        )
    mass = mass.ravel()
    if (mass < 0.0).any():
        raise WeightsError(f"{name}_weights", "a mass is negative", "pass masses of at least zero")
    largest = mass.max()
    if not largest > 0.0:
        raise WeightsError(f"{name}_weights", "every mass is zero", "pass at least one positive mass")
    order = np.argsort(x, kind="stable")
    order = order[mass[order] > 0.0]
    mass = mass[order]
    top, least = (int(np.frexp(end)[1]) for end in (largest, mass.min()))
    if top - least > _MOST_APART:  # for whole numbers only: no scale has room for both ends
        return SortedSample(x[order], mass)
    # The largest mass becomes 1 up to a factor 2, so that sums and products stay within float64.
    return SortedSample(x[order], np.ldexp(mass, -top))
