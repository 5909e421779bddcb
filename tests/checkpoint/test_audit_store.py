"""Finished tensors on disk: what a kill leaves, and when they are not taken."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fmq_theory.checkpoint.audit import audit
from fmq_theory.checkpoint.audit_result import Audit
from fmq_theory.errors import OutputError

FAST = {"schemes": ("uniform", "equal_mass"), "bits": (2, 4)}


def _model(path: Path, tensors: int = 5, shape: tuple[int, int] = (4, 50)) -> Path:
    rng = np.random.default_rng(0)
    save_file(
        {f"w{i}": torch.from_numpy(rng.normal(size=shape).astype(np.float32)) for i in range(tensors)}, path
    )
    return path


def _without_seconds(found: Audit) -> dict[str, object]:
    told = found.as_json()
    for tensor in told["tensors"]:
        del tensor["seconds"]
    return told


def _run(path: Path, store: Path, **other: object) -> Audit:
    return audit(path, **{**FAST, **other}, resume=store)  # pyright: ignore[reportArgumentType]


def test_a_second_run_measures_nothing(tmp_path: Path) -> None:
    path, store = _model(tmp_path / "m.safetensors"), tmp_path / "s.jsonl"
    first = _run(path, store)
    assert first.reused == 0
    told: list[str] = []
    second = _run(path, store, progress=lambda _d, _t, what: told.append(what))
    assert second.reused == 5
    assert set(told) == {""}
    assert second.as_json() == first.as_json()  # the seconds too


def test_what_a_kill_may_leave(tmp_path: Path) -> None:
    path, store = _model(tmp_path / "m.safetensors"), tmp_path / "s.jsonl"
    whole = _run(path, store)
    content = store.read_bytes()
    lines = content.splitlines(keepends=True)
    for cut in (0, 1, 10, len(lines[0]) - 1, len(lines[0]), len(lines[0]) + 7, len(content) - 1):
        store.write_bytes(content[:cut])
        found = _run(path, store)
        ends = [sum(map(len, lines[: i + 1])) - 1 for i in range(len(lines))]  # without the newline
        assert found.reused == sum(end <= cut for end in ends), cut
        assert _without_seconds(found) == _without_seconds(whole)
        assert _run(path, store).reused == 5
    # Damage in the middle costs that tensor alone.
    store.write_bytes(lines[0] + b"\xff\x00{" + lines[1] + b"".join(lines[2:]))
    assert _run(path, store).reused == 4


def test_other_settings_and_other_files_are_not_mixed_up(tmp_path: Path) -> None:
    path, store = _model(tmp_path / "m.safetensors"), tmp_path / "s.jsonl"
    first = _run(path, store)
    assert _run(path, store, bits=(2, 3)).reused == 0
    assert _run(path, store, granularity="tensor").reused == 0
    assert _run(path, store).reused == 5  # those of before are still there
    time.sleep(0.01)
    _model(path)
    os.utime(path)
    again = _run(path, store)
    assert again.reused == 0
    assert _without_seconds(again) == _without_seconds(first)


def test_patterns_share_what_is_finished(tmp_path: Path) -> None:
    path, store = _model(tmp_path / "m.safetensors"), tmp_path / "s.jsonl"
    assert _run(path, store, include=("w1", "w2")).reused == 0
    assert _run(path, store).reused == 2


def test_a_file_of_something_else_is_refused_and_kept(tmp_path: Path) -> None:
    path, store = _model(tmp_path / "m.safetensors"), tmp_path / "notes.txt"
    store.write_text("dear diary\nsecond line\n")
    with pytest.raises(OutputError, match="something else"):
        _run(path, store)
    assert store.read_text() == "dear diary\nsecond line\n"
    with pytest.raises(OutputError):
        _run(path, tmp_path)  # a folder


@pytest.mark.slow
def test_twenty_kills(tmp_path: Path) -> None:
    """At random moments: no output that is not whole, and nothing finished is measured again."""
    path = _model(tmp_path / "m.safetensors", tensors=60, shape=(64, 512))
    command = [
        *(
            sys.executable,
            "-c",
            "from fmq_theory.cli.main import main; main()",
            "audit",
            str(path),
            "--resume",
        ),
        *("--schemes", "uniform,uniform_clipped,lloyd_max", "--bits", "2-6", "--json", "a.json", "--force"),
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    store, output = tmp_path / "fmq-audit-m.jsonl", tmp_path / "a.json"

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    chance = random.Random(3)
    before: list[str] = []
    kills = 0
    for _ in range(20):
        process = start()
        # From the start of the interpreter until after the last tensor.
        deadline = time.monotonic() + chance.uniform(0.3, 6.0)
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
        if output.exists():
            json.loads(output.read_text("utf-8"))  # whole, or not there
        finished = _finished(store)
        assert finished[: len(before)] == before, "a finished tensor was lost"
        assert len(finished) == len(set(finished)), "a finished tensor was measured again"
        before = finished
        assert [p.name for p in tmp_path.glob(".a-*")] == [] or kills
    process = start()
    _, said = process.communicate()
    assert process.returncode == 0, said.decode()
    assert len(_finished(store)) == len(set(_finished(store))) == 60
    report = json.loads(output.read_text("utf-8"))
    undisturbed = audit(path, schemes=("uniform", "uniform_clipped", "lloyd_max"), bits=range(2, 7))
    assert [t["cells"] for t in report["tensors"]] == [
        t["cells"] for t in json.loads(json.dumps(undisturbed.as_json()))["tensors"]
    ]
    assert kills >= 5


def _finished(store: Path) -> list[str]:
    """Names in the order in which they were finished; the line that a kill cut off does not count."""
    names: list[str] = []
    for line in store.read_text("utf-8").splitlines() if store.exists() else []:
        try:
            names.append(json.loads(line)["tensor"]["name"])
        except ValueError:
            continue
    return names
