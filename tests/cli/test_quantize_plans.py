"""What ``fmq quantize`` says of a plan: proven, or in plain words that it is not."""

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from fmq_theory.cli.main import main
from tests.corpus.json_mutations import mutations

PROVEN, NOT_PROVEN = "above the least possible at this size", "is not proven here"


@pytest.fixture(autouse=True)
def _in_a_folder_with_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for seed, name in ((0, "m.safetensors"), (1, "other.safetensors")):
        g = torch.Generator().manual_seed(seed)
        save_file(
            {f"{n}.weight": torch.randn(16, 64, generator=g) for n in ("conv_in", "middle", "conv_out")}, name
        )
    done("m.safetensors", "--budget", "4.5", "--plan-only", "-o", "plan.json")


def done(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["quantize", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_plan_as_it_was_made_is_proven() -> None:
    assert PROVEN in done("m.safetensors", "-o", "a", "--plan", "plan.json")
    assert PROVEN in done("m.safetensors", "-o", "b", "--budget", "4.5")


def test_an_edited_plan_is_used_and_proves_nothing() -> None:
    body = json.loads(Path("plan.json").read_text())
    for tensor in body["tensors"]:
        tensor.update(scheme="lloyd_max", bits=1, granularity="tensor", group_size=None)
    Path("edited.json").write_text(json.dumps(body))
    said = done("m.safetensors", "-o", "a", "--plan", "edited.json")
    assert PROVEN not in said
    assert NOT_PROVEN in said
    assert "best single choice" not in said


def test_a_plan_for_other_weights_proves_nothing() -> None:
    said = done("other.safetensors", "-o", "a", "--plan", "plan.json")
    assert PROVEN not in said
    assert NOT_PROVEN in said
    assert "within" not in done("other.safetensors", "-o", "p.json", "--plan", "plan.json", "--plan-only")


@pytest.mark.deep
def test_a_plan_that_is_refused_leaves_no_file() -> None:
    document = json.loads(Path("plan.json").read_text())
    named = ("config", "best_single", "objective")
    tried = 0
    for number, (what, data) in enumerate(mutations(document)):
        if not any(word in what for word in named) or number % 3:
            continue
        tried += 1
        Path("mutated.json").write_bytes(data)
        out = f"out{number}"
        result = CliRunner().invoke(main, ["quantize", "m.safetensors", "-o", out, "--plan", "mutated.json"])
        assert result.exit_code in (0, 2), (what, result.output, result.exception)
        assert Path(out).exists() == (result.exit_code == 0), what
        assert result.exit_code == 2 or NOT_PROVEN in result.output, what
    assert tried > 50


def test_the_end_layers_are_named_and_sensitivities_advised() -> None:
    said = done("m.safetensors", "-o", "a", "--budget", "4.9")
    assert "first and last layer (conv_in.weight and conv_out.weight): 4 bits at least" in said
    assert "--sensitivities" in said
    free = done("m.safetensors", "-o", "b", "--budget", "4.9", "--end-bits", "0")
    assert "at least" not in free
    Path("s.json").write_text('{"middle.weight": 2}')
    weighed = done("m.safetensors", "-o", "c", "--budget", "4.9", "--sensitivities", "s.json")
    assert "first and last" not in weighed
    assert "fmq flow" not in weighed
    result = CliRunner().invoke(main, ["quantize", "m.safetensors", "-o", "d", "--end-bits", "3"])
    assert result.exit_code == 2
    assert "--end-bits has no meaning without --budget" in result.output
