"""Rounding to the types of scales: against numpy's and torch's own."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fmq_theory.quantizers.block_scales import SCALE_BITS, ScaleType, rounded_scales, scale_unit

TYPES = list(SCALE_BITS)
positive = st.floats(2.0**-20, 447.0, width=32)


def as_stored(values: np.ndarray, scale_type: ScaleType) -> np.ndarray:
    if scale_type == "float16":
        return values.astype(np.float16).astype(np.float32)
    if scale_type == "float8_e4m3":
        return torch.from_numpy(values).to(torch.float8_e4m3fn).float().numpy()
    return values


@pytest.mark.parametrize("scale_type", TYPES)
@given(values=st.lists(positive, min_size=1, max_size=20))
def test_nearest_number_of_the_type(scale_type: ScaleType, values: list[float]) -> None:
    x = np.array(values, dtype=np.float32)
    stored = as_stored(x, scale_type)
    expected = np.where(
        stored == 0.0, {"float16": 2.0**-24, "float8_e4m3": 2.0**-9, "float32": 0.0}[scale_type], stored
    )
    if scale_type == "float32":
        x, expected = x / np.float32(448), expected / np.float32(448)
    np.testing.assert_array_equal(rounded_scales(x, 1.0, scale_type), expected)


@pytest.mark.parametrize("scale_type", TYPES)
@given(largest=st.floats(1e-20, 1e20), shares=st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=20))
def test_every_stored_scale_is_a_number_of_the_type(
    scale_type: ScaleType, largest: float, shares: list[float]
) -> None:
    scales = (largest * np.array([1.0, *shares])).astype(np.float32)
    unit = scale_unit(float(np.abs(scales).max()), scale_type)
    assert math.frexp(unit)[0] == 0.5
    found = rounded_scales(scales, unit, scale_type)
    ratio = (found.astype(np.float64) / unit).astype(np.float32)
    np.testing.assert_array_equal(as_stored(ratio, scale_type), ratio)
    np.testing.assert_array_equal(np.sign(found), np.sign(scales))
    # Nearest: half a unit in the last place, for what is not too small for the type.
    normal = (
        np.abs(scales) / unit
        >= {"float16": 2.0**-14, "float8_e4m3": 2.0**-6, "float32": 2.0**-60}[scale_type]
    )
    half = {"float16": 2.0**-11, "float8_e4m3": 2.0**-4, "float32": 0.0}[scale_type]
    assert (np.abs(found - scales)[normal] <= half * np.abs(scales)[normal]).all()


@pytest.mark.parametrize("scale_type", TYPES)
def test_the_largest_scale_just_fits(scale_type: ScaleType) -> None:
    most = {"float16": 32768.0, "float8_e4m3": 448.0, "float32": 1.0}[scale_type]
    for largest in (most, 0.75 * most, 2.0**-20 * most, math.nextafter(most, math.inf)):
        assert largest <= most * scale_unit(largest, scale_type) < 2.0 * largest
    assert scale_unit(most, scale_type) == 1.0
    assert scale_unit(0.0, scale_type) == 1.0
