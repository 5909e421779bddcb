"""NF4 and FP4 of bitsandbytes: a fixed table of sixteen numbers, and an absmax for each block of weights.

    weight = (quant_map[code] * absmax[block]) in float32, then in the type that the state names

Keys of a weight ``w``: ``w`` (two codes a byte, the upper half first), ``w.absmax``, ``w.quant_map``, and
``w.quant_state.bitsandbytes__nf4`` or ``__fp4``: JSON in bytes. Where ``absmax`` is quantized in its turn
(double quantization) it is codes of one byte, with ``w.nested_quant_map`` and ``w.nested_absmax``:

    absmax = nested_quant_map[code] * nested_absmax[block of blocks] + nested_offset
"""

import math
from typing import Any, cast

import numpy as np
import torch

from fmq_theory.checkpoint.foreign.nibbles import high_first
from fmq_theory.checkpoint.foreign.stored import (
    Decoded,
    ScaledTable,
    StoredWeight,
    Unclaimed,
    blocks_of,
    bytes_in,
)  # fmt: skip
from fmq_theory.checkpoint.io.container import parse_json
from fmq_theory.checkpoint.io.tensors import StoredTensor
from fmq_theory.errors import CheckpointError

__all__ = ["find_4bit"]

_KINDS = {".quant_state.bitsandbytes__nf4": "NF4", ".quant_state.bitsandbytes__fp4": "FP4"}
_TYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
_MOST_STATE = 65536  # bytes of the JSON text


def find_4bit(stored: Unclaimed) -> list[StoredWeight]:
    """The weights of this format, which are claimed.

    Args:
        stored: the tensors that nobody has claimed.

    Raises:
        CheckpointError: a part of one is missing, or its state is no state.
    """
    return [_weight(stored, name, end, kind) for end, kind in _KINDS.items() for name in stored.ending(end)]


def _weight(stored: Unclaimed, name: str, end: str, kind: str) -> StoredWeight:
    wanted = [name, f"{name}.absmax", f"{name}.quant_map"]
    if missing := [key for key in wanted if key not in stored.tensors]:
        raise CheckpointError(
            f"tensor {name!r} ({kind})", f"the file lacks {missing[0]!r}", "write or download it again"
        )
    nested = [f"{name}.nested_absmax", f"{name}.nested_quant_map"]
    keys = [*wanted, *(key for key in nested if key in stored.tensors), f"{name}{end}"]
    parts = dict(zip(keys, stored.take(*keys), strict=True))
    state = _state(f"tensor {name!r} ({kind})", parts[f"{name}{end}"])
    shape: tuple[int, ...] = tuple(state["shape"])
    double = ", absmax in 8 bits" if nested[0] in parts else ""
    found = StoredWeight(
        name,
        shape,
        math.prod(shape),
        f"{kind}, blocks of {state['blocksize']}{double}",
        bytes_in(list(parts.values())),
        lambda asked: _decoded(found, parts, state, asked),
    )
    return found


def _state(thing: str, tensor: StoredTensor) -> dict[str, Any]:
    """What the JSON says, after every value was looked at."""
    wrong = CheckpointError(thing, "its quant_state is no state of bitsandbytes", "write the file again")
    if tensor.dtype != torch.uint8 or math.prod(tensor.shape) > _MOST_STATE:
        raise wrong
    try:
        said: Any = parse_json(cast("Any", tensor.load()).numpy().tobytes())
    except ValueError:
        raise wrong from None
    if not isinstance(said, dict):
        raise wrong
    state = cast("dict[str, Any]", said)
    sizes: Any = state.get("shape")
    numbers = [state.get("blocksize"), state.get("nested_blocksize", 1)]
    if not (
        isinstance(sizes, list)
        and all(type(size) is int and size > 0 for size in (*cast("list[Any]", sizes), *numbers))
        and state.get("dtype") in _TYPES
        and isinstance(state.get("nested_offset", 0.0), float | int)
    ):
        raise wrong
    return state


def _decoded(
    weight: StoredWeight, parts: dict[str, StoredTensor], state: dict[str, Any], shape: tuple[int, ...]
) -> Decoded:
    numbers = _numbers(weight, parts, state).reshape(shape)
    levels = sorted({float(level) for level in parts[f"{weight.name}.quant_map"].load()})
    whole = len(levels) > 1 and 0.0 in levels and all(map(math.isfinite, levels))
    scaled = ScaledTable(tuple(levels), blocks_of(int(state["blocksize"]))) if whole else None
    return Decoded(numbers, scaled=scaled)


def _numbers(weight: StoredWeight, parts: dict[str, StoredTensor], state: dict[str, Any]) -> torch.Tensor:
    name, size = weight.name, int(state["blocksize"])
    blocks = -(-weight.count // size)
    # Some files keep the bytes in a wider type, as FSDP asks for it.
    data = parts[name].load().contiguous().view(torch.uint8).reshape(-1)
    table, absmax = parts[f"{name}.quant_map"].load(), parts[f"{name}.absmax"].load()
    if data.numel() != -(-weight.count // 2) or table.numel() != 16 or absmax.numel() != blocks:
        raise weight.damaged("its codes, its table and its absmax do not fit its shape")
    if f"{name}.nested_absmax" in parts:
        absmax = _absmax(weight, parts, state, absmax)
    codes = high_first(data)[: weight.count].to(torch.int64)
    flat = table.float()[codes]
    flat = torch.nn.functional.pad(flat, (0, blocks * size - weight.count)).reshape(blocks, size)
    return (flat * absmax.float()[:, None]).reshape(-1)[: weight.count].to(_TYPES[state["dtype"]])


def _absmax(
    weight: StoredWeight, parts: dict[str, StoredTensor], state: dict[str, Any], codes: torch.Tensor
) -> torch.Tensor:
    """The absmax of each block, where they are quantized themselves."""
    table = parts[f"{weight.name}.nested_quant_map"].load().float()
    scales, size = parts[f"{weight.name}.nested_absmax"].load().float(), int(state.get("nested_blocksize", 0))
    if (
        codes.dtype != torch.uint8
        or table.numel() != 256
        or size < 1
        or scales.numel() * size < codes.numel()
    ):
        raise weight.damaged("its quantized absmax does not fit its blocks")
    each = scales.repeat_interleave(size)[: codes.numel()]
    return table[codes.to(torch.int64)] * each + float(np.float32(state.get("nested_offset", 0.0)))
