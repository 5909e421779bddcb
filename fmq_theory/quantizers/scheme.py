"""A scheme: the rule that turns a law or data into a codebook."""

import abc
import math
from typing import ClassVar, Literal, Protocol, final, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fmq_theory.codebook import Codebook, Codebooks, LowerBound
from fmq_theory.counts import whole_number
from fmq_theory.errors import SchemeError, SourceError, WeightsError
from fmq_theory.kernels.codes.encode import encode_rows
from fmq_theory.kernels.row_codebooks import cell_ends
from fmq_theory.kernels.runtime.threads import run_blocks
from fmq_theory.sources.empirical import Empirical
from fmq_theory.sources.sorted_rows import SortedRows
from fmq_theory.sources.source import Source
from fmq_theory.sources.units import SQUARES, unit_exponent

__all__ = ["Promise", "RangeScheme", "Scheme", "codebook_on_range", "threshold_cells"]

Promise = Literal["idempotent", "levels_in_range", "scale", "shift"]
"""What a scheme promises of its codebook for data; tests draw data and hold it to its word.

* ``idempotent``: quantizing quantized weights changes nothing.
* ``levels_in_range``: every level lies between the smallest and the largest weight.
* ``scale``: the codebook of s*X is s times that of X, s > 0.
* ``shift``: the codebook of X + t is that of X, plus t.
"""


class Scheme(abc.ABC):
    """design(source, K) -> Codebook with at most K levels.

    A subclass writes ``_design`` for a source that is not a single point and K >= 1.

    Attributes:
        name: the key of the registry.
        promises: the properties that hold for all data, up to rounding.
    """

    __slots__ = ()

    name: ClassVar[str]
    promises: ClassVar[frozenset[Promise]] = frozenset({"levels_in_range", "scale", "shift"})

    @final
    def design(self, source: Source, num_levels: int) -> Codebook:
        """The scheme's codebook for ``source``.

        A constant source gets its one value as the only level, whatever the scheme: nothing is
        left to choose, and the published uniform leaves such channels untouched. Data whose
        squares would leave float64 are designed for in a power-of-two unit, which is exact.

        Args:
            source: a law, or data.
            num_levels: K >= 1.

        Returns:
            A codebook of K levels, or of fewer where the source has fewer values or the scheme's table does.

        Raises:
            SchemeError: ``num_levels`` is not a positive integer, or the scheme has no codebook
                of that size.
            SourceError: the source lacks what the scheme needs (a finite variance, a range).
        """
        num_levels = self._checked(num_levels)
        low, high = source.support
        if low == high:
            return Codebook(np.array([low]), np.array([]))
        exponent = unit_exponent(max(abs(low), abs(high)), SQUARES)
        if isinstance(source, Empirical) and exponent != 0:
            near_one = source.scaled_by_power_of_two(-exponent)
            return _scaled(self._design_scaled(near_one, num_levels, exponent), exponent)
        return self._design(source, num_levels)

    @abc.abstractmethod
    def _design(self, source: Source, num_levels: int) -> Codebook: ...

    def _design_scaled(self, source: Empirical, num_levels: int, exponent: int) -> Codebook:  # noqa: ARG002
        """``_design`` for data whose levels will be multiplied by 2**exponent, which may not overflow."""
        return self._design(source, num_levels)

    def design_with_bound(self, source: Source, num_levels: int) -> tuple[Codebook, LowerBound]:
        """``design``, and a proven lower bound of n times the distortion of every codebook of that size.

        The bound is nan where the scheme proves nothing. n is the total mass of data.

        Args:
            source: a law, or data.
            num_levels: K >= 1.

        Raises:
            SchemeError: see ``design``.
            SourceError: see ``design``.
        """
        return self.design(source, num_levels), LowerBound()

    @final
    def design_rows(self, rows: SortedRows, num_levels: int) -> Codebooks:
        """The codebook of each row, as ``design`` makes it of the row as a source.

        Args:
            rows: sorted weights, one row a codebook.
            num_levels: K >= 1.

        Raises:
            SchemeError: see ``design``.
            SourceError: see ``design``; the message names the row.
        """
        num_levels = self._checked(num_levels)
        alone = rows.needs_own_units()
        with np.errstate(all="ignore"):  # in constant rows, which are designed for again below
            if alone.any():
                # Their sums may have left float64: no kernel for many rows may see them.
                books, others = Codebooks.empty(rows.shape[0], num_levels), np.flatnonzero(~alone)
                if others.size:
                    books.put_rows(others, self._design_rows(rows.taken(others), num_levels))
            else:
                books = self._design_rows(rows, num_levels)
        for index in np.flatnonzero((rows.low() == rows.high()) | alone):
            self._design_one_row(rows, int(index), num_levels, books)
        return books

    def _design_rows(self, rows: SortedRows, num_levels: int) -> Codebooks:
        """For all rows at once where a scheme can; none needs its own units; constant ones do not matter."""
        books = Codebooks.empty(rows.shape[0], num_levels)
        for index in range(rows.shape[0]):
            self._design_one_row(rows, index, num_levels, books)
        return books

    @final
    def _design_one_row(self, rows: SortedRows, index: int, num_levels: int, books: Codebooks) -> None:
        try:
            books.put(index, *self.design_with_bound(rows.row(index), num_levels))
        except (SourceError, WeightsError) as error:
            raise error.renamed(f"row {index}: {error.thing}") from error

    def quantize_rows(
        self, rows: NDArray[np.floating], num_levels: int, threads: int
    ) -> tuple[Codebooks, NDArray[np.uint8]]:
        """Codebooks and codes of rows of finite weights, for at most 256 levels.

        Args:
            rows: float32 or float64, contiguous, shape ``[R, C]``.
            num_levels: K <= 256.
            threads: how many may be used.

        Returns:
            the codebooks, and codes of shape ``[R, C]``.

        Raises:
            SchemeError: see ``design``.
            SourceError: see ``design``; the message names the row.
        """
        if isinstance(self, RangeScheme):  # two weights of each row tell all
            ordered = SortedRows.of(np.column_stack((rows.min(axis=1), rows.max(axis=1))), threads)
        else:
            ordered = SortedRows.of(rows, threads)
        books = self.design_rows(ordered, num_levels)
        return books, self.encode_rows(books, rows, threads)

    def encode_rows(self, books: Codebooks, rows: NDArray[np.floating], threads: int) -> NDArray[np.uint8]:
        """The codes of ``quantize_rows``, by codebooks that were made of the same rows.

        Args:
            books: one a row.
            rows: finite weights, float32 or float64, contiguous, shape ``[R, C]``.
            threads: how many may be used.

        Returns:
            Codes of shape ``[R, C]``.
        """
        return encode_rows(rows, books.thresholds, threads)

    @final
    def cells_of_rows(self, rows: SortedRows, num_levels: int) -> tuple[Codebooks, NDArray[np.int64]]:
        """The codebooks, and how many weights of each row the codes of ``quantize_rows`` put in which cell.

        It makes no codes: codes never fall as weights rise, so a cell is an interval of ranks, and which of
        several equal weights lies on which side of its end changes no error and no count. Whatever reports a
        number of a scheme takes it from these cells, or from the codes themselves.

        Args:
            rows: one a codebook.
            num_levels: K <= 256.

        Returns:
            the codebooks; and the rank of the first weight of each cell, then the end: int64 of shape
            ``[R, K + 1]``, where a level behind the last in use has an empty cell.

        Raises:
            SchemeError: see ``design``.
            SourceError: see ``design``; the message names the row.
        """
        return self._cells_of_rows(rows, self._checked(num_levels))

    def _cells_of_rows(self, rows: SortedRows, num_levels: int) -> tuple[Codebooks, NDArray[np.int64]]:
        """Between thresholds."""
        books = self.design_rows(rows, num_levels)
        return books, threshold_cells(books, rows)

    @property
    def encodes_by_value(self) -> bool:
        """Whether equal weights of a row always have equal codes."""
        return True

    @property
    def designs_by_search(self) -> bool:
        """Whether a codebook is the end of a search, which sums added in another order may lead elsewhere."""
        return False

    def encode(self, codebook: Codebook, values: NDArray[np.float64]) -> NDArray[np.unsignedinteger]:
        """Codes of one channel's weights under this scheme's own rule for ties, shape of ``values``.

        Args:
            codebook: that ``design`` made of the channel.
            values: the channel's weights, of any shape.

        Returns:
            Codes from 0 to K - 1, of the shape of ``values``.
        """
        return codebook.encode(values)

    def codebook_overhead(self, num_levels: int) -> int:
        """Numbers a channel must store besides its codes for its ``num_levels`` levels to be rebuilt.

        The levels themselves, unless the scheme spaces them by a rule: two ends for uniform
        levels, one scale for a fixed table.

        Args:
            num_levels: K, of the codebook.
        """
        return num_levels

    def stored_levels(self, levels: NDArray[np.float64], dtype: type[np.floating]) -> NDArray[np.floating]:
        """Levels in the type of what is stored: rebuilt from the overhead's rounded numbers.

        Args:
            levels: of each row, shape ``[R, K]``.
            dtype: of what is stored.

        Returns:
            Of shape ``[R, K]`` and of that type.
        """
        return levels.astype(dtype)

    def _finite_variance(self, source: Source) -> float:
        """Var X, for a scheme that minimises the mean squared error or a cost with it.

        Raises:
            SourceError: it is infinite, or so small that it rounds to zero.
        """
        variance = source.variance()
        if not (0.0 < variance < math.inf):
            raise SourceError(
                f"scheme {self.name!r}: a source of variance {variance}",
                "the mean squared error that it minimises is not a positive finite number",
                "choose a law with a finite variance, or scale the weights towards 1",
            )
        return variance

    def _checked(self, num_levels: int) -> int:
        """``num_levels`` as a Python integer.

        Raises:
            SchemeError: it is not a positive integer.
        """
        number = whole_number(num_levels) or 0
        if number < 1:
            raise SchemeError(
                f"num_levels = {num_levels!r} for scheme {self.name!r}",
                "the number of levels K must be a positive integer",
                "pass 2**bits",
            )
        return number


def threshold_cells(books: Codebooks, rows: SortedRows) -> NDArray[np.int64]:
    """The cells [a, b) of sorted rows between the thresholds of their codebooks; see ``cells_of_rows``."""
    parts = run_blocks(
        lambda a, b: cell_ends(rows.points[a:b], books.thresholds[a:b]), rows.shape[0], rows.threads
    )
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _scaled(codebook: Codebook, exponent: int) -> Codebook:
    """2**exponent times the codebook."""
    thresholds = np.ldexp(codebook.thresholds, exponent)
    # Among denormals the product may be rounded down onto the last weight of the cell below.
    rounded_down = np.ldexp(thresholds, -exponent) < codebook.thresholds
    thresholds[rounded_down] = np.nextafter(thresholds[rounded_down], np.inf)
    levels = np.ldexp(codebook.levels, exponent)
    return Codebook(levels, np.clip(thresholds, levels[:-1], levels[1:]))


@runtime_checkable
class RangeScheme(Protocol):
    """A scheme whose codebook depends on the source through its range alone.

    Its mean distortion over samples of n weights is then an integral over the law of the range.
    """

    def design_on_range(self, low: float, high: float, num_levels: int) -> Codebook:
        """The codebook for weights whose smallest is ``low`` and whose largest is ``high``.

        Args:
            low: the smallest weight, finite.
            high: the largest weight, finite, not below ``low``.
            num_levels: K >= 1.
        """
        ...


def codebook_on_range(name: str, low: float, high: float) -> Codebook | None:
    """The one-level codebook of a range without length; None for a proper range.

    Raises:
        SchemeError: the ends are not finite or not in order.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise SchemeError(
            f"range [{low!r}, {high!r}] for scheme {name!r}",
            "a range needs two finite ends in order",
            "pass the smallest and the largest weight",
        )
    return Codebook(np.array([low]), np.array([])) if low == high else None
