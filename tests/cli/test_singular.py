"""What is printed of one tensor at one bit: one of a thing is in the singular."""

import re
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from fmq_theory.cli.main import main

_ONE = re.compile(
    r"\b(?<!of )(?<!its )1 (tensor|bit|weight|channel|layer|level|row|sample|cell|draw|number|group)s\b"
)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    generator = torch.Generator().manual_seed(0)
    save_file({"a.weight": torch.randn(8, 512, generator=generator)}, "m.safetensors")
    result = CliRunner().invoke(main, ["quantize", "m.safetensors", "-o", "q.safetensors", "--bits", "1"])
    assert result.exit_code == 0, result.output


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    "words",
    [
        "quantize m.safetensors -o again.safetensors --bits 1 --scheme lloyd_max",
        "quantize m.safetensors -o within.safetensors --budget 4.5",
        "audit m.safetensors --bits 1",
        "bounds --checkpoint m.safetensors --bits 1 --no-plot",
        "bounds --tail gaussian --n 64 --repeats 1 --bits 1 --no-plot",
        "compare m.safetensors q.safetensors",
    ],
)
def test_one_thing_is_in_the_singular(words: str) -> None:
    result = CliRunner().invoke(main, words.split())
    assert result.exit_code == 0, result.output
    assert not _ONE.search(result.output), result.output


def test_control_the_pattern_sees_a_plural() -> None:
    assert _ONE.search("Quantized: 1 tensors, 64 weights (uniform, 1 bits)")
    assert not _ONE.search(
        "does not apply to 1 of 1 tensors; 11 tensors, 0.1 bits a weight".replace("0.1", "2")
    )
