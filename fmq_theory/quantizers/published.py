"""The schemes of the published comparison in float32, the arithmetic in which they were run."""

from dataclasses import dataclass
from typing import ClassVar, get_args

import numpy as np
from numpy.typing import NDArray

from fmq_theory.codebook import Codebook, Codebooks
from fmq_theory.errors import SchemeError
from fmq_theory.kernels.codes.encode import counts_rows
from fmq_theory.quantizers.published_rules import RULES, PublishedRule
from fmq_theory.quantizers.scheme import Promise, Scheme
from fmq_theory.sources.empirical import Empirical
from fmq_theory.sources.sorted_rows import SortedRows
from fmq_theory.sources.source import Source

__all__ = ["Published"]


@dataclass(frozen=True, slots=True)
class Published(Scheme):
    """A published rule in float32 throughout: "published:equal_mass", ":uniform", ":pwl" or ":log2".

    Weights are rounded to float32 first. Means, divisions, quantiles and logarithms are those of the
    authors' scripts, which run on numpy and torch in the type of the weights; ``published_rules``
    states each rule. The schemes without the prefix are the same rules with sums and divisions in
    float64 or better, a stable order of ties for equal mass, and two cases of log2 mended. On float32
    weights the two differ in the last digits of the levels, and in the code of a weight that is
    half-way between two levels, or tied at a threshold.

    In 21,840 comparisons, each of a float32 channel of 1 to 1,025 weights (Gaussian, heavy-tailed, of one
    sign, with zeros, with ties) at one bit-width, each rule was once equal, bit for bit, to the function
    of the scripts, on one machine and with numpy 2.4, but for the sign of the level of zeros between two
    levels of one magnitude. Their code is not used here. numpy does not promise how its default sort
    orders ties, so which of several equal weights gets which level may differ elsewhere. Which tensors
    the scripts skip is not a matter of the rule.

    Attributes:
        rule: "equal_mass", "uniform", "pwl" or "log2".

    Raises:
        SchemeError: no such rule.

    Reference:
        github.com/Quantized-FM/LowBit-HighFid, folder quantizerFunctions (theory section 0).

    Examples:
        The mean of 21 times 0.1 is 0.1; numpy's sum in float32 is off in the last digit:

        >>> import numpy as np
        >>> import fmq_theory
        >>> row = np.append(np.full(3 * 7, 0.1, dtype=np.float32), np.arange(1, 22, dtype=np.float32))
        >>> for scheme in ("equal_mass", "published:equal_mass"):
        ...     print(fmq_theory.quantize(row, scheme, bits=1).codebooks[0, 0])
        0.1
        0.099999994
    """

    rule: PublishedRule

    promises: ClassVar[frozenset[Promise]] = frozenset()  # float32 rounding breaks each of them

    def __post_init__(self) -> None:
        if self.rule not in get_args(PublishedRule):
            raise SchemeError(
                f"scheme 'published:{self.rule}'",
                "no rule of that name was published",
                f"choose one of {', '.join(get_args(PublishedRule))}",
            )

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]  # one class, four schemes
        """The prefix and the rule, as ``get_scheme`` reads it."""
        return f"published:{self.rule}"

    def _design(self, source: Source, num_levels: int) -> Codebook:
        """The codebook of one channel, its levels brought in order where rounding has swapped two."""
        if not isinstance(source, Empirical) or source.is_weighted:
            raise SchemeError(
                f"scheme {self.name!r}",
                "the published rules are rules for weights, all of the same importance",
                f"use scheme {self.rule!r}",
            )
        row = np.ascontiguousarray(source.sorted_weights, dtype=np.float64)[np.newaxis]
        books, _ = self.quantize_rows(row, num_levels, 1)
        levels = np.maximum.accumulate(books.levels[0, : books.used[0]])
        return Codebook(levels, np.clip(books.thresholds[0, : books.used[0] - 1], levels[:-1], levels[1:]))

    def _design_rows(self, rows: SortedRows, num_levels: int) -> Codebooks:
        return self.quantize_rows(rows.points, num_levels, rows.threads)[0]

    def quantize_rows(
        self,
        rows: NDArray[np.floating],
        num_levels: int,
        threads: int,  # noqa: ARG002
    ) -> tuple[Codebooks, NDArray[np.uint8]]:
        """Codebooks and codes as the rule makes them of the rows in float32, one thread.

        Args:
            rows: finite weights, float32 or float64, contiguous, shape ``[R, C]``.
            num_levels: K <= 256.
            threads: not used: numpy's own functions do the work.

        Returns:
            the codebooks, and codes of the shape of ``rows``.

        Raises:
            SchemeError: a weight, or what the rule makes of it, exceeds float32, or all are 0 in it; or see
                ``published_rules``.
        """
        num_levels = self._checked(num_levels)
        with np.errstate(over="ignore"):
            narrow = np.ascontiguousarray(rows, dtype=np.float32)
        if not np.isfinite(narrow).all():
            raise SchemeError(
                f"scheme {self.name!r}", "a weight exceeds float32", "scale the weights towards 1"
            )
        if not narrow.any() and rows.any():
            raise SchemeError(
                f"scheme {self.name!r}", "every weight is 0 in float32", "scale the weights towards 1"
            )
        books = Codebooks.empty(len(narrow), num_levels)
        codes = np.zeros(narrow.shape, dtype=np.uint8)
        lowest, highest = narrow.min(axis=1), narrow.max(axis=1)
        books.levels[:] = lowest[:, np.newaxis]
        books.used[:] = 1
        kept = (lowest == highest) & ((lowest == 0.0) | (self.rule == "uniform"))
        at = np.flatnonzero(~kept)
        if at.size:
            with np.errstate(over="ignore", invalid="ignore"):  # told below
                levels, codes[at], books.used[at] = RULES[self.rule](narrow[at], num_levels)
            if not np.isfinite(levels).all():
                raise SchemeError(
                    f"scheme {self.name!r}",
                    "a sum or a power of these weights exceeds float32, in which the rule is computed",
                    f"scale the weights towards 1, or use scheme {self.rule}",
                )
            width = levels.shape[1]
            books.levels[at, :width], books.levels[at, width:] = levels, levels[:, -1:]
            middle = 0.5 * books.levels[at, :-1] + 0.5 * books.levels[at, 1:]
            books.thresholds[at] = np.where(np.arange(1, num_levels) < books.used[at, None], middle, np.inf)
        return books, codes

    def encode_rows(self, books: Codebooks, rows: NDArray[np.floating], threads: int) -> NDArray[np.uint8]:
        return self.quantize_rows(rows, books.levels.shape[1], threads)[1]

    def _cells_of_rows(self, rows: SortedRows, num_levels: int) -> tuple[Codebooks, NDArray[np.int64]]:
        """From the codes."""
        books, codes = self.quantize_rows(rows.points, num_levels, rows.threads)
        counts = counts_rows(codes, num_levels, rows.threads)
        return books, np.concatenate(
            (np.zeros((len(counts), 1), dtype=np.int64), np.cumsum(counts, axis=1)), axis=1
        )

    @property
    def encodes_by_value(self) -> bool:
        """False: codes are made of rows by the rule, never of values by thresholds."""
        return False

    def codebook_overhead(self, num_levels: int) -> int:
        """The least level and the step for uniform, the four ends for log2, else the levels.

        A file of ``fmq quantize`` stores all levels of these schemes nevertheless: its rules round otherwise.
        """
        return min({"uniform": 2, "log2": 4}.get(self.rule, num_levels), num_levels)
