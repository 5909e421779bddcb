"""The best of all grids on few points, against every assignment of codes that never fall."""

from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from fmq_theory.kernels.sums.prefix import block_prefix
from fmq_theory.kernels.uniform.enumeration import best_grid_of_all
from fmq_theory.kernels.uniform.search import best_uniform_ends
from fmq_theory.quantizers import ClippedUniform
from fmq_theory.sources import Empirical

NO_MASS = np.empty(0)


def least(z: np.ndarray, num_levels: int, mass: np.ndarray) -> float:
    """min over non-decreasing codes of the residual of a regression on them: no geometry, no steps."""
    best = float(np.sum(mass * (z - np.average(z, weights=mass)) ** 2))
    for codes in combinations_with_replacement(range(num_levels), z.size):
        c = np.array(codes, dtype=float)
        if c[0] < c[-1]:
            slope, level = np.polyfit(c, z, 1, w=np.sqrt(mass))
            best = min(best, float(np.sum(mass * (z - level - slope * c) ** 2)))
    return best


def cost(z: np.ndarray, ends: tuple[float, float], num_levels: int, mass: np.ndarray) -> float:
    levels = np.linspace(*ends, num_levels)
    return float(np.sum(mass * np.min(np.abs(z[:, None] - levels), axis=1) ** 2))


POINTS = st.one_of(
    st.lists(st.integers(-6, 6), min_size=2, max_size=6).map(lambda x: np.array(x) / 4.0),
    st.tuples(st.integers(0, 2**32), st.integers(2, 6)).map(
        lambda t: np.random.default_rng(t[0]).standard_normal(t[1])
    ),
)


@given(points=POINTS, num_levels=st.integers(2, 5), seed=st.integers(0, 2**32), weighted=st.booleans())
@example(points=np.array([0.0, 1.0, 2.0, 4.0]), num_levels=3, seed=0, weighted=False)
def test_it_is_the_least_of_all_assignments(
    points: np.ndarray, num_levels: int, seed: int, weighted: bool
) -> None:
    z = np.sort(points)
    assume(z[0] < z[-1])
    mass = np.random.default_rng(seed).random(z.size) + 0.1 if weighted else np.ones(z.size)
    ends = best_grid_of_all(z, mass if weighted else NO_MASS, num_levels)
    scale = float(np.sum(mass * z * z)) + 1e-300
    assert cost(z, ends, num_levels, mass) == pytest.approx(
        least(z, num_levels, mass), rel=1e-9, abs=1e-12 * scale
    )


def test_too_many_points_are_left_alone() -> None:
    z = np.arange(200.0)
    assert np.isnan(best_grid_of_all(z, NO_MASS, 16)).all()
    tied = np.sort(np.arange(200.0) % 4.0)  # four distinct ones
    assert best_grid_of_all(tied, NO_MASS, 4) == pytest.approx((0.0, 3.0))


@pytest.mark.deep
def test_control_the_search_inside_the_range_misses_it() -> None:
    """Twelve Gaussian weights, four levels: what is searched is up to a tenth worse in these draws."""
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(40):
        z = np.sort(rng.standard_normal(12))
        blocks = block_prefix(z, NO_MASS)
        inside, everywhere = (best_uniform_ends(z, NO_MASS, blocks, 4, wide) for wide in (False, True))
        ratios.append(cost(z, inside, 4, np.ones(12)) / cost(z, everywhere, 4, np.ones(12)))
    assert min(ratios) >= 1.0 - 1e-12
    assert max(ratios) > 1.1


def test_the_scheme_has_it() -> None:
    x = np.random.default_rng(3).standard_normal(7)
    codebook = ClippedUniform().design(Empirical(x), 4)
    error = float(np.sum((x - codebook.decode(codebook.encode(x))) ** 2))
    assert error == pytest.approx(least(np.sort(x), 4, np.ones(7)), rel=1e-9)


def test_many_points_are_never_enumerated_though_their_count_leaves_int64() -> None:
    points = np.arange(float(10**6))
    assert np.isnan(best_grid_of_all(points, NO_MASS, 256)).all()
