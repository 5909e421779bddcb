"""Feature maps by name, the bundled classifier, and data from files."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fmq_theory.errors import CheckpointError, FlowError
from fmq_theory.flow.fidelity import FeatureMap, build_features, load_classifier
from fmq_theory.flow.fidelity.classifier import DIGITS_CLASSIFIER
from fmq_theory.flow.fidelity.data import read_samples


class Sums(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1).sum(dim=1, keepdim=True)


class Whole(nn.Module):
    """One number for the whole batch."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sum()


class Undefined(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) * math.nan


def sums() -> nn.Module:
    return Sums()


def no_module() -> str:
    return "text"


def some_data() -> Tensor:
    return torch.zeros(3, 2)


def test_identity_is_the_samples() -> None:
    x = torch.randn(3, 1, 2, 2)
    assert torch.equal(build_features("identity")(x), x.double().reshape(3, 4))


def test_a_module_of_the_user() -> None:
    x = torch.ones(70, 2, 3)  # more than a block
    found = build_features(f"{__name__}:sums")(x)
    assert found.shape == (70, 1)
    assert set(found.flatten().tolist()) == {6.0}


def test_the_bundled_classifier_is_as_good_as_it_says() -> None:
    images = pytest.importorskip("experiments.training.images")
    pytest.importorskip("sklearn")
    path = Path(str(DIGITS_CLASSIFIER))
    classifier, facts = load_classifier(path)
    held_out = images.load("digits", None).part(held_out=True)
    right = float((classifier(held_out.images).argmax(dim=1) == held_out.labels).double().mean())
    assert right == pytest.approx(float(facts["accuracy"]), abs=0.003)
    assert right > 0.97
    assert path.stat().st_size < 300_000


def test_digits_features_are_vectors_and_only_for_digits() -> None:
    phi = build_features("digits")
    assert phi(torch.zeros(5, 1, 8, 8)).shape == (5, 32)
    with pytest.raises(FlowError, match="8 by 8"):
        phi(torch.zeros(5, 1, 32, 32))


@pytest.mark.parametrize(
    ("module", "message"),
    [(Whole(), "one vector a sample"), (Undefined(), "nan"), (nn.Conv2d(3, 1, 3), "does not take samples")],
)
def test_maps_that_cannot_serve(module: nn.Module, message: str) -> None:
    with pytest.raises(FlowError, match=message):
        FeatureMap("mine", module)(torch.zeros(2, 1, 8, 8))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("inception", "none of the known ones"),
        ("absent.module:f", "cannot be imported"),
        (f"{__name__}:absent", "no function 'absent'"),
        (f"{__name__}:no_module", "returned str"),
    ],
)
def test_names_that_mean_nothing(name: str, message: str) -> None:
    with pytest.raises(FlowError, match=message):
        build_features(name)


def test_a_file_that_is_no_classifier(tmp_path: Path) -> None:
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    for name in ("bad", "absent"):
        with pytest.raises(CheckpointError, match=f"{name}.safetensors"):
            build_features(str(tmp_path / f"{name}.safetensors"))


def test_data_come_from_arrays_and_functions(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(4, 3))
    np.save(tmp_path / "a.npy", rows)
    np.savez(tmp_path / "b.npz", rows=rows)
    for name in ("a.npy", "b.npz"):
        assert np.array_equal(read_samples(str(tmp_path / name)).numpy(), rows)
    assert read_samples(f"{__name__}:some_data").shape == (3, 2)


def test_data_that_are_none(tmp_path: Path) -> None:
    np.save(tmp_path / "bytes.npy", np.zeros((3, 2), dtype=np.uint8))
    np.save(tmp_path / "nan.npy", np.full((3, 2), np.nan))
    np.savez(tmp_path / "two.npz", a=np.zeros((2, 2)), b=np.zeros((2, 2)))
    (tmp_path / "broken.npz").write_bytes(b"PK nothing")
    names = ["bytes.npy", "nan.npy", "two.npz", "broken.npz", "absent.npy"]
    for name in [*(str(tmp_path / name) for name in names), "text", f"{__name__}:no_module", "absent:f"]:
        with pytest.raises(FlowError):
            read_samples(name)
