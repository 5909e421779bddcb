"""Outputs: refused before the work begins, written whole at its end.

A file appears under its name when it is complete. Until then it has no name at all where the system can do
that, so that a process that is killed leaves nothing behind.
"""

import errno
import os
import sys
import tempfile
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from fmq_theory.errors import OutputError, Way, argument
from fmq_theory.storage.place import Place

__all__ = [
    "check_output", "check_outputs", "move_into_place", "refuse_same", "sync_folder", "write_atomically",
    "write_text_atomically",
]  # fmt: skip

_BLOCK = 1 << 20


def check_output(path: Path, *, overwrite: bool) -> Place:
    """Finds out before the work begins whether the file ``path`` can be written at its end.

    Args:
        path: a file that is there or not; a device or a pipe, which is written to.
        overwrite: a file that is there may be replaced. A file that is being read never may.

    Returns:
        what the name stands for.

    Raises:
        OutputError: it is an input, a folder, or a file that may not be replaced; its name is too long; its
            folder is missing or not writable.
    """
    thing, place = f"output {path}", Place.of(path)
    if place.is_stream:
        refuse_input(place)
        return place
    place.check_name()
    if place.is_folder:
        raise OutputError(thing, "it is a folder", "name a file inside it")
    refuse_input(place)
    if place.status is not None and not overwrite:
        raise OutputError(
            thing, "it exists already", ("pass ", argument("overwrite", True), " to replace it")
        )
    check_parent(place)
    return place


def refuse_input(place: Place) -> None:
    """Refuses an output that is a file being read, under whichever name.

    Raises:
        OutputError: it is one.
    """
    read = place.input_that_it_is
    if read is not None:
        same = "it is a file that is read" if read == place.path else f"it is {read}, which is read"
        raise OutputError(
            f"output {place.path}",
            same,
            ("choose another name; ", Way("input_stays", "an input is never replaced")),
        )


def check_parent(place: Place) -> None:
    """Refuses an output whose folder is missing or closed to us.

    Raises:
        OutputError: with what to do.
    """
    thing, parent = f"output {place.path}", place.final.parent
    if not parent.exists():
        raise OutputError(thing, "its folder does not exist", f"create {parent} first")
    if not parent.is_dir():
        raise OutputError(thing, f"{parent} is no folder", "choose another folder")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(thing, "its folder is not writable", "choose another folder")


def check_outputs(paths: Iterable[Path], *, overwrite: bool) -> None:
    """``check_output`` of several that one command writes.

    Args:
        paths: of all files that the command writes.
        overwrite: whether files that are there may be replaced; one that is being read never may.

    Raises:
        OutputError: see ``check_output`` and ``refuse_same``.
    """
    named = list(paths)
    for path in named:
        check_output(path, overwrite=overwrite)
    refuse_same(named)


def refuse_same(paths: Iterable[Path]) -> None:
    """Refuses outputs of one command that are the same file; devices and pipes may take several.

    Args:
        paths: of all files that the command writes.

    Raises:
        OutputError: two of them are.
    """
    seen: dict[object, Path] = {}
    for path in paths:
        place = Place.of(path)
        if place.is_stream:
            continue
        status = place.status
        key = place.final if status is None else (status.st_dev, status.st_ino)
        if key in seen:
            raise OutputError(
                f"output {path}",
                f"two outputs have the same name, or lead to one file ({seen[key]})",
                "give each a name of its own",
            )
        seen[key] = path


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Lets ``write`` fill a file, then gives it the name ``path``; or copies it to a device or pipe.

    Args:
        path: of the file; one that is there is replaced, a device or a pipe is written to.
        write: is given a path to open and fill. It may lack the suffix of ``path``.

    Raises:
        OutputError: the file system refused, or ``path`` became a folder or an input.
    """
    place = Place.of(path)
    refuse_input(place)
    folder = Path(tempfile.gettempdir()) if place.is_stream else place.final.parent
    try:
        with _nameless(folder, place.final.suffix) as (handle, filled):
            write(filled)
            if place.is_stream:
                with filled.open("rb") as file:
                    _send(file.fileno(), place)
                return
            os.fchmod(handle, place.mode)
            os.fsync(handle)
            _name(filled, place.final)
        sync_folder(place.final.parent)
    except OSError as error:
        raise _refused(path, error) from error


def write_text_atomically(path: Path, text: str) -> None:
    """Writes ``text`` in UTF-8, whole or not at all.

    Args:
        path: of the file; one that is there is replaced.
        text: what it shall hold.

    Raises:
        OutputError: see ``write_atomically``.
    """

    def write(place: Path) -> None:
        place.write_text(text, encoding="utf-8", errors="backslashreplace")

    write_atomically(path, write)


def move_into_place(finished: Path, path: Path) -> None:
    """Gives a finished file, on the file system of ``path``, that name; or copies it to a device or pipe.

    Args:
        finished: the file that was written under a temporary name.
        path: the name that it shall have.

    Raises:
        OutputError: ``path`` became a folder or an input.
        OSError: the disk refused.
    """
    place = Place.of(path)
    refuse_input(place)
    if place.is_stream:
        with finished.open("rb") as file:
            _send(file.fileno(), place)
        finished.unlink()
        return
    finished.chmod(place.mode)
    finished.replace(place.final)
    sync_folder(place.final.parent)


@contextmanager
def _nameless(folder: Path, suffix: str) -> Generator[tuple[int, Path]]:
    """A new private file in ``folder`` and a path to open it by; gone afterwards unless it got a name."""
    handle = _without_name(folder)
    if handle is not None:
        try:
            yield handle, Path(f"/proc/self/fd/{handle}")
        finally:
            os.close(handle)
        return
    handle, name = tempfile.mkstemp(prefix=".fmq-", suffix=suffix[:64], dir=folder)
    try:
        yield handle, Path(name)
    finally:
        os.close(handle)
        Path(name).unlink(missing_ok=True)


def _without_name(folder: Path) -> int | None:
    """A file that no folder lists; None where the system or the file system has none."""
    flag = getattr(os, "O_TMPFILE", 0)
    if not flag or not Path("/proc/self/fd").is_dir():
        return None
    try:
        return os.open(folder, flag | os.O_RDWR, 0o600)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT):
            return None
        raise


def _name(filled: Path, final: Path) -> None:
    """Puts a finished file where ``final`` is, at once."""
    if filled.parent == final.parent:
        filled.replace(final)
        return
    folder = os.open(final.parent, os.O_RDONLY)
    try:
        try:
            _link(filled, final.name, folder)
        except FileExistsError:
            between = f".fmq-{os.urandom(6).hex()}"
            _link(filled, between, folder)
            try:
                os.replace(between, final.name, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError:
                os.unlink(between, dir_fd=folder)
                raise
    finally:
        os.close(folder)


def _link(filled: Path, name: str, folder: int) -> None:
    """Gives what the link ``filled`` in /proc leads to a name in an open folder."""
    # With a folder to start from, Python calls linkat, which can follow the link; link cannot.
    os.link(filled, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=True)


def _send(source: int, place: Place) -> None:
    """Copies a file to a device or pipe; in turn with what was printed, where that goes to the same."""
    sys.stdout.flush()
    sys.stderr.flush()
    if place.descriptor is not None:
        target = os.dup(place.descriptor)  # shares its position, which a second opening would not
    else:
        target = os.open(place.final, os.O_WRONLY | getattr(os, "O_NOCTTY", 0))
    try:
        while block := os.read(source, _BLOCK):
            rest = memoryview(block)
            while rest:
                rest = rest[os.write(target, rest) :]
    finally:
        os.close(target)


def _refused(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"output {path}", error.strerror or str(error), "free some space or choose another place"
    )


def sync_folder(path: Path) -> None:
    """Brings a renaming inside of a folder to the disk, where the system can."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
