"""What commands print without a table of rich's, help included, is whole, however wide the terminal is."""

from pathlib import Path

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from fmq_theory.cli.main import main

WIDTHS = (60, 80, 100, 120, 140, 160)


def _printed(width: int, *arguments: str) -> str:
    found = CliRunner().invoke(main, arguments, env={"COLUMNS": str(width)})
    assert found.exit_code == 0, found.output
    return found.output


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    names = (
        "conv_in.weight",
        "blocks.0.attention.query_and_key_and_value.projection.weight",
        "conv_out.weight",
    )
    state = {name: torch.from_numpy(rng.standard_normal((32, 64), dtype=np.float32)) for name in names}
    save_file(state | {"norm.scale_of_the_last_layer": torch.ones(8)}, "model.safetensors")
    return "model.safetensors"


@pytest.mark.parametrize(
    "arguments",
    [
        "quantize model.safetensors -o small.safetensors --bits 4 --force",
        "quantize model.safetensors -o small.safetensors --budget 4.5 --force",
        "quantize model.safetensors --budget 4.5 --plan-only -o plan.json --force",
        "codebook --source gaussian --bits 3",
        "codebook --source gaussian --check nf4 --best-scale",
    ],
)
def test_nothing_is_cut_at_any_width(model: str, arguments: str) -> None:
    assert Path(model).is_file()
    words = {width: _printed(width, *arguments.split()).split() for width in WIDTHS}
    assert not any("…" in word for found in words.values() for word in found)
    # The same words at every width: none is cut, and no number has fewer digits.
    assert all(found == words[160] for found in words.values())


def test_help_lists_each_command_with_its_whole_first_sentence() -> None:
    printed = " ".join(_printed(80, "--help").split())
    for name, command in main.commands.items():
        sentence = " ".join((command.help or "").split("\n\n")[0].split())
        assert f"{name} {sentence}" in printed


@pytest.mark.parametrize("name", main.commands)
def test_help_breaks_no_word(name: str) -> None:
    """click folds at spaces, and in the middle of a word that is longer than its column."""
    command = main.commands[name]
    records = [option.get_help_record(click.Context(command)) for option in command.params]
    words = {word for record in records if record is not None for word in record[1].split()}
    assert words <= set(_printed(80, name, "--help").split())
