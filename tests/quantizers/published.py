"""The published schemes, transcribed from their descriptions line by line, for one channel each.

Nothing of fmq_theory is used here. Each function returns the quantized values, in the type of the weights: in
float32 they are what ``published:*`` does to the bit, in float64 what the schemes do up to rounding.
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
    edges = np.interp(np.linspace(0.0, 1.0, 2**bits + 1), np.linspace(0.0, 1.0, x.size), np.sort(x))
    return _midpoints(x, edges)


def pwl_by_quantile(x: Array, bits: int) -> Array:
    """The same with ``numpy.quantile``, which may round a border to the other side of a weight."""
    return _midpoints(x, np.quantile(x, np.linspace(0.0, 1.0, 2**bits + 1)))


def _midpoints(x: Array, edges: Array) -> Array:
    cell = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, edges.size - 2)
    return ((edges[:-1] + edges[1:]) / 2.0)[cell].astype(x.dtype)


def log2(x: Array, bits: int) -> Array:
    """K = min(2^b, n); K/2 levels a sign, K if none is negative; even in log2; nearest; zeros to least."""
    num_levels = min(2**bits, x.size)
    if num_levels == 1:
        return x.copy()
    out = np.zeros_like(x)
    for sign in (1, -1):
        mine = np.sign(x) == sign
        if not mine.any():
            continue
        magnitudes = sign * x[mine]
        count = num_levels if sign == 1 and (x >= 0.0).all() else num_levels // 2
        low, high = (float(np.log(end)) / np.log(2.0) for end in (magnitudes.min(), magnitudes.max()))
        table = 2.0 ** np.linspace(low, high, count)
        if magnitudes.min() == magnitudes.max():
            table = magnitudes[:1].astype(np.float64)
        distance = np.abs(magnitudes.astype(np.float64)[:, None] - table)
        out[mine] = sign * table[np.argmin(distance, axis=1)]
    if (x == 0.0).any() and (x != 0.0).any():
        kept = np.sort(out[x != 0.0])[::-1]  # of two equal magnitudes the positive one
        out[x == 0.0] = kept[np.argmin(np.abs(kept))]
    return out


def log2_symmetric(x: Array, bits: int) -> Array:
    """The same for the scheme ``log2``: all K for one sign, whichever, and the middle for one level."""
    num_levels = min(2**bits, x.size)
    levels: list[float] = []
    signs = [sign for sign in (-1, 1) if (np.sign(x) == sign).any()]
    for sign in signs:
        magnitudes = sign * x[np.sign(x) == sign]
        low, high = np.log2(magnitudes.min()), np.log2(magnitudes.max())
        count = max(1, num_levels // len(signs))
        exponents = np.linspace(low, high, count) if count > 1 else np.array([(low + high) / 2.0])
        levels += list(sign * np.exp2(exponents))
    table = np.array(levels)
    return table[np.argmin(np.abs(x[:, None] - table[None, :]), axis=1)]
