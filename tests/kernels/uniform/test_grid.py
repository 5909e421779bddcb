"""The cost of equally spaced levels: from a rank table, by a pass over the points, and by brute force."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fmq_theory.kernels.sums.prefix import block_prefix
from fmq_theory.kernels.uniform.cost import POINTS_A_LOOK_UP, SpacedData, rank_table, uniform_cost
from fmq_theory.kernels.uniform.search import best_uniform_ends

NO_MASS = np.empty(0)
NO_TABLE = np.empty((0, 2)), np.empty(0, dtype=np.int64)


def _points(seed: int, size: int, kind: str) -> np.ndarray:
    rng = np.random.default_rng(seed)
    drawn = {
        "normal": lambda: rng.standard_normal(size),
        "ties": lambda: rng.integers(-3, 4, size).astype(float),
        "outlier": lambda: np.append(rng.standard_normal(size - 1), 1e6),
        "cauchy": lambda: rng.standard_cauchy(size),
    }[kind]()
    drawn[0] += 1e-3  # never all equal
    return np.sort(drawn).astype(np.float32)


def _brute_force(
    points: np.ndarray, low: float, high: float, num_levels: int
) -> tuple[float, float, float, bool]:
    """The cost, its slopes, and whether they are unique: they jump where a threshold meets a point."""
    z = points.astype(np.longdouble)
    share = np.arange(num_levels, dtype=np.longdouble) / (num_levels - 1)
    levels = (1 - share) * low + share * high
    thresholds = (levels[:-1] + levels[1:]) / 2
    cell = np.searchsorted(thresholds, z, side="right")
    offset = z - levels[cell]
    distance = np.abs(z[:, None] - thresholds).min()
    return (
        float((offset**2).sum()),
        float(-2 * ((1 - share[cell]) * offset).sum()),
        float(-2 * (share[cell] * offset).sum()),
        bool(distance > 1e-12 * (z[-1] - z[0])),
    )


@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.integers(12, 700),
    num_levels=st.sampled_from([2, 3, 4, 8, 16, 64]),
    kind=st.sampled_from(["normal", "ties", "outlier", "cauchy"]),
    inset=st.floats(0.0, 0.45),
)
def test_a_table_gives_the_cost_of_the_points(
    seed: int, size: int, num_levels: int, kind: str, inset: float
) -> None:
    points = _points(seed, size, kind)
    blocks = block_prefix(points, NO_MASS)
    first, last = float(points[0]), float(points[-1])
    low, high = first + inset * (last - first), last - inset * (last - first)
    table = rank_table(points, blocks)
    found = uniform_cost(SpacedData(points, NO_MASS, blocks, table), low, high, num_levels)
    plain = uniform_cost(SpacedData(points, NO_MASS, blocks, NO_TABLE), low, high, num_levels)
    wanted = _brute_force(points, low, high, num_levels)
    scale = float((points.astype(float) ** 2).sum())
    spread = size * max(abs(first), abs(last))
    for one in (found, plain):
        assert one[0] == pytest.approx(wanted[0], abs=1e-13 * scale, rel=1e-12)
    assume(wanted[3])
    for one in (found, plain):
        assert one[1] == pytest.approx(wanted[1], abs=1e-12 * spread, rel=1e-12)
        assert one[2] == pytest.approx(wanted[2], abs=1e-12 * spread, rel=1e-12)


def test_control_the_table_is_what_is_read() -> None:
    points = _points(0, 500, "normal")
    blocks = block_prefix(points, NO_MASS)
    sums, ranks = rank_table(points, blocks)
    assert points.size > POINTS_A_LOOK_UP * 8
    right = uniform_cost(SpacedData(points, NO_MASS, blocks, (sums, ranks)), -2.0, 2.0, 8)
    wrong = uniform_cost(SpacedData(points, NO_MASS, blocks, (1.01 * sums, ranks)), -2.0, 2.0, 8)
    assert abs(wrong[0] - right[0]) > 1e-3 * right[0]


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(2, 300), kind=st.sampled_from(["normal", "ties"]))
def test_ranks_count_the_points_of_lower_bins(seed: int, size: int, kind: str) -> None:
    points = _points(seed, size, kind)
    _, ranks = rank_table(points, block_prefix(points, NO_MASS))
    assert ranks[0] == 0
    assert ranks[-1] == size
    assert (np.diff(ranks) >= 0).all()
    z = points.astype(float)
    bins = np.minimum(((z - z[0]) * (size / (z[-1] - z[0]))).astype(int), size - 1)
    assert ranks.tolist() == [int((bins < b).sum()) for b in range(size + 1)]


def test_points_too_near_for_bins_have_no_table() -> None:
    points = np.array([0.0, 5e-324, 1e-323, 1.5e-323])
    low, high = best_uniform_ends(points, NO_MASS, block_prefix(points, NO_MASS), 2, True)
    assert 0.0 <= low <= high <= 1.5e-323
