"""Slow and obviously right versions of what the kernels do."""

import itertools
from collections import Counter
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def exact_cost(values: Array, weights: Array) -> Fraction:
    """min over c of sum w (x - c)**2 in rational arithmetic."""
    x = [Fraction(float(v)) for v in values]
    w = [Fraction(float(v)) for v in weights]
    first = sum((a * b for a, b in zip(w, x, strict=True)), Fraction(0))
    second = sum((a * b * b for a, b in zip(w, x, strict=True)), Fraction(0))
    return second - first * first / sum(w, Fraction(0))


def exact_costs(values: Array, weights: Array) -> dict[tuple[int, int], Fraction]:
    """The cost of every cell."""
    pairs = itertools.combinations(range(values.size + 1), 2)
    return {(i, j): exact_cost(values[i:j], weights[i:j]) for i, j in pairs}


def least_cost(values: Array, weights: Array, num_cells: int) -> Fraction:
    """The least cost over all partitions into ``num_cells`` cells, by listing them."""
    costs = exact_costs(values, weights)
    size = values.size
    return min(
        sum((costs[cell] for cell in itertools.pairwise((0, *cuts, size))), Fraction(0))
        for cuts in itertools.combinations(range(1, size), min(num_cells, size) - 1)
    )


def least_cost_by_recursion(values: Array, weights: Array, num_cells: int) -> Fraction:
    """The same by Bellman's recursion, for up to about 60 points."""
    costs = exact_costs(values, weights)
    size = values.size
    best = {j: costs[0, j] for j in range(1, size + 1)}
    for cells in range(2, min(num_cells, size) + 1):
        best = {j: min(best[i] + costs[i, j] for i in range(cells - 1, j)) for j in range(cells, size + 1)}
    return best[size]


def exact_square_sum(values: NDArray[np.floating], decoded: NDArray[np.floating]) -> Fraction:
    """sum (x - y)**2 in rational arithmetic: in units of the least float64, all are integers."""
    unit = 2**1074

    def whole(x: float) -> int:
        numerator, denominator = x.as_integer_ratio()
        return numerator * (unit // denominator)

    pairs = Counter(zip(values.ravel().tolist(), decoded.ravel().tolist(), strict=True))
    return Fraction(sum(count * (whole(x) - whole(y)) ** 2 for (x, y), count in pairs.items()), unit * unit)


def nearest_float(number: Fraction) -> float:
    """A number >= 0 in float64: inf above it, its least positive one for what is positive and below."""
    try:
        return float(number) or (5e-324 if number else 0.0)
    except OverflowError:
        return float("inf")


def exact_mean_squared_error(values: NDArray[np.floating], decoded: NDArray[np.floating]) -> float:
    """The mean of (x - y)**2, rounded once."""
    return nearest_float(exact_square_sum(values, decoded) / values.size)
