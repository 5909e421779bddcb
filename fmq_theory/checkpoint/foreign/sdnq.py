"""SDNQ, which diffusers loads: tables of levels ("codebook"), or integers with scales and zero points.

    weight = scale[table of the row, code]              with use_codebook
    weight = code * scale of the row                    signed integers
    weight = zero_point of the row + code * scale       unsigned integers

Keys of a weight ``m.weight``: itself (codes, packed where they have fewer than 8 bits), ``m.scale``, and
``m.zero_point``. The config.json beside the file says ``"quant_method": "sdnq"`` and which type of codes; how
weights are grouped follows from the shape of ``scale`` and that of the weights: one axis of these, the input
channels, is replaced by the levels of a table (or by 1), or by groups and levels.

Numbers are those of SDNQ's functions as they stand; where it compiles them, the last bit of unsigned ones
with zero points may differ. Rotated weights (``use_hadamard``), low-rank parts (``use_svd``), quantized
scales and packed floats are refused.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from fmq_theory.checkpoint.foreign.sdnq_codes import unpacked
from fmq_theory.checkpoint.foreign.stored import (
    Decoded,
    FreeTables,
    ScaledTable,
    StoredWeight,
    Unclaimed,
    bytes_in,
)  # fmt: skip
from fmq_theory.checkpoint.io.tensors import StoredTensor
from fmq_theory.errors import CheckpointError

__all__ = ["find_sdnq"]

_REFUSED = (".svd_up", ".svd_down", ".scale_2", ".zero_point_scale", ".scale_zero_point", ".zero_point_2")
_REALS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
_FEW_BITS = 5  # of signed codes whose best scales are worth computing
_WHOLE = {torch.int8: True, torch.uint8: False, torch.float8_e4m3fn: True, torch.float8_e5m2: True}


@dataclass(frozen=True, slots=True)
class _Grouping:
    """How the weights are laid against their scales.

    Attributes:
        axis: the one that has groups and levels in its place; None where one table serves all.
        groups: of that axis.
        turned: the codes are those of the transposed weights.
    """

    axis: int | None
    groups: int
    turned: bool = False


def find_sdnq(stored: Unclaimed) -> list[StoredWeight]:
    """The weights of this format, which are claimed; none where the configuration is not SDNQ's.

    Args:
        stored: the tensors that nobody has claimed.

    Raises:
        CheckpointError: one of them is of a kind that is not read.
    """
    if stored.config.get("quant_method") not in ("sdnq", "sdnq_training"):
        return []
    return [
        _weight(stored, name)
        for name in stored.ending(".scale")
        if stored.has(f"{name}.weight", *_WHOLE) and stored.has(f"{name}.scale", *_REALS)
    ]


def _weight(stored: Unclaimed, name: str) -> StoredWeight:
    thing = f"tensor {f'{name}.weight'!r} (SDNQ)"
    if refused := [end for end in _REFUSED if f"{name}{end}" in stored.tensors]:
        raise CheckpointError(
            thing, f"it has {name + refused[0]!r}, which is not read", "compare a file without it"
        )
    if stored.config.get("use_hadamard"):
        raise CheckpointError(
            thing, "its weights are rotated (use_hadamard), which is not read", "compare a file without it"
        )
    kind = _kind(thing, name, stored.config)
    parts = stored.take(f"{name}.weight", f"{name}.scale", f"{name}.zero_point")
    bits = int(kind.lstrip("uint")) if "int" in kind else 8
    count = math.prod(parts[0].shape) * 8 // bits
    tables = bool(stored.config.get("use_codebook"))

    def load(asked: tuple[int, ...]) -> Decoded:
        return _decoded(found, parts, asked, bits, kind=kind, tables=tables)

    found = StoredWeight(
        f"{name}.weight",
        None,
        count,
        f"SDNQ {kind}, {'tables' if tables else 'scales'} {_many(parts[1], bits, tables=tables)}",
        bytes_in(parts),
        load,
    )
    return found


def _many(scale: StoredTensor, bits: int, *, tables: bool) -> str:
    count = math.prod(scale.shape) // (2**bits if tables else 1)
    return "for the tensor" if count == 1 else f"for {count} rows"


def _kind(thing: str, name: str, config: Mapping[str, Any]) -> str:
    """What SDNQ calls the type of the codes of a weight."""
    kind: Any = config.get("weights_dtype", "int8")
    others: Any = config.get("modules_dtype_dict")
    for other, modules in cast("dict[str, Any]", others if isinstance(others, dict) else {}).items():
        named = cast("list[Any]", modules) if isinstance(modules, list) else []
        if f"{name}.weight" in named or name in named:
            kind = other
    text = {"fp8": "float8_e4m3fn"}.get(str(kind), str(kind))
    known = text in ("float8_e4m3fn", "float8_e5m2") or (
        text.lstrip("u").startswith("int") and text.lstrip("uint") in map(str, range(1, 9))
    )
    if not known:
        raise CheckpointError(
            thing,
            f"its codes are of type {text[:40]!r}, which is not read",
            "compare a file with int2 to int8, uint1 to uint8 or float8",
        )
    return text


def _decoded(
    weight: StoredWeight,
    parts: list[StoredTensor],
    shape: tuple[int, ...],
    bits: int,
    *,
    kind: str,
    tables: bool,
) -> Decoded:
    codes, scale = parts[0].load(), parts[1].load()
    levels = 2**bits if tables else 1
    grouping = _grouping(weight, shape, tuple(scale.shape), levels)
    if bits < 8:
        codes = unpacked(codes, bits, weight.count)
        if not kind.startswith("u") and "int" in kind:
            codes = codes.to(torch.int8) - 2 ** (bits - 1)
    if grouping.turned:
        codes, scale = codes.reshape(shape[::-1]).t(), scale.t()
    zero = parts[2].load() if len(parts) > 2 else None
    zero = zero.t() if zero is not None and grouping.turned else zero
    axis = grouping.axis
    split = shape if axis is None or grouping.groups == 1 else _split(shape, axis, grouping.groups)
    codes = codes.reshape(split)
    if tables:
        place = None if axis is None else axis + (grouping.groups > 1)
        indices = codes.to(torch.int64)
        numbers = scale[indices] if place is None else scale.gather(place, indices)
        return Decoded(numbers.reshape(shape), FreeTables(levels, _rows(shape, grouping)))
    if zero is not None:
        numbers = torch.addcmul(zero, codes.to(scale.dtype), scale)
        steps = FreeTables(2**bits, _rows(shape, grouping), equal_steps=True)
        return Decoded(numbers.reshape(shape), steps)
    elif kind.startswith("u"):
        raise weight.damaged("its codes are unsigned and it has no zero points")
    else:
        numbers = codes.to(scale.dtype) * scale
    scaled = None
    if "int" in kind and bits <= _FEW_BITS:
        half = 2 ** (bits - 1)
        scaled = ScaledTable(tuple(map(float, range(-half, half))), _rows(shape, grouping))
    return Decoded(numbers.reshape(shape), scaled=scaled)


def _split(shape: tuple[int, ...], axis: int, groups: int) -> tuple[int, ...]:
    return (*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])


def _grouping(weight: StoredWeight, shape: tuple[int, ...], scale: tuple[int, ...], levels: int) -> _Grouping:
    """The one way in which these scales belong to weights of that shape.

    The input channels are the last axis of a linear layer, the second of a convolution, and the first of a
    transposed one.
    """
    if math.prod(scale) == levels:
        return _Grouping(None, 1)
    for axis in dict.fromkeys((len(shape) - 1, 1, 0)):
        if axis >= len(shape):
            continue
        if scale == (*shape[:axis], levels, *shape[axis + 1 :]) and not (axis == 0 and len(shape) == 2):
            return _Grouping(axis, 1)
        groups = scale[axis] if len(scale) == len(shape) + 1 else 1
        fits = groups > 1 and axis > 0 and shape[axis] % groups == 0
        if fits and scale == (*shape[:axis], groups, levels, *shape[axis + 1 :]):
            return _Grouping(axis, groups)
    # Linear layers with a matrix product of their own keep the transposed codes.
    if len(shape) == 2 and scale == (levels, shape[0]):
        return _Grouping(1, 1, turned=True)
    raise weight.damaged(f"scales of shape {scale} do not belong to weights of shape {shape}")


def _rows(shape: tuple[int, ...], grouping: _Grouping) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Weights that share a table, in one row."""
    axis, groups = grouping.axis, grouping.groups
    if axis is None:
        return lambda array: array.reshape(1, -1)
    width = shape[axis] // groups
    return lambda array: np.moveaxis(array, axis, -1).reshape(-1, width)
