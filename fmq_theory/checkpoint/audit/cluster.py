"""One function on many tasks by the workers of a Dask cluster, each of which may differ from this process."""

import hashlib
import importlib
import pkgutil
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import fmq_theory
from fmq_theory.checkpoint.audit.workers import WorkersError

__all__ = ["on_dask"]

_CONNECT_SECONDS = 30
# How long a cluster may be without any worker; one that grows on demand gets its first ones meanwhile.
_LONELY_SECONDS = 120
_POLL_SECONDS = 0.02
_LOOK_SECONDS = 2.0
# How often a task that failed is tried again: another worker may see the file that one does not.
_RETRIES = 3

T = TypeVar("T")
R = TypeVar("R")


@cache
def code() -> str:
    """Which fmq_theory this is: the version, and a digest of all its sources."""
    root = Path(fmq_theory.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return f"{fmq_theory.__version__} ({digest.hexdigest()[:12]})"


@dataclass(frozen=True, slots=True)
class _Call:
    """What a worker gets.

    Attributes:
        work: the function.
        task: its argument.
        code: of who asks; results of another one would be mixed with these.
    """

    work: Callable[[Any], Any]
    task: Any
    code: str


def _on_worker(call: _Call) -> Any:
    if call.code != code():
        raise _other_code(f"one has fmq_theory {code()}, and this process {call.code}")
    return call.work(call.task)


def _other_code(cause: str) -> WorkersError:
    return WorkersError(
        "workers of the cluster",
        cause,
        "install the same fmq_theory for the scheduler, for all workers and here, and start them anew",
    )


def on_dask(work: Callable[[T], R], tasks: Sequence[T], scheduler: str) -> Generator[R]:
    """``work`` of each task, in the order in which they are finished, by the workers of a Dask cluster.

    The workers must have the same fmq_theory and see the same files under the same paths. A task whose worker
    died is given to another one.

    Args:
        work: picklable by its name, of a module that the workers can import.
        tasks: the longest first.
        scheduler: address, as in tcp://host:8786.

    Raises:
        WorkersError: distributed is not installed; the scheduler does not answer, or not any more; there is
            no worker, or not any more; workers have another fmq_theory; or a task's workers died again and
            again.
    """
    with _client(scheduler) as (library, client):
        _check_code(client)
        submit = cast("Callable[..., Any]", client.submit)
        # pure=False, because a file may change under the same name.
        futures = [
            submit(_on_worker, _Call(work, task, code()), pure=False, retries=_RETRIES) for task in tasks
        ]
        try:
            for future in _finished(futures, library, client, scheduler):
                yield _result(future, library, scheduler)
        finally:
            if client.status == "running":
                client.cancel(futures)


def _check_code(client: Any) -> None:
    """Refuses who cannot import what the tasks call: Dask closes such a worker, and waits for another one."""
    wanted = f"{__name__}:{_on_worker.__name__}"
    try:
        client.run_on_scheduler(pkgutil.resolve_name, wanted)
    except (ImportError, AttributeError) as error:
        raise _lacking("the scheduler", error) from error
    for worker, found in client.run(pkgutil.resolve_name, wanted, on_error="return").items():
        if isinstance(found, ImportError | AttributeError):
            raise _lacking(str(worker), found)


def _lacking(who: str, error: Exception) -> WorkersError:
    return _other_code(f"{who} has another fmq_theory, or none ({error})"[:240])


def _finished(futures: Sequence[Any], library: Any, client: Any, scheduler: str) -> Generator[Any]:
    """The futures as they finish. Dask itself waits for ever where nobody is left to finish them."""
    left = len(futures)
    completed = library.as_completed(futures, loop=client.loop)
    lonely_since: float | None = None
    looked = 0.0
    while left:
        batch = completed.next_batch(block=False)
        yield from batch
        left -= len(batch)
        if batch or not left:
            continue
        time.sleep(_POLL_SECONDS)
        now = time.monotonic()
        if now - looked < _LOOK_SECONDS:
            continue
        looked = now
        if client.status != "running":
            raise _gone(scheduler)
        try:
            is_lonely = not client.nthreads()  # a dictionary by worker
        except OSError as error:
            raise _gone(scheduler) from error
        lonely_since = (lonely_since or now) if is_lonely else None
        if lonely_since is not None and now - lonely_since > _LONELY_SECONDS:
            raise WorkersError(
                f"scheduler {scheduler!r}",
                f"it has had no worker for {_LONELY_SECONDS} s",
                f"start some, as with: dask worker {scheduler}",
            )


def _gone(scheduler: str) -> WorkersError:
    return WorkersError(
        f"scheduler {scheduler!r}",
        "it does not answer any more",
        "start it and its workers anew; what is finished is kept where the run can be resumed",
    )


def _result(future: Any, library: Any, scheduler: str) -> Any:
    try:
        return future.result()
    except library.KilledWorker as error:
        raise WorkersError(
            "workers", f"they died again and again ({error})"[:160], "give them more memory"
        ) from error
    except (ImportError, AttributeError) as error:  # the function or its module, when the worker unpickles it
        raise _lacking("one", error) from error
    except (library.CancelledError, library.comm.CommClosedError) as error:
        raise _gone(scheduler) from error


@contextmanager
def _client(scheduler: str) -> Generator[tuple[Any, Any]]:
    """The library and a client of the cluster."""
    try:
        library = cast("Any", importlib.import_module("distributed"))
    except ImportError as error:
        raise WorkersError(
            "backend 'dask'", "distributed is not installed", "pip install 'fmq_theory[cluster]'"
        ) from error
    try:
        client = library.Client(scheduler, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise WorkersError(
            f"scheduler {scheduler!r}",
            f"it does not answer ({error})"[:160],
            "start it, or correct the address",
        ) from error
    try:
        yield library, client
    finally:
        client.close()
