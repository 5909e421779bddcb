"""The global optimum, enclosed: branch and bound over thresholds by dynamic programming.

Cut the line into buckets. For bucket B let p be its mass, y its mean, v = E[(X - y)^2; B] and
delta = E[|X - y|; B]. For any levels c_1 < ... < c_K with midpoint thresholds t_k, and for every x,

    min_k (x - c_k)^2 = (x - c_1)^2 - sum_k 2 (c_{k+1} - c_k) (x - t_k)_+.

Taking expectations over B and comparing with the value at y (theory.md section 8),

    E[min_k (X - c_k)^2; B] = v + p min_k (y - c_k)^2 - sum_{k: t_k in B} (c_{k+1} - c_k) s_k,
    0 <= s_k = E[|X - t_k|; B] - p |y - t_k| <= delta,

since s_k vanishes for t_k outside B and is largest at t_k = y. So a threshold costs nothing in the
bound where it splits no bucket, and delta = O(width^2) where it does. Writing
c_{k+1} - c_k = (c_{k+1} - t_k) + (t_k - c_k) <= (c_{k+1} - lo) + (hi - c_k) for t_k in [lo, hi]
separates the cells, and each cell's share is a quadratic in its own level:

    p c^2 - 2 m1 c + m2 - delta_left (c - lo_left) - delta_right (hi_right - c).

Its minimum over c is a closed form, so the minimum over all codebooks is bounded below by a shortest
path: a state is (bucket that holds t_k, side of y on which t_k lies). A state of t_k through which no
path stays below the upper bound cannot hold t_k of an optimal codebook and is dropped; surviving
buckets are halved, dead ones merged (merging is free: no threshold splits them).

**Outside.** Thresholds are sought in [-L, L] and the tails belong to the outer cells. If some t_k lies
outside, at most K - 1 cells meet [-L, L]; so D is at least the bound for K - 1 cells and the law
restricted to [-L, L]. L is enlarged until that exceeds the upper bound; if it never does, the smaller
of the two bounds still holds, but no codebook can be isolated.

**Symmetry.** All laws here are symmetric. For even K the mirror image of a codebook has the middle
threshold of opposite sign, so t_{K/2} >= 0 may be assumed.

All sums are rounded towards minus infinity; moments are balls.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from flint import arb

from fmq_theory.certify.enclosure import precision
from fmq_theory.certify.law import Law, UpperMoments
from fmq_theory.errors import CertificationError

__all__ = ["Region", "ThresholdSearch"]

_BITS = 96
_FARTHEST = 1e140
"""L beyond which squares of lengths leave float64."""


class Region(NamedTuple):
    """[low, high] that is known to hold a threshold of every optimal codebook (up to its mirror image)."""

    low: float
    high: float


class _State(NamedTuple):
    """t_k in [low, high], a part of a bucket; Y-mass left of ``edge`` belongs to the left cell."""

    position: int  # order along the line: 2 * bucket, + 1 right of the bucket's mean
    edge: int
    delta: arb
    low: float
    high: float


@dataclass(slots=True)
class ThresholdSearch:
    """Lower bound of the optimal distortion of K levels, sharpened step by step.

    Attributes:
        law: the source.
        num_cells: K on the whole line; half of K on the half-line.
        half: search among symmetric codebooks with a threshold at 0, for the law on x > 0 (mass 1/2).
        upper: distortion of some codebook, rounded up; on the half-line of its right half.
        reach: L, beyond which no threshold lies.
        lower: proven lower bound.
        outside: proven lower bound of D where some threshold lies beyond L; harmless if above ``upper``.
        regions: per threshold, the surviving intervals, in order.
        guess: thresholds on a cheapest path: a good start for Newton, and no more than that.
    """

    law: Law
    num_cells: int
    upper: float
    half: bool = False
    reach: float = 0.0
    lower: float = -math.inf
    outside: float = math.inf
    regions: list[list[Region]] = field(default_factory=list[list[Region]])
    guess: list[float] = field(default_factory=list[float])
    _tails: dict[float, UpperMoments] = field(default_factory=dict[float, UpperMoments])

    def begin(self, start_reach: float, buckets: int, *, far: bool = True) -> None:
        """Choose L, and lay the first grid of ``buckets`` (on each side of 0).

        ``far``: as far as the variance lies, if need be; else at most 1,700 times as far as ``start_reach``.
        """
        reach, edges, growth = start_reach, self._first_grid(start_reach, buckets), 1.7
        most, in_vain = 0.0, 0
        steps = 22 if far else 15
        for step in range(steps):
            last = growth * reach > _FARTHEST or step == steps - 1
            if last or self._may_exclude(reach):
                self.outside = self._outside_bound(edges) if self.num_cells > 1 else math.inf
                # A longer grid is a coarser one: where it proves no more, a still longer one will not either.
                in_vain = 0 if self.outside > 1.001 * most else in_vain + 1
                most = max(most, self.outside)
                if last or self.outside > self.upper or in_vain == 4:
                    break
            reach, buckets = growth * reach, buckets + 4
            edges = self._first_grid(reach, buckets)
            growth = growth if step < 14 else growth * growth  # the second moment may lie many decades away
        self.reach = reach
        middle = self.num_cells // 2 if not self.half and self.num_cells % 2 == 0 else None
        whole = Region(edges[0], edges[-1])
        self.regions = [[Region(0.0, whole.high) if k == middle else whole] for k in range(1, self.num_cells)]
        self._improve(edges)

    def _may_exclude(self, reach: float) -> bool:
        """Whether the law restricted to [-L, L] has a second moment above the upper bound, as it must."""
        with precision(_BITS):
            beyond = self.law.upper_moments(arb(reach)).second
            whole = self.law.everything().second
            inside = whole / 2 - beyond if self.half else whole - 2 * beyond
            return _up(inside) > self.upper

    def excludes_outside(self) -> bool:
        """Whether every optimal codebook is proven to have all its thresholds in [-L, L]."""
        return self.outside > self.upper

    def refine(self) -> None:
        """Halve every surviving bucket and drop what the sharper bound excludes."""
        edges: set[float] = {0.0} if self.half else set()  # the half-line's first cell begins at 0
        for regions in self.regions:
            for low, high in regions:
                edges.update((low, _middle(low, high), high))
        self._improve(sorted(edges))

    def effort(self) -> int:
        """Cells that the next refinement has to price."""
        sizes = [4 * len(regions) for regions in self.regions]
        return sum(a * b for a, b in pairwise(sizes)) + sum(sizes)

    def hulls(self) -> list[Region]:
        """For each threshold, the interval that spans its surviving regions."""
        return [Region(regions[0].low, regions[-1].high) for regions in self.regions]

    def _first_grid(self, reach: float, buckets: int) -> list[float]:
        # Even in asinh(x / s), s the reach of the bulk: fine in the middle, geometric in the tails.
        with precision(_BITS):
            bulk = float(2 * self.law.upper_moments(arb(0)).first)
        side = [bulk * math.sinh(math.asinh(reach / bulk) * i / buckets) for i in range(buckets + 1)]
        return side if self.half else [-x for x in reversed(side[1:])] + side

    def _grid(self, edges: Sequence[float], *, with_tails: bool) -> "_Grid":
        for x in map(abs, edges):
            if x not in self._tails:
                self._tails[x] = self.law.upper_moments(arb(x))
        tails = [self._tails[abs(x)] for x in edges]
        return _Grid(edges, tails, self.law.everything(), with_tails, with_tails and not self.half)

    def _outside_bound(self, edges: Sequence[float]) -> float:
        """Lower bound of D for K - 1 cells and the law restricted to the grid."""
        with precision(_BITS):
            grid = self._grid(edges, with_tails=False)
            cells = self.num_cells - 1
            states = grid.states([Region(edges[0], edges[-1])])
            forward = grid.forward([states] * (cells - 1))
            return grid.close(forward, [states] * (cells - 1))

    def _improve(self, edges: Sequence[float]) -> None:
        with precision(_BITS):
            grid = self._grid(edges, with_tails=True)
            layers = [grid.states(regions) for regions in self.regions]
            forward = grid.forward(layers)
            backward = grid.backward(layers)
            self.lower = max(self.lower, min(self.outside, grid.close(forward, layers)))
            kept: list[list[Region]] = []
            self.guess = []
            for states, ahead, behind in zip(layers, forward, backward, strict=True):
                alive = [
                    Region(state.low, state.high)
                    for state, a, b in zip(states, ahead, behind, strict=True)
                    if _down(a + b) <= self.upper
                ]
                kept.append(alive)
                best = min(
                    range(len(states)), key=[a + b for a, b in zip(ahead, behind, strict=True)].__getitem__
                )
                self.guess.append(_middle(states[best].low, states[best].high))
            if not all(kept) and not self.excludes_outside():
                # No optimal codebook has all its thresholds in [-L, L].
                self.lower = max(self.lower, self.outside)
                return
            if not all(kept):
                raise CertificationError(
                    f"global search for {self.law.label()}",
                    "the upper bound lies below the optimum, so it belongs to no codebook",
                    "pass the distortion of a codebook, rounded up",
                )
            self.regions = kept


class _Grid:
    """Buckets between consecutive edges, and the shortest path over their states."""

    def __init__(
        self,
        edges: Sequence[float],
        tails: Sequence[UpperMoments],
        everything: UpperMoments,
        right_tail: bool,
        left_tail: bool,
    ) -> None:
        """``tails``: T_p(|edge|); the two flags say whether the outer cells own what lies beyond."""
        self._edges, self._tails, self._everything = edges, tails, everything
        self._first = None if left_tail else 0
        self._last = None if right_tail else len(edges) - 1
        self._costs: dict[tuple[int, int], float] = {}

    def _cell(self, low: int | None, high: int | None) -> UpperMoments:
        """Moments between two edges (None: infinity), without cancellation in either tail."""
        nothing = UpperMoments(arb(0), arb(0), arb(0))
        if high is not None and self._edges[high] <= 0:
            mirror = self._tails[high] - (nothing if low is None else self._tails[low])
            return UpperMoments(mirror.mass, -mirror.first, mirror.second)
        beyond = nothing if high is None else self._tails[high]
        if low is not None and self._edges[low] >= 0:
            return self._tails[low] - beyond
        before = nothing if low is None else self._tails[low]
        below = UpperMoments(before.mass, -before.first, before.second)
        return self._everything - below - beyond

    def states(self, regions: Sequence[Region]) -> list[_State]:
        """The states of every bucket half that meets one of the regions (sorted, as is the result)."""
        found: list[_State] = []
        cursor = 0
        for i, (low, high) in enumerate(zip(self._edges, self._edges[1:], strict=False)):
            while cursor < len(regions) and regions[cursor].high <= low:
                cursor += 1
            if cursor == len(regions):
                break
            if regions[cursor].low >= high:
                continue
            cell = self._cell(i, i + 1)
            if not cell.mass > 0:
                raise CertificationError(
                    "global search",
                    "a bucket's mass is not proven positive",
                    "use fewer levels or refinements",
                )
            mean = cell.first / cell.mass
            # E|X - y| <= sqrt(p E(X - y)^2) over the bucket, and the mean lies inside it.
            delta = (cell.mass * abs(cell.second - mean * cell.first).upper()).sqrt().upper()
            left_end = min(high, math.nextafter(_up(mean), math.inf))
            right_start = max(low, math.nextafter(-_up(-mean), -math.inf))
            found.append(_State(2 * i, i, delta, low, left_end))
            found.append(_State(2 * i + 1, i + 1, delta, right_start, high))
        return found

    def forward(self, layers: Sequence[Sequence[_State]]) -> list[list[float]]:
        """Least cost of everything left of each state."""
        return _least_costs(layers, self._cost)

    def backward(self, layers: Sequence[Sequence[_State]]) -> list[list[float]]:
        """Least cost of everything right of each state."""
        return _least_costs(layers[::-1], lambda right, left: self._cost(left, right))[::-1]

    def close(self, forward: Sequence[Sequence[float]], layers: Sequence[Sequence[_State]]) -> float:
        """Least cost of a whole path."""
        if not layers:
            return self._cost(None, None)
        return min(
            _down(cost + self._cost(state, None)) for state, cost in zip(layers[-1], forward[-1], strict=True)
        )

    def _cost(self, left: _State | None, right: _State | None) -> float:
        """Lower bound of one cell's share, rounded down; infinite where its thresholds are out of order."""
        if left is not None and right is not None and left.position > right.position:
            return math.inf
        key = (-1 if left is None else left.position, -1 if right is None else right.position)
        known = self._costs.get(key)
        if known is None:
            known = self._costs[key] = self._compute(left, right)
        return known

    def _compute(self, left: _State | None, right: _State | None) -> float:
        start = self._first if left is None else left.edge
        stop = self._last if right is None else right.edge
        if start is not None and stop is not None and start >= stop:
            # No Y-mass: what remains is linear in a level between the thresholds (or the grid's ends).
            deltas = [state.delta for state in (left, right) if state is not None]
            low = self._edges[0] if left is None else left.low
            high = self._edges[-1] if right is None else right.high
            return -_up(max(deltas, key=_up) * (arb(high) - arb(low)))
        cell = self._cell(start, stop)
        first, constant = cell.first, cell.second
        if left is not None:
            first, constant = first + left.delta / 2, constant + left.delta * left.low
        if right is not None:
            first, constant = first - right.delta / 2, constant - right.delta * right.high
        best = first / cell.mass
        # The level lies between its thresholds; the convex quadratic is least at the nearer end.
        if left is not None and best < left.low:
            best = arb(left.low)
        elif right is not None and best > right.high:
            best = arb(right.high)
        else:
            return -_up(first * best - constant)
        return -_up(best * (2 * first - best * cell.mass) - constant)


def _least_costs(
    layers: Sequence[Sequence[_State]], cost: Callable[[_State | None, _State | None], float]
) -> list[list[float]]:
    """Least cost of a path from the outside to each state, layer by layer; ``cost(from, to)`` of a step."""
    values: list[list[float]] = []
    for k, states in enumerate(layers):
        if k == 0:
            values.append([cost(None, state) for state in states])
            continue
        before = list(zip(layers[k - 1], values[-1], strict=True))
        values.append(
            [
                min(
                    (_down(least + step) for old, least in before if (step := cost(old, state)) < math.inf),
                    default=math.inf,
                )
                for state in states
            ]
        )
    return values


def _down(value: float) -> float:
    return math.nextafter(value, -math.inf)


def _up(value: arb) -> float:
    """A float not below the ball; infinity for a ball that is not finite."""
    if not value.is_finite():
        return math.inf
    # float() rounds the midpoint to nearest, so one more step covers the rounding.
    return math.nextafter(float(value.upper()), math.inf)


def _middle(low: float, high: float) -> float:
    return low + (high - low) / 2
