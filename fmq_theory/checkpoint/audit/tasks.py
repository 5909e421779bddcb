"""The tensors of an audit one after another, or on several processes."""

import math
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fmq_theory.checkpoint.audit.result import TensorAudit
from fmq_theory.checkpoint.audit.store import AuditStore
from fmq_theory.checkpoint.audit.tensor import AuditSettings, Outcome, audit_entry, audit_stored, entry_digest
from fmq_theory.checkpoint.audit.workers import on_dask, on_processes
from fmq_theory.checkpoint.io.files import OpenCheckpoint
from fmq_theory.checkpoint.io.naming import Entry

__all__ = ["AuditRun", "Progress"]

Progress = Callable[[int, int, str], None]
"""Called with weights done, weights in all, and the tensor's name."""


@dataclass(frozen=True, slots=True, eq=False)
class AuditRun:
    """The tensors that are not finished yet, on whatever does the work.

    Attributes:
        stored: the checkpoint; worker processes open it for themselves, by its path.
        settings: what is measured.
        wanted: the tensors.
        jobs: processes.
        scheduler: of a cluster.
        progress: told of what is done.
    """

    stored: OpenCheckpoint
    settings: AuditSettings
    wanted: Sequence[Entry]
    jobs: int
    scheduler: str | None
    progress: Progress

    def kept(self, store: AuditStore) -> dict[str, TensorAudit]:
        """What an earlier run finished for the very numbers that the file holds now.

        Raises:
            CheckpointError: the file cannot be read any more.
        """
        found: dict[str, TensorAudit] = {}
        for entry in self.wanted:
            if store.has(entry.name) and (done := store.get(entry.name, entry_digest(entry))) is not None:
                found[entry.name] = done
        return found

    def outcomes(self, finished: dict[str, TensorAudit]) -> Generator[tuple[str, Outcome]]:
        """Each tensor that is not among the finished ones."""
        todo = [entry for entry in self.wanted if entry.name not in finished]
        total, left = sum(map(_weights, self.wanted)), sum(map(_weights, todo))
        done = total - left
        self.progress(done, total, "")
        if self.scheduler is None and (self.jobs == 1 or len(todo) < 2):
            for entry in todo:
                yield entry.name, audit_entry(entry, self.settings, self._part(done, total, entry.name))
                done += _weights(entry)
            return
        # The largest first, so that no worker is left with one at the end.
        todo.sort(key=lambda entry: -_weights(entry))
        known = {entry.full_name: entry for entry in todo}
        for full_name, outcome in self._distributed(list(known)):
            entry = known[full_name]
            done += _weights(entry)
            self.progress(done, total, entry.name)
            yield entry.name, outcome

    def _part(self, before: int, total: int, name: str) -> Callable[[int], None]:
        """What is told of a tensor that is being measured."""
        return lambda count: self.progress(before + count, total, name)

    def _distributed(self, names: Sequence[str]) -> Iterable[tuple[str, Outcome]]:
        tasks = [(self.stored.path.absolute(), name, self.settings) for name in names]
        if self.scheduler is not None:
            return on_dask(_named, tasks, self.scheduler)
        return on_processes(_named, tasks, self.jobs)


def _weights(entry: Entry) -> int:
    return math.prod(entry.stored.shape)


def _named(task: tuple[Path, str, AuditSettings]) -> tuple[str, Outcome]:
    path, name, settings = task
    return name, audit_stored(path, name, settings)
