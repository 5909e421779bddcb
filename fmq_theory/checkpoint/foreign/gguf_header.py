"""The header of a GGUF file: what it says of itself, and where each tensor lies.

    magic "GGUF", version, number of tensors, number of values,
    values: key, type, value;  tensors: name, sizes (fastest first), type, offset;  then, aligned, the data

Read here and not by the package ``gguf``, whose reader follows a forged count until memory ends: every length
is held against what is left of the file before it is believed (specification: ggml/docs/gguf.md, version 3).
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path

from fmq_theory.checkpoint.io import limits
from fmq_theory.checkpoint.io.file_bytes import FileBytes
from fmq_theory.errors import CheckpointError

__all__ = ["GgufHeader", "GgufTensor", "damaged_gguf", "read_gguf_header"]

MAGIC = b"GGUF"
Value = int | float | bool | str | list["Value"] | None

# Types of values by their numbers; 8 is a text, 9 an array.
_NUMBERS = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d",
}  # fmt: skip
_TEXT, _ARRAY = 8, 9
_VERSIONS = (2, 3)
_CHUNK = 2**20  # bytes that are read at a time
_KEPT = 64  # values of an array that is kept; a vocabulary is passed over
_MOST_AXES = 8
_MOST_DEPTH = 4


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """A tensor of the file.

    Attributes:
        name: of it.
        shape: the slowest axis first, as numpy and torch have it.
        kind: number of its type.
        offset: of its first byte in the file.
    """

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a file says.

    Attributes:
        values: by key; None for an array that is too long to be kept.
        tensors: in the order of the file.
    """

    values: dict[str, Value]
    tensors: tuple[GgufTensor, ...]


def damaged_gguf(path: Path, cause: str) -> CheckpointError:
    """The error about a file that is not whole.

    Args:
        path: of the file.
        cause: what is wrong.
    """
    return CheckpointError(
        f"GGUF file {str(path)!r}",
        f"it is truncated or corrupt: {cause}",
        "download or write it again and compare its size or checksum",
    )


def read_gguf_header(path: Path, file: FileBytes) -> GgufHeader:
    """The header, after every length in it was checked.

    Args:
        path: of the file, for errors.
        file: the same, open.

    Raises:
        CheckpointError: it is damaged, of a version that is not read, or above a limit.
    """
    cursor = _Cursor(path, file)
    if cursor.take(len(MAGIC)) != MAGIC:
        raise damaged_gguf(path, "it does not begin with GGUF")
    version = cursor.number("<I")
    if version not in _VERSIONS:
        turned = int.from_bytes(int(version).to_bytes(4, "little"), "big") in _VERSIONS
        raise CheckpointError(
            f"GGUF file {str(path)!r}",
            "its numbers are big-endian" if turned else f"it is of version {version}",
            "convert it with llama.cpp: versions 2 and 3, little-endian, are read",
        )
    num_tensors, num_values = int(cursor.number("<Q")), int(cursor.number("<Q"))
    thing = f"GGUF file {str(path)!r}"
    limits.check_count(thing, "tensors", num_tensors, "MOST_TENSORS")
    limits.check_count(thing, "values", num_values, "MOST_RECORDS")
    values: dict[str, Value] = {}
    for _ in range(num_values):
        key = cursor.text()
        values[key] = cursor.value(int(cursor.number("<I")))
    found = [cursor.tensor() for _ in range(num_tensors)]
    if len({tensor.name for tensor in found}) < len(found):
        raise damaged_gguf(path, "two tensors have one name")
    alignment = values.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
        raise damaged_gguf(path, "its alignment is no power of two")
    start = -(-cursor.place // alignment) * alignment
    tensors = (GgufTensor(t.name, t.shape, t.kind, start + t.offset) for t in found)
    return GgufHeader(values, tuple(tensors))


class _Cursor:
    """A place in the file that goes forward.

    Args:
        path: of the file, for errors.
        file: the same, open.
    """

    def __init__(self, path: Path, file: FileBytes) -> None:
        self._path, self._file = path, file
        self._begin, self._chunk = 0, b""
        self.place = 0

    def _room(self, count: int) -> None:
        if count > self._file.size - self.place:
            raise damaged_gguf(self._path, f"its header asks for {count} bytes where the file ends")

    def take(self, count: int) -> bytes:
        """The next bytes."""
        self._room(count)
        first = self.place - self._begin
        if first < 0 or first + count > len(self._chunk):
            size = min(max(count, _CHUNK), self._file.size - self.place)
            self._begin, self._chunk, first = self.place, self._file.text(self.place, size), 0
        self.place += count
        return self._chunk[first : first + count]

    def skip(self, count: int) -> None:
        """Passes over bytes that the file has."""
        self._room(count)
        self.place += count

    def number(self, form: str) -> int | float | bool:
        """The next number."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self) -> str:
        """The next text."""
        try:
            return self.take(int(self.number("<Q"))).decode("utf-8")
        except UnicodeDecodeError as error:
            raise damaged_gguf(self._path, "a name in it is no text") from error

    def value(self, kind: int, depth: int = 0) -> Value:
        """The next value; None for a long array."""
        if kind in _NUMBERS:
            return self.number(_NUMBERS[kind])
        if kind == _TEXT:
            return self.text()
        if kind != _ARRAY or depth == _MOST_DEPTH:
            raise damaged_gguf(self._path, f"it has a value of the unknown type {kind}")
        inner, count = int(self.number("<I")), int(self.number("<Q"))
        if inner in _NUMBERS and count > _KEPT:
            self.skip(count * struct.calcsize(_NUMBERS[inner]))
            return None
        if inner == _TEXT and count > _KEPT:
            for _ in range(count):  # each has eight bytes or more: the end of the file ends it
                self.skip(int(self.number("<Q")))
            return None
        if inner not in (*_NUMBERS, _TEXT) and count > _KEPT:
            raise damaged_gguf(self._path, f"it has {count} values of type {inner}")
        return [self.value(inner, depth + 1) for _ in range(count)]

    def tensor(self) -> GgufTensor:
        """The next entry about a tensor, with its offset behind the header."""
        name, count = self.text(), int(self.number("<I"))
        if not 0 < count <= _MOST_AXES:
            raise damaged_gguf(self._path, f"tensor {name!r} has {count} axes")
        sizes = [int(self.number("<Q")) for _ in range(count)]
        if 0 in sizes or math.prod(sizes) >= 2**62:
            raise damaged_gguf(self._path, f"the shape of tensor {name!r} is none")
        kind, offset = int(self.number("<I")), int(self.number("<Q"))
        return GgufTensor(name, tuple(reversed(sizes)), kind, offset)
