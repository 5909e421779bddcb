"""Packed and kept tensors put together in one file."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fmq_theory.checkpoint.io.container import Spec, in_file_order, write_container
from fmq_theory.checkpoint.io.packed.index import (
    CODEBOOK,
    CODES,
    CONFIG,
    METHOD,
    SCALES,
    VERSION,
    full_config,
)  # fmt: skip
from fmq_theory.checkpoint.io.packed.table import (
    PACKED,
    SMALL,
    PackedRow,
    Table,
    kept_checksum,
    write_table,
)  # fmt: skip
from fmq_theory.errors import CheckpointError

__all__ = ["Kept", "Part", "assemble"]

Bytes = NDArray[np.uint8]


class Part(Protocol):
    """A packed tensor, ready to be stored."""

    row: PackedRow
    specs: dict[str, Spec]

    def bytes_of(self, key: str) -> Bytes: ...


@dataclass(frozen=True, slots=True)
class Kept:
    """A tensor that is stored as it is.

    Attributes:
        spec: its name, type and shape.
        load: its bytes; called twice.
        is_weight: whether it could have been quantized.
    """

    spec: Spec
    load: Callable[[], Bytes]
    is_weight: bool


def assemble(
    path: Path,
    parts: Mapping[str, Part],
    kept: Mapping[str, Kept],
    ties: Mapping[str, Mapping[str, Any]],
    progress: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Writes the file; the quantization_config of it.

    Args:
        path: of the file, which nobody else may be using.
        parts: the packed tensors by name.
        kept: the others by name.
        ties: which tensors equal another one, by name.
        progress: called before each tensor is written.

    Raises:
        CheckpointError: a tensor changed while it was written.
    """
    ordered = in_file_order(one.spec for one in kept.values())
    small = [spec for spec in ordered if spec.num_bytes <= SMALL]
    large = [spec for spec in ordered if spec.num_bytes > SMALL]
    sums = {spec.name: kept_checksum(spec, kept[spec.name].load()) for spec in ordered}
    table = Table(
        {name: part.row for name, part in parts.items()},
        ties,
        sorted(name.removesuffix(".weight") for name, one in kept.items() if one.is_weight),
        [sums[spec.name] for spec in large],
        {spec.name: (spec, sums[spec.name]) for spec in small},
    )
    head, said = write_table(table)
    size = len(head) + sum(row.num_bytes for row in table.rows.values())
    size += sum(spec.num_bytes for spec in small)
    metadata = {"quant_method": METHOD, "version": VERSION, **said}

    def unchanged(name: str) -> Bytes:
        data = kept[name].load()
        if kept_checksum(kept[name].spec, data) != sums[name]:  # it is read for the second time
            raise CheckpointError(
                f"tensor {name!r}", "it changed while it was read", "start again when its writer is done"
            )
        return data

    def read(name: str) -> Iterator[Bytes]:
        progress()
        if name != PACKED:
            yield unchanged(name)
            return
        yield np.frombuffer(head, dtype=np.uint8)
        for part in parts.values():
            yield from (part.bytes_of(key) for key in (CODEBOOK, SCALES, CODES) if key in part.specs)
        yield from (unchanged(spec.name) for spec in small)

    num_bytes = write_container(
        path,
        [*large, Spec(PACKED, "U8", (size,))],
        {"format": "pt", CONFIG: json.dumps(metadata, separators=(",", ":"))},
        read,
    )
    return full_config(table, num_bytes, sum(spec.num_bytes for spec in ordered))
