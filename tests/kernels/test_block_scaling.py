"""Kernels of block scaling against numpy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fmq_theory.kernels.block_scaling import (
    EDGE,
    best_scales,
    bin_sums,
    encode_blocks,
    peaks,
    signed_peaks,
    try_scales,
)

# Scales whose inverse is infinite do not come here: the caller brings weights to about 1.
numbers = st.integers(-(2**23), 2**23).map(lambda i: i / 2.0**20)
rows = arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 20)), elements=numbers)
LEVELS = np.array([-0.9, -0.2, 0.3, 1.0])
BINS = 64


def table() -> np.ndarray:
    centres = (np.arange(BINS) + 0.5) * (2.0 * EDGE / BINS) - EDGE
    return np.abs(centres[:, None] - LEVELS).argmin(axis=1).astype(np.uint8)


def scales_of(x: np.ndarray) -> np.ndarray:
    return np.abs(x).max(axis=1)


def bins_of(x: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """The documented bin, by the documented float32 operations."""
    with np.errstate(divide="ignore"):
        per_weight = np.where(scales > 0.0, np.float32(0.5 * BINS / EDGE) / scales, np.float32(0.0))
    place = x * per_weight[:, None] + np.float32(BINS / 2)
    return np.clip(place, 0.0, BINS - 1).astype(np.int64)


@given(x=rows)
def test_peaks(x: np.ndarray) -> None:
    found = np.empty(len(x), dtype=np.uint32)
    peaks(x.view(np.uint32), found)
    np.testing.assert_array_equal(found.view(np.float32), np.abs(x).max(axis=1))


@given(x=rows)
def test_signed_peaks(x: np.ndarray) -> None:
    found = np.empty(len(x), dtype=np.uint32)
    signed_peaks(x.view(np.uint32), found)
    high, low = x.max(axis=1), x.min(axis=1)
    np.testing.assert_array_equal(found.view(np.float32), np.where(-low >= high, low, high))


@given(x=rows)
def test_sums_of_bins(x: np.ndarray) -> None:
    scales = scales_of(x)
    sums = np.zeros((BINS, 3))
    bin_sums(x, scales, sums)
    bins, wide = bins_of(x, scales).ravel(), x.astype(np.float64)
    by_block = np.broadcast_to(scales.astype(np.float64)[:, None], x.shape)
    for column, summand in enumerate((by_block**2, by_block * wide, wide**2)):
        np.testing.assert_allclose(
            sums[:, column], np.bincount(bins, summand.ravel(), BINS), rtol=1e-12, atol=1e-300
        )


@given(x=rows)
def test_codes_and_errors(x: np.ndarray) -> None:
    scales = scales_of(x)
    codes, errors = np.empty(x.shape, dtype=np.uint8), np.empty(len(x))
    encode_blocks(x, scales, LEVELS, table(), codes, errors)
    np.testing.assert_array_equal(codes, table()[bins_of(x, scales)])
    reached = scales.astype(np.float64)[:, None] * LEVELS[codes]
    np.testing.assert_allclose(errors, np.square(x - reached).sum(axis=1), rtol=1e-12, atol=1e-300)


@given(x=rows)
def test_best_scales(x: np.ndarray) -> None:
    """No other scale has a smaller error for the same codes."""
    codes, errors = np.empty(x.shape, dtype=np.uint8), np.empty(len(x))
    encode_blocks(x, scales_of(x), LEVELS, table(), codes, errors)
    found = np.empty(len(x), dtype=np.float32)
    best_scales(x, codes, LEVELS, found)

    def error(scales: np.ndarray) -> np.ndarray:
        return np.square(x - scales.astype(np.float64)[:, None] * LEVELS[codes]).sum(axis=1)

    room = 1e-9 * np.square(x.astype(np.float64)).sum(axis=1)
    assert (error(found) <= errors + room).all()
    for factor in (0.99, 1.01):
        assert (error(found) <= error(found * np.float32(factor)) + room).all()


@given(x=rows, factor=st.sampled_from([0.8, 0.97, 1.03, 1.2]))
def test_candidates_are_taken_where_they_help(x: np.ndarray, factor: float) -> None:
    scales = scales_of(x)
    codes, errors = np.empty(x.shape, dtype=np.uint8), np.empty(len(x))
    encode_blocks(x, scales, LEVELS, table(), codes, errors)
    candidates = scales * np.float32(factor)
    theirs, their_errors = np.empty(x.shape, dtype=np.uint8), np.empty(len(x))
    encode_blocks(x, candidates, LEVELS, table(), theirs, their_errors)
    taken = their_errors < errors
    expected = np.where(taken, candidates, scales), np.where(taken[:, None], theirs, codes)
    least = np.minimum(errors, their_errors)
    try_scales(x, candidates, LEVELS, table(), scales, codes, errors)
    np.testing.assert_array_equal(scales, expected[0])
    np.testing.assert_array_equal(codes, expected[1])
    np.testing.assert_array_equal(errors, least)


def test_no_candidate() -> None:
    x = np.array([[1.0, -2.0]], dtype=np.float32)
    scales, codes, errors = (
        np.array([2.0], dtype=np.float32),
        np.zeros((1, 2), dtype=np.uint8),
        np.array([99.0]),
    )
    try_scales(x, np.zeros(1, dtype=np.float32), LEVELS, table(), scales, codes, errors)
    assert (scales[0], errors[0]) == (2.0, 99.0)


@pytest.mark.parametrize("writeable", [True, False])
def test_read_only_weights(writeable: bool) -> None:
    x = np.ones((2, 3), dtype=np.float32)
    x.setflags(write=writeable)
    sums = np.zeros((BINS, 3))
    bin_sums(x, np.ones(2, dtype=np.float32), sums)
    assert sums[:, 0].sum() == 6.0
