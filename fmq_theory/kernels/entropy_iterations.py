"""Lloyd iterations with a price on the bits of an ideal code, for sorted points."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.sums.cells import cell_moments
from fmq_theory.kernels.sums.prefix import prefix_rows
from fmq_theory.kernels.sums.ranks import rank

__all__ = ["Cells", "PricedPoints", "entropy_iterations"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]


class PricedPoints(NamedTuple):
    """Sorted points, their sums, and what a bit costs.

    Attributes:
        exact: the points in the units of the data, shape ``[m]``.
        points: z = (x - origin) / 2**exponent, whose sums ``blocks`` holds, shape ``[m]``.
        mass: of each point, shape ``[m]``; shape ``[0]`` where all are 1.
        blocks: running sums, see ``sums/prefix.py``.
        origin: see ``points``.
        exponent: see ``points``.
        multiplier: mu, the Lagrange multiplier of the entropy, in squared units of the data a bit.
    """

    exact: NDArray[np.floating]
    points: NDArray[np.floating]
    mass: FloatArray
    blocks: FloatArray
    origin: float
    exponent: int
    multiplier: float


class Cells(NamedTuple):
    """Room for K cells, of which the first few are in use. Numba takes seconds to compile slices.

    Attributes:
        levels: shape ``[K]``.
        thresholds: the upper one of each cell but the last, shape ``[K]``.
        share: of the mass, shape ``[K]``.
        places: of the first points, shape ``[K + 1]``.
        starts: 0, 1, ..., K - 1.
        stops: 1, 2, ..., K.
        centres: shape ``[K]``.
    """

    levels: FloatArray
    thresholds: FloatArray
    share: FloatArray
    places: IndexArray
    starts: IndexArray
    stops: IndexArray
    centres: FloatArray


@kernel
def entropy_iterations(data: PricedPoints, cells: Cells, tolerance: float, most: int) -> tuple[int, float]:
    """Means of the cheapest cells, again and again, until J = D + mu H falls by less than the tolerance.

    A point goes to the level with the least (x - c_k)**2 + mu len_k, len_k = -log2 p_k, and each level to the
    mean of its cell; neither raises J. Cells without points go.

    Args:
        data: the points.
        cells: begins with K levels inside the range of the points, and the thresholds between them; ends with
            the levels found, the thresholds between them, and the share of the mass of each.
        tolerance: of J, an iteration.
        most: iterations.

    Returns:
        How many levels are left, and J.
    """
    count, cost = _centroids(data, cells, cells.levels.size)
    for _ in range(most):
        count, following = _centroids(data, cells, _cheapest(cells, count, data.multiplier))
        fall, cost = cost - following, following
        if fall <= tolerance * cost:
            break
    return count, cost


@kernel
def _centroids(data: PricedPoints, cells: Cells, count: int) -> tuple[int, float]:
    """Moves the levels to the means of their cells, drops cells without points; how many are left, and J."""
    size = data.exact.size
    low, high = np.float64(data.exact[0]), np.float64(data.exact[size - 1])
    for k in range(cells.levels.size):
        # Cells beyond those in use are empty ones at the end.
        place = cells.places[k]
        if k == 0:
            place = size - size  # no literal: numba would compile the callee once more for it
        cells.places[k] = place
        cells.places[k + 1] = rank(data.exact, cells.thresholds[k], place, size) if k < count - 1 else size
        level = cells.levels[k] if k < count else high
        cells.centres[k] = math.ldexp(level - data.origin, -data.exponent)
    rows = prefix_rows(data.points, data.mass, data.blocks, cells.places)
    mass, first, second = cell_moments(rows, cells.starts, cells.stops, cells.centres)
    total = data.blocks[data.blocks.shape[0] - 1, 0]
    used = 0
    error = bits = 0.0
    border = low
    for k in range(count):
        left = border
        border = cells.thresholds[k] if k < count - 1 else math.inf
        if mass[k] <= 0.0:
            continue
        p = mass[k] / total
        moment = math.ldexp(first[k] / total, data.exponent)
        offset = moment / p
        cells.levels[used] = min(max(cells.levels[k] + offset, max(low, left)), min(high, border))
        cells.thresholds[used] = border
        cells.share[used] = p
        # In the units of the points first: there the squares stay in float64.
        error += math.ldexp(second[k] / total, 2 * data.exponent) - offset * moment
        bits -= p * math.log2(p)
        used += 1
    return used, error + data.multiplier * bits


@kernel
def _cheapest(cells: Cells, count: int, multiplier: float) -> int:
    """Keeps the levels that are cheapest somewhere, with the thresholds between them; how many they are.

    The lower envelope of the parabolas (x - c_k)**2 + mu len_k. They differ by straight lines, so two of them
    cross once, and a parabola is absent if its predecessor leaves it after its successor has taken over.
    """
    kept = 0
    for k in range(count):
        level, share = cells.levels[k], cells.share[k]
        penalty = multiplier * -math.log2(share)
        absent = False
        while kept > 0:
            last = cells.levels[kept - 1]
            other = multiplier * -math.log2(cells.share[kept - 1])
            if level > last:
                end = 0.5 * level + 0.5 * last + 0.5 * (penalty - other) / (level - last)
                if kept == 1 or end > cells.thresholds[kept - 2]:
                    cells.thresholds[kept - 1] = end
                    break
            elif penalty >= other:  # two equal levels: the cheaper one stays
                absent = True
                break
            kept -= 1
        if not absent:
            cells.levels[kept], cells.share[kept] = level, share
            kept += 1
    return kept
