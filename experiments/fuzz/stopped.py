"""What stopped runs leave behind, damaged and exchanged: the next run ends as if nothing had been there."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from experiments.fuzz.bytes import damaged
from experiments.fuzz.documents import edits
from experiments.fuzz.trial import Campaign, Trial, WrongAnswerError
from fmq_theory.checkpoint import write_quantized
from fmq_theory.checkpoint.audit import audit
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.recipe import Recipe
from fmq_theory.checkpoint.quantized.work_folder import WorkFolder

__all__ = ["AUDIT_STORES", "KILLS", "PARTS"]

_NAMES = ("first.weight", "middle.weight", "last.weight", "head.weight")


class _StopError(Exception):
    """Ends a run in the middle."""


def _checkpoint(folder: Path, seed: int) -> Path:
    """Checkpoints of all seeds agree in name, size and time of change."""
    folder.mkdir()
    generator = torch.Generator().manual_seed(seed)
    path = folder / "model.safetensors"
    save_file({name: torch.randn(4, 32, generator=generator) for name in _NAMES}, path)
    os.utime(path, (1.0, 1.0))
    return path


def _measured(path: Path, store: Path | None) -> tuple[str, int]:
    """All that is told of the tensors but how long each took, and how many were taken over."""
    found = audit(path, schemes=("uniform", "lloyd_max"), bits=(2,), resume=store)
    return repr([replace(tensor, seconds=0.0) for tensor in found.tensors]), found.reused


def _stores(rng: np.random.Generator, folder: Path) -> Iterator[Trial]:
    ours, others = _checkpoint(folder / "ours", 0), _checkpoint(folder / "others", 1)
    right, stores = _measured(ours, None)[0], list[bytes]()
    for number, path in enumerate((ours, others)):
        _measured(path, folder / f"{number}.jsonl")
        stores.append((folder / f"{number}.jsonl").read_bytes())
    lines = [json.loads(line) for line in stores[0].splitlines()]
    store = folder / "store.jsonl"
    run = partial(_resumed, ours, store, right)
    yield Trial("as written", partial(run, stores[0], 4))
    yield Trial("that of another model", partial(run, stores[1], 0))
    yield Trial("both", partial(run, stores[1] + stores[0], 4))
    for one, other in ((0, 1), (1, 2), (3, 0)):
        swapped = [dict(line) for line in lines]
        swapped[one]["record"], swapped[other]["record"] = lines[other]["record"], lines[one]["record"]
        yield Trial(f"records {one} and {other} exchanged", partial(run, _text(swapped), 2))
    edited = edits(lines[0], rng)
    while True:
        what, made = damaged(stores[0], rng)
        yield Trial(what, partial(run, made, None))
        what, made = next(edited)
        rest = b"".join(stores[0].splitlines(keepends=True)[1:])
        yield Trial(f"first line: {what}", partial(run, made + b"\n" + rest, None))


def _text(lines: Sequence[object]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _resumed(path: Path, store: Path, right: str, content: bytes, reused: int | None) -> None:
    store.write_bytes(content)
    found, taken = _measured(path, store)
    if found != right:
        raise WrongAnswerError("other numbers are told")
    if reused is not None and taken != reused:
        raise WrongAnswerError(f"{taken} tensors are taken over, not {reused}")
    if not store.read_bytes().startswith(content):
        raise WrongAnswerError("what was in the file is lost")


def _parts(rng: np.random.Generator, folder: Path) -> Iterator[Trial]:
    ours, others = _checkpoint(folder / "ours", 0), _checkpoint(folder / "others", 1)
    out = folder / "out.safetensors"
    _write(ours, out)
    right = out.read_bytes()
    out.unlink()
    left, other = (_left_by(path, out) for path in (ours, others))
    run = partial(_finished, ours, out, right)
    yield Trial("as left", partial(run, left, reused=len(_of_ours(left))))
    while True:
        for what, make in _CHANGES.items():
            yield Trial(what, partial(run, make(left, other, rng)))


def _write(path: Path, out: Path, *, stop: bool = False) -> int:
    def progress(done: float, _what: str) -> None:
        if stop and done >= 0.7:
            raise _StopError

    plan = [Recipe(name, Choice("lloyd_max", 3)) for name in _NAMES]
    return write_quantized(
        path, out, plan, threads=1, resume=not stop, overwrite=True, progress=progress
    ).reused


def _left_by(path: Path, out: Path) -> dict[str, bytes]:
    """The files that a run leaves which ends in the middle."""
    try:
        _write(path, out, stop=True)
    except _StopError:
        work = WorkFolder(out).path
        found = {file.name: file.read_bytes() for file in sorted(work.iterdir())}
        shutil.rmtree(work)
        return found
    raise WrongAnswerError("the run was not stopped")


Left = dict[str, bytes]


def _of_ours(left: Left) -> list[str]:
    return [name for name in left if name.endswith(".safetensors")]


def _one_damaged(left: Left, _other: Left, rng: np.random.Generator) -> Left:
    name = _of_ours(left)[rng.integers(len(_of_ours(left)))]
    return left | {name: damaged(left[name], rng)[1]}


def _all_damaged(left: Left, _other: Left, rng: np.random.Generator) -> Left:
    return left | {name: damaged(left[name], rng)[1] for name in _of_ours(left)}


def _exchanged(left: Left, _other: Left, rng: np.random.Generator) -> Left:
    names = _of_ours(left)
    return left | {a: left[b] for a, b in zip(names, rng.permutation(names), strict=True)}


def _of_another(left: Left, other: Left, rng: np.random.Generator) -> Left:
    """Parts of another model under the names of ours."""
    parts = [other[name] for name in _of_ours(other)]
    return left | {name: parts[rng.integers(len(parts))] for name in _of_ours(left)}


def _strangers(left: Left, other: Left, rng: np.random.Generator) -> Left:
    """Besides: files that are not ours, and what looks like ours."""
    names = (
        "notes.txt",
        "model.tmp",
        "f" * 32 + ".safetensors",
        "F" * 32 + ".safetensors",
        "model.safetensors",
    )
    return left | other | {name: damaged(b"somebody's", rng)[1] for name in names}


_CHANGES: dict[str, Callable[[Left, Left, np.random.Generator], Left]] = {
    "one damaged": _one_damaged,
    "all damaged": _all_damaged,
    "exchanged": _exchanged,
    "of another model": _of_another,
    "strangers": _strangers,
}
_NOT_OURS = ("notes.txt", "F" * 32 + ".safetensors", "model.safetensors")


def _finished(path: Path, out: Path, right: bytes, left: Left, reused: int | None = None) -> None:
    work = WorkFolder(out).path
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(mode=0o700)
    for name, content in left.items():
        (work / name).write_bytes(content)
    out.unlink(missing_ok=True)
    taken = _write(path, out)
    if reused is not None and taken != reused:
        raise WrongAnswerError(f"{taken} tensors are taken over, not {reused}")
    if out.read_bytes() != right:
        raise WrongAnswerError("another file than that of an undisturbed run")
    kept = {name for name in _NOT_OURS if name in left}
    found = {file.name for file in work.iterdir() if file.name in _NOT_OURS} if work.exists() else set()
    if found != kept or any((work / name).read_bytes() != left[name] for name in kept):
        raise WrongAnswerError("a file that is not ours was touched")


def _kills(rng: np.random.Generator, _folder: Path) -> Iterator[Trial]:
    """Of a process of their own, since they fork; it tells of one kill a line."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.corpus.kills", str(rng.integers(2**31))]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            number = 0
            while True:
                number += 1
                yield Trial(f"kill {number}", partial(_killed, process))
        finally:
            process.terminate()


def _killed(process: "subprocess.Popen[str]") -> None:
    line = "" if process.stdout is None else process.stdout.readline()
    if not line:
        raise WrongAnswerError("the runs have ended with an error")
    found = json.loads(line)
    if found["different"] or found["stray"]:
        raise WrongAnswerError(line)


_ROOT = Path(__file__).parents[2]

AUDIT_STORES = Campaign(
    "audit stores",
    "fmq audit --resume tells what an undisturbed run tells, and loses nothing of the file",
    _stores,
    whole=2000,
)
PARTS = Campaign(
    "parts of a stopped run",
    "the file of an undisturbed run, to the byte, whatever lies in the work folder; what is not ours stays",
    _parts,
    whole=2000,
)
KILLS = Campaign(
    "kills",
    "after a kill the next run writes the file of an undisturbed one, and nothing else is left",
    _kills,
    whole=200,
)
