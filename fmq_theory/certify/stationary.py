"""The Lloyd-Max equations, solved and proven.

A codebook with levels c_1 < ... < c_n and thresholds half-way between them is stationary when

    F_k(c) = c_k M0_k - M1_k = 0,   M_p = int_cell x^p f,

that is half the gradient of D(c) = E min_k (X - c_k)^2. The Jacobian of F (half the Hessian of D)
is symmetric and tridiagonal: with g_k = f(t_k)(c_{k+1} - c_k)/4 at the threshold t_k,

    J_kk = M0_k - g_k - g_{k-1},   J_{k,k+1} = J_{k+1,k} = -g_k.

A symmetric codebook is found on the half-line: for even K the left-most edge is 0 and fixed; for
odd K the level left of the unknown ones is 0 and fixed.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from flint import arb, ctx

from fmq_theory.brief import brief_repr
from fmq_theory.certify.enclosure import Enclosure, ball, precision
from fmq_theory.certify.law import Law, UpperMoments
from fmq_theory.certify.roots import Tridiagonal, certified_zero
from fmq_theory.certify.starts import levels_on_a_grid
from fmq_theory.errors import CertificationError

__all__ = ["LloydMaxSystem", "StationaryCodebook", "distortion_ball", "stationary_codebook"]

_MOST_ON_A_GRID = 32

Shape = Literal["even", "odd", "full"]


@dataclass(frozen=True, slots=True)
class LloydMaxSystem:
    """F and its Jacobian for one law: on the half-line (``even``, ``odd``) or the whole line.

    Attributes:
        law: the source, on its natural scale.
        shape: which levels are unknown: ``even`` all positive ones, right of the edge at 0; ``odd`` all
            positive ones, right of the level at 0; ``full`` every level.
    """

    law: Law
    shape: Shape

    __repr__ = brief_repr

    def thresholds(self, levels: Sequence[arb]) -> list[arb]:
        """Midpoints between the levels; with the 0 on the left that ``even`` and ``odd`` imply.

        Args:
            levels: the unknown levels, increasing, in the law's units.

        Returns:
            The lower edge of each level's cell; of ``full`` systems the first one, -inf, is left out.
        """
        inner = [(a + b) / 2 for a, b in pairwise(levels)]
        match self.shape:
            case "even":
                return [arb(0), *inner]
            case "odd":
                return [levels[0] / 2, *inner]
            case "full":
                return inner

    def cells(self, levels: Sequence[arb]) -> list[UpperMoments]:
        """M_p = int_cell x^p f, p = 0, 1, 2, of every unknown level's cell.

        Args:
            levels: the unknown levels, increasing, in the law's units.

        Returns:
            One triple a level, in the order of the levels.
        """
        tails = [self.law.upper_moments(t) for t in self.thresholds(levels)]
        if self.shape == "full":
            tails = [self.law.everything(), *tails]
        tails.append(UpperMoments(arb(0), arb(0), arb(0)))
        return [a - b for a, b in pairwise(tails)]

    def residual(self, levels: Sequence[arb]) -> list[arb]:
        """F_k(c) = c_k M0_k - M1_k, half the gradient of D.

        Args:
            levels: c, the unknown levels, increasing, in the law's units.

        Returns:
            One ball a level; all hold 0 at a stationary codebook.
        """
        return [c * cell.mass - cell.first for c, cell in zip(levels, self.cells(levels), strict=True)]

    def jacobian(self, levels: Sequence[arb]) -> Tridiagonal:
        """Enclosure of F'(c) on a box of levels.

        Args:
            levels: c, a box: one ball an unknown level, in the law's units.

        Returns:
            Balls that hold F'(c) for every c of the box, symmetric and tridiagonal.
        """
        return self._jacobian(levels, self.cells(levels))

    def _jacobian(self, levels: Sequence[arb], cells: Sequence[UpperMoments]) -> Tridiagonal:
        thresholds = self.thresholds(levels)
        if self.shape == "even":
            thresholds = thresholds[1:]  # the edge at 0 does not move
        neighbours = [arb(0), *levels] if self.shape == "odd" else list(levels)
        gains = [
            self.law.density(t) * (b - a) / 4
            for t, (a, b) in zip(thresholds, pairwise(neighbours), strict=True)
        ]
        outer = gains[:1] if self.shape == "odd" else [arb(0)]
        inner = gains[1:] if self.shape == "odd" else gains
        left, right = [*outer, *inner], [*inner, arb(0)]
        diagonal = [cell.mass - a - b for cell, a, b in zip(cells, left, right, strict=True)]
        coupling = [-gain for gain in inner]
        return Tridiagonal(coupling, diagonal, coupling)

    def solve(self, start: Sequence[arb], *, max_steps: int = 400) -> list[arb]:
        """An approximate root at the working precision: Newton where J is positive definite, else Lloyd.

        Args:
            start: levels to begin from, increasing, in the law's units.
            max_steps: steps of Newton's or of Lloyd's iteration after which it gives up.

        Returns:
            Exact midpoints; nothing is proven of them.

        Raises:
            CertificationError: no convergence.
        """
        levels = [value.mid() for value in start]
        for _ in range(max_steps):
            cells = self.cells(levels)
            residual = [(c * cell.mass - cell.first).mid() for c, cell in zip(levels, cells, strict=True)]
            slopes = self._jacobian(levels, cells).midpoint()
            lloyd = [-r / cell.mass for r, cell in zip(residual, cells, strict=True)]
            step = [-s for s in slopes.solve(residual)] if slopes.positive_definite() else lloyd
            moved = self._ordered(levels, step) or self._ordered(levels, lloyd)
            if moved is None:
                break
            size = max(float(abs(a - b) / b) for a, b in zip(moved, levels, strict=True))
            levels = moved
            if size < 2.0 ** (10 - ctx.prec / 2):  # quadratic: the next step would be below the precision
                return levels
        raise CertificationError(
            f"Lloyd-Max equations of {self.law.label()} with {len(start)} unknown levels",
            "Newton's iteration did not converge",
            "choose fewer levels, or a shape parameter farther from the edge of its domain",
        )

    def _ordered(self, levels: Sequence[arb], step: Sequence[arb]) -> list[arb] | None:
        for _ in range(12):
            moved = [(c + s).mid() for c, s in zip(levels, step, strict=True)]
            fence = moved if self.shape == "full" else [arb(0), *moved]
            if all(a < b for a, b in pairwise(fence)):
                return moved
            step = [s / 2 for s in step]
        return None

    def start(self, count: int) -> list[arb]:
        """Quantiles of the density proportional to f^(1/3) on x > 0: the Panter-Dite companding levels.

        Args:
            count: how many levels are unknown.

        Returns:
            Increasing levels in the law's units, approximate: nothing is proven of them.

        Raises:
            CertificationError: ``full`` systems have no default start.
        """
        if self.shape == "full":
            raise CertificationError("asymmetric codebook", "it has no default start", "pass starting levels")
        with precision(53):
            grid = [(arb(i) / 16).exp() for i in range(-320, 480)]
            if self.law.support_end is not None:
                grid = [arb(i) / 512 * self.law.support_end for i in range(1, 513)]
            heights = [float(self.law.density(x.mid())) ** (1 / 3) for x in grid]
            xs, mass = [float(x) for x in grid], [0.0]
            for i in range(1, len(xs)):
                mass.append(mass[-1] + (xs[i] - xs[i - 1]) * (heights[i] + heights[i - 1]) / 2)
            shares = [
                (k - 0.5) / count if self.shape == "even" else k / (count + 0.5) for k in range(1, count + 1)
            ]
            levels: list[arb] = []
            for share in shares:
                goal = share * mass[-1]
                i = max(1, bisect_left(mass, goal))
                slope = (xs[i] - xs[i - 1]) / (mass[i] - mass[i - 1])
                levels.append(arb(xs[i - 1] + (goal - mass[i - 1]) * slope))
            return levels


@dataclass(frozen=True, slots=True)
class StationaryCodebook:
    """Boxes that hold one stationary codebook and no other, by a Krawczyk contraction.

    Attributes:
        law: the source.
        levels: c_1 < ... < c_K.
        thresholds: the K - 1 midpoints.
        distortion: D = E min_k (X - c_k)^2.
        strict_minimum: True if the Hessian is proven positive definite; False if a direction of descent
            is proven (a saddle: stationary, not even locally optimal); None if neither.
    """

    law: Law
    levels: tuple[Enclosure, ...]
    thresholds: tuple[Enclosure, ...]
    distortion: Enclosure
    strict_minimum: bool | None

    __repr__ = brief_repr

    @property
    def num_levels(self) -> int:
        """K."""
        return len(self.levels)


def distortion_ball(law: Law, levels: Sequence[arb], thresholds: Sequence[arb]) -> arb:
    """D of any codebook: the sum over its cells of E (X - c)^2."""
    nothing = UpperMoments(arb(0), arb(0), arb(0))
    tails = [law.everything(), *(law.upper_moments(t) for t in thresholds), nothing]
    total = arb(0)
    for c, (a, b) in zip(levels, pairwise(tails), strict=True):
        cell = a - b
        total += cell.second - 2 * c * cell.first + c * c * cell.mass
    return total


def stationary_codebook(
    law: Law,
    num_levels: int,
    *,
    digits: int = 30,
    start: Sequence[float | Fraction] | None = None,
    symmetric: bool = False,
) -> StationaryCodebook:
    """A proven stationary codebook: the symmetric one, or the one near ``start``.

    Args:
        law: the source.
        num_levels: K >= 1.
        digits: wanted decimal places of levels and distortion.
        start: K levels, increasing; None for the symmetric codebook near the Panter-Dite levels.
        symmetric: with a start, use its right half only and stay among symmetric codebooks.

    Raises:
        CertificationError: no convergence, no contraction, or a start that is not increasing.
    """
    if num_levels < 1:
        raise CertificationError(f"{num_levels} levels", "K must be at least 1", "pass 2**bits")
    with precision(int(3.33 * digits) + 64 + 2 * num_levels.bit_length()):
        given = None if start is None else _checked(start, num_levels)
        if given is None or symmetric:
            levels, thresholds = _symmetric(law, num_levels, given)
        else:
            levels = _proved(LloydMaxSystem(law, "full"), given)
            thresholds = [(a + b) / 2 for a, b in pairwise(levels)]
        return StationaryCodebook(
            law,
            tuple(Enclosure.of(c) for c in levels),
            tuple(Enclosure.of(t) for t in thresholds),
            Enclosure.of(distortion_ball(law, levels, thresholds)),
            _curvature(law, levels, thresholds),
        )


def _symmetric(law: Law, num_levels: int, start: Sequence[arb] | None) -> tuple[list[arb], list[arb]]:
    count, odd = divmod(num_levels, 2)
    centre = [arb(0)] if odd else []
    if count == 0:
        return centre, []
    system = LloydMaxSystem(law, "odd" if odd else "even")
    half = _prove(system, count) if start is None else _proved(system, start[-count:])
    right = system.thresholds(half)  # begins with the exact 0 if K is even
    left = [-t for t in reversed(right)]
    return [-c for c in reversed(half)] + centre + half, left + right if odd else left + right[1:]


def _checked(start: Sequence[float | Fraction], num_levels: int) -> list[arb]:
    levels = [ball(Fraction(value)) for value in start]
    if len(levels) != num_levels or not all(a < b for a, b in pairwise(levels)):
        raise CertificationError(
            "starting levels", f"they are not {num_levels} increasing numbers", "sort them, drop duplicates"
        )
    return levels


def _prove(system: LloydMaxSystem, count: int) -> list[arb]:
    """From the Panter-Dite levels; from the best cells of a grid where these lie too many decades away."""
    try:
        return _proved(system, system.start(count))
    except CertificationError:
        if count > _MOST_ON_A_GRID:
            raise
    return _proved(system, levels_on_a_grid(system.law, count, zero=system.shape == "odd"))


def _proved(system: LloydMaxSystem, start: Sequence[arb]) -> list[arb]:
    with precision(96):
        rough = system.solve(start)
    return certified_zero(system.residual, system.jacobian, system.solve(rough, max_steps=8))


def _curvature(law: Law, levels: Sequence[arb], thresholds: Sequence[arb]) -> bool | None:
    """Inertia of the Hessian of D, from the signs of its elimination pivots (Sylvester).

    Where f is infinite at a threshold t, moving t by s alone changes D by a term of order s^2 minus
    2 (c_{k+1} - c_k) int_0^s (s - x) f(t + x) dx, which is of larger order: D falls.
    """
    if any(t.is_exact() and law.density(t) == arb.pos_inf() for t in thresholds):
        return False
    system = LloydMaxSystem(law, "full")
    for pivot in system.jacobian(levels).pivots():
        if not (pivot.is_finite() and pivot > 0):
            # All earlier pivots are positive, so a negative one shows one negative eigenvalue.
            return False if pivot < 0 else None
    return True
