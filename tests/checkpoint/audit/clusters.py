"""A scheduler and workers as processes of their own, each of which may lack what the others have."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["LACKS_FMQ_THEORY", "OTHER_VERSION", "Cluster", "cluster"]

LACKS_FMQ_THEORY = """
import sys
class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "fmq_theory":
            raise ModuleNotFoundError("No module named 'fmq_theory'")
sys.meta_path.insert(0, Lacking())
"""
OTHER_VERSION = """
import fmq_theory
fmq_theory.__version__ = "0.0.9"
"""
_SCHEDULER = "from distributed.cli.dask_scheduler import main; main()"
_WORKER = "from distributed.cli.dask_worker import main; main()"


@dataclass
class Cluster:
    """What runs.

    Attributes:
        address: of the scheduler.
        scheduler: its process.
        workers: theirs.
    """

    address: str
    scheduler: "subprocess.Popen[bytes]"
    workers: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def add(self, prelude: str, folder: Path) -> None:
        """One more worker, of one thread, which runs ``prelude`` first and works in ``folder``."""
        arguments = [self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        self.workers.append(_started(prelude + _WORKER, arguments, folder))


def _started(code: str, arguments: Sequence[str], folder: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.DEVNULL,
    )


@contextmanager
def cluster(
    folder: Path, *preludes: str, scheduler: str = "", worker_folder: Path | None = None
) -> Generator[Cluster]:
    """A scheduler and one worker a prelude."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    found = Cluster(f"tcp://127.0.0.1:{port}", _started(scheduler + _SCHEDULER, arguments, folder))
    for prelude in preludes:
        found.add(prelude, worker_folder or folder)
    try:
        yield found
    finally:
        for process in (*found.workers, found.scheduler):
            process.send_signal(signal.SIGKILL)
            process.wait()
