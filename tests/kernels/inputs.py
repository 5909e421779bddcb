"""Numbers that break sorts, histograms and sums."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.kmeans1d.solve import Row
from fmq_theory.kernels.sums.prefix import block_prefix, prefix_rows

__all__ = ["NO_MASS", "hard_rows", "prefix_moments", "row_of"]

Array = NDArray[np.floating]

NO_MASS = np.empty(0)


def hard_rows(size: int, dtype: type[np.floating], seed: int = 0) -> dict[str, Array]:
    """Finite arrays of ``size`` numbers, by what is hard about them."""
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal(size)
    tiny = float(np.finfo(dtype).smallest_subnormal)
    zeros = np.where(rng.random(size) < 0.5, -0.0, 0.0)
    powers = rng.uniform(np.log2(np.finfo(dtype).smallest_normal), np.log2(np.finfo(dtype).max) - 1, size)
    rows = {
        "normal": normal,
        "student": rng.standard_t(1.5, size),
        "ties": rng.integers(-3, 4, size).astype(float),
        "two points": np.where(rng.random(size) < 0.3, -1.5, 2.25),
        "constant": np.full(size, -3.7),
        "zeros": zeros,
        "zeros among others": np.where(rng.random(size) < 0.6, zeros, normal),
        "sorted": np.sort(normal),
        "reversed": np.sort(normal)[::-1],
        "one bin": 1.0 + rng.random(size) * 2.0**-16,
        "negative": -np.abs(normal),
        "positive with zeros": np.maximum(normal, 0.0),
        "one bin and an outlier": np.append(1.0 + rng.random(size - 1) * 2.0**-16, -1e30),
        "denormal": np.rint(normal * 1000) * tiny,
        "offset": 1e8 + normal,
        "negative offset": -1e8 + normal,
        "all exponents": rng.choice([-1.0, 1.0], size) * 2.0**powers,
    }
    return {name: row.astype(dtype) for name, row in rows.items()}


def prefix_moments(points: Array, mass: NDArray[np.float64]) -> NDArray[np.float64]:
    """Running sums at every place of m points, shape ``[m + 1, 6]``; masses are 1 where there are none."""
    return prefix_rows(points, mass, block_prefix(points, mass), np.arange(points.size + 1))


def row_of(points: Array, mass: NDArray[np.float64] = NO_MASS) -> Row:
    """Sorted points, their masses and sums."""
    return Row(points, mass, block_prefix(points, mass))
