"""The bytes of a file that others may change while it is read.

A map of a file kills the process (SIGBUS) where the file is cut short meanwhile, and shows numbers that were
written after the first ones were read. Here every part is read into memory of its own by one call, a file
that became shorter is an error like any other, and what was changed is found out.
"""

import os
import threading
import weakref
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fmq_theory.errors import CheckpointError

__all__ = ["FileBytes", "changed_meanwhile"]

Bytes = NDArray[np.uint8]

_AT_ONCE = 2**30  # what one call reads; Linux reads at most 2**31 - 4096 bytes


def changed_meanwhile(path: Path) -> CheckpointError:
    """The error about a file that is not what it was when it was opened."""
    return CheckpointError(
        f"checkpoint {str(path)!r}",
        "it changed while it was read",
        "wait until its writer is done, or read a copy of it, and start again",
    )


class FileBytes:
    """An open file of which any part can be read. It is closed when nothing refers to it any more.

    Args:
        path: of a regular file.

    Raises:
        CheckpointError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            file = path.open("rb", buffering=0)
            # Not the object's own close(): a file that is collected open warns.
            self._finalizer = weakref.finalize(self, file.close)
            self._opened_as = os.fstat(file.fileno())
        except FileNotFoundError as error:
            raise self._error("there is no such file", "check the path") from error
        except (OSError, ValueError) as error:
            raise self._error(f"it cannot be opened ({error})", "check the path and permissions") from error
        self._file, self._lock = file, threading.Lock()

    @property
    def size(self) -> int:
        """Bytes of the file when it was opened."""
        return self._opened_as.st_size

    def read(self, start: int, count: int) -> Bytes:
        """``count`` bytes from ``start`` on, in memory of their own.

        Raises:
            CheckpointError: the file ends before, was closed, cannot be read, or memory is short.
        """
        try:
            found = np.empty(count, dtype=np.uint8)
        except (MemoryError, ValueError) as error:
            raise self._error(
                f"{count} bytes of it do not fit into memory", "use a machine with more"
            ) from error
        done, view = 0, memoryview(cast("Any", found))
        try:
            while done < count:
                part = self._read_into(view[done : done + _AT_ONCE], start + done)
                if part == 0:
                    if start + count <= self.size:
                        raise changed_meanwhile(self.path)
                    raise self._error("it ends too early", "download or save it again")
                done += part
        except (OSError, OverflowError, ValueError) as error:
            if isinstance(error, CheckpointError):
                raise
            raise self._error(f"it cannot be read ({error})", "check the disk, or read a copy") from error
        return found

    def text(self, start: int, count: int) -> bytes:
        """As ``read``, for what is no numbers.

        Raises:
            CheckpointError: see ``read``.
        """
        return self.read(start, count).tobytes()

    def _read_into(self, part: memoryview, start: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._file.fileno(), [part], start)
        with self._lock:
            self._file.seek(start)
            return self._file.readinto(part)

    def verify_unchanged(self) -> None:
        """Makes sure that nobody wrote into the file since it was opened.

        A file that was put in its place, under its name, does no harm: the one that is open stays what it
        was.

        Raises:
            CheckpointError: it was written to, or cut.
        """
        try:
            now = os.fstat(self._file.fileno())
        except (OSError, ValueError) as error:
            raise self._error("it was closed", "open it again") from error
        before = self._opened_as
        # Who writes can set the time of writing back, but not that of the entry; another file that takes the
        # name over changes the latter too, and then this one has a link less.
        touched = now.st_ctime_ns != before.st_ctime_ns and now.st_nlink == before.st_nlink
        if touched or (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise changed_meanwhile(self.path)

    def is_in_place(self) -> bool:
        """Whether its name still leads to the file that is open, unchanged.

        Raises:
            CheckpointError: nothing has that name any more, or the system does not tell.
        """
        try:
            now = self.path.stat()
        except FileNotFoundError as error:
            raise self._error("there is no such file", "check the path") from error
        except OSError as error:
            raise self._error(str(error), "check the path") from error
        # A program can set the time of change, as archives do, but not the time of the inode's.
        kept = ("st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
        return all(getattr(now, name) == getattr(self._opened_as, name) for name in kept)

    def close(self) -> None:
        """Lets go of the file."""
        self._finalizer()

    def _error(self, cause: str, remedy: str) -> CheckpointError:
        return CheckpointError(f"checkpoint {str(self.path)!r}", cause, remedy)
