"""Levels and codes by operations of torch, which other devices run: the same numbers as those of kernels."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fmq_theory.checkpoint.io.packed.level_rules import LEVELS, levels_of
from fmq_theory.checkpoint.io.packed.tensor import pack
from fmq_theory.checkpoint.modules.decoding import decode_rows, decode_with_torch
from fmq_theory.checkpoint.modules.packed_weight import PackedWeight
from fmq_theory.checkpoint.modules.torch_levels import LevelRule
from fmq_theory.kernels.codes.level_rows import scaled_tables, spaced_levels
from fmq_theory.kernels.codes.packing import pack_codes
from fmq_theory.quantizers import quantize

REALS = st.floats(-(2.0**99), 2.0**99, width=32)


@given(
    ends=st.lists(st.tuples(REALS, REALS).map(sorted), min_size=1, max_size=5),
    bits=st.integers(2, 8),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_spaced_levels_are_those_of_the_scheme(ends, bits, dtype) -> None:
    numbers = np.array(ends, dtype=dtype)
    wanted = levels_of("uniform", numbers, bits, np.dtype(dtype))
    rule, same = LevelRule.of("uniform", numbers, bits)
    assert rule.name == "uniform"
    assert same is numbers
    assert np.array_equal(rule.levels(torch.tensor(numbers)).numpy(), wanted)
    found = np.empty_like(wanted)
    spaced_levels(numbers, found)
    assert np.array_equal(found, wanted)
    numbers[:, 0] -= np.abs(numbers[:, 0]) + 1
    assert not np.array_equal(rule.levels(torch.tensor(numbers)).numpy(), wanted)  # control


@given(
    scales=st.lists(st.floats(2.0**-60, 2.0**60, width=32), min_size=1, max_size=5),
    table=st.sampled_from(["nf4", "fp4"]),
)
def test_tables_are_those_of_the_scheme(scales, table) -> None:
    numbers = np.array(scales, dtype=np.float32)[:, None]
    rule, _ = LevelRule.of(table, numbers, 4)
    assert rule.name == table
    used = len(rule.table)
    wanted = levels_of(table, numbers, 4, np.dtype(np.float32))[:, :used]
    found = np.empty((len(scales), 16), dtype=np.float32)
    scaled_tables(numbers, np.array(rule.table), found)
    assert np.array_equal(rule.levels(torch.tensor(numbers))[:, :used].numpy(), wanted)
    assert np.array_equal(found[:, :used], wanted)


def test_what_torch_cannot_give_to_the_bit_is_kept_as_levels() -> None:
    beyond = np.array([[-1.7e308, 1.7e308]])  # their distance has no float64
    ends = np.array([[-2.0, -0.5, 0.25, 3.0]], dtype=np.float32)
    for rule, numbers in (("uniform", beyond), ("log2", ends)):
        found, kept = LevelRule.of(rule, numbers, 3)
        assert found.name == LEVELS
        assert np.array_equal(kept, levels_of(rule, numbers, 3, numbers.dtype))


@given(
    rule=st.sampled_from(["levels", "few levels", "uniform", "nf4", "fp4"]),
    bits=st.integers(1, 8),
    columns=st.integers(1, 40),
    seed=st.integers(0, 2**32),
    scaled=st.booleans(),
    dtype=st.sampled_from([torch.float16, torch.float32, torch.float64]),
)
def test_both_decoders_agree(rule, bits, columns, seed, scaled, dtype) -> None:
    rng = np.random.default_rng(seed)
    bits = 4 if rule in ("nf4", "fp4") else max(bits, 2) if rule == "uniform" else bits
    count = {"levels": 2**bits, "few levels": 2**bits - 1, "uniform": 2}.get(rule, 1)
    codes = rng.integers(0, 15 if rule == "fp4" else 2**bits, (6, columns), dtype=np.uint8)
    packed = torch.from_numpy(pack_codes(codes, bits))
    numbers = torch.tensor(np.sort(np.abs(rng.normal(size=(6, count))) + 0.01, axis=1)).to(dtype)
    factors = torch.tensor(rng.normal(size=6), dtype=torch.float32) if scaled else None
    named = LevelRule.named(rule.removeprefix("few "), bits)
    one = decode_rows(packed, numbers, factors, named, columns)
    other = decode_with_torch(packed, numbers, factors, named, columns)
    assert one.dtype == other.dtype
    assert torch.equal(one, other)
    if columns > 1:
        assert not torch.equal(decode_rows(packed, -numbers, factors, named, columns), other)  # control


@given(
    shape=st.tuples(st.integers(2, 12), st.sampled_from([6, 12, 30])),
    bits=st.integers(1, 8),
    granularity=st.sampled_from(["tensor", "channel", "group"]),
    seed=st.integers(0, 2**32),
)
def test_rows_are_those_of_the_whole(shape, bits, granularity, seed) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=shape).astype(np.float32)
    found = quantize(
        weights, "lloyd_max", bits, granularity, group_size=6 if granularity == "group" else None
    )
    packed = PackedWeight(pack(found, "F32"))
    whole = packed.dequantize()
    assert np.array_equal(whole.numpy(), np.asarray(found.dequantize()))
    index = torch.tensor(rng.integers(0, shape[0], 7))
    assert torch.equal(packed.rows(index), whole[index])
    assert packed.rows(index[:0]).shape == (0, shape[1])


@pytest.mark.parametrize("dtype", ["F16", "BF16", "F8_E4M3"])
def test_no_level_passes_the_largest_number_of_the_type(dtype: str) -> None:
    weights = np.full((2, 64), 1e30, dtype=np.float32)
    weights[:, ::2] = 0.5
    packed = PackedWeight(pack(quantize(weights, "uniform", 4), dtype))
    assert torch.isfinite(packed.dequantize().float()).all()
    assert torch.equal(packed.dequantize(), pack(quantize(weights, "uniform", 4), dtype).dequantize())
