"""Piecewise linear functions, one a row: what quantiles are read off."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel

__all__ = ["interpolated"]

FloatArray = NDArray[np.float64]


@kernel
def interpolated(x: FloatArray, y: FloatArray, at: FloatArray) -> FloatArray:
    """The piecewise linear function through (x[r, i], y[r, i]) at each point of ``at``, row by row.

    Args:
        x: non-decreasing, shape ``[R, m + 1]``.
        y: shape ``[R, m + 1]``.
        at: in [x[r, 0], x[r, m]], ascending, shape ``[k]``.

    Returns:
        shape ``[R, k]``.
    """
    found = np.empty((x.shape[0], at.size))
    for r in range(x.shape[0]):
        i = 0
        for k in range(at.size):
            while i + 2 < x.shape[1] and x[r, i + 1] <= at[k]:
                i += 1
            run, rise = x[r, i + 1] - x[r, i], y[r, i + 1] - y[r, i]
            found[r, k] = y[r, i] + rise * (at[k] - x[r, i]) / run if run > 0.0 else y[r, i]
    return found
