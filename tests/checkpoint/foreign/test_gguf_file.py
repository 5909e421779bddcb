"""GGUF: files that its own package wrote, every type that it writes, to the bit."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fmq_theory.checkpoint.foreign.files import open_stored
from fmq_theory.errors import CheckpointError

SHAPE = (6, 512)


@pytest.fixture(scope="module")
def gguf() -> Any:
    return pytest.importorskip("gguf")


def _weights(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def _write(gguf: Any, path: Path, tensors: dict[str, tuple[np.ndarray, Any]], **arrays: list[int]) -> Path:
    writer = gguf.GGUFWriter(path, "llama")
    for key, value in arrays.items():
        writer.add_array(key, value)
    for name, (data, kind) in tensors.items():
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_every_type_that_the_package_writes(gguf: Any, tmp_path: Path) -> None:
    kinds = gguf.GGMLQuantizationType
    names = ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "TQ1_0", "TQ2_0", "MXFP4"]
    written = {name.lower(): (gguf.quants.quantize(_weights(), kinds[name]), kinds[name]) for name in names}
    with open_stored(_write(gguf, tmp_path / "x.gguf", written)) as found:
        assert [weight.name for weight in found.weights] == list(written)
        assert found.architecture == "llama"
        for weight in found.weights:
            data, kind = written[weight.name]
            decoded = weight.decoded()
            assert weight.shape == SHAPE
            assert np.array_equal(decoded.weights.numpy(), gguf.quants.dequantize(data, kind)), weight.name
            assert weight.num_bytes == data.nbytes
            assert weight.plain == (kind.name in ("F32", "F16", "BF16")) == (decoded.nearest is not None)
    bits = {weight.name: weight.effective_bits for weight in found.weights}
    assert bits["q4_0"] == 4.5
    assert bits["q8_0"] == 8.5
    assert found.formats[0] == "GGUF Q4_0"


@pytest.mark.parametrize("kind", ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"])
def test_types_that_the_package_only_reads(gguf: Any, tmp_path: Path, kind: str) -> None:
    """Bytes of any value: its numbers are those that the package makes of them."""
    number = gguf.GGMLQuantizationType[kind]
    block, size = gguf.GGML_QUANT_SIZES[number]
    data = np.random.default_rng(1).integers(0, 60, (2, 1024 // block * size), dtype=np.uint8)
    path = _write(gguf, tmp_path / "x.gguf", {"w": (data, number)})
    with open_stored(path) as found:
        numbers = found.weights[0].decoded().weights.numpy()
    assert numbers.shape == (2, 1024)
    with np.errstate(all="ignore"):
        assert np.array_equal(numbers, gguf.quants.dequantize(data, number), equal_nan=True)


def test_folded_shapes_are_those_of_the_weights(gguf: Any, tmp_path: Path) -> None:
    """ComfyUI-GGUF folds a 3 x 3 convolution into rows of whole blocks and says what it was."""
    kinds = gguf.GGMLQuantizationType
    data = gguf.quants.quantize(_weights((8, 288)), kinds.Q8_0)
    key = "comfy.gguf.orig_shape.conv.weight"
    path = _write(gguf, tmp_path / "x.gguf", {"conv.weight": (data, kinds.Q8_0)}, **{key: [16, 16, 3, 3]})
    with open_stored(path) as found:
        assert found.weights[0].shape == (16, 16, 3, 3)
        flat = found.weights[0].decoded().weights.reshape(-1).numpy()
    assert np.array_equal(flat, gguf.quants.dequantize(data, kinds.Q8_0).reshape(-1))


def test_the_names_of_llama_are_known(gguf: Any) -> None:
    from fmq_theory.checkpoint.foreign.gguf_file import architecture_names

    names = ["model.layers.3.self_attn.q_proj.weight", "model.embed_tokens.weight", "other.weight"]
    assert architecture_names("llama", names) == {
        names[0]: "blk.3.attn_q.weight",
        names[1]: "token_embd.weight",
    }
    assert architecture_names("no such", names) == {}


def test_a_file_that_is_cut_anywhere_is_refused(gguf: Any, tmp_path: Path) -> None:
    kinds = gguf.GGMLQuantizationType
    data = gguf.quants.quantize(_weights(), kinds.Q4_0)
    whole = _write(gguf, tmp_path / "x.gguf", {"w": (data, kinds.Q4_0), "b": (_weights((9,)), kinds.F32)})
    text, cut = whole.read_bytes(), tmp_path / "cut.gguf"
    refused = 0
    for size in (*range(4, 400, 13), len(text) - 100, len(text) - 40):
        cut.write_bytes(text[:size])
        with pytest.raises(CheckpointError, match="truncated or corrupt"), open_stored(cut):
            pass
        refused += 1
    assert refused > 30


def test_the_suffix_does_not_matter(gguf: Any, tmp_path: Path) -> None:
    kinds = gguf.GGMLQuantizationType
    path = _write(gguf, tmp_path / "x.safetensors", {"w": (_weights(), kinds.F32)})
    with open_stored(path) as found:
        assert torch.equal(found.weights[0].decoded().weights, torch.from_numpy(_weights()))


def _header(version: int, values: bytes, count: int, order: str = "<") -> bytes:
    return b"GGUF" + struct.pack(f"{order}IQQ", version, 0, count) + values


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            _header(3, struct.pack("<Q1sIIQ", 1, b"k", 9, 9, 2**60), 1),
            "it has 1152921504606846976 values of type 9",
        ),
        (_header(3, struct.pack("<Q1sIIQ", 1, b"k", 9, 8, 2**60), 1), "its header asks for 8 bytes"),
        (
            _header(3, struct.pack("<Q1sIIQ", 1, b"k", 9, 4, 2**60), 1),
            "its header asks for 4611686018427387904",
        ),
        (_header(3, struct.pack("<Q", 2**62), 1), "its header asks for 4611686018427387904 bytes"),
        (_header(3, b"", 2**40), "more than 1000000 values"),
        (_header(3, b"", 0, order=">"), "big-endian"),
        (_header(1, b"", 0), "of version 1"),
        (_header(3, b"", 0), "it holds no weights"),
    ],
    ids=["nested", "texts", "numbers", "key", "count", "big-endian", "old", "empty"],
)
def test_forged_headers_are_refused_at_once(gguf: Any, tmp_path: Path, content: bytes, words: str) -> None:
    """The reader of the package follows such counts until memory ends."""
    (tmp_path / "x.gguf").write_bytes(content)
    with pytest.raises(CheckpointError, match=words), open_stored(tmp_path / "x.gguf"):
        pass


def test_integers_are_no_weights(gguf: Any, tmp_path: Path) -> None:
    kinds = gguf.GGMLQuantizationType
    tensors = {"w": (_weights(), kinds.F16), "table": (np.arange(4, dtype=np.int32), kinds.I32)}
    tensors["w"] = (_weights().astype(np.float16), kinds.F16)
    with open_stored(_write(gguf, tmp_path / "x.gguf", tensors)) as found:
        assert [weight.name for weight in found.weights] == ["w"]
        assert found.others == {"table": "integers"}
