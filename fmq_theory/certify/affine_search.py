"""The best scale and shift of a table of levels: a global search that brackets the least error.

A table l_1 < ... < l_K is used as (l_k + u)/sigma: sigma > 0 is one over its scale, u its shift in the
table's own units. With nearest levels, m_j = (l_j + l_{j+1})/2 and g_j = l_{j+1} - l_j, the error in these
units is

    e(sigma, u) = sigma^2 D = E min_k (sigma X - u - l_k)^2 = sigma^2 V + (u + l_1)^2 - N(sigma, u),
    N = 2 sum_j g_j E(sigma X - u - m_j)_+,

because min_k (y - l_k)^2 = (y - l_1)^2 - 2 sum_j g_j (y - m_j)_+. Each term of N is a mean of convex
functions of (sigma, u), so **N is convex and e a quadratic minus a convex function**. For a candidate's error
D*,

    F = e - D* sigma^2        is negative exactly where the table does better than D*.

On a box of sides (w, h) a convex N lies below the bilinear interpolation of its four corners (the chord's
inequality in each variable), and the quadratic (V - D*) sigma^2 + u^2 lies at most (V - D*) w^2/4 + h^2/4
below its own. So

    min F over the box >= min F over its corners - (V - D*)_+ w^2/4 - h^2/4.

Where that does not decide, the widths are weighted with the curvature F can still have: N_uu >= 2 sum_j g_j
f(t_j)/sigma is bounded from below by the least density over the range of t_j = (u + m_j)/sigma, N_sigma,sigma
by the same sum with each term times t_j^2. A box on which the bound is positive holds no better table; the
others are halved. Nothing is assumed about the law but a second moment. **Outside of the boxes**, for a
symmetric law:

* scale small: the levels span L = (l_K - l_1)/sigma, and D >= min_c E dist(X, [c - L/2, c + L/2])^2 =
  2 E[(X - L/2)^2; X > L/2], which grows as L shrinks (the mean of an even convex function of X - c is least
  at c = 0);
* scale large: neighbouring levels are at least s = min g_j/sigma apart. If a level lies within s/4 of 0, it
  is the nearest one of all |x| <= s/4, so D >= E[X^2; |X| <= s/4]. If none does, one of any x and -x in there
  is s/4 away from its level, so D >= (s^2/32) P(|X| <= s/4). Both grow with s;
* shift: where all levels lie on one side of 0, D >= V/2.

**Arithmetic.** H(t) = E(X - t)_+ is evaluated in ball arithmetic at the nodes of a grid. Between two of them,
H minus half the density's minimum there times t^2 is convex, so the chord of that function bounds H from
above; the density of a unimodal half-line is least at an end. The sums are made in floats, and an allowance
of (K + 32) 2^-52 times the sum of all magnitudes is taken off F.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from flint import arb
from numpy.typing import NDArray

from fmq_theory.certify.enclosure import precision
from fmq_theory.certify.law import Law

__all__ = ["AffineSearch", "Hull", "Outcome"]

_BITS = 96
_UP, _DOWN = 1 + 1e-12, 1 - 1e-9
Floats = NDArray[np.float64]


class Hull(NamedTuple):
    """A box of (sigma, u) outside of which no table is better than the candidate."""

    sigma_low: float
    sigma_high: float
    shift_low: float
    shift_high: float


Accept = Callable[[Hull], bool]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search left.

    Attributes:
        hull: of the boxes that are left; None if none is, which proves that no table is better.
        better: (sigma, u) of a corner that may be better than the candidate; None if there is none.
        boxes: how many were priced.
    """

    hull: Hull | None
    better: tuple[float, float] | None
    boxes: int


class AffineSearch:
    """F on boxes of (sigma, u), for one law and one table."""

    def __init__(self, law: Law, levels: Sequence[Fraction], *, shifts: bool, nodes: int) -> None:
        """``shifts``: whether u is free, else u = 0; ``nodes``: at how many points H is evaluated."""
        self.law, self.shifts = law, shifts
        self.levels = np.array([float(level) for level in levels])
        self.middles, self.gaps = (self.levels[1:] + self.levels[:-1]) / 2, np.diff(self.levels)
        exact = all(Fraction(float(level)) == level for level in levels)
        spread = np.abs(self.levels[1:]) + np.abs(self.levels[:-1])
        self._weights = self.gaps if exact and np.all(self.levels * 2 % 1 == 0) else self.gaps + spread
        self.symmetric = all(a == -b for a, b in zip(levels, reversed(levels), strict=True))
        self._allowance = (len(levels) + 32) * 2.0**-52
        with precision(_BITS):
            self.variance_low, self.variance_high = _down(law.variance()), _up(law.variance())
            self.deviation = math.sqrt(self.variance_high)
            self._lay_grid(nodes)

    def _lay_grid(self, count: int) -> None:
        bulk = float(2 * self.law.upper_moments(arb(0)).first)
        first, reach = bulk / 2, 8 * self.deviation
        while self._overshoot(reach) > 1e-7 * first and reach < 1e7 * self.deviation:
            reach *= 2
        nodes = bulk * np.sinh(np.linspace(0, math.asinh(reach / bulk), count + 1))
        nodes[0] = 0.0
        self._nodes: Floats = nodes
        self._above: Floats = np.array([self._overshoot(float(x)) for x in nodes])
        dense = np.array([_density_below(self.law, float(x)) for x in nodes])
        self._dense: Floats = np.minimum(dense[1:], dense[:-1])

    def _overshoot(self, x: float) -> float:
        """H(x), rounded up."""
        point = arb(x)
        tail = self.law.upper_moments(point)
        return _up(tail.first - point * tail.mass)

    def overshoot_bound(self, t: Floats) -> Floats:
        """H(t) <= this, for t >= 0."""
        i = np.clip(np.searchsorted(self._nodes, t, side="right") - 1, 0, len(self._nodes) - 2)
        left, right = self._nodes[i], self._nodes[i + 1]
        share = (t - left) / (right - left)
        chord = (1 - share) * self._above[i] + share * self._above[i + 1]
        bound = chord - self._dense[i] / 2 * (t - left) * (right - t)
        return np.where(t >= self._nodes[-1], self._above[-1], bound)

    def value_below(self, sigma: Floats, shift: Floats, error: float) -> Floats:
        """F(sigma, u) >= this, for D* = ``error``; arrays of points."""
        t = shift[:, None] + self.middles
        over = sigma[:, None] * self.overshoot_bound(np.abs(t) / sigma[:, None])
        first = shift + self.levels[0]
        value = (
            (self.variance_low - error) * sigma**2 + first**2 - 2 * (over + np.maximum(0.0, -t)) @ self.gaps
        )
        size = np.abs(shift)[:, None] + np.abs(self.middles) + sigma[:, None] * self._above[0]
        total = (self.variance_high + abs(error)) * sigma**2 + (np.abs(shift) + abs(self.levels[0])) ** 2
        return value - self._allowance * (total + 2 * size @ self._weights)

    # --- where to look ------------------------------------------------------------------------------

    def guess(self) -> tuple[float, float]:
        """A good (sigma, u) by a scan and a zoom; a start, no more."""
        span = float(self.levels[-1] - self.levels[0])
        sigma = np.geomspace(span / (60 * self.deviation), 3 * span / self.deviation, 240)
        shift = self._shift_range()
        shifts = np.linspace(*shift, 1 if not self.shifts else 41)
        best = self._least(sigma, shifts)
        wide, tall = best[0] * 0.1, (shift[1] - shift[0]) / 20
        for _ in range(48):
            near = best[0] + wide * np.linspace(-1, 1, 9)
            across = best[1] + tall * np.linspace(-1, 1, 9) if self.shifts else np.zeros(1)
            best = self._least(near, across)
            wide, tall = 0.6 * wide, 0.6 * tall
        return best

    def _least(self, sigma: Floats, shifts: Floats) -> tuple[float, float]:
        a, b = (axis.ravel() for axis in np.meshgrid(sigma, shifts))
        index = int(np.argmin(self.value_below(a, b, 0.0) / a**2))
        return float(a[index]), float(b[index])

    def _shift_range(self) -> tuple[float, float]:
        if not self.shifts:
            return 0.0, 0.0
        return (0.0 if self.symmetric else -float(self.levels[-1])), -float(self.levels[0])

    def is_bounded(self, error: float, sigma: float) -> bool:
        """Whether scales and shifts outside of some box are proven to do worse than ``error``."""
        return self._sigma_range(error, sigma) is not None

    def _sigma_range(self, error: float, sigma: float) -> tuple[float, float] | None:
        """[low, high] outside of which every D exceeds ``error``; None where that is not proven.

        Nor does a range of sigma help where the shift cannot be bounded: for that D* < V/2 is needed.
        """
        if self.shifts and not error < self.variance_low / 2:
            return None
        span, gap = float(self.levels[-1] - self.levels[0]), float(self.gaps.min())
        low, high = sigma, sigma
        with precision(_BITS):
            for _ in range(4000):
                if self._spread_bound(gap / low) > error:
                    break
                low /= 1.05
            else:
                return None
            for _ in range(4000):
                if self._narrow_bound(span / high) > error:
                    return low / (1 + 1e-9), high * (1 + 1e-9)
                high *= 1.05
        return None

    def _spread_bound(self, gap: float) -> float:
        tail = self.law.upper_moments(arb(gap) / 4)
        inner = self.law.variance() - 2 * tail.second
        return min(_down(inner), _down(arb(gap) ** 2 / 32 * (1 - 2 * tail.mass)))

    def _narrow_bound(self, span: float) -> float:
        half = arb(span) / 2
        tail = self.law.upper_moments(half)
        return _down(2 * (tail.second - half * (2 * tail.first - half * tail.mass)))

    # --- the search ---------------------------------------------------------------------------------

    def run(self, error: float, sigma: float, *, effort: int, until: Accept | None = None) -> Outcome:
        """Discard every box on which no table does better than ``error``.

        Args:
            error: D*, rounded up where it is a candidate's.
            sigma: the candidate's, from which the range of sigma is widened.
            effort: how many boxes times levels may be priced.
            until: called with each hull; True stops the search there.
        """
        sigmas = self._sigma_range(error, sigma)
        if sigmas is None:
            return Outcome(Hull(0.0, math.inf, -math.inf, math.inf), None, 0)
        boxes, priced = self._first_boxes(*sigmas), 0
        while True:
            priced += len(boxes)
            corners = [(i, j) for i in (0, 1) for j in ((2, 3) if self.shifts else (2,))]
            values = np.stack([self.value_below(boxes[:, i], boxes[:, j], error) for i, j in corners])
            wide = max(0.0, self.variance_high - error) * (boxes[:, 1] - boxes[:, 0]) ** 2 / 4
            tall = (boxes[:, 3] - boxes[:, 2]) ** 2 / 4
            alive = ~(values.min(axis=0) > (wide + tall) * _UP)
            boxes, values = boxes[alive], values[:, alive]
            if len(boxes):
                wide, tall = self._gaps_of(boxes, error)
                alive = ~(values.min(axis=0) > (wide + tall) * _UP)
                boxes, wide, tall, values = boxes[alive], wide[alive], tall[alive], values[:, alive]
            if not len(boxes):
                return Outcome(None, None, priced)
            hull = _hull_of(boxes)
            corner, box = np.unravel_index(int(np.argmin(values)), values.shape)
            i, j = corners[int(corner)]
            lowest = (float(boxes[box, i]), float(boxes[box, j]))
            if until is not None and until(hull):
                return Outcome(hull, None, priced)
            if (priced + 2 * len(boxes)) * len(self.levels) > effort:
                return Outcome(hull, lowest, priced)
            boxes = _halved(boxes, wide > tall)

    def _gaps_of(self, boxes: Floats, error: float) -> tuple[Floats, Floats]:
        """By how much F can lie below the interpolation of its corners, along sigma and along u."""
        low, high, left, right = (boxes[:, k, None] for k in range(4))
        before, after = left + self.middles, right + self.middles
        straddles = (before < 0) & (after > 0)
        least = np.where(straddles, 0.0, np.minimum(np.abs(before), np.abs(after))) / high
        most = np.maximum(np.abs(before), np.abs(after)) / low
        dense = np.minimum(self._density_below(least), self._density_below(most))
        curved = (dense / high) @ self.gaps
        swept = (dense * least**2 / high) @ self.gaps
        wide = (
            np.maximum(0.0, self.variance_high - error - swept * _DOWN) * (boxes[:, 1] - boxes[:, 0]) ** 2 / 4
        )
        tall = np.maximum(0.0, 1 - curved * _DOWN) * (boxes[:, 3] - boxes[:, 2]) ** 2 / 4
        return wide, tall

    def _density_below(self, t: Floats) -> Floats:
        i = np.searchsorted(self._nodes, t * _UP, side="right") - 1
        inside = i < len(self._nodes) - 1
        return np.where(inside, self._dense[np.minimum(i, len(self._nodes) - 2)], 0.0)

    def _first_boxes(self, low: float, high: float) -> Floats:
        sigma = np.geomspace(low, high, 2 + int(8 * math.log(high / low)))
        sigma[0], sigma[-1] = low, high
        start, stop = self._shift_range()
        shift = np.linspace(start, stop, 2 + min(64, int(stop - start))) if self.shifts else np.zeros(2)
        grid = [(a, b, c, d) for a, b in pairwise(sigma) for c, d in pairwise(shift)]
        return np.array(grid)


def _hull_of(boxes: Floats) -> Hull:
    low, high = boxes.min(axis=0), boxes.max(axis=0)
    return Hull(float(low[0]), float(high[1]), float(low[2]), float(high[3]))


def _halved(boxes: Floats, along_sigma: NDArray[np.bool_]) -> Floats:
    first, second = boxes.copy(), boxes.copy()
    for axis, chosen in ((0, along_sigma), (2, ~along_sigma)):
        middle = (boxes[chosen, axis] + boxes[chosen, axis + 1]) / 2
        first[chosen, axis + 1] = second[chosen, axis] = middle
    return np.concatenate([first, second])


def _density_below(law: Law, x: float) -> float:
    """f(x), rounded down; infinite at a pole."""
    value = law.density(arb(x))
    return max(0.0, _down(value)) if value.is_finite() else math.inf


def _up(value: arb) -> float:
    return math.nextafter(float(value.upper()), math.inf)


def _down(value: arb) -> float:
    return math.nextafter(float(value.lower()), -math.inf)
