"""Commands whose files may not grow as far as they must: each output is whole or absent."""

import contextlib
import resource
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from experiments.fuzz.trial import Campaign, Trial, WrongAnswerError
from fmq_theory.errors import OutputError

__all__ = ["LIMITS"]

_INPUT, _PACKED, _OUT = "model.safetensors", "packed.safetensors", "out"
_COMMANDS: dict[str, tuple[str, ...]] = {
    "quantize": ("quantize", "IN", "--scheme", "uniform", "--bits", "4", "-o", "OUT.safetensors"),
    "quantize into a folder": ("quantize", "IN", "--scheme", "lloyd_max", "--bits", "2", "-o", "OUT"),
    "quantize --json": (
        "quantize", "IN", "--scheme", "uniform", "--bits", "2", "-o", "OUT.safetensors", "--json", "OUT.json",
    ),
    "audit": ("audit", "IN", "--schemes", "uniform", "--bits", "2", "--csv", "OUT.csv", "--html", "OUT.html"),
    "audit --resume": ("audit", "IN", "--schemes", "log2", "--bits", "2", "--json", "OUT.json", "--resume"),
    "dequantize": ("dequantize", "PACKED", "-o", "OUT.safetensors"),
    "export": ("export", "PACKED", "-o", "OUT"),
}  # fmt: skip


def _trials(rng: np.random.Generator, folder: Path) -> Iterator[Trial]:
    generator = torch.Generator().manual_seed(0)
    state = {f"{i}.weight": torch.randn(40, 600, generator=generator) for i in range(3)}
    save_file(state, folder / _INPUT)
    words = ["quantize", str(folder / _INPUT), "--scheme", "uniform", "-o", str(folder / _PACKED)]
    _run(words, folder)
    right = {name: _without_limit(folder, name) for name in _COMMANDS}
    while True:
        for name in _COMMANDS:
            largest = max(map(len, right[name].values()))
            # As a share: how many bytes a command writes depends on the times that it says.
            share = float(rng.uniform(0.0, 1.25))
            room = int(share * largest)
            what = f"{name}, files of {share:.4f} of its largest one at most"
            yield Trial(what, partial(_limited, folder, name, right[name], room))


def _run(words: list[str], here: Path) -> tuple[int, str]:
    """In a current folder of its own, where audit keeps what it has measured."""
    from fmq_theory.cli.main import main

    with contextlib.chdir(here):
        found = CliRunner().invoke(main, words)
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.exit_code, found.output


def _words(folder: Path, name: str) -> list[str]:
    places = {"IN": str(folder / _INPUT), "PACKED": str(folder / _PACKED)}
    out = str(folder / "work" / _OUT)
    return [places.get(word, out + word[3:] if word.startswith("OUT") else word) for word in _COMMANDS[name]]


def _outputs(folder: Path) -> dict[str, bytes]:
    """All files that a command has left, but for what changes from run to run."""
    work = folder / "work"
    return {str(path.relative_to(work)): path.read_bytes() for path in work.rglob("*") if path.is_file()}


def _without_limit(folder: Path, name: str) -> dict[str, bytes]:
    (folder / "work").mkdir()
    code, output = _run(_words(folder, name), folder / "work")
    found = _outputs(folder)
    shutil.rmtree(folder / "work")
    if code != 0 or not found:
        raise WrongAnswerError(output)
    return found


def _limited(folder: Path, name: str, right: dict[str, bytes], room: int) -> None:
    (folder / "work").mkdir()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
        code, output = _run(_words(folder, name), folder / "work")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        found = _outputs(folder)
        shutil.rmtree(folder / "work")
    if code not in (0, 2):
        raise WrongAnswerError(f"it ends with {code}: {output[-200:]!a}")
    wholes = {key: content for key, content in found.items() if "fmq-work" not in key}
    if wholes.keys() - right.keys() or (code == 0 and wholes.keys() != right.keys()):
        raise WrongAnswerError(f"exit code {code}, and {sorted(wholes)} are left of {sorted(right)}")
    for key, content in wholes.items():
        if Path(key).suffix == ".safetensors" and content != right[key]:
            raise WrongAnswerError(f"{key} is not that of an undisturbed run")
        if Path(key).suffix != ".jsonl" and abs(len(content) - len(right[key])) > 64:
            raise WrongAnswerError(f"{key} has {len(content)} bytes, not {len(right[key])}")
    if code == 2:
        if "too large" not in output:  # what the system says
            raise WrongAnswerError(f"it does not say what is missing: {output[-300:]!a}")
        raise OutputError("room", "there is too little", "make some")


LIMITS = Campaign(
    "limits",
    "files that may not grow: each output is whole or absent, and the error says what is missing",
    _trials,
    whole=1400,
)
