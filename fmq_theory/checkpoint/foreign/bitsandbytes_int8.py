"""LLM.int8() of bitsandbytes: integers of 8 bits and the largest magnitude of each row.

    weight = code * SCB[row] / 127, as the tool has it: code * SCB[row] * float32(1 / 127)

Keys of a weight ``m.weight``: itself in int8, ``m.SCB`` in float32, ``m.weight_format``.
"""

import math

import torch

from fmq_theory.checkpoint.foreign.stored import Decoded, StoredWeight, Unclaimed, bytes_in
from fmq_theory.checkpoint.io.tensors import StoredTensor

__all__ = ["find_int8"]

_STEP = 7.874015718698502e-3  # 1 / 127 in float32


def find_int8(stored: Unclaimed) -> list[StoredWeight]:
    """The weights of this format, which are claimed.

    Args:
        stored: the tensors that nobody has claimed.
    """
    return [
        _weight(stored, name) for name in stored.ending(".SCB") if stored.has(f"{name}.weight", torch.int8)
    ]


def _weight(stored: Unclaimed, name: str) -> StoredWeight:
    parts = stored.take(f"{name}.weight", f"{name}.SCB", f"{name}.weight_format")
    shape = parts[0].shape

    def load(asked: tuple[int, ...]) -> Decoded:
        return Decoded(_numbers(found, parts).reshape(asked))

    found = StoredWeight(
        f"{name}.weight",
        shape,
        math.prod(shape),
        "bitsandbytes int8, a scale a row",
        bytes_in(parts),
        load,
    )
    return found


def _numbers(weight: StoredWeight, parts: list[StoredTensor]) -> torch.Tensor:
    codes, scales = parts[0].load(), parts[1].load().float()
    if codes.ndim != 2 or scales.numel() != codes.shape[0]:
        raise weight.damaged("its SCB does not have a number a row")
    return codes * scales.reshape(-1, 1) * _STEP
