"""The tensors of an audit on several processes, of this machine or of a Dask cluster."""

import importlib
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from fmq_theory.checkpoint.audit_result import TensorAudit
from fmq_theory.checkpoint.audit_tensor import AuditSettings, audit_stored
from fmq_theory.checkpoint.tensors import SkippedTensor
from fmq_theory.errors import FmqError

__all__ = ["BACKENDS", "AuditError", "on_dask", "on_processes"]

BACKENDS = ("local", "dask")
_CONNECT_SECONDS = 30
# How often a tensor is tried again after the worker that had it died.
_RETRIES = 3

Outcome = TensorAudit | SkippedTensor


class AuditError(FmqError, ValueError):
    """An audit that cannot be run as asked."""


def on_processes(
    path: Path, names: Sequence[str], settings: AuditSettings, jobs: int
) -> Generator[tuple[str, Outcome]]:
    """Each tensor with what was found, as they are finished, by ``jobs`` processes of this machine.

    Raises:
        AuditError: a process died.
        FmqError: see ``audit_stored``.
    """
    import joblib  # pyright: ignore[reportMissingTypeStubs]

    library = cast("Any", joblib)
    tasks = (library.delayed(_named)(path, name, settings) for name in names)
    parallel = library.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
    try:
        yield from cast("Iterable[tuple[str, Outcome]]", parallel(tasks))
    except BrokenProcessPool as error:
        raise AuditError(
            "audit",
            "a worker process died, perhaps for want of memory",
            "pass a smaller --jobs; with --resume finished tensors are kept",
        ) from error


def on_dask(
    path: Path, names: Sequence[str], settings: AuditSettings, scheduler: str
) -> Generator[tuple[str, Outcome]]:
    """The same by the workers of a Dask cluster, which must see the file under the same path.

    A tensor whose worker died is given to another one.

    Args:
        path: of the checkpoint; made absolute.
        names: full names of tensors.
        settings: what is measured.
        scheduler: address, as in tcp://host:8786.

    Raises:
        AuditError: distributed is not installed, the scheduler does not answer, or a tensor's workers died
            again and again.
        FmqError: see ``audit_stored``.
    """
    with _client(scheduler) as (library, client):
        submit = cast("Callable[..., Any]", client.submit)
        # Longest first, as given; pure=False, because a file may change under the same name.
        futures = [
            submit(_named, path.absolute(), name, settings, pure=False, retries=_RETRIES) for name in names
        ]
        try:
            for future in library.as_completed(futures, loop=client.loop):
                yield _result(future, library.KilledWorker)
        finally:
            client.cancel(futures)


def _result(future: Any, killed_worker: type[Exception]) -> tuple[str, Outcome]:
    try:
        return cast("tuple[str, Outcome]", future.result())
    except killed_worker as error:
        raise AuditError(
            "audit", f"workers died again and again ({error})"[:160], "give them more memory"
        ) from error


@contextmanager
def _client(scheduler: str) -> Generator[tuple[Any, Any]]:
    """The library and a client of the cluster."""
    try:
        library = cast("Any", importlib.import_module("distributed"))
    except ImportError as error:
        raise AuditError(
            "backend 'dask'", "distributed is not installed", "pip install 'fmq_theory[cluster]'"
        ) from error
    try:
        client = library.Client(scheduler, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise AuditError(
            f"scheduler {scheduler!r}",
            f"it does not answer ({error})"[:160],
            "start it, or correct the address",
        ) from error
    try:
        yield library, client
    finally:
        client.close()


def _named(path: Path, name: str, settings: AuditSettings) -> tuple[str, Outcome]:
    return name, audit_stored(path, name, settings)
