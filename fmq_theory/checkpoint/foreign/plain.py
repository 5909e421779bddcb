"""Weights whose numbers stand in the file themselves: 32, 16 or 8 bits, without scales."""

import math
from collections.abc import Sequence

from fmq_theory.checkpoint.foreign.stored import Decoded, StoredWeight
from fmq_theory.checkpoint.io.naming import classify
from fmq_theory.checkpoint.io.tensors import StoredTensor

__all__ = ["plain_weights"]


def plain_weights(tensors: Sequence[StoredTensor]) -> tuple[list[StoredWeight], dict[str, str]]:
    """Those of the tensors that are weights of the model, and why each other one is none.

    Args:
        tensors: what no format has claimed.
    """
    found: list[StoredWeight] = []
    others: dict[str, str] = {}
    for entry in classify(tensors):
        reason = entry.excluded if not entry.tied else ""
        if reason := reason or entry.stored.unusable():
            others[entry.name] = reason
        else:
            found.append(_weight(entry.name, entry.stored, counted=not entry.tied))
    return found, others


def _weight(name: str, tensor: StoredTensor, *, counted: bool) -> StoredWeight:
    def load(asked: tuple[int, ...]) -> Decoded:
        return Decoded(tensor.load().reshape(asked), nearest=tensor.dtype)

    kind = str(tensor.dtype).removeprefix("torch.")
    size = tensor.num_bytes if counted else 0  # its numbers are stored under another name
    return StoredWeight(name, tensor.shape, math.prod(tensor.shape), kind, size, load, plain=True)
