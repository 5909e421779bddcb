"""MXFP4 and NVFP4: numbers of four bits (E2M1) and a scale for each 32 or 16 of them.

    MXFP4:  weight = number * 2**(byte - 127), blocks of 32 (OCP Microscaling Formats 1.0)
    NVFP4:  weight = number * (scale in fp8 e4m3 * scale of the tensor), blocks of 16

| keys of a weight | who writes them |
|---|---|
| ``w_blocks``, ``w_scales`` | MXFP4 of gpt-oss |
| ``m.weight_packed``, ``m.weight_scale`` in uint8 or e8m0 | MXFP4 of compressed-tensors |
| ``m.weight_packed``, ``m.weight_scale`` in e4m3, ``m.weight_global_scale`` (it divides) | NVFP4, the same |
| ``m.weight`` in uint8, ``m.weight_scale`` in e4m3, ``m.weight_scale_2`` (a factor) | NVFP4 of ModelOpt |

The lower half of a byte comes first.
"""

import math
from collections.abc import Callable

import torch

from fmq_theory.checkpoint.foreign.nibbles import E2M1, low_first
from fmq_theory.checkpoint.foreign.stored import (
    Decoded,
    ScaledTable,
    StoredWeight,
    Unclaimed,
    blocks_of,
    bytes_in,
)  # fmt: skip
from fmq_theory.checkpoint.io.tensors import StoredTensor
from fmq_theory.errors import CheckpointError

__all__ = ["find_microscaling"]

_MX, _NV = "MXFP4, blocks of 32", "NVFP4, blocks of 16"
_POWERS = tuple(dtype for dtype in (torch.uint8, getattr(torch, "float8_e8m0fnu", None)) if dtype is not None)
_INPUTS = (".input_scale", ".input_global_scale")
_BIAS = 127
_NAN = 255  # the byte of a scale that is nan


def find_microscaling(stored: Unclaimed) -> list[StoredWeight]:
    """The weights of these formats, which are claimed.

    Args:
        stored: the tensors that nobody has claimed.
    """
    return [*_of_gpt_oss(stored), *_of_compressed_tensors(stored), *_of_modelopt(stored)]


def _of_gpt_oss(stored: Unclaimed) -> list[StoredWeight]:
    return [
        _weight(name, _MX, stored.take(f"{name}_blocks", f"{name}_scales"), _power_of_two)
        for name in stored.ending("_blocks")
        if stored.has(f"{name}_blocks", torch.uint8) and stored.has(f"{name}_scales", torch.uint8)
    ]


def _of_compressed_tensors(stored: Unclaimed) -> list[StoredWeight]:
    found: list[StoredWeight] = []
    for name in stored.ending(".weight_packed"):
        keys = f"{name}.weight_packed", f"{name}.weight_scale", f"{name}.weight_global_scale"
        beside = [name + end for end in _INPUTS]
        if not stored.has(keys[0], torch.uint8):
            continue
        if stored.has(keys[1], *_POWERS):
            parts = stored.take(*keys[:2], *beside)
            found.append(_weight(f"{name}.weight", _MX, parts, _power_of_two))
        elif stored.has(keys[1], torch.float8_e4m3fn) and stored.has(keys[2]):
            parts = stored.take(*keys, *beside)
            found.append(_weight(f"{name}.weight", _NV, parts, _divided))
    return found


def _of_modelopt(stored: Unclaimed) -> list[StoredWeight]:
    found: list[StoredWeight] = []
    for name in stored.ending(".weight_scale_2"):
        keys = f"{name}.weight", f"{name}.weight_scale", f"{name}.weight_scale_2"
        if stored.has(keys[0], torch.uint8) and stored.has(keys[1], torch.float8_e4m3fn):
            parts = stored.take(*keys, *(name + end for end in _INPUTS))
            found.append(_weight(keys[0], _NV, parts, _multiplied))
    return found


def _power_of_two(parts: list[StoredTensor]) -> torch.Tensor:
    """The scales of blocks: powers of two, by the biased exponent."""
    scales = parts[1].load().view(torch.uint8)
    exponents = scales.to(torch.int32) - _BIAS
    powers = torch.ldexp(torch.ones(exponents.shape), exponents)
    return torch.where(scales == _NAN, torch.nan, powers)


def _divided(parts: list[StoredTensor]) -> torch.Tensor:
    return parts[1].load().float() / parts[2].load().float().reshape(-1)[:1]


def _multiplied(parts: list[StoredTensor]) -> torch.Tensor:
    return parts[1].load().float() * parts[2].load().float().reshape(-1)[:1]


def _weight(
    name: str, kind: str, parts: list[StoredTensor], scales_of: Callable[[list[StoredTensor]], torch.Tensor]
) -> StoredWeight:
    data, scales = parts[0].shape, parts[1].shape
    if not data:
        raise CheckpointError(f"tensor {name!r} ({kind})", "it is a single number", "write the file again")
    # gpt-oss keeps the bytes of a block in an axis of their own.
    whole = (
        (*data[:-2], data[-2] * data[-1] * 2) if len(data) == len(scales) + 1 else (*data[:-1], data[-1] * 2)
    )

    def load(asked: tuple[int, ...]) -> Decoded:
        numbers = torch.tensor(E2M1)[low_first(parts[0].load()).to(torch.int64)].reshape(whole)
        factors = scales_of(parts)
        size = 32 if kind == _MX else 16
        if tuple(factors.shape) != (*whole[:-1], whole[-1] // size) or whole[-1] % size:
            raise found.damaged(f"scales of shape {tuple(factors.shape)} do not fit {whole}")
        blocks = numbers.reshape(*factors.shape, size) * factors[..., None]
        # Scales of MXFP4 are powers of two: the best of any kind would say little of them.
        scaled = ScaledTable(tuple(sorted(set(E2M1))), blocks_of(size)) if kind == _NV else None
        return Decoded(blocks.reshape(whole).reshape(asked), scaled=scaled)

    found = StoredWeight(name, whole, math.prod(whole), kind, bytes_in(parts), load)
    return found
