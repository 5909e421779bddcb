"""Running double-double sums of w, w z and w z**2: every cell statistic is a difference of two rows.

All points have a row only where the sums are asked for (``prefix_rows``, ``prefix_from_moments``). Sorted
data keep a row for each block of 64 points (``block_prefix``), from which any other follows by at most 63
additions: 10**7 weights then cost 7.5 MB of sums instead of 480.
"""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.runtime.simd import LANES
from fmq_theory.kernels.sums.double_double import dd_add, dd_multiply, two_product, two_sum

__all__ = [
    "BLOCK",
    "block_prefix",
    "block_prefix_of_rows",
    "fill_block_prefix",
    "num_blocks",
    "prefix_from_moments",
    "prefix_rows",
]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]
Points = NDArray[np.floating]

# Points a block.
BLOCK = 64

# Columns: 0 mass, 1 first_hi, 2 first_lo, 3 second_hi, 4 second_lo, 5 mass_lo.
# The low part of the mass is last: it is zero for counts, and only real weights need it.


@kernel
def _append(
    before: FloatArray,
    after: FloatArray,
    mass: float,
    first_hi: float,
    first_lo: float,
    second_hi: float,
    second_lo: float,
) -> None:
    after[0], after[5] = dd_add(before[0], before[5], mass, 0.0)
    after[1], after[2] = dd_add(before[1], before[2], first_hi, first_lo)
    after[3], after[4] = dd_add(before[3], before[4], second_hi, second_lo)


@kernel
def _copy(source: FloatArray, target: FloatArray) -> None:
    """target[:] = source, which as an assignment takes numba seconds to compile."""
    for i in range(6):
        target[i] = source[i]


@kernel
def _append_point(row: FloatArray, point: float, weight: float) -> None:
    first_hi, first_lo = two_product(weight, point)
    second_hi, second_lo = dd_multiply(first_hi, first_lo, point, 0.0)
    _append(row, row, weight, first_hi, first_lo, second_hi, second_lo)


@kernel
def num_blocks(num_points: int) -> int:
    """Blocks that hold so many points; the last may be shorter."""
    return (num_points + BLOCK - 1) // BLOCK


@kernel
def block_prefix(points: Points, mass: FloatArray) -> FloatArray:
    """Row b holds the sums over the first min(64 b, m) points.

    Args:
        points: sorted or not, shape ``[m]``; float32, or float64 below about 1e100 so that squares stay
            in range.
        mass: positive masses w, shape ``[m]``; shape ``[0]`` where all are 1.

    Returns:
        shape ``[ceil(m / 64) + 1, 6]``: mass, first_hi, first_lo, second_hi, second_lo, mass_lo.
    """
    blocks = np.zeros((num_blocks(points.size) + 1, 6))
    fill_block_prefix(points, mass, blocks)
    return blocks


@kernel
def fill_block_prefix(points: Points, mass: FloatArray, blocks: FloatArray) -> None:
    """``block_prefix`` into ``blocks``, whose first row is zero."""
    num_points = points.size
    first, first_lo = np.empty(LANES), np.empty(LANES)
    second, second_lo = np.empty(LANES), np.empty(LANES)
    row = np.empty(6)
    for b in range(blocks.shape[0] - 1):
        start = b * BLOCK
        stop = min(start + BLOCK, num_points)
        _copy(blocks[b], row)
        if mass.size > 0 or stop < start + BLOCK:
            for j in range(start, stop):
                _append_point(row, np.float64(points[j]), mass[j] if mass.size > 0 else 1.0)
        else:
            first[:] = 0.0
            first_lo[:] = 0.0
            second[:] = 0.0
            second_lo[:] = 0.0
            for chunk in range(start, stop, LANES):
                for lane in range(LANES):
                    z = np.float64(points[chunk + lane])
                    first[lane], error = two_sum(first[lane], z)
                    first_lo[lane] += error
                    square, lost = two_product(z, z)
                    second[lane], error = two_sum(second[lane], square)
                    second_lo[lane] += error + lost
            for lane in range(LANES):
                row[1], row[2] = dd_add(row[1], row[2], first[lane], first_lo[lane])
                row[3], row[4] = dd_add(row[3], row[4], second[lane], second_lo[lane])
            row[0] += BLOCK
        _copy(row, blocks[b + 1])


@kernel
def block_prefix_of_rows(points: Points) -> FloatArray:
    """``block_prefix`` of each row without masses, shape ``[R, B, 6]``."""
    no_mass = np.empty(0)
    blocks = np.zeros((points.shape[0], num_blocks(points.shape[1]) + 1, 6))
    for r in range(points.shape[0]):
        fill_block_prefix(points[r], no_mass, blocks[r])
    return blocks


@kernel
def prefix_rows(points: Points, mass: FloatArray, blocks: FloatArray, index: IndexArray) -> FloatArray:
    """The sums over the first index[j] points.

    Args:
        points: shape ``[m]``.
        mass: shape ``[m]``, or ``[0]`` where all are 1.
        blocks: from ``block_prefix``.
        index: in [0, m]; fastest where it ascends; shape ``[k]``.

    Returns:
        shape ``[k, 6]``.
    """
    rows = np.empty((index.size, 6))
    # The sums stay in registers: as a row of memory they take twice the time.
    m = m_lo = f = f_lo = s = s_lo = 0.0
    done = -1
    for j in range(index.size):
        stop = index[j]
        block = stop // BLOCK
        if done < block * BLOCK or done > stop:
            before = blocks[block]
            m, f, f_lo, s, s_lo, m_lo = before[0], before[1], before[2], before[3], before[4], before[5]
            done = block * BLOCK
        for i in range(done, stop):
            z = np.float64(points[i])
            weight = mass[i] if mass.size > 0 else 1.0
            first, first_lo = two_product(weight, z)
            second, second_lo = dd_multiply(first, first_lo, z, 0.0)
            m, m_lo = dd_add(m, m_lo, weight, 0.0)
            f, f_lo = dd_add(f, f_lo, first, first_lo)
            s, s_lo = dd_add(s, s_lo, second, second_lo)
        done = stop
        here = rows[j]
        here[0], here[1], here[2], here[3], here[4], here[5] = m, f, f_lo, s, s_lo, m_lo
    return rows


@kernel
def prefix_from_moments(mass: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    """The sums over the first j buckets, for each j, from their moments about zero.

    Args:
        mass: shape ``[m]``.
        first: shape ``[m]``.
        second: shape ``[m]``.

    Returns:
        shape ``[m + 1, 6]``.
    """
    prefix = np.zeros((mass.size + 1, 6))
    for j in range(mass.size):
        _append(prefix[j], prefix[j + 1], mass[j], first[j], 0.0, second[j], 0.0)
    return prefix
