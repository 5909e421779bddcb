"""Quantized files of the first version of the format."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from fmq_theory.checkpoint import load, read_state
from fmq_theory.checkpoint.io.container import open_container
from fmq_theory.errors import CheckpointError, OldFormatWarning
from fmq_theory.quantizers import quantize
from fmq_theory.quantizers.block_scaled import quantize_blocks
from tests.corpus.packed_files import with_metadata

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
