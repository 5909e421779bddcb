"""GGUF files for ComfyUI-GGUF, diffusers and stable-diffusion.cpp, with the best scales of each block.

The tensors keep their names and their order. Weights are quantized block by block (see ``gguf_types``), and
everything else stays as it is. The package ``gguf`` of llama.cpp's authors writes the file.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fmq_theory.checkpoint.exports.gguf_plan import PLAIN, GgufTensorPlan, plan_tensors
from fmq_theory.checkpoint.exports.gguf_types import BLOCK, TYPES, quantized_blocks
from fmq_theory.checkpoint.exports.originals import original_tensors, single_precision
from fmq_theory.checkpoint.exports.result import Export, Written
from fmq_theory.checkpoint.io.container import open_container
from fmq_theory.checkpoint.io.files import OpenCheckpoint, Readable, opened
from fmq_theory.checkpoint.io.number_types import bytes_of
from fmq_theory.checkpoint.io.optional_packages import optional_package
from fmq_theory.counts import checked_threads
from fmq_theory.errors import CheckpointError, OutputError, Way, WeightsError
from fmq_theory.storage import check_output, reading
from fmq_theory.storage.outputs import write_atomically

__all__ = ["KNOWN_ARCHITECTURES", "export_gguf"]

Progress = Callable[[float, str], None]

SUFFIX = ".gguf"
KNOWN_ARCHITECTURES = (
    "flux",
    "sd1",
    "sdxl",
    "sd3",
    "aura",
    "hidream",
    "cosmos",
    "ltxv",
    "hyvid",
    "wan",
    "lumina2",
    "qwen_image",
)
"""What ComfyUI-GGUF calls image models."""
_METADATA = ("general.architecture", "modelspec.architecture")
_TORCH = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_QUANTIZATION_VERSION = 2
_LARGEST_SCALE = float(np.finfo(np.float16).max)


def export_gguf(
    path_in: Readable,
    path_out: Path | str,
    *,
    kind: str = "Q4_0",
    types: Mapping[str, str] | None = None,
    architecture: str = "",
    fold: bool = False,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    overwrite: bool = False,
    threads: int | None = None,
    progress: Progress = lambda _share, _what: None,
) -> Export:
    """Quantizes a model into a GGUF file.

    Each block of 32 weights has the scale, or the scale and the least value, of the least squared error that
    float16 and nearest codes allow; the tools that write these types take the scale from its largest weight.
    Tensors of one dimension, and weights whose rows hold no whole blocks, stay as they are.

    Args:
        path_in: a plain checkpoint.
        path_out: a file that ends in ``.gguf``.
        kind: the type of weights for which ``types`` says nothing: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL, F32,
            F16 or BF16; empty to keep them.
        types: types of some weights, by patterns of names, of which the first that fits counts.
        architecture: what loaders are told of the model, as "flux"; where it is empty the metadata of the
            checkpoint must say it.
        fold: write weights whose rows hold no whole blocks, as those of convolutions, in rows of 256 beside
            their shape. ComfyUI-GGUF and ``fmq compare`` read that; other tools do not.
        include: quantize only weights whose names fit one of these patterns.
        exclude: quantize none that fits one of these.
        overwrite: replace a file that exists.
        threads: at most so many; no result depends on it.
        progress: told the share done and what is being done.

    Raises:
        CheckpointError: the input is quantized, holds nothing to quantize or what GGUF cannot hold, or does
            not tell its architecture; the package gguf is missing.
        SchemeError: a type that is not written.
        WeightsError: a weight is nan or infinite, or beyond the type that was asked for.
        OutputError: the file exists, or cannot be written.
    """
    place = Path(path_out)
    if place.suffix.lower() != SUFFIX:
        raise OutputError(f"output {path_out}", "GGUF is one file", f"name a file that ends in {SUFFIX}")
    gguf, threads = _package(), checked_threads(threads)
    with opened(path_in) as stored, reading(*stored.inputs):
        plans = plan_tensors(original_tensors(stored), kind, types or {}, include, exclude, fold=fold)
        if not any(plan.kind in TYPES for plan in plans):
            raise _nothing(stored, plans, fold=fold)
        architecture = architecture or _told(stored)
        check_output(place, overwrite=overwrite)
        quantized: dict[str, Written] = {}

        def write(temporary: Path) -> None:
            writer = _headed(gguf, temporary, architecture, plans)
            try:
                total = sum(math.prod(plan.shape) for plan in plans)
                done = 0
                for plan in plans:
                    progress(done / total, plan.entry.name)
                    data, written = _data(plan, threads)
                    if written is not None:
                        quantized[plan.entry.name] = written
                    writer.write_tensor_data(data)
                    done += math.prod(plan.shape)
            finally:
                writer.close()
            stored.verify_unchanged()

        write_atomically(place, write)
    kept = {
        plan.entry.name: plan.reason for plan in plans if plan.reason and len(plan.entry.stored.shape) > 1
    }
    original = sum(plan.entry.stored.num_bytes for plan in plans if not plan.entry.tied)
    return Export(place, place.stat().st_size, original, quantized, kept)


def _package() -> Any:
    return optional_package("gguf", "gguf", "GGUF files", "writes them")


def _nothing(stored: OpenCheckpoint, plans: Sequence[GgufTensorPlan], *, fold: bool) -> CheckpointError:
    why = next(
        (f"{p.entry.name!r}: {p.reason}" for p in plans if len(p.entry.stored.shape) > 1), "no matrices"
    )
    foldable = not fold and any("no whole blocks" in plan.reason for plan in plans)
    return CheckpointError(
        f"checkpoint {str(stored.path)!r}",
        f"none of its tensors would be quantized ({why})",
        ("pass ", Way("fold", "fold=True"), " for ComfyUI-GGUF, or choose another format")
        if foldable
        else "ask for a quantized type, or pass another file",
    )


def _told(stored: OpenCheckpoint) -> str:
    """The architecture that the metadata of a safetensors file names."""
    if stored.file.suffix.lower() == ".safetensors":
        metadata = open_container(stored.file).metadata
        for key in _METADATA:
            if metadata.get(key):
                return metadata[key]
    raise CheckpointError(
        f"checkpoint {str(stored.path)!r}",
        "it does not say of which architecture it is, by which loaders of GGUF know a model",
        (
            "pass ",
            Way("architecture", "architecture="),
            f" with a name, in ComfyUI-GGUF one of {', '.join(KNOWN_ARCHITECTURES)}",
        ),
    )


def _headed(gguf: Any, path: Path, architecture: str, plans: Sequence[GgufTensorPlan]) -> Any:
    """A writer that has written all but the numbers."""
    writer = gguf.GGUFWriter(path, architecture)
    counts = {name: sum(math.prod(p.shape) for p in plans if p.kind == name) for name in TYPES}
    writer.add_file_type(TYPES[max(counts, key=lambda name: counts[name])].file_type)
    writer.add_quantization_version(_QUANTIZATION_VERSION)
    for plan in plans:
        name, kind = plan.entry.name, plan.kind
        if plan.folded:
            writer.add_array(f"comfy.gguf.orig_shape.{name}", list(plan.entry.stored.shape))
        number = gguf.GGMLQuantizationType(TYPES[kind].number if kind in TYPES else PLAIN[kind])
        # Of numbers that are no bytes the package takes the shape as it is.
        writer.add_tensor_info(name, plan.shape, np.dtype(np.float32), _num_bytes(plan), raw_dtype=number)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    return writer


def _num_bytes(plan: GgufTensorPlan) -> int:
    count = math.prod(plan.shape)
    if plan.kind in TYPES:
        return count // BLOCK * TYPES[plan.kind].block_bytes
    width = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "I8": 1}.get(plan.kind, 2)
    return count * width


def _data(plan: GgufTensorPlan, threads: int) -> tuple[NDArray[np.uint8], Written | None]:
    """The bytes of a tensor, and what became of it where it is quantized."""
    name, stored = plan.entry.name, plan.entry.stored
    if plan.kind not in TYPES:
        dtype = _TORCH.get(plan.kind)
        numbers = stored.load()
        if dtype is None or numbers.dtype == dtype:
            return stored.file_bytes(), None
        rounded = numbers.to(dtype)
        if bool((rounded.isinf() & numbers.isfinite()).any()):
            raise WeightsError(
                f"tensor {name!r}", f"it has numbers beyond {plan.kind}", "choose BF16 or F32 for it"
            )
        return bytes_of(rounded), None
    weights = single_precision(name, stored)
    reach = _LARGEST_SCALE * max(map(abs, TYPES[plan.kind].levels))
    if float(np.abs(weights).max(initial=0.0)) > reach:
        raise WeightsError(
            f"tensor {name!r}",
            f"it has numbers beyond {reach:.3g}, the most that {plan.kind} holds",
            "choose BF16 or F32 for it",
        )
    blocks, errors = quantized_blocks(weights.reshape(-1, BLOCK), TYPES[plan.kind], threads)
    energy = float(np.sum(np.square(weights, dtype=np.float64)))
    written = Written(plan.kind, weights.size, blocks.nbytes, math.fsum(errors), energy)
    return blocks.reshape(-1), written
