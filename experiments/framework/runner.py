"""Runs the cells that are not finished yet, here or on workers, and keeps each as soon as it is done."""

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from experiments.framework.experiment import Cell, Experiment, cell_key, config_as_json
from experiments.framework.store import CellStore
from experiments.framework.table import Row, Table, provenance
from experiments.registry import get_experiment
from fmq_theory.checkpoint.audit.cluster import on_dask
from fmq_theory.checkpoint.audit.workers import on_processes
from fmq_theory.errors import FmqError

__all__ = ["Outcome", "Workers", "code_digest", "run_experiment"]

_FAILURES = (FmqError, ArithmeticError, ValueError, LookupError, OSError, MemoryError, RuntimeError)
"""What fails a cell. Anything else is a slip in the code, and ends the run."""

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Workers:
    """Who does the work: ``jobs`` processes of this machine, or a Dask cluster."""

    jobs: int = 1
    scheduler: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave.

    Attributes:
        table: all cells, in the order of ``Experiment.cells``.
        computed: cells of this run.
        kept: cells of earlier runs.
        failed: cells that are a row with an error.
        outdated: kept cells that other code computed.
    """

    table: Table
    computed: int
    kept: int
    failed: int
    outdated: int


Task = tuple[str, Any, Cell]
Done = tuple[str, list[dict[str, Any]], str, float]


def run_experiment(
    experiment: Experiment,
    config: Any,
    store: CellStore,
    workers: Workers,
    *,
    is_quick: bool,
    progress: Progress = lambda _share, _what: None,
) -> Outcome:
    """Every cell of the experiment, those of the store first.

    Raises:
        FmqError: no cells can be listed, the store cannot be written, or the workers died.
    """
    cells = list(experiment.cells(config))
    code = code_digest()
    rows: dict[str, list[dict[str, Any]]] = {}
    seconds, outdated, failed = 0.0, 0, 0
    todo: list[Cell] = []
    for cell in cells:
        known = store.get(experiment.name, cell_key(config, cell))
        if known is None:
            todo.append(cell)
            continue
        rows[cell_key(config, cell)] = known[0]
        seconds += known[1]
        outdated += known[2] != code
    progress(len(rows) / max(1, len(cells)), experiment.name)
    for key, made, error, took in _done([(experiment.name, config, cell) for cell in todo], workers):
        rows[key] = made
        seconds += took
        if error:
            failed += 1
        else:
            store.put(experiment.name, key, made, took, code)
        progress(len(rows) / max(1, len(cells)), f"{experiment.name}: {len(rows)} of {len(cells)} cells")
    about = {
        "experiment": experiment.name,
        "quick": is_quick,
        "config": config_as_json(config),
        "cells": len(cells),
        "failed": failed,
        "of_other_code": outdated,
        "seconds": round(seconds, 1),
        "skipped": list(experiment.skipped(config)),
        "code": code,
        **provenance(),
    }
    ordered = [row for cell in cells for row in rows[cell_key(config, cell)]]
    return Outcome(Table(tuple(ordered), about), len(todo), len(cells) - len(todo), failed, outdated)


def _done(tasks: Sequence[Task], workers: Workers) -> Iterable[Done]:
    if workers.scheduler is not None:
        return on_dask(_compute, tasks, workers.scheduler)
    if workers.jobs > 1 and len(tasks) > 1:
        return on_processes(_compute, tasks, workers.jobs)
    return map(_compute, tasks)


def _compute(task: Task) -> Done:
    """One cell: its key, its rows, the error or "", and the seconds it took."""
    name, config, cell = task
    began = time.perf_counter()
    error = ""
    try:
        found: Sequence[Row] = get_experiment(name).rows(config, cell)
    except _FAILURES as failure:
        error = " ".join(f"{type(failure).__name__}: {failure}".split())
        found = [{**cell, "error": error}]
    return cell_key(config, cell), [dict(row) for row in found], error, time.perf_counter() - began


@cache
def code_digest() -> str:
    """Digest of every source file that a number may come from."""
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for folder in ("fmq_theory", "experiments"):
        for path in sorted((root / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
