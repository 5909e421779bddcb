"""The Lloyd-Max equations, solved by Newton's iteration in plain arithmetic."""

from itertools import pairwise

import mpmath as mp

from proofs_check.independent.laws import Law, Point
from proofs_check.independent.reading import RefusedError, refuse_unless

__all__ = ["stationary"]


def newton_step(diagonal: list[mp.mpf], off: list[mp.mpf], right: list[mp.mpf]) -> list[mp.mpf]:
    """Solution of a symmetric tridiagonal system."""
    d, x = diagonal[:], right[:]
    for i in range(1, len(d)):
        factor = off[i - 1] / d[i - 1]
        d[i], x[i] = d[i] - factor * off[i - 1], x[i] - factor * x[i - 1]
    for i in range(len(d) - 1, -1, -1):
        x[i] = (x[i] - (off[i] * x[i + 1] if i + 1 < len(d) else 0)) / d[i]
    return x


def cells_of(law: Law, cuts: list[mp.mpf]) -> list[Point]:
    """E[X^p; cell] of the cells between the thresholds."""
    at = {x: law.tails(x) for x in {mp.mpf(0), *map(abs, cuts)}}
    zero = at[mp.mpf(0)]
    everything = (2 * zero[0], mp.mpf(0), 2 * zero[2])
    sides = [
        at[t] if t >= 0 else tuple(everything[p] - (-1) ** p * at[-t][p] for p in range(3)) for t in cuts
    ]
    return [
        (a[0] - b[0], a[1] - b[1], a[2] - b[2]) for a, b in pairwise([everything, *sides, (mp.mpf(0),) * 3])
    ]


def stationary(
    law: Law, levels: list[mp.mpf], unit: mp.mpf, goal: mp.mpf | None = None
) -> tuple[list[mp.mpf], mp.mpf]:
    """Newton's limit, which must not lie outside two units from the start, and its distortion.

    Its last step is below ``goal``, a unit's 10^-16 unless given.
    """
    goal = unit * mp.mpf(10) ** -16 if goal is None else goal
    first, symmetric = levels, all(a == -b for a, b in zip(levels, reversed(levels), strict=True))
    for _ in range(8):
        cuts = [(a + b) / 2 for a, b in pairwise(levels)]
        cells = cells_of(law, cuts)
        gains = [  # a threshold at 0 stays there by symmetry
            mp.mpf(0) if symmetric and t == 0 else law.density(abs(t)) * (b - a) / 4
            for t, (a, b) in zip(cuts, pairwise(levels), strict=True)
        ]
        sums = [a + b for a, b in pairwise([mp.mpf(0), *gains, mp.mpf(0)])]
        diagonal = [cell[0] - both for cell, both in zip(cells, sums, strict=True)]
        residual = [c * cell[0] - cell[1] for c, cell in zip(levels, cells, strict=True)]
        moves = newton_step(diagonal, [-g for g in gains], residual)
        levels = [c - move for c, move in zip(levels, moves, strict=True)]
        if symmetric:
            levels = [(a - b) / 2 for a, b in zip(levels, reversed(levels), strict=True)]
        for c, start in zip(levels, first, strict=True):
            refuse_unless(abs(c - start) <= 2 * unit, f"level {mp.nstr(start, 8)} is not stationary")
        if max(map(abs, moves)) <= goal:
            parts = [
                m2 - 2 * c * m1 + c * c * m0
                for c, (m0, m1, m2) in zip(
                    levels, cells_of(law, [(a + b) / 2 for a, b in pairwise(levels)]), strict=True
                )
            ]
            return levels, mp.fsum(parts)
    raise RefusedError("the levels are not stationary: Newton's iteration does not converge")
