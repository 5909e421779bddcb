"""Levels evenly spaced in log2 of the magnitude, per sign, as published."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fmq_theory.codebook import Codebook
from fmq_theory.quantizers.scheme import Promise, Scheme
from fmq_theory.sources.source import MagnitudeRange, Source

__all__ = ["Log2"]


@dataclass(frozen=True, slots=True)
class Log2(Scheme):
    """K // 2 negative and K - K // 2 positive levels, nearest level in linear distance.

    On each side log2 of the levels runs evenly from the smallest to the largest magnitude on that
    side, exact zeros left out. A sign that does not occur leaves its levels unused. An exact zero
    goes to the level of smallest magnitude, which is the nearest one.

    The published description leaves two cases open. One level on a side is the geometric mean of
    that side's two magnitudes, the middle in log2. For K = 1 the level is on the positive side, or
    on the negative one if there are no positive weights.

    Attributes:
        sample_size: n, for a law only: its magnitudes are those of n weights.

    Reference:
        The published log2 baseline (theory section 0).
    """

    sample_size: int = 1_000_000

    name: ClassVar[str] = "log2"
    promises: ClassVar[frozenset[Promise]] = frozenset({"idempotent", "levels_in_range", "scale"})

    def _design(self, source: Source, num_levels: int) -> Codebook:
        negative, positive = source.typical_magnitudes(self.sample_size)
        count = num_levels // 2
        if positive is None and num_levels == 1:
            count = 1
        sides: list[NDArray[np.float64]] = []
        if negative is not None and count > 0:
            sides.append(-_geometric(negative, count)[::-1])
        if positive is not None and num_levels > count:
            sides.append(_geometric(positive, num_levels - count))
        return Codebook.nearest(np.concatenate(sides))

    def side_numbers(self, num_levels: int) -> int:
        """The two ends of each side."""
        return min(4, num_levels)


def _geometric(magnitudes: MagnitudeRange, count: int) -> NDArray[np.float64]:
    """``count`` magnitudes, ascending and even in log2, with both ends exact."""
    smallest, largest = magnitudes
    if count == 1:
        middle = math.sqrt(smallest) * math.sqrt(largest)
        return np.array([min(max(middle, smallest), largest)])
    exponents = np.linspace(math.log2(smallest), math.log2(largest), count)
    levels = np.exp2(exponents)
    levels[0], levels[-1] = smallest, largest
    return np.clip(levels, smallest, largest)
