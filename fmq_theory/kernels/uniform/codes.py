"""Codes of equally spaced levels by the published rule."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel

__all__ = ["uniform_codes", "uniform_ends"]


@kernel
def _code(x: float, first: float, step: float, last: float) -> float:
    """rint((x - first) / step), half to even, held to [0, last]."""
    return min(max(np.rint((np.float64(x) - first) / step), 0.0), last)


@kernel
def uniform_codes(
    rows: NDArray[np.floating],
    low: NDArray[np.float64],
    scale: NDArray[np.float64],
    top: NDArray[np.int64],
    codes: NDArray[np.uint8],
) -> None:
    """rint((x - low) / scale), half to even, in float64, held to [0, top]: row by row.

    Args:
        rows: shape ``[R, C]``.
        low: the first level of each row, shape ``[R]``.
        scale: the step of each row, above zero, shape ``[R]``.
        top: the last code of each row, shape ``[R]``.
        codes: filled, shape ``[R, C]``.
    """
    for r in range(rows.shape[0]):
        first, step, last = low[r], scale[r], np.float64(top[r])
        for c in range(rows.shape[1]):
            codes[r, c] = np.uint8(_code(rows[r, c], first, step, last))


@kernel
def uniform_ends(
    points: NDArray[np.floating],
    low: NDArray[np.float64],
    scale: NDArray[np.float64],
    top: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> None:
    """How many sorted points of each row have a code of ``uniform_codes`` below k, for each k.

    Args:
        points: non-decreasing along the second axis, shape ``[R, C]``.
        low: see ``uniform_codes``.
        scale: see ``uniform_codes``.
        top: see ``uniform_codes``.
        ends: filled, shape ``[R, K + 1]``.
    """
    for r in range(points.shape[0]):
        first, step, last = low[r], scale[r], np.float64(top[r])
        start = 0
        for k in range(ends.shape[1]):
            # (x - low) / scale, rounded, never falls as x rises: the code is monotone.
            stop = points.shape[1]
            while start < stop:
                middle = (start + stop) // 2
                if _code(points[r, middle], first, step, last) < k:
                    start = middle + 1
                else:
                    stop = middle
            ends[r, k] = start
