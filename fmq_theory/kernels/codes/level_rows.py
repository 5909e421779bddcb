"""Levels of many rows from the few numbers that they are stored as; the sums and products of float64."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel

__all__ = ["scaled_tables", "spaced_levels"]

Reals = NDArray[np.floating]


def spaced_levels(ends: Reals, levels: Reals) -> None:
    """levels[r, k] = low + k (high - low) / (K - 1), the last one high, none outside of the two.

    Args:
        ends: low and high of each row, C-contiguous, shape ``[R, 2]``.
        levels: what is written, shape ``[R, K]``, K >= 2.
    """
    _spaced(_read_only(ends), levels)


def scaled_tables(scales: Reals, table: NDArray[np.float64], levels: Reals) -> None:
    """levels[r, k] = table[k] * scales[r]; minus the scale where that is not positive.

    Args:
        scales: C-contiguous, shape ``[R, 1]``.
        table: shape ``[T]``, T <= K; the last one is repeated.
        levels: what is written, shape ``[R, K]``.
    """
    _scaled(_read_only(scales), _read_only(table), levels)


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """One compilation, whether the caller's array is read-only or not."""
    array = array.view()
    array.setflags(write=False)
    return array


@kernel
def _spaced(ends: Reals, levels: Reals) -> None:
    count = levels.shape[1]
    for r in range(levels.shape[0]):
        low, high = np.float64(ends[r, 0]), np.float64(ends[r, 1])
        step = (high - low) / np.float64(count - 1)
        for k in range(count - 1):
            levels[r, k] = min(max(low + np.float64(k) * step, low), high)
        levels[r, count - 1] = high


@kernel
def _scaled(scales: Reals, table: NDArray[np.float64], levels: Reals) -> None:
    last = table.size - 1
    for r in range(levels.shape[0]):
        scale = np.float64(scales[r, 0])
        for k in range(levels.shape[1]):
            levels[r, k] = table[min(k, last)] * scale if scale > 0.0 else 0.0 - scale
