"""What the trainer writes is what ``--model experiments.models.trained`` reads."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from experiments.training.networks import make_network
from fmq_theory.checkpoint import load_flow
from fmq_theory.errors import CheckpointError
from fmq_theory.flow import FlowModel


def _written(network: str, size: int, folder: Path) -> Path:
    path = folder / f"{network}{size}.safetensors"
    save_file(
        {name: tensor.contiguous() for name, tensor in make_network(network, size).state_dict().items()}, path
    )
    return path


def _check(model: FlowModel, size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    seen: list[Tensor] = []
    assert model.latent_layer is not None
    field = model.field(2, generator)
    layer = field.module.get_submodule(model.latent_layer)

    def keep(module: nn.Module, given: object, answer: Tensor) -> None:
        seen.append(answer)

    layer.register_forward_hook(keep)
    velocity = field.velocity(model.noise(2, generator), 0.5)
    assert velocity.shape == (2, 1, size, size)
    assert seen[0].shape[0] == 2
    assert seen[0].shape[2] < size


@pytest.mark.parametrize("size", [8, 28])
def test_compact(size: int, tmp_path: Path) -> None:
    factory = f"experiments.models.trained:compact_{size}"
    _check(load_flow(_written("compact", size, tmp_path), factory), size)
    with pytest.raises(CheckpointError, match="do not fit"):
        load_flow(_written("compact", 36 - size, tmp_path), factory)


@pytest.mark.deep
@pytest.mark.parametrize("size", [8, 28])
def test_unet_of_diffusers(size: int, tmp_path: Path) -> None:
    pytest.importorskip("diffusers")
    _check(load_flow(_written("unet", size, tmp_path), f"experiments.models.trained:unet_{size}"), size)
