"""Codebooks designed on n weights whose thresholds lie between neighbouring weights: equal mass and PWL.

A cell that holds the ranks p+1 .. q has its lower threshold between X_(p) and X_(p+1) and its upper one
between X_(q) and X_(q+1). Given these four order statistics, the other q - p - 2 weights of the cell are
independent draws from the law cut to (X_(p+1), X_(q)), so every quantity that is quadratic in them has a
conditional mean in closed form, by partial moments. What is left is a quadrature over four uniform order
statistics U_(p) < U_(p+1) < U_(q) < U_(q+1), broken from the inside outwards: U_(q+1) is Beta(q + 1, n - q),
and the quotients U_(q) / U_(q+1), U_(p+1) / U_(q), U_(p) / U_(p+1) are independent of it and of each other,
of the laws Beta(q, 1), Beta(p + 1, q - p - 1), Beta(p, 1). Quotients suit power tails, where quantiles of
products are products.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmq_theory.bounds.beta_rules import BetaRule, gauss_rule, graded_rule
from fmq_theory.bounds.finite_equal_mass import SampleMean, equal_count_sizes, quantile, require_law_and_sizes
from fmq_theory.bounds.memo import remember_for_laws
from fmq_theory.sources import Source, SymmetricSource

__all__ = ["equal_mass_on_fresh_weights", "pwl_on_fresh_weights", "pwl_on_own_weights"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Orders of the Gauss rules: of U_(q+1) and the wide quotient, and of the two narrow ones.
_ORDERS = ((3, 2), (4, 3), (6, 4), (8, 5))
_TOLERANCE = 1e-6  # of the mean of the cells, for each cell
_SINGULAR = 3  # a quotient Beta(p, .) with p below this gets a graded rule
_COARSE, _COARSER = 1.6, 2.1  # steps of the graded rules, which need fewer digits here than on their own
_CHUNK = 1 << 17
_LEAST = 1e-100


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """Cells from their lower end, or from the upper end where ``mirrored``; arrays of shape ``[c]``.

    Attributes:
        p: ranks before the cell.
        m: ranks in the cell, at least 1.
        first: the threshold before the cell is (1 - first) X_(p) + first X_(p+1).
        last: the threshold after it is (1 - last) X_(q) + last X_(q+1), q = p + m.
        mirrored: whether ranks are counted from the largest weight.
    """

    p: IntArray
    m: IntArray
    first: FloatArray
    last: FloatArray
    mirrored: NDArray[np.bool_]

    def part(self, at: IntArray | slice) -> "_Cells":
        """Some of the cells."""
        return _Cells(*(getattr(self, field.name)[at] for field in fields(self)))


class _Order(NamedTuple):
    """X_(p), X_(p+1), X_(q), X_(q+1) at the nodes of some cells, shape ``[c, nodes]`` each."""

    before: FloatArray
    first: FloatArray
    last: FloatArray
    after: FloatArray


_Cost = Callable[[Source, _Cells, _Order, int], FloatArray]


@remember_for_laws
def equal_mass_on_fresh_weights(source: Source, num_levels: int, n: int) -> SampleMean:
    """E D(Q; law) of the equal-mass codebook Q designed on n weights: its error on weights it has not seen.

    The thresholds lie half-way between the neighbouring weights of two cells. Given a cell's ends the mean
    level and its variance are known, and E (x - c)^2 = (x - E c)^2 + Var c.

    Args:
        source: a law with a density and a finite variance.
        num_levels: K >= 1; K > n is n.
        n: weights a sample, n >= 1.

    Raises:
        SourceError: data, an infinite variance, or n or K below 1.
    """
    require_law_and_sizes(source, num_levels, n)
    m = equal_count_sizes(num_levels, n)
    half = np.full(m.size, 0.5)
    return _mean(source, _cells(np.cumsum(m) - m, m, half, half, n), n, _equal_mass_fresh)


@remember_for_laws
def pwl_on_own_weights(source: Source, num_levels: int, n: int) -> SampleMean | None:
    """E D of PWL on the n weights it is designed on.

    Its thresholds are numpy.quantile's k/K quantiles, its levels the middles of the cells between them.

    Args:
        source: a law with a density and a finite variance.
        num_levels: K >= 1.
        n: weights a sample, n >= 2.

    Returns:
        None where n <= K: cells without a weight have a level too, and the formula does not apply.

    Raises:
        SourceError: data, an infinite variance, or n or K below 1.
    """
    require_law_and_sizes(source, num_levels, n)
    if n <= num_levels:
        return None
    found = _mean(source, _pwl_cells(num_levels, n), n, _midpoint_own)
    return SampleMean(found.value / n, found.error / n)


@remember_for_laws
def pwl_on_fresh_weights(source: Source, num_levels: int, n: int) -> SampleMean | None:
    """E D(Q; law) of the PWL codebook Q designed on n weights; None where n <= K.

    Args:
        source: a law with a density and a finite variance.
        num_levels: K >= 1.
        n: weights a sample, n >= 2.

    Raises:
        SourceError: data, an infinite variance, or n or K below 1.
    """
    require_law_and_sizes(source, num_levels, n)
    return None if n <= num_levels else _mean(source, _pwl_cells(num_levels, n), n, _midpoint_fresh)


def _cells(p: IntArray, m: IntArray, first: FloatArray, last: FloatArray, n: int) -> _Cells:
    """Each cell counted from the nearer end."""
    rest = n - p - m
    mirrored = p > rest
    return _Cells(
        np.minimum(p, rest),
        m,
        np.where(mirrored, 1.0 - last, first),
        np.where(mirrored, 1.0 - first, last),
        mirrored,
    )


def _pwl_cells(num_levels: int, n: int) -> _Cells:
    """Between numpy.quantile's k/K quantiles, at the places (n - 1) k / K of the sorted weights."""
    k = np.arange(1, num_levels, dtype=np.int64)
    place, part = np.divmod((n - 1) * k, num_levels)
    share = part / num_levels
    # A threshold on a weight belongs to the gap below it: that weight is in the cell above.
    before, share = np.where(part == 0, place, place + 1), np.where(part == 0, 1.0, share)
    cuts = np.concatenate(([0], before, [n]))
    share = np.concatenate(([1.0], share, [0.0]))  # the outer cells end at the extremes
    return _cells(cuts[:-1], np.diff(cuts), share[:-1], share[1:], n)


def _mean(source: Source, cells: _Cells, n: int, cost: _Cost) -> SampleMean:
    keys = np.stack([np.asarray(getattr(cells, field.name), dtype=np.float64) for field in fields(cells)])
    if isinstance(source, SymmetricSource):
        keys[-1] = 0.0  # a cell and its mirror image cost the same
    _, at, copies = np.unique(keys, axis=1, return_index=True, return_counts=True)
    cells = cells.part(at)
    value, error = np.zeros(at.size), np.zeros(at.size)
    near = cells.p < _SINGULAR
    for c in np.flatnonzero(near):
        one = cells.part(slice(c, c + 1))
        value[c] = _one(source, one, n, cost, coarse=_COARSE, orders=(8, 5))
        error[c] = abs(_one(source, one, n, cost, coarse=_COARSER, orders=(6, 4)) - value[c])
    left = np.flatnonzero(~near)
    if left.size:
        value[left] = _many(source, cells.part(left), n, cost, _ORDERS[0])
        scale = float(value.mean())
        for orders in _ORDERS[1:]:
            finer = _many(source, cells.part(left), n, cost, orders)
            error[left] = np.abs(finer - value[left])
            value[left] = finer
            left = left[error[left] > _TOLERANCE * scale]
            if left.size == 0:
                break
    return SampleMean(math.fsum((copies * value).tolist()), math.fsum((copies * error).tolist()))


def _many(source: Source, cells: _Cells, n: int, cost: _Cost, orders: tuple[int, int]) -> FloatArray:
    """Gauss rules in all four variables, for cells that are not at an end."""
    wide, narrow = orders
    found: list[FloatArray] = []
    step = max(1, _CHUNK // (wide * narrow) ** 2)
    for first in range(0, cells.p.size, step):
        part = cells.part(slice(first, first + step))
        p, m, q = part.p, part.m, part.p + part.m
        rules = [gauss_rule(q + 1, n - q, wide), gauss_rule(q, np.ones_like(q), narrow)]
        rules += [gauss_rule(p + 1, np.maximum(m - 1, 1), wide), gauss_rule(p, np.ones_like(p), narrow)]
        # A cell of one weight has one place for its first and last: the quotient is 1, and nothing is left.
        alone = (m == 1)[:, None]
        rules[2] = BetaRule(
            np.where(alone, 1.0, rules[2].node), np.where(alone, 0.0, rules[2].rest), rules[2].weight
        )
        found.append(_average(source, part, n, cost, rules))
    return np.concatenate(found)


def _one(
    source: Source, cell: _Cells, n: int, cost: _Cost, *, coarse: float, orders: tuple[int, int]
) -> float:
    """One cell near an end: graded rules where a quotient may be close to 0, or is 0 for want of a weight."""
    power = 2.0 / source.tail.index if source.tail.kind == "regular" else 0.02
    p, m = int(cell.p[0]), int(cell.m[0])
    q = p + m
    wide, narrow = orders

    def rule(a: int, b: int, order: int) -> BetaRule:
        if b == 0:  # the quotient is 1
            return BetaRule(np.ones((1, 1)), np.zeros((1, 1)), np.ones((1, 1)))
        if a == 0:  # there is no weight: the quotient is 0
            return BetaRule(np.zeros((1, 1)), np.ones((1, 1)), np.ones((1, 1)))
        if a >= _SINGULAR and b >= 1:
            return gauss_rule(np.array([a]), np.array([b]), order)
        graded = graded_rule(a, b, power=power, coarse=coarse)
        return BetaRule(*(part[None] for part in graded))

    rules = [rule(q + 1, n - q, wide), rule(q, 1, narrow), rule(p + 1, m - 1, wide), rule(p, 1, narrow)]
    if q == n:  # no weight after the cell: the largest of all ends it
        rules[0], rules[1] = rule(1, 0, 1), rule(n, 1, wide)
    return float(_average(source, cell, n, cost, rules)[0])


def _average(source: Source, cells: _Cells, n: int, cost: _Cost, rules: list[BetaRule]) -> FloatArray:
    """The product of the four rules, applied to ``cost``; shape ``[c]``."""
    count = cells.p.size
    below, rest = np.ones((count, 1)), np.zeros((count, 1))
    weight = np.ones((count, 1))
    levels: list[tuple[FloatArray, FloatArray]] = []
    for rule in rules:
        # 1 - u r = (1 - u) + u (1 - r), both terms positive
        rest = (rest[:, :, None] + below[:, :, None] * rule.rest[:, None, :]).reshape(count, -1)
        below = (below[:, :, None] * rule.node[:, None, :]).reshape(count, -1)
        weight = (weight[:, :, None] * rule.weight[:, None, :]).reshape(count, -1)
        levels.append((below, rest))
    places: list[FloatArray] = []
    flip = cells.mirrored[:, None]
    for under, over in levels:
        # A product of quotients may underflow; where there is no weight it is 0 and not used.
        under = np.maximum(under, _LEAST)
        x = quantile(source, under, over, np.broadcast_to(flip, under.shape))
        places.append(np.repeat(x, below.shape[1] // x.shape[1], axis=1))
    after, last, first, before = places
    outside = np.where(flip, source.support[1], source.support[0])
    before = np.where((cells.p == 0)[:, None], outside, before)
    beyond = np.where(flip, source.support[0], source.support[1])
    after = np.where((cells.p + cells.m == n)[:, None], beyond, after)
    return (weight * cost(source, cells, _Order(before, first, last, after), n)).sum(axis=1)


def _thresholds(cells: _Cells, order: _Order) -> tuple[FloatArray, FloatArray]:
    """Both thresholds of each cell; an extreme weight where the interpolation stops at it."""
    first, last = cells.first[:, None], cells.last[:, None]
    with np.errstate(invalid="ignore"):
        one = np.where(first == 1.0, order.first, (1.0 - first) * order.before + first * order.first)
        other = np.where(last == 0.0, order.last, (1.0 - last) * order.last + last * order.after)
    return one, other


def _moments_inside(
    source: Source, order: _Order, about: FloatArray
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Mean offset and mean square about a point of a weight between the first and the last, and if any is."""
    low, high = np.minimum(order.first, order.last), np.maximum(order.first, order.last)
    mass, first, second = source.partial_moments(low, high, about=about)
    there = mass > 0
    mass = np.where(there, mass, 1.0)
    return first / mass, second / mass, there


def _second(
    source: Source, one: FloatArray, other: FloatArray, about: FloatArray
) -> tuple[FloatArray, FloatArray]:
    found = source.partial_moments(np.minimum(one, other), np.maximum(one, other), about=about)
    return found.second, found.mass


def _equal_mass_fresh(source: Source, cells: _Cells, order: _Order, n: int) -> FloatArray:
    m = cells.m[:, None].astype(np.float64)
    middle = 0.5 * order.first + 0.5 * order.last
    offset, square, _ = _moments_inside(source, order, middle)
    inner = np.maximum(m - 2.0, 0.0)
    # The first and the last lie symmetrically about the middle, so only the others move the mean.
    level = middle + inner * offset / m
    spread = inner * np.maximum(square - offset * offset, 0.0) / (m * m)
    start, stop = _thresholds(cells, order)
    no_start, no_stop = (cells.p == 0)[:, None], (cells.p + cells.m == n)[:, None]
    start, stop = np.where(no_start, order.before, start), np.where(no_stop, order.after, stop)
    second, mass = _second(source, start, stop, level)
    return second + mass * spread


def _midpoint_own(source: Source, cells: _Cells, order: _Order, n: int) -> FloatArray:
    del n
    m = cells.m[:, None].astype(np.float64)
    start, stop = _thresholds(cells, order)
    level = 0.5 * start + 0.5 * stop
    _, square, _ = _moments_inside(source, order, level)
    ends = (order.first - level) ** 2 + np.where(m > 1.0, (order.last - level) ** 2, 0.0)
    return ends + np.maximum(m - 2.0, 0.0) * square


def _midpoint_fresh(source: Source, cells: _Cells, order: _Order, n: int) -> FloatArray:
    start, stop = _thresholds(cells, order)
    level = 0.5 * start + 0.5 * stop
    no_start, no_stop = (cells.p == 0)[:, None], (cells.p + cells.m == n)[:, None]
    start, stop = np.where(no_start, order.before, start), np.where(no_stop, order.after, stop)
    return _second(source, start, stop, level)[0]
