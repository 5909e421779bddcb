"""A scalar quantizer as data: levels, and the thresholds between their cells."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fmq_theory.brief import brief_repr
from fmq_theory.errors import SchemeError

__all__ = ["Codebook", "Codebooks", "LowerBound"]


@dataclass(frozen=True, slots=True, eq=False)
class Codebook:
    """Q(x) = levels[k] for thresholds[k-1] <= x < thresholds[k].

    Levels and thresholds are interlaced, levels[k] <= thresholds[k] <= levels[k+1], so Q is
    non-decreasing and (X, Q(X)) is the optimal coupling of mu and its image (theory T1). Equal
    neighbours are allowed: equal-mass cells of tied weights have them.

    Attributes:
        levels: shape ``[K]``, finite, non-decreasing, read-only float64.
        thresholds: shape ``[K - 1]``, finite, non-decreasing, read-only float64.

    Examples:
        >>> from fmq_theory.codebook import Codebook
        >>> codebook = Codebook.nearest([-1.0, 0.0, 2.0])
        >>> codebook.thresholds.tolist()
        [-0.5, 1.0]
        >>> codes = codebook.encode([-3.0, 0.9, 1.0])  # a cell is closed below
        >>> codes.tolist(), codebook.decode(codes).tolist()
        ([0, 1, 2], [-1.0, 0.0, 2.0])
    """

    levels: NDArray[np.float64]
    thresholds: NDArray[np.float64]

    __repr__ = brief_repr

    def __post_init__(self) -> None:
        for field in ("levels", "thresholds"):
            array = np.array(getattr(self, field), dtype=np.float64)  # a private copy
            array.setflags(write=False)
            object.__setattr__(self, field, array)
        levels, thresholds = self.levels, self.thresholds
        if levels.ndim != 1 or levels.size == 0 or thresholds.shape != (levels.size - 1,):
            raise SchemeError(
                f"codebook of shapes {levels.shape} and {thresholds.shape}",
                "K levels need K - 1 thresholds and K >= 1",
                "pass one-dimensional arrays of matching lengths",
            )
        if not (np.isfinite(levels).all() and np.isfinite(thresholds).all()):
            raise SchemeError(
                "codebook",
                "it holds a level or threshold that is not finite",
                "check the source's range and scale",
            )
        if (levels[:-1] > thresholds).any() or (thresholds > levels[1:]).any():
            raise SchemeError(
                "codebook",
                "levels and thresholds are not interlaced",
                "sort the levels and put each threshold between its two levels",
            )

    @classmethod
    def nearest(cls, levels: ArrayLike) -> "Codebook":
        """Q(x) = argmin over the levels of |x - c|: thresholds half-way between sorted, distinct levels.

        Args:
            levels: finite numbers in the source's units, in any order, shape ``[m]``; equal ones count once.

        Returns:
            The codebook of the distinct levels, K <= m.

        Raises:
            SchemeError: no levels, or one that is not finite.
        """
        distinct = np.unique(np.asarray(levels, dtype=np.float64))
        # Halving each first keeps 1e308 finite. A middle that is rounded onto the lower level, or
        # past a neighbour, would leave that level without a cell.
        middle = 0.5 * distinct[:-1] + 0.5 * distinct[1:]
        inside = (middle > distinct[:-1]) & (middle <= distinct[1:])
        return cls(distinct, np.where(inside, middle, distinct[1:]))

    @property
    def num_levels(self) -> int:
        """K."""
        return self.levels.size

    def edges(self) -> NDArray[np.float64]:
        """Cell boundaries with both infinite ends, shape ``[K + 1]``."""
        return np.concatenate(([-np.inf], self.thresholds, [np.inf]))

    def encode(self, values: ArrayLike) -> NDArray[np.unsignedinteger]:
        """The k with thresholds[k - 1] <= x < thresholds[k], for each value x.

        Args:
            values: numbers in the source's units, of any shape.

        Returns:
            Codes from 0 to K - 1 of the shape of ``values``, in the smallest unsigned type that holds them.
        """
        dtype = np.min_scalar_type(self.num_levels - 1)
        codes = np.searchsorted(self.thresholds, np.asarray(values, dtype=np.float64), side="right")
        return codes.astype(dtype)

    def decode(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Q(x) = levels[k] for each code k.

        Args:
            codes: whole numbers from 0 to K - 1, of any shape.

        Returns:
            Levels in the source's units, of the shape of ``codes``.
        """
        return self.levels[codes]


class LowerBound(NamedTuple):
    """value * 2**exponent: no codebook of that size has a smaller sum of squared errors; nan proves nothing.

    Squares of weights near the ends of float64 are no float64, so their sum keeps an exponent of its own.

    Attributes:
        value: the bound over 2**exponent, in squared units of the weights; nan where nothing is proven.
        exponent: of the power of two.
    """

    value: float = np.nan
    exponent: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Codebooks:
    """One codebook a row, padded to the same K.

    Attributes:
        levels: shape ``[R, K]``; behind the last level in use that one is repeated.
        thresholds: shape ``[R, K - 1]``; infinite behind the last one in use.
        used: levels in use, 1 <= used <= K, shape ``[R]``.
        lower_bound: the values of each row's ``LowerBound``, shape ``[R]``.
        bound_exponent: their exponents, shape ``[R]``.
    """

    levels: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    used: NDArray[np.int64]
    lower_bound: NDArray[np.float64]
    bound_exponent: NDArray[np.int64]

    __repr__ = brief_repr

    @classmethod
    def empty(cls, num_rows: int, num_levels: int) -> "Codebooks":
        """Arrays to be filled: levels of 0, infinite thresholds, all levels in use, nothing proven.

        Args:
            num_rows: R.
            num_levels: K >= 1.
        """
        return cls(
            np.zeros((num_rows, num_levels)),
            np.full((num_rows, num_levels - 1), np.inf),
            np.full(num_rows, num_levels, dtype=np.int64),
            np.full(num_rows, np.nan),
            np.zeros(num_rows, dtype=np.int64),
        )

    @classmethod
    def of_levels(cls, levels: NDArray[np.float64], thresholds: NDArray[np.float64]) -> "Codebooks":
        """Codebooks with all their levels in use and nothing proven.

        Args:
            levels: of each row, non-decreasing, shape ``[R, K]``; kept, not copied.
            thresholds: between them, shape ``[R, K - 1]``; kept, not copied.
        """
        num_rows, num_levels = levels.shape
        books = cls.empty(num_rows, num_levels)
        return cls(levels, thresholds, books.used, books.lower_bound, books.bound_exponent)

    def put(self, row: int, codebook: Codebook, lower_bound: LowerBound = LowerBound()) -> None:  # noqa: B008
        """Fills one row, and repeats the last level behind those in use.

        Args:
            row: which one, from 0.
            codebook: of at most K levels.
            lower_bound: what is proven of codebooks of its size; nothing unless given.
        """
        count = codebook.num_levels
        self.levels[row, :count] = codebook.levels
        self.levels[row, count:] = codebook.levels[-1]
        self.thresholds[row, : count - 1] = codebook.thresholds
        self.thresholds[row, count - 1 :] = np.inf
        self.used[row] = count
        self.lower_bound[row], self.bound_exponent[row] = lower_bound

    def put_rows(self, rows: NDArray[np.intp], books: "Codebooks") -> None:
        """Fills several rows with codebooks of the same K.

        Args:
            rows: which ones, from 0, shape ``[m]``.
            books: m codebooks, in the order of ``rows``.
        """
        self.levels[rows], self.thresholds[rows] = books.levels, books.thresholds
        self.used[rows] = books.used
        self.lower_bound[rows], self.bound_exponent[rows] = books.lower_bound, books.bound_exponent

    def padded(self, num_levels: int) -> "Codebooks":
        """The same codebooks with room for ``num_levels`` >= K.

        Args:
            num_levels: how many levels each row has room for afterwards, at least the present K.
        """
        missing = num_levels - self.levels.shape[1]
        if missing == 0:
            return self
        levels = np.pad(self.levels, ((0, 0), (0, missing)), mode="edge")
        thresholds = np.pad(self.thresholds, ((0, 0), (0, missing)), constant_values=np.inf)
        return Codebooks(levels, thresholds, self.used, self.lower_bound, self.bound_exponent)

    def row(self, index: int) -> Codebook:
        """The codebook of one row, without what pads it.

        Args:
            index: which one, from 0.
        """
        count = int(self.used[index])
        return Codebook(self.levels[index, :count], self.thresholds[index, : count - 1])
