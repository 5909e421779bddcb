"""``fmq quantize``, ``dequantize`` and ``export``: what they say, what they refuse, what a kill leaves."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file, save_file

from fmq_theory.checkpoint import load
from fmq_theory.checkpoint.plan import Plan
from fmq_theory.checkpoint.quantized.plain_file import FORMATS
from fmq_theory.cli.export import FORMATS as NAMED_FORMATS
from fmq_theory.cli.main import main
from fmq_theory.quantizers import quantize

_FMQ = "from fmq_theory.cli.main import main; main(prog_name='fmq')"


def _state() -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(5)
    return {
        "first.weight": torch.randn(8, 512, generator=g),
        "second.weight": torch.randn(16, 192, generator=g),
        "second.bias": torch.randn(16, generator=g),
    }


@pytest.fixture(autouse=True)
def _in_a_folder_with_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_file(_state(), "m.safetensors")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def done(*arguments: str) -> Result:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def refused(match: str, *arguments: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert match in result.output
    assert "Traceback" not in result.output


def test_choices_are_those_of_the_registries() -> None:
    assert set(NAMED_FORMATS) == set(FORMATS)


@pytest.mark.parametrize("command", ["quantize", "dequantize", "export"])
def test_help_teaches(command: str) -> None:
    text = done(command, "--help").output
    assert "Examples:" in text
    assert f"fmq {command} " in text


def test_quantize_and_load_back() -> None:
    output = done("quantize", "m.safetensors", "-o", "small", "--bits", "3", "--scheme", "uniform").output
    assert "2 tensors, 7,168 weights (uniform, 3 bits, by channel)" in output
    assert "1 x fewer than 2 dimensions (second.bias)" in output
    assert "load('small/model.safetensors')" in output
    state = load("small")
    wanted = quantize(_state()["first.weight"], "uniform", 3).dequantize()
    assert np.array_equal(state["first.weight"].numpy(), wanted)
    assert f"{Path('small/model.safetensors').stat().st_size:,} bytes" in output


def test_dequantize_and_export() -> None:
    done("quantize", "m.safetensors", "-o", "small")
    Path("config.json").write_text('{"_class_name": "Net"}')
    done("dequantize", "small", "-o", "plain.safetensors")
    plain, state = load_file("plain.safetensors"), load("small")
    assert all(torch.equal(plain[name], tensor) for name, tensor in state.items())
    output = done("export", "small", "-o", "out", "--config", "config.json").output
    assert "load_packed" in output
    config = json.loads(Path("out/config.json").read_text())
    assert config["_class_name"] == "Net"
    assert config["quantization_config"]["quant_method"] == "fmq"
    assert load("out").keys() == state.keys()
    refused("--force", "export", "small", "-o", "out")
    refused("it is a checkpoint, and no JSON", "export", "small", "-o", "o2", "--config", "m.safetensors")
    refused("no quantized checkpoint", "dequantize", "m.safetensors", "-o", "p2.safetensors")
    refused(".safetensors", "dequantize", "small", "-o", "p2")


def test_a_diffusers_folder_keeps_its_config() -> None:
    unet = Path("pipe/unet")
    unet.mkdir(parents=True)
    save_file(_state(), unet / "diffusion_pytorch_model.safetensors")
    (unet / "config.json").write_text('{"_class_name": "UNet2DModel"}')
    done("quantize", "pipe", "-o", "small")
    assert json.loads(Path("small/config.json").read_text())["_class_name"] == "UNet2DModel"


def test_json_says_what_was_done() -> None:
    printed = json.loads(done("quantize", "m.safetensors", "-o", "a.safetensors", "--json").stdout)
    assert printed["bytes"] == Path("a.safetensors").stat().st_size
    assert printed["kept"][0]["name"] == "second.bias"
    assert printed["quantization_config"]["bits"] == 4
    done("quantize", "m.safetensors", "-o", "b.safetensors", "--json", "b.json")
    assert json.loads(Path("b.json").read_text())["quantization_config"] == printed["quantization_config"]
    refused("--force", "quantize", "m.safetensors", "-o", "c.safetensors", "--json", "b.json")
    assert not Path("c.safetensors").exists()


def test_include_and_exclude() -> None:
    for option, pattern in (("--include", "first*"), ("--exclude", "second*")):
        done("quantize", "m.safetensors", "-o", "a", option, pattern, "--force")
        state = load("a")
        assert torch.equal(state["second.weight"], _state()["second.weight"])
        assert not torch.equal(state["first.weight"], _state()["first.weight"])
    refused("it fits no tensor", "quantize", "m.safetensors", "-o", "b", "--include", "third*")


# --- plans ---------------------------------------------------------------------------------------------


def test_a_plan_is_written_and_applied() -> None:
    output = done("quantize", "m.safetensors", "--bits", "3", "--plan-only", "-o", "plan.json").output
    assert "fmq quantize m.safetensors -o OUT --plan plan.json" in output
    plan = Plan.from_json(Path("plan.json").read_text())
    assert {t.name: t.bits for t in plan.tensors} == {"first.weight": 3, "second.weight": 3}
    wanted = quantize(_state()["first.weight"], bits=3)
    assert plan["first.weight"].sse == pytest.approx(wanted.mse * 8 * 512, rel=1e-6)
    printed = done("quantize", "m.safetensors", "--bits", "3", "--plan-only").stdout
    assert Plan.from_json(printed) == plan
    report = json.loads(
        done("quantize", "m.safetensors", "-o", "small", "--plan", "plan.json", "--json").stdout
    )
    assert report["quantization_config"]["mse"] == pytest.approx(plan.mse, rel=1e-6)
    config = report["quantization_config"]
    entries = [config["tensors"][t.name]["effective_bits"] * t.weights for t in plan.tensors]
    assert sum(entries) / sum(t.weights for t in plan.tensors) == pytest.approx(plan.effective_bits, rel=1e-9)
    assert config["effective_bits"] > plan.effective_bits  # the header, which a plan does not have
    done("quantize", "m.safetensors", "--bits", "3", "-o", "direct")
    assert Path("direct/model.safetensors").read_bytes() == Path("small/model.safetensors").read_bytes()


def test_a_budget_in_bytes_is_met_by_the_file() -> None:
    for size, most in (("8KB", 8000), ("7 KiB", 7168), ("9000b", 9000)):
        said = done("quantize", "m.safetensors", "-o", "s.safetensors", "--force", "--budget", size).output
        assert 0.9 * most < Path("s.safetensors").stat().st_size <= most
        assert "relative error" in said


def test_a_budget_is_met_by_the_file() -> None:
    report = json.loads(done("quantize", "m.safetensors", "-o", "s", "--budget", "3.6", "--json").stdout)
    config = report["quantization_config"]
    assert config["effective_bits"] <= 3.6
    assert config["effective_bits"] > 3.3
    size = Path("s/model.safetensors").stat().st_size
    assert report["bytes"] == config["num_bytes"] == size
    alone = json.loads(
        done("quantize", "m.safetensors", "-o", "t", "--scheme", "uniform", "--bits", "3", "--json").stdout
    )["quantization_config"]
    same = ("--budget", str(alone["effective_bits"]))
    report = json.loads(done("quantize", "m.safetensors", "-o", "v", *same, "--json").stdout)
    config = report["quantization_config"]
    assert config["effective_bits"] <= alone["effective_bits"]
    assert config["mse"] < alone["mse"]
    said = done("quantize", "m.safetensors", "-o", "u", "--budget", "3.6").output
    assert "the best single choice of that size, " in said
    assert float(said.split(" has ")[1].split(" times")[0]) >= 1.0
    assert "above the least possible at this size" in said
    Path("s.json").write_text('{"first.weight": 1e6}')
    done(
        "quantize", "m.safetensors", "--budget", "3.6", "--sensitivities", "s.json", "--plan-only", "-o", "p"
    )
    assert Plan.from_json(Path("p").read_text())["first.weight"].bits >= 4


def test_options_that_contradict_each_other() -> None:
    common = ("quantize", "m.safetensors", "-o", "x")
    Path("plan.json").write_text("{}")
    refused("--bits has no meaning with --budget", *common, "--budget", "3", "--bits", "3")
    refused("--budget has no meaning with --plan", *common, "--plan", "plan.json", "--budget", "3")
    refused("--include has no meaning with --plan", *common, "--plan", "plan.json", "--include", "a")
    refused("--sensitivities has no meaning", *common, "--sensitivities", "plan.json")
    refused("-o OUT is missing", "quantize", "m.safetensors")
    refused("'format' is not", *common, "--plan", "plan.json")
    refused("there is no such file", *common, "--plan", "none.json")
    refused("--budget", *common, "--budget", "x")
    refused("these options allow is from", *common, "--budget", "0.01")
    for size in ("-1", "3x", "0KB", "1e999"):
        refused("is no size; write bits a weight, as 3.5, or bytes, as 300KB", *common, "--budget", size)
    assert not Path("x").exists()


# --- bad input -----------------------------------------------------------------------------------------


def test_bad_input_ends_in_one_line() -> None:
    common = ("-o", "x")
    refused("no such file", "quantize", "none.pt", *common)
    Path("empty.safetensors").touch()
    refused("empty", "quantize", "empty.safetensors", *common)
    refused("no such scheme", "quantize", "m.safetensors", *common, "--scheme", "magic")
    refused("nf4 has 16 levels", "quantize", "m.safetensors", *common, "--scheme", "nf4", "--bits", "3")
    named = "groups need a size; pass for example --group-size 64"
    refused(named, "quantize", "m.safetensors", *common, "--granularity", "group")
    refused("does not exist", "quantize", "m.safetensors", "-o", "no/where/x")
    refused(
        "of 1 tensors ('second.weight' has 192); pass --group-size 64, which divides all of them",
        "quantize", "m.safetensors", *common, "--group-size", "128", "--scheme", "nf4",
    )  # fmt: skip
    Path("x.safetensors").write_text("old")
    refused("--force", "quantize", "m.safetensors", "-o", "x.safetensors")
    assert Path("x.safetensors").read_text() == "old"
    assert not Path("x").exists()


def test_groups_that_do_not_divide_may_be_kept_or_quantized_by_channel() -> None:
    common = ("quantize", "m.safetensors", "--group-size", "128", "--scheme", "nf4", "--json")
    kept = json.loads(done(*common, "-o", "a", "--misfit", "keep").stdout)
    assert list(kept["quantization_config"]["tensors"]) == ["first.weight"]
    assert "128 does not divide the 192" in str(kept["kept"])
    tensors = json.loads(done(*common, "-o", "b", "--misfit", "channel").stdout)["quantization_config"][
        "tensors"
    ]
    assert tensors["second.weight"]["strategy"] == "channel"
    assert tensors["first.weight"]["group_size"] == 128


@pytest.mark.parametrize("budget", [(), ("--budget", "4")])
def test_nan_stops_or_is_skipped(budget: tuple[str, ...]) -> None:
    state = _state()
    state["second.weight"][3, 4] = float("nan")
    save_file(state, "bad.safetensors")
    refused("1 of its 3072 numbers are nan", "quantize", "bad.safetensors", "-o", "x", *budget)
    done("quantize", "bad.safetensors", "-o", "x", "--on-nonfinite", "skip", *budget)
    assert torch.isnan(load("x")["second.weight"][3, 4])
    done("quantize", "bad.safetensors", "-o", "p", "--plan-only", "--on-nonfinite", "skip", *budget)


def test_every_published_checkpoint(shared_checkpoints: Path) -> None:
    for path in sorted(shared_checkpoints.glob("*.p*t*")):
        output = done("quantize", str(path), "-o", path.stem, "--scheme", "uniform").output
        assert "Next:" in output
        assert load(path.stem)


# --- kills ---------------------------------------------------------------------------------------------


_WORK = Path(".small.safetensors.fmq-work")


def _start(*arguments: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", _FMQ, *arguments]
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(command, stdout=nowhere, stderr=nowhere, env=os.environ | {"FMQ_THREADS": "1"})


def _at_work(process: "subprocess.Popen[bytes]", fresh: float) -> None:
    """Waits until a run has begun its work, which renews its folder, or is over."""
    while process.poll() is None and not (_WORK.exists() and _WORK.stat().st_ctime > fresh):
        time.sleep(0.002)


@pytest.mark.deep
def test_twenty_kills_at_random_moments() -> None:
    """Never a corrupt output, nothing finished is done again, and in the end the file of a run in peace."""
    g = torch.Generator().manual_seed(0)
    state = {f"layer{i:02}.weight": torch.randn(256, 1024, generator=g) for i in range(40)}
    save_file(state, "big.safetensors")
    command = ("quantize", "big.safetensors", "--bits", "5", "--force", "--resume", "-o", "small.safetensors")
    process = _start(*command)
    _at_work(process, 0.0)
    began = time.monotonic()
    assert process.wait(600) == 0
    working = time.monotonic() - began
    wanted = Path("small.safetensors").read_bytes()
    Path("small.safetensors").write_text("old")
    rng = random.Random(20261120)
    kills, finished, reused = 0, 0, 0
    while kills < 20:
        fresh = time.time()
        process = _start(*command)
        _at_work(process, fresh)
        time.sleep(rng.uniform(0.0, 0.3 if kills % 2 else 1.0) * working)
        if process.poll() is None:
            process.kill()
            kills += 1
        process.wait(60)
        output = Path("small.safetensors").read_bytes()
        names = {path.name for path in Path().iterdir()}
        assert names <= {"big.safetensors", "m.safetensors", "small.safetensors", _WORK.name}
        if output == wanted:  # it came to its end: begin anew
            Path("small.safetensors").write_text("old")
            finished = 0
            continue
        assert output == b"old"
        kept = len(list(_WORK.glob("*.safetensors")))
        assert kept >= finished  # nothing that was finished is lost
        finished, reused = kept, max(reused, kept)
    assert reused > 0  # control: some kill hit a run in the middle
    json_path = ("--json", "done.json")
    assert _start(*command, *json_path).wait(600) == 0
    assert json.loads(Path("done.json").read_text())["reused"] == finished
    assert Path("small.safetensors").read_bytes() == wanted
    assert not _WORK.exists()
