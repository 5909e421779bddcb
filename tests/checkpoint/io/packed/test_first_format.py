"""Quantized files of the first version of the format."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fmq_theory.checkpoint import (
    Recipe,
    iter_tensors,
    load,
    load_into,
    load_packed,
    read_state,
    write_quantized,
)
from fmq_theory.checkpoint.io.container import open_container
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.plain_file import dequantize_file, export_folder
from fmq_theory.errors import CheckpointError, OldFormatWarning
from fmq_theory.quantizers import quantize
from fmq_theory.quantizers.block_scaled import quantize_blocks
from tests.corpus.packed_files import with_metadata
from tests.corpus.tensors import same_states

OLD = Path(__file__).parents[3] / "reference" / "quantized-1.safetensors"


def _old_state() -> dict[str, torch.Tensor]:
    """What OLD was made of, by fmq_theory of November 2026; the seed is 11."""
    g = torch.Generator().manual_seed(11)
    a = torch.randn(6, 40, generator=g)
    b = torch.randn(4, 64, generator=g).to(torch.bfloat16)
    c = torch.randn(4, 64, generator=g, dtype=torch.float64)
    bias = torch.randn(5, generator=g)
    return {"a.weight": a, "tied.weight": a.t(), "b.weight": b, "c.weight": c, "bias": bias,
            "steps": torch.tensor(7)}  # fmt: skip


def test_a_file_of_the_first_format_is_read_with_a_word() -> None:
    with pytest.warns(OldFormatWarning, match="first version of the format"):
        found = load(OLD)
    state = _old_state()
    assert found.keys() == state.keys()
    for name in ("bias", "steps"):
        assert torch.equal(found[name], state[name])
    wanted = quantize(state["a.weight"], "lloyd_max", 3).dequantize()
    assert np.array_equal(found["a.weight"].numpy(), wanted)
    assert torch.equal(found["tied.weight"], found["a.weight"].t())
    assert np.array_equal(
        found["c.weight"].numpy(), quantize(state["c.weight"], "uniform", 4, "tensor").dequantize()
    )
    wanted = quantize_blocks(state["b.weight"], "block:lloyd_max:float8_e4m3", 4, group_size=32).dequantize()
    assert torch.equal(found["b.weight"], torch.from_numpy(np.array(wanted)).to(torch.bfloat16))


def _module() -> nn.Module:
    """With the tensors of OLD, all zero."""
    module = nn.Module()
    for name, tensor in _old_state().items():
        room, _, last = name.rpartition(".")
        if room:
            module.add_module(room, nn.Module())
        module.get_submodule(room).register_buffer(last, torch.zeros_like(tensor))
    return module


_READERS: dict[str, Callable[[nn.Module, Path], object]] = {
    "load": lambda _module, _folder: load(OLD),
    "read_state": lambda _module, _folder: read_state(OLD),
    "iter_tensors": lambda _module, _folder: list(iter_tensors(OLD)),
    "load_into": lambda module, _folder: load_into(module, OLD),
    "load_packed": lambda module, _folder: load_packed(module, OLD),
    "dequantize_file": lambda _module, folder: dequantize_file(OLD, folder / "plain.safetensors"),
    "export_folder": lambda _module, folder: export_folder(OLD, folder / "exported"),
}


@pytest.mark.parametrize("reader", _READERS)
def test_the_word_comes_before_anything_is_copied_or_written(tmp_path: Path, reader: str) -> None:
    """Who makes an error of the warning keeps module and folder as they were; who does not, gets both."""
    module = _module()
    with warnings.catch_warnings():
        warnings.simplefilter("error", OldFormatWarning)
        with pytest.raises(OldFormatWarning):
            _READERS[reader](module, tmp_path)
    assert not any(tensor.any() for tensor in module.state_dict().values())
    assert not list(tmp_path.iterdir())
    with pytest.warns(OldFormatWarning, match="fmq dequantize"):  # control
        _READERS[reader](module, tmp_path)
    assert (reader in {"load_into", "load_packed"}) == any(t.any() for t in module.state_dict().values())
    assert (reader in {"dequantize_file", "export_folder"}) == bool(list(tmp_path.iterdir()))


@pytest.mark.filterwarnings("ignore:.*first version of the format")
def test_a_file_of_which_the_original_is_gone_gets_the_present_format(tmp_path: Path) -> None:
    """A row that has 2^b values at most loses nothing where it is quantized again to as many levels."""
    plain, again = tmp_path / "plain.safetensors", tmp_path / "again.safetensors"
    dequantize_file(OLD, plain)
    write_quantized(plain, again, [Recipe("a.weight", Choice("lloyd_max", 3))])
    with warnings.catch_warnings():
        warnings.simplefilter("error", OldFormatWarning)
        found = load(again)
    assert same_states(found, load(OLD))


@pytest.mark.filterwarnings("ignore:.*first version of the format")
@pytest.mark.parametrize(
    "fault",
    [
        "no tensors",
        "an entry less",
        "no checksums",
        "a checksum less",
        "no config",
        "zero shape",
        "-Infinity",
        "a misspelt tied",
        "misspelt axes",
        "a scale unit that is no power of two",
    ],
)
def test_old_files_that_cannot_be(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "old.safetensors"
    path.write_bytes(OLD.read_bytes())
    config = json.loads(open_container(path).metadata["quantization_config"])
    sums = json.loads(open_container(path).metadata["checksums"])
    metadata: dict[str, object] = {"quantization_config": config, "checksums": sums}
    load(with_metadata(path, **metadata))  # control
    if fault == "no tensors":
        del config["tensors"]
    elif fault == "an entry less":
        del config["tensors"]["a.weight"]
    elif fault == "no checksums":
        metadata["checksums"] = None
    elif fault == "a checksum less":
        del sums["bias"]
    elif fault == "no config":
        metadata["quantization_config"] = None
    elif fault == "zero shape":
        config["tensors"]["a.weight"]["shape"] = [0, 40]
    elif fault == "a misspelt tied":
        config["tiee"] = config.pop("tied")
    elif fault == "misspelt axes":
        tie = config["tied"]["tied.weight"]
        tie["axer"] = tie.pop("axes")
    elif fault == "a scale unit that is no power of two":
        config["tensors"]["b.weight"]["scale_unit"] = 0.0078124
    else:
        config["tensors"]["a.weight"]["mse"] = float("-inf")
    changed = with_metadata(path, **metadata)
    for read in (load, read_state):
        with pytest.raises(CheckpointError):
            read(changed)
