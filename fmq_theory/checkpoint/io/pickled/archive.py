"""The contents of the records of a zip archive, each held against its checksum."""

import bz2
import lzma
import struct
import zlib
from collections.abc import Iterator
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from fmq_theory.checkpoint.io.file_bytes import FileBytes
from fmq_theory.checkpoint.io.limits import FREE_BYTES, check_expansion
from fmq_theory.checkpoint.io.pickled.directory import Record, damaged_archive, data_start, read_directory
from fmq_theory.errors import CheckpointError

__all__ = ["Archive"]

Bytes = NDArray[np.uint8]

_STORED = 0
_BLOCK = 2**22
_METHODS = {1: "shrink", 6: "implode", 9: "deflate64", 93: "zstd", 95: "xz", 98: "PPMd", 99: "AES"}
_DAMAGE = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, struct.error)


class _Decoder(Protocol):
    """What the three compressors of the standard library have in common once their ends are alike."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """At most so many bytes, of these and of what is left of those before."""
        ...


class Archive:
    """The records of a zip archive by name.

    Args:
        file: the file that is one, maybe with something else before it.

    Raises:
        CheckpointError: see ``read_directory``.
    """

    def __init__(self, file: FileBytes) -> None:
        self._file = file
        self.records = read_directory(file)
        # torch.save leaves the checksums out where it is told to, and writes zeros.
        self._summed = any(record.crc for record in self.records.values())
        self._starts: dict[str, int] = {}
        self._right: set[str] = set()
        self._decoded: dict[str, Bytes] = {}

    def check(self, name: str) -> Record:
        """The record of that name, of which is known that it can be read.

        Raises:
            CheckpointError: it is absent, needs a password, or is compressed in a way that is not known.
        """
        record = self.records.get(name)
        if record is None:
            raise damaged_archive(self._file, f"record {name!r} is missing")
        thing = f"record {name!r} of {str(self._file.path)!r}"
        if record.encrypted:
            raise CheckpointError(thing, "it is encrypted", "unpack it with its password and zip it again")
        if record.method != _STORED and record.method not in _DECODERS:
            method = _METHODS.get(record.method, f"method {record.method}")
            raise CheckpointError(thing, f"it is compressed by {method}", "zip it again without compression")
        if record.method == _STORED and record.stored != record.size:
            raise damaged_archive(self._file, f"record {name!r} is not compressed and has two sizes")
        check_expansion(thing, record.size, self._file.size)
        return record

    def read(self, name: str, start: int = 0, count: int | None = None) -> Bytes:
        """``count`` bytes of a record from ``start`` on, all of them if it is None.

        Raises:
            CheckpointError: see ``check``; or its contents are not those that were written.
        """
        record = self.check(name)
        count = record.size - start if count is None else count
        if start < 0 or count < 0 or start + count > record.size:
            raise damaged_archive(self._file, f"record {name!r} is too short")
        if record.method != _STORED:
            return self._whole(record)[start : start + count]
        if name not in self._starts:
            self._starts[name] = data_start(self._file, record)
        begin = self._starts[name]
        if not self._summed or name in self._right:
            return self._file.read(begin + start, count)
        if count == record.size:
            found = self._file.read(begin, count)
            crc = zlib.crc32(cast("Any", found))
        else:
            crc = 0
            for part in _blocks(record.size):
                crc = zlib.crc32(cast("Any", self._file.read(begin + part.start, len(part))), crc)
            found = self._file.read(begin + start, count)
        self._accept(record, crc)
        return found

    def _accept(self, record: Record, crc: int) -> None:
        if self._summed and crc != record.crc:
            raise damaged_archive(self._file, f"the bytes of record {record.name!r} do not have its checksum")
        self._right.add(record.name)

    def _whole(self, record: Record) -> Bytes:
        """The contents of a compressed record; the last ones are kept, for other views of them."""
        found = self._decoded.get(record.name)
        if found is None:
            if sum(kept.size for kept in self._decoded.values()) + record.size > FREE_BYTES:
                self._decoded.clear()
            found = self._decode(record)
            found.flags.writeable = False
            self._decoded[record.name] = found
        return found

    def _decode(self, record: Record) -> Bytes:
        begin = data_start(self._file, record)
        try:
            found = np.empty(record.size, dtype=np.uint8)
            done, crc, start = 0, 0, begin
            stop = begin + record.stored
            start, decoder = _DECODERS[record.method](self._file, start, record)
            while start < stop or done < record.size:
                data = self._file.text(start, min(_BLOCK, stop - start))
                start += len(data)
                # One byte more than is left, so that a record which goes on is found out.
                while part := decoder.decompress(data, min(_BLOCK, record.size - done + 1)):
                    data = b""
                    if done + len(part) > record.size:
                        raise damaged_archive(self._file, f"record {record.name!r} is longer than it says")
                    found[done : done + len(part)] = np.frombuffer(part, dtype=np.uint8)
                    crc = zlib.crc32(part, crc)
                    done += len(part)
                if start >= stop and done < record.size:
                    raise damaged_archive(self._file, f"record {record.name!r} is shorter than it says")
        except MemoryError as error:
            raise CheckpointError(
                f"record {record.name!r} of {str(self._file.path)!r}",
                f"its {record.size} bytes do not fit into memory",
                "use a machine with more",
            ) from error
        except _DAMAGE as error:
            if isinstance(error, CheckpointError):
                raise
            raise damaged_archive(
                self._file, f"record {record.name!r} cannot be unpacked ({error})"
            ) from error
        self._accept(record, crc)
        return found


def _blocks(size: int) -> Iterator[range]:
    for start in range(0, size, _BLOCK):
        yield range(start, min(start + _BLOCK, size))


class _Deflate:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(-zlib.MAX_WBITS)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


class _UntilItsEnd:
    """bz2 and lzma raise where they are asked for more after their end."""

    def __init__(self, inner: bz2.BZ2Decompressor | lzma.LZMADecompressor) -> None:
        self._inner = inner

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return b"" if self._inner.eof else self._inner.decompress(data, max_length)


def _deflate(_file: FileBytes, start: int, _record: Record) -> tuple[int, _Decoder]:
    return start, _Deflate()


def _bzip2(_file: FileBytes, start: int, _record: Record) -> tuple[int, _Decoder]:
    return start, _UntilItsEnd(bz2.BZ2Decompressor())


def _lzma(file: FileBytes, start: int, record: Record) -> tuple[int, _Decoder]:
    """APPNOTE 5.8.8: two bytes of version, the length of the properties, and these."""
    if record.stored < 9:
        raise damaged_archive(file, f"record {record.name!r} is cut short")
    _, length, packed, dictionary = struct.unpack("<HHBL", file.text(start, 9))
    if length != 5 or packed >= 9 * 5 * 5:
        raise damaged_archive(file, f"record {record.name!r} has unknown properties")
    # A dictionary longer than the contents is never looked into, and could be of 4 GiB.
    settings: dict[str, int] = {
        "id": lzma.FILTER_LZMA1,
        "lc": packed % 9,
        "lp": packed // 9 % 5,
        "pb": packed // 45,
        "dict_size": max(4096, min(dictionary, record.size)),
    }
    return start + 9, _UntilItsEnd(lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[settings]))


_DECODERS = {8: _deflate, 12: _bzip2, 14: _lzma}
