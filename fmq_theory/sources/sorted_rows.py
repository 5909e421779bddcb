"""Many rows of weights, each sorted, with running sums: what all codebooks of a tensor are made from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fmq_theory.brief import brief_repr
from fmq_theory.kernels.runtime.threads import run_blocks
from fmq_theory.kernels.sorting.radix_sort import sort_rows
from fmq_theory.kernels.sums.prefix import block_prefix_of_rows
from fmq_theory.sources.empirical import Empirical
from fmq_theory.sources.sorted_points import SortedPoints
from fmq_theory.sources.source import FloatArray
from fmq_theory.sources.units import COMPENSATED_SQUARES, same_binade, unit_exponent

__all__ = ["SortedRows"]


@dataclass(frozen=True, slots=True, eq=False)
class SortedRows:
    """R rows of C weights each, in order, in the units in which they were given.

    Attributes:
        points: float32 or float64, shape ``[R, C]``, no -0.0.
        blocks: running sums at every 64th point of each row; see ``kernels/sums/prefix.py``.
        threads: how many a call may use.
    """

    points: NDArray[np.floating]
    blocks: FloatArray
    threads: int

    __repr__ = brief_repr

    @classmethod
    def of(cls, rows: NDArray[np.floating], threads: int = 1) -> "SortedRows":
        """Sorts finite, contiguous float32 or float64 rows, shape ``[R, C]``, neither zero.

        Args:
            rows: the weights, one row a codebook; not changed.
            threads: how many may be used, here and by what takes these rows.
        """
        points = sort_rows(rows, threads)
        parts = run_blocks(lambda a, b: block_prefix_of_rows(points[a:b]), points.shape[0], threads)
        return cls(points, parts[0] if len(parts) == 1 else np.concatenate(parts), threads)

    @property
    def shape(self) -> tuple[int, int]:
        """(R, C)."""
        return self.points.shape[0], self.points.shape[1]

    def row(self, index: int) -> Empirical:
        """One row as a source.

        Args:
            index: which one, from 0.
        """
        if self[index : index + 1].needs_own_units()[0]:
            return Empirical.from_sorted(self.points[index])
        return Empirical.from_points(SortedPoints.plain(self.points[index], self.blocks[index]))

    def __getitem__(self, block: slice) -> "SortedRows":
        """Some of the rows."""
        return SortedRows(self.points[block], self.blocks[block], self.threads)

    def taken(self, index: NDArray[np.intp]) -> "SortedRows":
        """Some of the rows, copied.

        Args:
            index: which rows, from 0, in the order that they shall have, shape ``[m]``.
        """
        return SortedRows(self.points[index], self.blocks[index], self.threads)

    def low(self) -> FloatArray:
        """The smallest weight of each row, shape ``[R]``."""
        return self.points[:, 0].astype(np.float64)

    def high(self) -> FloatArray:
        """The largest weight of each row, shape ``[R]``."""
        return self.points[:, -1].astype(np.float64)

    def needs_own_units(self) -> NDArray[np.bool_]:
        """Rows that need units of their own (see ``SortedPoints``), shape ``[R]``.

        All their weights lie within a factor two of each other, or squares come near the ends of float64.
        """
        low, high = self.low(), self.high()
        far = unit_exponent(np.maximum(-low, high), COMPENSATED_SQUARES) != 0
        return same_binade(low, high) | far

    def quantile_linear(self, q: ArrayLike) -> FloatArray:
        """Interpolated quantiles of each row, numpy's default to the bit, shape ``[R, k]``.

        Args:
            q: probabilities from 0 to 1, shape ``[k]``.
        """
        position = np.asarray(q, dtype=np.float64) * (self.shape[1] - 1)
        low = np.clip(np.floor(position), 0, self.shape[1] - 1).astype(np.int64)
        fraction = position - low
        left = self.points[:, low].astype(np.float64)
        right = self.points[:, np.minimum(low + 1, self.shape[1] - 1)].astype(np.float64)
        gap = right - left
        return np.where(fraction < 0.5, left + gap * fraction, right - gap * (1.0 - fraction))
