"""The shared codebook of scaled blocks, from the sums of fine bins, with a lower bound of the least error."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fmq_theory.codebook import Codebook
from fmq_theory.kernels.block_scaling import EDGE
from fmq_theory.kernels.kmeans1d.solve import optimum_of_sums
from fmq_theory.kernels.sums.cells import cell_means
from fmq_theory.kernels.sums.prefix import prefix_from_moments
from fmq_theory.quantizers.lloyd_max import LloydMax
from fmq_theory.quantizers.scheme import Scheme
from fmq_theory.sources.empirical import Empirical

__all__ = ["BlockCodebook", "bins_for", "block_codebook"]

FloatArray = NDArray[np.float64]

BINS_PER_LEVEL = 1024
FEWEST_BINS = 4096
MOST_BINS = 65536
# What rounding can add to a sum of squares from 2**15 * 64 weights a bin and chunk, relative.
ROUNDING = 1e-12


def bins_for(num_levels: int) -> int:
    """Enough that whole bins cost the codebook next to nothing: the gap that is reported says how much."""
    return min(max(BINS_PER_LEVEL * num_levels, FEWEST_BINS), MOST_BINS)


@dataclass(frozen=True, slots=True, eq=False)
class BlockCodebook:
    """Levels, and the code of each bin.

    Attributes:
        levels: float32, shape ``[K]``; behind the last one in use that one is repeated.
        used: how many are in use.
        table: uint8, shape ``[bins]``.
        lower_bound: of the sum of squared errors under any codebook of K levels with these scales; nan
            where nothing is proven.
    """

    levels: NDArray[np.float32]
    used: int
    table: NDArray[np.uint8]
    lower_bound: float

    @classmethod
    def trivial(cls, num_levels: int, num_bins: int) -> Self:
        """One level, 0: all that blocks of zeros need."""
        levels = np.zeros(num_levels, dtype=np.float32)
        return cls(levels, 1, np.zeros(num_bins, dtype=np.uint8), 0.0)

    def error(self, sums: FloatArray) -> float:
        """The sum of squared errors, from the sums of the bins."""
        level = self.levels[self.table].astype(np.float64)
        mass, first, second = sums.T
        return float(np.maximum(second - level * (2.0 * first - level * mass), 0.0).sum())


def block_codebook(sums: FloatArray, scheme: Scheme, num_levels: int, reach: float) -> BlockCodebook:
    """The codebook that ``scheme`` makes of the bins; for Lloyd-Max the optimum over cells of whole bins.

    Args:
        sums: mass, first and second moment of each bin, shape ``[bins, 3]``.
        scheme: of the codebook.
        num_levels: K <= 256.
        reach: no scaled weight is larger in magnitude.
    """
    filled = np.flatnonzero(sums[:, 0] > 0.0)
    if filled.size == 0:
        return BlockCodebook.trivial(num_levels, len(sums))
    mass, first, second = np.ascontiguousarray(sums[filled].T)
    if isinstance(scheme, LloydMax):
        prefix = prefix_from_moments(mass, first, second)
        cells, _, least = optimum_of_sums(prefix, num_levels)
        means = cell_means(prefix, cells)
        codes = np.repeat(np.arange(means.size), np.diff(cells))
        within = _most_by_splitting_bins(sums, reach)
        lower_bound = max(0.0, least * (1.0 - ROUNDING) - ROUNDING * float(prefix[-1, 3]) - within)
        if num_levels >= filled.size:  # optimum_of_sums then calls the cost zero, and it is that within bins
            lower_bound = 0.0
    else:
        codebook: Codebook = scheme.design(Empirical(first / mass, mass), num_levels)
        means, codes = codebook.levels, codebook.encode(first / mass)
        lower_bound = math.nan
    levels = np.full(num_levels, means[-1], dtype=np.float32)
    levels[: means.size] = means
    table = np.zeros(len(sums), dtype=np.uint8)
    table[filled] = codes
    return BlockCodebook(levels, int(means.size), table, lower_bound)


def _most_by_splitting_bins(sums: FloatArray, reach: float) -> float:
    """By how much less than by whole bins a codebook can cost whose thresholds split bins.

    A threshold between levels a distance d apart that splits a bin of mass p gains at most d p times the mean
    absolute deviation inside it (theory, section 8), hence d g with g**2 = p times the squared error inside.
    The distances d add up to at most 2 reach. Near an end they are short: those of all thresholds within t of
    the ends add up to at most 4 t, as a threshold is half-way between levels that lie inside. So the gain is
    at most 4 t max g + 2 reach max {g of bins that begin more than t inside}, for every t.
    """
    mass, first, second = sums.T
    inside = second - np.divide(first * first, mass, out=np.zeros(len(sums)), where=mass > 0.0)
    # The difference is rounded, so room for that is added.
    gain = np.sqrt(mass * np.maximum(inside + ROUNDING * second, 0.0))
    width = 2.0 * EDGE / len(sums)
    edges = np.abs(np.linspace(-EDGE, EDGE, len(sums) + 1))
    depth = reach - np.minimum(edges[:-1], edges[1:]) + width  # a bin's innermost edge, and room for rounding
    depth[0] = depth[-1] = (
        math.inf if reach > EDGE else depth[0]
    )  # the end bins hold all that lies beyond them
    largest = float(gain.max())
    return min(
        4.0 * float(t) * largest + 2.0 * reach * float(np.max(gain, where=depth > t, initial=0.0))
        for t in width * np.array([0.0, *(2.0 ** np.arange(10))])
    )
