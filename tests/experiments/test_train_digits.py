"""The trainer learns, resumes where it was stopped, and leaves no half-written file."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from experiments.train_digits import main, train
from experiments.training import judge
from experiments.training.images import LabelledImages
from experiments.training.judge import held_out_error
from experiments.training.networks import make_network
from experiments.training.trainer import Config, Trainer
from fmq_theory.errors import CheckpointError, FlowError
from fmq_theory.flow.compact_unet import CompactUNet

TINY = Config(steps=12, batch=16, warm_up=2)
ROOT = Path(__file__).resolve().parents[2]


def _data() -> LabelledImages:
    """Two kinds of images: the left half bright, or the right."""
    labels = torch.arange(40) % 2
    images = -torch.ones(40, 1, 8, 8)
    images[labels == 0, :, :, :4] = 1.0
    images[labels == 1, :, :, 4:] = 1.0
    return LabelledImages(images, labels)


def _trainer(config: Config = TINY) -> Trainer:
    return Trainer(config, partial(CompactUNet, 8, (8, 16), dropout=0.1), _data())


def _run(trainer: Trainer, steps: int) -> Trainer:
    for _ in range(steps):
        trainer.advance()
    return trainer


def _same(one: Trainer, other: Trainer) -> bool:
    states = zip(one.average.state_dict().values(), other.average.state_dict().values(), strict=True)
    return one.losses == other.losses and all(torch.equal(a, b) for a, b in states)


def test_short_floats_train_weights_in_float32_as_well() -> None:
    exact, short = _run(_trainer(), 12), _run(_trainer(replace(TINY, precision="bfloat16")), 12)
    assert all(value.dtype == torch.float32 for value in short.average.parameters())
    assert short.losses != exact.losses
    assert short.losses == pytest.approx(exact.losses, rel=0.05)


def test_resumed_run_has_the_losses_and_weights_of_an_uninterrupted_one(tmp_path: Path) -> None:
    whole = _run(_trainer(), 12)
    _run(stopped := _trainer(), 5).save(tmp_path / "state.pt")
    _run(stopped, 3)  # lost: the kill came after the save
    resumed = _trainer()
    _run(resumed, 1)  # whatever happened before is forgotten
    resumed.load(tmp_path / "state.pt")
    assert resumed.step == 5
    _run(resumed, 7)
    assert _same(whole, resumed)


@pytest.mark.parametrize("forgotten", ["generator", "dropout", "optimiser", "average", "network"])
def test_control_each_part_of_the_state_matters(forgotten: str, tmp_path: Path) -> None:
    whole = _run(_trainer(), 12)
    _run(_trainer(), 5).save(tmp_path / "state.pt")
    _run(_trainer(Config(steps=12, batch=16, warm_up=2, seed=1)), 5).save(tmp_path / "other.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    state[forgotten] = torch.load(tmp_path / "other.pt", weights_only=True)[forgotten]
    torch.save(state, tmp_path / "state.pt")
    resumed = _trainer()
    resumed.load(tmp_path / "state.pt")
    assert not _same(whole, _run(resumed, 7))


def test_other_options_do_not_resume(tmp_path: Path) -> None:
    _run(_trainer(), 1).save(tmp_path / "state.pt")
    with pytest.raises(CheckpointError, match="batch was 16, is 8"):
        _trainer(Config(steps=12, batch=8, warm_up=2)).load(tmp_path / "state.pt")
    (tmp_path / "state.pt").write_text("text")
    with pytest.raises(CheckpointError, match="no run to resume"):
        _trainer().load(tmp_path / "state.pt")
    with pytest.raises(CheckpointError, match="no run to resume"):
        _trainer().load(tmp_path / "nothing.pt")


def test_interruption_saves_the_state(tmp_path: Path) -> None:
    trainer = _trainer()
    advance = trainer.advance

    def until_interrupted() -> None:
        if trainer.step == 4:
            raise KeyboardInterrupt
        advance()

    trainer.advance = until_interrupted
    with pytest.raises(KeyboardInterrupt):
        train(trainer, tmp_path / "state.pt", save_every=1e9)
    resumed = _trainer()
    resumed.load(tmp_path / "state.pt")
    assert resumed.step == 4


@pytest.mark.deep
def test_training_learns() -> None:
    config = Config(steps=150, batch=32, warm_up=10)
    trainer = _run(_trainer(config), 150)
    assert sum(trainer.losses[-20:]) < 0.3 * sum(trainer.losses[:20])
    assert sum(held_out_error(trainer.average, _data(), seed=0)) < 0.5 * sum(
        held_out_error(_trainer(config).average, _data(), seed=0)
    )


def test_loss_that_is_not_finite_stops_the_run() -> None:
    trainer = _trainer()
    with torch.no_grad():
        next(iter(trainer.network.parameters())).fill_(float("nan"))
    with pytest.raises(FlowError, match=r"loss at step 0: it is nan"):
        trainer.advance()


def test_command_writes_weights_record_and_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.setattr(judge, "_TIMES", 3)
    monkeypatch.setattr(judge, "_STEPS", 2)
    out = tmp_path / "small.safetensors"
    options = ["--steps", "2", "--batch", "8", "--out", str(out)]
    assert main(options) == 0
    assert "velocity error" in capsys.readouterr().out
    with safe_open(out, framework="pt") as file:
        facts = file.metadata()
    assert facts["data"] == "digits"
    assert facts["steps"] == "2"
    assert "licence" in facts
    # A network that was hardly trained predicts zero: E (data - noise)^2 a pixel.
    assert 1.2 < float(facts["velocity_error"]) < 2.0
    record = json.loads(out.with_suffix(".json").read_text("utf-8"))
    assert record["config"]["steps"] == 2
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert sorted(place.name for place in tmp_path.iterdir()) == [
        "small.json",
        "small.png",
        "small.safetensors",
    ]
    before = out.read_bytes()
    assert main(options) == 2
    assert "--force" in capsys.readouterr().err
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "mnist"], "--data-path"),
        (["--data", "mnist", "--data-path", "nothing.npz"], "no such file"),
        (["--resume", "--steps", "2"], "no run to resume"),
    ],
)
def test_bad_input_is_a_message(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sklearn")
    assert main([*options, "--out", str(tmp_path / "out.safetensors")]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_missing_diffusers_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(FlowError, match=r"diffusers is not installed.*fmq_theory\[models\]"):
        make_network("unet", 28)
    with pytest.raises(FlowError, match="no network"):
        make_network("transformer", 28)


@pytest.mark.deep
def test_larger_unet_trains_on_mnist(shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("diffusers")
    out = tmp_path / "unet.safetensors"
    path = shared_data / "mnist-20k-train-images.npz"
    code = (
        "import experiments.train_digits as train\n"
        "from experiments.training import judge\n"
        "judge._TIMES, judge._STEPS = 3, 1\n"
        "train.held_out_error = lambda net, data, seed: judge.held_out_error(net, data, seed, most=10)\n"
        f"raise SystemExit(train.main(['--data', 'mnist', '--data-path', {str(path)!r}, '--model', 'unet', "
        f"'--steps', '3', '--batch', '4', '--out', {str(out)!r}]))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=500)
    with safe_open(out, framework="pt") as file:
        assert file.metadata()["model"] == "unet"
        assert file.metadata()["size"] == "28"


@pytest.mark.deep
def test_killed_run_resumes_on_the_same_path(tmp_path: Path) -> None:
    """SIGKILL in the middle, as a power cut would: the last saved state is whole, and enough."""
    pytest.importorskip("sklearn")
    out, state = tmp_path / "killed.safetensors", tmp_path / "killed.resume.pt"
    options = ["--steps", "60", "--batch", "16", "--save-every", "0", "--out"]
    command = [sys.executable, "-m", "experiments.train_digits", *options]
    running = subprocess.Popen([*command, str(out)], cwd=ROOT)
    deadline = time.monotonic() + 300
    while not state.exists() and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert not out.exists()
    steps = len(torch.load(state, weights_only=True)["losses"])
    assert 0 < steps < 60
    subprocess.run([*command, str(out), "--resume"], cwd=ROOT, check=True)
    whole = tmp_path / "whole.safetensors"
    subprocess.run([*command, str(whole)], cwd=ROOT, check=True)
    records = [json.loads(path.with_suffix(".json").read_text("utf-8")) for path in (out, whole)]
    assert records[0]["losses"] == records[1]["losses"]
    with safe_open(out, framework="pt") as one, safe_open(whole, framework="pt") as other:
        assert all(torch.equal(one.get_tensor(name), other.get_tensor(name)) for name in one.keys())  # noqa: SIM118
    assert not state.exists()
