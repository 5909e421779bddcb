"""Where a quantized file keeps what: the present format, and the first one, which is still read.

In the first format each array is a tensor of the file (``w.codes``, ``w.codebook``, ``w.scales``), and the
configuration of all of them is a text in the metadata. Nothing there guards the header.
"""

import math
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fmq_theory.checkpoint.io.container import Container, Spec, checksum
from fmq_theory.checkpoint.io.packed.config import PackedConfig, damaged
from fmq_theory.checkpoint.io.packed.table import (
    PACKED,
    Table,
    kept_checksum,
    plain_json,
    read_table,
    weighted_mean,
)  # fmt: skip
from fmq_theory.errors import CheckpointError, OldFormatWarning, Way

__all__ = [
    "CHECKSUMS", "CODEBOOK", "CODES", "CONFIG", "METHOD", "SCALES", "VERSION", "Arrays", "PackedIndex",
    "full_config", "not_quantized", "quantization_config", "read_index",
]  # fmt: skip

METHOD = "fmq"
NOT_QUANTIZED = "it is no quantized checkpoint of fmq"
CONFIG = "quantization_config"
CHECKSUMS = "checksums"  # of the first format
CODES, CODEBOOK, SCALES = ".codes", ".codebook", ".scales"
VERSION = 2
Bytes = NDArray[np.uint8]
_OF_ALL = ("scheme", "bits", "strategy", "group_size")
_KEYS_OF_FIRST = {
    "quant_method", "version", *_OF_ALL, "modules_to_not_convert", "effective_bits", "mse", "tensors", "tied",
}  # fmt: skip
_KEYS_OF_TIE = {"of", "axes"}


@dataclass(frozen=True, slots=True)
class Arrays:
    """The arrays of one quantized tensor: which tensor of the file holds each of them, and where.

    Attributes:
        specs: type and shape by CODES, CODEBOOK and, with scales, SCALES.
        places: key in the file and first byte.
    """

    specs: Mapping[str, Spec]
    places: Mapping[str, tuple[str, int]]


@dataclass(frozen=True, slots=True)
class PackedIndex:
    """What a quantized file says of its tensors.

    Attributes:
        config: the quantization_config.
        arrays: of the quantized tensors.
        plain: those that were kept, and of what type and shape they are.
        inside: where in ``fmq.packed`` the small ones of them begin.
        checksums: of each tensor, by name; in the first format of each of its arrays.
        version: of the format.
    """

    config: dict[str, Any]
    arrays: Mapping[str, Arrays]
    plain: Mapping[str, Spec]
    inside: Mapping[str, int]
    checksums: Mapping[str, int | Mapping[str, int]]
    version: int

    def read(self, container: Container, name: str, *, verify: bool) -> dict[str, Bytes]:
        """The bytes of a tensor: of each array by the end of its key, or of a kept one under "".

        Args:
            container: the file.
            name: of a tensor that is stored.
            verify: hold what was read against the checksum.

        Raises:
            CheckpointError: they are not those that were written.
        """
        if name not in self.arrays:
            begin, size = self.inside.get(name), self.plain[name].num_bytes
            whole = container.own_bytes_of(name) if begin is None else container.part_of(PACKED, begin, size)
            found = {"": whole}
        else:
            arrays = self.arrays[name]
            found = {
                end: container.part_of(key, begin, arrays.specs[end].num_bytes)
                for end, (key, begin) in arrays.places.items()
            }
        if verify and not self._is_whole(name, found):
            raise damaged(
                f"checkpoint {str(container.path)!r}",
                f"the bytes of {name!r} are not those that were written",
            )
        return found

    def _is_whole(self, name: str, found: Mapping[str, Bytes]) -> bool:
        wanted = self.checksums[name]
        if isinstance(wanted, Mapping):
            return all(checksum(found[end]) == value for end, value in wanted.items())
        if name not in self.arrays:
            return kept_checksum(self.plain[name], found[""]) == wanted
        crc32 = 0
        for end in (CODEBOOK, SCALES, CODES):
            if end in found:
                crc32 = zlib.crc32(cast("Any", found[end]), crc32)
        return crc32 == wanted


def quantization_config(container: Container) -> dict[str, Any] | None:
    """What the metadata of a file say of how it was quantized by fmq; None if it was not.

    Raises:
        CheckpointError: what they say cannot be read, or nothing, though the file holds packed tensors.
    """
    thing = f"checkpoint {str(container.path)!r}"
    text = container.metadata.get(CONFIG)
    config = None if text is None else plain_json(thing, text)
    if isinstance(config, dict) and cast("dict[str, Any]", config).get("quant_method") == METHOD:
        return cast("dict[str, Any]", config)
    old = CHECKSUMS in container.metadata and any(
        name.endswith(CODES) and name.removesuffix(CODES) + CODEBOOK in container.specs
        for name in container.specs
    )
    if old or PACKED in container.specs:
        raise damaged(thing, "it holds packed tensors, and its quantization_config is missing or another's")
    return None


def not_quantized(thing: str) -> CheckpointError:
    """The error about a checkpoint, or another file, that nobody quantized.

    Args:
        thing: the file in words.
    """
    remedy = Way("quantized", "pass a file that write_quantized wrote, or read this one with read_state")
    return CheckpointError(thing, NOT_QUANTIZED, (remedy,))


def read_index(container: Container) -> PackedIndex:
    """Reads and verifies all that a quantized file says, but for the bytes of its tensors.

    Raises:
        CheckpointError: the file is damaged, of a later format, or no quantized checkpoint of fmq.
    """
    thing = f"checkpoint {str(container.path)!r}"
    config = quantization_config(container)
    if config is None:
        raise not_quantized(thing)
    version = config.get("version")
    if type(version) is int and version == VERSION:
        return _present(thing, container, config)
    if type(version) is int and version == 1:
        return _first(thing, container, config)
    raise CheckpointError(
        thing,
        f"it is of version {str(version)[:40]} of the format, and {VERSION} is known",
        "install a newer fmq_theory",
    )


def _present(thing: str, container: Container, said: dict[str, Any]) -> PackedIndex:
    if unknown := sorted(said.keys() - {"quant_method", "version", "table", "crc32"}):
        raise damaged(thing, f"its quantization_config has {unknown[0][:40]!r}, which is unknown")
    spec = container.specs.get(PACKED)
    if spec is None or spec.dtype != "U8" or len(spec.shape) != 1:
        raise damaged(thing, f"it lacks {PACKED!r}, the bytes of its packed tensors")
    table, begin = read_table(
        str(container.path), said, spec.shape[0], lambda count: container.part_of(PACKED, 0, count)
    )
    arrays: dict[str, Arrays] = {}
    for name, row in table.rows.items():
        specs, places = dict[str, Spec](), dict[str, tuple[str, int]]()
        for end, part in ((CODEBOOK, row.codebook), (SCALES, row.scales), (CODES, row.codes)):
            if part is not None:
                specs[end], places[end] = part, (PACKED, begin)
                begin += part.num_bytes
        arrays[name] = Arrays(specs, places)
    inside: dict[str, int] = {}
    for name, (part, _) in table.small.items():
        inside[name] = begin
        begin += part.num_bytes
    if begin != spec.shape[0]:
        raise damaged(thing, f"its packed tensors take {begin} bytes where {spec.shape[0]} are stored")
    plain = {name: found for name, found in container.specs.items() if name != PACKED}
    if len(plain) != len(table.kept):
        raise damaged(thing, f"it has {len(plain)} kept tensors where {len(table.kept)} were written")
    checksums: dict[str, Any] = {name: row.crc32 for name, row in table.rows.items()}
    checksums |= dict(zip(plain, table.kept, strict=True))
    for name, (part, crc32) in table.small.items():
        if name in plain:
            raise damaged(thing, f"{name!r} is there twice")
        plain[name], checksums[name] = part, crc32
    kept_bytes = sum(part.num_bytes for part in plain.values())
    num_bytes = container.file.size
    config = full_config(table, num_bytes, kept_bytes)
    _check_names(thing, arrays, plain, config["tied"])
    return PackedIndex(config, arrays, plain, inside, checksums, VERSION)


def full_config(table: Table, num_bytes: int, kept_bytes: int) -> dict[str, Any]:
    """The quantization_config with all that follows from the table.

    ``effective_bits`` is what the file takes beside the tensors that were kept, header and table and
    alignment included, for each quantized weight: 8 * (num_bytes - kept_bytes) / weights.

    Args:
        table: of the file.
        num_bytes: of the file.
        kept_bytes: of the numbers of the kept tensors in it.
    """
    entries = {name: dict(row.entry) for name, row in table.rows.items()}
    common: dict[str, Any] = {}
    for key in _OF_ALL:
        values = [entry[key] for entry in entries.values()]
        common[key] = values[0] if all(value == values[0] for value in values) else None
    weights = sum(math.prod(entry["shape"]) for entry in entries.values())
    return {
        "quant_method": METHOD,
        "version": VERSION,
        **common,
        "modules_to_not_convert": list(table.unconverted),
        "effective_bits": 8.0 * (num_bytes - kept_bytes) / weights,
        "num_bytes": num_bytes,
        "kept_bytes": kept_bytes,
        "mse": weighted_mean(table.rows, "mse"),
        "tensors": entries,
        "tied": {name: dict(tie) for name, tie in table.tied.items()},
    }


def _first(thing: str, container: Container, config: dict[str, Any]) -> PackedIndex:
    warnings.warn(
        f"{thing} is of the first version of the format, in which a damaged header can go unnoticed; "
        "quantize the original again to have it guarded, or what fmq dequantize makes of it",
        OldFormatWarning,
        stacklevel=5,
    )
    entries, ties = _objects(thing, config, "tensors"), _objects(thing, config, "tied")
    if not entries:
        raise damaged(thing, "its quantization_config names no tensor")
    # No checksum guards these words: what is spelled otherwise would be taken for absent.
    for said, known in ((config, _KEYS_OF_FIRST), *((tie, _KEYS_OF_TIE) for tie in ties.values())):
        if unknown := sorted(said.keys() - known):
            raise damaged(thing, f"its quantization_config has {unknown[0][:40]!r}, which is unknown")
    wanted = _objects_of_numbers(thing, container)
    arrays: dict[str, Arrays] = {}
    for name, entry in entries.items():
        row = PackedConfig.read(f"tensor {name!r} of {str(container.path)!r}", entry)
        ends = (CODES, CODEBOOK, *((SCALES,) if row.scale_unit is not None else ()))
        if missing := [end for end in ends if name + end not in container.specs]:
            raise damaged(thing, f"it lacks {name + missing[0]!r}")
        arrays[name] = Arrays(
            {end: container.specs[name + end] for end in ends}, {end: (name + end, 0) for end in ends}
        )
    stored = {key for part in arrays.values() for key, _ in part.places.values()}
    plain = {name: spec for name, spec in container.specs.items() if name not in stored}
    if unknown := sorted(container.specs.keys() ^ wanted.keys()):
        raise damaged(thing, f"there is no checksum for {unknown[0]!r}, or a checksum for what it lacks")
    checksums: dict[str, Mapping[str, int]] = {
        name: {end: wanted[key] for end, (key, _) in part.places.items()} for name, part in arrays.items()
    }
    checksums |= {name: {"": wanted[name]} for name in plain}
    _check_names(thing, arrays, plain, ties)
    return PackedIndex({"tied": {}, **config}, arrays, plain, {}, checksums, 1)


def _objects(thing: str, config: dict[str, Any], key: str) -> dict[str, dict[str, Any]]:
    found = config.get(key, {})
    if not isinstance(found, dict) or not all(
        isinstance(entry, dict) for entry in cast("dict[str, Any]", found).values()
    ):
        raise damaged(thing, f"{key!r} of its quantization_config is no object of objects")
    return cast("dict[str, dict[str, Any]]", found)


def _objects_of_numbers(thing: str, container: Container) -> dict[str, int]:
    found = plain_json(f"{thing}: checksums", container.metadata.get(CHECKSUMS, "{}"))
    if not isinstance(found, dict) or not all(
        type(value) is int for value in cast("dict[str, Any]", found).values()
    ):
        raise damaged(thing, "its checksums are no JSON object of numbers")
    return cast("dict[str, int]", found)


def _check_names(
    thing: str, arrays: Mapping[str, Arrays], plain: Mapping[str, Spec], ties: Mapping[str, Mapping[str, Any]]
) -> None:
    """Refuses a name that stands for two tensors, and ties to nothing."""
    for name in plain:
        if name in arrays:
            raise damaged(thing, f"{name!r} is there twice")
    for name, tie in ties.items():
        if name in arrays or name in plain:
            raise damaged(thing, f"{name!r} is there twice")
        target = tie.get("of")
        if not isinstance(target, str) or (target not in arrays and target not in plain):
            raise damaged(thing, f"{name!r} is to equal {str(target)[:80]!r}, which it lacks")
