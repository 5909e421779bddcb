"""Finished tensors on disk while a quantized checkpoint is written, so that a run that was stopped can go on.

The folder lies beside the output and is named after it. Each tensor is a file whose name is a digest of its
numbers and of how they were to be quantized: what is found under that name is the result, whatever the
checkpoint was called and whatever else the plan says.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fmq_theory.checkpoint.container import Spec, checksum, open_container, write_container
from fmq_theory.errors import CheckpointError, OutputError

__all__ = ["Part", "WorkFolder", "digest", "sync_folder"]

Bytes = NDArray[np.uint8]


def digest(data: Bytes, recipe: Mapping[str, Any]) -> str:
    """Of a tensor's bytes and of JSON values."""
    found = hashlib.blake2b(json.dumps(recipe, sort_keys=True).encode(), digest_size=16)
    found.update(cast("Any", data))
    return found.hexdigest()


class Part:
    """A finished tensor on disk.

    Args:
        path: of its file.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """

    def __init__(self, path: Path) -> None:
        container = open_container(path)
        self.path = path
        self.specs = dict(container.specs)
        try:
            self.config: dict[str, Any] = json.loads(container.metadata["config"])
            self.checksums: dict[str, int] = json.loads(container.metadata["checksums"])
        except (KeyError, ValueError) as error:
            raise CheckpointError(f"part {path}", "it is damaged", "start again") from error
        for key in self.specs:
            if checksum(container.bytes_of(key)) != self.checksums.get(key):
                raise CheckpointError(f"part {path}", "it is damaged", "start again")

    def bytes_of(self, key: str) -> Bytes:
        """The bytes of one of its arrays."""
        return open_container(self.path).bytes_of(key)


class WorkFolder:
    """The folder of one output.

    Args:
        output: the file or folder that is to be written.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.path = output.absolute().parent / f".{output.name}.fmq-work"

    @contextmanager
    def opened(self, *, resume: bool) -> Generator[None]:
        """Makes the folder, empty unless ``resume``; afterwards removes it, or keeps what an error left.

        Raises:
            OutputError: the disk refused.
        """
        with self._reported():
            self.path.mkdir(exist_ok=True)
            lock = (self.path / "lock").open("w")
        with lock:  # closing it lets go, and so does a kill
            if not _locked(lock.fileno()):
                raise OutputError(
                    f"output {self.output}",
                    "another run is writing it",
                    "wait for it, or choose another output",
                )
            with self._reported():
                self._clear("*.tmp" if resume else "*[!k]")  # all but the lock
            finished = False
            try:
                with self._reported():
                    yield
                finished = True
            finally:
                self._clear("*.tmp")
                if finished or not len(self):
                    shutil.rmtree(self.path, ignore_errors=True)

    def _clear(self, pattern: str) -> None:
        for left in self.path.glob(pattern):
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)

    def __len__(self) -> int:
        """How many tensors are finished."""
        return sum(1 for _ in self.path.glob("*.safetensors"))

    def get(self, key: str) -> Part | None:
        """A finished tensor; None if there is none, or if it is damaged."""
        path = self.path / f"{key}.safetensors"
        try:
            return Part(path) if path.exists() else None
        except CheckpointError:
            return None

    def put(self, key: str, arrays: Mapping[str, tuple[str, tuple[int, ...], Bytes]], config: Any) -> Part:
        """Keeps a tensor: type, shape and bytes of each of its arrays, and what else there is to know.

        Raises:
            OSError: the disk refused.
        """
        checksums = {name: checksum(data) for name, (_, _, data) in arrays.items()}
        path = self.path / f"{key}.safetensors"
        temporary = self.path / f"{key}.tmp"
        write_container(
            temporary,
            [Spec(name, dtype, shape) for name, (dtype, shape, _) in arrays.items()],
            {"config": json.dumps(config), "checksums": json.dumps(checksums)},
            lambda name: [arrays[name][2]],
            sync=False,  # its checksum tells whether it arrived
        )
        temporary.replace(path)
        return Part(path)

    def temporary(self, name: str) -> Path:
        """A name in the folder that the next run clears away."""
        return self.path / f"{name}.tmp"

    @contextmanager
    def _reported(self) -> Generator[None]:
        """Errors of the disk as one that says what to do."""
        try:
            yield
        except OSError as error:
            kept = len(self)
            remedy = f"; {kept} finished tensors are kept for --resume" if kept else ""
            raise OutputError(
                f"output {self.output}",
                error.strerror or str(error),
                f"free some space or choose another place{remedy}",
            ) from error


def _locked(handle: int) -> bool:
    """Whether the lock is ours now; where the system has none, it always is."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sync_folder(path: Path) -> None:
    """Brings a renaming inside of a folder to the disk, where the system can."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
