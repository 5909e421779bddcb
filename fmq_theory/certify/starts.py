"""Where Newton's iteration begins on a law whose lengths span many decades.

On x > 0, cut the line at points even in asinh(x/E|X|) and ask for the best cells whose ends are such points:
a shortest path, found by dynamic programming with E[(X - c)^2; cell] = M_2 - M_1^2/M_0 in floats. Nothing is
proven of it; but it is near the best half of a symmetric codebook wherever that lies.
"""

import math
from itertools import pairwise

from flint import arb

from fmq_theory.certify.enclosure import precision
from fmq_theory.certify.law import Law

__all__ = ["levels_on_a_grid"]

_POINTS = 400
_FARTHEST = 1e140
"""Squares of longer lengths leave float64."""

_NEGLIGIBLE = 1e-6
"""Share of the second moment beyond the last point."""


def levels_on_a_grid(law: Law, count: int, *, zero: bool) -> list[arb]:
    """The positive levels of a good symmetric codebook; approximate.

    Args:
        law: the source, on its natural scale.
        count: how many positive levels.
        zero: whether there is a level at 0 besides.

    Returns:
        Increasing, in the law's units; fewer than ``count`` where a cell has no mass in float64.
    """
    with precision(96):
        bulk = float(2 * law.upper_moments(arb(0)).first)
        reach, most = 4 * bulk, _NEGLIGIBLE * float(law.variance())
        while float(law.upper_moments(arb(reach)).second) > most and reach < _FARTHEST:
            reach *= 4
        top = math.asinh(reach / bulk)
        edges = [bulk * math.sinh(top * i / _POINTS) for i in range(_POINTS + 1)]
        tails = [law.upper_moments(arb(x)) for x in edges]
        table = [(float(t.mass), float(t.first), float(t.second)) for t in tails] + [(0.0, 0.0, 0.0)]
    size = len(table)
    best = [_second(table, 0, j) if zero else 0.0 if j == 0 else math.inf for j in range(size)]
    paths: list[list[int]] = []
    for _ in range(count):
        came: list[int] = [0] * size
        found = [math.inf] * size
        for j in range(1, size):
            for i in range(j):
                total = best[i] + _error(table, i, j)
                if total < found[j]:
                    found[j], came[j] = total, i
        best = found
        paths.append(came)
    ends = [size - 1]
    for came in reversed(paths):
        ends.append(came[ends[-1]])
    cells = [(table[i], table[j]) for i, j in pairwise(reversed(ends))]
    means = [(a[1] - b[1]) / (a[0] - b[0]) for a, b in cells if a[0] > b[0]]
    return [arb(mean) for mean in means]


def _second(table: list[tuple[float, float, float]], i: int, j: int) -> float:
    return table[i][2] - table[j][2]


def _error(table: list[tuple[float, float, float]], i: int, j: int) -> float:
    mass, first = table[i][0] - table[j][0], table[i][1] - table[j][1]
    return max(0.0, _second(table, i, j) - first * first / mass) if mass > 0 else 0.0
