"""The bundled model: small, documented, and its samples are the digits that were asked for."""

import json
from typing import Any

import pytest
import torch
from safetensors import safe_open

from fmq_theory.flow import TorchField, check_convergence, load_digits, sample, velocity_error
from fmq_theory.flow.digits import DIGITS_FILE, build

ROWS = 10


def _facts() -> dict[str, str]:
    with safe_open(str(DIGITS_FILE), framework="pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.float32}  # noqa: SIM118
        return file.metadata()


def _real() -> tuple[torch.Tensor, torch.Tensor]:
    """scikit-learn's digits in [-1, 1]."""
    datasets: Any = pytest.importorskip("sklearn.datasets")
    data, labels = datasets.load_digits(return_X_y=True)
    return torch.from_numpy(data).float().reshape(-1, 1, 8, 8) / 8.0 - 1.0, torch.from_numpy(labels)


def _agreement(images: torch.Tensor, labels: torch.Tensor) -> float:
    """Share of images whose nearest real digit has the label that was asked for."""
    real, classes = _real()
    nearest = torch.cdist(images.reshape(len(images), -1), real.reshape(len(real), -1)).argmin(dim=1)
    return float((classes[nearest] == labels).double().mean())


def _samples(field: TorchField, labels: torch.Tensor) -> torch.Tensor:
    noise = torch.randn((len(labels), 1, 8, 8), generator=torch.Generator().manual_seed(0))
    return sample(field.with_condition((labels,)), noise, 10).end


@pytest.fixture(scope="module")
def digits() -> torch.Tensor:
    """ROWS samples of each digit, digit by digit in each row."""
    return _samples(load_digits().field(1, torch.Generator()), torch.arange(10).repeat(ROWS))


def test_file_is_small_and_says_where_it_comes_from() -> None:
    assert len(DIGITS_FILE.read_bytes()) < 2_000_000
    facts = _facts()
    assert facts["data"] == "digits"
    assert int(facts["steps"]) > 1000
    assert int(facts["seed"]) == 0
    assert "CC BY 4.0" in facts["licence"]
    assert "MIT" in facts["licence"]


@pytest.mark.deep
def test_velocity_error_is_the_one_in_the_file() -> None:
    """On every fifth image, which it was not trained on; twelve times and another noise."""
    images, labels = _real()
    held_out = torch.arange(len(labels)) % 5 == 4
    images, labels = images[held_out], labels[held_out]
    field = load_digits().field(1, torch.Generator()).with_condition((labels,))
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(7))
    found = velocity_error(field, images, noise, [(k + 0.5) / 12 for k in range(12)])
    stated = json.loads(_facts()["velocity_error_by_thirds_of_t"])
    assert found.reshape(3, -1).mean(dim=1).tolist() == pytest.approx(stated, abs=0.03)
    assert sum(stated) / 3 == pytest.approx(float(_facts()["velocity_error"]), abs=1e-3)
    assert sum(stated) / 3 < 0.36
    zero = float((images - noise).square().mean())
    assert zero > 4 * sum(stated) / 3


@pytest.mark.deep
def test_samples_are_the_digits_that_were_asked_for(digits: torch.Tensor) -> None:
    labels = torch.arange(10).repeat(ROWS)
    images = digits
    assert _agreement(images, labels) > 0.95
    assert _agreement(images, labels.roll(1)) < 0.1
    assert float(((images > -1.3) & (images < 1.3)).double().mean()) > 0.99


@pytest.mark.deep
def test_control_other_weights_draw_no_digits(digits: torch.Tensor) -> None:
    labels = torch.arange(10).repeat(ROWS)
    trained = load_digits().field(1, torch.Generator())
    fresh = build().field(1, torch.Generator())
    assert _agreement(_samples(fresh, labels), labels) < 0.4
    # One tensor out of place is enough to see it.
    name = "middle.conv2.weight"
    swapped = trained.with_parameters({name: trained.parameters[name].flip(0)})
    assert _agreement(_samples(swapped, labels), labels) < _agreement(digits, labels) - 0.05


def test_samples_differ_from_one_another_and_from_the_data(digits: torch.Tensor) -> None:
    """No class has collapsed to one picture, and the pictures are not copies."""
    real, _ = _real()
    images = digits
    by_class = images.reshape(ROWS, 10, -1)
    spread = by_class.std(dim=0).square().sum(dim=1).sqrt()
    assert float(spread.min()) > 1.0
    distance = torch.cdist(images.reshape(len(images), -1), real.reshape(len(real), -1)).min(dim=1).values
    assert float((distance < 0.3).double().mean()) < 0.05


@pytest.mark.deep
def test_twenty_steps_of_heun_resolve_the_flow() -> None:
    model = load_digits()
    generator = torch.Generator().manual_seed(0)
    assert check_convergence(model.field(32, generator), model.noise(32, generator), 20).converged
