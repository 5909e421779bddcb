"""The one table of a quantized file: names, shapes, recipes and checksums of all tensors, column by column.

A file holds the large ones of the tensors that were kept under their names, and one more, ``fmq.packed``: the
table, compressed, behind it codebook, scales and codes of one quantized tensor after the other, and then the
small ones that were kept, of which the entry in the header would take as much as the numbers. Where a tensor
begins follows from the sizes of those before it. A value that all tensors share is written once.

The metadata hold the length of the table and its CRC-32; the table holds a CRC-32 for each tensor: that of a
quantized one covers its bytes, that of a kept one its name, type, shape and bytes.
"""

import json
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fmq_theory.checkpoint.io.container import Spec, parse_json
from fmq_theory.checkpoint.io.limits import MOST_AXES
from fmq_theory.checkpoint.io.number_types import ITEM_BITS
from fmq_theory.checkpoint.io.packed.config import PackedConfig, damaged

__all__ = [
    "PACKED", "SMALL", "PackedRow", "Table", "kept_checksum", "plain_json", "read_table", "weighted_mean",
    "write_table",
]  # fmt: skip

PACKED = "fmq.packed"
CODEBOOKS = {"F16", "F32", "F64"}
_SCALES = {"F32", "F16", "F8_E4M3"}
_LONGEST = 100_000_000  # of a table; the safetensors library's limit for headers
_MOST_RATIO = 400  # of a table to what it is compressed to
# Fields of an entry that every tensor has, and those that only some have.
_FIELDS = (
    "shape",
    "dtype",
    "scheme",
    "bits",
    "strategy",
    "axis",
    "group_size",
    "levels",
    "mse",
    "scale_unit",
)
_SOME = ("coding", "entropy_bits")
# What is said of the arrays: types, numbers of a codebook, bytes of entropy-coded codes, and the checksum.
_STORED = ("codebook", "numbers", "scales", "size", "crc32")

_SMALL = {"names", "dtype", "shape", "crc32"}
SMALL = 4096  # bytes of a kept tensor that still stands in ``fmq.packed``

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class PackedRow:
    """One quantized tensor in the table.

    Attributes:
        entry: what ``PackedTensor.config`` gave, and what entropy coding adds.
        codebook: type and shape.
        scales: type and shape; None where there are none.
        codes: shape; one side if they are entropy-coded.
        crc32: of the bytes of codebook, scales and codes.
    """

    entry: Mapping[str, Any]
    codebook: Spec
    scales: Spec | None
    codes: Spec
    crc32: int

    @property
    def num_bytes(self) -> int:
        """Of the three arrays."""
        return sum(spec.num_bytes for spec in self.arrays)

    @property
    def arrays(self) -> tuple[Spec, ...]:
        """In the order in which they are stored."""
        return tuple(spec for spec in (self.codebook, self.scales, self.codes) if spec is not None)


@dataclass(frozen=True, slots=True)
class Table:
    """What the table says.

    Attributes:
        rows: the quantized tensors.
        tied: tensors that equal another one.
        unconverted: modules whose weights were kept.
        kept: checksums of the kept tensors that stand in the header, in the order of the file.
        small: the other kept tensors with their checksums.
    """

    rows: Mapping[str, PackedRow]
    tied: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Any])
    unconverted: Sequence[str] = ()
    kept: Sequence[int] = ()
    small: Mapping[str, tuple[Spec, int]] = field(default_factory=dict[str, Any])


def kept_checksum(spec: Spec, data: Bytes) -> int:
    """CRC-32 of name, type, shape and bytes of a tensor that was kept."""
    said = json.dumps([spec.name, spec.dtype, list(spec.shape)])
    return zlib.crc32(cast("Any", data), zlib.crc32(said.encode()))


def plain_json(thing: str, text: bytes | str) -> Any:
    """JSON without the numbers that JSON does not have.

    Raises:
        CheckpointError: it is none, is nested too deeply, or has an integer of thousands of digits.
    """
    try:
        return parse_json(text if isinstance(text, bytes) else text.encode())
    except ValueError as error:
        raise damaged(thing, f"its table or configuration is no JSON ({error})"[:160]) from error


def write_table(table: Table) -> tuple[bytes, dict[str, Any]]:
    """The table as it is stored, and what the metadata say of it."""
    rows = table.rows.values()
    columns: dict[str, list[Any]] = {}
    for key in (*_FIELDS, *_SOME):
        columns[key] = [row.entry.get(key) for row in rows]
    columns["codebook"] = [row.codebook.dtype for row in rows]
    columns["numbers"] = [row.codebook.shape[1] for row in rows]
    columns["scales"] = [None if row.scales is None else row.scales.dtype for row in rows]
    columns["size"] = [row.codes.num_bytes if row.entry.get("coding") else None for row in rows]
    columns["crc32"] = [row.crc32 for row in rows]
    short = {key: _short(values) for key, values in columns.items()}
    document = {
        "names": list(table.rows),
        "columns": {key: values for key, values in short.items() if values != [None]},
        "tied": table.tied,
        "modules_to_not_convert": list(table.unconverted),
        "kept": list(table.kept),
        "small": {
            "names": list(table.small),
            "dtype": _short([spec.dtype for spec, _ in table.small.values()]),
            "shape": _short([list(spec.shape) for spec, _ in table.small.values()]),
            "crc32": [crc32 for _, crc32 in table.small.values()],
        },
    }
    text = json.dumps(document, separators=(",", ":")).encode()
    stored = zlib.compress(text, 9)
    return stored, {"table": [len(stored), len(text)], "crc32": zlib.crc32(stored)}


def _short(values: list[Any]) -> list[Any]:
    """One value where all are alike."""
    alike = all(type(value) is type(values[0]) and value == values[0] for value in values)
    return values[:1] if alike else values


def read_table(
    thing: str, said: Mapping[str, Any], size: int, read: Callable[[int], Bytes]
) -> tuple[Table, int]:
    """The table at the beginning of ``fmq.packed``, and where in that the arrays begin.

    Args:
        thing: what to call the file in an error.
        said: what the metadata say of it.
        size: bytes of ``fmq.packed``.
        read: gives its first so many bytes.

    Raises:
        CheckpointError: it is damaged.
    """
    sizes = cast("list[Any]", said["table"]) if isinstance(said.get("table"), list) else []
    if len(sizes) != 2 or not all(type(size) is int and size > 0 for size in sizes):
        raise damaged(thing, "its quantization_config does not say how long its table is")
    length, whole = cast("list[int]", sizes)
    if length > size or whole > min(_LONGEST, _MOST_RATIO * length + 4096):
        raise damaged(thing, f"its table would take {length} bytes, {whole} when decompressed")
    stored = read(length).tobytes()
    if zlib.crc32(stored) != said.get("crc32"):
        raise damaged(thing, "its table is not the one that was written")
    try:
        reader = zlib.decompressobj()
        text = reader.decompress(stored, whole + 1)
    except zlib.error as error:
        raise damaged(thing, f"its table cannot be decompressed ({error})") from error
    if len(text) != whole or not reader.eof or reader.unused_data:
        raise damaged(thing, f"its table has not the {whole} bytes that it is said to have")
    return _table(thing, plain_json(thing, text)), length


def _table(thing: str, document: Any) -> Table:
    if not isinstance(document, dict) or set(cast("dict[str, Any]", document)) != {
        "names", "columns", "tied", "modules_to_not_convert", "kept", "small",
    }:  # fmt: skip
        raise damaged(thing, "its table lacks a part, or has one that is unknown")
    found = cast("dict[str, Any]", document)
    names, columns, tied = found["names"], found["columns"], found["tied"]
    unconverted, kept = found["modules_to_not_convert"], found["kept"]
    if not (_are(names, str) and names and len(set(names)) == len(names)):
        raise damaged(thing, "its table does not name its tensors, or names one twice")
    if not (_are(unconverted, str) and _are(kept, int) and isinstance(columns, dict)):
        raise damaged(thing, "a part of its table is of the wrong type")
    if not isinstance(tied, dict) or not _are(list(cast("dict[str, Any]", tied).values()), dict):
        raise damaged(thing, "'tied' of its table is no object of objects")
    whole: dict[str, list[Any]] = {}
    for key, values in cast("dict[str, Any]", columns).items():
        count = len(cast("list[Any]", values)) if isinstance(values, list) else 0
        if key not in (*_FIELDS, *_SOME, *_STORED) or count not in (1, len(names)):
            raise damaged(thing, f"the column {key[:40]!r} of its table cannot be")
        whole[key] = cast("list[Any]", values) * (len(names) // count)
    rows = {
        name: _row(f"tensor {name!r} of {thing}", {key: values[i] for key, values in whole.items()})
        for i, name in enumerate(names)
    }
    return Table(rows, cast("dict[str, Any]", tied), unconverted, kept, _small(thing, found["small"]))


def _small(thing: str, columns: Any) -> dict[str, tuple[Spec, int]]:
    if not isinstance(columns, dict) or set(cast("dict[str, Any]", columns)) != _SMALL:
        raise damaged(thing, "its small tensors are not told as they must be")
    found = cast("dict[str, list[Any]]", columns)
    names = found["names"]
    if not (_are(names, str) and len(set(names)) == len(names) and _are(found["crc32"], int)):
        raise damaged(thing, "its small tensors have no names or checksums, or one twice")
    whole: list[list[Any]] = []
    for key in ("dtype", "shape", "crc32"):
        values = found[key]
        if not isinstance(cast("Any", values), list) or len(values) not in (len(names), min(1, len(names))):
            raise damaged(thing, f"the column {key!r} of its small tensors cannot be")
        whole.append(values if len(values) == len(names) else values * len(names))
    small: dict[str, tuple[Spec, int]] = {}
    for name, dtype, shape, crc32 in zip(names, *whole, strict=True):
        fits = isinstance(dtype, str) and dtype in ITEM_BITS and _are(shape, int) and len(shape) <= MOST_AXES
        if not fits or min(shape, default=0) < 0 or Spec(name, dtype, tuple(shape)).num_bytes > SMALL:
            raise damaged(thing, f"its small tensor {name!r} is of a type or shape that cannot be")
        small[name] = Spec(name, dtype, tuple(shape)), crc32
    return small


def _are(values: Any, kind: type) -> bool:
    return isinstance(values, list) and all(type(value) is kind for value in cast("list[Any]", values))


def _row(thing: str, values: dict[str, Any]) -> PackedRow:
    entry = {key: values.get(key) for key in _FIELDS}
    entry |= {key: values[key] for key in _SOME if values.get(key) is not None}
    said = PackedConfig.read(thing, entry)
    codebook, numbers, scales = values.get("codebook"), values.get("numbers"), values.get("scales")
    size: Any
    size, crc32, entropy = values.get("size"), values.get("crc32"), entry.get("entropy_bits")
    if codebook not in CODEBOOKS or type(numbers) is not int or not said.fits_codebook(numbers):
        raise damaged(thing, "its codebook is of a type or size that cannot be")
    if (scales is None) != (said.scale_unit is None) or scales not in (None, *_SCALES):
        raise damaged(thing, "its scales are of a type that cannot be")
    if not (type(size) is int and size > 0 if said.coded else size is None) or type(crc32) is not int:
        raise damaged(thing, "its size or its checksum is missing")
    if entropy is not None and not (type(entropy) in (int, float) and 0.0 <= entropy <= said.bits):
        raise damaged(thing, f"its entropy would be {str(entropy)[:40]}")
    row = PackedRow(
        entry,
        Spec("", codebook, (said.codebook_rows, numbers)),
        None if scales is None else Spec("", scales, (said.num_rows,)),
        Spec("", "U8", (size,) if size is not None else said.codes_shape),
        crc32,
    )
    if entropy is not None:
        entry["code_bits"] = 8.0 * row.codes.num_bytes / said.num_weights
    entry["effective_bits"] = 8.0 * row.num_bytes / said.num_weights
    return row


def weighted_mean(rows: Mapping[str, PackedRow], key: str) -> float:
    """Mean of a field of the entries over all weights."""
    sizes = [math.prod(row.entry["shape"]) for row in rows.values()]
    total = math.fsum(row.entry[key] * size for row, size in zip(rows.values(), sizes, strict=True))
    return total / sum(sizes)
