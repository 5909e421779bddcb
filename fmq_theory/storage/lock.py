"""One run at a time: a lock that the system lets go of when its holder ends, however it ends."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from fmq_theory.errors import OutputError

__all__ = ["another_run", "lock", "locked_folder"]


def lock(handle: int, *, wait: bool = False) -> bool:
    """Whether the lock of an open file is this process's now; where the system has none, it always is.

    Args:
        handle: of the file or folder; the lock lasts until it is closed.
        wait: until whoever has it lets go.
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def another_run(thing: str) -> OutputError:
    """The error about an output that somebody is writing.

    Args:
        thing: what to call it.
    """
    return OutputError(thing, "another run is writing it", "wait for it, or choose another output")


@contextmanager
def locked_folder(path: Path, thing: str) -> Generator[None]:
    """Keeps other runs out of a folder that exists; nothing is put into it for that.

    Args:
        path: of the folder.
        thing: what to call it in the error.

    Raises:
        OutputError: another run has it.
    """
    if not hasattr(os, "O_DIRECTORY"):  # where a folder cannot be opened
        yield
        return
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not lock(handle):
            raise another_run(thing)
        yield
    finally:
        os.close(handle)
