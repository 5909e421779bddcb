"""Which GGUF type each tensor of a model gets: settled, and refused, before anything is quantized."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from fmq_theory.checkpoint.exports.gguf_types import BLOCK, TYPES
from fmq_theory.checkpoint.io.naming import Entry, check_patterns, matches
from fmq_theory.checkpoint.io.tensors import StoredTensor
from fmq_theory.checkpoint.plan import Plan
from fmq_theory.errors import CheckpointError, SchemeError, Way

__all__ = ["FOLDED", "HELD", "PLAIN", "GgufTensorPlan", "plan_tensors", "types_of_plan"]

PLAIN = {"F32": 0, "F16": 1, "I8": 24, "I16": 25, "I32": 26, "I64": 27, "F64": 28, "BF16": 30}
"""Types of plain numbers, by the numbers that stand for them."""
_REAL = ("F32", "F16", "BF16")
_LARGER = {"F8_E4M3": "F16", "F8_E5M2": "F16"}  # types that GGUF lacks, in one that holds their numbers
HELD = f"{', '.join(TYPES)} in blocks of {BLOCK} weights of a row, and {', '.join(_REAL)}"
"""What is written of weights, in words."""
FOLDED = 256
"""Weights of a row into which ComfyUI-GGUF folds a tensor whose own rows hold no whole blocks."""
_MOST_AXES = 4
_LONGEST_NAME = 127  # bytes; the most that a build of ggml takes (stable-diffusion.cpp; llama.cpp takes 63)


@dataclass(frozen=True, slots=True)
class GgufTensorPlan:
    """One tensor as it is written.

    Attributes:
        entry: the original.
        kind: a key of ``TYPES`` or of ``PLAIN``.
        shape: in the file.
        reason: why it is not quantized; empty where it is.
    """

    entry: Entry
    kind: str
    shape: tuple[int, ...]
    reason: str = ""

    @property
    def folded(self) -> bool:
        """Whether its shape is not that of the original, which the file then tells."""
        own = self.entry.stored.shape
        return self.shape != own and bool(own)


def types_of_plan(plan: Plan) -> dict[str, str]:
    """A type for each tensor of a plan of ``fmq quantize``: the smallest one with codes of as many bits.

    Args:
        plan: whose schemes and groups say nothing here; tensors that it does not name are kept.

    Raises:
        SchemeError: the plan has a tensor whose bits no type has.
    """
    by_bits = {4: "Q4_0", 5: "Q5_0", 8: "Q8_0"}
    return {
        tensor.name: by_bits[min(bits for bits in by_bits if bits >= tensor.bits)] for tensor in plan.tensors
    }


def plan_tensors(
    entries: Mapping[str, Entry],
    default: str,
    types: Mapping[str, str],
    include: Sequence[str],
    exclude: Sequence[str],
    *,
    fold: bool,
) -> list[GgufTensorPlan]:
    """What each tensor becomes.

    Args:
        entries: all that go into the file, by name.
        default: the type of weights that no pattern of ``types`` fits; empty to keep them.
        types: by patterns of names, of which the first that fits counts.
        include: only weights whose names fit one of these patterns are quantized.
        exclude: none that fits one of these.
        fold: write weights whose rows hold no whole blocks in rows of ``FOLDED``.

    Raises:
        SchemeError: a type that is not written.
        CheckpointError: a pattern fits no tensor; a name or a shape that GGUF cannot hold.
    """
    for kind in filter(None, (default, *types.values())):
        _check_type(kind)
    check_patterns(list(entries.values()), include, exclude)
    for pattern in types:
        if not any(fnmatchcase(name, pattern) for name in entries):
            names = ", ".join(repr(name) for name in list(entries)[:4])
            raise CheckpointError(f"type for {pattern!r}", "it fits no tensor", f"the names are like {names}")
    plans: list[GgufTensorPlan] = []
    for name, entry in entries.items():
        if len(name.encode()) > _LONGEST_NAME:
            raise CheckpointError(
                f"tensor {name!r}",
                f"its name has {len(name.encode())} bytes, and readers of GGUF take at most {_LONGEST_NAME}",
                "rename it in the checkpoint",
            )
        asked = next((kind for pattern, kind in types.items() if fnmatchcase(name, pattern)), default)
        wanted = matches(name, include, exclude)
        plans.append(_plan(name, entry, asked if wanted else "", fold=fold))
    return plans


def _check_type(kind: str) -> None:
    if kind in TYPES or kind in _REAL:
        return
    cause = "GGUF has no such type"
    if kind.endswith(("_K", "_K_S", "_K_M", "_XS", "_XXS")) or kind.startswith(("IQ", "TQ", "MXFP")):
        cause = "types of blocks within blocks, and those of grids, are read here and not written"
    raise SchemeError(f"type {kind!r}", cause, f"choose one of {', '.join((*TYPES, *_REAL))}")


def _plan(name: str, entry: Entry, asked: str, *, fold: bool) -> GgufTensorPlan:
    stored = entry.stored
    if 0 in stored.shape:
        raise CheckpointError(
            f"tensor {name!r}", "it is empty, which GGUF cannot hold", "take it out of the checkpoint"
        )
    plain = _plain_type(name, stored)
    shape = stored.shape or (1,)
    if reason := stored.unusable(2) if asked else "not asked for":
        return _kept(name, entry, plain, shape, reason, fold=fold)
    if asked in _REAL:
        return _kept(name, entry, asked, shape, f"{asked} asked for", fold=fold)
    if shape[-1] % BLOCK == 0 and len(shape) <= _MOST_AXES:
        return GgufTensorPlan(entry, asked, shape)
    count = math.prod(shape)
    if fold and count % FOLDED == 0:
        return GgufTensorPlan(entry, asked, (count // FOLDED, FOLDED))
    reason = f"rows of {shape[-1]} weights hold no whole blocks of {BLOCK}"
    if fold:
        reason += f", nor do its {count} weights fill rows of {FOLDED}"
    return _kept(name, entry, plain, shape, reason, fold=fold)


def _kept(
    name: str, entry: Entry, kind: str, shape: tuple[int, ...], reason: str, *, fold: bool
) -> GgufTensorPlan:
    if len(shape) <= _MOST_AXES:
        return GgufTensorPlan(entry, kind, shape, reason)
    if not fold:
        raise CheckpointError(
            f"tensor {name!r}",
            f"it has {len(shape)} axes, and GGUF holds at most {_MOST_AXES}",
            ("pass ", Way("fold", "fold=True"), ", with which ComfyUI-GGUF reads it, or reshape it"),
        )
    return GgufTensorPlan(entry, kind, (math.prod(shape),), reason)


def _plain_type(name: str, stored: StoredTensor) -> str:
    """The type of GGUF that holds its numbers as they are."""
    kind = stored.raw_type or stored.file_type(name)
    kind = _LARGER.get(kind, kind)
    if kind not in PLAIN:
        raise CheckpointError(
            f"tensor {name!r}",
            f"its numbers are of type {kind}, which GGUF lacks",
            f"convert it to one of {', '.join(PLAIN)}",
        )
    return kind
