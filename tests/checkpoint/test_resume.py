"""Going on with a run that was stopped."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fmq_theory.checkpoint import load
from fmq_theory.checkpoint.work_folder import WorkFolder
from fmq_theory.errors import OutputError
from fmq_theory.quantizers import quantize
from tests.checkpoint.mixed_checkpoint import mixed_checkpoint, recipe
from tests.checkpoint.mixed_checkpoint import written as write


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
    damaged = sorted(work.path.glob("*.safetensors"))[0]
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\xff\xff")
    state["w1"] = state["w1"] + 1.0  # the input changed
    save_file(state, path)
    plan[2] = recipe("w2", bits=5)  # so did the plan
    written = write(path, tmp_path / "out", *plan, resume=True)
    assert written.reused in (1, 2)  # one of the four may be the damaged one
    assert not work.path.exists()
    for i, planned in enumerate(plan):
        wanted = quantize(state[f"w{i}"], bits=planned.bits).dequantize()
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
