"""Opening a file of weights, whoever wrote it: the formats are asked in turn for what is theirs."""

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from fmq_theory.brief import brief_repr
from fmq_theory.checkpoint.foreign.bitsandbytes_4bit import find_4bit
from fmq_theory.checkpoint.foreign.bitsandbytes_int8 import find_int8
from fmq_theory.checkpoint.foreign.fmq_file import fmq_weights
from fmq_theory.checkpoint.foreign.gguf_file import gguf_weights, is_gguf
from fmq_theory.checkpoint.foreign.microscaling import find_microscaling
from fmq_theory.checkpoint.foreign.plain import plain_weights
from fmq_theory.checkpoint.foreign.scaled import find_scaled
from fmq_theory.checkpoint.foreign.sdnq import find_sdnq
from fmq_theory.checkpoint.foreign.stored import StoredWeight, Unclaimed
from fmq_theory.checkpoint.io.file_bytes import FileBytes
from fmq_theory.checkpoint.io.files import OpenCheckpoint, open_checkpoint
from fmq_theory.errors import CheckpointError

__all__ = ["KNOWN", "StoredFile", "open_stored", "quantized_format", "refuse_quantized"]

KNOWN = (
    "fmq, bitsandbytes (NF4, FP4, int8), SDNQ (tables and integers), GGUF, MXFP4, NVFP4, fp8 or int8 with "
    "scales, and plain numbers of 8 to 64 bits"
)
"""The formats that are read, in words."""

Find = Callable[[Unclaimed], list[StoredWeight]]
_FORMATS: tuple[Find, ...] = (find_4bit, find_int8, find_sdnq, find_microscaling, find_scaled)
# Formats that are known by their keys and not read.
_OTHERS = (
    ((".qweight", ".qzeros"), "GPTQ or AWQ"),
    ((".weight_packed", ".weight_scale"), "integers packed by compressed-tensors"),
    ((".W_q",), "HQQ"),
    ((".lut", ".qweight"), "SqueezeLLM"),
    ((".qs", ".scales_and_zeros"), "torchao"),
)


@dataclass(frozen=True, slots=True, eq=False)
class StoredFile:
    """The weights of an open file.

    Attributes:
        path: as the caller named it.
        weights: in the order in which they were found; those of one dimension too.
        others: why each tensor that is no weight is none, by name.
        num_bytes: of all its files.
        architecture: what a GGUF file calls it; empty for other files.
    """

    path: Path
    weights: tuple[StoredWeight, ...]
    others: dict[str, str]
    num_bytes: int
    architecture: str = ""

    __repr__ = brief_repr

    @property
    def formats(self) -> tuple[str, ...]:
        """What its quantized weights are, most weights first; the type of the numbers where none is."""
        wanted = [w for w in self.weights if not w.plain] or list(self.weights)
        counts: dict[str, int] = {}
        for weight in wanted:
            counts[weight.format] = counts.get(weight.format, 0) + weight.count
        return tuple(sorted(counts, key=lambda name: -counts[name]))


@contextmanager
def open_stored(path: Path | str) -> Generator[StoredFile]:
    """The weights of a file in any of the formats that are known; see ``KNOWN``.

    Args:
        path: a file, the index of a sharded checkpoint, or a folder that holds one.

    Raises:
        CheckpointError: it cannot be read or is damaged, or of a format that is not read. On the way out: it
            changed meanwhile.
    """
    path = Path(path)
    if is_gguf(path):
        file = FileBytes(path)
        weights, others, architecture = gguf_weights(path, file)
        if not weights:
            raise CheckpointError(f"GGUF file {str(path)!r}", "it holds no weights", "pass another file")
        yield StoredFile(path, tuple(weights), others, file.size, architecture)
        file.verify_unchanged()
        return
    with open_checkpoint(path) as stored:
        size = sum(file.size for file in stored.files)
        if stored.packed is not None:
            yield StoredFile(path, tuple(fmq_weights(stored.packed)), {}, size)
            return
        weights, others = _found(stored)
        if not weights:
            raise CheckpointError(
                f"checkpoint {str(path)!r}", "it holds no weights", f"formats read: {KNOWN}"
            )
        yield StoredFile(path, tuple(weights), others, size)


def quantized_format(stored: OpenCheckpoint) -> str:
    """What another tool quantized in a checkpoint, in a few words; empty where all numbers are plain.

    Args:
        stored: the checkpoint, open.

    Raises:
        CheckpointError: it is of a quantized format that is not read, or damaged.
    """
    weights, _ = _quantized(stored)
    return weights[0].format if weights else ""


def refuse_quantized(stored: OpenCheckpoint) -> None:
    """Refuses a checkpoint that another tool quantized.

    Args:
        stored: the checkpoint, open; one of fmq is not looked at.

    Raises:
        CheckpointError: with what it is, and the command for it; see also ``quantized_format``.
    """
    if not stored.quantized and (words := quantized_format(stored)):
        raise CheckpointError(
            f"checkpoint {str(stored.path)!r}",
            f"it is quantized already: {words}",
            "name the original weights; what this file lost of them is told by fmq compare "
            "(fmq_theory.compare)",
        )


def _found(stored: OpenCheckpoint) -> tuple[list[StoredWeight], dict[str, str]]:
    quantized, unclaimed = _quantized(stored)
    plain, others = plain_weights(list(unclaimed.tensors.values()))
    return [*quantized, *plain], others


def _quantized(stored: OpenCheckpoint) -> tuple[list[StoredWeight], Unclaimed]:
    """What a format has claimed, and what none has."""
    unclaimed = Unclaimed(
        {".".join(tensor.keys): tensor for tensor in stored}, _quantization_config(stored.file)
    )
    quantized = [weight for find in _FORMATS for weight in find(unclaimed)]
    _refuse_others(stored.path, unclaimed)
    return quantized, unclaimed


def _refuse_others(path: Path, unclaimed: Unclaimed) -> None:
    for ends, words in _OTHERS:
        for name in unclaimed.ending(ends[0]):
            if all(f"{name}{end}" in unclaimed.tensors for end in ends):
                raise CheckpointError(
                    f"checkpoint {str(path)!r}",
                    f"tensor {name + ends[0]!r} looks like {words}, which is not read",
                    f"formats read: {KNOWN}; or dequantize it with its own tool first",
                )


def _quantization_config(file: Path) -> dict[str, Any]:
    """What lies beside the file; one that cannot be read says nothing, as tensors speak for themselves."""
    for name in ("quantization_config.json", "config.json"):
        try:
            found: Any = json.loads((file.parent / name).read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            config = cast("dict[str, Any]", found)
            inner: Any = config.get("quantization_config", config)
            if isinstance(inner, dict) and "quant_method" in inner:
                return cast("dict[str, Any]", inner)
    return {}
