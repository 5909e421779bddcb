"""Compiled kernels on disk, each file under a checksum: what is damaged or cannot be kept is compiled again.

Of two processes that need the same kernel at the same time one compiles it, and the other waits for its file.

Numba's own cache unpickles whatever its files hold, so a damaged one ends a command in an error of another
name, or runs machine code that nobody compiled; and a full disk ends it in an OSError that looks like one of
the user's files. A cache only saves time, so neither may be seen.
"""

# numba types nothing of what is built on here, and keeps its parts under names with an underscore.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportPrivateUsage=false, reportUnknownParameterType=false

import hashlib
import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from numba.core.caching import FunctionCache, IndexDataCacheFile  # pyright: ignore[reportMissingTypeStubs]

from fmq_theory.storage.lock import lock

__all__ = ["damaged_files", "seal_cache"]

_SEAL = 32
"""Bytes of SHA-256 before the content."""
_LONGEST_WAIT, _BETWEEN_LOOKS = 60.0, 0.02
"""Seconds to wait for another process that compiles a kernel; it may have been stopped amid it."""


def seal_cache(compiled: Callable[..., Any], directory: Path) -> bool:
    """Puts the cache of a numba function under checksums and makes its disk's errors silent.

    Args:
        compiled: by numba with ``cache=True``; not called yet.
        directory: where its files have to be.

    Returns:
        False where numba took another folder, because it could not write to this one.
    """
    held = cast(Any, compiled)
    if not str(held._cache.cache_path).startswith(str(directory)):
        return False
    held._cache = _SealedCache(held.py_func)
    return True


def damaged_files(directory: Path) -> list[Path]:
    """The files of a cache whose content is not what their checksum says; unreadable ones are among them."""
    return [
        path
        for suffix in ("nbi", "nbc")
        for path in sorted(directory.rglob(f"*.{suffix}"))
        if _opened(path) is None
    ]


class _SealedFile(IndexDataCacheFile):  # pyright: ignore[reportUntypedBaseClass]
    """Numba's index and data files with a checksum before the content."""

    def _load_index(self) -> dict[Any, str]:
        content = _opened(Path(self._index_path))
        if content is None:
            return {}
        version, stamp, overloads = pickle.loads(content)  # noqa: S301 (ours: the checksum fits)
        return overloads if (version, stamp) == (self._version, self._source_stamp) else {}

    def _save_index(self, overloads: dict[Any, str]) -> None:
        self._write(self._index_path, self._dump((self._version, self._source_stamp, overloads)))

    def _load_data(self, name: str) -> Any:
        content = _opened(Path(self._data_path(name)))
        if content is None:
            raise FileNotFoundError(name)  # which ``load`` takes for nothing that is kept
        return pickle.loads(content)  # noqa: S301 (ours: the checksum fits)

    def _save_data(self, name: str, data: Any) -> None:
        self._write(self._data_path(name), self._dump(data))

    def _write(self, path: str, content: bytes) -> None:
        with self._open_for_write(path) as file:
            file.write(hashlib.sha256(content).digest() + content)


class _SealedCache(FunctionCache):  # pyright: ignore[reportUntypedBaseClass]
    """A cache that is never the reason why a kernel does not run."""

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        held = self._cache_file
        self._cache_file = _SealedFile(self._cache_path, self._impl.filename_base, held._source_stamp)
        self._turn: int | None = None

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What is kept; where nothing is, that of a process that is compiling it, or None and our turn."""
        if (found := self._kept(sig, target_context)) is not None or self._turn is not None:
            return found
        self._turn = self._wait_for_turn()
        if (found := self._kept(sig, target_context)) is not None:
            self._end_turn()
        return found

    def _wait_for_turn(self) -> int | None:
        """The open lock file of this kernel; None where it cannot be had, and each process is on its own."""
        try:
            handle = os.open(
                Path(self._cache_path, f"{self._impl.filename_base}.lock"), os.O_RDWR | os.O_CREAT
            )
        except OSError:
            return None
        try:
            latest = time.monotonic() + _LONGEST_WAIT
            while not lock(handle):
                if time.monotonic() > latest:
                    os.close(handle)
                    return None
                time.sleep(_BETWEEN_LOOKS)
        except BaseException as error:
            os.close(handle)
            if isinstance(error, OSError):  # a file system without locks
                return None
            raise
        return handle

    def _end_turn(self) -> None:
        if self._turn is not None:
            os.close(self._turn)
            self._turn = None

    def _kept(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except (
            OSError,
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
            ImportError,
            EOFError,
            pickle.PickleError,
        ):
            return None  # whole files that this numba or Python cannot use: compiled again and replaced

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError:  # a full disk, a folder that is gone or was closed: the next run compiles again
            return
        finally:
            self._end_turn()


def _opened(path: Path) -> bytes | None:
    """The content under its checksum; None for what is damaged, gone or cannot be read."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    content = data[_SEAL:]
    return content if content and hashlib.sha256(content).digest() == data[:_SEAL] else None
