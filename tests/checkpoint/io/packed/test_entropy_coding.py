"""Entropy-coded codes: the same codes, near their entropy, and never more than was promised."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from fmq_theory.checkpoint import QuantizedFile, load, write_quantized
from fmq_theory.checkpoint.io.packed.entropy_coding import compress_codes, decompress_codes, index_entropy
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.recipe import Recipe
from fmq_theory.errors import CheckpointError
from fmq_theory.kernels.codes.packing import pack_codes
from fmq_theory.quantizers import quantize

zstandard = pytest.importorskip("zstandard")


@given(rows=st.integers(1, 5), columns=st.integers(1, 60), bits=st.integers(1, 8), seed=st.integers(0, 2**32))
def test_any_codes_come_back(rows: int, columns: int, bits: int, seed: int) -> None:
    codes = np.random.default_rng(seed).integers(0, 2**bits, size=(rows, columns), dtype=np.uint8)
    again = decompress_codes(compress_codes(codes, bits), bits, rows, columns, "w")
    assert np.array_equal(again, pack_codes(codes, bits))


@pytest.mark.parametrize("bits", range(1, 9))
def test_entropy_of_known_shares(bits: int) -> None:
    even = np.tile(np.arange(2**bits, dtype=np.uint8), (3, 4))
    assert index_entropy(even, bits) == pytest.approx(bits)
    assert index_entropy(np.zeros((2, 9), dtype=np.uint8), bits) == 0.0
    halves = np.array([[0, 0, 1, 1], [0, 0, 0, 1]], dtype=np.uint8)
    quarter = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    assert index_entropy(halves, bits) == pytest.approx((1.0 + quarter) / 2)


@pytest.mark.parametrize(("bits", "excess"), [(2, 0.02), (3, 0.04), (4, 0.02), (6, 0.02)])
def test_near_the_entropy(bits: int, excess: float) -> None:
    """Shannon's bound below, and above it what Huffman codes of grouped symbols lose."""
    weights = np.random.default_rng(1).normal(size=(256, 4096)).astype(np.float32)
    codes = quantize(weights, "uniform", bits, "tensor").codes.reshape(1, -1)
    entropy = index_entropy(codes, bits)
    achieved = 8.0 * compress_codes(codes, bits).size / codes.size
    assert entropy <= achieved <= entropy * (1.0 + excess) + 0.01
    assert achieved < 0.95 * bits


def test_data_that_promise_another_size_or_hold_other_codes_are_refused() -> None:
    codes = np.full((2, 40), 4, dtype=np.uint8)
    good = compress_codes(codes, 3)
    with pytest.raises(CheckpointError, match=r"'w'.*hold 40 bytes where its shape asks for 60"):
        decompress_codes(good, 3, 3, 40, "'w'")
    bomb = zstandard.ZstdCompressor().compress(b"\0" * 10**8)
    with pytest.raises(CheckpointError, match="hold 100000000 bytes"):
        decompress_codes(np.frombuffer(bomb, dtype=np.uint8), 3, 2, 40, "w")
    with pytest.raises(CheckpointError):
        decompress_codes(good[:-3], 3, 2, 40, "w")
    with pytest.raises(CheckpointError):
        decompress_codes(np.arange(50, dtype=np.uint8), 3, 2, 40, "w")
    with pytest.raises(CheckpointError, match="more than 3 bits"):
        decompress_codes(compress_codes(codes * 2, 4), 3, 2, 40, "w")


def test_through_the_file(tmp_path: Path) -> None:
    weights = torch.randn(64, 1024, generator=torch.Generator().manual_seed(0))
    save_file(
        {"uneven": weights, "even": weights.clone(), "b": weights[0].clone()}, tmp_path / "in.safetensors"
    )
    plan = [
        Recipe("uneven", Choice("uniform", 4, "tensor")),
        Recipe("even", Choice("equal_mass", 3, "channel")),  # as many of each code
    ]
    whole = write_quantized(tmp_path / "in.safetensors", tmp_path / "a.safetensors", plan)
    coded = write_quantized(
        tmp_path / "in.safetensors", tmp_path / "b.safetensors", plan, entropy_coding=True
    )
    assert coded.num_bytes < 0.93 * whole.num_bytes
    first, second = load(tmp_path / "a.safetensors"), load(tmp_path / "b.safetensors")
    assert all(torch.equal(second[name], tensor) for name, tensor in first.items())
    with QuantizedFile(tmp_path / "b.safetensors") as file:
        entry, other = file.config["tensors"]["uneven"], file.config["tensors"]["even"]
        assert entry["coding"] == "zstd"
        assert "coding" not in other  # it would not have become smaller
        assert other["entropy_bits"] == pytest.approx(3.0)
        assert entry["entropy_bits"] < entry["code_bits"] < 4.0
        found = quantize(weights, "uniform", 4, "tensor")
        assert np.array_equal(file.codes("uneven"), found.codes)
        stored = entry["effective_bits"] * weights.numel() / 8 - entry["code_bits"] * weights.numel() / 8
        assert stored == pytest.approx(2 * 4)  # the two ends


def test_a_flipped_bit_is_found_out(tmp_path: Path) -> None:
    save_file({"w": torch.randn(64, 256)}, tmp_path / "in.safetensors")
    plan = [Recipe("w", Choice("uniform", 4, "tensor"))]
    write_quantized(tmp_path / "in.safetensors", tmp_path / "q.safetensors", plan, entropy_coding=True)
    content = bytearray((tmp_path / "q.safetensors").read_bytes())
    for at in range(len(content) - 50, len(content)):
        content[at] ^= 1
        (tmp_path / "q.safetensors").write_bytes(content)
        with pytest.raises(CheckpointError):
            load(tmp_path / "q.safetensors")
        content[at] ^= 1
