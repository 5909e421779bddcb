"""A search among all codebooks of K levels (or all symmetric ones), in floats with a margin.

The line is cut into buckets. For levels c_k the error at x is x^2 - 2 g(x), g(x) = max_k (c_k x - c_k^2/2),
and g is convex: over a bucket B = [l, h] it lies below its chord. With p = P(B) and y = E[X | B],

    E[min_k (X - c_k)^2; B] >= w_l min_k (l - c_k)^2 + w_h min_k (h - c_k)^2 - E[(h - X)(X - l); B],
    w_l = p (h - y)/(h - l),   w_h = p (y - l)/(h - l):

the mass of B moves to its ends, and what the second moment grows by is taken off. If B holds threshold k, its
left end belongs to the cell on the left and its right end to that on the right; so the least error of each
cell, about its own mean, depends on the two buckets at its ends alone, and the least sum over all choices of
buckets, a shortest path, bounds every codebook from below. What is lost is of the second order in h - l.
A bucket that reaches to infinity is left out, for its error is not negative.

A bucket through which no path stays below the distortion D at hand holds no threshold of a better codebook;
what is left is halved. Let H be the hulls that are left of the thresholds and B the box of the levels that go
with them (a cell's mean increases in both of its ends). If half the Hessian of the error,

    J_kk = mass_k - g_k - g_(k-1),  J_k,k+1 = -g_k,  g_k = f(t_k) (c_(k+1) - c_k)/4,

is positive definite for thresholds in H and levels in B, both convex, then only one stationary codebook lies
there. The best codebook is stationary and lies there; so does the one at hand; they are the same.

By symmetry threshold K/2 of an even K may be taken >= 0. Floats err by some 1e-16 of the variance; the
margin is 1e-9 of D.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import mpmath as mp

from proofs_check.independent.laws import Law

__all__ = ["search"]

_MARGIN, _BETTER = 1e-9, 1e-7
_MOST_CELLS, _MOST_SHARES, _ROUNDS = 8, 1_500_000, 24
_FARTHEST = 1e140
Hull = tuple[float, float]
Split = tuple[float, float, float]


def search(
    law: Law, levels: Sequence[float], distortion: float, *, symmetric: bool
) -> Literal["best", "not best", "undecided"]:
    """Whether no codebook (no symmetric one, of an even number of levels) is better than the one at hand."""
    moments = _Moments(law)
    if symmetric:
        levels, distortion = levels[len(levels) // 2 :], distortion / 2
    low = 0.0 if symmetric else -math.inf
    if _descends(moments, levels, distortion, low):
        return "not best"
    if len(levels) > _MOST_CELLS:
        return "undecided"
    buckets = _first_buckets(moments, levels, distortion, low)
    layers = [buckets] * (len(levels) - 1)
    if not symmetric and len(levels) % 2 == 0:
        half = len(levels) // 2 - 1
        layers[half] = [bucket for bucket in buckets if bucket[0] >= 0]
    for _ in range(_ROUNDS):
        layers, guess = _survivors(moments, layers, low, distortion)
        if _descends(moments, moments.means(guess, low), distortion, low):
            return "not best"
        if not all(layers) or _isolated(moments, layers, levels, low):
            return "best" if all(layers) else "undecided"
        layers = [_halved(layer, moments.bulk) for layer in layers]
        if sum(len(a) * len(b) for a, b in pairwise([*layers, [None]])) > _MOST_SHARES:
            break
    return "undecided"


class _Moments:
    """E[X^p; a < X < b] as floats, without cancellation in either tail."""

    def __init__(self, law: Law) -> None:
        self.law = law
        self._splits: dict[Hull, Split] = {}
        self._shares: dict[tuple[Hull | None, Hull | None], float] = {}
        self._tails: dict[float, tuple[float, float, float]] = {math.inf: (0.0, 0.0, 0.0)}
        mass, self.bulk, second = self.above(0.0)
        self._whole = (2 * mass, 0.0, 2 * second)

    def above(self, x: float) -> tuple[float, float, float]:
        if x not in self._tails:
            digits = 30
            while True:
                with mp.workdps(digits):
                    tails = self.law.tails(mp.mpf(x))
                # A tail is found as what is missing to 1; so a small one needs more digits.
                if min(tails) * mp.mpf(10) ** (digits - 20) > 1 or digits > 200:
                    break
                digits *= 2
            self._tails[x] = float(tails[0]), float(tails[1]), float(tails[2])
        return self._tails[x]

    def density(self, x: float) -> float:
        with mp.workdps(20):
            pole = self.law.family == "gamma" and self.law.shape < 1 and x == 0
            return math.inf if pole else float(self.law.density(mp.mpf(abs(x))))

    def cell(self, low: float, high: float) -> tuple[float, float, float]:
        if high <= 0:
            mass, first, second = self.cell(-high, -low)
            return mass, -first, second
        b = self.above(high)
        if low >= 0:
            a = self.above(low)
            return a[0] - b[0], a[1] - b[1], a[2] - b[2]
        a = self.above(-low)
        return self._whole[0] - a[0] - b[0], a[1] - b[1], self._whole[2] - a[2] - b[2]

    def error(self, low: float, high: float) -> float:
        """The least of E[(X - c)^2; cell] over c."""
        if low >= high:
            return 0.0
        mass, first, second = self.cell(low, high)
        return max(0.0, second - first * first / mass) if mass > 0 else 0.0

    def split(self, bucket: Hull) -> Split:
        """Mass that moves to either end of the bucket, and E[(high - X)(X - low); bucket]."""
        if bucket not in self._splits:
            low, high = bucket
            left, right, gap = 0.0, 0.0, 0.0
            if math.isfinite(low) and math.isfinite(high):
                mass, first, second = self.cell(low, high)
                left, right = (high * mass - first) / (high - low), (first - low * mass) / (high - low)
                left, right = max(0.0, left), max(0.0, right)
                gap = max(0.0, (low + high) * first - low * high * mass - second)
            self._splits[bucket] = left, right, gap
        return self._splits[bucket]

    def share(self, before: Hull | None, after: Hull | None, low: float) -> float:
        """The cell's share of the bound between the buckets of its thresholds, less what ``after`` takes off.

        ``before`` is None for the first cell, which begins at ``low``; ``after`` for the last.
        """
        key = before, after
        if key not in self._shares:
            self._shares[key] = self._share(before, after, low)
        return self._shares[key]

    def _share(self, before: Hull | None, after: Hull | None, low: float) -> float:
        if before == after and before is not None:
            return 0.0  # one bucket, two thresholds: nothing lies between, and it was taken off already
        start, end = low if before is None else before[1], math.inf if after is None else after[0]
        mass, first, second = self.cell(start, end) if start < end else (0.0, 0.0, 0.0)
        taken = 0.0
        if before is not None:
            _, moved, _ = self.split(before)
            if moved > 0:
                mass, first, second = mass + moved, first + moved * start, second + moved * start * start
        if after is not None:
            moved, _, taken = self.split(after)
            if moved > 0:
                mass, first, second = mass + moved, first + moved * end, second + moved * end * end
        return (max(0.0, second - first * first / mass) if mass > 0 else 0.0) - taken

    def mean(self, low: float, high: float) -> float:
        mass, first, _ = self.cell(low, high)
        return min(max(first / mass, low), high) if mass > 0 else low if low >= 0 else high

    def means(self, cuts: Sequence[float], low: float) -> list[float]:
        return [self.mean(a, b) for a, b in pairwise([low, *cuts, math.inf])]


def _descends(moments: _Moments, levels: Sequence[float], distortion: float, low: float) -> bool:
    """Whether Lloyd's iteration from these levels, or from them a little moved, reaches a smaller error."""
    for push in (0.0, 1e-3, -1e-3):
        found = [c * (1 + push) + push * abs(levels[-1]) for c in levels] if low < 0 else list(levels)
        for _ in range(60):
            if not all(a < b for a, b in pairwise(found)):
                break
            cuts = [(a + b) / 2 for a, b in pairwise(found)]
            ends = [low, *cuts, math.inf]
            if sum(moments.error(a, b) for a, b in pairwise(ends)) < distortion * (1 - _BETTER):
                return True
            found = moments.means(cuts, low)
    return False


def _first_buckets(moments: _Moments, levels: Sequence[float], distortion: float, low: float) -> list[Hull]:
    """Even in asinh: fine in the middle, geometric in the tails; the outermost reach to infinity.

    Beyond the last edge, and the last level, less than a hundredth of the distortion is left.
    """
    bulk, reach = moments.bulk, 4 * max(map(abs, levels))
    while moments.above(reach)[2] > distortion / 200 and reach < _FARTHEST:
        reach *= 4
    count = 60
    side = [bulk * math.sinh(math.asinh(reach / bulk) * i / count) for i in range(count + 1)] + [math.inf]
    edges = side if low == 0 else [-x for x in reversed(side[1:])] + side
    return list(pairwise(edges))


def _survivors(
    moments: _Moments, layers: list[list[Hull]], low: float, distortion: float
) -> tuple[list[list[Hull]], list[float]]:
    forward = [[moments.share(None, bucket, low) for bucket in layers[0]]]
    for before, layer in pairwise(layers):
        forward.append([_step(moments, before, forward[-1], bucket, low) for bucket in layer])
    backward = [[moments.share(bucket, None, low) for bucket in layers[-1]]]
    for after, layer in pairwise(reversed(layers)):
        backward.append([_step_back(moments, after, backward[-1], bucket, low) for bucket in layer])
    kept: list[list[Hull]] = []
    guess: list[float] = []
    for layer, ahead, behind in zip(layers, forward, reversed(backward), strict=True):
        total = [a + b for a, b in zip(ahead, behind, strict=True)]
        kept.append(
            [
                bucket
                for bucket, value in zip(layer, total, strict=True)
                if value <= distortion * (1 + _MARGIN)
            ]
        )
        guess.append(_middle(layer[min(range(len(total)), key=total.__getitem__)], moments.bulk))
    return kept, guess


def _step(moments: _Moments, before: list[Hull], costs: list[float], bucket: Hull, low: float) -> float:
    return min(
        (
            cost + moments.share(old, bucket, low)
            for old, cost in zip(before, costs, strict=True)
            if old[0] <= bucket[0]
        ),
        default=math.inf,
    )


def _step_back(moments: _Moments, after: list[Hull], costs: list[float], bucket: Hull, low: float) -> float:
    return min(
        (
            cost + moments.share(bucket, new, low)
            for new, cost in zip(after, costs, strict=True)
            if new[0] >= bucket[0]
        ),
        default=math.inf,
    )


def _middle(bucket: Hull, bulk: float) -> float:
    """Where to halve a bucket: by its ratio where that is large, and ever farther towards infinity."""
    low, high = bucket
    if low < 0:
        return -_middle((-high, -low), bulk)
    if math.isinf(high):
        return low * min(max(2.0, low / bulk), 1e30)
    return math.sqrt(low) * math.sqrt(high) if high > 4 * low > 0 else (low + high) / 2


def _halved(layer: list[Hull], bulk: float) -> list[Hull]:
    halves: list[Hull] = []
    for low, high in layer:
        middle = _middle((low, high), bulk)
        halves += [(low, middle), (middle, high)] if low < middle < high else [(low, high)]
    return halves


def _isolated(moments: _Moments, layers: list[list[Hull]], levels: Sequence[float], low: float) -> bool:
    hulls = [(layer[0][0], layer[-1][1]) for layer in layers]
    cuts = [(a + b) / 2 for a, b in pairwise(levels)]
    if low < 0 and len(levels) % 2 == 0 and cuts[len(cuts) // 2] < -1e-12 * moments.bulk:
        cuts = [-t for t in reversed(cuts)]  # the mirror image, which is as good
    # A threshold of 0 lies on the edge of the half-line that was searched, and on both sides of it.
    middle = len(cuts) // 2
    if low < 0 and len(levels) % 2 == 0 and hulls[middle][0] <= 0:
        hulls[middle] = (-hulls[middle][1], hulls[middle][1])
    if any(math.isinf(end) for hull in hulls for end in hull):
        return False
    if any(a[1] >= b[0] for a, b in pairwise(hulls)):
        return False
    near = 1e-12 * moments.bulk
    if not all(a - near <= t <= b + near for t, (a, b) in zip(cuts, hulls, strict=True)):
        return False
    lows, highs = [low, *(a for a, _ in hulls), math.inf], [low, *(b for _, b in hulls), math.inf]
    boxes = [
        (moments.mean(lows[k], lows[k + 1]), moments.mean(highs[k], highs[k + 1])) for k in range(len(levels))
    ]
    masses = [moments.cell(highs[k], lows[k + 1])[0] for k in range(len(levels))]
    gains = [
        _most_density(moments, hull) * (b[1] - a[0]) / 4
        for hull, (a, b) in zip(hulls, pairwise(boxes), strict=True)
    ]
    pivot = math.inf
    for mass, left, right in zip(masses, [0.0, *gains], [*gains, 0.0], strict=True):
        pivot = mass - left - right - (left * left / pivot if math.isfinite(pivot) else 0.0)
        if not pivot > 1e-9 * mass:
            return False
    return True


def _most_density(moments: _Moments, hull: Hull) -> float:
    low, high = hull
    near = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    far, mode = max(abs(low), abs(high)), moments.law.mode
    return moments.density(min(max(mode, near), far))
