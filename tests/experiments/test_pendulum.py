"""The published pendulum policy, in our own module, has the velocity error that is stated for it."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from experiments.models.pendulum import Demonstrations, build, read_demonstrations
from fmq_theory.checkpoint import load_flow
from fmq_theory.errors import CheckpointError, FlowError
from fmq_theory.flow import FlowModel, sample

FACTORY = "experiments.models.pendulum:build"
STATED = 0.204  # at epoch 100, one pass over the 600 rows
PASSES = 300


@pytest.fixture(scope="module")
def demonstrations(shared_data: Path) -> Demonstrations:
    return read_demonstrations(shared_data / "pendulum_expert.npz")


def _load(shared_checkpoints: Path, epoch: int) -> FlowModel:
    return load_flow(shared_checkpoints / f"pendulum_policy_epoch{epoch}.pth", FACTORY)


def _passes(velocity: Callable[[Tensor, Tensor, Tensor], Tensor], rows: Demonstrations) -> np.ndarray:
    """Mean squared velocity error of passes over the rows, each with its own noise and times."""
    generator = torch.Generator().manual_seed(0)
    found: list[float] = []
    for _ in range(PASSES):
        noise = torch.randn(rows.actions.shape, generator=generator)
        times = torch.rand(len(noise), generator=generator)
        x = torch.lerp(noise, rows.actions, times[:, None])
        error = velocity(x, times, rows.observations) - (rows.actions - noise)
        found.append(float(error.square().mean()))
    return np.array(found)


def test_stated_velocity_error_is_that_of_a_pass(
    shared_checkpoints: Path, demonstrations: Demonstrations
) -> None:
    """The error is large near t = 1, so that one pass of 600 rows varies by a tenth of its mean."""
    found = _passes(_load(shared_checkpoints, 100).module, demonstrations)
    low, high = np.quantile(found, [0.025, 0.975])
    assert low < STATED < high
    assert found.mean() == pytest.approx(0.174, abs=0.005)  # measured here
    later = _passes(_load(shared_checkpoints, 600).module, demonstrations)
    assert later.mean() < found.mean() - 0.02


def test_control_another_network_has_another_error(
    shared_checkpoints: Path, demonstrations: Demonstrations
) -> None:
    module = _load(shared_checkpoints, 100).module

    def one_activation_more(x: Tensor, t: Tensor, observation: Tensor) -> Tensor:
        seen = torch.nn.functional.gelu(module.get_submodule("obs_encoder_mlp")(observation))
        return module.get_submodule("mlp")(torch.cat([seen, x, t[:, None]], dim=1))

    assert np.quantile(_passes(one_activation_more, demonstrations), 0.025) > 2 * STATED
    assert np.quantile(_passes(lambda x, t, o: module(x, 1.0 - t, o), demonstrations), 0.025) > 2 * STATED


def test_untrained_layers_are_left_out(shared_checkpoints: Path) -> None:
    field = _load(shared_checkpoints, 600).field(3, torch.Generator())
    assert not any(name.startswith("time_mlp") for name in field.parameters)
    unused = 128 * 64 + 128 + 128 * 128 + 128
    assert sum(tensor.numel() for tensor in field.parameters.values()) == 91_777 - unused


def test_normalisation_of_the_rows(demonstrations: Demonstrations) -> None:
    for rows in (demonstrations.observations, demonstrations.actions):
        assert len(rows) == 600
        assert torch.allclose(rows.mean(dim=0), torch.zeros(rows.shape[1]), atol=1e-5)
        assert torch.allclose(rows.std(dim=0), torch.ones(rows.shape[1]), atol=1e-5)


def test_conditions_are_rows_of_the_data(shared_checkpoints: Path, demonstrations: Demonstrations) -> None:
    (drawn,) = build().draw_condition(50, torch.Generator().manual_seed(0))
    known = {tuple(row) for row in demonstrations.observations.tolist()}
    assert {tuple(row) for row in drawn.tolist()} <= known
    assert len({tuple(row) for row in drawn.tolist()}) > 30


def test_sampled_actions_follow_the_expert(shared_checkpoints: Path, demonstrations: Demonstrations) -> None:
    field = _load(shared_checkpoints, 600).field(1, torch.Generator())
    noise = torch.randn(600, 1, generator=torch.Generator().manual_seed(0))
    actions = sample(field.with_condition((demonstrations.observations,)), noise, 20).end
    miss = float((actions - demonstrations.actions).square().mean())
    assert miss < 0.25  # of a variance of 1
    shuffled = field.with_condition((demonstrations.observations.flip(0),))
    assert float((sample(shuffled, noise, 20).end - demonstrations.actions).square().mean()) > 0.5


def test_missing_data_say_where_to_put_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(os.environ, "FMQ_PENDULUM_DATA", str(tmp_path / "nothing.npz"))
    with pytest.raises(FlowError, match=r"nothing\.npz.*FMQ_PENDULUM_DATA"):
        build()
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(FlowError, match=r"cannot be read"):
        read_demonstrations(tmp_path / "text.npz")


def test_checkpoint_of_another_model_is_refused(shared_checkpoints: Path, shared_data: Path) -> None:
    with pytest.raises(CheckpointError, match=r"missing: 'obs_encoder_mlp\.0\.weight'.*init_conv"):
        load_flow(shared_checkpoints / "mnist_unet.pt", FACTORY)
