"""Packed codes to levels: the same as unpacking and looking up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmq_theory.kernels.codes.decode import decode_packed
from fmq_theory.kernels.codes.packing import pack_codes


def _case(rows: int, columns: int, bits: int, seed: int, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 2**bits, size=(rows, columns), dtype=np.uint8)
    return codes, rng.normal(size=(rows, 2**bits)).astype(dtype)


@given(
    rows=st.integers(1, 5),
    columns=st.integers(1, 50),
    bits=st.integers(1, 8),
    seed=st.integers(0, 2**32),
    threads=st.integers(1, 4),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_equals_the_lookup_of_the_codes(rows, columns, bits, seed, threads, dtype) -> None:
    codes, levels = _case(rows, columns, bits, seed, dtype)
    found = decode_packed(pack_codes(codes, bits), bits, columns, levels, threads)
    assert found.dtype == dtype
    assert np.array_equal(found, np.take_along_axis(levels, codes.astype(np.intp), axis=1))
    shared = decode_packed(pack_codes(codes, bits), bits, columns, levels[:1], threads)
    assert np.array_equal(shared, levels[0][codes])


@given(
    rows=st.integers(1, 5),
    columns=st.integers(1, 50),
    bits=st.integers(1, 8),
    seed=st.integers(0, 2**32),
    threads=st.integers(1, 4),
    dtype=st.sampled_from([np.float32, np.float64]),
    shared=st.booleans(),
)
def test_scales_are_factors_of_the_rows(rows, columns, bits, seed, threads, dtype, shared) -> None:
    codes, levels = _case(rows, columns, bits, seed, dtype)
    levels = levels[:1] if shared else levels
    scales = np.random.default_rng(seed).normal(size=rows).astype(np.float32)
    found = decode_packed(pack_codes(codes, bits), bits, columns, levels, threads, scales)
    products = np.broadcast_to(levels * scales[:, None], (rows, 2**bits))
    assert found.dtype == dtype
    assert np.array_equal(found, np.take_along_axis(products, codes.astype(np.intp), axis=1))


@pytest.mark.parametrize("bits", range(1, 9))
def test_read_only_inputs(bits: int) -> None:
    codes, levels = _case(3, 17, bits, bits, np.float32)
    packed = pack_codes(codes, bits)
    packed.setflags(write=False)
    levels.setflags(write=False)
    assert np.array_equal(decode_packed(packed, bits, 17, levels)[0], levels[0][codes[0]])


def test_a_flipped_bit_is_seen() -> None:
    """Negative control: the comparison above can fail."""
    codes, levels = _case(2, 9, 3, 0, np.float64)
    packed = pack_codes(codes, 3)
    packed[1, 0] ^= 1
    assert not np.array_equal(
        decode_packed(packed, 3, 9, levels), np.take_along_axis(levels, codes.astype(np.intp), axis=1)
    )
