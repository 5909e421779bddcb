"""One option an item within a budget: against brute force, and what must hold for any budget."""

import itertools
import math

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given
from hypothesis import strategies as st

from fmq_theory.checkpoint.allocation.knapsack import BudgetError, allocate

Problem = tuple[list[list[int]], list[list[float]]]

options = st.lists(
    st.tuples(st.integers(0, 40), st.one_of(st.just(0.0), st.floats(1e-9, 1e3))), min_size=1, max_size=5
)


@st.composite
def problems(draw: st.DrawFn, most_items: int = 5) -> Problem:
    items = draw(st.lists(options, min_size=1, max_size=most_items))
    return [[c for c, _ in item] for item in items], [[e for _, e in item] for item in items]


def brute_force(costs: list[list[int]], errors: list[list[float]], budget: int) -> float:
    """The least total error of all combinations; inf where none fits."""
    return min(
        (
            math.fsum(e[j] for e, j in zip(errors, choice, strict=True))
            for choice in itertools.product(*(range(len(c)) for c in costs))
            if sum(c[j] for c, j in zip(costs, choice, strict=True)) <= budget
        ),
        default=math.inf,
    )


def checkpoint_like(num_items: int, seed: int) -> Problem:
    """Tensors of all sizes: side numbers a tensor, a channel or a block, at every number of bits."""
    rng = np.random.default_rng(seed)
    costs: list[list[int]] = []
    errors: list[list[float]] = []
    for weights in rng.integers(100, 10**6, num_items).tolist():
        channels, variance = max(1, weights // int(rng.integers(50, 2000))), rng.lognormal()
        table = [
            (weights * b + side, float(weights * variance * factor * 4.0**-b * rng.uniform(0.9, 1.1)))
            for b in range(1, 9)
            for side, factor in ((32 * channels * 2**b, 1.0), (64 * channels, 1.6), (weights // 4, 0.9))
        ]
        costs.append([c for c, _ in table])
        errors.append([e for _, e in table])
    return costs, errors


@given(problem=problems(), extra=st.integers(0, 100))
def test_least_error_of_all_combinations(problem: Problem, extra: int) -> None:
    costs, errors = problem
    budget = sum(map(min, costs)) + extra
    found, least = allocate(costs, errors, budget), brute_force(costs, errors, budget)
    assert found.cost == sum(c[j] for c, j in zip(costs, found.choice, strict=True)) <= budget
    assert found.error == math.fsum(e[j] for e, j in zip(errors, found.choice, strict=True))
    assert found.lower_bound <= least * (1 + 1e-12) <= found.error * (1 + 1e-11)
    assert found.gap <= 2e-9


def by_branch_and_cut(costs: list[list[int]], errors: list[list[float]], budget: int) -> float:
    """The least total error by a solver of integer programs (HiGHS): one binary unknown an option."""
    sizes = [len(item) for item in costs]
    owner = np.repeat(np.arange(len(sizes)), sizes)
    one_each = scipy.optimize.LinearConstraint(owner == np.arange(len(sizes))[:, None], 1, 1)
    # In units of a 10^6th of the budget, so that the solver's tolerance is far below one unit of cost.
    within = scipy.optimize.LinearConstraint(np.concatenate(costs)[None, :] * (1e6 / budget), -np.inf, 1e6)
    found = scipy.optimize.milp(
        np.concatenate(errors),
        integrality=np.ones(sum(sizes), dtype=np.int64),
        bounds=scipy.optimize.Bounds(0, 1),
        constraints=[one_each, within],
        options={"mip_rel_gap": 0.0},
    )
    assert found.success, found.message
    assert found.x is not None
    chosen = found.x > 0.5
    assert int(np.concatenate(costs)[chosen].sum()) <= budget
    return float(np.concatenate(errors)[chosen].sum())


@pytest.mark.parametrize("seed", range(6))
def test_least_error_by_branch_and_cut(seed: int) -> None:
    """On problems that are too large for brute force: 12 tensors with 24 options each."""
    costs, errors = checkpoint_like(12, seed)
    budget = sum(map(min, costs)) * (2 + seed)
    least = by_branch_and_cut(costs, errors, budget)
    found = allocate(costs, errors, budget)
    assert found.error == pytest.approx(least, rel=1e-7)
    assert found.lower_bound <= least * (1 + 1e-9)
    # Control: the same tensors at one bit less do not pass for the optimum.
    assert by_branch_and_cut(costs, errors, budget - budget // 20) > least * (1 + 1e-5)


@given(problem=problems(), extra=st.integers(0, 60), states=st.integers(1, 4))
def test_the_bound_holds_where_states_are_thrown_away(problem: Problem, extra: int, states: int) -> None:
    costs, errors = problem
    budget = sum(map(min, costs)) + extra
    found, least = allocate(costs, errors, budget, most_states=states), brute_force(costs, errors, budget)
    assert found.lower_bound <= least * (1 + 1e-12) <= found.error * (1 + 1e-11)


def test_few_states_are_sometimes_too_few() -> None:
    """Control: the bound of the test above is not the optimum by chance."""
    gaps = [
        allocate(costs, errors, 30, most_states=1).gap
        for costs, errors in (checkpoint_like_integers(seed) for seed in range(40))
    ]
    assert max(gaps) > 1e-6


def checkpoint_like_integers(seed: int) -> Problem:
    rng = np.random.default_rng(seed)
    costs = rng.integers(1, 12, (6, 5))
    return costs.tolist(), (rng.random((6, 5)) + 1.0 / costs).tolist()


@given(problem=problems(most_items=4), extras=st.lists(st.integers(0, 120), min_size=2, max_size=6))
def test_a_larger_budget_is_never_worse(problem: Problem, extras: list[int]) -> None:
    costs, errors = problem
    least = sum(map(min, costs))
    found = [allocate(costs, errors, least + extra).error for extra in sorted(extras)]
    assert all(later <= earlier * (1 + 1e-8) for earlier, later in itertools.pairwise(found))


@given(problem=problems(), extra=st.integers(0, 60), factor=st.integers(1, 10**6))
def test_units_do_not_matter(problem: Problem, extra: int, factor: int) -> None:
    costs, errors = problem
    budget = sum(map(min, costs)) + extra
    scaled = [[c * factor for c in cost] for cost in costs]
    assert math.isclose(
        allocate(costs, errors, budget).error,
        allocate(scaled, errors, budget * factor + factor - 1).error,
        rel_tol=1e-8,
        abs_tol=1e-300,
    )


@pytest.mark.parametrize("num_items", [3, 10, 40, 200])
@pytest.mark.parametrize("bits", [1.5, 3.5, 6.2])
def test_the_proven_distance_is_small_on_checkpoints(num_items: int, bits: float) -> None:
    costs, errors = checkpoint_like(num_items, seed=num_items)
    weights = [min(c) / 1.25 for c in costs]
    budget = max(sum(map(min, costs)), int(bits * sum(weights)))
    found = allocate(costs, errors, budget)
    assert found.cost <= budget
    assert found.gap <= 1e-6


def test_many_equal_items() -> None:
    """Equal layers: as many choices of the same error as there are ways to name them."""
    costs = [[100 * b for b in range(1, 9)] for _ in range(60)]
    errors = [[4.0**-b for b in range(1, 9)] for _ in range(60)]
    found = allocate(costs, errors, 60 * 350)
    # Of 60 equal convex items at 3.5 bits on average, half have 3 bits and half 4.
    assert math.isclose(found.error, 30 * 4.0**-3 + 30 * 4.0**-4, rel_tol=1e-12)
    assert found.gap <= 1e-9


def test_everything_fits() -> None:
    assert allocate([[1, 5], [2, 9]], [[3.0, 1.0], [4.0, 0.5]], 100).choice == (1, 1)


def test_between_the_corners_of_the_hull() -> None:
    """The option (4, 6) is above the hull of its item and still the best within 4."""
    assert allocate([[0, 4, 8]], [[10.0, 6.0, 0.0]], 4).choice == (1,)


def test_zero_errors() -> None:
    found = allocate([[1, 2], [1, 2]], [[0.0, 0.0], [1.0, 0.0]], 3)
    assert found.choice == (0, 1)
    assert found.gap == 0.0


def test_impossible_budget() -> None:
    with pytest.raises(BudgetError, match="the least possible cost is 7"):
        allocate([[3, 8], [4]], [[1.0, 0.0], [1.0]], 6)
    assert allocate([[3, 8], [4]], [[1.0, 0.0], [1.0]], 7).cost == 7


@pytest.mark.parametrize(
    ("costs", "errors"),
    [
        ([], []),
        ([[]], [[]]),
        ([[1]], [[math.nan]]),
        ([[1]], [[-1.0]]),
        ([[-1]], [[1.0]]),
        ([[1, 2]], [[1.0]]),
    ],
)
def test_what_is_no_problem(costs: list[list[int]], errors: list[list[float]]) -> None:
    with pytest.raises(ValueError, match=r"item|costs"):
        allocate(costs, errors, 10)
