"""Companding quantizers whose point density is a power of the density of the weights."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fmq_theory.codebook import Codebook, Codebooks
from fmq_theory.errors import SchemeError
from fmq_theory.kernels.equal_mass.rank_cells import equal_cuts
from fmq_theory.kernels.equal_mass.rows import equal_mass_rows
from fmq_theory.kernels.interpolation import interpolated
from fmq_theory.kernels.row_codebooks import centroids, equal_counts
from fmq_theory.kernels.runtime.threads import run_blocks
from fmq_theory.quantizers.centroids import centroid_codebook
from fmq_theory.quantizers.equal_counts import (
    between,
    equal_count_codebook,
    equal_weight_codebook,
    stable_rank_codes,
)
from fmq_theory.quantizers.scheme import Promise, Scheme
from fmq_theory.sources.empirical import Empirical
from fmq_theory.sources.sorted_rows import SortedRows
from fmq_theory.sources.source import Source
from fmq_theory.sources.spacings import escort_cumulative, num_buckets

__all__ = ["PowerCompander"]

_BY_VALUE: frozenset[Promise] = frozenset({"levels_in_range", "scale", "shift"})
_BY_RANK: frozenset[Promise] = frozenset({"levels_in_range", "scale", "shift", "idempotent"})


@dataclass(frozen=True, slots=True)
class PowerCompander(Scheme):
    """K cells with point density lambda = f**alpha / I(alpha), I(alpha) = integral of f**alpha.

    thresholds[k] is the k/K quantile of the escort law f**alpha / I(alpha). Bennett's integral
    gives D ~ B(alpha) / K**2, B(alpha) = I(alpha)**2 I(1 - 2 alpha) / 12, where that is finite;
    it is least at alpha = 1/3 (theory T3).

    * alpha = 0: equal cells on a bounded support.
    * alpha = 1/3: Panter-Dite, "panter_dite".
    * alpha = 1, centroids: equal mass, the published 1-D optimal transport, "equal_mass". On data
      K = min(K, n) and ranks are cut as numpy.array_split does, which is the published rule; ties
      straddle thresholds. Two things are better defined than as published, where numpy's default
      sort leaves the order of ties open and means are float32: ``encode`` follows stable ranks, and
      means are summed beyond float64 and rounded once. "published:equal_mass" is the rule in
      float32. With sample weights the cells have nearly equal weight and thresholds between distinct
      values.
    * alpha = 1, midpoints: the published piecewise-linear scheme, "pwl". On data the thresholds are
      numpy.quantile's k/K quantiles and the outer cells end at the extremes.

    Ties in data bring equal thresholds, and gaps bring cells without weights. With centroids both
    are dropped (see ``centroid_codebook``). With midpoints all K cells stay, by the published rule; a tied
    value on several thresholds belongs to the last of its cells.

    Attributes:
        alpha: exponent of the density, >= 0.
        reconstruction: the level of a cell: its conditional mean, or its midpoint.
        sample_size: n, for midpoints of a law only: the outer cells end at its typical range.

    Reference:
        Bennett 1948; Panter & Dite 1951; theory sections 0 and 2.

    Examples:
        The thresholds of four cells are quartiles: of the Gaussian itself, or of its escort law, which is
        wider by sqrt(3). The second loses less:

        >>> from fmq_theory import metrics, quantizers, sources
        >>> law = sources.Gaussian()
        >>> for alpha in (1.0, 1.0 / 3.0):
        ...     codebook = quantizers.PowerCompander(alpha).design(law, 4)
        ...     print(f"{codebook.thresholds[2]:.4f} {metrics.distortion(codebook, law):.4f}")
        0.6745 0.1394
        1.1683 0.1244
    """

    alpha: float
    reconstruction: Literal["centroid", "midpoint"] = "centroid"
    sample_size: int = 1_000_000

    def __post_init__(self) -> None:
        if not (math.isfinite(self.alpha) and self.alpha >= 0.0):
            raise SchemeError(
                f"scheme power: alpha = {self.alpha!r}",
                "the exponent of the density must be finite and not negative",
                "choose for example 1/3 (Panter-Dite) or 1 (equal mass)",
            )
        if self.reconstruction not in ("centroid", "midpoint"):
            raise SchemeError(
                f"scheme power: reconstruction = {self.reconstruction!r}",
                "it is not a known kind of level",
                "choose 'centroid' or 'midpoint'",
            )

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]  # one class, many schemes
        """The key of the registry: the published names where there are such."""
        if self.reconstruction == "midpoint":
            return "pwl" if self.alpha == 1.0 else f"power:{self.alpha!r}:midpoint"
        published = {1.0: "equal_mass", 1.0 / 3.0: "panter_dite"}
        return published.get(self.alpha, f"power:{self.alpha!r}")

    @property
    def promises(self) -> frozenset[Promise]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Equal mass is idempotent on top: equal levels of a cell keep their ranks and their mean."""
        return _BY_RANK if self._by_rank else _BY_VALUE

    @property
    def _by_rank(self) -> bool:
        return self.alpha == 1.0 and self.reconstruction == "centroid"

    def _design(self, source: Source, num_levels: int) -> Codebook:
        if self.reconstruction == "midpoint":
            return self._midpoints(source, num_levels)
        if self._by_rank and isinstance(source, Empirical):
            if source.is_weighted:
                return equal_weight_codebook(source, num_levels)
            return equal_count_codebook(source, num_levels)
        return centroid_codebook(source, self._thresholds(source, num_levels))

    def _design_rows(self, rows: SortedRows, num_levels: int) -> Codebooks:
        num_rows, size = rows.shape
        books = Codebooks.empty(num_rows, num_levels)
        if self._by_rank:
            full = books if num_levels <= size else Codebooks.empty(num_rows, size)
            run_blocks(
                lambda a, b: equal_counts(
                    rows.points[a:b], rows.blocks[a:b], full.levels[a:b], full.thresholds[a:b]
                ),
                num_rows,
                rows.threads,
            )
            return full.padded(num_levels)
        thresholds = self._row_thresholds(rows, num_levels)
        if self.reconstruction == "midpoint":
            edges = np.column_stack((rows.low(), thresholds, rows.high()))
            edges.sort(axis=1)
            books.levels[:] = 0.5 * edges[:, :-1] + 0.5 * edges[:, 1:]
            books.thresholds[:] = edges[:, 1:-1]
            return books
        books.thresholds[:] = thresholds
        run_blocks(
            lambda a, b: centroids(
                rows.points[a:b], rows.blocks[a:b], books.thresholds[a:b], books.levels[a:b], books.used[a:b]
            ),
            num_rows,
            rows.threads,
        )
        return books

    def _row_thresholds(self, rows: SortedRows, num_levels: int) -> NDArray[np.float64]:
        """Escort quantiles k/K of each row, shape ``[R, K - 1]``."""
        shares = np.arange(1, num_levels) / num_levels
        if self.alpha == 1.0:
            return rows.quantile_linear(shares)
        edges = rows.quantile_linear(np.linspace(0.0, 1.0, num_buckets(rows.shape[1]) + 1))
        return interpolated(escort_cumulative(edges, self.alpha), edges, shares)

    def quantize_rows(
        self, rows: NDArray[np.floating], num_levels: int, threads: int
    ) -> tuple[Codebooks, NDArray[np.uint8]]:
        if not self._by_rank:
            return Scheme.quantize_rows(self, rows, num_levels, threads)
        # Codes, means and thresholds from counts of the weights' leading bits: nothing is sorted.
        codes, levels, left, right = equal_mass_rows(rows, self._checked(num_levels), threads)
        books = Codebooks.of_levels(levels, between(left, right)).padded(num_levels)
        for index in np.flatnonzero(levels[:, 0] == levels[:, -1]):
            if rows[index].min() == rows[index].max():  # a constant row keeps its value
                books.put(int(index), Codebook(levels[index, :1], np.array([])))
                codes[index] = 0
        return books, codes

    def encode_rows(self, books: Codebooks, rows: NDArray[np.floating], threads: int) -> NDArray[np.uint8]:
        if not self._by_rank:
            return Scheme.encode_rows(self, books, rows, threads)
        return self.quantize_rows(rows, books.levels.shape[1], threads)[1]

    def _cells_of_rows(self, rows: SortedRows, num_levels: int) -> tuple[Codebooks, NDArray[np.int64]]:
        """Of equal count for equal mass, whatever is tied; a constant row has one level."""
        if not self._by_rank:
            return Scheme._cells_of_rows(self, rows, num_levels)
        books = self.design_rows(rows, num_levels)
        size = rows.shape[1]
        ends = np.full((rows.shape[0], num_levels + 1), size, dtype=np.int64)
        num_cells = min(num_levels, size)
        ends[:, : num_cells + 1] = equal_cuts(size, num_cells)
        ends[books.used == 1, 1:] = size
        return books, ends

    @property
    def encodes_by_value(self) -> bool:
        return not self._by_rank

    def _midpoints(self, source: Source, num_levels: int) -> Codebook:
        thresholds = self._thresholds(source, num_levels)
        low, high = source.typical_range(self.sample_size)
        # K beyond the sample size puts thresholds outside the typical range of a law.
        ends = [min(low, *thresholds[:1]), max(high, *thresholds[-1:])] if num_levels > 1 else [low, high]
        edges = np.sort(np.concatenate((thresholds, ends)))
        return Codebook(0.5 * edges[:-1] + 0.5 * edges[1:], edges[1:-1])

    def _thresholds(self, source: Source, num_levels: int) -> NDArray[np.float64]:
        """Escort quantiles k/K, 0 < k < K, shape ``[K - 1]``."""
        shares = np.arange(1, num_levels) / num_levels
        if num_levels == 1:
            return shares
        if self.alpha == 1.0 and isinstance(source, Empirical):
            return np.asarray(source.quantile_linear(shares), dtype=np.float64)
        return np.asarray(source.escort(self.alpha).ppf(shares), dtype=np.float64)

    def encode(self, codebook: Codebook, values: NDArray[np.float64]) -> NDArray[np.unsignedinteger]:
        """By thresholds; equal mass breaks ties at a threshold by stable rank."""
        return stable_rank_codes(codebook, values) if self._by_rank else codebook.encode(values)
