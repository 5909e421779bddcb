"""Where the numbers of a pickled file are: in records of a zip archive, or one behind the other.

Reference: torch, ``serialization.py``, ``_load`` and ``_legacy_load``.
"""

import io
import struct
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from fmq_theory.checkpoint.io import limits
from fmq_theory.checkpoint.io.file_bytes import FileBytes
from fmq_theory.checkpoint.io.pickled.archive import Archive
from fmq_theory.checkpoint.io.pickled.directory import damaged_archive
from fmq_theory.checkpoint.io.pickled.program import Name, NeedsCodeError, PickleError, run
from fmq_theory.checkpoint.io.pickled.rebuild import Storage, as_storage, call, is_allowed, storage_type

__all__ = ["Legacy", "Source", "Zipped"]

Bytes = NDArray[np.uint8]


class Source(Protocol):
    """A file whose structure was read."""

    @property
    def root(self) -> object:
        """What was saved, tensors described."""
        ...

    def numbers(self, storage: Storage, start: int, count: int) -> Bytes:
        """``count`` bytes of the row of that name, from byte ``start`` of it on."""
        ...


class _Storages:
    """The storages that a pickle points to, each declared in one way only."""

    def __init__(self) -> None:
        self.found: dict[str, Storage] = {}

    def point(self, identifier: tuple[object, ...]) -> Storage:
        """The storage of an identifier: ("storage", type, key, device, count), and maybe a part of it.

        Raises:
            NeedsCodeError: it points to a module, which would bring its code.
            PickleError: it is none, or was declared otherwise before.
        """
        kind, *rest = identifier
        if kind == "module":
            raise NeedsCodeError("torch.nn.Module")
        if kind != "storage" or len(rest) not in (4, 5) or not isinstance(rest[0], Name):
            raise PickleError("an identifier in it is none of a storage")
        dtype, key, count = storage_type(rest[0].text), rest[1], rest[3]
        if dtype is None or type(key) not in (str, int) or type(count) is not int or not 0 <= count < 2**62:
            raise PickleError("an identifier in it is none of a storage")
        storage = self.found.setdefault(str(key), Storage(str(key), dtype, count))
        if (storage.dtype, storage.count) != (dtype, count):
            # torch takes the one that comes first, and with it other numbers.
            raise PickleError(f"storage {str(key)!r} is declared in two ways")
        if len(rest) == 5 and rest[4] is not None:
            _, offset, size = cast("tuple[Any, ...]", rest[4])
            if type(offset) is not int or type(size) is not int:
                raise PickleError("a part of a storage has no place")
            return as_storage(storage, offset, size)
        return storage


class Zipped:
    """A zip archive with a pickle and a record for each storage.

    Args:
        file: the archive.

    Raises:
        PickleError: the pickle is damaged or needs code.
        CheckpointError: the archive is damaged, or the file is above a limit.
    """

    def __init__(self, file: FileBytes) -> None:
        self._file, self._archive = file, Archive(file)
        self._folder = _folder(self._archive)
        self._swap = self._order() == b"big"
        storages = _Storages()
        thing = f"checkpoint {str(file.path)!r}"
        name = self._folder + _PICKLE
        limits.check_count(thing, "bytes of a pickle", self._archive.check(name).size, "MOST_PICKLE_BYTES")
        text = io.BytesIO(self._archive.read(name).tobytes())
        self.root = run(text, call, storages.point, is_allowed, thing)
        promised = 0
        for storage in storages.found.values():
            size = storage.count * storage.dtype.itemsize
            record = self._archive.check(self._record(storage)) if size else None
            if record is not None and record.size != size:
                raise PickleError(
                    f"storage {storage.key!r} has {record.size} bytes where {size} were declared"
                )
            promised += size
        limits.check_expansion(thing, promised, file.size)

    def numbers(self, storage: Storage, start: int, count: int) -> Bytes:
        """``count`` bytes of the row of that name, from byte ``start`` of it on.

        Raises:
            CheckpointError: they are not those that were written.
        """
        found = self._archive.read(self._record(storage), start, count)
        width = storage.dtype.itemsize // (2 if storage.dtype.is_complex else 1)
        if not self._swap or width == 1:
            return found
        if start % width or count % width:
            raise damaged_archive(self._file, f"a number begins within one of storage {storage.key!r}")
        return np.ascontiguousarray(found.reshape(-1, width)[:, ::-1]).reshape(-1)

    def _record(self, storage: Storage) -> str:
        return f"{self._folder}data/{storage.key}"

    def _order(self) -> bytes:
        """Of the bytes of a number."""
        name = self._folder + "byteorder"
        if name not in self._archive.records:
            return b"little"
        if self._archive.check(name).size > len(b"little"):
            raise PickleError("the order of its bytes is unknown")
        found = self._archive.read(name).tobytes()
        if found not in (b"little", b"big"):
            raise PickleError("the order of its bytes is unknown")
        return found


_PICKLE = "data.pkl"
_CODE = "constants.pkl"


def _folder(archive: Archive) -> str:
    """The folder of the archive that holds the checkpoint, with its slash; empty for none."""
    found = [name for name in archive.records if name == _PICKLE or name.endswith("/" + _PICKLE)]
    least = min((name.count("/") for name in found), default=0)
    outermost = [name for name in found if name.count("/") == least]
    if not outermost:
        raise PickleError(f"it is a zip archive without {_PICKLE}")
    if len(outermost) > 1:
        raise PickleError(f"it holds {len(outermost)} checkpoints ({outermost[0]!r}, {outermost[1]!r})")
    folder = outermost[0].removesuffix(_PICKLE)
    if folder + _CODE in archive.records:
        raise NeedsCodeError("TorchScript")
    return folder


class Legacy:
    """Five pickles, and the numbers of the storages behind them.

    Args:
        file: of that format.

    Raises:
        PickleError: it is damaged, needs code, or is a pickle of something else.
        CheckpointError: it is above a limit.
    """

    def __init__(self, file: FileBytes) -> None:
        self._file = file
        thing = f"checkpoint {str(file.path)!r}"
        text = io.BufferedReader(cast("Any", _Stream(file)), 2**16)
        storages = _Storages()

        def part() -> object:
            return run(text, call, storages.point, is_allowed, thing)

        if part() != _MAGIC:
            raise PickleError("it is a pickle that torch.save did not write")
        version, _ = part(), part()
        if version != _VERSION:
            raise PickleError("its version of the format is unknown")
        self.root = part()
        keys = part()
        if not isinstance(keys, list):
            raise PickleError("the list of its storages is missing")
        limits.check_count(thing, "bytes of a pickle", text.tell(), "MOST_PICKLE_BYTES")
        self._places: dict[str, int] = {}
        at = text.tell()
        for key in map(str, cast("list[object]", keys)):
            storage = storages.found.get(key)
            if storage is None or key in self._places:
                raise PickleError("the list of its storages names what is none")
            (count,) = struct.unpack("<q", file.text(at, 8))
            if count != storage.count:
                raise PickleError(f"storage {key!r} has {count} numbers where {storage.count} were declared")
            self._places[key] = at + 8
            at += 8 + count * storage.dtype.itemsize
            if at > file.size:
                raise PickleError("it ends before its numbers do")
        if missing := storages.found.keys() - self._places.keys():
            raise PickleError(f"it lacks the numbers of storage {min(missing)!r}")

    def numbers(self, storage: Storage, start: int, count: int) -> Bytes:
        """``count`` bytes of the row of that name, from byte ``start`` of it on.

        Raises:
            CheckpointError: the file became shorter.
        """
        return self._file.read(self._places[storage.key] + start, count)


_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001


class _Stream(io.RawIOBase):
    """The file from its beginning on, for a buffer."""

    def __init__(self, file: FileBytes) -> None:
        self._bytes, self._at = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset if whence == 0 else self._at + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        part = self._bytes.read(self._at, min(len(buffer), self._bytes.size - self._at))
        buffer[: part.size] = part.tobytes()
        self._at += part.size
        return int(part.size)
