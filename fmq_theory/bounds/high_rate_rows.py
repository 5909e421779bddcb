"""High-rate laws of all rows of a tensor at once: what ``predict`` says of each row as a source."""

import math
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

from fmq_theory.bounds.equal_mass_sums import S_INFINITY
from fmq_theory.bounds.predict import PREDICTED_SCHEMES, predict
from fmq_theory.errors import SchemeError
from fmq_theory.kernels.row_tails import best_range_costs, mean_excesses, side_squares
from fmq_theory.kernels.runtime.threads import run_blocks
from fmq_theory.kernels.sums.ranks import nearest_to_zero
from fmq_theory.sources.sorted_rows import SortedRows
from fmq_theory.sources.spacings import num_buckets

__all__ = ["HighRateRows"]

FloatArray = NDArray[np.float64]

_THIRD = 1.0 / 3.0
_MANY_WEIGHTS = 2**17


class HighRateRows:
    """The high-rate distortion of each row, for any scheme and K; shape ``[R]``.

    What does not depend on K (spacings, ranges, magnitudes) is worked out once. Constant rows have
    distortion 0. Rows that need units of their own are asked for one by one.

    Args:
        rows: the sorted weights.
    """

    def __init__(self, rows: SortedRows) -> None:
        self._rows = rows
        self._constant = rows.low() == rows.high()
        self._alone = np.flatnonzero(rows.needs_own_units() & ~self._constant)
        # A pool costs more than it saves on few weights.
        self._threads = rows.threads if rows.points.size >= _MANY_WEIGHTS else 1
        self._panter_dite: FloatArray | None = None
        self._sides: tuple[FloatArray, FloatArray, FloatArray] | None = None

    def distortion(self, scheme_name: str, num_levels: int) -> FloatArray | None:
        """The mean squared error that the scheme's high-rate law gives each row with K levels, shape ``[R]``.

        Args:
            scheme_name: one of ``PREDICTED_SCHEMES``, ``power:ALPHA``, ``ecq:LAMBDA``, ``published:RULE``.
            num_levels: K >= 2.

        Returns:
            None where there is no such law for data, or some row has too few levels for it.

        Raises:
            SchemeError: an unknown scheme, or K < 2.
        """
        if num_levels < 2:
            raise SchemeError(f"num_levels = {num_levels}", "a high-rate law needs two levels", "pass K >= 2")
        rule = _RULES.get(scheme_name)
        if rule is None:
            # Powers other than the named ones.
            several = np.flatnonzero(~self._constant)
            return self._one_by_one(scheme_name, num_levels, np.zeros(self._rows.shape[0]), several)
        with np.errstate(all="ignore"):  # in rows that are replaced below
            found = rule(self, num_levels)
        if found is None:
            return None
        found[self._constant] = 0.0
        return self._one_by_one(scheme_name, num_levels, found, self._alone)

    def _one_by_one(
        self, scheme_name: str, num_levels: int, found: FloatArray, rows: Iterable[int]
    ) -> FloatArray | None:
        """``found`` with some rows predicted by themselves; a scheme without a law is known by the first."""
        for index in rows:
            row = self._rows.row(int(index))
            bound = predict(scheme_name, row, num_levels, self._rows.shape[1]).own.high_rate
            if bound is None:
                return None
            found[index] = bound.value
        return found

    def uniform(self, num_levels: int) -> FloatArray:
        """R^2 / (3 (K-1)^2), R half the range."""
        half = 0.5 * self._rows.high() - 0.5 * self._rows.low()
        return half * half / (3.0 * (num_levels - 1) ** 2)

    def best_range(self, num_levels: int) -> FloatArray:
        """See ``best_range_high_rate``."""
        return self._by_blocks(best_range_costs, num_levels) / self._rows.shape[1]

    def equal_mass(self, num_levels: int) -> FloatArray:
        """See ``equal_mass_from_data``."""
        excesses = self._by_blocks(mean_excesses, num_levels)
        return S_INFINITY / num_levels * np.square(excesses).sum(axis=1)

    def _by_blocks(
        self, kernel: Callable[[NDArray[np.floating], FloatArray, int], FloatArray], num_levels: int
    ) -> FloatArray:
        """What the kernel says of each row, several blocks of rows at a time."""
        points, blocks = self._rows.points, self._rows.blocks
        count = self._rows.shape[0]
        return np.concatenate(
            run_blocks(lambda a, b: kernel(points[a:b], blocks[a:b], num_levels), count, self._threads)
        )

    def panter_dite(self, num_levels: int) -> FloatArray:
        """I(1/3)^3 / (12 K^2), the density read off spacings (see ``Spacings``)."""
        constant = self._panter_dite
        if constant is None:
            size = self._rows.shape[1]
            buckets = min(num_buckets(size), max(1, size - 1))
            count = max(1.0, (size - 1.0) / buckets)
            edges = self._rows.quantile_linear(np.linspace(0.0, 1.0, buckets + 1))
            widths = np.diff(edges, axis=1)
            widths *= buckets
            power = np.cbrt(widths)
            plain = np.square(power, out=power).mean(axis=1)
            log_bias = gammaln(count + 2.0 * _THIRD) - gammaln(count) - 2.0 * _THIRD * math.log(count)
            constant = self._panter_dite = (plain / math.exp(float(log_bias))) ** 3 / 12.0
        return constant / num_levels**2

    def log2(self, num_levels: int) -> FloatArray | None:
        """See ``log2_high_rate``."""
        near, far, squares = self._magnitudes()
        total = np.zeros(near.shape[0])
        num_levels = min(num_levels, self._rows.shape[1])
        present = ~np.isnan(near)
        # Half of the levels on each side, or all on the only one.
        count = np.where(present.all(axis=1), num_levels // 2, num_levels)
        if bool((count[~self._constant] < 2).any()):
            return None
        for side in (0, 1):
            step = (np.log(far[:, side]) - np.log(near[:, side])) / (count - 1)
            total += np.where(present[:, side], step * step * squares[:, side], 0.0)
        return total / (12.0 * self._rows.shape[1])

    def _magnitudes(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Least and greatest magnitude of each side, and the squares beyond the least; ``[R, 2]`` each."""
        if self._sides is None:
            rows = self._rows
            near = np.abs(nearest_to_zero(rows.points))
            far = np.abs(np.column_stack((rows.low(), rows.high())))
            self._sides = near, far, side_squares(rows.points, rows.blocks)
        return self._sides


def _no_law(_rows: HighRateRows, _num_levels: int) -> None:
    return None


_RULES: dict[str, Callable[[HighRateRows, int], FloatArray | None]] = {
    "uniform": HighRateRows.uniform,
    "uniform_clipped": HighRateRows.best_range,
    "equal_mass": HighRateRows.equal_mass,
    "power:1": HighRateRows.equal_mass,
    "pwl": _no_law,
    "log2": HighRateRows.log2,
    "panter_dite": HighRateRows.panter_dite,
    "lloyd_max": HighRateRows.panter_dite,
    **dict.fromkeys(set(PREDICTED_SCHEMES) & {"ecq", "nf4", "fp4"}, _no_law),
}
