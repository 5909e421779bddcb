"""What the schemes with a fixed table of levels share."""

import abc
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fmq_theory.codebook import Codebook, Codebooks
from fmq_theory.errors import SchemeError
from fmq_theory.kernels.row_codebooks import nearest_levels
from fmq_theory.quantizers.scheme import Promise, Scheme, codebook_on_range
from fmq_theory.sources.sorted_rows import SortedRows
from fmq_theory.sources.source import Source

__all__ = ["FixedTable"]


@dataclass(frozen=True, slots=True)
class FixedTable(Scheme, abc.ABC):
    """levels = table * max|x|, nearest level.

    The table spans [-1, 1] with both ends in it, so the largest magnitude is kept and quantizing
    twice changes nothing. The level at the other end may lie outside the range of the weights.

    Attributes:
        sample_size: n, for a law only: max|x| is that of its typical range among n weights.
    """

    sample_size: int = 1_000_000

    promises: ClassVar[frozenset[Promise]] = frozenset({"idempotent", "scale"})
    num_codes: ClassVar[int] = 16

    @abc.abstractmethod
    def table(self) -> NDArray[np.float64]:
        """The distinct levels for max|x| = 1, ascending, shape ``[at most 16]``."""

    def _design(self, source: Source, num_levels: int) -> Codebook:
        low, high = source.typical_range(self.sample_size)
        return self.design_on_range(low, high, num_levels)

    def design_on_range(self, low: float, high: float, num_levels: int) -> Codebook:
        """The table scaled by max(|``low``|, |``high``|).

        Raises:
            SchemeError: ``num_levels`` is not 16, or the ends are not finite or not in order.
        """
        self._checked(num_levels)
        if (constant := codebook_on_range(self.name, low, high)) is not None:
            return constant
        return Codebook.nearest(self.table() * max(abs(low), abs(high)))

    def _design_rows(self, rows: SortedRows, num_levels: int) -> Codebooks:
        books = Codebooks.empty(rows.shape[0], num_levels)
        table = self.table()
        books.levels[:] = np.inf
        books.levels[:, : table.size] = table * np.maximum(np.abs(rows.low()), np.abs(rows.high()))[:, None]
        nearest_levels(books.levels, books.thresholds, books.used)
        return books

    def codebook_overhead(self, num_levels: int) -> int:  # noqa: ARG002
        """The scale."""
        return 1

    def _checked(self, num_levels: int) -> int:
        number = Scheme._checked(self, num_levels)  # super() needs a cell that slots=True replaces
        if number != self.num_codes:
            raise SchemeError(
                f"scheme {self.name!r} with {number} levels",
                f"{self.name} has {self.num_codes} levels",
                "use 4 bits, or another scheme",
            )
        return number
