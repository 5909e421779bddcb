"""Files that ``fmq quantize`` wrote, as one more format."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from fmq_theory.checkpoint.foreign.stored import Decoded, FreeTables, StoredWeight
from fmq_theory.checkpoint.io.packed.file import QuantizedFile
from fmq_theory.checkpoint.io.packed.level_rules import LEVELS
from fmq_theory.shown import counted

__all__ = ["fmq_weights"]

_EQUAL_STEPS = "uniform"  # the rule of levels that are kept as two ends


def fmq_weights(file: QuantizedFile) -> list[StoredWeight]:
    """All tensors of real numbers of a file that ``write_quantized`` wrote.

    Args:
        file: it stays open.
    """
    return [_weight(file, name) for name in file.names if _is_real(file, name)]


def _way(entry: Mapping[str, Any]) -> str:
    """Scheme and what it was applied to, as "lloyd_max a channel"."""
    group = f"group of {entry['group_size']}" if entry["group_size"] else entry["strategy"]
    return f"{str(entry['scheme']).removesuffix(':signed').removeprefix('block:')} a {group}"


def _is_real(file: QuantizedFile, name: str) -> bool:
    shape = file.shape(name)
    return file.dtype(name).is_floating_point and 0 not in shape and len(shape) > 0


def _weight(file: QuantizedFile, name: str) -> StoredWeight:
    shape, dtype = file.shape(name), file.dtype(name)
    first = file.ties.get(name, name)
    quantized = first in file.quantized
    kind = str(dtype).removeprefix("torch.")
    if quantized:
        entry = file.config["tensors"][first]
        kind = f"fmq {_way(entry)}, {counted(entry['bits'], 'bit')}"
    size = 0 if name in file.ties else file.stored_bytes(first)
    return StoredWeight(
        name, shape, math.prod(shape), kind, size, _loader(file, name, dtype), plain=not quantized
    )


def _loader(file: QuantizedFile, name: str, dtype: torch.dtype) -> Callable[[tuple[int, ...]], Decoded]:
    def load(asked: tuple[int, ...]) -> Decoded:
        if name not in file.quantized:
            return Decoded(file.dequantize(name).reshape(asked), nearest=None if name in file.ties else dtype)
        packed = file.packed(name)
        tables = None
        if packed.scales is None and packed.rule in (LEVELS, _EQUAL_STEPS):
            tables = FreeTables(2**packed.bits, packed.layout.rows, equal_steps=packed.rule == _EQUAL_STEPS)
        return Decoded(packed.dequantize().reshape(asked), tables)

    return load
