"""Packed codes to levels inside of a network: an operation of torch, so that compilers keep graphs whole.

On a CPU it is a kernel of ours behind the name ``fmq_theory::decode_rows``, which torch.compile calls as it
is: it takes less than half of the time of what the compiler makes of torch's own operations. Elsewhere it is
those operations, which the compiler fuses; on CUDA and MPS they are untested.
"""

from functools import cache
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from fmq_theory.checkpoint.io.packed.level_rules import LEVELS
from fmq_theory.checkpoint.modules.torch_levels import LevelRule, narrow_type
from fmq_theory.counts import checked_threads
from fmq_theory.kernels.codes.decode import decode_packed
from fmq_theory.kernels.codes.level_rows import scaled_tables, spaced_levels

__all__ = ["codes_at", "decode_rows", "decode_with_torch"]

# To start a thread takes as long as some hundred thousand weights.
_WEIGHTS_OF_A_THREAD = 1 << 19

_NAME = "fmq_theory::decode_rows"


def decode_rows(
    codes: Tensor, numbers: Tensor, factors: Tensor | None, rule: LevelRule, columns: int
) -> Tensor:
    """levels[r, code] * factors[r] for each code of each row r, shape ``[R, columns]``, of the levels' type.

    Args:
        codes: uint8, as ``pack_codes`` leaves them, shape ``[R, bytes of a row]``.
        numbers: what the levels are stored as, shape ``[R, N]``, or ``[1, N]`` where all rows share them.
        factors: float32, shape ``[R]``; None for none.
        rule: how the levels come of the numbers.
        columns: codes of a row.
    """
    if codes.device.type == "cpu":
        return _OPERATION(codes, numbers, factors, rule.name, rule.bits, columns)
    return decode_with_torch(codes, numbers, factors, rule, columns)


def decode_with_torch(
    codes: Tensor, numbers: Tensor, factors: Tensor | None, rule: LevelRule, columns: int
) -> Tensor:
    """``decode_rows`` with operations that every device has; to the bit the same."""
    first = torch.arange(columns, device=codes.device) * rule.bits
    unpacked = codes_at(codes, first, rule.bits).to(torch.int64)
    rows = rule.levels(numbers).expand(codes.shape[0], -1).gather(1, unpacked)
    return rows if factors is None else rows * factors.unsqueeze(1)


def codes_at(codes: Tensor, first: Tensor, bits: int) -> Tensor:
    """The codes whose lowest bits stand at ``first`` of each row.

    Args:
        codes: uint8, packed; the last axis are the bytes of a row.
        first: int64, one-dimensional.
        bits: of a code.
    """
    low = codes[..., first // 8]
    if 8 % bits == 0:  # no code lies in two bytes
        return (low >> (first % 8).to(torch.uint8)) & (2**bits - 1)
    # Else in two at most. Behind the last byte nothing of a code is left, so any byte will do.
    high = codes[..., torch.clamp(first // 8 + 1, max=codes.shape[-1] - 1)]
    pair = low.to(torch.int32) | (high.to(torch.int32) << 8)
    return (pair >> (first % 8).to(torch.int32)) & (2**bits - 1)


def _decode_on_cpu(
    codes: Tensor, numbers: Tensor, factors: Tensor | None, rule: str, bits: int, columns: int
) -> Tensor:
    threads = min(checked_threads(None), torch.get_num_threads())
    threads = max(1, min(threads, codes.shape[0] * columns // _WEIGHTS_OF_A_THREAD))
    stored = _array(numbers.to(narrow_type(numbers)))
    scales = None if factors is None else _array(factors)
    if rule == "nf4" and scales is None:
        # Levels of float32 times a scale: rounded once, whether in float64 before or in float32 now.
        stored, scales, rule = _nf4(stored.dtype), np.ascontiguousarray(stored[:, 0]), LEVELS
    levels = _levels(stored, rule, bits)
    found = numbers.new_empty(
        (codes.shape[0], columns), dtype=narrow_type(numbers)
    )  # aligned as torch likes it
    scaled = () if scales is None else (scales,)
    decode_packed(_array(codes), bits, columns, levels, threads, *scaled, out=_array(found))
    return found


def _levels(stored: Any, rule: str, bits: int) -> Any:
    """``LevelRule.levels`` of arrays: what kernels do in one pass."""
    if rule == LEVELS and stored.shape[1] == 2**bits:
        return stored
    levels = np.empty((stored.shape[0], 2**bits), dtype=stored.dtype)
    if rule == LEVELS:
        levels[:, : stored.shape[1]] = stored
        levels[:, stored.shape[1] :] = stored[:, -1:]
    elif rule == "uniform":
        spaced_levels(stored, levels)
    else:
        scaled_tables(stored, np.array(LevelRule.named(rule, bits).table), levels)
    return levels


@cache
def _nf4(dtype: Any) -> Any:
    return np.array(LevelRule.named("nf4", 4).table, dtype=dtype)[np.newaxis]


def _shape_of_decoded(
    codes: Tensor,
    numbers: Tensor,
    factors: Tensor | None,  # noqa: ARG001
    rule: str,  # noqa: ARG001
    bits: int,  # noqa: ARG001
    columns: int,
) -> Tensor:
    return numbers.new_empty((codes.shape[0], columns), dtype=narrow_type(numbers))


def _array(tensor: Tensor) -> Any:
    return cast("Any", tensor.detach().contiguous()).numpy()


def _registered() -> Any:
    """Makes the operation known to torch: when this file is imported, because a graph names it."""
    library = cast("Any", torch.library).Library("fmq_theory", "DEF")
    arguments = "Tensor codes, Tensor numbers, Tensor? factors, str rule, int bits, int columns"
    library.define(f"decode_rows({arguments}) -> Tensor")
    library.impl("decode_rows", _decode_on_cpu, "CPU")
    cast("Any", torch.library).register_fake(_NAME, _shape_of_decoded, lib=library)
    return library  # which undoes all of it when it is collected


_LIBRARY = _registered()
_OPERATION = cast("Any", torch.ops).fmq_theory.decode_rows.default
