"""The squared error of what codes stand for: float64 with an exponent of its own, so that no square is lost.

A sum is cut into blocks of weights that depend on nothing but the length of a row, and the sums of the blocks
are added in their order: every number of threads gives the same bits. Where squares come near an end of
float64 the row is summed again in a unit of its own, a power of two.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.runtime.threads import run_blocks
from fmq_theory.kernels.sums.cells import cell_moments
from fmq_theory.kernels.sums.double_double import two_sum
from fmq_theory.kernels.sums.prefix import prefix_rows

__all__ = [
    "ScaledSums",
    "mean_of",
    "scaled_cell_errors",
    "scaled_squared_errors",
    "squared_error_rows",
    "squared_errors",
]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]
Codes = NDArray[np.uint8]
Points = NDArray[np.floating]

# Weights whose squares one task sums. It is part of the result: see above.
BLOCK = 1 << 16
# Squares that are summed in plain float64 before their sum is compensated, side by side in so many lanes.
CHUNK = 1024
LANES = 32
# A sum of squares between these has lost nothing: what underflowed is below 2**-120 of it.
SAFE_LEAST, SAFE_MOST = 2.0**-900, 2.0**1000
# Sums of cells about their levels are good to about 2**-95 of the squares of the row; below this share of
# them the weights are visited one by one. Rows beyond these magnitudes have sums that may have left float64.
CANCELLED = 2.0**-50
FRAME = 2.0**100


class ScaledSums(NamedTuple):
    """Sums values * 2**exponents, both of shape ``[R]``.

    Attributes:
        values: float64, zero only where the sum is zero.
        exponents: int64, zero where float64 has room for the sum.
    """

    values: FloatArray
    exponents: IndexArray

    def total(self) -> tuple[float, int]:
        """The sum over all rows as a value and an exponent; what is below 2**-1000 of it is left out."""
        present = self.values > 0.0
        values, exponents = self.values[present], self.exponents[present]
        if values.size == 0:
            return 0.0, 0
        if not exponents.any():
            return math.fsum(values.tolist()), 0
        fractions, more = np.frexp(values)
        exponents = exponents + more
        exponent = int(exponents.max())
        with np.errstate(under="ignore"):
            return math.fsum(np.ldexp(fractions, exponents - exponent).tolist()), exponent

    def as_floats(self) -> FloatArray:
        """The sums in float64: inf above it, its least positive number for what is positive and below it."""
        with np.errstate(over="ignore", under="ignore"):
            found = np.ldexp(self.values, self.exponents)
        return np.where((self.values > 0.0) & (found == 0.0), np.nextafter(0.0, 1.0), found)


def mean_of(total: tuple[float, int], count: float) -> float:
    """``total`` / ``count`` in float64: inf above it, and never zero unless the total is.

    Args:
        total: value and exponent, as ``ScaledSums.total`` gives them.
        count: > 0.
    """
    mean = ScaledSums(np.array([total[0] / count]), np.array([total[1]]))
    return float(mean.as_floats()[0])


def squared_error_rows(
    rows: Points, codes: Codes, levels: FloatArray, mass: FloatArray | None = None, threads: int = 1
) -> FloatArray:
    """sum w (x - levels[code])**2 of each row in float64; see ``scaled_squared_errors`` and ``as_floats``.

    Args:
        rows: see ``scaled_squared_errors``.
        codes: see ``scaled_squared_errors``.
        levels: see ``scaled_squared_errors``.
        mass: see ``scaled_squared_errors``.
        threads: see ``scaled_squared_errors``.
    """
    return scaled_squared_errors(rows, codes, levels, mass, threads).as_floats()


def scaled_squared_errors(
    rows: Points, codes: Codes, levels: FloatArray, mass: FloatArray | None = None, threads: int = 1
) -> ScaledSums:
    """sum w (x - levels[code])**2 of each row, compensated; the same bits for every number of threads.

    Args:
        rows: finite float32 or float64, shape ``[R, C]``.
        codes: below K, shape ``[R, C]``.
        levels: finite, shape ``[R, K]``.
        mass: w >= 0, shape ``[R, C]``; None where all are 1.
        threads: at most so many; no result depends on it.
    """
    num_rows, columns = rows.shape
    weights = np.empty((num_rows, 0)) if mass is None else mass
    blocks = -(-columns // BLOCK)
    sums = np.empty((num_rows, blocks))
    run_blocks(lambda a, b: _block_sums(rows, codes, levels, weights, a, b, sums), num_rows * blocks, threads)
    values, exponents = np.empty(num_rows), np.zeros(num_rows, dtype=np.int64)
    run_blocks(
        lambda a, b: _row_sums(
            rows[a:b], codes[a:b], levels[a:b], weights[a:b], sums[a:b], values[a:b], exponents[a:b]
        ),
        num_rows,
        threads,
    )
    return ScaledSums(values, exponents)


def scaled_cell_errors(
    points: Points, blocks: FloatArray, levels: FloatArray, ends: IndexArray, threads: int = 1
) -> ScaledSums:
    """sum (z - levels[k])**2 over the cells of sorted rows, from their running sums where these serve.

    Where the error is less than 2**-50 of the squares of the row, or the row lies beyond 2**+-100, the sums
    of a cell have cancelled or left float64, and the weights are visited one by one.

    Args:
        points: sorted float32 or float64, shape ``[R, C]``.
        blocks: their sums, from ``block_prefix_of_rows``.
        levels: finite, shape ``[R, K]``, K <= 256.
        ends: the first point of each cell and the end, shape ``[R, K + 1]``.
        threads: at most so many; no result depends on it.
    """
    num_rows = points.shape[0]
    values, exponents = np.empty(num_rows), np.zeros(num_rows, dtype=np.int64)

    def measure(a: int, b: int) -> None:
        values[a:b] = squared_errors(points[a:b], blocks[a:b], levels[a:b], ends[a:b])
        _visit_cancelled(points[a:b], levels[a:b], ends[a:b], values[a:b], exponents[a:b])

    run_blocks(measure, num_rows, threads)
    return ScaledSums(values, exponents)


@kernel
def squared_errors(
    points: Points, blocks: FloatArray, levels: FloatArray, ends: NDArray[np.int64]
) -> FloatArray:
    """sum (z - Q(z))**2 over each row, by the sums of each cell about its own level.

    Args:
        points: shape ``[R, C]``.
        blocks: their sums.
        levels: shape ``[R, K]``.
        ends: the first point of each cell and the end, shape ``[R, K + 1]``.

    Returns:
        shape ``[R]``.
    """
    no_mass = np.empty(0)
    cells = np.arange(levels.shape[1] + 1, dtype=np.int64)
    errors = np.empty(points.shape[0])
    for r in range(points.shape[0]):
        rows = prefix_rows(points[r], no_mass, blocks[r], ends[r])
        _, _, second = cell_moments(rows, cells[:-1], cells[1:], levels[r])
        errors[r] = second.sum()
    return errors


@kernel
def _squared_error(row: Points, code: Codes, level: FloatArray, mass: FloatArray) -> float:
    lanes = np.empty(LANES)
    total = lost = 0.0
    for start in range(0, row.size, CHUNK):
        lanes[:] = 0.0
        for i in range(start, min(start + CHUNK, row.size)):
            gap = np.float64(row[i]) - level[code[i]]
            lanes[i % LANES] += mass[i] * gap * gap if mass.size > 0 else gap * gap
        for lane in range(LANES):
            total, error = two_sum(total, lanes[lane])
            lost += error
    return total + lost


@kernel
def _block_sums(
    rows: Points, codes: Codes, levels: FloatArray, mass: FloatArray, first: int, last: int, sums: FloatArray
) -> None:
    """Of blocks first..last-1, counted row by row; ``sums`` has the shape ``[R, blocks]``."""
    for block in range(first, last):
        r, part = block // sums.shape[1], block % sums.shape[1]
        start = part * BLOCK
        stop = min(start + BLOCK, rows.shape[1])
        sums[r, part] = _squared_error(
            rows[r, start:stop], codes[r, start:stop], levels[r], mass[r, start:stop]
        )


@kernel
def _row_sums(
    rows: Points,
    codes: Codes,
    levels: FloatArray,
    mass: FloatArray,
    sums: FloatArray,
    values: FloatArray,
    exponents: IndexArray,
) -> None:
    """The sums of blocks in their order; rows whose squares may have left float64 again in their own unit."""
    for r in range(rows.shape[0]):
        total = lost = 0.0
        for part in range(sums.shape[1]):
            total, error = two_sum(total, sums[r, part])
            lost += error
        values[r] = total + lost
        if not SAFE_LEAST < values[r] < SAFE_MOST:  # nan too
            values[r], exponents[r] = _in_own_unit(rows[r], codes[r], levels[r], mass[r])


@kernel
def _gap(point: float, level: float) -> tuple[float, int]:
    """point - level as a fraction in [0.5, 1) and an exponent; (0, 0) where they are equal."""
    gap = point - level
    if np.isinf(gap):
        fraction, exponent = math.frexp(0.5 * point - 0.5 * level)
        return fraction, exponent + 1
    return math.frexp(gap)


@kernel
def _in_own_unit(row: Points, code: Codes, level: FloatArray, mass: FloatArray) -> tuple[float, int]:
    """The sum as value and exponent, in the unit of its largest term."""
    largest, is_zero = 0, True
    for i in range(row.size):
        if np.float64(row[i]) == level[code[i]]:  # of a row without error, every weight
            continue
        fraction, exponent = _gap(np.float64(row[i]), float(level[code[i]]))
        weight, weight_exponent = math.frexp(mass[i] if mass.size > 0 else 1.0)
        if weight > 0.0:
            here = 2 * exponent + weight_exponent
            largest = here if is_zero else max(largest, here)
            is_zero = False
    if is_zero:
        return 0.0, 0
    total = lost = 0.0
    for i in range(row.size):
        fraction, exponent = _gap(np.float64(row[i]), float(level[code[i]]))
        weight, weight_exponent = math.frexp(mass[i] if mass.size > 0 else 1.0)
        here = 2 * exponent + weight_exponent - largest
        if here > -1000:
            total, error = two_sum(total, math.ldexp(weight * fraction * fraction, here))
            lost += error
    return total + lost, largest


@kernel
def _visit_cancelled(
    points: Points, levels: FloatArray, ends: IndexArray, values: FloatArray, exponents: IndexArray
) -> None:
    size = points.shape[1]
    code, no_mass = np.empty(size, dtype=np.uint8), np.empty(0)
    for r in range(points.shape[0]):
        largest = max(abs(np.float64(points[r, 0])), abs(np.float64(points[r, size - 1])))
        scale = largest
        for k in range(levels.shape[1]):
            if ends[r, k + 1] > ends[r, k]:
                scale = max(scale, abs(levels[r, k]))
        is_framed = largest > 1.0 / FRAME and scale < FRAME
        if is_framed and values[r] > CANCELLED * (scale * scale * size):
            continue
        for k in range(levels.shape[1]):
            for i in range(ends[r, k], ends[r, k + 1]):
                code[i] = k
        values[r] = _squared_error(points[r], code, levels[r], no_mass)
        if not SAFE_LEAST < values[r] < SAFE_MOST:
            values[r], exponents[r] = _in_own_unit(points[r], code, levels[r], no_mass)
