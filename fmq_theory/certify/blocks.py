"""Piecewise constant densities in exact rational arithmetic: laws that refute a statement about every law.

All masses and moments are Fractions, so a distortion is an exact number. The optimum of K levels is enclosed:
from above by a codebook, from below by a bound that no codebook escapes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import pairwise

from fmq_theory.brief import brief_repr
from fmq_theory.certify.elementary import power
from fmq_theory.certify.enclosure import Enclosure, Exact, exact
from fmq_theory.errors import CertificationError

__all__ = ["Block", "BlockLaw", "SpikeLaw", "three_blocks"]

_THIRD = Fraction(1, 3)
_HALF = Fraction(1, 2)


@dataclass(frozen=True, slots=True)
class Block:
    """The uniform law on [low, high], with a mass.

    Attributes:
        low: left end.
        high: right end, above ``low``.
        mass: its probability, positive.
    """

    low: Fraction
    high: Fraction
    mass: Fraction

    __repr__ = brief_repr

    def part(self, low: Fraction, high: Fraction) -> "Block | None":
        """What of it lies in [low, high]; None where that has no mass.

        Args:
            low: left end of the piece that is asked for, exact, in the law's units.
            high: its right end, exact, not below ``low``.

        Returns:
            The block cut to [low, high], with the mass that lies there.
        """
        left, right = max(low, self.low), min(high, self.high)
        if left >= right:
            return None
        return Block(left, right, self.mass * (right - left) / (self.high - self.low))

    def moments(self) -> tuple[Fraction, Fraction, Fraction]:
        """Mass, mass times mean, mass times mean square."""
        a, b = self.low, self.high
        return self.mass, self.mass * (a + b) / 2, self.mass * (a * a + a * b + b * b) / 3


@dataclass(frozen=True, slots=True)
class BlockLaw:
    """A law whose density is constant on each of some disjoint intervals.

    Attributes:
        blocks: in order, with masses that add up to 1.

    Raises:
        CertificationError: the blocks overlap, or their masses are not a probability.

    Examples:
        >>> from fmq_theory.certify import three_blocks
        >>> law = three_blocks()
        >>> law.codebook_distortion(["-1/2", "1"])  # the blocks at -1 and 0 share a level
        Fraction(67, 400)
        >>> law.optimum(2, buckets=20).lower > 80 * law.panter_dite_constant().upper / 4
        True
    """

    blocks: tuple[Block, ...]

    __repr__ = brief_repr

    def __post_init__(self) -> None:
        apart = all(a.high <= b.low for a, b in pairwise(self.blocks))
        proper = all(block.low < block.high and block.mass > 0 for block in self.blocks)
        if not (apart and proper and sum(block.mass for block in self.blocks) == 1):
            raise CertificationError(
                f"law of {len(self.blocks)} blocks",
                "they overlap, one is empty, or their masses do not add up to 1",
                "give disjoint intervals in order, with positive masses",
            )

    def panter_dite_constant(self, *, digits: int = 30) -> Enclosure:
        """C_PD = (1/12) (sum over blocks of (mass width^2)^(1/3))^3.

        Args:
            digits: places of each cube root.
        """
        total = Enclosure.of(0)
        for block in self.blocks:
            width = block.high - block.low
            total = total + power(block.mass * width * width, _THIRD, digits=digits)
        return (total * total * total * Fraction(1, 12)).rounded(digits)

    def absolute_moment(self, order: int) -> Fraction:
        """E|X|^order, exactly.

        Args:
            order: a whole number >= 0.
        """
        total = Fraction(0)
        for block in self.blocks:
            for sign in (1, -1):
                low, high = sorted((sign * block.low, sign * block.high))
                part = Block(low, high, block.mass).part(Fraction(0), max(high, Fraction(0)))
                if part is not None:
                    share = (part.high ** (order + 1) - part.low ** (order + 1)) / (order + 1)
                    total += part.mass * share / (part.high - part.low)
        return total

    def moments(self, low: Fraction, high: Fraction) -> tuple[Fraction, Fraction, Fraction]:
        """E[1; cell], E[X; cell] and E[X^2; cell] for the cell [low, high], exactly.

        Args:
            low: left end of the cell, exact, in the law's units.
            high: its right end, exact, not below ``low``.

        Returns:
            Mass, first and second moment, as fractions.
        """
        parts = [part for block in self.blocks if (part := block.part(low, high)) is not None]
        found = [part.moments() for part in parts]
        return (
            sum((m[0] for m in found), Fraction(0)),
            sum((m[1] for m in found), Fraction(0)),
            sum((m[2] for m in found), Fraction(0)),
        )

    def cell_error(self, low: Fraction, high: Fraction) -> Fraction:
        """min over c of E[(X - c)^2; low <= X <= high] = M_2 - M_1^2 / M_0, exactly.

        Args:
            low: left end of the cell, exact, in the law's units.
            high: its right end, exact, not below ``low``.

        Returns:
            In squared units of the law; 0 for a cell without mass.
        """
        mass, first, second = self.moments(low, high)
        return second - first * first / mass if mass else Fraction(0)

    def codebook_distortion(self, levels: Sequence[Exact]) -> Fraction:
        """D of the nearest of ``levels``, exactly.

        Args:
            levels: any numbers, at least one.
        """
        points = sorted(exact(level) for level in levels)
        ends = [self.blocks[0].low, *((a + b) / 2 for a, b in pairwise(points)), self.blocks[-1].high]
        total = Fraction(0)
        for level, (low, high) in zip(points, pairwise(ends), strict=True):
            mass, first, second = self.moments(low, high)
            total += second - 2 * level * first + level * level * mass
        return total

    def optimum(self, num_levels: int, *, buckets: int) -> Enclosure:
        """Encloses D_LM(K).

        Every block is cut into equal buckets. An optimal codebook has K - 1 thresholds; without the mass of
        the buckets that hold one, the distortion is no larger and each cell is a run of buckets: the best
        choice of K - 1 buckets to drop, by dynamic programming, is a lower bound. The best codebook with
        thresholds at the buckets' ends is an upper bound. Both differ by O(K/buckets) of the optimum.

        Args:
            num_levels: K >= 1.
            buckets: into how many parts each block is cut.
        """
        edges: list[tuple[Fraction, Fraction]] = []
        for block in self.blocks:
            step = (block.high - block.low) / buckets
            edges += [(block.low + i * step, block.low + (i + 1) * step) for i in range(buckets)]
        count = len(edges)

        @cache
        def cost(start: int, stop: int) -> Fraction:
            return self.cell_error(edges[start][0], edges[stop - 1][1]) if start < stop else Fraction(0)

        if count < 2 * num_levels:
            raise CertificationError(
                f"optimum of {num_levels} levels on {count} buckets",
                "too few buckets are left when one is dropped at each threshold",
                "cut each block into more",
            )
        return Enclosure(
            _least_cost(cost, count, num_levels, gap=1), _least_cost(cost, count, num_levels, gap=0)
        )


@dataclass(frozen=True, slots=True)
class SpikeLaw:
    """peak U[-width, width] + (1 - peak) U[-1, 1]: symmetric and unimodal, with a narrow peak.

    Attributes:
        peak: share of the narrow part, inside (0, 1).
        width: its half-width, inside (0, 1).

    Raises:
        CertificationError: a number outside its interval.
    """

    peak: Fraction
    width: Fraction

    __repr__ = brief_repr

    def __post_init__(self) -> None:
        if not (0 < self.peak < 1 and 0 < self.width < 1):
            raise CertificationError(
                f"peak {self.peak} of half-width {self.width}",
                "both must lie strictly between 0 and 1",
                "choose for example 9/10 and 1/1000",
            )

    def blocks(self) -> BlockLaw:
        """The same law as three blocks."""
        outer = (1 - self.peak) * (1 - self.width) / 2
        return BlockLaw(
            (
                Block(Fraction(-1), -self.width, outer),
                Block(-self.width, self.width, 1 - 2 * outer),
                Block(self.width, Fraction(1), outer),
            )
        )

    def optimum(self, num_levels: int) -> Enclosure:
        """Encloses D_LM(K) for any peak, however narrow (T3d).

        Below: let c be the level nearest to 0 and j the number of levels above it. The peak costs at least
        peak (|c| - width)_+^2, the rest at least (1 - peak)/24 ((1 - c)^3/(j + 1/2)^2 + (1 + c)^3/(K - j -
        1/2)^2). The sum is convex in c, so it lies above its tangent at any point. Above: the distortion of
        the codebook with a level at c and equal cells on either side.

        Args:
            num_levels: K >= 1.
        """
        bounds = [self._with_levels_above(j, num_levels) for j in range(num_levels)]
        lower = min(low for low, _, _ in bounds)
        _, above, centre = min(bounds)
        below = num_levels - 1 - above
        levels = [centre - (1 + centre) / (below + _HALF) * i for i in range(below + 1)]
        levels += [centre + (1 - centre) / (above + _HALF) * i for i in range(1, above + 1)]
        return Enclosure(lower, self.blocks().codebook_distortion(levels))

    def _with_levels_above(self, above: int, num_levels: int) -> tuple[Fraction, int, Fraction]:
        """A lower bound over c in [-1, 1] for j levels above c, j itself, and the point of the tangent."""
        share = (1 - self.peak) / 24
        right = share / (above + _HALF) ** 2
        left = share / (num_levels - above - _HALF) ** 2

        def value(c: Fraction) -> Fraction:
            beyond = max(abs(c) - self.width, Fraction(0))
            return self.peak * beyond**2 + right * (1 - c) ** 3 + left * (1 + c) ** 3

        def slope(c: Fraction) -> Fraction:
            beyond = max(abs(c) - self.width, Fraction(0))
            pull = 2 * self.peak * beyond * (1 if c > 0 else -1)
            return pull - 3 * right * (1 - c) ** 2 + 3 * left * (1 + c) ** 2

        low, high = Fraction(-1), Fraction(1)
        for _ in range(80):
            middle = (low + high) / 2
            low, high = (middle, high) if slope(middle) < 0 else (low, middle)
        centre = (low + high) / 2
        return value(centre) - 2 * abs(slope(centre)), above, centre


def three_blocks() -> BlockLaw:
    """Three blocks of width 1/10 and mass 1/3 at -1, 0 and 1."""
    width, third = Fraction(1, 10), Fraction(1, 3)
    return BlockLaw(tuple(Block(x - width / 2, x + width / 2, third) for x in map(Fraction, (-1, 0, 1))))


def _least_cost(cost: Callable[[int, int], Fraction], count: int, num_levels: int, *, gap: int) -> Fraction:
    """Least total cost of K runs that leave ``gap`` buckets out between neighbours."""
    best = [cost(0, stop) for stop in range(count + 1)]
    for _ in range(num_levels - 1):
        best = [
            min(
                (best[start - gap] + cost(start, stop) for start in range(gap, stop + 1)),
                default=Fraction(0),
            )
            for stop in range(count + 1)
        ]
    return best[count]
