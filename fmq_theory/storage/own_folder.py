"""A folder of our own beside an output: marked, locked, and emptied of what we made and of nothing else."""

import os
import re
import stat
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path

from fmq_theory.errors import OutputError
from fmq_theory.storage.lock import another_run, lock

__all__ = ["MARKER", "OwnFolder"]

MARKER = "made-by-fmq"  # also what a run locks
_MOST_TRIES = 10


class OwnFolder:
    """A folder that holds a marker of ours, and files with names of ours.

    Nothing is followed that is a link. A folder without the marker belongs to someone else and is refused,
    unless it is empty, as a kill right after its making leaves it.

    Args:
        path: of the folder.
        thing: what to call it in an error.
        own: the names that we give; what has another name is never removed.
        inside: the names that we give within a folder in it.
    """

    def __init__(
        self, path: Path, thing: str, own: re.Pattern[str], inside: re.Pattern[str] | None = None
    ) -> None:
        self.path = path
        self._thing = thing
        self._own = own
        self._inside = inside

    @contextmanager
    def locked(self) -> Generator[None]:
        """Makes the folder if it is not there and keeps others out of it.

        Raises:
            OutputError: it is someone else's, or another run has it.
            OSError: the disk refused.
        """
        handle = self._marked_and_locked()
        try:
            yield
        finally:
            os.close(handle)  # lets go, as a kill does

    def _marked_and_locked(self) -> int:
        for _ in range(_MOST_TRIES):
            with suppress(FileExistsError):
                self.path.mkdir(mode=0o700)
            self._check_own()
            try:
                handle = os.open(self.path / MARKER, os.O_RDWR | os.O_CREAT | _NO_FOLLOW, 0o600)
            except FileNotFoundError:
                continue  # another run has just finished and removed the folder
            if not lock(handle):
                os.close(handle)
                raise another_run(self._thing)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), (self.path / MARKER).lstat()):
                    return handle
            os.close(handle)  # what we locked has been removed meanwhile
        raise another_run(self._thing)

    def _check_own(self) -> None:
        """Refuses what is no folder of ours."""
        remedy = f"remove {self.path} if it is of no use, or choose another output"
        try:
            status = self.path.lstat()
        except FileNotFoundError:
            return  # just removed; the caller tries again
        if not stat.S_ISDIR(status.st_mode):
            what = "a link" if stat.S_ISLNK(status.st_mode) else "no folder"
            raise OutputError(self._thing, f"{self.path}, where its parts would go, is {what}", remedy)
        marker = self.path / MARKER
        try:
            if stat.S_ISREG(marker.lstat().st_mode):
                return
        except FileNotFoundError:
            if next(self.path.iterdir(), None) is None:
                return
        raise OutputError(
            self._thing, f"the folder {self.path}, where its parts would go, was not made by fmq", remedy
        )

    def names(self) -> list[str]:
        """Names of ours that are there, of files that are no links."""
        try:
            with os.scandir(self.path) as found:
                return sorted(e.name for e in found if self._own.fullmatch(e.name))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def is_file(self, name: str) -> bool:
        """Whether there is a file of that name, and not a link to one.

        Args:
            name: inside the folder.
        """
        try:
            return stat.S_ISREG((self.path / name).lstat().st_mode)
        except FileNotFoundError:
            return False

    def clear(self, names: Iterable[str]) -> None:
        """Removes files and links of these names, if they are ours, and folders that then hold nothing else.

        What cannot be removed stays; it is not ours, or the next run removes it.

        Args:
            names: inside the folder.
        """
        for name in names:
            if not self._own.fullmatch(name):
                continue
            path = self.path / name
            with suppress(OSError):
                if stat.S_ISDIR(path.lstat().st_mode):
                    if self._inside is not None:
                        inner = OwnFolder(path, self._thing, self._inside)
                        inner.clear(inner.names())
                    path.rmdir()
                else:
                    path.unlink()

    def remove(self) -> None:
        """Removes what is ours, and the folder if nothing else is in it."""
        self.clear(self.names())
        try:
            if all(entry.name == MARKER for entry in self.path.iterdir()):
                (self.path / MARKER).unlink(missing_ok=True)
                self.path.rmdir()
        except OSError:
            return  # someone put something in: it stays, and so does the marker


_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
