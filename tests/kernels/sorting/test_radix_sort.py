"""Sorting by digits against numpy's sort."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from fmq_theory.kernels.sorting import radix_sort
from fmq_theory.kernels.sorting.digit_sort import COUNTS, sort_keys
from fmq_theory.kernels.sorting.float_keys import bits_of, gather_keys, write_bits, write_keys
from fmq_theory.kernels.sorting.radix_sort import sort_rows, sorted_copy
from tests.kernels.inputs import hard_rows

TYPES = (np.float32, np.float64)


def same_bits(a: NDArray[np.floating], b: NDArray[np.floating]) -> bool:
    """Equal, and with the same signs of zero."""
    return a.dtype == b.dtype and a.shape == b.shape and bool((bits_of(a) == bits_of(b)).all())


def by_numpy(rows: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.sort(rows, axis=-1) + rows.dtype.type(0)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("threads", [1, 3])
def test_rows_of_any_length(dtype: type[np.floating], threads: int) -> None:
    for columns in (1, 2, 40, 41, 300, 1024, 2047, 2048, 5000):
        for name, row in hard_rows(columns, dtype).items():
            rows = np.stack([row, row[::-1], np.roll(row, 1)])
            before = rows.copy()
            assert same_bits(sort_rows(rows, threads), by_numpy(rows)), name
            assert same_bits(rows, before)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_long_rows_are_dealt_into_buckets(
    dtype: type[np.floating], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(radix_sort, "LONG", 0)
    monkeypatch.setattr(radix_sort, "LONG_TO_SHARE", 0)
    for size in (1, 2, 1000, 20_000):
        for name, row in hard_rows(size, dtype).items():
            assert same_bits(sorted_copy(row, threads), by_numpy(row)), name


def test_a_row_beyond_the_cache_takes_that_way_by_itself() -> None:
    row = hard_rows(radix_sort.LONG // 4 + 1, np.float32)["student"]
    assert same_bits(sorted_copy(row, 2), by_numpy(row))


@given(
    arrays.arrays(
        st.sampled_from([np.dtype(np.float32), np.dtype(np.float64)]),
        st.integers(1, 200),
        elements=st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=True),
    )
)
def test_any_small_array(row: NDArray[np.floating]) -> None:
    for short in (0, 10**9):
        original, radix_sort.SHORT = radix_sort.SHORT, short
        try:
            assert same_bits(sorted_copy(row), by_numpy(row))
        finally:
            radix_sort.SHORT = original


def test_read_only_rows() -> None:
    rows = hard_rows(5000, np.float32)["normal"].reshape(2, -1)
    rows.setflags(write=False)
    assert same_bits(sort_rows(rows), by_numpy(rows))


def test_no_rows() -> None:
    assert sort_rows(np.empty((0, 5), dtype=np.float32)).shape == (0, 5)


@pytest.mark.parametrize("dtype", TYPES)
def test_keys_keep_order_and_come_back(dtype: type[np.floating]) -> None:
    row = np.concatenate(list(hard_rows(500, dtype).values()))
    bits = bits_of(row)
    keys = np.empty_like(bits)
    write_keys(bits, keys)
    order = np.argsort(keys, kind="stable")
    assert (order == np.argsort(row, kind="stable")).all()
    back = np.empty_like(keys)
    write_bits(keys, back)
    assert same_bits(back.view(dtype), row + dtype(0))
    places = np.array([3, 0, 7], dtype=np.uint32)
    some = np.empty(3, dtype=keys.dtype)
    gather_keys(bits, places, some)
    assert (some == keys[places]).all()


def test_control_the_sign_of_zero_is_seen() -> None:
    zeros = hard_rows(100, np.float32)["zeros"]
    assert not same_bits(np.sort(zeros), sorted_copy(zeros))


@pytest.mark.parametrize("size", [10, 1000, 5000])
def test_keys_that_share_their_high_bits(size: int) -> None:
    keys = np.random.default_rng(0).integers(0, 1 << 11, size).astype(np.uint32) + np.uint32(7 << 11)
    expected = np.sort(keys)
    spare = np.empty_like(keys)
    moved = sort_keys(keys, spare, np.empty(COUNTS, dtype=np.uint32), 11)
    assert ((spare if moved else keys) == expected).all()
