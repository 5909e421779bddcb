"""Files of other tools that are damaged or forged: decoded, or refused by name; nothing else."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from fmq_theory.checkpoint.foreign.files import open_stored
from fmq_theory.errors import FmqError

SAFE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
KEYS = (
    "m.weight", "m.weight_scale", "m.weight_scale_2", "m.weight_scale_inv", "m.scale_weight",
    "m.weight_packed",
    "m.weight_global_scale", "m.weight_blocks", "m.weight_scales", "m.SCB", "m.scale", "m.zero_point",
    "m.weight._data", "m.weight._scale", "m.weight.absmax", "m.weight.quant_map", "m.weight.nested_absmax",
    "m.weight.nested_quant_map", "m.weight.quant_state.bitsandbytes__nf4",
)  # fmt: skip
TYPES = (
    torch.uint8, torch.int8, torch.float32, torch.float16, torch.float8_e4m3fn, torch.int32, torch.bfloat16
)  # fmt: skip
STATE = torch.tensor(
    list(json.dumps({"blocksize": 4, "dtype": "float32", "shape": [4, 8], "nested_blocksize": 2}).encode()),
    dtype=torch.uint8,
)
CONFIGS = (
    None,
    {"quant_method": "sdnq", "weights_dtype": "uint4", "use_codebook": True},
    {"quant_method": "sdnq", "weights_dtype": "int5"},
    {"quant_method": "sdnq", "weights_dtype": ["x"], "modules_to_not_convert": 3, "modules_dtype_dict": 4},
)

_shapes = st.lists(st.sampled_from([0, 1, 2, 4, 8, 16]), max_size=3).map(tuple)
_tensors = st.builds(
    lambda shape, dtype: torch.zeros(shape).to(dtype), _shapes, st.sampled_from(TYPES)
) | st.just(STATE)


def _decode_all(path: Path) -> int:
    """How many weights there are; all of them are decoded."""
    with open_stored(path) as found:
        for weight in found.weights:
            numbers = weight.decoded(weight.shape or (weight.count,)).weights
            assert numbers.numel() == weight.count
        return len(found.weights)


@SAFE
@given(
    tensors=st.dictionaries(st.sampled_from(KEYS), _tensors, min_size=1, max_size=5),
    config=st.sampled_from(CONFIGS),
)
def test_any_tensors_under_the_keys_of_the_formats(
    tmp_path: Path, tensors: dict[str, torch.Tensor], config: dict[str, Any] | None
) -> None:
    save_file({key: value.clone() for key, value in tensors.items()}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"quantization_config": config}), "utf-8")
    try:
        assert _decode_all(tmp_path / "model.safetensors") > 0
    except FmqError as error:
        assert str(error.cause)


@SAFE
@given(place=st.integers(0, 400), value=st.integers(0, 255), cut=st.integers(0, 3000))
def test_a_gguf_of_which_a_byte_is_another(tmp_path: Path, place: int, value: int, cut: int) -> None:
    gguf = pytest.importorskip("gguf")
    path = tmp_path / "whole.gguf"
    if not path.exists():
        kinds = gguf.GGMLQuantizationType
        writer = gguf.GGUFWriter(path, "llama")
        writer.add_array("comfy.gguf.orig_shape.w", [2, 2, 16, 16])
        writer.add_array("tokenizer.ggml.tokens", ["a", "b", "c"])
        data = np.random.default_rng(0).standard_normal((4, 256)).astype(np.float32)
        writer.add_tensor("w", gguf.quants.quantize(data, kinds.Q8_0), raw_dtype=kinds.Q8_0)
        writer.add_tensor("v", data, raw_dtype=kinds.F32)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    text = bytearray(path.read_bytes())
    text[4 + place] = value
    (tmp_path / "x.gguf").write_bytes(text[: len(text) - cut // 3] if cut % 3 == 0 else text)
    try:
        _decode_all(tmp_path / "x.gguf")
    except FmqError as error:
        assert str(error.cause)
