"""``python -m experiments``: parses what is asked for, and says what was done."""

import os
from collections.abc import Sequence
from pathlib import Path

import click

from experiments.framework.experiment import Experiment, folder_of_tree
from experiments.framework.figures import write_figures
from experiments.framework.store import CellStore
from experiments.framework.table import read_table, write_table
from experiments.registry import EXPERIMENTS, get_experiment
from fmq_theory.checkpoint.audit.workers import BACKENDS, check_workers
from fmq_theory.cli.errors import reported_errors
from fmq_theory.cli.start import leave_torch_out_of_pot, let_idle_threads_sleep

__all__ = ["main"]

RESULTS = folder_of_tree() / "experiments" / "results"
PUBLISHED = folder_of_tree() / "docs"
_NAMES = click.argument("names", metavar="[NAME]...", nargs=-1)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """The experiments: each computes a table and draws the figures of it.

    \b
    python -m experiments list
    python -m experiments run --quick              # all of them, smaller: minutes
    python -m experiments run ratio_map            # one of them, as published
    python -m experiments plot                     # figures of the tables that are there

    A run that was stopped goes on where it was: finished cells are kept in RESULTS/cells.sqlite.
    Exit codes: 0 done, 1 a cell failed, 2 bad input.
    """
    leave_torch_out_of_pot()
    let_idle_threads_sleep()


@main.command("list")
def list_command() -> None:
    """Name the experiments, what each shows, and how long its full run took."""
    for name in EXPERIMENTS:
        experiment = get_experiment(name)
        click.echo(f"{name:18} {experiment.title}{_time_of(name)}")


@main.command()
@_NAMES
@click.option("--quick", is_flag=True, help="Smaller settings: all experiments in minutes on two cores.")
@click.option("--jobs", type=click.IntRange(1, 1024), default=1, show_default=True, help="Processes.")
@click.option("--backend", type=click.Choice(BACKENDS), default="local", show_default=True,
              help="dask: workers of a cluster that see this checkout under the same path.")  # fmt: skip
@click.option("--scheduler", help="Address of the cluster: tcp://HOST:PORT.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=RESULTS,
              help="Folder of tables, figures, finished cells. [default: experiments/results]")  # fmt: skip
@click.option("--force", is_flag=True, help="Compute finished cells again.")
@click.option("--publish", is_flag=True, help="Also renew docs/results and docs/figures; full runs only.")
def run(
    names: Sequence[str],
    quick: bool,
    jobs: int,
    backend: str,
    scheduler: str | None,
    out: Path,
    force: bool,
    publish: bool,
) -> None:
    """Compute the tables of the named experiments, or of all, and draw their figures.

    Experiments on checkpoints read the bundled model and the files of the folder that FMQ_CHECKPOINTS
    names, by default ../shared/checkpoints; what is left out for want of a file is said.
    """
    from experiments.framework.runner import Workers, run_experiment
    from fmq_theory.report.base.progress import progress_bar

    if publish and quick:
        raise click.UsageError("a quick run is not published: leave --quick or --publish out")
    status = 0
    with reported_errors():
        check_workers(backend, scheduler, jobs)
        chosen = _chosen(names)
        folder = out / "quick" if quick else out
        folder.mkdir(parents=True, exist_ok=True)
        store = CellStore(folder / "cells.sqlite")
        for experiment in chosen:
            config = experiment.settings(quick=quick)
            if force:
                store.forget(experiment.name)
            with progress_bar(experiment.name) as progress:
                outcome = run_experiment(
                    experiment, config, store, Workers(jobs, scheduler), is_quick=quick, progress=progress
                )
            path = write_table(folder, experiment.name, outcome.table.rows, outcome.table.about)
            figures = write_figures(experiment, read_table(folder, experiment.name), folder)
            click.echo(
                f"{experiment.name}: {outcome.computed} cells computed, {outcome.kept} kept, "
                f"{len(outcome.table)} rows, {outcome.table.about['seconds']:g} s: "
                f"{_shown(path)}, {', '.join(_shown(figure) for figure in figures) or 'no figure'}"
            )
            for reason in outcome.table.about["skipped"]:
                click.echo(f"  left out: {reason}")
            if outcome.outdated:
                click.echo(f"  {outcome.outdated} cells are of other code; --force computes them again")
            if outcome.failed:
                status = 1
                errors = [row["error"] for row in outcome.table if row.get("error")]
                click.echo(f"  {outcome.failed} cells failed; the first: {errors[0]}", err=True)
            elif publish:
                write_table(PUBLISHED / "results", experiment.name, outcome.table.rows, outcome.table.about)
                table = read_table(folder, experiment.name)
                write_figures(experiment, table, PUBLISHED / "figures", vector_only=True)
        store.close()
    if status:
        raise SystemExit(status)


@main.command()
@_NAMES
@click.option("--from", "source", type=click.Path(path_type=Path, file_okay=False, exists=True),
              help="Folder of the tables.  [default: experiments/results, else docs/results]")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, file_okay=False),
              help="Folder of the figures.  [default: beside the tables, or docs/figures]")  # fmt: skip
def plot(names: Sequence[str], source: Path | None, out: Path | None) -> None:
    """Draw the figures of the named experiments, or of all that have a table, from the tables alone."""
    with reported_errors():
        for experiment in _chosen(names):
            folder = (source or _newest(experiment.name)).resolve()
            if not names and not (folder / f"{experiment.name}.csv").exists():
                click.echo(f"{experiment.name}: left out, {_shown(folder)} has no table of it")
                continue
            target = out or (PUBLISHED / "figures" if folder == PUBLISHED / "results" else folder)
            target.mkdir(parents=True, exist_ok=True)
            figures = write_figures(
                experiment,
                read_table(folder, experiment.name),
                target,
                vector_only=target.resolve().parent == PUBLISHED,
            )
            click.echo(f"{experiment.name}: {', '.join(_shown(figure) for figure in figures) or 'no figure'}")


def _chosen(names: Sequence[str]) -> list[Experiment]:
    return [get_experiment(name) for name in (names or EXPERIMENTS)]


def _newest(name: str) -> Path:
    """Where the table is: a full run of one's own, then a quick one, then the published one."""
    for folder in (RESULTS, RESULTS / "quick"):
        if (folder / f"{name}.csv").exists():
            return folder
    return PUBLISHED / "results"


def _time_of(name: str) -> str:
    path = PUBLISHED / "results" / f"{name}.json"
    if not path.exists():
        return ""
    return f" [{read_table(path.parent, name).work} of work]"


def _shown(path: Path) -> str:
    return os.path.relpath(path)
