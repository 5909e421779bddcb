"""A candidate that a tensor's weights rule out is left out; a tensor whose weights rule out all is named."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fmq_theory.checkpoint.plan.budget import plan_for_budget
from fmq_theory.checkpoint.plan.options import Search, build_options
from fmq_theory.errors import FmqError


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    generator = torch.Generator().manual_seed(0)
    mask = torch.full((32, 32), torch.finfo(torch.float32).min).triu(1)
    double = torch.full((32, 32), torch.finfo(torch.float64).min, dtype=torch.float64).triu(1)
    tensors = {"mask": mask, "double": double, "weight": torch.randn(32, 64, generator=generator)}
    save_file(tensors, tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


def test_a_mask_does_not_refuse_the_file(checkpoint: Path) -> None:
    found = {tensor.name: tensor for tensor in build_options(checkpoint, threads=1)}
    for name in ("mask", "double"):
        assert found[name].options
        assert not any(option.choice.scheme.startswith("block:") for option in found[name].options)
    assert any(option.choice.scheme.startswith("block:") for option in found["weight"].options)
    plan = plan_for_budget(checkpoint, 5.0, threads=1)
    assert plan.effective_bits <= 5.0


def test_control_where_all_are_ruled_out_the_tensor_and_the_reason_are_named(checkpoint: Path) -> None:
    search = Search(schemes=[], granularities=[], block_schemes=["block:lloyd_max:float16:signed"])
    with pytest.raises(FmqError, match=r"'mask'.*scales in float32"):
        build_options(checkpoint, search, names=["mask"], threads=1)
    assert build_options(checkpoint, search, names=["weight"], threads=1)
