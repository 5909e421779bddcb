"""Counting 16-bit patterns is sorting: against numpy on every pattern, and torch's bfloat16."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fmq_theory.codebook import Codebook
from fmq_theory.kernels.codes import tables16 as module
from fmq_theory.kernels.codes.tables16 import (
    BFLOAT16,
    FLOAT16,
    ExponentBits,
    encode16,
    histogram16,
    pattern_values,
)

TYPES: list[ExponentBits] = [FLOAT16, BFLOAT16]
EVERY = np.arange(65536, dtype=np.uint16)


def by_torch(patterns: np.ndarray, exponent_bits: int) -> np.ndarray:
    """What torch reads in the patterns, as float32."""
    kind = torch.bfloat16 if exponent_bits == BFLOAT16 else torch.float16
    return torch.from_numpy(patterns.view(np.int16).copy()).view(kind).float().numpy()


@pytest.mark.parametrize("exponent_bits", TYPES)
def test_every_pattern_is_what_torch_reads(exponent_bits: ExponentBits) -> None:
    np.testing.assert_array_equal(pattern_values(exponent_bits), by_torch(EVERY, exponent_bits))
    # The control: the two types disagree.
    other = FLOAT16 if exponent_bits == BFLOAT16 else BFLOAT16
    assert not np.array_equal(pattern_values(other), by_torch(EVERY, exponent_bits), equal_nan=True)


@pytest.mark.parametrize("exponent_bits", TYPES)
@given(data=st.data())
def test_equals_a_sort(exponent_bits: ExponentBits, data: st.DataObject) -> None:
    size = data.draw(st.integers(0, 60))
    # Few patterns and many: zeros of both signs, denormals, infinities and nan are among them.
    special = st.sampled_from([0, 0x8000, 1, 0x8001, 0x7C00, 0xFC00, 0x7F80, 0xFF80, 0x7FFF, 0xFFFF])
    drawn = st.one_of(special, st.integers(0, 65535), st.integers(0x3F80, 0x3F84))
    patterns = data.draw(hnp.arrays(np.uint16, size, elements=drawn))
    threads = data.draw(st.integers(1, 3))
    points, mass, num_not_finite = histogram16(patterns, exponent_bits, threads)
    values = by_torch(patterns, exponent_bits)
    finite = values[np.isfinite(values)]
    expected, counts = np.unique(finite, return_counts=True)
    np.testing.assert_array_equal(points, expected)
    np.testing.assert_array_equal(mass, counts)
    assert num_not_finite == size - finite.size
    assert points.dtype == np.float32
    assert mass.dtype == np.float64
    assert not np.signbit(points[points == 0.0]).any()


def test_both_zeros_are_one_point() -> None:
    points, mass, _ = histogram16(np.array([0x8000, 0, 0x8000], dtype=np.uint16), BFLOAT16)
    np.testing.assert_array_equal(points, [0.0])
    np.testing.assert_array_equal(mass, [3.0])


@pytest.mark.parametrize("exponent_bits", TYPES)
def test_all_patterns_once(exponent_bits: ExponentBits) -> None:
    points, mass, num_not_finite = histogram16(EVERY, exponent_bits)
    assert (np.diff(points) > 0.0).all()
    assert points.size == 65535 - num_not_finite  # one less: the zeros
    assert num_not_finite == 2 * 2 ** (15 - exponent_bits)
    assert mass[points == 0.0] == 2.0
    assert mass.sum() == 65536 - num_not_finite


def test_counts_carry_over_from_chunk_to_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    patterns = np.random.default_rng(0).integers(0, 9, 1003).astype(np.uint16)
    expected = np.bincount(patterns, minlength=65536)
    monkeypatch.setattr(module, "_CHUNK", 64)
    chunked = module.count_patterns.py_func(patterns)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(chunked, expected)
    np.testing.assert_array_equal(module.count_patterns(patterns), expected)


@pytest.mark.parametrize("exponent_bits", TYPES)
@pytest.mark.parametrize("num_levels", [1, 2, 16, 256])
@pytest.mark.parametrize("threads", [1, 2])
def test_codes_are_those_of_the_codebook(exponent_bits: ExponentBits, num_levels: int, threads: int) -> None:
    rng = np.random.default_rng(num_levels)
    patterns = rng.integers(0, 65536, 5001).astype(np.uint16)
    values = by_torch(patterns, exponent_bits)
    patterns, values = patterns[np.isfinite(values)], values[np.isfinite(values)]
    patterns.setflags(write=False)
    # Levels among the data, so that some thresholds are hit exactly.
    levels = np.unique(rng.choice(values.astype(float), num_levels))
    codebook = Codebook(levels, levels[1:])
    with np.errstate(invalid="ignore"):  # a signalling nan among the patterns
        of_patterns = pattern_values(exponent_bits).astype(np.float64)
    table = np.searchsorted(codebook.thresholds, of_patterns, side="right").astype(np.uint8)
    codes = encode16(patterns, table, threads)
    np.testing.assert_array_equal(codes, codebook.encode(values))
    assert codes.dtype == np.uint8
