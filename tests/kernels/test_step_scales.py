"""The best equal steps of float16: brute force over assignments, every step of the type, and properties."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fmq_theory.kernels.step_scales import best_steps

Floats = NDArray[np.float64]
HALVES = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float64)


def found(rows: Floats, num_levels: int) -> tuple[Floats, Floats, Floats]:
    errors, steps, least = (np.empty(len(rows)) for _ in range(3))
    best_steps(np.ascontiguousarray(rows), num_levels, errors, steps, least)
    return errors, steps, least


def cost(row: Floats, num_levels: int, step: float, least: float) -> float:
    levels = least + step * np.arange(num_levels)
    return float(np.square(row[:, None] - levels).min(axis=1).sum())


def brute_force(row: Floats, num_levels: int) -> float:
    """Over all assignments of codes, steps of float16 up to twice the spread, the nearest m of each."""
    steps = HALVES[2.0 * (row.max() - row.min()) >= HALVES]
    best = np.inf
    for step in (steps, -steps):
        for codes in itertools.product(range(num_levels), repeat=row.size):
            rest = row - step[:, None] * np.array(codes)
            least = rest.mean(axis=1).astype(np.float16).astype(np.float64)
            best = min(best, float(np.square(rest - least[:, None]).sum(axis=1).min()))
    return best


@pytest.mark.parametrize(("n", "num_levels"), [(2, 3), (3, 4), (4, 3), (5, 2)])
def test_no_assignment_and_no_step_of_float16_is_better(n: int, num_levels: int) -> None:
    rows = np.random.default_rng(n).standard_normal((6, n))
    rows[3] += 4.0  # where float16 is coarser
    rows[4] *= 1e-4
    rows[5] = np.abs(rows[5]) ** 3
    errors, steps, least = found(rows, num_levels)
    for row, error, step, value in zip(rows, errors, steps, least, strict=True):
        assert error == pytest.approx(brute_force(row, num_levels), rel=1e-9, abs=1e-15 * float(row @ row))
        assert error == pytest.approx(
            cost(row, num_levels, step, value), rel=1e-9, abs=1e-15 * float(row @ row)
        )


@pytest.mark.parametrize("num_levels", [16, 32])
def test_no_step_of_a_binade_is_better_for_a_block(num_levels: int) -> None:
    """Every step of float16 about the widest, with a fine grid of least values."""
    rows = np.random.default_rng(7).standard_t(4, (3, 32))
    errors, steps, least = found(rows, num_levels)
    for row, error, chosen, value in zip(rows, errors, steps, least, strict=True):
        widest = (row.max() - row.min()) / (num_levels - 1)
        tried = HALVES[(0.6 * widest < HALVES) & (1.1 * widest > HALVES)]
        assert tried.size > 300
        others = [
            cost(row, num_levels, step, start)
            for step in tried[::3]
            for start in np.linspace(row.min() - 0.5 * step, row.min() + 1.5 * step, 15).astype(np.float16)
        ]
        assert error <= min(others) * (1 + 1e-12)
        assert error == pytest.approx(cost(row, num_levels, chosen, value), rel=1e-9)


@given(
    row=st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=8),
    num_levels=st.sampled_from([2, 5, 16]),
    step=st.floats(-6e4, 6e4, width=16),
    least=st.floats(-6e4, 6e4, width=16),
)
@example(row=[0.1], num_levels=16, step=1.0, least=0.0)
@example(row=[0.0, 0.0], num_levels=16, step=1.0, least=0.0)
@example(row=[1e6, -1e6], num_levels=16, step=6e4, least=-6e4)
def test_what_is_chosen_is_of_float16_and_costs_what_is_said(
    row: list[float], num_levels: int, step: float, least: float
) -> None:
    weights = np.array(row)
    (error,), (chosen,), (value,) = found(weights[None], num_levels)
    for number in (chosen, value):
        assert number == float(np.float16(number))
    slack = 1e-12 * float(weights @ weights) + 1e-40
    assert error == pytest.approx(cost(weights, num_levels, chosen, value), rel=1e-6, abs=slack)
    spread = np.ptp(weights)
    if spread > float(np.spacing(np.float16(min(6e4, np.abs(weights).max())))) and 0 < abs(step) < spread:
        assert error <= cost(weights, num_levels, step, least) * (1 + 1e-9) + slack
    # The first level at the least weight, the last at the largest one, both rounded: what others write.
    first = float(np.float16(np.clip(weights.min(), -65504, 65504)))
    wide = float(np.float16(min(65504.0, spread / (num_levels - 1))))
    assert error <= cost(weights, num_levels, wide, first) * (1 + 1e-9) + slack
