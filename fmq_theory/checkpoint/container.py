"""The safetensors container: a header and then the bytes of the tensors, read by map and written in a stream.

The safetensors library writes a file from tensors that are all in memory. Here the sizes are known first and
the bytes come one tensor at a time. Reading gives views into a map of the file, which torch need not
understand the type of.
"""

import json
import math
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from fmq_theory.errors import CheckpointError

__all__ = ["Container", "Spec", "checksum", "item_bits", "open_container", "write_container"]

Bytes = NDArray[np.uint8]

_ITEM_BITS = {
    "F64": 64, "I64": 64, "U64": 64, "C64": 64,
    "F32": 32, "I32": 32, "U32": 32,
    "F16": 16, "BF16": 16, "I16": 16, "U16": 16,
    "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "I8": 8, "U8": 8, "BOOL": 8,
    "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4,
}  # fmt: skip
_LONGEST_HEADER = 100_000_000  # the safetensors library's own limit
_LENGTH = struct.Struct("<Q")
_ALIGNMENT = 8
_METADATA = "__metadata__"


def item_bits(dtype: str) -> int | None:
    """Bits of a number of that safetensors type; None for an unknown one."""
    return _ITEM_BITS.get(dtype)


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
        return math.prod(self.shape) * _ITEM_BITS[self.dtype] // 8


@dataclass(frozen=True, slots=True, eq=False)
class Container:
    """An open file.

    Attributes:
        path: of the file.
        metadata: what the header says beside the tensors.
        specs: in the order of the bytes.
        data: all bytes behind the header, read-only, shape ``[n]``.
        starts: where in them each tensor begins.
    """

    path: Path
    metadata: Mapping[str, str]
    specs: Mapping[str, Spec]
    data: Bytes
    starts: Mapping[str, int]

    def bytes_of(self, name: str) -> Bytes:
        """The bytes of a tensor, paged in when they are read.

        Raises:
            CheckpointError: there is no tensor of that name.
        """
        if name not in self.specs:
            raise CheckpointError(
                f"checkpoint {str(self.path)!r}", f"it lacks {name!r}", "download or save it again"
            )
        return self.data[self.starts[name] : self.starts[name] + self.specs[name].num_bytes]


def open_container(path: Path) -> Container:
    """Maps a safetensors file, after every length that its header states has been checked.

    Raises:
        CheckpointError: it cannot be opened or is damaged.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header, start = _header(path, file, size)
        data = np.memmap(path, dtype=np.uint8, mode="r").view(np.ndarray)
    except OSError as error:
        raise CheckpointError(
            f"checkpoint {str(path)!r}", f"it cannot be opened ({error})", "check the path and permissions"
        ) from error
    metadata = header.pop(_METADATA, {})
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
        data[start:],
        {spec.name: begin for spec, begin, _ in found},
    )


def _header(path: Path, file: BinaryIO, size: int) -> tuple[dict[str, Any], int]:
    """The header and where it ends."""
    head = file.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise _damaged(path, f"it has only {len(head)} bytes")
    length = int(_LENGTH.unpack(head)[0])
    if length > _LONGEST_HEADER:
        raise _damaged(path, f"its header would be {length} bytes long")
    if _LENGTH.size + length > size:
        raise _damaged(path, f"its header would be {length} bytes long, and the file has {size}")
    try:
        header = json.loads(file.read(length).decode("utf-8"), object_pairs_hook=_without_repetition)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"its header is no JSON ({error})"[:160]) from error
    if not isinstance(header, dict):
        raise _damaged(path, "its header is no JSON object")
    return cast("dict[str, Any]", header), _LENGTH.size + length


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found


def _entry(path: Path, name: str, entry: Any) -> tuple[Spec, int, int]:
    try:
        dtype, shape, (begin, stop) = entry["dtype"], entry["shape"], entry["data_offsets"]
        whole = all(type(number) is int and 0 <= number < 2**63 for number in (*shape, begin, stop))
    except (TypeError, KeyError, ValueError) as error:
        raise _damaged(path, f"its header does not describe {name!r}") from error
    if not isinstance(dtype, str) or dtype not in _ITEM_BITS:
        raise _damaged(path, f"{name!r} has the unknown type {dtype!r}")
    spec = Spec(name, dtype, tuple(shape)) if whole else None
    if spec is None or begin > stop or stop - begin != spec.num_bytes:
        raise _damaged(path, f"the shape of {name!r} does not fit its bytes")
    return spec, begin, stop


def _damaged(path: Path, cause: str) -> CheckpointError:
    return CheckpointError(
        f"checkpoint {str(path)!r}",
        f"it is truncated or corrupt: {cause}",
        "download or save it again and compare its size or checksum",
    )


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
    ordered = sorted(specs, key=lambda spec: -_ITEM_BITS[spec.dtype])
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
    if len(text) > _LONGEST_HEADER:
        raise CheckpointError(
            f"{len(ordered)} tensors",
            f"their header has {len(text)} bytes, above the format's limit",
            "split them",
        )
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
    return _LENGTH.size + len(text) + end
