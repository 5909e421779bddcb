"""The safetensors container: a header and then the bytes of the tensors, read and written a tensor at a time.

The safetensors library writes a file from tensors that are all in memory. Here the sizes are known first and
the bytes come one tensor at a time. Reading gives bytes, whose type torch need not understand.
"""

import json
import math
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fmq_theory.checkpoint.io import limits
from fmq_theory.checkpoint.io.file_bytes import FileBytes
from fmq_theory.checkpoint.io.number_types import ITEM_BITS
from fmq_theory.errors import CheckpointError
from fmq_theory.storage.json_objects import each_once

__all__ = [
    "Container", "Spec", "checksum", "header_text", "in_file_order", "open_container", "parse_json",
    "write_container",
]  # fmt: skip

Bytes = NDArray[np.uint8]

_LENGTH = struct.Struct("<Q")
_ALIGNMENT = 8
_METADATA = "__metadata__"


def checksum(data: Bytes) -> int:
    """CRC-32 of the bytes."""
    return zlib.crc32(cast("Any", data))


@dataclass(frozen=True, slots=True)
class Spec:
    """A tensor as the header describes it.

    Attributes:
        name: its key.
        dtype: as safetensors calls it ("F32").
        shape: its shape.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def num_bytes(self) -> int:
        """Its size in the file."""
        return math.prod(self.shape) * ITEM_BITS[self.dtype] // 8


@dataclass(frozen=True, slots=True, eq=False)
class Container:
    """An open file.

    Attributes:
        path: of the file.
        metadata: what the header says beside the tensors.
        specs: in the order of the bytes.
        file: the bytes.
        body: where in them the tensors begin, behind the header.
        starts: where in the body each tensor begins.
    """

    path: Path
    metadata: Mapping[str, str]
    specs: Mapping[str, Spec]
    file: FileBytes
    body: int
    starts: Mapping[str, int]

    def bytes_of(self, name: str) -> Bytes:
        """The bytes of a tensor, in memory of their own, read-only.

        Raises:
            CheckpointError: there is no tensor of that name, or the file became shorter meanwhile.
        """
        found = self.own_bytes_of(name)
        found.flags.writeable = False
        return found

    def own_bytes_of(self, name: str) -> Bytes:
        """``bytes_of`` for a caller who keeps them, and may write into them.

        Raises:
            CheckpointError: see ``bytes_of``.
        """
        if name not in self.specs:
            raise CheckpointError(
                f"checkpoint {str(self.path)!r}", f"it lacks {name!r}", "download or save it again"
            )
        return self.file.read(self.body + self.starts[name], self.specs[name].num_bytes)

    def part_of(self, name: str, begin: int, count: int) -> Bytes:
        """``count`` bytes of a tensor from its byte ``begin`` on, in memory of their own.

        Raises:
            CheckpointError: see ``bytes_of``; or it has not so many.
        """
        if name not in self.specs or begin + count > self.specs[name].num_bytes:
            raise CheckpointError(
                f"checkpoint {str(self.path)!r}", f"it lacks {name!r}", "download or save it again"
            )
        return self.file.read(self.body + self.starts[name] + begin, count)


def open_container(path: Path) -> Container:
    """Opens a safetensors file, after every length that its header states has been checked.

    Raises:
        CheckpointError: it cannot be opened or is damaged.
    """
    file = FileBytes(path)
    size = file.size
    header, start = _header(path, file)
    metadata = header.pop(_METADATA, None)
    if metadata is None:  # the library reads null as none
        metadata = {}
    if not (
        isinstance(metadata, dict)
        and all(isinstance(v, str) for v in cast("dict[str, Any]", metadata).values())
    ):
        raise _damaged(path, "its metadata are not pairs of texts")
    found = sorted((_entry(path, name, entry) for name, entry in header.items()), key=lambda e: (e[1], e[2]))
    end = 0
    for spec, begin, stop in found:
        if begin != end:
            raise _damaged(path, f"the bytes of {spec.name!r} do not follow those before it")
        end = stop
    if start + end != size:
        raise _damaged(path, f"its header promises {start + end} bytes, and it has {size}")
    return Container(
        path,
        cast("dict[str, str]", metadata),
        {spec.name: spec for spec, _, _ in found},
        file,
        start,
        {spec.name: begin for spec, begin, _ in found},
    )


def _header(path: Path, file: FileBytes) -> tuple[dict[str, Any], int]:
    """The header and where it ends."""
    size = file.size
    if size < _LENGTH.size:
        raise _damaged(path, f"it has only {size} bytes")
    length = int(_LENGTH.unpack(file.text(0, _LENGTH.size))[0])
    if length > limits.LONGEST_HEADER:
        raise _damaged(path, f"its header would be {length} bytes long")
    if _LENGTH.size + length > size:
        raise _damaged(path, f"its header would be {length} bytes long, and the file has {size}")
    text = file.text(_LENGTH.size, length)
    # An entry of a tensor has one brace and two brackets, and texts may have some.
    brackets = text.count(b"{") + text.count(b"[")
    limits.check_count(f"checkpoint {str(path)!r}", "tensors", brackets // 3, "MOST_TENSORS")
    try:
        header = parse_json(text)
    except ValueError as error:
        raise _damaged(path, f"its header is no JSON ({error})"[:160]) from error
    if not isinstance(header, dict):
        raise _damaged(path, "its header is no JSON object")
    return cast("dict[str, Any]", header), _LENGTH.size + length


def parse_json(text: bytes) -> Any:
    """The value of a JSON text in UTF-8, by the letter of the standard (RFC 8259), each key once.

    Raises:
        ValueError: it is none, is nested too deep, holds a number that is none or a text that cannot be
            written.
    """
    try:
        found = json.loads(text.decode("utf-8"), object_pairs_hook=each_once, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    # Half of a surrogate pair is text to the parser, and to nobody else. It can only come from an escape.
    if re.search(rb"\\u[dD][89a-fA-F]", text):
        try:
            json.dumps(found, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError("half of a surrogate pair stands alone in it") from None
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _entry(path: Path, name: str, entry: Any) -> tuple[Spec, int, int]:
    try:
        dtype, shape, (begin, stop) = entry["dtype"], entry["shape"], entry["data_offsets"]
        whole = all(type(number) is int and 0 <= number < 2**63 for number in (*shape, begin, stop))
    except (TypeError, KeyError, ValueError) as error:
        raise _damaged(path, f"its header does not describe {name!r}") from error
    if not isinstance(dtype, str) or dtype not in ITEM_BITS:
        raise _damaged(path, f"{name!r} has the unknown type {dtype!r}")
    if not whole or len(shape) > limits.MOST_AXES or math.prod(max(size, 1) for size in shape) >= 2**63:
        raise _damaged(path, f"the shape of {name!r} is none")
    spec = Spec(name, dtype, tuple(shape))
    if 8 * (stop - begin) != math.prod(shape) * ITEM_BITS[dtype]:
        raise _damaged(path, f"the shape of {name!r} does not fit its bytes")
    return spec, begin, stop


def _damaged(path: Path, cause: str) -> CheckpointError:
    return CheckpointError(
        f"checkpoint {str(path)!r}",
        f"it is truncated or corrupt: {cause}",
        "download or save it again and compare its size or checksum",
    )


def in_file_order(specs: Iterable[Spec]) -> list[Spec]:
    """Tensors as ``write_container`` orders them: wider numbers first."""
    return sorted(specs, key=lambda spec: -ITEM_BITS[spec.dtype])


def header_text(ordered: Sequence[Spec], metadata: Mapping[str, str]) -> bytes:
    """The header of a file, filled up with spaces so that the numbers begin at a multiple of eight.

    Args:
        ordered: all tensors, as ``in_file_order`` orders them.
        metadata: what the header says beside them.

    Raises:
        CheckpointError: it is longer than the format allows.
    """
    header: dict[str, Any] = {_METADATA: dict(metadata)}
    end = 0
    for spec in ordered:
        header[spec.name] = {
            "dtype": spec.dtype,
            "shape": list(spec.shape),
            "data_offsets": [end, end + spec.num_bytes],
        }
        end += spec.num_bytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    if len(text) > limits.LONGEST_HEADER:
        raise CheckpointError(
            f"{len(ordered)} tensors",
            f"their header has {len(text)} bytes, above the format's limit",
            "split them",
        )
    return text


def write_container(
    path: Path,
    specs: Sequence[Spec],
    metadata: Mapping[str, str],
    read: Callable[[str], Iterable[Bytes]],
    *,
    sync: bool = True,
) -> int:
    """Writes a safetensors file, a tensor at a time.

    Wider numbers come first, so that every tensor begins at a multiple of its number's size.

    Args:
        path: replaced if it exists, as a link is and never what it leads to. Give a temporary name and
            rename it. Until then it is the user's alone to read.
        specs: of all tensors.
        metadata: for the header.
        read: the bytes of the tensor of that name, whole or in parts. It is called in the order of the file.
        sync: it is on the disk when this returns, and not only with the operating system.

    Returns:
        the size of the file.

    Raises:
        CheckpointError: a tensor has other bytes than its shape asks for.
        OSError: the disk refused.
    """
    ordered = in_file_order(specs)
    text = header_text(ordered, metadata)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(_LENGTH.pack(len(text)) + text)
        for spec in ordered:
            written = sum(file.write(cast("Any", np.ascontiguousarray(part))) for part in read(spec.name))
            if written != spec.num_bytes:
                raise CheckpointError(
                    f"tensor {spec.name!r}",
                    f"it has {written} bytes where its shape asks for {spec.num_bytes}",
                    "check that nothing changed the checkpoint meanwhile",
                )
        if sync:
            file.flush()
            os.fsync(file.fileno())
    return _LENGTH.size + len(text) + sum(spec.num_bytes for spec in ordered)
