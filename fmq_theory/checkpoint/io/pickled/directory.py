"""The directory of a zip archive: what lies in it, where, and in which form.

Two programs can read one archive differently where its parts contradict each other. So every number that is
there twice must agree, no two records may overlap or share a name, and what is not understood is refused.

Reference: PKWARE, APPNOTE.TXT, ZIP File Format Specification 6.3.10, sections 4.3 to 4.5.
"""

import struct
from dataclasses import dataclass

from fmq_theory.checkpoint.io.file_bytes import FileBytes
from fmq_theory.checkpoint.io.limits import check_count
from fmq_theory.errors import CheckpointError

__all__ = ["Record", "damaged_archive", "data_start", "read_directory"]

_END = struct.Struct("<4s4H2LH")
_END_SIGN = b"PK\x05\x06"
_LONGEST_COMMENT = 0xFFFF
_LOCATOR = struct.Struct("<4sLQL")
_LOCATOR_SIGN = b"PK\x06\x07"
_END_64 = struct.Struct("<4sQ2H2L4Q")
_END_64_SIGN = b"PK\x06\x06"
_ENTRY = struct.Struct("<4s6H3L5H2L")
_ENTRY_SIGN = b"PK\x01\x02"
_LOCAL = struct.Struct("<4s5H3L2H")
_LOCAL_SIGN = b"PK\x03\x04"
_ZIP_64 = 0x0001
_FULL_16, _FULL_32 = 0xFFFF, 0xFFFFFFFF
# Bits of the general purpose flag.
ENCRYPTED, SIZES_FOLLOW, STRONGLY_ENCRYPTED, UTF_8 = 0x1, 0x8, 0x40, 0x800


@dataclass(frozen=True, slots=True)
class Record:
    """One entry.

    Attributes:
        name: with the folders before it.
        method: of compression, 0 for none.
        encrypted: whether a password is needed.
        crc: CRC-32 of the contents.
        stored: bytes in the archive.
        size: bytes of the contents.
        header: where in the file its own header begins.
        limit: where in the file the next thing begins.
    """

    name: str
    method: int
    encrypted: bool
    crc: int
    stored: int
    size: int
    header: int
    limit: int


def damaged_archive(file: FileBytes, cause: str) -> CheckpointError:
    """The error about an archive that contradicts itself or is cut short."""
    return CheckpointError(
        f"checkpoint {str(file.path)!r}",
        f"it is truncated or corrupt: {cause}",
        "download or save it again and compare its size or checksum",
    )


def read_directory(file: FileBytes) -> dict[str, Record]:
    """All records by name, folders left out.

    Raises:
        CheckpointError: there is no directory, it contradicts itself, records overlap, or a name is there
            twice.
    """
    count, start, stop, prefix = _bounds(file)
    check_count(f"checkpoint {str(file.path)!r}", "records", count, "MOST_RECORDS")
    text = file.text(start, stop - start)
    entries: list[tuple[int, Record]] = []
    at = 0
    while at < len(text):
        record, at = _entry(file, text, at, prefix)
        entries.append((record.header, record))
    if len(entries) != count:
        raise damaged_archive(file, f"its directory promises {count} records and has {len(entries)}")
    if not entries:
        raise damaged_archive(file, "its directory is empty")
    entries.sort(key=lambda entry: entry[0])
    found: dict[str, Record] = {}
    for (header, record), (limit, following) in zip(entries, [*entries[1:], (start, None)], strict=True):
        if header + _LOCAL.size + len(record.name) + record.stored > limit:
            other = "its directory" if following is None else repr(following.name)
            raise damaged_archive(file, f"record {record.name!r} overlaps {other}")
        if record.name in found:
            raise damaged_archive(file, f"record {record.name!r} is there twice")
        if not record.name.endswith("/"):
            found[record.name] = Record(
                record.name,
                record.method,
                record.encrypted,
                record.crc,
                record.stored,
                record.size,
                header,
                limit,
            )
    return found


def data_start(file: FileBytes, record: Record) -> int:
    """Where in the file the contents of a record begin, after its own header was held against the directory.

    Raises:
        CheckpointError: they contradict each other.
    """
    try:
        head = _LOCAL.unpack(file.text(record.header, _LOCAL.size))
    except struct.error as error:
        raise damaged_archive(file, f"record {record.name!r} has no header") from error
    sign, _, flags, method, _, _, crc, stored, size, name_length, extra_length = head
    name = file.text(record.header + _LOCAL.size, name_length)
    start = record.header + _LOCAL.size + name_length + extra_length
    told = (method, bool(flags & (ENCRYPTED | STRONGLY_ENCRYPTED)), _decoded(name, flags))
    agrees = sign == _LOCAL_SIGN and told == (record.method, record.encrypted, record.name)
    if not flags & SIZES_FOLLOW:
        agrees = agrees and crc == record.crc
        agrees = agrees and stored in (record.stored, _FULL_32) and size in (record.size, _FULL_32)
    if not agrees or start + record.stored > record.limit:
        raise damaged_archive(file, f"record {record.name!r} is not what the directory says")
    return start


def _bounds(file: FileBytes) -> tuple[int, int, int, int]:
    """Records, start and end of the directory, and how many bytes stand before the archive."""
    tail_start = max(0, file.size - _END.size - _LONGEST_COMMENT)
    tail = file.text(tail_start, file.size - tail_start)
    places: list[int] = []
    at = tail.find(_END_SIGN)
    while at >= 0 and at + _END.size <= len(tail):
        places.append(at)
        at = tail.find(_END_SIGN, at + 1)
    # The one whose comment ends with the file; a file with something behind it has none.
    exact = [at for at in places if at + _END.size + _END.unpack_from(tail, at)[-1] == len(tail)]
    if not places:
        raise damaged_archive(file, "the directory at the end of the archive is missing")
    if len(exact or places) > 1:
        raise damaged_archive(file, "it has more than one directory")
    at = (exact or places)[0]
    _, disk, first_disk, here, count, length, offset, _ = _END.unpack_from(tail, at)
    stop = tail_start + at
    if stop >= _LOCATOR.size:
        locator = _LOCATOR.unpack(file.text(stop - _LOCATOR.size, _LOCATOR.size))
        if locator[0] == _LOCATOR_SIGN:
            told = (disk, first_disk, here, count, length, offset)
            stop, (disk, first_disk, here, count, length, offset) = _end_64(file, stop, told)
    if disk or first_disk or here != count:
        raise damaged_archive(file, "it is a part of an archive in several files")
    prefix = stop - length - offset
    if prefix < 0:
        raise damaged_archive(file, f"its directory of {length} bytes at {offset} lies outside of the file")
    return count, stop - length, stop, prefix


def _end_64(file: FileBytes, stop: int, told: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """Where the directory ends, and its end record in 64 bits, which must say what the other one does."""
    at = stop - _LOCATOR.size - _END_64.size
    if at < 0:
        raise damaged_archive(file, "its directory is cut short")
    sign, _, _, _, disk, first_disk, here, count, length, offset = _END_64.unpack(file.text(at, _END_64.size))
    found = (disk, first_disk, here, count, length, offset)
    full = (_FULL_16, _FULL_16, _FULL_16, _FULL_16, _FULL_32, _FULL_32)
    if sign != _END_64_SIGN or any(a not in (b, c) for a, b, c in zip(told, found, full, strict=True)):
        raise damaged_archive(file, "its two end records contradict each other")
    return at, found


def _entry(file: FileBytes, text: bytes, at: int, prefix: int) -> tuple[Record, int]:
    """The entry of the directory at ``at``, and where the next one begins."""
    if at + _ENTRY.size > len(text):
        raise damaged_archive(file, "its directory is cut short")
    (
        sign,
        _,
        _,
        flags,
        method,
        _,
        _,
        crc,
        stored,
        size,
        name_length,
        extra_length,
        comment_length,
        disk,
        _,
        _,
        header,
    ) = _ENTRY.unpack_from(text, at)
    name_at = at + _ENTRY.size
    extra_at = name_at + name_length
    stop = extra_at + extra_length + comment_length
    if sign != _ENTRY_SIGN or stop > len(text):
        raise damaged_archive(file, "its directory is cut short")
    name = _decoded(text[name_at:extra_at], flags)
    size, stored, header = _wide(file, name, text[extra_at : extra_at + extra_length], (size, stored, header))
    if disk not in (0, _FULL_16):
        raise damaged_archive(file, f"record {name!r} is in another file")
    encrypted = bool(flags & (ENCRYPTED | STRONGLY_ENCRYPTED))
    return Record(name, method, encrypted, crc, stored, size, prefix + header, 0), stop


def _wide(file: FileBytes, name: str, extra: bytes, narrow: tuple[int, int, int]) -> tuple[int, int, int]:
    """Size, stored size and place; those that do not fit into 32 bits stand in an extra field."""
    wanted = [i for i, number in enumerate(narrow) if number == _FULL_32]
    if not wanted:
        return narrow
    found, at = list(narrow), 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == _ZIP_64 and length >= 8 * len(wanted) and at + 4 + length <= len(extra):
            for i, number in zip(wanted, struct.unpack_from(f"<{len(wanted)}Q", extra, at + 4), strict=True):
                found[i] = number
            return found[0], found[1], found[2]
        at += 4 + length
    raise damaged_archive(file, f"record {name!r} lacks its size")


def _decoded(name: bytes, flags: int) -> str:
    return name.decode("utf-8" if flags & UTF_8 else "cp437", "surrogateescape")
