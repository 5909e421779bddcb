"""A command opens a checkpoint, reads its header and sorts its tensors once."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from fmq_theory.checkpoint.io import container, file_bytes, naming
from fmq_theory.cli.main import main

WORDS = (
    ("quantize", "--bits", "2"),
    ("quantize", "--bits", "2", "--on-nonfinite", "skip"),
    ("quantize", "--budget", "9"),
    ("quantize", "--budget", "9", "--on-nonfinite", "skip"),
    ("quantize", "--plan", "plan.json"),
    ("quantize", "--plan-only", "--bits", "2"),
    ("quantize", "--plan-only", "--budget", "9"),
    ("audit", "--bits", "2"),
    ("audit", "--bits", "2", "--resume"),
    ("audit", "--bits", "2", "--resume", "--include", "a*"),
)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often what is called, by what it is done to."""
    found: Counter[str] = Counter()
    opened, header, sorted_out = file_bytes.FileBytes.__init__, container._header, naming._classified

    def open_file(self: file_bytes.FileBytes, path: Path) -> None:
        found[f"open {path.name}"] += 1
        opened(self, path)

    def read_header(path: Path, file: file_bytes.FileBytes) -> object:
        found[f"header {path.name}"] += 1
        return header(path, file)

    def classify(*args: object) -> object:
        found["classify"] += 1
        return sorted_out(*args)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(file_bytes.FileBytes, "__init__", open_file)
    monkeypatch.setattr(container, "_header", read_header)
    monkeypatch.setattr(naming, "_classified", classify)
    return found


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A current folder with a checkpoint in two formats, a plan and a quantized file."""
    monkeypatch.chdir(tmp_path)
    generator = torch.Generator().manual_seed(0)
    state = {name: torch.randn(8, 64, generator=generator) for name in ("a.weight", "b.weight", "c.weight")}
    save_file(state, "m.safetensors")
    torch.save(state, "m.pt")
    _run("quantize", "m.safetensors", "-o", "plan.json", "--plan-only", "--bits", "3")
    _run("quantize", "m.safetensors", "-o", "q.safetensors", "--bits", "3")


def _run(*words: str) -> None:
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.usefixtures("here")
def test_a_checkpoint_is_opened_and_sorted_once(
    words: tuple[str, ...], suffix: str, counted: Counter[str]
) -> None:
    command, *options = words
    out = ("-o", "out.json" if "--plan-only" in words else "out.safetensors") if command == "quantize" else ()
    for _ in range(2 if "--resume" in words else 1):  # the second time finished tensors are taken over
        counted.clear()
        _run(command, f"m{suffix}", *out, *options)
        wanted = {f"open m{suffix}": 1, "classify": 1}
        wanted |= {"header m.safetensors": 1} if suffix == ".safetensors" else {}
        assert {key: counted[key] for key in wanted} == wanted


@pytest.mark.parametrize(
    "words",
    [
        ("audit", "q.safetensors"),
        ("dequantize", "q.safetensors", "-o", "plain.safetensors"),
        ("export", "q.safetensors", "-o", "folder"),
        ("compare", "m.safetensors", "q.safetensors"),
    ],
    ids=lambda words: words[0],
)
@pytest.mark.usefixtures("here")
def test_a_quantized_checkpoint_is_opened_once(words: tuple[str, ...], counted: Counter[str]) -> None:
    _run(*words)
    assert (counted["open q.safetensors"], counted["header q.safetensors"]) == (1, 1)
