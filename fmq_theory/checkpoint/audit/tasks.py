"""The tensors of an audit one after another, or on several processes."""

import math
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fmq_theory.checkpoint.audit.result import TensorAudit
from fmq_theory.checkpoint.audit.store import AuditStore
from fmq_theory.checkpoint.audit.tensor import AuditSettings, Outcome, audit_entry, audit_stored, entry_digest
from fmq_theory.checkpoint.audit.workers import on_dask, on_processes
from fmq_theory.checkpoint.io.file_bytes import changed_meanwhile
from fmq_theory.checkpoint.io.files import open_checkpoint
from fmq_theory.checkpoint.io.naming import Entry, classify

__all__ = ["AuditRun", "Progress", "Wanted"]

Progress = Callable[[int, int, str], None]
"""Called with weights done, weights in all, and the tensor's name."""

_BATCH_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Wanted:
    """A tensor to measure, once its file is closed."""

    name: str
    full_name: str
    weights: int
    num_bytes: int

    @classmethod
    def of(cls, entry: Entry) -> "Wanted":
        """What is needed of an entry later."""
        weights = math.prod(entry.stored.shape)
        return cls(entry.name, entry.full_name, weights, weights * entry.stored.dtype.itemsize)


def _batches(wanted: Sequence[Wanted]) -> Generator[list[Wanted]]:
    """Tensors that together are not much larger than a part; a large one comes alone."""
    batch: list[Wanted] = []
    for one in wanted:
        if batch and sum(w.num_bytes for w in batch) + one.num_bytes > _BATCH_BYTES:
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


@dataclass(frozen=True, slots=True, eq=False)
class AuditRun:
    """The tensors that are not finished yet, on whatever does the work."""

    path: Path
    settings: AuditSettings
    wanted: Sequence[Wanted]
    jobs: int
    scheduler: str | None
    progress: Progress

    def kept(self, store: AuditStore) -> dict[str, TensorAudit]:
        """What an earlier run finished for the very numbers that the file holds now.

        Raises:
            CheckpointError: the file cannot be read any more.
        """
        found: dict[str, TensorAudit] = {}
        for batch in _batches([one for one in self.wanted if store.has(one.name)]):
            with open_checkpoint(self.path) as stored:
                entries = {entry.full_name: entry for entry in reversed(classify(stored))}
                for one in batch:
                    if one.full_name not in entries:
                        raise changed_meanwhile(self.path)
                    if (done := store.get(one.name, entry_digest(entries[one.full_name]))) is not None:
                        found[one.name] = done
        return found

    def outcomes(self, finished: dict[str, TensorAudit]) -> Generator[tuple[str, Outcome]]:
        """Each tensor that is not among the finished ones."""
        total = sum(one.weights for one in self.wanted)
        todo = [one for one in self.wanted if one.name not in finished]
        done = total - sum(one.weights for one in todo)
        self.progress(done, total, "")
        if self.scheduler is None and (self.jobs == 1 or len(todo) < 2):
            yield from self._here(todo, done, total)
            return
        # The largest first, so that no worker is left with one at the end.
        todo.sort(key=lambda one: -one.weights)
        known = {one.full_name: one for one in todo}
        for full_name, outcome in self._distributed(list(known)):
            one = known[full_name]
            done += one.weights
            self.progress(done, total, one.name)
            yield one.name, outcome

    def _here(self, todo: Sequence[Wanted], done: int, total: int) -> Generator[tuple[str, Outcome]]:
        """In this process. The file is closed now and then, to let go of what was read of its map."""
        for batch in _batches(todo):
            with open_checkpoint(self.path) as stored:
                entries = {entry.full_name: entry for entry in reversed(classify(stored))}
                for one in batch:
                    if one.full_name not in entries:
                        raise changed_meanwhile(self.path)
                    outcome = audit_entry(
                        entries[one.full_name], self.settings, self._part(done, total, one.name)
                    )
                    yield one.name, outcome
                    done += one.weights

    def _part(self, before: int, total: int, name: str) -> Callable[[int], None]:
        """What is told of a tensor that is being measured."""
        return lambda count: self.progress(before + count, total, name)

    def _distributed(self, names: Sequence[str]) -> Iterable[tuple[str, Outcome]]:
        tasks = [(self.path.absolute(), name, self.settings) for name in names]
        if self.scheduler is not None:
            return on_dask(_named, tasks, self.scheduler)
        return on_processes(_named, tasks, self.jobs)


def _named(task: tuple[Path, str, AuditSettings]) -> tuple[str, Outcome]:
    path, name, settings = task
    return name, audit_stored(path, name, settings)
