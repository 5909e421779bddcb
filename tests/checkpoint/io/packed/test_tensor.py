"""A quantized tensor as it is stored: nothing is lost, and nothing is stored that a rule gives back."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fmq_theory.checkpoint.io.number_types import safetensors_type
from fmq_theory.checkpoint.io.packed.level_rules import levels_of
from fmq_theory.checkpoint.io.packed.tensor import PackedTensor, pack
from fmq_theory.errors import CheckpointError, FmqError, WeightsError
from fmq_theory.quantizers import SCHEMES, quantize
from fmq_theory.quantizers.block_scaled import quantize_blocks
from tests.corpus.tensors import same

TABLES = ("nf4", "fp4")


def _bits(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).view(np.uint8)


def _weights(seed: int, shape: tuple[int, ...], odd: bool, dtype: str = "float32") -> np.ndarray:
    """With constant, all-zero and one-sided channels among the ordinary ones."""
    rng = np.random.default_rng(seed)
    found = rng.standard_t(4, size=shape).astype(dtype)
    if odd:
        rows = found.reshape(shape[0], -1)
        for row, value in zip(rows, (0.7, -0.3, 0.0), strict=False):
            row[:] = value
        if len(rows) > 3:
            rows[3] = np.abs(rows[3])
        if len(rows) > 4:
            rows[4] = -np.abs(rows[4])
        if len(rows) > 5:
            rows[5, 0] = 0.0
    return found


@given(
    data=st.data(),
    seed=st.integers(0, 2**32),
    scheme=st.sampled_from(sorted(SCHEMES)),
    granularity=st.sampled_from(["channel", "tensor"]),
    odd=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_dequantized_is_what_quantize_gives_to_the_bit(data, seed, scheme, granularity, odd, dtype) -> None:
    bits = 4 if scheme in TABLES else data.draw(st.integers(1, 8))
    shape = tuple(data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=3)))
    weights = _weights(seed, shape, odd, dtype)
    found = quantize(weights, scheme, bits, granularity)
    packed = pack(found, "F32" if dtype == "float32" else "F64", weights=weights)
    again = packed.dequantize().numpy()
    assert packed.num_bytes <= found.codes.size + found.codebooks.nbytes
    assert np.array_equal(packed.unpacked_codes(), found.codes)
    assert np.array_equal(_bits(again), _bits(found.dequantize()))
    measured = np.mean((weights.astype(np.float64) - again) ** 2)
    assert packed.mse == pytest.approx(measured, rel=1e-6, abs=1e-30)


@pytest.mark.parametrize(
    ("scheme", "numbers"), [("uniform", 2), ("uniform_clipped", 2), ("log2", 4), ("nf4", 1), ("fp4", 1)]
)
@pytest.mark.parametrize("group_size", [None, 64])
def test_schemes_with_a_rule_store_as_little_as_they_count(scheme, numbers, group_size) -> None:
    weights = _weights(0, (64, 512), odd=False)
    granularity = "channel" if group_size is None else "group"
    found = quantize(weights, scheme, 4, granularity, group_size=group_size)
    packed = pack(found, "F32", weights=weights)
    assert packed.codebook.shape[1] == numbers
    assert packed.effective_bits == pytest.approx(found.effective_bits, rel=1e-12)


def test_levels_that_a_rule_does_not_give_back_are_stored_themselves() -> None:
    """Negative control: codebooks that only claim to be uniform."""
    found = quantize(_weights(1, (8, 300), odd=False), "lloyd_max", 4)
    object.__setattr__(found, "scheme", "uniform")
    packed = pack(found, "F32")
    assert packed.rule == "levels"
    assert np.array_equal(packed.dequantize().numpy(), found.dequantize())


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_any_axis(axis: int) -> None:
    weights = _weights(2, (4, 5, 6), odd=False)
    found = quantize(weights, "lloyd_max", 3, axis=axis)
    restored = pack(found, "F32").dequantize()
    assert restored.is_contiguous()
    assert np.array_equal(restored.numpy(), found.dequantize())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float8_e4m3fn, torch.float64])
def test_the_result_has_the_type_of_the_weights(dtype: torch.dtype) -> None:
    weights = torch.from_numpy(_weights(3, (6, 40), odd=False)).to(dtype)
    found = quantize(weights, "lloyd_max", 4)
    restored = pack(found, safetensors_type("w", dtype)).dequantize()
    assert restored.dtype == dtype
    wanted = torch.from_numpy(np.array(found.dequantize())).to(dtype)
    assert same(restored, wanted)


@pytest.mark.parametrize("scheme", ["lloyd_max", "uniform", "nf4", "log2", "ecq"])
def test_float16_numbers_take_half_and_the_error_is_that_of_what_is_stored(scheme: str) -> None:
    weights = _weights(4, (16, 200), odd=True)
    found = quantize(weights, scheme, 4)
    full, half = (pack(found, "F32", kind, weights) for kind in ("float32", "float16"))
    assert half.codebook.nbytes * 2 == full.codebook.nbytes
    again = half.dequantize().numpy().astype(np.float64)
    assert half.mse == pytest.approx(np.mean((weights - again) ** 2), rel=1e-6)
    assert full.mse == found.mse
    assert half.mse != full.mse
    assert np.max(np.abs(again - found.dequantize())) <= 2.0**-10 * np.abs(weights).max()


def test_a_level_beyond_float16_is_refused() -> None:
    with pytest.raises(WeightsError, match="exceeds float16"):
        pack(quantize(np.array([[1.0, 1e6, 3.0, 2.0]])), "F32", "float16")


@pytest.mark.parametrize("scale_type", ["float16", "float8_e4m3", "float32"])
@pytest.mark.parametrize("bits", [2, 3, 4])
def test_block_scaled(scale_type, bits: int) -> None:
    weights = _weights(5, (16, 256), odd=True)
    found = quantize_blocks(weights, bits=bits, group_size=64, scale_type=scale_type)
    packed = pack(found, "F32", weights=weights)
    assert np.array_equal(_bits(packed.dequantize().numpy()), _bits(found.dequantize()))
    assert packed.codebook.shape[0] == 1
    assert packed.effective_bits == pytest.approx(found.effective_bits, rel=0.01)


@given(flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 7)), max_size=20))
def test_no_byte_of_the_codes_can_point_outside_of_the_codebook(flips) -> None:
    found = quantize(_weights(6, (3, 21), odd=True), "lloyd_max", 5)
    packed = pack(found, "F32")
    flat = packed.codes.reshape(-1)
    for at, bit in flips:
        flat[at % flat.size] ^= 1 << bit
    assert np.isfinite(packed.dequantize().numpy()).all()


CONFIG_FAULTS = {
    "shape": [[4, 21], [3, 24], [-3, -21], [3, 0], [63], "x", None, [3.5, 21], [10**30, 2]],
    "dtype": ["F99", None, 3],
    "bits": [0, 9, 4, "x", None],
    "strategy": ["row", "group", "tensor", None],
    "axis": [5, "x"],
    "group_size": [0, 5, "x", 3],
    "levels": ["magic", None, "uniform", "nf4"],
    "mse": ["x", None],
}


@pytest.mark.parametrize("key", CONFIG_FAULTS)
def test_a_config_that_does_not_fit_is_an_error(key: str) -> None:
    packed = pack(quantize(_weights(7, (3, 21), odd=False), "lloyd_max", 5), "F32")
    good = packed.config()
    for value in CONFIG_FAULTS[key]:
        with pytest.raises(FmqError) as caught:
            PackedTensor.from_config("tensor 'w'", good | {key: value}, packed.codes, packed.codebook)
        assert isinstance(caught.value, CheckpointError), (key, value)
        assert "tensor 'w'" in str(caught.value)
    short = {k: v for k, v in good.items() if k != key}
    with pytest.raises(CheckpointError, match=f"lacks '{key}'"):
        PackedTensor.from_config("tensor 'w'", short, packed.codes, packed.codebook)
    again = PackedTensor.from_config("tensor 'w'", good, packed.codes, packed.codebook)  # control
    assert torch.equal(again.dequantize(), packed.dequantize())


def test_arrays_that_do_not_fit_are_an_error() -> None:
    packed = pack(quantize(_weights(8, (3, 21), odd=False), "lloyd_max", 5), "F32")
    spoilt = np.array(packed.codebook)
    spoilt[1, 2] = np.nan
    for codes, codebook in (
        (packed.codes[:2], packed.codebook),
        (packed.codes[:, :-1], packed.codebook),
        (packed.codes, packed.codebook[:2]),
        (packed.codes, packed.codebook[:, :0]),
        (packed.codes, packed.codebook[0]),
        (packed.codes, spoilt),
    ):
        with pytest.raises(CheckpointError):
            PackedTensor.from_config("w", packed.config(), codes, codebook)


@pytest.mark.parametrize(
    ("weights", "bits", "rule"),
    [
        (np.abs(_weights(0, (8, 64), odd=False)) + np.float32(0.01), 3, "log2:8"),  # all levels for one sign
        (np.vstack((np.arange(1.0, 10.0), _weights(0, (8, 9), odd=False))).astype(np.float32), 8, "log2:9"),
        (_weights(0, (8, 64), odd=False), 3, "log2"),  # as in files of before
    ],
)
def test_log2_of_one_sign_and_of_short_channels_is_four_numbers(
    weights: np.ndarray, bits: int, rule: str
) -> None:
    found = quantize(weights, "log2", bits)
    packed = pack(found, "F32", weights=weights)
    assert packed.rule == rule
    assert packed.codebook.shape[1] == 4
    assert np.array_equal(packed.dequantize().numpy(), found.dequantize())


def test_a_file_of_before_gives_one_sign_half_of_the_levels_of_log2() -> None:
    ends = np.array([[1.0, 1.0, 1.0, 8.0]], dtype=np.float32)  # as stored where no weight is negative
    before, now = (levels_of(rule, ends, 3, np.dtype(np.float32)) for rule in ("log2", "log2:8"))
    np.testing.assert_allclose(before[0, :4], [1.0, 2.0, 4.0, 8.0], rtol=1e-6)
    np.testing.assert_allclose(now[0], 2.0 ** np.linspace(0.0, 3.0, 8), rtol=1e-6)
