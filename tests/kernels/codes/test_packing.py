"""Packed codes against numpy's bits, and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmq_theory.kernels.codes.packing import pack_codes, packed_size, unpack_codes


def by_numpy(codes: np.ndarray, bits: int) -> np.ndarray:
    """Each code's lowest bits, lowest first, then packed lowest bit first."""
    stream = np.unpackbits(codes[..., np.newaxis], axis=-1, bitorder="little")[..., :bits]
    return np.packbits(stream.reshape(codes.shape[0], -1), axis=1, bitorder="little")


@given(st.integers(1, 8), st.integers(1, 4), st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_layout_and_round_trip(bits: int, num_rows: int, columns: int, seed: int) -> None:
    codes = np.random.default_rng(seed).integers(0, 1 << bits, (num_rows, columns)).astype(np.uint8)
    packed = pack_codes(codes, bits)
    assert packed.shape == (num_rows, packed_size(columns, bits))
    assert (packed == by_numpy(codes, bits)).all()
    assert (unpack_codes(packed, bits, columns) == codes).all()


@pytest.mark.parametrize("bits", range(1, 9))
def test_threads_share_rows(bits: int) -> None:
    codes = np.random.default_rng(bits).integers(0, 1 << bits, (37, 501)).astype(np.uint8)
    packed = pack_codes(codes, bits, threads=3)
    assert (packed == pack_codes(codes, bits)).all()
    assert (unpack_codes(packed, bits, 501, threads=3) == codes).all()


def test_read_only_codes_and_results_of_their_own() -> None:
    codes = np.arange(16, dtype=np.uint8).reshape(2, 8)
    codes.setflags(write=False)
    for bits in (4, 8):
        packed = pack_codes(codes, bits)
        packed[0, 0] ^= 1
        assert codes[0, 0] == 0
        packed.setflags(write=False)
        assert unpack_codes(packed, bits, 8)[0, 0] == 1


@pytest.mark.parametrize(
    ("bits", "codes", "expected"),
    [
        (1, [1, 0, 1, 1, 0, 0, 0, 0, 1], [0b00001101, 0b1]),
        (3, [1, 2, 7], [0b11010001, 0b1]),
        (4, [0x1, 0xF, 0x2], [0xF1, 0x02]),
    ],
)
def test_written_out_by_hand(bits: int, codes: list[int], expected: list[int]) -> None:
    assert pack_codes(np.array([codes], dtype=np.uint8), bits).tolist() == [expected]


def test_control_a_wrong_width_is_seen() -> None:
    codes = np.arange(8, dtype=np.uint8)[np.newaxis]
    assert (unpack_codes(pack_codes(codes, 4), 3, 8) != codes).any()
