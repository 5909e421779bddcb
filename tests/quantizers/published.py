"""The published schemes, transcribed from their descriptions line by line, for one channel each.

Nothing of fmq_theory is used here. Each function returns the quantized values, in the type of the weights: in
float64 they are what the schemes do up to rounding, in float32 what ``published:*`` does to the bit.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def equal_mass(x: Array, bits: int) -> Array:
    """K = min(2^b, n); sorted values split as numpy.array_split does; levels are cell means."""
    order = np.argsort(x)
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
    return (0.5 * (edges[cell] + edges[cell + 1])).astype(x.dtype)


def log2(x: Array, bits: int, *, middle_of_one: bool = False) -> Array:
    """K = min(2^b, n); K/2 levels a sign, all K if there is one, even in log2; nearest; zeros to the least.

    The description leaves a single level a side open: numpy.linspace gives the smallest magnitude, and
    ``middle_of_one`` the middle in log2.
    """
    num_levels = min(2**bits, x.size)
    levels: list[Any] = []
    signs = [sign for sign in (-1, 1) if (np.sign(x) == sign).any()]
    if not signs:
        return x.copy()
    for sign in signs:
        magnitudes = np.abs(x[np.sign(x) == sign])
        count = max(1, num_levels // len(signs))
        if count == 1 and middle_of_one:
            levels.append(sign * np.sqrt(magnitudes.min()) * np.sqrt(magnitudes.max()))
        else:
            ends = np.log2(magnitudes.min()), np.log2(magnitudes.max())
            levels += list(sign * np.exp2(np.linspace(*ends, count, dtype=x.dtype)))
    table = np.sort(np.array(levels, dtype=x.dtype))
    return table[np.argmin(np.abs(x[:, None] - table[None, :]), axis=1)]
