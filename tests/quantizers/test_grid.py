"""One sort for a whole grid: the same numbers as tensor by tensor."""

import numpy as np
import pytest

from fmq_theory.errors import SchemeError, WeightsError
from fmq_theory.metrics import index_entropy
from fmq_theory.quantizers import SCHEMES, design_grid, quantize
from fmq_theory.sources import Empirical
from tests.quantizers.measured import measured

WEIGHTS = np.random.default_rng(0).standard_t(4.0, (6, 400)).astype(np.float32)


@pytest.mark.parametrize("granularity", ["channel", "tensor"])
def test_each_cell_is_that_of_quantize(granularity: str) -> None:
    cells = list(design_grid(WEIGHTS, list(SCHEMES), (2, 4), granularity))
    assert {(cell.scheme, cell.bits) for cell in cells} == {
        (name, b) for name in SCHEMES for b in (2, 4) if b == 4 or name not in ("nf4", "fp4")
    }
    for cell in cells:
        one = quantize(WEIGHTS, cell.scheme, cell.bits, granularity)
        assert measured(cell).mse == pytest.approx(one.mse, rel=1e-7)
        assert cell.effective_bits == one.effective_bits
        np.testing.assert_allclose(cell.codebooks.levels, one.codebooks, rtol=1e-6, atol=1e-7)


def test_entropy_is_that_of_each_codebook() -> None:
    for cell in design_grid(WEIGHTS, ["uniform", "lloyd_max", "pwl"], [3]):
        sources = [Empirical(row) for row in WEIGHTS]
        expected = [index_entropy(cell.codebooks.row(i), source) for i, source in enumerate(sources)]
        assert measured(cell).entropy_bits == pytest.approx(np.mean(expected), rel=1e-12)
        assert 0.0 < measured(cell).entropy_bits <= 3.0


def test_groups_and_threads() -> None:
    (one,) = design_grid(WEIGHTS, ["lloyd_max"], [2], "group", group_size=100, threads=1)
    (two,) = design_grid(WEIGHTS, ["lloyd_max"], [2], "group", group_size=100, threads=2)
    assert one.codebooks.levels.shape == (24, 4)
    assert (one.codebooks.levels == two.codebooks.levels).all()
    assert measured(one) == measured(two)
    assert measured(one).mse < measured(next(design_grid(WEIGHTS, ["lloyd_max"], [2]))).mse


def test_bad_input_is_refused_before_the_sort() -> None:
    with pytest.raises(SchemeError, match="no such scheme"):
        next(design_grid(WEIGHTS, ["nonsense"], [2]))
    with pytest.raises(SchemeError, match="1 to 8 bits"):
        next(design_grid(WEIGHTS, ["uniform"], [9]))
    broken = WEIGHTS.copy()
    broken[2, 5] = np.nan
    with pytest.raises(WeightsError, match="channel 2"):
        next(design_grid(broken, ["uniform"], [2]))
