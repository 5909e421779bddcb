"""A network and its checkpoint: the state that is read, and what does not fit."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fmq_theory.checkpoint import load_field, load_flow, read_state
from fmq_theory.errors import CheckpointError, FlowError
from fmq_theory.flow import sample
from fmq_theory.flow.digits import build

FACTORY = "fmq_theory.flow.digits:build"


def _state(seed: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    state = build().module.state_dict()
    state["last.weight"] = torch.randn(state["last.weight"].shape)
    return state


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_file(_state(0), path)
    return path


@pytest.mark.parametrize("container", ["", "model", "state_dict", "model_state_dict"])
def test_containers_are_opened(container: str, tmp_path: Path, checkpoint: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save({container: _state(0), "epoch": 3} if container else _state(0), path)
    state = read_state(path)
    assert list(state) == list(_state(0))
    assert all(torch.equal(state[name], tensor) for name, tensor in _state(0).items())
    assert set(state) == set(read_state(checkpoint))


def test_running_averages_and_optimizers_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    optimizer = {"state": {0: {"exp_avg": torch.ones(2)}}}
    torch.save({"model": _state(0), "ema": _state(1), "optimizer": optimizer}, path)
    assert torch.equal(read_state(path)["last.weight"], _state(0)["last.weight"])
    torch.save({"optimizer": optimizer}, path)
    with pytest.raises(CheckpointError, match=r"holds no state dict.*optimizer"):
        read_state(path)


def test_tied_weights_come_under_both_names(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    shared = torch.arange(3.0)
    torch.save({"a": shared, "b": shared, "count": torch.tensor(4)}, path)
    state = read_state(path)
    assert set(state) == {"a", "b", "count"}
    assert torch.equal(state["b"], shared)


def test_field_of_a_checkpoint_runs(checkpoint: Path) -> None:
    field = load_field(checkpoint, FACTORY, batch=4, seed=3)
    assert torch.equal(field.parameters["last.weight"], _state(0)["last.weight"])
    assert torch.equal(field.condition[0], load_field(checkpoint, FACTORY, batch=4, seed=3).condition[0])
    assert sample(field, torch.randn(4, 1, 8, 8), 3).end.shape == (4, 1, 8, 8)


@pytest.mark.parametrize("key", ["ema", "net_ema", "follower"])
def test_a_running_average_runs_where_it_is_asked_for(key: str, tmp_path: Path) -> None:
    path, state = tmp_path / "model.pt", _state(0)
    average = {name: tensor * 0.99 for name, tensor in state.items()}
    torch.save({"net": state, key: average}, path)
    plain, followed = load_flow(path, FACTORY), load_flow(path, FACTORY, include=[f"{key}.*"])
    assert torch.equal(plain.module.state_dict()["last.weight"], state["last.weight"])
    assert torch.equal(followed.module.state_dict()["last.weight"], average["last.weight"])
    for misspelt in (key, f"{key}s.*"):
        with pytest.raises(CheckpointError, match=rf"fits no tensor; the names are like '{key}\."):
            load_flow(path, FACTORY, include=[misspelt])


def test_swapped_weights_change_the_samples(checkpoint: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_file(_state(1), other)
    noise = torch.randn(4, 1, 8, 8)
    ends = [
        sample(load_field(path, FACTORY, batch=4), noise, 3).end for path in (checkpoint, other, checkpoint)
    ]
    assert not torch.allclose(ends[0], ends[1])
    assert torch.equal(ends[0], ends[2])


def test_wrong_checkpoint_is_refused_with_names(tmp_path: Path) -> None:
    path = tmp_path / "wrong.safetensors"
    state = _state(0)
    state["first.weight"] = torch.zeros(16, 1, 3, 3)
    state["stranger.weight"] = state.pop("middle.conv1.weight")
    save_file(state, path)
    with pytest.raises(CheckpointError) as caught:
        load_flow(path, FACTORY)
    message = str(caught.value)
    assert "wrong.safetensors" in message
    assert "missing: 'middle.conv1.weight'" in message
    assert "'stranger.weight'" in message
    assert "'first.weight' is (16, 1, 3, 3), not (32, 1, 3, 3)" in message


def test_missing_file_and_missing_factory(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        load_flow(tmp_path / "nothing.pt", FACTORY)
    with pytest.raises(FlowError, match="no function"):
        load_flow(checkpoint, "fmq_theory.flow.digits:nothing")


@pytest.mark.parametrize("kind", ["pt", "safetensors"])
def test_what_is_read_is_not_copied_again(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state, path = _state(0), tmp_path / f"model.{kind}"
    torch.save(state, path) if kind == "pt" else save_file(state, path)
    copied: list[int] = []
    clone = torch.Tensor.clone
    monkeypatch.setattr(torch.Tensor, "clone", lambda self: copied.append(self.nbytes) or clone(self))
    found = read_state(path)
    assert copied == []
    assert all(torch.equal(found[name], tensor) for name, tensor in state.items())


def test_control_tensors_of_one_storage_are_read_into_memory_of_their_own(tmp_path: Path) -> None:
    whole = torch.arange(48.0).reshape(6, 8)
    state = {"a": whole, "same": whole, "turned": whole.T, "rows": whole[:3], "column": whole[:, 2:3]}
    torch.save(state, tmp_path / "model.pt")
    found = read_state(tmp_path / "model.pt")
    assert found.keys() == state.keys()
    assert len({tensor.untyped_storage().data_ptr() for tensor in found.values()}) == len(state)
    found["a"].zero_()
    assert all(torch.equal(found[name], state[name]) for name in state if name != "a")
