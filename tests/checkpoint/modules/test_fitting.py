"""A quantized checkpoint copied into a module."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from fmq_theory.checkpoint import load, load_into, write_quantized
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.recipe import Recipe
from fmq_theory.errors import CheckpointError


def _model(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(32, 64))


@pytest.fixture
def quantized(tmp_path: Path) -> Path:
    save_file(_model().state_dict(), tmp_path / "in.safetensors")
    plan = [
        Recipe("0.weight", Choice("uniform", 5, "channel")),
        Recipe("3.weight", Choice("lloyd_max", 3, "tensor")),
    ]
    write_quantized(tmp_path / "in.safetensors", tmp_path / "q", plan)
    return tmp_path / "q" / "model.safetensors"


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
