"""What moving boundaries to breakpoints can cost: the bound holds, and is needed."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fmq_theory.kernels.kmeans1d.breakpoint_path import relaxed_values
from fmq_theory.kernels.kmeans1d.breakpoints import breakpoints_at
from fmq_theory.kernels.kmeans1d.paths import path_to
from fmq_theory.kernels.kmeans1d.problem import Blocks
from fmq_theory.kernels.kmeans1d.slack import block_slack, least_and_greatest_means
from tests.kernels.inputs import NO_MASS, row_of


class Relaxed:
    """Breakpoints of sorted data, their sums and what follows for a multiplier."""

    def __init__(self, points: np.ndarray, mass: np.ndarray, index: np.ndarray, multiplier: float) -> None:
        self.index = index
        self.multiplier = multiplier
        self.breakpoints = breakpoints_at(row_of(points, mass), index)
        self.least, self.greatest = least_and_greatest_means(self.breakpoints, multiplier)
        alive = np.ones(index.size - 1, dtype=np.bool_)
        self.of_block = block_slack(self.breakpoints, Blocks(self.least, self.greatest, alive))

    def path(self, factor: float) -> tuple[float, np.ndarray]:
        """Least relaxed cost with ``factor`` times the slack, and its path as places of points."""
        slack = np.zeros(self.index.size)
        slack[1:-1] = factor * np.maximum(self.of_block[:-1], self.of_block[1:])
        value, parent = np.empty(self.index.size), np.empty(self.index.size, dtype=np.int32)
        relaxed_values(self.breakpoints, slack, self.multiplier, False, value, parent)
        return float(value[-1]), self.index[path_to(parent, self.index.size - 1)]


def some_breakpoints(points: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """0, m, and a random share of the places between that split no run of ties."""
    places = np.flatnonzero(points[1:] != points[:-1]) + 1
    chosen = places[rng.random(places.size) < share]
    return np.concatenate(([0], chosen, [points.size])).astype(np.int64)


def every_breakpoint(points: np.ndarray) -> np.ndarray:
    return some_breakpoints(points, 2.0, np.random.default_rng(0))


@given(
    st.lists(st.integers(-30, 30), min_size=2, max_size=60),
    st.floats(1e-3, 1e3),
    st.floats(0.0, 1.0),
    st.integers(0, 2**31),
    st.booleans(),
)
def test_the_relaxed_path_never_costs_more_than_the_optimum(
    data: list[int], multiplier: float, share: float, seed: int, weighted: bool
) -> None:
    rng = np.random.default_rng(seed)
    points = np.sort(np.array(data, dtype=float)) / 7.0
    mass = NO_MASS
    if weighted:
        points = np.unique(points)
        mass = np.exp(2.0 * rng.standard_normal(points.size))
    optimum, _ = Relaxed(points, mass, every_breakpoint(points), multiplier).path(0.0)
    breakpoints = Relaxed(points, mass, some_breakpoints(points, share, rng), multiplier)
    assume(breakpoints.of_block.max() <= multiplier)  # what the lemma asks for
    assert breakpoints.path(1.0)[0] <= optimum * (1.0 + 1e-12)


@given(st.integers(0, 2**31), st.floats(0.01, 30.0), st.floats(0.02, 0.9))
def test_means_of_the_optimal_cells_lie_within_the_bounds(seed: int, multiplier: float, share: float) -> None:
    rng = np.random.default_rng(seed)
    points = np.sort(rng.standard_t(3, 200))
    _, best = Relaxed(points, NO_MASS, every_breakpoint(points), multiplier).path(0.0)
    breakpoints = Relaxed(points, NO_MASS, some_breakpoints(points, share, rng), multiplier)
    assume(np.setdiff1d(best, breakpoints.index).size > 0)  # some boundary lies inside a block
    for before, here, after in zip(best[:-2], best[1:-1], best[2:], strict=True):
        low, high = points[before:here].mean(), points[here:after].mean()
        t = int(np.searchsorted(breakpoints.index, here, side="left")) - 1
        if breakpoints.index[t + 1] == here:
            continue  # a breakpoint, so inside no block
        assert breakpoints.least[t] <= low + 1e-12
        assert breakpoints.greatest[t] >= high - 1e-12
        start, stop = breakpoints.index[t], breakpoints.index[t + 1]
        down = 2.0 * (high - low) * (0.5 * (low + high) - points[start:here]).sum()
        up = 2.0 * (high - low) * (points[here:stop] - 0.5 * (low + high)).sum()
        assert min(down, up) <= breakpoints.of_block[t] + 1e-12


def test_slack_is_small_and_falls_with_the_square_of_the_width() -> None:
    points = np.sort(np.random.default_rng(1).random(200_000))
    slack = []
    for step in (400, 200, 100):
        index = np.append(np.arange(0, points.size, step), points.size).astype(np.int64)
        slack.append(np.median(Relaxed(points, NO_MASS, index, 4.0).of_block))
    rate = np.diff(np.log2(slack))
    np.testing.assert_allclose(rate, -2.0, atol=0.1)


def test_control_without_slack_breakpoints_overrate_the_optimum() -> None:
    """The bound is not idle: dropping the slack, or half of it, gives a false one somewhere."""
    rng = np.random.default_rng(2)
    too_high = {0.0: 0, 0.3: 0, 1.0: 0}
    for _ in range(300):
        points = np.sort(rng.random(40))
        multiplier = float(10.0 ** rng.uniform(-2.0, 0.0))
        optimum, _ = Relaxed(points, NO_MASS, every_breakpoint(points), multiplier).path(0.0)
        breakpoints = Relaxed(points, NO_MASS, some_breakpoints(points, 0.3, rng), multiplier)
        if breakpoints.of_block.max() <= multiplier:
            for factor in too_high:
                too_high[factor] += breakpoints.path(factor)[0] > optimum * (1.0 + 1e-12)
    assert too_high[0.0] > 50
    assert too_high[0.3] > 0
    assert too_high[1.0] == 0


@pytest.mark.parametrize("weighted", [False, True])
def test_blocks_of_one_value_and_dead_blocks_have_none(weighted: bool) -> None:
    points = np.array([0.0, 1.0, 1.0, 1.0, 2.0, 5.0, 6.0])
    mass = np.array([1.0, 2.0, 1.0, 1.0, 3.0, 1.0, 1.0]) if weighted else NO_MASS
    index = np.array([0, 1, 4, 7])
    breakpoints = breakpoints_at(row_of(points, mass), index)
    means = least_and_greatest_means(breakpoints, 1.0)
    slack = block_slack(breakpoints, Blocks(*means, np.array([True, True, True])))
    assert slack[0] == slack[1] == 0.0
    assert slack[2] > 0.0
    assert block_slack(breakpoints, Blocks(*means, np.array([True, True, False]))).max() == 0.0
