"""``--json`` without a file: a command prints its JSON and nothing else, the same that a file would hold."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fmq_theory.cli.main import main
from tests.checkpoint.made_tensors import drawn, save

COMMANDS = (
    ("bounds", "--tail", "gaussian", "--n", "2000", "--repeats", "3", "--bits", "2", "--no-plot"),
    ("audit", "original.safetensors", "--schemes", "uniform,lloyd_max", "--bits", "2,3"),
    ("compare", "original.safetensors", "half.safetensors"),
    ("codebook", "--source", "gaussian", "--bits", "1"),
    ("claims", "--only", "C1"),
)


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An original and the same in half precision."""
    monkeypatch.chdir(tmp_path)
    save(tmp_path, "original", {"w": drawn(8, 64)})
    save(tmp_path, "half", {"w": drawn(8, 64).half()})


def _run(*arguments: str) -> str:
    found = CliRunner().invoke(main, arguments)
    assert found.exit_code == 0, found.output
    return found.stdout


def _untimed(value: Any) -> Any:
    """Without what a second run measures anew."""
    if isinstance(value, dict):
        return {key: _untimed(part) for key, part in value.items() if "seconds" not in key}
    return [_untimed(part) for part in value] if isinstance(value, list) else value


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_the_printed_json_is_that_of_the_file(command: tuple[str, ...], tmp_path: Path) -> None:
    printed = _untimed(json.loads(_run(*command, "--json")))
    there = set(tmp_path.iterdir())
    said = _run(*command, "--json", "found.json")
    assert "JSON: found.json" in said
    assert _untimed(json.loads(Path("found.json").read_text("utf-8"))) == printed
    assert set(tmp_path.iterdir()) == {*there, tmp_path / "found.json"}


@pytest.mark.parametrize("command", COMMANDS[1:3], ids=lambda command: command[0])
def test_other_files_are_written_beside_the_printed_json(command: tuple[str, ...]) -> None:
    json.loads(_run(*command, "--json", "-", "--csv", "rows.csv", "--html", "page.html"))
    assert Path("rows.csv").read_text("utf-8").count("\n") > 1
    assert "<html" in Path("page.html").read_text("utf-8")
