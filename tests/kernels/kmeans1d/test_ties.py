"""Long rows of few distinct numbers against the search over all of their points."""

import numpy as np
import pytest

from fmq_theory.kernels.kmeans1d.prune import pruned_optimum
from fmq_theory.kernels.kmeans1d.ties import LONG, mostly_tied, tied_optimum
from fmq_theory.kernels.sums.prefix import block_prefix


@pytest.mark.parametrize("num_cells", [1, 2, 5, 12, 40])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_the_search_over_all_points(num_cells: int, dtype: type[np.floating]) -> None:
    rng = np.random.default_rng(num_cells)
    points = np.sort(np.round(3.0 * rng.standard_normal(3000)).astype(dtype) / 7)
    expected, cost, _ = pruned_optimum(points, np.empty(0), block_prefix(points, np.empty(0)), num_cells, 0.0)
    found, tied_cost, lower = tied_optimum(points, num_cells, 0.0)
    np.testing.assert_array_equal(found, expected)
    assert tied_cost == pytest.approx(cost, rel=1e-12, abs=1e-20)
    assert tied_cost - 1e-10 * cost - 1e-20 <= lower <= tied_cost


def test_which_rows_are_meant() -> None:
    rng = np.random.default_rng(0)
    assert mostly_tied(np.sort(rng.integers(0, 50, LONG).astype(np.float32)))
    assert mostly_tied(np.zeros(LONG))
    assert not mostly_tied(np.sort(rng.integers(0, 50, LONG - 1).astype(np.float32)))
    assert not mostly_tied(np.sort(rng.standard_normal(LONG)))
    # Half of the points tied are not nearly all.
    assert not mostly_tied(np.sort(np.maximum(rng.standard_normal(LONG), 0.0)))
