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
from fmq_theory.checkpoint.audit.result import Audit
from fmq_theory.checkpoint.io.tensors import weights_digest
from fmq_theory.errors import OutputError
from tests.checkpoint.audit.made import normal_model, without_seconds

FAST = {"schemes": ("uniform", "equal_mass"), "bits": (2, 4)}


def _run(path: Path, store: Path, **other: object) -> Audit:
    return audit(path, **{**FAST, **other}, resume=store)  # pyright: ignore[reportArgumentType]


def test_a_second_run_measures_nothing(tmp_path: Path) -> None:
    path, store = normal_model(tmp_path / "m.safetensors"), tmp_path / "s.jsonl"
    first = _run(path, store)
    assert first.reused == 0
    told: list[str] = []
    second = _run(path, store, progress=lambda _d, _t, what: told.append(what))
    assert second.reused == 5
    assert set(told) == {""}
    assert second.as_json() == first.as_json()  # the seconds too


def test_what_a_kill_may_leave(tmp_path: Path) -> None:
    path, store = normal_model(tmp_path / "m.safetensors"), tmp_path / "s.jsonl"
    whole = _run(path, store)
    content = store.read_bytes()
    lines = content.splitlines(keepends=True)
    for cut in (0, 1, 10, len(lines[0]) - 1, len(lines[0]), len(lines[0]) + 7, len(content) - 1):
        store.write_bytes(content[:cut])
        found = _run(path, store)
        ends = [sum(map(len, lines[: i + 1])) - 1 for i in range(len(lines))]  # without the newline
        assert found.reused == sum(end <= cut for end in ends), cut
        assert without_seconds(found) == without_seconds(whole)
        assert _run(path, store).reused == 5
    # Damage in the middle costs that tensor alone.
    store.write_bytes(lines[0] + b"\xff\x00{" + lines[1] + b"".join(lines[2:]))
    assert _run(path, store).reused == 4


def test_other_settings_and_other_files_are_not_mixed_up(tmp_path: Path) -> None:
    path, store = normal_model(tmp_path / "m.safetensors"), tmp_path / "s.jsonl"
    first = _run(path, store)
    assert _run(path, store, bits=(2, 3)).reused == 0
    assert _run(path, store, granularity="tensor").reused == 0
    assert _run(path, store).reused == 5  # those of before are still there
    normal_model(path)  # the same weights, written again
    again = _run(path, store)
    assert again.reused == 5
    assert without_seconds(again) == without_seconds(first)


def test_patterns_share_what_is_finished(tmp_path: Path) -> None:
    path, store = normal_model(tmp_path / "m.safetensors"), tmp_path / "s.jsonl"
    assert _run(path, store, include=("w1", "w2")).reused == 0
    assert _run(path, store).reused == 2


def test_a_file_of_something_else_is_refused_and_kept(tmp_path: Path) -> None:
    path, store = normal_model(tmp_path / "m.safetensors"), tmp_path / "notes.txt"
    store.write_text("dear diary\nsecond line\n")
    with pytest.raises(OutputError, match="something else"):
        _run(path, store)
    assert store.read_text() == "dear diary\nsecond line\n"
    with pytest.raises(OutputError):
        _run(path, tmp_path)  # a folder


@pytest.mark.deep
def test_twenty_kills(tmp_path: Path) -> None:
    """At random moments: no output that is not whole, and nothing finished is measured again."""
    path = normal_model(tmp_path / "m.safetensors", tensors=60, shape=(64, 512))
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
            names.append(json.loads(line)["record"]["tensor"]["name"])
        except ValueError:
            continue
    return names


# --- what is taken for the same -------------------------------------------------------------------


def _scaled(path: Path, factor: float) -> Path:
    """The same names, types, shapes, so the same size; and the time of change that archives give."""
    rng = np.random.default_rng(7)
    tensors = {f"w{i}": torch.from_numpy(rng.normal(size=(4, 50)).astype(np.float32)) for i in range(3)}
    save_file({name: tensor * factor for name, tensor in tensors.items()}, path)
    os.utime(path, ns=(10**9, 10**9))
    return path


def test_another_model_of_the_same_name_size_and_time(tmp_path: Path) -> None:
    path, store = _scaled(tmp_path / "m.safetensors", 1.0), tmp_path / "s.jsonl"
    first, state = _run(path, store), path.stat()
    _scaled(path, 300.0)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (state.st_size, state.st_mtime_ns)
    second = _run(path, store)
    assert second.reused == 0
    assert without_seconds(second) == without_seconds(audit(path, **FAST))  # pyright: ignore[reportArgumentType]
    assert second.totals.cells[0].mse == pytest.approx(300.0**2 * first.totals.cells[0].mse, rel=1e-4)
    # Control: the first model again, in another folder, finds its own.
    (tmp_path / "elsewhere").mkdir()
    again = _run(_scaled(tmp_path / "elsewhere" / "m.safetensors", 1.0), store)
    assert again.reused == 3
    assert [tensor.cells for tensor in again.tensors] == [tensor.cells for tensor in first.tensors]


def test_one_changed_weight_is_one_tensor_to_measure(tmp_path: Path) -> None:
    path, store = _scaled(tmp_path / "m.safetensors", 1.0), tmp_path / "s.jsonl"
    _run(path, store)
    with path.open("r+b") as file:
        file.seek(-2, os.SEEK_END)
        byte = file.read(1)[0]
        file.seek(-2, os.SEEK_END)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(10**9, 10**9))
    found = _run(path, store)
    assert found.reused == 2
    assert without_seconds(found) == without_seconds(audit(path, **FAST))  # pyright: ignore[reportArgumentType]


def test_the_same_bytes_of_another_type_or_shape_are_other_weights() -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    digests = {
        weights_digest(array, "torch.float32"),
        weights_digest(array, "torch.bfloat16"),
        weights_digest(array.reshape(4, 3), "torch.float32"),
        weights_digest(array.view(np.float64), "torch.float32"),
        weights_digest(-array, "torch.float32"),
    }
    assert len(digests) == 5
    # Control: what the numbers lie in does not count.
    wide = np.zeros((3, 8), np.float32)
    wide[:, ::2] = array
    assert weights_digest(wide[:, ::2], "torch.float32") == weights_digest(array, "torch.float32")
    assert weights_digest(np.asfortranarray(array), "torch.float32") == weights_digest(array, "torch.float32")


def test_a_damaged_or_edited_entry_is_measured_again(tmp_path: Path) -> None:
    path, store = normal_model(tmp_path / "m.safetensors", tensors=2), tmp_path / "s.jsonl"
    whole = _run(path, store)
    line = store.read_text().splitlines()[0]
    values = json.loads(line)
    edits: list[str] = [
        line.replace('"sse": ', '"sse": 1', 1),
        line.replace('"w0"', '"w1"'),  # one tensor's numbers under the name of another
        line.replace('"check": "', '"check": "0', 1),
        json.dumps({"key": values["key"], "tensor": values["record"]["tensor"]}),
        json.dumps({**values, "record": {}}),
        json.dumps({**values, "record": [values["record"]]}),
        json.dumps([values]),
        "[" * 100_000,
    ]
    for edit in edits:
        assert edit != line
        store.write_text(line[:9] + "\n" + edit + "\n")
        found = _run(path, store)
        assert (found.reused, without_seconds(found)) == (0, without_seconds(whole)), edit[:80]
    store.write_text(line[:9] + "\n" + line + "\n")  # control: unedited
    assert _run(path, store).reused == 1


def test_stores_of_other_versions_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, store = normal_model(tmp_path / "m.safetensors", tensors=2), tmp_path / "s.jsonl"
    store.write_text('{"key": "0123456789abcdef", "tensor": {"name": "w0", "seconds": 0.1}}\n')
    assert _run(path, store).reused == 0
    assert _run(path, store).reused == 2
    monkeypatch.setattr("fmq_theory.__version__", "99.0")
    assert _run(path, store).reused == 0


def test_a_store_that_is_no_file(tmp_path: Path) -> None:
    path = normal_model(tmp_path / "m.safetensors", tensors=1)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="something else"):
        _run(path, tmp_path / "pipe")


def test_workers_keep_what_they_measured(tmp_path: Path) -> None:
    path, store = _scaled(tmp_path / "m.safetensors", 1.0), tmp_path / "s.jsonl"
    assert _run(path, store, jobs=2).reused == 0
    assert _run(path, store).reused == 3
    _scaled(path, 2.0)
    assert _run(path, store, jobs=2).reused == 0
