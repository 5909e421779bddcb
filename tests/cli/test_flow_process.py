"""Cells of a run from another process, and a run that is resumed with nothing left to do."""

import subprocess
from pathlib import Path

import pytest
import torch

from fmq_theory.cli import flow_process
from fmq_theory.cli.flow_network import Network
from fmq_theory.cli.flow_process import CellProcess, CellQuestion, cell_processes
from fmq_theory.flow import experiment
from fmq_theory.flow.cell import Cell
from fmq_theory.flow.experiment import reference_of
from fmq_theory.flow.fidelity import build_features
from fmq_theory.flow.measure_cell import measure_cell
from fmq_theory.flow.settings import FlowSettings
from fmq_theory.kernels.runtime import threads
from fmq_theory.report.flow import figures
from tests.cli.flow_runs import PICTURES, run
from tests.flow import tiny_models

pytestmark = pytest.mark.usefixtures("in_an_empty_folder", "on_one_torch_thread")

SETTINGS = FlowSettings(samples=4, seeds=2, steps=2)
QUESTION = CellQuestion(Network(None, "tests.flow.tiny_models:pictures", None), SETTINGS, "identity", None)


def _numbers(cell: Cell) -> dict[str, object]:
    return {key: value for key, value in cell.to_json().items() if key != "seconds"}


def test_another_process_measures_the_same_to_the_bit_and_ends_when_it_is_told() -> None:
    torch.save(tiny_models.pictures().module.state_dict(), "net.pt")
    network = QUESTION.network._replace(checkpoint=Path("net.pt"))
    process = CellProcess(QUESTION._replace(network=network))
    try:
        found = [process.measure("uniform", 3), process.measure("lloyd_max", 2)]
        process.stop()
        assert process.measure("uniform", 4) is None
    finally:
        process.close()
    reference = reference_of(network.load()[0], SETTINGS, build_features("identity"), None)
    for cell, task in zip(found, (("uniform", 3), ("lloyd_max", 2)), strict=True):
        assert cell is not None
        assert _numbers(cell) == _numbers(measure_cell(reference, SETTINGS, *task))
    assert _numbers(found[0]) != _numbers(found[1])  # control  # type: ignore[arg-type]


@pytest.mark.parametrize("program", ["/bin/false", "/no/such/program"])
def test_a_process_that_fails_is_done_without(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(threads, "default_threads", lambda: 2)
    monkeypatch.setattr(flow_process, "python_module", lambda *_: ([program], {}))
    with cell_processes(QUESTION, tiny_models.pictures(), 8) as helpers:
        assert len(helpers) == (program == "/bin/false")
        assert all(helper.measure("uniform", 2) is None for helper in helpers)


@pytest.mark.parametrize(("cores", "missing", "started"), [(1, 99, 0), (2, 7, 0), (2, 8, 1), (9, 99, 3)])
def test_processes_are_started_where_they_help(
    monkeypatch: pytest.MonkeyPatch, cores: int, missing: int, started: int
) -> None:
    monkeypatch.setattr(threads, "default_threads", lambda: cores)
    monkeypatch.setattr(flow_process, "python_module", lambda *_: (["/bin/cat"], {}))
    with cell_processes(QUESTION, tiny_models.pictures(), missing) as helpers:
        assert len(helpers) == started
        processes = [helper._process for helper in helpers]
        assert all(process.poll() is None for process in processes)
    assert all(process.returncode is not None for process in processes)


def test_a_large_network_has_no_second_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(threads, "default_threads", lambda: 2)
    monkeypatch.setattr(subprocess, "Popen", refused)
    model = tiny_models.pictures()
    model.module.register_parameter("many", torch.nn.Parameter(torch.zeros(1 << 21)))
    with cell_processes(QUESTION, model, 99) as helpers:
        assert helpers == ()


def test_a_run_that_is_resumed_works_out_nothing_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(*PICTURES, "--out", "out")
    assert first.exit_code == 0, first.output
    before = {path.name: path.read_bytes() for path in Path("out").iterdir()}

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("worked out again")

    monkeypatch.setattr(experiment, "reference_of", refused)
    monkeypatch.setattr(figures, "write_flow_figures", refused)
    again = run(*PICTURES, "--out", "out", "--resume")
    assert again.exit_code == 0, again.output
    assert again.stdout == first.stdout
    after = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    assert {**after, "cells.jsonl": b""} == {**before, "cells.jsonl": b""}
    for name in ("error.svg", "error.png"):  # control: a figure that is gone is drawn
        Path("out", name).unlink()
        assert str(run(*PICTURES, "--out", "out", "--resume").exception) == "worked out again"
        Path("out", name).write_bytes(before[name])


def test_figures_are_drawn_again_where_cells_were_added() -> None:
    assert run(*PICTURES, "--out", "out").exit_code == 0
    before = Path("out/error.svg").read_bytes()
    assert run(*PICTURES, "--out", "out", "--resume", "--bits", "2-4").exit_code == 0
    assert Path("out/error.svg").read_bytes() != before
