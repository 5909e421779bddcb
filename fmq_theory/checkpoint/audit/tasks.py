"""The tensors of an audit one after another, or on several processes, a batch of tensors at a time."""

import hashlib
import math
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fmq_theory.checkpoint.audit.cluster import on_dask
from fmq_theory.checkpoint.audit.result import TensorAudit
from fmq_theory.checkpoint.audit.store import AuditStore
from fmq_theory.checkpoint.audit.tensor import AuditSettings, Outcome, audit_entry, entry_digest
from fmq_theory.checkpoint.audit.workers import WorkersError, on_processes
from fmq_theory.checkpoint.io.files import OpenCheckpoint, open_checkpoint
from fmq_theory.checkpoint.io.naming import Entry
from fmq_theory.errors import CheckpointError

__all__ = ["AuditRun", "Progress", "batches"]

# A process that takes a batch opens the file and reads the names in it, which takes as long as there are
# tensors: a task a tensor would take quadratic time. With so many batches at most, all openings together are
# linear, and 16 workers are still done within a few per cent of each other.
_BATCHES = 256
# Seconds of work, so that a progress bar moves, and little is lost with a worker.
_MOST_WEIGHTS = 2**22
# What every tensor costs, however small, in weights of a large one.
_FIXED_WEIGHTS = 2**15
# Parts of a file that are compared, and the bytes of each.
_WINDOWS, _WINDOW_BYTES = 16, 4096

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
        known = {entry.full_name: entry for entry in todo}
        for outcomes in self._distributed(batches([(entry.full_name, _weights(entry)) for entry in todo])):
            for full_name, outcome in outcomes:
                entry = known[full_name]
                done += _weights(entry)
                self.progress(done, total, entry.name)
                yield entry.name, outcome

    def _part(self, before: int, total: int, name: str) -> Callable[[int], None]:
        """What is told of a tensor that is being measured."""
        return lambda count: self.progress(before + count, total, name)

    def _distributed(self, names: Sequence[Sequence[str]]) -> Iterable[list[tuple[str, Outcome]]]:
        seen = sample_digest(self.stored)
        tasks = [_Batch(self.stored.path.absolute(), tuple(some), self.settings, seen) for some in names]
        if self.scheduler is not None:
            return on_dask(_audited, tasks, self.scheduler)
        return on_processes(_audited, tasks, self.jobs)


@dataclass(frozen=True, slots=True)
class _Batch:
    """What one task measures.

    Attributes:
        path: the checkpoint.
        names: full names of its entries.
        settings: what is measured.
        seen: ``sample_digest`` of the file that the caller has open.
    """

    path: Path
    names: tuple[str, ...]
    settings: AuditSettings
    seen: str


def _weights(entry: Entry) -> int:
    return math.prod(entry.stored.shape)


def batches(sizes: Sequence[tuple[str, int]]) -> list[list[str]]:
    """The tensors in groups that cost about the same; the largest first, so that nobody has one at the end.

    Args:
        sizes: the name of each tensor, and its weights.
    """
    most = min(_MOST_WEIGHTS, sum(count + _FIXED_WEIGHTS for _, count in sizes) // _BATCHES)
    found: list[list[str]] = []
    room = 0
    for name, count in sorted(sizes, key=lambda one: -one[1]):
        cost = count + _FIXED_WEIGHTS
        if not found or cost > room:
            found.append([])
            room = most
        found[-1].append(name)
        room -= cost
    return found


def sample_digest(stored: OpenCheckpoint) -> str:
    """Digest of the sizes of the files and of some parts of each: other weights under the same name differ.

    Args:
        stored: the checkpoint.
    """
    digest = hashlib.sha256()
    for file in stored.files:
        digest.update(f"{file.size}\0".encode())
        last = max(0, file.size - _WINDOW_BYTES)
        for start in sorted({last * i // (_WINDOWS - 1) for i in range(_WINDOWS)}):
            digest.update(file.text(start, min(_WINDOW_BYTES, file.size)))
    return digest.hexdigest()


def _audited(batch: _Batch) -> list[tuple[str, Outcome]]:
    """The audits of a batch, by a process that has not opened the file.

    Raises:
        WorkersError: this process does not see the file, or sees another one under its name.
        FmqError: see ``audit_entry``.
    """
    try:
        with open_checkpoint(batch.path) as stored:
            if sample_digest(stored) != batch.seen:
                raise WorkersError(
                    f"checkpoint {str(batch.path)!r}",
                    "a worker sees another file under this path, or the file was changed",
                    "let all workers see the same file under the same path, and start again",
                )
            entries = {entry.full_name: entry for entry in stored.entries()}
            return [(name, audit_entry(entries[name], batch.settings)) for name in batch.names]
    except CheckpointError as error:
        if batch.path.exists():
            raise
        raise WorkersError(
            f"checkpoint {str(batch.path)!r}",
            "a worker does not see it",
            "let all workers see the same file under the same path",
        ) from error
