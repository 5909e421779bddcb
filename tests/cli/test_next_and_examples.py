"""Every example in a command's help runs as it stands, and so does every command that an output suggests."""

import importlib
import importlib.util
import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import safetensors.torch
import torch
from click.testing import CliRunner

import fmq_theory
from fmq_theory.cli.main import main
from tests.flow import tiny_models
from tests.flow.random_fields import one_thread

# What makes an example small; click takes the last value of an option.
SMALLER = {
    "bounds --tail": "--n 500 --repeats 2 --no-plot --schemes uniform",
    "bounds --checkpoint": "--no-plot",
    "flow": "--samples 4 --seeds 1 --steps 1 --schemes uniform --bits 2 --no-plot --ladder-samples 0",
    "flow velocity": "--samples 4 --schemes uniform --bits 2 --no-plot",
}
HAS_GGUF = importlib.util.find_spec("gguf") is not None
HAS_ONNX = importlib.util.find_spec("onnx") is not None
HAS_DIFFUSERS = importlib.util.find_spec("diffusers") is not None
SLOW = ("fmq claims", "fmq doctor")
MODELS = """
import torch
from tests.flow.tiny_models import pictures as build

def inception():
    return torch.nn.Flatten()
"""


class Example(NamedTuple):
    """A line of help."""

    command: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return shlex.join(self.words)


def _examples() -> list[Example]:
    found: list[Example] = []
    for name, command in main.commands.items():
        lines = (command.help or "").partition("Examples:")[2].splitlines()
        for line in filter(None, map(str.strip, lines)):
            words = shlex.split(line.replace("python -m fmq_theory.bounds", "fmq bounds"))
            found.append(Example(name, tuple(words)))
    return found


EXAMPLES = _examples()


def test_the_group_begins_with_commands_that_there_are() -> None:
    lines = [line.split() for line in (main.help or "").splitlines() if line.strip().startswith("fmq ")]
    assert len(lines) >= 3
    assert {words[1] for words in lines} <= main.commands.keys()
    for words in lines:
        options = {name for option in main.commands[words[1]].params for name in option.opts}
        assert {word for word in words if word.startswith("--")} <= options


def _invoke(words: list[str]) -> str:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, f"{shlex.join(words)}: {result.output}"
    return result.output


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that examples name."""
    folder = tmp_path_factory.mktemp("examples")
    rng = np.random.default_rng(0)
    state = {
        "body.weight": torch.from_numpy(rng.standard_normal((16, 1024)).astype(np.float32)),
        "embed.weight": torch.from_numpy(rng.standard_normal((8, 512)).astype(np.float32)),
        "head.weight": torch.from_numpy(rng.standard_normal((4, 64)).astype(np.float32)),
        "a.proj_out.weight": torch.from_numpy(rng.standard_normal((4, 30)).astype(np.float32)),
    }
    safetensors.torch.save_file(state, folder / "model.safetensors")
    (folder / "unet").mkdir()
    safetensors.torch.save_file(state, folder / "unet" / "diffusion_pytorch_model.safetensors")
    (folder / "unet" / "config.json").write_text("{}")
    torch.save(state, folder / "model.pt")
    _write_quantized_by_others(state, folder)
    if HAS_DIFFUSERS:
        _write_dit(folder / "dit")
    (folder / "my").mkdir()
    (folder / "my" / "models.py").write_text(MODELS)
    (folder / "my_models.py").write_text(MODELS)
    np.savez(folder / "t10k.npz", rng.random((12, 4, 4)))
    levels = [-1.5, -0.4, 0.4, 1.5]
    (folder / "table.json").write_text(json.dumps({"levels": levels}))
    torch.save(tiny_models.pictures().module.state_dict(), folder / "flow.pt")
    here = Path.cwd()
    with pytest.MonkeyPatch.context() as patch, one_thread():
        patch.chdir(folder)
        _invoke(["quantize", "model.safetensors", "-o", "small"])
        _invoke(
            ["flow", "--model", "./my_models.py:build", "--out", "fmq-flow-digits", *SMALLER["flow"].split()]
        )
    assert Path.cwd() == here
    return folder


def _write_dit(folder: Path) -> None:
    """A small transformer as diffusers saves it."""
    diffusers: Any = importlib.import_module("diffusers")
    diffusers.DiTTransformer2DModel(
        num_attention_heads=2, attention_head_dim=16, in_channels=4, out_channels=4, num_layers=1,
        sample_size=8, patch_size=2, num_embeds_ada_norm=10,
    ).save_pretrained(folder)  # fmt: skip


def _write_quantized_by_others(state: dict[str, torch.Tensor], folder: Path) -> None:
    """The same weights in fp8 with a scale, and as GGUF where its package is there."""
    scales = {name: value.abs().max() / 448 for name, value in state.items()}
    fp8 = {name: (value / scales[name]).to(torch.float8_e4m3fn) for name, value in state.items()}
    (folder / "unet-fp8").mkdir()
    for path in (folder / "fp8.safetensors", folder / "unet-fp8" / "diffusion_pytorch_model.safetensors"):
        safetensors.torch.save_file({**fp8, **{f"{k}_scale": v for k, v in scales.items()}}, path)
    if not HAS_GGUF:
        return
    gguf = importlib.import_module("gguf")
    writer = gguf.GGUFWriter(folder / "model-Q4_0.gguf", "unet")
    for name, value in state.items():
        kind = gguf.GGMLQuantizationType["F16" if value.shape[-1] % 32 else "Q4_0"]
        writer.add_tensor(name, gguf.quants.quantize(value.numpy(), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(autouse=True)
def _in_a_copy(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with one_thread():
        yield
    for name in [name for name in sys.modules if name == "my" or name.startswith(("my.", "fmq_model_"))]:
        del sys.modules[name]


def _marks(example: Example) -> list[pytest.MarkDecorator]:
    if str(example).endswith(".gguf") or "--format gguf" in str(example):
        return [pytest.mark.skipif(not HAS_GGUF, reason="needs gguf")]
    if "--format onnx" in str(example):
        return [pytest.mark.skipif(not HAS_ONNX, reason="needs onnx")]
    if re.search("--format (sdnq|bnb-nf4)", str(example)):
        return [pytest.mark.skipif(not HAS_DIFFUSERS, reason="needs diffusers")]
    return [pytest.mark.deep] if str(example).startswith(SLOW) else []


def _params() -> list[object]:
    return [pytest.param(e, id=str(e), marks=_marks(e)) for e in EXAMPLES]


def _smaller(example: Example) -> list[str]:
    words = list(example.words[1:])
    if example.command == "flow":
        if "model.pt" in words:
            words[words.index("model.pt")] = "flow.pt"
        return words + SMALLER["flow velocity" if "velocity" in words else "flow"].split()
    if example.command == "quantize":
        shutil.rmtree("small")  # the output of each
    for start, more in SMALLER.items():
        if " ".join(words).startswith(start):
            return words + more.split()
    return words


def test_every_command_has_an_example() -> None:
    assert {example.command for example in EXAMPLES} == set(main.commands)


@pytest.mark.parametrize("example", _params())
def test_an_example_of_the_help_runs_and_so_does_what_it_suggests(example: Example) -> None:
    words = _smaller(example)
    result = CliRunner().invoke(main, words)
    # A table that a tolerance refuses is an answer, not an error.
    assert result.exit_code in ((0, 1) if "--tolerance" in words else (0,)), result.output
    for line in result.output.splitlines():
        if line.startswith(("Next: ", "  or: ")):
            _follow(line[6:])


def _follow(text: str) -> None:
    """Runs what a line suggests: commands up to the words about them, and calls in Python."""
    for call in re.findall(r"(?:fmq_theory|safetensors)(?:\.\w+)+\([^)]*\)", text):
        model = torch.nn.ParameterDict({"unused": torch.ones(1)})
        names = {"fmq_theory": fmq_theory, "safetensors": safetensors, "model": model}
        if "load_packed" in call:
            assert callable(eval(call.partition("(")[0], names))
        else:
            assert eval(call, names)
    for command in re.findall(r"fmq ((?:quantize|claims|dequantize|audit) [^;]*)", text):
        # The sentence goes on behind the command.
        line = re.split(r"  | judges | makes | looks ", command)[0]
        words = shlex.split(line.replace("OUT", "out").replace("CHECKPOINT", "model.pt"))
        if words[0] == "claims":
            assert Path(words[words.index("--fidelity") + 1]).is_file()  # its own examples run it
            continue
        shutil.rmtree("out", ignore_errors=True)
        _invoke(words)
