"""Zip archives of every form that hold one checkpoint, and archives that contradict themselves.

``healthy`` and ``damaged`` give named bytes, made by program from one file of ``torch.save``.
"""

import io
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

__all__ = ["Variant", "damaged", "healthy", "repacked", "state"]

METHODS = {
    "stored": zipfile.ZIP_STORED,
    "deflate": zipfile.ZIP_DEFLATED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}


@dataclass(frozen=True)
class Variant:
    """A file, and whether torch itself reads it."""

    name: str
    data: bytes
    torch_reads: bool


def state() -> dict[str, torch.Tensor]:
    """A small state dict with views of shared storages, several types, and tensors without numbers."""
    drawn = torch.Generator().manual_seed(0)
    base = torch.randn(12, 8, generator=drawn)
    return {
        "plain": torch.randn(5, 7, generator=drawn),
        "zeros": torch.zeros(40, 40),
        "rows": base[:4],
        "columns": base[:, ::2],
        "turned": base.T,
        "half": torch.randn(3, 3, generator=drawn).half(),
        "brain": torch.randn(3, 3, generator=drawn).bfloat16(),
        "eight": torch.randn(4, generator=drawn).to(torch.float8_e5m2),
        "wide": torch.randn(3, 2, generator=drawn, dtype=torch.float64),
        "whole": torch.arange(6).reshape(2, 3),
        "flags": torch.tensor([True, False]),
        "waves": torch.randn(2, 2, generator=drawn, dtype=torch.complex64),
        "one": torch.tensor(2.5),
        "none": torch.zeros(0, 4),
        "spread": torch.tensor([1.5]).expand(3, 4),
    }


def saved(content: object, **options: bool) -> bytes:
    """What ``torch.save`` writes."""
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def _read(data: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


class _Pipe(io.RawIOBase):
    """A stream that cannot be rewound, so that sizes follow the contents."""

    def __init__(self) -> None:
        self.parts = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.parts += bytes(data)  # type: ignore[arg-type]
        return len(bytes(data))  # type: ignore[arg-type]


def repacked(
    data: bytes,
    method: int = zipfile.ZIP_STORED,
    *,
    rename: Callable[[str], str] = lambda name: name,
    change: Callable[[str, bytes], bytes] = lambda _name, content: content,
    order: int = 1,
    stream: bool = False,
    zip64: bool = False,
    comment: bytes = b"",
    extra: tuple[tuple[str, bytes], ...] = (),
) -> bytes:
    """The archive written again by the standard library."""
    target: io.BytesIO | _Pipe = _Pipe() if stream else io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:  # type: ignore[arg-type]
        for name, content in [*_read(data)[::order], *extra]:
            with archive.open(_info(rename(name), method), "w", force_zip64=zip64) as record:
                record.write(change(name, content))
        archive.comment = comment
    return bytes(target.parts) if isinstance(target, _Pipe) else target.getvalue()


def _info(name: str, method: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.compress_type = method
    return info


def _mixed(data: bytes) -> bytes:
    """Each record compressed in another way."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for i, (name, content) in enumerate(_read(data)):
            archive.writestr(name, content, zipfile.ZIP_DEFLATED if i % 2 else zipfile.ZIP_STORED)
    return target.getvalue()


def _end_64(data: bytes) -> bytes:
    """With the end records of 64 bits, as an archive of more than 65,535 records has."""
    at = data.rindex(b"PK\x05\x06")
    _, _, _, here, count, length, offset, _ = struct.unpack("<4s4H2LH", data[at : at + 22])
    wide = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, here, count, length, offset)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return data[:at] + wide + locator + end


def healthy(data: bytes) -> Iterator[Variant]:
    """Archives with the contents of ``data``, a file of ``torch.save``."""
    yield Variant("as saved", data, True)
    for name, method in METHODS.items():
        read = method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        yield Variant(name, repacked(data, method), read)
        yield Variant(f"{name}, sizes behind", repacked(data, method, stream=True), read)
        yield Variant(f"{name}, records of 64 bits", repacked(data, method, zip64=True), read)
        yield Variant(f"{name}, backwards", repacked(data, method, order=-1), read)
    yield Variant("mixed methods", _mixed(data), True)
    yield Variant("end of 64 bits", _end_64(repacked(data)), True)
    yield Variant("comment", repacked(data, comment=b"a comment " * 50), True)
    yield Variant("another folder", repacked(data, rename=lambda n: "x y/" + n.split("/", 1)[1]), True)
    yield Variant("no folder", repacked(data, rename=lambda n: n.split("/", 1)[1]), False)
    yield Variant("two folders", repacked(data, rename=lambda n: "outer/" + n), False)
    yield Variant("a folder's own record", repacked(data, extra=(("archive/", b""),)), True)
    yield Variant("other files", repacked(data, extra=(("__MACOSX/._data", b"x"), ("r.txt", b"y"))), False)
    yield Variant("something before it", b"#!/bin/sh\n" * 7 + repacked(data), False)
    yield Variant("something behind it", repacked(data) + b"\0" * 100, False)


def _set(data: bytes, sign: bytes, name: bytes, offset: int, form: str, value: int) -> bytes:
    """A field of the header of a record changed, in the directory or before the record."""
    skip = 46 if sign == b"PK\x01\x02" else 30
    at = data.find(sign)
    while data[at + skip : at + skip + len(name)] != name:
        at = data.index(sign, at + 1)
    found = bytearray(data)
    struct.pack_into(form, found, at + offset, value)
    return bytes(found)


def damaged(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Archives that no reader can take for the contents of ``data``: each must be refused."""
    stored = repacked(data)
    names = [name for name, _ in _read(stored)]
    first = next(name for name in names if name.endswith("/data/0"))
    second = next(name for name in names if name.endswith("/data/1"))
    key, entry, local = first.encode(), b"PK\x01\x02", b"PK\x03\x04"
    sizes = {name: len(content) for name, content in _read(stored)}
    yield "a record cut", repacked(data, change=lambda n, c: c[:-4] if n == first else c)
    yield "a record longer", repacked(data, change=lambda n, c: c + b"\0" * 4 if n == first else c)
    yield "a record missing", repacked(data, rename=lambda n: "gone" if n == first else n)
    yield "no pickle", repacked(data, rename=lambda n: n.replace("data.pkl", "data.pk"))
    yield "two checkpoints", repacked(data, extra=(("other/data.pkl", b"\x80\x02}."),))
    for name, method in METHODS.items():
        packed = repacked(data, method)
        info = zipfile.ZipFile(io.BytesIO(packed)).getinfo(first)
        at = info.header_offset + 30 + len(first) + info.compress_size // 2
        yield f"a flipped byte, {name}", packed[:at] + bytes([packed[at] ^ 4]) + packed[at + 1 :]
    yield "another checksum", _set(_set(stored, entry, key, 16, "<L", 7), local, key, 14, "<L", 7)
    yield "no checksum of one", _set(_set(stored, entry, key, 16, "<L", 0), local, key, 14, "<L", 0)
    yield "checksums differ", _set(stored, local, key, 14, "<L", 7)
    yield "methods differ", _set(stored, entry, key, 10, "<H", 8)
    yield "unknown method", _set(_set(stored, entry, key, 10, "<H", 93), local, key, 8, "<H", 93)
    yield "encrypted", _set(_set(stored, entry, key, 8, "<H", 1), local, key, 6, "<H", 1)
    yield "encrypted by one header", _set(stored, entry, key, 8, "<H", 1)
    yield "names differ", _set(stored, local, key, 30, "<B", 65)
    yield "two sizes of a stored one", _set(stored, entry, key, 24, "<L", sizes[first] - 4)
    other = zipfile.ZipFile(io.BytesIO(stored)).getinfo(second).header_offset
    yield "two records in one place", _set(stored, entry, key, 42, "<L", other)
    yield "a place outside", _set(stored, entry, key, 42, "<L", len(stored) * 2)
    yield "a name twice", _set(stored, entry, second.encode(), 46 + len(second) - 1, "<B", ord("0"))
    yield "one record more", _set_end(stored, 8, "<HH", len(names) + 1)
    yield "a directory elsewhere", _set_end(stored, 16, "<L", 0xFFFFFFF)
    yield "several disks", _set_end(stored, 4, "<H", 3)
    yield "an empty directory", stored[:-18] + bytes(16) + stored[-2:]
    yield "one record, and an empty directory", stored[: len(stored) // 2] + b"PK\x05\x06" + bytes(18)
    for cut in (1, 21, 22, 30, 100, len(stored) // 2):
        yield f"cut by {cut}", stored[:-cut]
    yield (
        "swapped records",
        repacked(data, rename=lambda n: {first: second, second: first}.get(n, n))
        if sizes[first] != sizes[second]
        else stored[:-1],
    )


def _set_end(data: bytes, offset: int, form: str, value: int) -> bytes:
    found, at = bytearray(data), data.rindex(b"PK\x05\x06")
    struct.pack_into(form, found, at + offset, *([value] * (len(form) - 1)))
    return bytes(found)
