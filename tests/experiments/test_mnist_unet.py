"""The published MNIST U-Net, in our own module, has the velocity error that is stated for it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from experiments.models.mnist_unet import NO_CLASS, MnistUNet, build
from experiments.training.images import LabelledImages, read_images
from fmq_theory.checkpoint import load, load_flow, load_packed, read_state, write_quantized
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.recipe import recipes_for
from fmq_theory.errors import CheckpointError
from fmq_theory.flow import FlowModel, TorchField, sample, velocity_error
from fmq_theory.quantizers import quantize

FACTORY = "experiments.models.mnist_unet:build"
# Stated in the description of the checkpoint, for 1,000 test images.
BY_THIRDS = (0.33, 0.17, 0.34)
OF_ZERO = 1.88
# Three times in each third; the error rises steeply towards t = 1.
TIMES = [(k + 0.5) / 9 for k in range(9)]


@pytest.fixture(scope="module")
def model(shared_checkpoints: Path) -> FlowModel:
    return load_flow(shared_checkpoints / "mnist_unet.pt", FACTORY)


@pytest.fixture(scope="module")
def pictures(shared_data: Path) -> LabelledImages:
    small = read_images(shared_data / "mnist-t10k-images-idx3-ubyte.gz")
    images = nn.functional.interpolate(small.images[:1000], size=(32, 32), mode="bilinear")
    return LabelledImages(images, small.labels[:1000])


def _by_thirds(module: nn.Module, pictures: LabelledImages, count: int) -> list[float]:
    images = pictures.images[:count]
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    field = TorchField.of(module, (1, 32, 32), (pictures.labels[:count],))
    return velocity_error(field, images, noise, TIMES).reshape(3, -1).mean(dim=1).tolist()


def test_every_weight_has_its_place(model: FlowModel) -> None:
    field = model.field(3, torch.Generator())
    total = sum(tensor.numel() for tensor in (*field.parameters.values(), *field.buffers.values()))
    assert total == 322_658


@pytest.mark.deep
def test_stated_velocity_error(model: FlowModel, pictures: LabelledImages) -> None:
    found = _by_thirds(model.module, pictures, 1000)
    assert found == pytest.approx(BY_THIRDS, abs=0.02)


@pytest.mark.deep
def test_velocity_error_of_fewer_images(model: FlowModel, pictures: LabelledImages) -> None:
    assert _by_thirds(model.module, pictures, 60) == pytest.approx(BY_THIRDS, abs=0.04)


def test_predicting_zero(pictures: LabelledImages) -> None:
    class Zero(nn.Linear):
        def forward(self, x: torch.Tensor, t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
            return torch.zeros_like(x)

    assert _by_thirds(Zero(1, 1), pictures, 1000) == pytest.approx([OF_ZERO] * 3, abs=0.01)


def test_control_another_network_has_another_error(model: FlowModel, pictures: LabelledImages) -> None:
    """Bilinear enlargement with aligned corners, one small fact wrong, is noticed."""
    wrong = MnistUNet()
    wrong.load_state_dict(model.module.state_dict())
    for decoder in wrong.decoders:
        decoder.upsample[0].align_corners = True  # pyright: ignore
    assert min(_by_thirds(wrong, pictures, 60)) > 0.5


def test_class_conditioning_is_there_and_weak(model: FlowModel, pictures: LabelledImages) -> None:
    images = pictures.images[:20]
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))

    def velocity(label: int) -> torch.Tensor:
        field = TorchField.of(model.module, (1, 32, 32), (torch.full((20,), label),))
        return field.velocity(torch.lerp(noise, images, 0.5), 0.5)

    change = float((velocity(3) - velocity(NO_CLASS)).square().mean() / velocity(3).square().mean())
    assert 1e-5 < change < 0.1


def test_samples_are_dark_with_bright_strokes(model: FlowModel) -> None:
    generator = torch.Generator().manual_seed(0)
    end = sample(model.field(8, generator), model.noise(8, generator), 10).end
    assert 0.6 < float((end < -0.5).float().mean()) < 0.95
    assert 0.03 < float((end > 0.5).float().mean()) < 0.25


def test_checkpoint_of_another_model_is_refused(shared_checkpoints: Path) -> None:
    with pytest.raises(CheckpointError, match=r"missing: 'init_conv\.0\.weight'.*obs_encoder_mlp"):
        load_flow(shared_checkpoints / "pendulum_policy_epoch100.pth", FACTORY)


def test_latent_layer_answers_with_the_middle(model: FlowModel) -> None:
    assert model.latent_layer == build().latent_layer == "midcoder"


@pytest.mark.parametrize(("scheme", "bits"), [("uniform_clipped", 4), ("lloyd_max", 4)])
def test_pictures_from_a_quantized_file_are_those_of_weights_quantized_in_memory(
    shared_checkpoints: Path, tmp_path: Path, scheme: str, bits: int
) -> None:
    """Bit for bit; other weights give other pictures, so that the comparison could fail."""
    path, small = shared_checkpoints / "mnist_unet.pt", tmp_path / "small.safetensors"
    recipes, kept = recipes_for(path, Choice(scheme, bits, "channel"))
    write_quantized(path, small, recipes, kept=kept)
    original = read_state(path)
    in_memory = dict(original)
    for recipe in recipes:
        found = quantize(original[recipe.name], scheme, bits)
        in_memory[recipe.name] = torch.from_numpy(np.array(found.dequantize()))
    pictures = _pictures(load(small))
    assert torch.equal(pictures, _pictures(in_memory))
    assert not torch.equal(pictures, _pictures(original))
    packed = load_packed(MnistUNet().eval(), small)
    assert torch.equal(pictures, _drawn(packed))


def _pictures(state: dict[str, torch.Tensor]) -> torch.Tensor:
    network = MnistUNet().eval()
    network.load_state_dict(state)
    return _drawn(network)


@torch.no_grad()
def _drawn(network: torch.nn.Module) -> torch.Tensor:
    """Three Euler steps for two labels."""
    x = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([3, 7])
    for step in range(3):
        x = x + network(x, torch.full((2,), step / 3), labels) / 3
    return x
