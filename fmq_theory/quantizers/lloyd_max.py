"""Lloyd-Max: the codebook of least distortion, that is of least W2 among all laws on K points."""

import math
from dataclasses import dataclass

import numpy as np

from fmq_theory.codebook import Codebook, Codebooks, LowerBound
from fmq_theory.errors import ConvergenceError, SchemeError
from fmq_theory.kernels.kmeans1d.solve import Row, is_proven, optimum, optimum_rows, rows_together
from fmq_theory.kernels.row_codebooks import codebooks_of_cells
from fmq_theory.kernels.runtime.threads import run_blocks
from fmq_theory.kernels.sums.cells import cell_means
from fmq_theory.quantizers.lloyd_max_law import optimal_levels
from fmq_theory.quantizers.scheme import Scheme
from fmq_theory.sources.empirical import Empirical
from fmq_theory.sources.sorted_rows import SortedRows
from fmq_theory.sources.source import Source

__all__ = ["LloydMax"]


@dataclass(frozen=True, slots=True)
class LloydMax(Scheme):
    """argmin over codebooks of E (X - Q(X))**2 (theory T2a).

    * Data: the exact optimum over all partitions, with a lower bound that meets it; or, where ``gap`` is
      above 0, a partition proven to be within it. Fewer distinct values than K give that many levels and
      no distortion.
    * Laws: the exact optimum of a fine grid of the law picks the basin, and Newton's method solves the
      stationarity conditions in it. Of mirror images of equal distortion either may come back: the
      optimum of a symmetric law need not be symmetric (Kabal 1984, for Gamma and even K).

    Attributes:
        gap: relative excess over the least distortion that is good enough on data; 0 for the optimum.

    Raises:
        SourceError: the variance is infinite.
        ConvergenceError: the certificate fails, or Newton's method does.

    Examples:
        With two levels for the Gaussian they are +-sqrt(2 / pi), and D = 1 - 2 / pi:

        >>> import math
        >>> from fmq_theory import metrics, quantizers, sources
        >>> law = sources.Gaussian()
        >>> codebook = quantizers.LloydMax().design(law, 2)
        >>> round(float(codebook.levels[1]), 6), round(math.sqrt(2 / math.pi), 6)
        (0.797885, 0.797885)
        >>> round(metrics.distortion(codebook, law), 6), round(1 - 2 / math.pi, 6)
        (0.36338, 0.36338)

        With four, Max's table I has 0.1175:

        >>> round(metrics.distortion(quantizers.LloydMax().design(law, 4), law), 4)
        0.1175
    """

    gap: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.gap < math.inf:
            raise SchemeError(
                f"scheme lloyd_max: gap = {self.gap!r}",
                "the relative distance from the optimum must be finite and not negative",
                "choose 0 for the optimum, or for example 1e-4",
            )

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]  # one class, many schemes
        """The key of the registry, with the gap if there is one."""
        return f"lloyd_max:{self.gap!r}" if self.gap > 0.0 else "lloyd_max"

    def _design(self, source: Source, num_levels: int) -> Codebook:
        if isinstance(source, Empirical):
            return self._data_optimum(source, num_levels)[0]
        standard = source.standard_deviation_one()
        levels = optimal_levels(standard, num_levels)
        return Codebook.nearest(source.mean() + np.sqrt(source.variance()) * levels)

    def design_with_bound(self, source: Source, num_levels: int) -> tuple[Codebook, LowerBound]:
        if not isinstance(source, Empirical):
            return Scheme.design_with_bound(self, source, num_levels)
        low, high = source.support
        if low == high:
            return self.design(source, num_levels), LowerBound(0.0)
        return self._data_optimum(source, self._checked(num_levels))

    def _data_optimum(self, source: Empirical, num_levels: int) -> tuple[Codebook, LowerBound]:
        """The codebook of data, and the lower bound of the sum of squared errors of all of that size.

        Raises:
            ConvergenceError: the lower bound does not meet the cost.
        """
        data = source.data
        row = Row(data.points, data.mass, data.blocks)
        boundaries, cost, lower_bound = optimum(row, num_levels, self.gap)
        if not is_proven(num_levels, cost, lower_bound, float(data.blocks[-1, 3]), self.gap):
            raise _unproven(source, num_levels, cost, lower_bound)
        first, last = data.at(boundaries[:-1]), data.at(boundaries[1:] - 1)
        means = cell_means(data.sums(boundaries), np.arange(boundaries.size))
        levels = np.clip(data.from_z(means), first, last)
        # At the optimum the midpoint lies between the cells; the clip is for its rounding. A cell is
        # [a, b), so a threshold is above the last point of the cell below it.
        middle = 0.5 * levels[:-1] + 0.5 * levels[1:]
        thresholds = np.clip(middle, np.nextafter(last[:-1], np.inf), first[1:])
        return Codebook(levels, thresholds), LowerBound(lower_bound, 2 * data.exponent)

    def _design_rows(self, rows: SortedRows, num_levels: int) -> Codebooks:
        return self.rows_in_their_units(rows, num_levels)

    def rows_in_their_units(self, rows: SortedRows, num_levels: int) -> Codebooks:
        """``design_rows`` of rows none of which needs its own units: of each what ``design`` has, to the bit.

        Args:
            rows: sorted weights, one row a codebook; for a constant one nothing is promised.
            num_levels: K >= 1.

        Raises:
            ConvergenceError: the lower bound of a row does not meet its cost.
        """
        books = Codebooks.empty(rows.shape[0], num_levels)
        costs = np.empty(rows.shape[0])

        def fill(start: int, stop: int) -> None:
            part = rows[start:stop]
            boundaries, costs[start:stop], books.lower_bound[start:stop] = optimum_rows(
                part.points, part.blocks, num_levels, self.gap
            )
            codebooks_of_cells(
                part.points,
                part.blocks,
                boundaries,
                books.levels[start:stop],
                books.thresholds[start:stop],
                books.used[start:stop],
            )

        together = rows_together(rows.shape[1], num_levels)

        def fill_blocks(first: int, last: int) -> None:
            for start in range(first * together, min(last * together, rows.shape[0]), together):
                fill(start, min(start + together, rows.shape[0]))

        run_blocks(fill_blocks, -(-rows.shape[0] // together), rows.threads)
        bounds = books.lower_bound
        for index in np.flatnonzero(~is_proven(num_levels, costs, bounds, rows.blocks[:, -1, 3], self.gap)):
            raise _unproven(rows.row(int(index)), num_levels, float(costs[index]), float(bounds[index]))
        return books


def _unproven(source: Empirical, num_levels: int, cost: float, lower_bound: float) -> ConvergenceError:
    return ConvergenceError(
        f"optimal partition of {source} into {num_levels} cells",
        f"the cost {cost:g} is not proved optimal: its lower bound is {lower_bound:g}",
        "report this input as a defect",
    )
