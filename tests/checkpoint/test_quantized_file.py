"""Reading a quantized checkpoint: lazily, into modules, and never from a damaged file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from fmq_theory.checkpoint import QuantizedFile, iter_tensors, load, load_into, write_quantized
from fmq_theory.checkpoint.container import open_container, write_container
from fmq_theory.checkpoint.plain_file import FORMATS, dequantize_file, export_folder
from fmq_theory.checkpoint.recipe import Recipe
from fmq_theory.errors import CheckpointError, FmqError, OutputError
from fmq_theory.quantizers import quantize


def _model(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(32, 64))


def _write(folder: Path, model: nn.Module | None = None) -> Path:
    save_file((model or _model()).state_dict(), folder / "in.safetensors")
    plan = [
        Recipe("0.weight", "uniform", 5, "channel", None),
        Recipe("3.weight", "lloyd_max", 3, "tensor", None),
    ]
    write_quantized(folder / "in.safetensors", folder / "q", plan)
    return folder / "q" / "model.safetensors"


@pytest.fixture
def quantized(tmp_path: Path) -> Path:
    return _write(tmp_path)


def _rewritten(path: Path, **metadata: Any) -> Path:
    """The file with other metadata, each a JSON value or a raw text."""
    found = open_container(path)
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in metadata.items()}
    new = path.with_name("changed.safetensors")
    write_container(
        new, list(found.specs.values()), dict(found.metadata) | texts, lambda name: [found.bytes_of(name)]
    )
    return new


def _config(path: Path) -> dict[str, Any]:
    return json.loads(open_container(path).metadata["quantization_config"])


def test_one_tensor_at_a_time(quantized: Path) -> None:
    weights = _model().state_dict()
    with QuantizedFile(quantized) as file:
        assert set(file.names) == set(weights)
        assert file.quantized == ("0.weight", "3.weight")
        for name, tensor in weights.items():
            assert file.shape(name) == tuple(tensor.shape)
            assert file.dtype(name) == tensor.dtype
        found = quantize(weights["3.weight"], "lloyd_max", 3, "tensor")
        assert np.array_equal(file.codes("3.weight"), found.codes)
        assert np.array_equal(file.codebook("3.weight"), found.codebooks)
        assert np.array_equal(file.dequantize("3.weight").numpy(), found.dequantize())
        assert file.dequantize("1.num_batches_tracked").shape == ()
        packed = file.packed("3.weight")
        assert not packed.codes.flags.owndata  # a view into the map of the file
        assert not packed.codes.flags.writeable
        kept = file.dequantize("0.bias")
    assert torch.equal(kept, weights["0.bias"])
    with pytest.raises(CheckpointError, match="closed"):
        file.dequantize("0.bias")


def test_names_that_are_not_there(quantized: Path) -> None:
    with QuantizedFile(quantized) as file:
        for ask in (file.dequantize, file.shape, file.dtype, file.packed, file.codes, file.verify):
            with pytest.raises(CheckpointError, match="no tensor of that name"):
                ask("nobody")
        with pytest.raises(CheckpointError, match="not quantized"):
            file.codes("0.bias")


def test_a_plain_file_is_no_quantized_one(tmp_path: Path) -> None:
    save_file({"w": torch.ones(3, 3)}, tmp_path / "m.safetensors")
    with pytest.raises(CheckpointError, match="no quantized checkpoint"):
        load(tmp_path / "m.safetensors")
    (tmp_path / "n.safetensors").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError):
        load(tmp_path / "n.safetensors")
    with pytest.raises(CheckpointError):
        load(tmp_path / "none.safetensors")
    foreign = {"quantization_config": json.dumps({"quant_method": "gptq"})}
    save_file({"w": torch.ones(3, 3)}, tmp_path / "g.safetensors", foreign)
    with pytest.raises(CheckpointError, match="no quantized checkpoint"):
        load(tmp_path / "g.safetensors")
    assert len(list(iter_tensors(tmp_path / "g.safetensors"))) == 1  # and is still read as what it is


FAULTS = {
    "another version": {"version": 99},
    "no version": {"version": None},
    "tensors no object": {"tensors": [1]},
    "an entry no object": {"tensors": {"0.weight": 3}},
    "a tensor that it lacks": {"tensors": {"ghost": {"shape": [2, 2]}}},
    "tied to nobody": {"tied": {"x": {"of": "nobody"}}},
    "tied to nothing": {"tied": {"x": {}}},
    "tied no object": {"tied": {"x": 1}},
    "impossible axes": {"tied": {"x": {"of": "0.weight", "axes": [0, 0, 1, 2]}}},
    "axes of words": {"tied": {"x": {"of": "0.weight", "axes": ["a", 0, 1, 2]}}},
    "axes a word": {"tied": {"x": {"of": "0.weight", "axes": "word"}}},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_configs_that_cannot_be(quantized: Path, fault: str) -> None:
    changed = _rewritten(quantized, quantization_config=_config(quantized) | FAULTS[fault])
    with pytest.raises(CheckpointError):
        load(changed)


@pytest.mark.parametrize("text", ["{", "[" * 10**5, '{"quant_method": "fmq"'])
def test_a_config_that_is_no_json(quantized: Path, text: str) -> None:
    with pytest.raises(CheckpointError, match="no JSON"):
        load(_rewritten(quantized, quantization_config=text))


def test_the_rewritten_file_is_read_where_nothing_was_changed(quantized: Path) -> None:
    """Negative control of the two tests above."""
    state, again = load(quantized), load(_rewritten(quantized, quantization_config=_config(quantized)))
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())


@given(data=st.data())
def test_every_flipped_bit_of_the_numbers_is_found_out_and_the_tensor_named(tmp_path_factory, data) -> None:
    folder = tmp_path_factory.mktemp("flip")
    path = _write(folder)
    content = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    at = data.draw(st.integers(start, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    found = open_container(path)
    hit = next(n for n, s in found.specs.items() if 0 <= at - start - found.starts[n] < s.num_bytes)
    with pytest.raises(CheckpointError, match=f"the bytes of '{hit}' are not those that were written"):
        load(path)


@given(data=st.data())
def test_a_damaged_header_never_surfaces_as_another_error(tmp_path_factory, data) -> None:
    path = _write(tmp_path_factory.mktemp("flip"))
    content = bytearray(path.read_bytes())
    size = 8 + int.from_bytes(content[:8], "little")
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, size - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    for read in (load, lambda p: list(iter_tensors(p))):
        try:
            read(path)
        except FmqError as error:
            assert str(error)


@pytest.mark.parametrize("keep", [0, 5, 100, 0.5, -1])
def test_truncated(quantized: Path, keep: float) -> None:
    content = quantized.read_bytes()
    quantized.write_bytes(content[: int(keep * len(content)) if 0 < keep < 1 else int(keep)])
    with pytest.raises(CheckpointError):
        load(quantized)


def test_checksums_that_are_none(quantized: Path) -> None:
    for text in ("{", "[1]", '{"a": "x"}'):
        with pytest.raises(CheckpointError, match="checksums"):
            load(_rewritten(quantized, checksums=text))


# --- into a module -------------------------------------------------------------------------------------


def test_load_into_is_load_state_dict(quantized: Path) -> None:
    one, other = _model(1).eval(), _model(2).eval()
    report = load_into(one, quantized)
    other.load_state_dict(load(quantized))
    assert (report.missing, report.unexpected) == ((), ())
    x = torch.randn(4, 3, 4, 4)
    assert torch.equal(one(x), other(x))


def test_load_into_names_what_does_not_fit(quantized: Path) -> None:
    short, long = nn.Sequential(nn.Conv2d(3, 8, 3)), nn.Sequential(*_model(), nn.Linear(3, 3))
    with pytest.raises(CheckpointError, match=r"lacks 7 of its own"):
        load_into(short, quantized)
    with pytest.raises(CheckpointError, match=r"has 2 tensors that it lacks \['4.weight', '4.bias'\]"):
        load_into(long, quantized)
    assert len(load_into(short, quantized, strict=False).unexpected) == 7
    assert torch.equal(short.state_dict()["0.weight"], load(quantized)["0.weight"])
    wrong = nn.Sequential(*list(_model())[:3], nn.Linear(32, 65))
    before = wrong.state_dict()["0.weight"].clone()
    with pytest.raises(CheckpointError, match=r"'3\.weight'.*\[64, 32\].*\[65, 32\]"):
        load_into(wrong, quantized)
    assert torch.equal(wrong.state_dict()["0.weight"], before)  # nothing was copied


# --- for other tools -----------------------------------------------------------------------------------


def test_dequantize_file_holds_what_load_gives(tmp_path: Path, quantized: Path) -> None:
    size = dequantize_file(quantized, tmp_path / "plain.safetensors")
    assert size == (tmp_path / "plain.safetensors").stat().st_size
    from safetensors.torch import load_file

    plain, state = load_file(tmp_path / "plain.safetensors"), load(quantized)
    assert plain.keys() == state.keys()
    assert all(torch.equal(plain[name], tensor) for name, tensor in state.items())
    with pytest.raises(OutputError, match="--force"):
        dequantize_file(quantized, tmp_path / "plain.safetensors")
    with pytest.raises(OutputError, match=r"\.safetensors"):
        dequantize_file(quantized, tmp_path / "plain")


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_export_copies_the_packed_tensors_and_says_how_to_read_them(tmp_path, quantized, kind: str) -> None:
    file = export_folder(quantized, tmp_path / "out", kind, {"_class_name": "UNet2DModel"})
    assert file == tmp_path / "out" / FORMATS[kind]
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["_class_name"] == "UNet2DModel"
    assert config["quantization_config"]["quant_method"] == "fmq"
    state, again = load(quantized), load(tmp_path / "out")
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())
    with pytest.raises(OutputError, match="name a folder"):
        export_folder(quantized, tmp_path / "x.safetensors")


def test_a_damaged_file_is_not_exported(tmp_path: Path, quantized: Path) -> None:
    content = bytearray(quantized.read_bytes())
    content[-1] ^= 1
    quantized.write_bytes(content)
    with pytest.raises(CheckpointError, match="not those that were written"):
        export_folder(quantized, tmp_path / "out")
    assert not (tmp_path / "out").exists()
