"""The bound of the least error is the same to the bit, whatever the number of threads."""

import numpy as np
import pytest

from fmq_theory import quantize


@pytest.mark.parametrize("shape", [(3, 777), (7, 1023), (100, 64), (257, 130)])
def test_the_gap_does_not_depend_on_threads(shape: tuple[int, int]) -> None:
    weights = np.random.default_rng(3).standard_t(4, shape)
    weights[1] = np.round(weights[1])  # a row of ties
    for dtype in (np.float32, np.float64):
        found = [quantize(weights.astype(dtype), "lloyd_max", 3, threads=n) for n in (1, 2, 3, 5, 7)]
        assert len({(q.mse, q.optimality_gap, q.dequantize().tobytes()) for q in found}) == 1
