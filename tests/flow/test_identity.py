"""What is taken for the same network, and the same data: the numbers, not the names of files."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn

from fmq_theory.cli.main import main
from fmq_theory.flow.identity import model_digest, module_digest, tensors_digest, weights_digest
from tests.flow import tiny_models
from tests.flow.random_fields import one_thread


def test_equal_weights_are_not_an_equal_network() -> None:
    relu, tanh = (nn.Sequential(nn.Linear(3, 4), act, nn.Linear(4, 2)) for act in (nn.ReLU(), nn.Tanh()))
    tanh.load_state_dict(relu.state_dict())
    assert module_digest(relu) != module_digest(tanh)
    again = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    again.load_state_dict(relu.state_dict())
    assert module_digest(again) == module_digest(relu)


def test_a_buffer_that_is_not_saved_counts() -> None:
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    second.load_state_dict(first.state_dict())
    for module, value in ((first, 1.0), (second, 2.0)):
        module.register_buffer("frequencies", torch.tensor([value]), persistent=False)
    assert module_digest(first) != module_digest(second)


def test_a_model_is_what_its_factory_says_too() -> None:
    model = tiny_models.plane()
    assert model_digest(model) == model_digest(tiny_models.plane())
    assert model_digest(replace(model, data_range=1.0)) != model_digest(model)
    assert weights_digest(replace(model, data_range=1.0)) == weights_digest(model)


def test_code_of_the_network_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "from torch import nn\nclass Net(nn.Linear):\n    def forward(self, x):\n        return {} * x\n"
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "some_net.py").write_text(text.format(1))
    import some_net  # pyright: ignore[reportMissingImports]

    torch.manual_seed(0)
    net = some_net.Net(2, 2)
    before = module_digest(net)
    assert module_digest(net) == before
    (tmp_path / "some_net.py").write_text(text.format(2))
    assert module_digest(net) != before


def test_tensors_of_other_shapes_and_types() -> None:
    x = torch.arange(6.0)
    digests = {tensors_digest([x]), tensors_digest([x.reshape(2, 3)]), tensors_digest([x.double()])}
    assert len(digests) == 3
    assert tensors_digest([x.reshape(3, 2).T]) == tensors_digest([x.reshape(3, 2).T.contiguous()])
    assert tensors_digest([torch.empty(0)]) == tensors_digest([torch.empty(0)])


@pytest.fixture
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    with one_thread():
        yield


def _flow(*more: str) -> Result:
    tiny = ("--samples", "4", "--seeds", "2", "--steps", "2", "--schemes", "uniform", "--bits", "3")
    model = ("--model", "tests.flow.tiny_models:plane", "--features", "identity", "--data", "x.npy")
    where = ("--ladder-samples", "0", "--no-plot", "--out", "out")
    return CliRunner().invoke(main, ["flow", *tiny, *model, *where, *more])


@pytest.mark.usefixtures("_alone")
def test_other_data_under_the_same_name_are_not_taken() -> None:
    def write(factor: float) -> None:
        data = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
        np.save("x.npy", data * np.float32(factor))
        os.utime("x.npy", ns=(10**9, 10**9))

    write(1.0)
    assert _flow().exit_code == 0
    first = json.loads(Path("out/flow.json").read_text())["rows"][0]["frechet_to_data"]
    same = _flow("--resume")  # control
    assert same.exit_code == 0, same.output
    assert "1 cell kept" in same.output
    write(3.0)
    refused = _flow("--resume")
    assert refused.exit_code == 2
    assert "data_digest" in refused.output
    assert _flow("--force").exit_code == 0
    assert json.loads(Path("out/flow.json").read_text())["rows"][0]["frechet_to_data"] != first
