"""One option for each item, least total error, total cost within a budget: with a proven lower bound.

The multiple-choice knapsack problem: minimise sum_i e_i(j_i) subject to sum_i c_i(j_i) <= B.

* Lower convex hulls of the options (c, e) of each item make the linear relaxation easy: start from the
  cheapest options and take the steps of all hulls in the order of their slopes. The value of the relaxation
  as a function of the budget is convex and piecewise linear, each of its knots is a choice of one option an
  item, and it bounds from below what any choice can reach.
* Dynamic programming over the items, with states (cost, error) so far that no other state beats in both. A
  state is dropped when its error plus the relaxation of the items ahead is no better than the best choice
  known; the knot before it completes every state to a choice, which improves the best one all the time.
* Where more states remain than fit, those of the least bound are kept and the least bound of the others is
  remembered: the answer then comes with the distance that was proven.

Reference: Kellerer, Pferschy, Pisinger 2004, "Knapsack Problems", chapter 11.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fmq_theory.errors import FmqError

__all__ = ["Allocation", "BudgetError", "allocate"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]

# States an item: 48 bytes each, and a few passes over them.
MOST_STATES = 200_000
# States whose bound is within this of the best known error, relatively, are not looked at.
TOLERANCE = 1e-9
# Sums of n errors and of products in the relaxation; far above what they can be off.
ROUNDING = 1e-13


class BudgetError(FmqError, ValueError):
    """A budget that no choice meets."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """A choice of one option for each item.

    Attributes:
        choice: index of the option of each item.
        cost: their total.
        error: their total.
        lower_bound: no choice within the budget has a smaller total error.
    """

    choice: tuple[int, ...]
    cost: int
    error: float
    lower_bound: float

    @property
    def gap(self) -> float:
        """error / lower_bound - 1; 0 where both are zero, inf where only the bound is."""
        if self.error <= self.lower_bound:
            return 0.0
        return self.error / self.lower_bound - 1.0 if self.lower_bound > 0.0 else math.inf


@dataclass(frozen=True, slots=True, eq=False)
class _Item:
    """Options that no other option of the item beats, by rising cost and falling error.

    Attributes:
        index: where they stand in the caller's list.
        cost: rising.
        error: falling.
        hull: positions on the lower convex hull.
    """

    index: IndexArray
    cost: IndexArray
    error: FloatArray
    hull: IndexArray

    @property
    def steepness(self) -> float:
        """How much the relaxation can lose on this item: its largest step in error along the hull."""
        return float(np.max(-np.diff(self.error[self.hull]), initial=0.0))


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """Every step along the hull of an item, steepest first; shape ``[steps]`` each.

    Attributes:
        owner: the item.
        position: of its option after the step.
        cost: by how much it rises.
        error: by how much it falls.
    """

    owner: IndexArray
    position: IndexArray
    cost: IndexArray
    error: FloatArray

    @classmethod
    def of(cls, items: Sequence[_Item]) -> "_Steps":
        owner = np.concatenate([np.full(item.hull.size - 1, i) for i, item in enumerate(items)])
        position = np.concatenate([item.hull[1:] for item in items])
        cost = np.concatenate([np.diff(item.cost[item.hull]) for item in items])
        error = np.concatenate([-np.diff(item.error[item.hull]) for item in items])
        # Slopes fall along a hull; where rounding says otherwise, the order of the hull goes first.
        slope = [np.diff(item.error[item.hull]) / np.diff(item.cost[item.hull]) for item in items]
        rising = np.concatenate([np.maximum.accumulate(part) if part.size else part for part in slope])
        order = np.argsort(rising, kind="stable")
        return cls(owner[order], position[order], cost[order], error[order])

    def relaxation(self, items: Sequence[_Item], first: int) -> "_Relaxation":
        """Of items[first:]."""
        here = self.owner >= first
        cost = np.concatenate(([sum(int(item.cost[0]) for item in items[first:])], self.cost[here]))
        least = math.fsum(float(item.error[-1]) for item in items[first:])
        # Summed from the far end, where errors are small.
        error = np.cumsum(np.concatenate(([least], self.error[here][::-1])))[::-1]
        return _Relaxation(np.cumsum(cost), error, self.owner[here], self.position[here])


@dataclass(frozen=True, slots=True, eq=False)
class _Relaxation:
    """The linear relaxation of some items as a function of the budget.

    Attributes:
        cost: of its knots, rising, shape ``[steps + 1]``.
        error: of its knots, falling.
        owner: the item that each step belongs to, shape ``[steps]``.
        position: of that item's option after the step.
    """

    cost: IndexArray
    error: FloatArray
    owner: IndexArray
    position: IndexArray

    def bound(self, budget: IndexArray) -> FloatArray:
        """Least error within each budget >= cost[0]."""
        return np.interp(budget, self.cost, self.error)

    def knot(self, budget: IndexArray) -> IndexArray:
        """The last knot within each budget >= cost[0]."""
        return np.searchsorted(self.cost, budget, side="right") - 1

    def price(self, budget: int) -> float:
        """By how much the error falls for one more unit of cost; 0 where no more is to be gained."""
        knot = int(self.knot(np.array([budget]))[0])
        if knot == self.owner.size:
            return 0.0
        return float(self.error[knot] - self.error[knot + 1]) / float(self.cost[knot + 1] - self.cost[knot])


def allocate(
    costs: Sequence[Sequence[int]],
    errors: Sequence[Sequence[float]],
    budget: int,
    most_states: int = MOST_STATES,
) -> Allocation:
    """The choice of least total error within the budget.

    Args:
        costs: of the options of each item, integers >= 0.
        errors: of the same, finite and >= 0.
        budget: B.
        most_states: kept after each item; more make the proven distance smaller where it is not nearly zero.

    Raises:
        BudgetError: even the cheapest options cost more; ``cause`` names the least cost.
        ValueError: no items, an item without options, lengths that differ, or numbers out of their domain.
    """
    items = [
        _item(np.asarray(c, dtype=np.int64), np.asarray(e, dtype=np.float64))
        for c, e in _paired(costs, errors)
    ]
    least = sum(int(item.cost[0]) for item in items)
    if least > budget:
        raise BudgetError(f"budget {budget}", f"the least possible cost is {least}", "raise the budget")
    # Items that the relaxation knows least about come first, while few states exist.
    order = sorted(range(len(items)), key=lambda i: -items[i].steepness)
    solution, lower_bound = _search([items[i] for i in order], budget, most_states)
    choice = [0] * len(items)
    for item, position in zip(order, solution, strict=True):
        choice[item] = int(items[item].index[position])
    error = math.fsum(float(errors[i][j]) for i, j in enumerate(choice))
    return Allocation(
        tuple(choice),
        sum(int(costs[i][j]) for i, j in enumerate(choice)),
        error,
        max(0.0, min(error, lower_bound * (1.0 - ROUNDING))),
    )


def _paired(
    costs: Sequence[Sequence[int]], errors: Sequence[Sequence[float]]
) -> list[tuple[Sequence[int], Sequence[float]]]:
    pairs = list(zip(costs, errors, strict=True))
    if not pairs:
        raise ValueError("no items to choose for")
    for cost, error in pairs:
        if len(cost) == 0 or len(cost) != len(error):
            raise ValueError("an item needs at least one option, and one error for each cost")
        if min(cost) < 0 or not all(math.isfinite(e) and e >= 0.0 for e in error):
            raise ValueError("costs must be >= 0, and errors finite and >= 0")
    return pairs


def _item(cost: IndexArray, error: FloatArray) -> _Item:
    index = np.lexsort((error, cost))
    before = np.minimum.accumulate(error[index])
    better = np.concatenate(([True], error[index][1:] < before[:-1]))
    index = index[better]
    return _Item(index, cost[index], error[index], _lower_hull(cost[index], error[index]))


def _lower_hull(cost: IndexArray, error: FloatArray) -> IndexArray:
    """Positions of the corners of the lower convex hull of points with rising cost and falling error."""
    hull: list[int] = []
    for j in range(cost.size):
        while len(hull) >= 2:
            a, b = hull[-2], hull[-1]
            # b lies on or above the chord from a to j.
            if (error[b] - error[a]) * float(cost[j] - cost[a]) < (error[j] - error[a]) * float(
                cost[b] - cost[a]
            ):
                break
            hull.pop()
        hull.append(j)
    return np.array(hull, dtype=np.int64)


@dataclass(slots=True)
class _Best:
    """The best choice known: a state after ``depth`` items, completed by a knot of the relaxation ahead."""

    error: float
    depth: int
    state: int
    knot: int


@dataclass(frozen=True, slots=True, eq=False)
class _Stage:
    """What led to each state after an item: the state before, and the position of the option."""

    parent: IndexArray
    position: IndexArray


def _search(items: Sequence[_Item], budget: int, most_states: int) -> tuple[list[int], float]:
    """Positions of the best choice, and a lower bound of the error of every choice."""
    steps = _Steps.of(items)
    ahead = steps.relaxation(items, 0)
    start = np.array([budget])
    knot = int(ahead.knot(start)[0])
    best = _Best(float(ahead.error[knot]), 0, 0, knot)
    choices, unseen = _worth_a_look(items, ahead, budget, best.error)
    cost, error = np.zeros(1, dtype=np.int64), np.zeros(1)
    stages: list[_Stage] = []
    for depth, (item, options) in enumerate(zip(items, choices, strict=True), start=1):
        ahead = steps.relaxation(items, depth)
        cost = (cost[:, None] + item.cost[options]).ravel()
        error = (error[:, None] + item.error[options]).ravel()
        index = np.flatnonzero(cost + ahead.cost[0] <= budget)
        if index.size == 0:
            break
        left = budget - cost[index]
        completed = error[index] + ahead.error[ahead.knot(left)]
        bound = error[index] + ahead.bound(left)
        found = int(np.argmin(completed))
        improved = bool(completed[found] < best.error)
        alive = bound < min(best.error, float(completed[found])) * (1.0 - TOLERANCE)
        alive[found] |= improved  # what is completed here stays, so that its past can be told
        unseen = min(unseen, float(np.min(bound, where=~alive, initial=math.inf)))
        kept = np.flatnonzero(alive)
        kept = kept[_undominated(cost[index[kept]], error[index[kept]])]
        if kept.size > most_states:
            ranked = kept[np.argsort(bound[kept], kind="stable")]
            unseen = min(unseen, float(bound[ranked[most_states]]))
            kept = ranked[:most_states]
        if improved:
            if found not in kept:  # a state that beats it, or ties with it, is completed no worse
                kept = np.append(kept, found)
            knot = int(ahead.knot(left[found : found + 1])[0])
            best = _Best(float(completed[found]), depth, int(np.flatnonzero(kept == found)[0]), knot)
        index = index[kept]
        stages.append(_Stage(index // options.size, options[index % options.size]))
        cost, error = cost[index], error[index]
        if index.size == 0:
            break
    return _chosen_positions(items, steps.relaxation(items, best.depth), stages, best), min(
        best.error, unseen
    )


def _worth_a_look(
    items: Sequence[_Item], relaxation: _Relaxation, budget: int, known: float
) -> tuple[list[IndexArray], float]:
    """Positions of the options that a better choice than the known one can have, and the bound of the others.

    For every price p >= 0 of a unit of cost, min_j (e_i(j) + p c_i(j)) summed over i, less p B, is a lower
    bound; with the option j for item i it rises by what j is above the minimum of its item.
    """
    price = relaxation.price(budget)
    priced = [item.error + price * item.cost for item in items]
    least = math.fsum(float(p.min()) for p in priced) - price * budget
    limit = known * (1.0 - TOLERANCE)
    unseen = math.inf
    choices: list[IndexArray] = []
    for p in priced:
        bound = least + (p - p.min())
        worth = bound < limit
        worth[np.argmin(p)] = True
        unseen = min(unseen, float(np.min(bound, where=~worth, initial=math.inf)))
        choices.append(np.flatnonzero(worth))
    return choices, unseen


def _undominated(cost: IndexArray, error: FloatArray) -> IndexArray:
    """States that no other one beats in both, by rising cost."""
    order = np.lexsort((error, cost))
    least = np.minimum.accumulate(error[order])
    return order[np.concatenate(([True], error[order][1:] < least[:-1]))] if order.size else order


def _chosen_positions(
    items: Sequence[_Item], ahead: _Relaxation, stages: Sequence[_Stage], best: _Best
) -> list[int]:
    """The positions of the best choice."""
    choice = [0] * len(items)
    for step in range(best.knot):
        choice[int(ahead.owner[step])] = int(ahead.position[step])
    state = best.state
    for depth in range(best.depth - 1, -1, -1):
        choice[depth] = int(stages[depth].position[state])
        state = int(stages[depth].parent[state])
    return choice
