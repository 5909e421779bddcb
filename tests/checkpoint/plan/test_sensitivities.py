"""Sensitivities from files."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from fmq_theory.checkpoint.plan import PlanError
from fmq_theory.checkpoint.plan.sensitivities import read_sensitivities
from fmq_theory.flow.field import TorchField
from fmq_theory.flow.layers import layer_shares
from fmq_theory.flow.quantized_field import quantize_field


def written(folder: Path, text: str) -> Path:
    path = folder / "s.json"
    path.write_text(text, "utf-8")
    return path


def test_an_object_of_numbers(tmp_path: Path) -> None:
    path = written(tmp_path, '{"wide.weight": 2, "odd.weight": 0.0}')
    assert read_sensitivities(path) == {"wide.weight": 2.0, "odd.weight": 0.0}


class Scaled(torch.nn.Module):
    """dx/dt = c A x: the sample answers to A with a factor that is known."""

    def __init__(self) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        self.strong = torch.nn.Parameter(torch.randn((6, 6), generator=rng))
        self.weak = torch.nn.Parameter(torch.randn((6, 6), generator=rng))

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return x @ (0.1 * self.strong + 0.001 * self.weak).T


def test_what_flow_measured(tmp_path: Path) -> None:
    field = TorchField.of(Scaled(), (6,), ())
    noise = torch.randn((64, 6), generator=torch.Generator().manual_seed(1))
    shares = layer_shares(field, quantize_field(field, "uniform", 2).field, noise, 4, lipschitz_samples=0)
    body = {
        "format": "fmq-flow-1",
        "layers": [dataclasses.asdict(s) | {"velocity_lipschitz": None} for s in shares],
    }
    found = read_sensitivities(written(tmp_path, json.dumps(body)))
    # The effects on the samples are as 100 : 1, so those on their squares about as 10**4 : 1.
    assert set(found) == {"strong", "weak"}
    assert 3e3 < found["strong"] / found["weak"] < 3e4
    assert math.isclose(found["strong"] * found["weak"], 1.0)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[1]",
        '{"a": "b"}',
        '{"a": -1}',
        '{"a": NaN}',
        '{"a": true}',
        "{",
        '{"format": "fmq-flow-1"}',
        '{"format": "fmq-flow-1", "layers": [3]}',
        '{"format": "fmq-flow-1", "layers": []}',
        '{"format": "fmq-flow-1", "layers": [{"name": "a", "weight_change": null, "measured": 1.0}]}',
        '{"format": "fmq-flow-1", "layers": [{"name": "a", "weight_change": 0.0, "measured": 0.0}]}',
    ],
)
def test_what_is_none(tmp_path: Path, body: Any) -> None:
    with pytest.raises(PlanError):
        read_sensitivities(written(tmp_path, body))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="there is no such file"):
        read_sensitivities(tmp_path / "missing.json")
