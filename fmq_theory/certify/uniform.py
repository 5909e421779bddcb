"""The certified best step of equally spaced levels that are centred on 0, with nearest levels.

A grid off centre may be better (``equal_steps.py`` searches those too); "global" below is over the steps of
centred grids.

Levels a s, a = (k - (K-1)/2), thresholds half-way at b_j s; on x > 0, b_j = j (j = 1..n-1) for K = 2n and
b_j = j - 1/2 (j = 1..n) for K = 2n + 1. Summing sum_k a_k^2 M0_k and sum_k a_k M1_k by parts,

    D(s) = E X^2 + 2 s^2 A(s) - 4 s B(s),      D'(s)/4 = g(s) = s A(s) - B(s),
    A(s) = c_0 + sum_j 2 b_j T_0(b_j s),       B(s) = d_0 + sum_j T_1(b_j s),
    g'(s) = A(s) - s sum_j b_j^2 f(b_j s),
    g''(s) = -3 sum_j b_j^2 f(b_j s) - s sum_j b_j^3 f'(b_j s),       f' = -score f,

with c_0 = 1/8, d_0 = T_1(0)/2 for even K and c_0 = d_0 = 0 for odd K. A and B decrease, so on [s1, s2]

    s1 A(s2) - B(s1) <= g <= s2 A(s1) - B(s2).

**The minimum is global.** A branch and bound over s discards an interval on which D is proven larger
than at a known step, or g of one sign. Lower bounds of D on [s1, s2]:

* overload: 2 E[(X - (K-1)s/2)^2; X > Ks/2] decreases in s, so its value at s2 counts;
* granular, if f decreases on x > 0: a cell of width s with its level in the middle contributes at
  least s^3/12 times f at its outer end, so at least s^2/12 times the mass one cell further out; in all
  2 (s1^2/12) (T_0(s2) - T_0(K s1/2)) for even K, with 3 s2/2 in place of s2 for odd K.

For s >= s_max, D >= (s/4)^2 P(|X| < s/4) (even K) or D >= E[X^2; |X| < s/2] (odd K); both increase. What
survives are intervals on which g' > 0 is proven from g' at the middle and an enclosure of g''. Of the
unions of adjacent ones all but one must have g of one sign at both ends; that one has one zero of g, which
interval Newton pins down. (g' is differentiable in
s > 0 for every law here but the uniform one, whose optimum has a closed form.)
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from flint import arb

from fmq_theory.brief import brief_repr
from fmq_theory.certify.enclosure import Enclosure, ball, precision
from fmq_theory.certify.law import Law
from fmq_theory.certify.roots import certified_root
from fmq_theory.errors import CertificationError

__all__ = ["UniformOptimum", "optimal_uniform", "uniform_distortion"]


@dataclass(frozen=True, slots=True)
class UniformOptimum:
    """The best step of equally spaced levels centred on 0, and its distortion; both proven.

    Attributes:
        step: the global minimizer of D over s > 0, the grid's centre held at 0.
        distortion: D(step).
    """

    step: Enclosure
    distortion: Enclosure

    __repr__ = brief_repr


def uniform_distortion(law: Law, num_levels: int, step: Fraction, *, digits: int = 30) -> Enclosure:
    """D(s) of the symmetric uniform quantizer with nearest levels and step s > 0.

    Args:
        law: the source, on its natural scale.
        num_levels: K >= 2.
        step: s, the distance of neighbouring levels, exact and positive, in the law's units.
        digits: wanted decimal places.

    Returns:
        D(s), in squared units of the law.

    Raises:
        CertificationError: K < 2 or s <= 0.
    """
    if step <= 0:
        raise CertificationError(f"step {step}", "it is not positive", "choose a step > 0")
    with precision(_bits(num_levels, digits)):
        return Enclosure.of(_Profile(law, num_levels).distortion(ball(step)))


def optimal_uniform(law: Law, num_levels: int, *, digits: int = 30) -> UniformOptimum:
    """The step that minimizes D among grids centred on 0, certified to be the global minimizer.

    Args:
        law: the source, on its natural scale.
        num_levels: K >= 2.
        digits: wanted decimal places.

    Returns:
        The step in the law's units and D in squared ones.

    Raises:
        CertificationError: K < 2, or the branch and bound could not isolate one step.

    Reference:
        max1960quantizing, table II, whose values it encloses.

    Examples:
        Max's table II for the Gaussian and four levels, 0.9957 and 0.1188, with more digits:

        >>> from fmq_theory import certify
        >>> best = certify.optimal_uniform(certify.law("gaussian"), 4)
        >>> best.step.decimal(12), best.distortion.decimal(12)
        ('0.995686685944 +/- 5.0e-13', '0.118846050384 +/- 7.8e-14')
    """
    bits = _bits(num_levels, digits)
    if law.support_end is not None:
        # The uniform law: K cells of lengths l_k have D >= sum l_k^3/24, least when all are equal; the
        # step 2/K reaches that. (The density jumps, so the argument below would not apply.)
        end = Fraction(law.support_end)
        best = UniformOptimum(Enclosure.of(2 * end / num_levels), Enclosure.of(end**2 / (3 * num_levels**2)))
        return best
    with precision(96):
        profile = _Profile(law, num_levels)
        guess = profile.approximate_step()
        low, high = profile.isolate(guess)
    with precision(bits):
        profile = _Profile(law, num_levels)
        step = certified_root(profile.slope, profile.curvature, guess)
        if not (step > low and step < high):
            raise CertificationError(
                f"uniform step for {law.label()} with {num_levels} levels",
                "the root found is not the one that was isolated",
                "raise the precision",
            )
        return UniformOptimum(Enclosure.of(step), Enclosure.of(profile.distortion(step)))


def _bits(num_levels: int, digits: int) -> int:
    if num_levels < 2:
        raise CertificationError(
            f"uniform quantizer of {num_levels} levels", "a step needs two levels", "choose K >= 2"
        )
    return int(3.33 * digits) + 64 + 4 * num_levels.bit_length()


class _Profile:
    """D, g, g' and their bounds as functions of the step, at the precision in force."""

    def __init__(self, law: Law, num_levels: int) -> None:
        self.law, self.num_levels = law, num_levels
        count, odd = divmod(num_levels, 2)
        self.edges = (
            [arb(j) - arb(0.5) for j in range(1, count + 1)] if odd else [arb(j) for j in range(1, count)]
        )
        self.constants = (arb(0), arb(0)) if odd else (arb(0.125), law.upper_moments(arb(0)).first / 2)
        self._known: dict[object, tuple[arb, arb]] = {}

    def sums(self, step: arb) -> tuple[arb, arb]:
        """A(s), B(s)."""
        # python-flint before 0.9 does not hash a ball; mantissa and exponent name an exact one.
        exact = step.man_exp() if step.is_exact() else None
        if exact is not None and (known := self._known.get(exact)) is not None:
            return known
        a, b = self.constants
        for edge in self.edges:
            tail = self.law.upper_moments(edge * step)
            a, b = a + 2 * edge * tail.mass, b + tail.first
        if exact is not None:
            self._known[exact] = (a, b)
        return a, b

    def distortion(self, step: arb) -> arb:
        a, b = self.sums(step)
        return self.law.variance() + 2 * step * (step * a - 2 * b)

    def slope(self, step: arb) -> arb:
        """g."""
        a, b = self.sums(step)
        return step * a - b

    def curvature(self, step: arb) -> arb:
        """g'."""
        squares = sum((edge * edge * self.law.density(edge * step) for edge in self.edges), arb(0))
        return self.sums(step)[0] - step * squares

    def second_slope(self, step: arb) -> arb:
        """g'' on a ball of steps."""
        total = arb(0)
        for edge in self.edges:
            point = edge * step
            total += edge * edge * self.law.density(point) * (self.law.score(point) * point - 3)
        return total

    def slope_bounds(self, low: arb, high: arb) -> tuple[arb, arb]:
        """Bounds of g over [low, high] from its values' monotone parts at the two ends."""
        (a1, b1), (a2, b2) = self.sums(low), self.sums(high)
        return low * a2 - b1, high * a1 - b2

    def overload(self, step: arb) -> arb:
        last = step * (self.num_levels - 1) / 2
        tail = self.law.upper_moments(step * self.num_levels / 2)
        return 2 * (tail.second - last * (2 * tail.first - last * tail.mass))

    def lower_bound(self, low: arb, high: arb) -> arb:
        """D >= this on [low, high]."""
        bound = self.overload(high)
        if self.law.mode > 0:
            return bound
        start = high * 3 / 2 if self.num_levels % 2 else high
        mass = self.law.upper_moments(start).mass - self.law.upper_moments(low * self.num_levels / 2).mass
        return bound + (low * low * mass / 6 if mass > 0 else arb(0))

    def far_bound(self, step: arb) -> arb:
        """D >= this for every step beyond."""
        if self.num_levels % 2:
            return self.law.variance() - 2 * self.law.upper_moments(step / 2).second
        return step * step / 16 * (1 - 2 * self.law.upper_moments(step / 4).mass)

    def approximate_step(self) -> arb:
        """A step near the least D: a geometric scan, then bisection on the sign of g."""
        scale = self.law.variance().sqrt().mid()
        grid = [(scale * arb(1.2) ** i / self.num_levels).mid() for i in range(-4, 32)]
        values = [float(self.distortion(s)) for s in grid]
        best = min(range(len(grid)), key=values.__getitem__)
        low, high = grid[max(0, best - 1)], grid[min(len(grid) - 1, best + 1)]
        for _ in range(18):
            middle = ((low + high) / 2).mid()
            if self.slope(middle) > 0:
                high = middle
            else:
                low = middle
        return ((low + high) / 2).mid()

    def isolate(self, guess: arb, *, limit: int = 20_000) -> tuple[arb, arb]:
        """An interval on which D is strictly convex and outside of which D exceeds its value at ``guess``."""
        upper = self.distortion(guess).upper()
        low, high = guess, guess
        while not self.overload(low) > upper:
            low = (low / 2).mid()
            if low < guess / 2**60:
                raise self._failure("small steps could not be excluded")
        while not self.far_bound(high) > upper:
            high = (high * 2).mid()
        pending, convex = _split_geometrically(low, high), list[tuple[arb, arb]]()
        for _ in range(limit):
            if not pending:
                break
            left, right = pending.pop()
            if self.lower_bound(left, right) > upper or self._one_sign(left, right):
                continue
            if self._convex(left, right):
                convex.append((left, right))
                continue
            middle = ((left + right) / 2).mid()
            pending += [(middle, right), (left, middle)]
        else:
            raise self._failure("the branch and bound ran out of steps")
        runs = [run for run in _runs(convex) if not (self.slope(run[0]) > 0 or self.slope(run[1]) < 0)]
        if len(runs) != 1:
            raise self._failure(f"{len(runs)} intervals may hold the optimal step")
        low, high = runs[0]
        if not (self.slope(low) < 0 and self.slope(high) > 0):
            raise self._failure("D' does not change sign on the surviving interval")
        return low, high

    def _one_sign(self, low: arb, high: arb) -> bool:
        below, above = self.slope_bounds(low, high)
        return bool(below > 0 or above < 0)

    def _convex(self, low: arb, high: arb) -> bool:
        if (high - low) > low / 16:
            return False  # the enclosure of g'' would be too wide to be worth its price
        middle = ((low + high) / 2).mid()
        return bool(
            self.curvature(middle) + self.second_slope(low.union(high)) * (low.union(high) - middle) > 0
        )

    def _failure(self, cause: str) -> CertificationError:
        return CertificationError(
            f"uniform step for {self.law.label()} with {self.num_levels} levels",
            cause,
            "the optimum is not certified: take a step of your own to uniform_distortion",
        )


def _runs(pieces: list[tuple[arb, arb]]) -> list[tuple[arb, arb]]:
    """Unions of adjacent intervals; g increases on each of them."""
    runs: list[tuple[arb, arb]] = []
    for low, high in sorted(pieces, key=lambda piece: float(piece[0])):
        if runs and runs[-1][1] == low:
            runs[-1] = (runs[-1][0], high)
        else:
            runs.append((low, high))
    return runs


def _split_geometrically(low: arb, high: arb) -> list[tuple[arb, arb]]:
    points = [low]
    while points[-1] * arb(1.25) < high:
        points.append((points[-1] * arb(1.25)).mid())
    points.append(high)
    return list(pairwise(points))
