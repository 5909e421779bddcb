"""Nearest codes of rows with a scale and an offset: brute force over all levels as float32 computes them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fmq_theory.kernels.scaled_codes import nearest_codes

TABLES = [np.arange(-8.0, 8.0), np.arange(256.0), np.array([-1.0, -0.3, 0.0, 0.2, 1.0]), np.array([0.0, 1.0])]


@given(
    rows=arrays(np.float32, (3, 6), elements=st.floats(-300, 300, width=32)),
    table=st.sampled_from(TABLES),
    scales=arrays(
        np.float32, 3, elements=st.floats(-4, 4, width=16) | st.floats(-(2.0**-126), 2.0**-126, width=32)
    ),
    offsets=arrays(np.float32, 3, elements=st.sampled_from([0.0, -1.5, 0.3])),
)
def test_codes_are_the_nearest_and_the_lower_of_two(
    rows: np.ndarray, table: np.ndarray, scales: np.ndarray, offsets: np.ndarray
) -> None:
    codes, errors = np.empty(rows.shape, dtype=np.uint8), np.empty(len(rows))
    levels = table.astype(np.float32)
    nearest_codes(rows.astype(np.float64), levels, scales, offsets, codes, errors)
    decoded = (scales[:, None] * levels + offsets[:, None]).astype(np.float64)
    gaps = np.abs(rows.astype(np.float64)[:, :, None] - decoded[:, None, :])
    least = gaps.min(axis=2)
    chosen = np.take_along_axis(gaps, codes.astype(np.intp)[:, :, None], axis=2)[:, :, 0]
    assert np.array_equal(chosen, least)
    assert np.allclose(errors, np.square(least).sum(axis=1), rtol=1e-12, atol=0)
    apart = np.abs(np.diff(decoded, axis=1)).min(axis=1) > 1e-9  # else they fall together beside a weight
    assert np.array_equal(codes[apart], gaps.argmin(axis=2)[apart])
