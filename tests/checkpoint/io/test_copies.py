"""Optimizers and running averages are no weights of the model, whatever they are called."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file
from torch import Tensor, nn

from fmq_theory.checkpoint import load, load_into, read_state, read_tensors, write_quantized
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.recipe import Recipe, recipes_for
from fmq_theory.cli.main import main

State = dict[str, Tensor]
OPTIMIZERS: dict[str, Callable[[list[nn.Parameter]], torch.optim.Optimizer]] = {
    "adam": lambda p: torch.optim.Adam(p, amsgrad=True),
    "adamax": torch.optim.Adamax,
    "nadam": torch.optim.NAdam,
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "rmsprop": lambda p: torch.optim.RMSprop(p, momentum=0.9, centered=True),
    "adadelta": torch.optim.Adadelta,
    "adagrad": torch.optim.Adagrad,
    "rprop": torch.optim.Rprop,
    "asgd": torch.optim.ASGD,
    "adafactor": torch.optim.Adafactor,
}


def _net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(32, 48), nn.BatchNorm1d(48), nn.Linear(48, 32))


def _near(state: State) -> State:
    return {name: tensor * 0.99 if tensor.is_floating_point() else tensor for name, tensor in state.items()}


NET = _net()
STATE: State = NET.state_dict()
EMA = _near(STATE)
PARAMETERS = [p.detach() * 0.99 for p in NET.parameters()]
OTHER: State = _net(1).state_dict()


def _optimizer(kind: str) -> dict[str, object]:
    net = _net()
    optimizer = OPTIMIZERS[kind](list(net.parameters()))
    net(torch.randn(8, 32)).square().mean().backward()
    optimizer.step()
    return optimizer.state_dict()


def _prefixed(prefix: str, state: State) -> State:
    return {f"{prefix}.{name}": tensor for name, tensor in state.items()}


def _names(path: Path, content: object) -> list[str]:
    torch.save(content, path)
    return [tensor.name for tensor in read_tensors(path).tensors]


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("key", ["opt", "optim0", "trainer"])
def test_moments_of_any_optimizer_under_any_name(kind: str, key: str, tmp_path: Path) -> None:
    found = _names(tmp_path / "c.pt", {"net": STATE, key: _optimizer(kind)})
    assert found == ["net.0.weight", "net.2.weight"]
    skipped = read_tensors(tmp_path / "c.pt").skipped
    assert any(s.name.startswith(f"{key}.state") and s.reason == "state of the optimizer" for s in skipped)


MODELS = ["0.weight", "2.weight"]
CASES: dict[str, tuple[object, list[str]]] = {
    "params_ema": ({"params": STATE, "params_ema": EMA}, [f"params.{n}" for n in MODELS]),
    "the average first": ({"params_ema": EMA, "params": STATE}, [f"params.{n}" for n in MODELS]),
    "no word for it": ({"online": STATE, "target": EMA}, [f"online.{n}" for n in MODELS]),
    "averages of a GAN": (
        {"G": STATE, "D": OTHER, "netG_EMA": EMA},
        [f"{key}.{n}" for key in "GD" for n in MODELS],
    ),
    "a list": ({"net": STATE, "mine": {"decay": 0.9, "tensors": PARAMETERS}}, [f"net.{n}" for n in MODELS]),
    "wrapped": ({"net": _prefixed("module", STATE), "swa": EMA}, [f"net.module.{n}" for n in MODELS]),
    "parameters alone": (
        {"net": STATE, "net_avg": {n: t for n, t in EMA.items() if "running" not in n}},
        [f"net.{n}" for n in MODELS],
    ),
    "flat names": (_prefixed("net", STATE) | _prefixed("netEMA", EMA), [f"net.{n}" for n in MODELS]),
    "lightning": (
        {
            "state_dict": _prefixed("model", STATE) | _prefixed("ema_model", EMA),
            "optimizer_states": [_optimizer("adam")],
            "lr_schedulers": [{"_last_lr": [torch.ones(3, 4)]}],
            "callbacks": {"best": {"score": torch.ones(3, 4)}},
        },
        [f"model.{n}" for n in MODELS],
    ),
    "lucidrains": (
        _prefixed("online_model", STATE) | _prefixed("ema_model", EMA),
        [f"online_model.{n}" for n in MODELS],
    ),
    "flattened optimizer": (STATE | {"opt.state.0.exp_avg": torch.ones(48, 32)}, MODELS),
    # Controls: models of their own, which look alike.
    "twins": (
        {"encoder": STATE, "decoder": OTHER},
        [f"{k}.{n}" for k in ("encoder", "decoder") for n in MODELS],
    ),
    "equal layers": (
        _prefixed("layer1", STATE) | _prefixed("layer2", EMA),
        [f"{k}.{n}" for k in ("layer1", "layer2") for n in MODELS],
    ),
    "a layer called ema of another shape": (
        STATE | {"codes.ema_w": torch.ones(3, 4)},
        [*MODELS, "codes.ema_w"],
    ),
    "a model called state": ({"state": {"0": {"weight": torch.ones(3, 4)}}}, ["state.0.weight"]),
    "statistics": ({"net": STATE, "stats": [torch.ones(3), torch.ones(3)]}, [f"net.{n}" for n in MODELS]),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_the_model(case: str, tmp_path: Path) -> None:
    content, expected = CASES[case]
    assert _names(tmp_path / "c.pt", content) == expected


@pytest.mark.parametrize(
    ("key", "pattern"), [("params_ema", "params_ema.*"), ("ema", "ema.*"), ("aim", "aim.*")]
)
def test_an_average_that_is_told_of_can_be_asked_for(key: str, pattern: str, tmp_path: Path) -> None:
    path, out = tmp_path / "c.pt", tmp_path / "q.safetensors"
    torch.save({"net": STATE, key: EMA, "opt": _optimizer("adam")}, path)
    run = CliRunner()
    told = run.invoke(main, ["quantize", str(path), "-o", str(out), "--json", str(tmp_path / "q.json")])
    assert told.exit_code == 0, told.output
    left_out = json.loads((tmp_path / "q.json").read_text())["left_out"]
    reasons = {entry["reason"] for entry in left_out}
    assert "state of the optimizer" in reasons
    assert any("EMA" in reason and f"as '{pattern}'" in reason for reason in reasons)
    assert set(load(out)) == {f"net.{name}" for name in STATE}
    # In every command that reads a checkpoint.
    words = ["--include", pattern]
    quantized = run.invoke(main, ["quantize", str(path), "-o", str(out), "--force", *words])
    assert quantized.exit_code == 0, quantized.output
    assert set(load(out)) == {f"{key}.{name}" for name in STATE}
    audited = run.invoke(
        main,
        [
            "audit",
            str(path),
            "--bits",
            "4",
            "--schemes",
            "uniform",
            "--json",
            str(tmp_path / "a.json"),
            *words,
        ],
    )
    assert audited.exit_code == 0, audited.output
    names = [tensor["name"] for tensor in json.loads((tmp_path / "a.json").read_text())["tensors"]]
    assert names == [f"{key}.0.weight", f"{key}.2.weight"]
    bounds = run.invoke(main, ["bounds", "--checkpoint", str(path), "--include", pattern, "--bits", "2"])
    assert bounds.exit_code == 0, bounds.output
    assert set(read_state(path, include=[pattern])) == {f"{key}.{name}" for name in STATE}
    net = _net(5)
    report = load_into(net, out)  # the prefix is taken off, and said
    assert (f"{key}.0.bias", "0.bias") in report.renamed
    assert torch.equal(net.get_parameter("0.bias"), EMA["0.bias"])


def test_a_plan_may_name_the_tensors_of_an_average(tmp_path: Path) -> None:
    path, out = tmp_path / "c.pt", tmp_path / "q.safetensors"
    torch.save({"net": STATE, "net_ema": EMA}, path)
    recipes, _ = recipes_for(path, Choice("nf4", 4, "tensor"), ["net_ema.*"])
    write_quantized(path, out, recipes)
    assert set(load(out)) == {f"net_ema.{name}" for name in STATE}
    # Control: a name of the model leaves the average out.
    write_quantized(path, out, [Recipe("net.0.weight", Choice("nf4", 4, "tensor"))], overwrite=True)
    assert set(load(out)) == {f"net.{name}" for name in STATE}


def test_layers_that_are_called_as_averages_are_weights(tmp_path: Path) -> None:
    """Two poolings side by side: one of them has the name of an average, and numbers of its own."""
    generator = torch.Generator().manual_seed(0)
    names = ("avg.weight", "max.weight", "swa.q.weight", "full.q.weight")
    save_file({n: torch.randn(16, 16, generator=generator) for n in names}, tmp_path / "m.safetensors")
    assert {t.name for t in read_tensors(tmp_path / "m.safetensors").tensors} == set(names)
