"""Equally spaced levels on few points: the least squared error over all grids, by enumeration.

With u = 1 / step and v = -low / step the code of a point z is round(u z + v), held to [0, K - 1]. The lines
u z + v = k + 1/2, one for each point and each border of two codes, cut the half-plane u > 0 into faces, and
no code changes in a face. For given codes c the best grid is the regression of z on c, which leaves
sum w (z - mean)**2 - S_zc**2 / S_cc. Every face but those of K = 2 has a corner where two lines meet, so
it is enough to look at the faces around each corner.
"""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel

__all__ = ["best_grid_of_all"]

FloatArray = NDArray[np.float64]
Points = NDArray[np.floating]

# Corners times points, twice: some milliseconds.
MOST_WORK = 2_000_000
# A point this near to a border, in codes, is on it: several lines may meet where points are on a lattice.
ON_BORDER = 1e-9


@kernel
def _gain(total: float, first: float, square: float, product: float) -> float:
    """S_zc**2 / S_cc of codes with these sums of w, w c, w c**2 and w z c, where sum w z = 0."""
    spread = square - first * first / total
    return product * product / spread if spread > 0.0 and product > 0.0 else 0.0


@kernel
def best_grid_of_all(points: Points, mass: FloatArray, num_levels: int) -> tuple[float, float]:
    """The outer levels of the grid with the least squared error; they may lie outside the range.

    Args:
        points: sorted, not all equal, shape ``[m]``.
        mass: shape ``[m]``, or ``[0]`` where all are 1.
        num_levels: K >= 2.

    Returns:
        both nan where d**3 (K - 1)**2 > MOST_WORK for d distinct points, or squares exceed float64.
    """
    top, size = num_levels - 1, 1
    for p in range(1, points.size):
        size += points[p] > points[p - 1]
        # In floats: the cube of a million points and the square of 255 borders leave int64.
        if np.float64(size) ** 3 * np.float64(top) ** 2 > MOST_WORK:
            return np.nan, np.nan
    # Equal points count as one of their weight.
    weight, z = np.zeros(size), np.empty(size)
    total: float = 0.0
    mean: float = 0.0
    place = -1
    for p in range(points.size):
        if p == 0 or points[p] > points[p - 1]:
            place += 1
            z[place] = np.float64(points[p])
        w = mass[p] if mass.size > 0 else 1.0
        weight[place] += w
        total += w
        mean += w * z[place]
    mean /= total
    for p in range(size):
        z[p] -= mean
    best: float = 0.0
    best_first: float = 0.0
    best_square: float = 0.0
    best_product: float = 0.0
    if num_levels == 2:
        first, product = total, 0.0
        for p in range(size - 1):  # points up to p have code 0
            first -= weight[p]
            product -= weight[p] * z[p]
            gain = _gain(total, first, first, product)
            if gain > best:
                best, best_first, best_square, best_product = gain, first, first, product
    on = np.empty(size, dtype=np.int64)
    for i in range(size):
        for j in range(i + 1, size):
            for k in range(top):
                for m in range(k + 1, top):
                    u = (m - k) / (z[j] - z[i])
                    v = k + 0.5 - u * z[i]
                    first = square = product = 0.0
                    count = 0
                    for p in range(size):
                        at = u * z[p] + v
                        code = min(max(np.floor(at + 0.5), 0.0), float(top))
                        border = np.floor(at) + 0.5
                        if abs(at - border) < ON_BORDER and 0.0 < border < top:
                            on[count] = p
                            count += 1
                            code = border - 0.5
                        first += weight[p] * code
                        square += weight[p] * code * code
                        product += weight[p] * z[p] * code
                    # Around the corner, points on borders go up in order, first from the left, then from the
                    # right; with them all down or all up there are 2 * count faces.
                    for side in range(2):
                        a: float = float(first)
                        b: float = float(square)
                        c: float = float(product)
                        for r in range(count + 1):
                            gain = _gain(total, a, b, c)
                            if gain > best:
                                best, best_first, best_square, best_product = gain, a, b, c
                            if r < count:
                                q = int(on[r] if side == 0 else on[count - 1 - r])
                                low = np.floor(u * z[q] + v)
                                a += weight[q]
                                b += weight[q] * (2.0 * low + 1.0)
                                c += weight[q] * z[q]
    spread = best_square - best_first * best_first / total
    if not (0.0 < best < np.inf and 0.0 < spread < np.inf):  # squares beyond float64
        return np.nan, np.nan
    step = best_product / spread
    low = mean - step * best_first / total
    return low, low + top * step
