"""The published schemes, transcribed from their descriptions line by line, for one channel each.

Nothing of fmq_theory is used here. Each function returns the quantized values.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def equal_mass(x: Array, bits: int) -> Array:
    """K = min(2^b, n); sorted values split as numpy.array_split does; levels are cell means."""
    order = np.argsort(x, kind="stable")
    out = np.empty_like(x)
    for cell in np.array_split(order, min(2**bits, x.size)):
        out[cell] = np.mean(x[cell])
    return out


def uniform(x: Array, bits: int) -> Array:
    """Levels on both end points, scale (max - min) / (2^b - 1), round half to even; constant untouched."""
    low, high = x.min(), x.max()
    if low == high:
        return x.copy()
    scale = (high - low) / (2**bits - 1)
    return np.round((x - low) / scale) * scale + low


def pwl(x: Array, bits: int) -> Array:
    """Cells between interpolated quantiles k/K; the level is the midpoint of its cell."""
    edges = np.quantile(x, np.linspace(0.0, 1.0, 2**bits + 1))
    cell = np.digitize(x, edges[1:-1])
    return 0.5 * (edges[cell] + edges[cell + 1])


def log2(x: Array, bits: int) -> Array:
    """Per sign K/2 levels even in log2 between the magnitudes' ends; nearest; zeros to the smallest."""
    per_sign = 2 ** (bits - 1)
    levels: list[float] = []
    for sign in (-1.0, 1.0):
        magnitudes = np.abs(x[np.sign(x) == sign])
        if magnitudes.size and per_sign == 1:
            levels.append(sign * np.sqrt(magnitudes.min()) * np.sqrt(magnitudes.max()))
        elif magnitudes.size:
            exponents = np.linspace(np.log2(magnitudes.min()), np.log2(magnitudes.max()), per_sign)
            levels += list(sign * 2.0**exponents)
    table = np.array(levels)
    return table[np.argmin(np.abs(x[:, None] - table[None, :]), axis=1)]
