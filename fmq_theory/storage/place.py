"""Where the name of an output leads, and which files it must not be.

A name may be a link, a second name of another file, or that of a device or a pipe. What is decided about an
output is decided about the thing at the end of its name.
"""

import os
import re
import stat
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fmq_theory.brief import brief_repr
from fmq_theory.errors import OutputError

__all__ = ["NAME_SPARE", "Place", "current_umask", "open_to_append", "reading"]

# Bytes that the longest name of ours has beside the output's own: a dot before it, ".fmq-work" behind it.
NAME_SPARE = len("..fmq-work")
_LONGEST_NAME = 255
_MOST_LINKS = 40  # as Linux counts
_DESCRIPTOR = re.compile(r"/proc/(\d+)(?:/task/\d+)?/fd/(\d+)")

_inputs: ContextVar[tuple[Path, ...]] = ContextVar("files that are being read", default=())


@contextmanager
def reading(*paths: Path | str | None) -> Generator[None]:
    """While it lasts, no output may be one of these files or more readable than they are.

    Args:
        paths: files that a command reads; None and files that do not exist are passed over. Calls nest.
    """
    token = _inputs.set((*_inputs.get(), *(Path(path) for path in paths if path is not None)))
    try:
        yield
    finally:
        _inputs.reset(token)


@dataclass(frozen=True, slots=True)
class Place:
    """What an output's name stands for.

    Attributes:
        path: as the user named it.
        final: the end of its links; the file that is to be replaced, or that is to appear.
        status: of what is there now; None if there is nothing.
        descriptor: one of this process's own, which ``/dev/stdout`` and its like name; else None.
    """

    path: Path
    final: Path
    status: os.stat_result | None
    descriptor: int | None = None

    __repr__ = brief_repr

    @classmethod
    def of(cls, path: Path) -> "Place":
        """Follows the name to its end.

        Args:
            path: as the user gave it: a file, a folder, a link, a device, or nothing yet.

        Raises:
            OutputError: the name leads nowhere: a loop of links, a name that is too long or holds a null.
        """
        try:
            final = path.absolute()
            for _ in range(_MOST_LINKS):
                final = Path(os.path.realpath(final.parent)) / final.name
                own = _DESCRIPTOR.fullmatch(str(final))
                if own is not None and int(own[1]) == os.getpid():
                    return cls(path, final, final.stat(), int(own[2]))
                try:
                    status = final.lstat()
                except FileNotFoundError:
                    return cls(path, final, None)
                if not stat.S_ISLNK(status.st_mode):
                    return cls(path, final, status)
                final = final.parent / final.readlink()
        except NotADirectoryError:
            return cls(path, path.absolute(), None)  # said of its folder, by ``check_output``
        except FileNotFoundError as error:
            raise OutputError(
                f"output {path}", "the current folder was deleted", "change to another folder first"
            ) from error
        except (OSError, ValueError) as error:
            raise _impossible(path, error) from error
        raise OutputError(f"output {path}", "its links lead in a circle", "choose another name")

    @property
    def is_folder(self) -> bool:
        """Whether a folder is there."""
        return self.status is not None and stat.S_ISDIR(self.status.st_mode)

    @property
    def is_stream(self) -> bool:
        """Whether it is a device, a pipe or a terminal: written to, and never replaced."""
        if self.status is None:
            return False
        return self.descriptor is not None or not (
            stat.S_ISREG(self.status.st_mode) or stat.S_ISDIR(self.status.st_mode)
        )

    @property
    def input_that_it_is(self) -> Path | None:
        """The file being read that it would replace, or write over where it is open as a descriptor."""
        if self.status is None or not stat.S_ISREG(self.status.st_mode):
            return None
        for read in _inputs.get():
            try:
                if os.path.samestat(self.status, read.stat()):
                    return read
            except (OSError, ValueError):
                continue  # a file that is not there is no file to lose
        return None

    @property
    def mode(self) -> int:
        """Permissions of the new file.

        They are what the user allows all files, and no more to others than the files being read allow them,
        nor the file that is replaced.
        """
        allowed = 0o666 & ~current_umask()
        for read in _inputs.get():
            try:
                allowed &= read.stat().st_mode | 0o600
            except (OSError, ValueError):
                continue
        if self.status is not None and stat.S_ISREG(self.status.st_mode):
            allowed &= self.status.st_mode | 0o600
        return allowed

    def check_name(self) -> None:
        """Refuses a name that the file system cannot hold with the few bytes that are added meanwhile.

        Raises:
            OutputError: with the length that it may have.
        """
        try:
            longest = os.pathconf(self.final.parent, "PC_NAME_MAX")
        except (OSError, ValueError, AttributeError):
            longest = _LONGEST_NAME
        length, most = len(os.fsencode(self.final.name)), longest - NAME_SPARE
        if length > most:
            raise OutputError(
                f"output {_shortened(self.path)}",
                f"its name has {length} bytes, and {most} is the most that can be written here",
                "choose a shorter name",
            )


def open_to_append(path: Path) -> BinaryIO:
    """Opens a file of our own to write at its end; it is made if it is not there.

    Args:
        path: of the file.

    Raises:
        OSError: it is a link or no regular file, which would be someone else's; or the disk refused.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), Place.of(path).mode)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(f"{str(path)!r} is no regular file")
    return os.fdopen(handle, "ab")


def current_umask() -> int:
    """The permissions that the user keeps from new files."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _impossible(path: Path, error: OSError | ValueError) -> OutputError:
    cause = error.strerror if isinstance(error, OSError) else None
    return OutputError(f"output {_shortened(path)}", cause or str(error), "choose another name")


def _shortened(path: Path) -> str:
    text = str(path)
    return text if len(text) <= 120 else f"{text[:60]}...{text[-40:]}"
