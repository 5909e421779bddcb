"""Lloyd-Max: the codebook of least distortion, that is of least W2 among all laws on K points."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fmq_theory.codebook import Codebook
from fmq_theory.errors import ConvergenceError
from fmq_theory.kernels.cells import cell_means
from fmq_theory.kernels.partition import optimal_partition
from fmq_theory.quantizers.lloyd_max_law import optimal_levels
from fmq_theory.quantizers.scheme import Scheme
from fmq_theory.sources.empirical import Empirical
from fmq_theory.sources.source import Source

__all__ = ["LloydMax"]

# How far the lower bound, which allows for its own rounding, may lie below the cost: relative, with
# room for sums over K cells, and in units of the second moment, whose sum has about 32 digits.
RELATIVE_GAP = 1e-12
RELATIVE_GAP_PER_SQUARED_LEVEL = 1e-15
ROUNDING_GAP = 1e-26


@dataclass(frozen=True, slots=True)
class LloydMax(Scheme):
    """argmin over codebooks of E (X - Q(X))**2 (theory T2a).

    * Data: the exact optimum over all partitions, with a lower bound that meets it. Fewer distinct
      values than K give that many levels and no distortion.
    * Laws: the exact optimum of a fine grid of the law picks the basin, and Newton's method solves the
      stationarity conditions in it. Of mirror images of equal distortion either may come back: the
      optimum of a symmetric law need not be symmetric (Kabal 1984, for Gamma and even K).

    Raises:
        SourceError: the variance is infinite.
        ConvergenceError: the certificate fails, or Newton's method does.
    """

    name: ClassVar[str] = "lloyd_max"

    def _design(self, source: Source, num_levels: int) -> Codebook:
        if isinstance(source, Empirical):
            return data_optimum(source, num_levels)
        standard = source.standard_deviation_one()
        levels = optimal_levels(standard, num_levels)
        return Codebook.nearest(source.mean() + np.sqrt(source.variance()) * levels)


def data_optimum(data: Empirical, num_levels: int) -> Codebook:
    """The optimal codebook of data.

    Raises:
        ConvergenceError: the lower bound does not meet the cost.
    """
    points = data.data
    nodes = points.ends_of_ties()  # splitting a tie gains nothing
    prefix = points.sums(nodes)
    partition, cost, lower_bound = optimal_partition(prefix, num_levels)
    relative = RELATIVE_GAP + RELATIVE_GAP_PER_SQUARED_LEVEL * num_levels**2
    if not cost - lower_bound <= relative * cost + ROUNDING_GAP * float(prefix[-1, 3]):
        raise ConvergenceError(
            f"optimal partition of {data} into {num_levels} cells",
            f"the cost {cost:g} is not proved optimal: its lower bound is {lower_bound:g}",
            "report this input as a defect",
        )
    boundaries = nodes[partition]
    first, last = points.at(boundaries[:-1]), points.at(boundaries[1:] - 1)
    levels = np.clip(points.from_z(cell_means(prefix, partition)), first, last)
    # At the optimum the midpoint lies between the cells; the clip is for its rounding. A cell is
    # [a, b), so a threshold is above the last point of the cell below it.
    middle = 0.5 * levels[:-1] + 0.5 * levels[1:]
    thresholds = np.clip(middle, np.nextafter(last[:-1], np.inf), first[1:])
    return Codebook(levels, thresholds)
