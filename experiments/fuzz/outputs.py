"""Outputs under every name by which an input, a device or a foreign file may be meant."""

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from experiments.fuzz.trial import Campaign, Trial, WrongAnswerError
from fmq_theory.errors import OutputError

__all__ = ["OUTPUTS"]

_INPUT, _PLAIN, _ELSEWHERE = "model.safetensors", "out.safetensors", "elsewhere.safetensors"


def _link(folder: Path, target: str, name: str = "link.safetensors") -> Path:
    (folder / name).symlink_to(target)
    return folder / name


def _hard_link(folder: Path) -> Path:
    os.link(folder / _INPUT, folder / "second.safetensors")
    return folder / "second.safetensors"


def _chain(folder: Path) -> Path:
    _link(folder, _INPUT, "one.safetensors")
    return _link(folder, "one.safetensors")


def _through_a_folder(folder: Path) -> Path:
    _link(folder, ".", "here")
    return folder / "here" / _INPUT


def _descriptor(path: Path) -> Path:
    """A file that the command finds open; ``_written`` closes it."""
    return Path(f"/proc/self/fd/{os.open(path, os.O_RDWR)}")


_THEIRS = "theirs/file.safetensors"
_NAMES: dict[str, Callable[[Path], Path]] = {
    "the input": lambda folder: folder / _INPUT,
    "the input by ..": lambda folder: folder / "empty" / ".." / _INPUT,
    "the input by two slashes": lambda folder: Path(f"/{folder}//{_INPUT}"),
    "the input from here": lambda folder: Path(os.path.relpath(folder / _INPUT)),
    "a link to the input": lambda folder: _link(folder, _INPUT),
    "links to the input": _chain,
    "a hard link to the input": _hard_link,
    "the input through a link to its folder": _through_a_folder,
    "the input by /proc/self/cwd": lambda folder: Path("/proc/self/cwd") / os.path.relpath(folder / _INPUT),
    "the folder of the input": lambda folder: folder,
    "other letters": lambda folder: folder / _INPUT.upper(),
    "a new file": lambda folder: folder / _PLAIN,
    "a link to nothing": lambda folder: _link(folder, "empty/new.safetensors"),
    "a link to itself": lambda folder: _link(folder, "link.safetensors"),
    "a link to somebody's folder": lambda folder: _link(folder, "theirs"),
    "a link to somebody's file": lambda folder: _link(folder, _THEIRS),
    "the input, open": lambda folder: _descriptor(folder / _INPUT),
    "somebody's file, open": lambda folder: _descriptor(folder / _THEIRS),
    "a new folder": lambda folder: folder / "new",
    "the folder of the input by ..": lambda folder: folder / "empty" / "..",
    "a link to the folder of the input": lambda folder: _link(folder, ".", "here"),
    "somebody's folder": lambda folder: folder / "theirs",
    "somebody's file": lambda folder: folder / _THEIRS,
    "an empty folder": lambda folder: folder / "empty",
    "a place in a file": lambda folder: folder / _INPUT / "out.safetensors",
    "a folder that is not there": lambda folder: folder / "none" / "out.safetensors",
    "/dev/null": lambda _folder: Path("/dev/null"),
    "/dev/full": lambda _folder: Path("/dev/full"),
    "a name of 300 letters": lambda folder: folder / ("a" * 300),
    "no UTF-8": lambda folder: folder / "a\udcffb.safetensors",
    "controls": lambda folder: folder / "\x1b[2J\n.safetensors",
}
_COMMANDS: dict[str, tuple[str, ...]] = {
    "audit --json": ("audit", "IN", "--schemes", "uniform", "--bits", "2", "--json", "OUT"),
    "audit --csv": ("audit", "IN", "--schemes", "uniform", "--bits", "2", "--csv", "OUT"),
    "audit --html": ("audit", "IN", "--schemes", "uniform", "--bits", "2", "--html", "OUT"),
    "quantize": ("quantize", "IN", "--scheme", "uniform", "--bits", "2", "-o", "OUT"),
    "quantize --json": (
        "quantize", "IN", "--scheme", "uniform", "--bits", "2", "-o", "ELSEWHERE", "--json", "OUT",
    ),
    "dequantize": ("dequantize", "IN", "-o", "OUT"),
    "export": ("export", "IN", "-o", "OUT", "--format", "transformers"),
}  # fmt: skip
# What lies where the work folder of an output would be.
_WORK_FOLDERS = ("none", "theirs", "a link to theirs")


def _trials(_rng: np.random.Generator, folder: Path) -> Iterator[Trial]:
    from fmq_theory.cli.main import main

    packed = folder / "packed.safetensors"
    made = folder / "made"
    _make(made, None, "none")
    words = ["quantize", str(made / _INPUT), "--scheme", "uniform", "--bits", "2", "-o", str(packed)]
    found = CliRunner().invoke(main, words)
    if found.exit_code != 0:
        raise WrongAnswerError(found.output)
    for number, (command, name, work, force) in enumerate(
        product(_COMMANDS, _NAMES, _WORK_FOLDERS, (False, True))
    ):
        own = folder / str(number)
        what = f"{command} {name}{' --force' * force}, work folder: {work}"
        yield Trial(what, partial(_written, own, packed, command, name, work, force))


def _make(folder: Path, packed: Path | None, work: str) -> None:
    folder.mkdir()
    (folder / "empty").mkdir()
    (folder / "theirs").mkdir()
    (folder / _THEIRS).write_bytes(b"somebody's")
    (folder / "theirs" / "made-by-fmq.txt").write_bytes(b"somebody's")
    save_file({"layer.weight": torch.linspace(-1.0, 1.0, 64).reshape(4, 16)}, folder / _INPUT)
    if packed is not None:
        shutil.copy(packed, folder / _INPUT)
    for name in (_PLAIN, _INPUT, "link.safetensors"):
        place = folder / f".{name}.fmq-work"
        if work == "theirs":
            shutil.copytree(folder / "theirs", place)
        elif work != "none":
            place.symlink_to("theirs")


def _state(folder: Path) -> dict[str, tuple[int, bytes | str]]:
    """What each name in a folder is, and holds."""
    found: dict[str, tuple[int, bytes | str]] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        held: bytes | str = ""
        if stat.S_ISLNK(status.st_mode):
            held = str(path.readlink())
        elif stat.S_ISREG(status.st_mode):
            held = path.read_bytes()
        found[str(path.relative_to(folder))] = (status.st_mode, held)
    return found


def _written(folder: Path, packed: Path, command: str, name: str, work: str, force: bool) -> None:
    from fmq_theory.cli.main import main

    _make(folder, packed if command in {"dequantize", "export"} else None, work)
    out = _NAMES[name](folder)
    before = _state(folder)
    places = {"IN": folder / _INPUT, "OUT": out, "ELSEWHERE": folder / _ELSEWHERE}
    words = [str(places.get(word, word)) for word in _COMMANDS[command]]
    if force:
        words.append("--force")
    result = CliRunner().invoke(main, words)
    handed_over = out.parent == Path("/proc/self/fd")
    if handed_over:
        os.close(int(out.name))
    after = _state(folder)
    shutil.rmtree(folder)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    if result.exit_code not in (0, 2):
        raise WrongAnswerError(f"it ends with {result.exit_code}: {result.output[-200:]!a}")
    lost = [one for one, held in before.items() if after.get(one) != held]
    # Who hands over an open file has it written to, as a shell does that redirects.
    asked_for = {_THEIRS} if "somebody's file" in name and (force or handed_over) else set[str]()
    if changed := sorted(set(lost) - asked_for):
        raise WrongAnswerError(f"{changed} is no longer what it was")
    new = after.keys() - before.keys() - ({_ELSEWHERE} if name == "/dev/full" else set())
    if result.exit_code == 2 and new:
        raise WrongAnswerError(f"a refusal leaves {sorted(new)}")
    for device in ("/dev/null", "/dev/full"):
        if not stat.S_ISCHR(Path(device).stat().st_mode):
            raise WrongAnswerError(f"{device} was replaced")
    if result.exit_code == 2:
        raise OutputError("output", "it is refused", "choose another place")


OUTPUTS = Campaign(
    "outputs",
    "the input, devices and what is somebody else's stay as they were, a refusal leaves nothing",
    _trials,
    whole=len(_COMMANDS) * len(_NAMES) * len(_WORK_FOLDERS) * 2,
)
