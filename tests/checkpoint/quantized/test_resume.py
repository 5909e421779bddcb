"""Going on with a run that was stopped."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fmq_theory.checkpoint import load
from fmq_theory.checkpoint.io.container import open_container
from fmq_theory.checkpoint.io.packed.index import CODEBOOK
from fmq_theory.checkpoint.quantized.recipe import Recipe
from fmq_theory.checkpoint.quantized.work_folder import WorkFolder
from fmq_theory.errors import OutputError
from fmq_theory.quantizers import quantize
from tests.checkpoint.quantized.mixed_checkpoint import mixed_checkpoint, recipe
from tests.checkpoint.quantized.mixed_checkpoint import written as write


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return mixed_checkpoint(tmp_path)


class _StopError(Exception):
    pass


def _stop_at(share: float) -> Callable[[float, str], None]:
    def progress(done: float, _what: str) -> None:
        if done >= share:
            raise _StopError

    return progress


def test_a_stopped_run_goes_on_and_takes_over_only_what_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    state = {f"w{i}": torch.randn(8, 100, generator=torch.Generator().manual_seed(i)) for i in range(6)}
    save_file(state, path)
    plan = [recipe(f"w{i}") for i in range(6)]
    with pytest.raises(_StopError):
        write(path, tmp_path / "out", *plan, progress=_stop_at(0.5))
    assert not (tmp_path / "out").exists()
    work = WorkFolder(tmp_path / "out")
    assert len(work) == 4
    first = quantize(state["w0"], bits=plan[0].choice.bits).codebooks
    parts = {file: open_container(file).bytes_of(CODEBOOK).tobytes() for file in work.path.iterdir()
             if file.suffix == ".safetensors"}  # fmt: skip
    (damaged,) = (file for file, codebook in parts.items() if codebook == first.astype("f4").tobytes())
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\xff\xff")
    state["w1"] = state["w1"] + 1.0  # the input changed
    save_file(state, path)
    plan[2] = recipe("w2", bits=5)  # so did the plan
    written = write(path, tmp_path / "out", *plan, resume=True)
    assert written.reused == 1  # w3: w0 is damaged, w1 changed, w2 is planned anew
    assert not work.path.exists()
    for i, planned in enumerate(plan):
        wanted = quantize(state[f"w{i}"], bits=planned.choice.bits).dequantize()
        assert np.array_equal(load(tmp_path / "out")[f"w{i}"].numpy(), wanted)


def test_without_resume_nothing_is_taken_over(tmp_path: Path, checkpoint: Path) -> None:
    """Negative control of the test above."""
    plan = [recipe(), recipe("half.weight"), recipe("double.weight")]
    with pytest.raises(_StopError):
        write(checkpoint, tmp_path / "out", *plan, progress=_stop_at(0.5))
    assert len(WorkFolder(tmp_path / "out")) > 0
    assert write(checkpoint, tmp_path / "out", *plan).reused == 0


def test_two_runs_do_not_write_one_output_at_a_time(tmp_path: Path, checkpoint: Path) -> None:
    work = WorkFolder(tmp_path / "out")
    with (
        pytest.raises(OutputError, match="another run is writing it"),
        work.opened(resume=False),
    ):
        write(checkpoint, tmp_path / "out", recipe())
    assert not work.path.exists()
    write(checkpoint, tmp_path / "out", recipe())  # control: now it may


def test_the_same_input_gives_the_same_file(tmp_path: Path, checkpoint: Path) -> None:
    for threads in (1, 3):
        write(checkpoint, tmp_path / f"{threads}.safetensors", recipe(), threads=threads)
    assert (tmp_path / "1.safetensors").read_bytes() == (tmp_path / "3.safetensors").read_bytes()


def _stopped(folder: Path) -> tuple[Path, list[Recipe], list[Path]]:
    """A run that was stopped after three tensors of the same size."""
    path = folder / "m.safetensors"
    save_file(
        {f"w{i}": torch.randn(8, 100, generator=torch.Generator().manual_seed(i)) for i in range(4)}, path
    )
    plan = [recipe(f"w{i}") for i in range(4)]
    with pytest.raises(_StopError):
        write(path, folder / "out", *plan, progress=_stop_at(0.7))
    parts = sorted(WorkFolder(folder / "out").path.glob("*.safetensors"))
    assert len(parts) == 3
    return path, plan, parts


@pytest.mark.parametrize("what", ["swapped", "one for all", "a bit", "cut", "empty", "a link", "nothing"])
def test_parts_that_are_not_what_they_were_are_made_again(tmp_path: Path, what: str) -> None:
    path, plan, parts = _stopped(tmp_path)
    if what == "swapped":
        first, second = parts[0].read_bytes(), parts[1].read_bytes()
        parts[0].write_bytes(second)
        parts[1].write_bytes(first)
    elif what == "one for all":
        for part in parts[1:]:
            part.write_bytes(parts[0].read_bytes())
    elif what in ("a bit", "cut", "empty"):
        for i, part in enumerate(parts):
            data = bytearray(part.read_bytes())
            data[(i + 1) * len(data) // 4] ^= 16
            part.write_bytes({"a bit": data, "cut": data[:-9], "empty": b""}[what])
    elif what == "a link":
        for part in parts:
            part.rename(tmp_path / part.name)
            part.symlink_to(tmp_path / part.name)
    written = write(path, tmp_path / "out", *plan, resume=True)
    assert written.reused == {"swapped": 1, "one for all": 1, "nothing": 3}.get(what, 0)
    write(path, tmp_path / "right", *plan)
    found = (tmp_path / "out" / "model.safetensors").read_bytes()
    assert found == (tmp_path / "right" / "model.safetensors").read_bytes()


def test_tensors_that_are_alike_are_not_taken_over_from_a_run_before(tmp_path: Path) -> None:
    """There was none."""
    save_file({"a": torch.ones(4, 50).tril(), "b": torch.ones(4, 50).tril()}, tmp_path / "m.safetensors")
    plan = [recipe("a"), recipe("b")]
    assert write(tmp_path / "m.safetensors", tmp_path / "out", *plan).reused == 0
    assert write(tmp_path / "m.safetensors", tmp_path / "two", *plan, resume=True).reused == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks")
@pytest.mark.parametrize("count", [10, pytest.param(200, marks=pytest.mark.deep)])
def test_kills_at_random_moments_change_nothing(count: int) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "tests.corpus.kills", "0"]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = [json.loads(process.stdout.readline()) for _ in range(count)]
        process.terminate()
    assert not any(one["different"] or one["stray"] for one in found)
    assert count < 100 or any(one["reused"] for one in found)  # control: some kill hit a run in the middle
