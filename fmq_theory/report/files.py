"""Writing results: whole or not at all, and never over a file that the user did not give up."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from fmq_theory.errors import OutputError

__all__ = ["check_writable", "write_atomically", "write_text_atomically"]


def check_writable(path: Path, *, overwrite: bool) -> None:
    """Finds out before the work begins whether ``path`` can be written at its end.

    Raises:
        OutputError: the folder is missing or not writable, or the file exists and may not be replaced.
    """
    if path.is_dir():
        raise OutputError(f"output {path}", "it is a folder", "name a file inside it")
    if path.exists() and not overwrite:
        raise OutputError(f"output {path}", "it exists already", "pass --force to replace it")
    if not path.absolute().parent.is_dir():
        raise OutputError(
            f"output {path}", "its folder does not exist", f"create {path.absolute().parent} first"
        )
    if not os.access(path.absolute().parent, os.W_OK):
        raise OutputError(f"output {path}", "its folder is not writable", "choose another folder")


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Lets ``write`` fill a temporary file beside ``path``, then renames it into place.

    The temporary name keeps the suffix, by which matplotlib chooses the format.

    Raises:
        OutputError: the file system refused.
    """
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}-", suffix=path.suffix, dir=path.absolute().parent
        )
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes files private; a report is not
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"output {path}", str(error), "free some space or choose another place") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text_atomically(path: Path, text: str) -> None:
    """Writes ``text`` in UTF-8, whole or not at all.

    Raises:
        OutputError: see ``write_atomically``.
    """

    def write(place: Path) -> None:
        place.write_text(text, encoding="utf-8")

    write_atomically(path, write)
