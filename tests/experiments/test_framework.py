"""The framework of the experiments: cells once, tables whole, the same numbers whoever computes them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from experiments.figures import rate_distortion
from experiments.framework import command, runner
from experiments.framework.experiment import Experiment, cell_key, rng_of
from experiments.framework.runner import Workers, run_experiment
from experiments.framework.store import CellStore
from experiments.framework.table import Table, TableError, read_table, write_table
from experiments.registry import EXPERIMENTS, ExperimentError, get_experiment
from fmq_theory.errors import OutputError, SourceError

ROOT = Path(__file__).resolve().parents[2]
SMALL = rate_distortion.Config(
    laws=("gaussian", "laplace", "t(3)", "uniform"),
    schemes=("uniform", "equal_mass"),
    bits=(2, 3),
    n=500,
    repeats=2,
)
ALONE = Workers()


def _run(tmp_path: Path, workers: Workers = ALONE, name: str = "a") -> runner.Outcome:
    store = CellStore(tmp_path / f"{name}.sqlite")
    try:
        return run_experiment(rate_distortion.EXPERIMENT, SMALL, store, workers, is_quick=False)
    finally:
        store.close()


def test_every_registered_experiment_is_one() -> None:
    for name in EXPERIMENTS:
        experiment = get_experiment(name)
        assert experiment.name == name
        assert experiment.title
        assert experiment.settings(quick=True) != experiment.settings(quick=False)
    with pytest.raises(ExperimentError, match="rate_distortion"):
        get_experiment("rate")


def test_a_finished_cell_is_not_computed_again(tmp_path: Path) -> None:
    first = _run(tmp_path)
    second = _run(tmp_path)
    assert (first.computed, first.kept, second.computed, second.kept) == (4, 0, 0, 4)
    assert second.table.rows == first.table.rows
    assert second.outdated == 0


def test_other_settings_are_other_cells(tmp_path: Path) -> None:
    _run(tmp_path)
    store = CellStore(tmp_path / "a.sqlite")
    other = rate_distortion.Config(**{**_fields(SMALL), "n": 600})
    outcome = run_experiment(rate_distortion.EXPERIMENT, other, store, Workers(), is_quick=False)
    assert (outcome.computed, outcome.kept) == (4, 0)


def _fields(config: rate_distortion.Config) -> dict[str, object]:
    return {name: getattr(config, name) for name in config.__slots__}  # pyright: ignore


def test_cells_of_other_code_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _run(tmp_path)
    monkeypatch.setattr(runner, "code_digest", lambda: "changed")
    assert _run(tmp_path).outdated == 4


@pytest.mark.deep
def test_processes_give_the_same_table(tmp_path: Path) -> None:
    assert _run(tmp_path, Workers(jobs=2), "b").table.rows == _run(tmp_path).table.rows


@pytest.mark.deep
@pytest.mark.filterwarnings("ignore")  # of distributed, about its own shutdown
def test_a_cluster_of_two_workers_gives_the_same_table(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="needs the extra 'cluster'")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:
        found = _run(tmp_path, Workers(scheduler=cluster.scheduler_address), "b")
    assert found.computed == 4
    assert found.table.rows == _run(tmp_path).table.rows


def _failing(config: object, cell: object) -> list[dict[str, object]]:
    raise SourceError("law", "it has no variance", "choose another")


def test_a_failed_cell_is_a_row_and_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Experiment(
        "rate_distortion", "t", rate_distortion.Config, rate_distortion.cells, _failing, lambda _: {}
    )
    monkeypatch.setattr(runner, "get_experiment", lambda _: broken)
    outcome = _run(tmp_path)
    assert outcome.failed == 4
    assert [row["law"] for row in outcome.table] == list(SMALL.laws)
    assert all("it has no variance" in row["error"] for row in outcome.table)
    assert len(outcome.table.where(law="gaussian")) == 0  # no figure shows it
    monkeypatch.undo()
    assert (_run(tmp_path).computed, _run(tmp_path).kept) == (4, 4)


def test_randomness_is_the_cell_s_own() -> None:
    draws = {rng_of(SMALL, {"law": name}).random() for name in ("a", "b")}
    assert len(draws) == 2
    assert rng_of(SMALL, {"law": "a"}).random() in draws
    assert cell_key(SMALL, {"a": 1, "b": 2}) == cell_key(SMALL, {"b": 2, "a": 1})


def test_tables_come_back_as_they_were(tmp_path: Path) -> None:
    rows = [{"a": 1, "b": 0.1, "c": "x,y", "d": None}, {"a": 2, "b": float("inf"), "e": True}]
    write_table(tmp_path, "t", rows, {"config": {"seed": 0}})
    table = read_table(tmp_path, "t")
    assert table.rows[0] == {"a": 1, "b": 0.1, "c": "x,y", "d": None, "e": None}
    assert table.rows[1] == {"a": 2, "b": float("inf"), "c": None, "d": None, "e": True}
    assert table.config == {"seed": 0}
    assert table.where(a=2).numbers("b") == [float("inf")]


def test_a_table_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="run nothing"):
        read_table(tmp_path, "nothing")
    (tmp_path / "t.csv").write_text("a\n1\n")
    (tmp_path / "t.json").write_text("{")
    with pytest.raises(TableError, match="cannot be read"):
        read_table(tmp_path, "t")


def test_a_store_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "s.sqlite").write_bytes(b"no database, and long enough to be seen as none" * 100)
    with pytest.raises(OutputError, match="cannot be used"):
        CellStore(tmp_path / "s.sqlite")


@pytest.mark.deep
def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_distortion.Config, "quick", classmethod(lambda _: SMALL))
    call = CliRunner().invoke
    done = call(command.main, ["run", "rate_distortion", "--quick", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "4 cells computed" in done.output
    folder = tmp_path / "quick"
    before = (folder / "rate_distortion.svg").read_bytes()
    drawn = call(command.main, ["plot", "rate_distortion", "--from", str(folder), "--out", str(tmp_path)])
    assert drawn.exit_code == 0, drawn.output
    assert (tmp_path / "rate_distortion.svg").read_bytes() == before
    everything = call(command.main, ["plot", "--from", str(folder), "--out", str(tmp_path / "all")])
    assert everything.exit_code == 0, everything.output
    assert everything.output.count("left out") == len(EXPERIMENTS) - 1
    assert (tmp_path / "all" / "rate_distortion.svg").read_bytes() == before
    asked_for = call(command.main, ["plot", "ladder", "--from", str(folder)])
    assert asked_for.exit_code == 2  # a table that was named must be there
    about = json.loads((folder / "rate_distortion.json").read_text())
    assert about["config"]["n"] == 500
    assert about["quick"] is True
    for arguments, message in (
        (["run", "nothing"], "no such experiment"),
        (["run", "--quick", "--publish"], "not published"),
        (["run", "--backend", "dask"], "scheduler"),
        (["plot", "rate_distortion", "--from", str(tmp_path / "none")], "does not exist"),
    ):
        refused = call(command.main, arguments)
        assert refused.exit_code == 2
        assert message in refused.output


_SLOW_RUN = """
import sys
from pathlib import Path
from experiments.figures import rate_distortion as shown
from experiments.framework import runner
from experiments.framework.experiment import Experiment
from experiments.framework.store import CellStore
from tests.experiments.test_framework import SMALL

def rows(config, cell):
    print(cell["law"], flush=True)
    if cell["law"] == sys.argv[2]:
        sys.stdin.read()  # at work until it is killed
    return shown.rows(config, cell)

slow = Experiment("rate_distortion", "t", shown.Config, shown.cells, rows, shown.plot)
runner.get_experiment = lambda name: slow
store = CellStore(Path(sys.argv[1]))
runner.run_experiment(slow, SMALL, store, runner.Workers(), is_quick=False)
"""


@pytest.mark.deep
def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    store = tmp_path / "a.sqlite"
    arguments = [sys.executable, "-c", _SLOW_RUN, str(store)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [*arguments, SMALL.laws[2]],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as killed:
        assert killed.stdout is not None
        begun = [killed.stdout.readline().strip() for _ in range(3)]  # the third is at work: two are finished
        killed.kill()
    assert begun == list(SMALL.laws[:3])
    resumed = subprocess.run(
        [*arguments, "none"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert resumed.stdout.split() == list(SMALL.laws[2:])
    assert _run(tmp_path).table.rows == _run(tmp_path, name="b").table.rows


def test_a_figure_needs_the_table_alone(tmp_path: Path) -> None:
    table = _run(tmp_path).table
    figure = rate_distortion.plot(Table(table.rows, {}))[""]
    assert [axes.get_title(loc="left") for axes in figure.axes][:4] == [
        "Gaussian", "Laplace", "Student-t, ν = 3", "uniform",
    ]  # fmt: skip
