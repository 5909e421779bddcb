"""Which weight is which: by names, prefixes, llama.cpp's names, numbers; and files that do not fit."""

from pathlib import Path

import numpy as np
import pytest

import fmq_theory
from fmq_theory import checkpoint
from fmq_theory.errors import CheckpointError, WeightsError
from tests.checkpoint.made_tensors import Tensors, drawn, save


@pytest.fixture
def original(tmp_path: Path) -> Path:
    return save(tmp_path, "original", _model())


def _model() -> Tensors:
    return {
        "a.weight": drawn(8, 16),
        "b.weight": drawn(8, 16, seed=1),
        "c.weight": drawn(4, 16, seed=2),
        "c.bias": drawn(4, seed=3),
    }


def _half(tensors: Tensors) -> Tensors:
    return {name: value.half() for name, value in tensors.items()}


@pytest.mark.parametrize("ours", ["", "model.diffusion_model."])
@pytest.mark.parametrize("theirs", ["", "unet."])
def test_a_prefix_of_either_file(tmp_path: Path, ours: str, theirs: str) -> None:
    if ours and theirs:
        ours = ""
    first = save(tmp_path, "first", {ours + name: value for name, value in _model().items()})
    second = save(tmp_path, "second", {theirs + name: value for name, value in _half(_model()).items()})
    found = fmq_theory.compare(first, second)
    assert [layer.name.removeprefix(ours) for layer in found.layers] == ["a.weight", "b.weight", "c.weight"]
    assert all((layer.relative_error or 1.0) < 1e-3 for layer in found.layers)
    assert bool(ours or theirs) == any("behind a prefix" in note for note in found.notes)


def test_other_names_by_their_numbers(tmp_path: Path, original: Path) -> None:
    """Names that say nothing; the weights are found all the same, and by no accident of order."""
    renamed = {"x2": "a.weight", "x1": "b.weight", "x3": "c.weight"}
    second = save(tmp_path, "second", {new: _model()[old].half() for new, old in renamed.items()})
    found = fmq_theory.compare(original, second)
    assert {layer.name: layer.stored_name for layer in found.layers} == {
        old: new for new, old in renamed.items()
    }
    assert "3 weights found by their shape and numbers" in found.notes


def test_two_that_fit_alike_are_not_guessed(tmp_path: Path) -> None:
    twice = {"a": drawn(8, 16), "b": drawn(8, 16) * 1.0001}
    first = save(tmp_path, "first", twice)
    second = save(tmp_path, "second", {"x": twice["a"].bfloat16(), "y": twice["b"].bfloat16()})
    with pytest.raises(CheckpointError, match=r"fit alike; say which it is: pass names="):
        fmq_theory.compare(first, second)
    found = fmq_theory.compare(first, second, names={"a": "x", "b": "y"})
    assert [layer.stored_name for layer in found.layers] == ["x", "y"]


def test_names_that_are_given_must_be_there(tmp_path: Path, original: Path) -> None:
    second = save(tmp_path, "second", _half(_model()))
    with pytest.raises(CheckpointError, match="the original has no such weight"):
        fmq_theory.compare(original, second, names={"no": "a.weight"})
    with pytest.raises(CheckpointError, match="the quantized file has no such weight"):
        fmq_theory.compare(original, second, names={"a.weight": "no"})


def test_missing_layers_are_named_and_may_be_allowed(tmp_path: Path, original: Path) -> None:
    tensors = {name: value for name, value in _half(_model()).items() if name != "b.weight"}
    second = save(tmp_path, "second", {**tensors, "d.weight": drawn(2, 2)})
    with pytest.raises(CheckpointError) as caught:
        fmq_theory.compare(original, second)
    for words in (
        "do not belong together",
        "1 of its 3 layers are missing ('b.weight')",
        "it has others ('d.weight')",
        "allow_missing=True",
    ):
        assert words in str(caught.value)
    found = fmq_theory.compare(original, second, allow_missing=True)
    assert [layer.name for layer in found.layers] == ["a.weight", "c.weight"]
    assert ("b.weight", (8, 16), "not in the quantized file") in found.left_out
    assert any("'d.weight'" in note for note in found.notes)


def test_other_shapes_are_named(tmp_path: Path, original: Path) -> None:
    second = save(tmp_path, "second", {**_half(_model()), "a.weight": drawn(16, 8)})
    with pytest.raises(CheckpointError, match=r"'a.weight' is \(16, 8\) instead of \(8, 16\)"):
        fmq_theory.compare(original, second)


def test_another_model_is_no_quantized_file_of_this_one(tmp_path: Path, original: Path) -> None:
    second = save(tmp_path, "second", {"x": drawn(8, 16, seed=9), "y": drawn(5, 5)})
    with pytest.raises(CheckpointError, match="3 of its 3 layers are missing"):
        fmq_theory.compare(original, second, allow_missing=True)


def test_rows_in_another_order_are_suspected(tmp_path: Path, original: Path) -> None:
    tensors = _half(_model())
    second = save(tmp_path, "second", {**tensors, "a.weight": tensors["a.weight"].flip(0)})
    found = fmq_theory.compare(original, second)
    assert any("'a.weight'" in note and "another order" in note for note in found.notes)


@pytest.mark.parametrize("place", ["original", "quantized"])
def test_nan_is_named_or_skipped(tmp_path: Path, place: str) -> None:
    bad = _model()
    bad["b.weight"][3, 4] = float("nan")
    tensors = (bad, _model()) if place == "original" else (_model(), bad)
    first, second = (save(tmp_path, f"f{i}", found) for i, found in enumerate(tensors))
    whose = "the original" if place == "original" else "the quantized file"
    with pytest.raises(WeightsError, match=f"'b.weight' of {whose}: 1 of its 128 numbers are nan"):
        fmq_theory.compare(first, second)
    found = fmq_theory.compare(first, second, on_nonfinite="skip")
    assert [layer.name for layer in found.layers] == ["a.weight", "c.weight"]
    assert any(name == "b.weight" and whose in reason for name, _, reason in found.left_out)


def test_a_quantized_original_is_refused(tmp_path: Path, original: Path) -> None:
    recipe = checkpoint.Recipe("a.weight", checkpoint.Choice("lloyd_max", 4))
    checkpoint.write_quantized(original, tmp_path / "small.safetensors", [recipe])
    with pytest.raises(CheckpointError, match=r"quantized itself: 'a.weight' is fmq lloyd_max a channel, 4"):
        fmq_theory.compare(tmp_path / "small.safetensors", original)


def test_patterns_choose_and_must_fit(tmp_path: Path, original: Path) -> None:
    second = save(tmp_path, "second", _half(_model()))
    found = fmq_theory.compare(original, second, include=["*.weight"], exclude=["b.*"])
    assert [layer.name for layer in found.layers] == ["a.weight", "c.weight"]
    assert ("b.weight", (8, 16), "not asked for") in found.left_out
    with pytest.raises(CheckpointError, match="it fits no weight of the original"):
        fmq_theory.compare(original, second, include=["z*"])


def test_a_truncated_file_is_refused(tmp_path: Path, original: Path) -> None:
    second = save(tmp_path, "second", _half(_model()))
    second.write_bytes(second.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="truncated or corrupt"):
        fmq_theory.compare(original, second)


def test_a_gguf_of_llama_by_its_names(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    names = {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.layers.0.mlp.up_proj.weight": "blk.0.ffn_up.weight",
        "model.layers.1.mlp.up_proj.weight": "blk.1.ffn_up.weight",
    }
    model = {name: drawn(8, 64, seed=seed) for seed, name in enumerate(names)}
    first = save(tmp_path, "first", model)
    writer = gguf.GGUFWriter(tmp_path / "x.gguf", "llama")
    for name, theirs in names.items():
        kind = gguf.GGMLQuantizationType.Q4_0
        writer.add_tensor(theirs, gguf.quants.quantize(model[name].numpy(), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = fmq_theory.compare(first, tmp_path / "x.gguf")
    assert {layer.name: layer.stored_name for layer in found.layers} == names
    assert found.totals.effective_bits == 4.5
    assert "3 weights found by the names of llama.cpp" in found.notes
    for layer in found.layers:
        data = gguf.quants.quantize(model[layer.name].numpy(), gguf.GGMLQuantizationType.Q4_0)
        again = gguf.quants.dequantize(data, gguf.GGMLQuantizationType.Q4_0)
        sse = float(np.square(again.astype(np.float64) - model[layer.name].double().numpy()).sum())
        assert layer.sse == pytest.approx(sse, rel=1e-12)
