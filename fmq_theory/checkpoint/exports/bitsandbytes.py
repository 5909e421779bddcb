"""Files of bitsandbytes' NF4, with the absmax of the least squared error in each block (see ``nf4``).

The keys are those that bitsandbytes, diffusers and transformers write and read. Only matrices of linear
layers are quantized, as their loaders replace no other layer; everything else is copied bit for bit.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fmq_theory.checkpoint.exports.architecture import model_of
from fmq_theory.checkpoint.exports.nf4 import BLOCK_SIZES, NESTED_BLOCK, NF4_MAP, dynamic_map, quantize_nf4
from fmq_theory.checkpoint.exports.originals import original_tensors, single_precision
from fmq_theory.checkpoint.exports.result import Export, Written
from fmq_theory.checkpoint.exports.spool import Spool
from fmq_theory.checkpoint.io.container import Spec, write_container
from fmq_theory.checkpoint.io.files import OpenCheckpoint, Readable, opened
from fmq_theory.checkpoint.io.naming import Entry, check_patterns, matches
from fmq_theory.checkpoint.quantized.output import OutputPlace
from fmq_theory.checkpoint.quantized.work_folder import WorkFolder
from fmq_theory.counts import checked_threads
from fmq_theory.errors import CheckpointError, SchemeError, Way
from fmq_theory.storage import reading

__all__ = ["export_bnb_nf4"]

Progress = Callable[[float, str], None]
Bytes = NDArray[np.uint8]

_STATE = "quant_state.bitsandbytes__nf4"
_PARTS = ("absmax", "quant_map", "nested_absmax", "nested_quant_map", _STATE)
_DTYPES = {torch.float16: "float16", torch.bfloat16: "bfloat16", torch.float32: "float32"}
_MATRIX = 2


@dataclass(frozen=True, slots=True)
class _Small:
    """What is stored of a weight beside its codes: type, shape and bytes by the end of its key."""

    codes: int
    parts: Mapping[str, tuple[str, tuple[int, ...], Bytes]]


def export_bnb_nf4(
    path_in: Readable,
    path_out: Path | str,
    config: Mapping[str, Any] | None = None,
    *,
    block_size: int = 64,
    double_quant: bool = False,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    overwrite: bool = False,
    threads: int | None = None,
    progress: Progress = lambda _share, _what: None,
) -> Export:
    """Quantizes a model into NF4 as bitsandbytes stores it.

    With the ``config.json`` of a diffusers model its linear layers are quantized. Of any other checkpoint the
    matrices called ``weight`` are, whatever layer they belong to: exclude those of embeddings.

    Args:
        path_in: a plain checkpoint.
        path_out: a ``.safetensors`` file, or a folder for the model and its ``config.json``.
        config: of the model; the one that is written says how the weights are quantized as well.
        block_size: weights that share an absmax: 64, 128, 256, 512, 1024, 2048 or 4096.
        double_quant: store the absmax in 8 bits: 4.13 bits a weight in blocks of 64 in place of 4.5.
        include: only weights whose names fit one of these patterns.
        exclude: none that fits one of these.
        overwrite: replace a file, or files in a folder, that exists.
        threads: at most so many; no result depends on it.
        progress: told the share done and what is being done.

    Raises:
        CheckpointError: the input is quantized, is not one of the model that the config describes, or
            holds nothing to quantize; a tensor has a name that the format needs; diffusers is missing.
        SchemeError: a block size that bitsandbytes does not have.
        WeightsError: a weight is nan or infinite.
        OutputError: the output exists, or cannot be written.
    """
    if block_size not in BLOCK_SIZES:
        sizes = ", ".join(map(str, BLOCK_SIZES))
        raise SchemeError(
            f"block size {block_size}", "bitsandbytes has no such blocks", f"choose one of {sizes}"
        )
    threads, config = checked_threads(threads), dict(config or {})
    diffusers = "_class_name" in config
    place = OutputPlace(Path(path_out), f"{'diffusion_pytorch_model' if diffusers else 'model'}.safetensors")
    with opened(path_in) as stored, reading(*stored.inputs):
        if "quantization_config" in config:
            raise CheckpointError(
                f"checkpoint {str(stored.path)!r}", "it is quantized already", "export the original"
            )
        entries = original_tensors(stored)
        check_patterns(list(entries.values()), include, exclude)
        linear = _linear(entries, config, f"checkpoint {str(stored.path)!r}") if diffusers else None
        reasons = {n: _unfit(n, e, linear, block_size, double_quant=double_quant) for n, e in entries.items()}
        for name, reason in reasons.items():
            if not reason and not matches(name, include, exclude):
                reasons[name] = "not asked for"
        wanted = [name for name, reason in reasons.items() if not reason]
        _check(stored, entries, wanted, reasons)
        place.check(overwrite=overwrite)
        said = config | {"quantization_config": _configuration(entries, wanted, double_quant=double_quant)}
        work = WorkFolder(place.path)
        with work.opened(resume=False):
            temporary, codes = work.temporary("model"), Spool(work.temporary("codes"))
            small: dict[str, _Small] = {}
            written: dict[str, Written] = {}
            for index, name in enumerate(wanted):
                progress(index / len(wanted), name)
                small[name], written[name] = _quantized(
                    name, entries[name], block_size, codes, double_quant=double_quant, threads=threads
                )
            num_bytes = _write(temporary, entries, small, codes)
            stored.verify_unchanged()
            place.take(temporary, work.temporary("folder"), said)
    kept = {name: why for name, why in reasons.items() if why and len(entries[name].stored.shape) > 1}
    original = sum(entry.stored.num_bytes for entry in entries.values() if not entry.tied)
    return Export(place.file, num_bytes, original, written, kept)


def _linear(entries: Mapping[str, Entry], config: Mapping[str, Any], thing: str) -> set[str]:
    """The weights of linear layers of a diffusers model."""
    return {name for name, kind in model_of(entries, config, thing).layers.items() if kind == "Linear"}


def _unfit(name: str, entry: Entry, linear: set[str] | None, block: int, *, double_quant: bool) -> str:
    """Why a tensor stays as it is; empty if it is quantized."""
    stored = entry.stored
    if linear is not None and name not in linear:
        return "of no linear layer, and bitsandbytes has no other"
    if reason := stored.unusable(_MATRIX):
        return reason
    if linear is None and (len(stored.shape) != _MATRIX or name.rpartition(".")[2] != "weight"):
        return "no matrix called weight, as linear layers have, and bitsandbytes has no other"
    if (
        _side_bytes(stored.shape, block, double_quant) + (stored.shape[0] * stored.shape[1] + 1) // 2
        >= stored.num_bytes
    ):
        return "codes, absmax and what is said of them take more than it"
    return ""


def _side_bytes(shape: tuple[int, ...], block: int, nested: bool) -> int:
    """Of all but the codes, as far as it is known before: the state takes some 80 bytes, or 170."""
    blocks = -(-shape[0] * shape[1] // block)
    if not nested:
        return 4 * blocks + NF4_MAP.nbytes + 80
    return blocks + 4 * -(-blocks // NESTED_BLOCK) + NF4_MAP.nbytes + 1024 + 170


def _check(
    stored: OpenCheckpoint, entries: Mapping[str, Entry], wanted: Sequence[str], reasons: Mapping[str, str]
) -> None:
    """Refuses what cannot come to an end, before any work is done."""
    if not wanted:
        why = next(
            (f"{n!r}: {why}" for n, why in reasons.items() if len(entries[n].stored.shape) > 1), "no matrices"
        )
        raise CheckpointError(
            f"checkpoint {str(stored.path)!r}",
            f"none of its tensors would be quantized ({why})",
            "choose another format, or pass another file",
        )
    for name in wanted:
        for part in _PARTS:
            if f"{name}.{part}" in entries:
                raise CheckpointError(
                    f"tensor {f'{name}.{part}'!r}",
                    f"what belongs to {name!r} goes under its name",
                    ("pass ", Way("exclude", "exclude"), f" {name!r}"),
                )
    for name, entry in entries.items():
        entry.stored.file_type(name)


def _configuration(
    entries: Mapping[str, Entry], wanted: Sequence[str], *, double_quant: bool
) -> dict[str, Any]:
    """What loaders hand to bitsandbytes: layers that they would replace are ours or said to be kept."""
    modules = {name.rpartition(".")[0] for name in wanted}
    skipped = [
        name.rpartition(".")[0]
        for name, entry in entries.items()
        if name.endswith(".weight") and name not in wanted and len(entry.stored.shape) == _MATRIX
    ]
    for module in skipped:
        if hidden := [other for other in modules if f"{module}." in other]:
            raise CheckpointError(
                f"tensor {module + '.weight'!r}",
                f"loaders that leave {module!r} as it is leave {hidden[0]!r} too, whose name holds its own",
                ("pass ", Way("exclude", "exclude"), f" {hidden[0] + '.weight'!r}"),
            )
    types = [entries[name].stored.dtype for name in wanted]
    return {
        "quant_method": "bitsandbytes",
        "load_in_4bit": True,
        "load_in_8bit": False,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": double_quant,
        "bnb_4bit_compute_dtype": _DTYPES.get(max(types, key=types.count), "float32"),
        "bnb_4bit_quant_storage": "uint8",
        "llm_int8_skip_modules": skipped,
    }


def _quantized(
    name: str, entry: Entry, block: int, spool: Spool, *, double_quant: bool, threads: int
) -> tuple[_Small, Written]:
    weights = single_precision(name, entry.stored)
    dtype = entry.stored.dtype if entry.stored.dtype in _DTYPES else torch.float32
    found = quantize_nf4(weights, dtype, block, nested=double_quant, threads=threads)
    spool.put(name, found.codes)
    state: dict[str, Any] = {
        "quant_type": "nf4",
        "blocksize": block,
        "dtype": _DTYPES[dtype],
        "shape": list(weights.shape),
    }
    arrays: dict[str, NDArray[Any]] = {"absmax": found.absmax, "quant_map": NF4_MAP}
    if found.nested_absmax is not None:
        arrays |= {"nested_absmax": found.nested_absmax, "nested_quant_map": dynamic_map()}
        state |= {
            "nested_blocksize": NESTED_BLOCK,
            "nested_dtype": "float32",
            "nested_offset": found.nested_offset,
        }
    arrays[_STATE] = np.frombuffer(json.dumps(state).encode(), dtype=np.uint8)
    parts = {
        end: ("U8" if array.dtype == np.uint8 else "F32", array.shape, array.reshape(-1).view(np.uint8))
        for end, array in arrays.items()
    }
    size = found.codes.size + sum(array.nbytes for array in arrays.values())
    energy = float(np.sum(np.square(weights, dtype=np.float64)))
    words = f"NF4, blocks of {block}{', absmax in 8 bits' if double_quant else ''}"
    return _Small(found.codes.size, parts), Written(words, weights.size, size, found.error, energy)


def _write(path: Path, entries: Mapping[str, Entry], small: Mapping[str, _Small], codes: Spool) -> int:
    specs: list[Spec] = []
    arrays: dict[str, Bytes] = {}
    for name, entry in entries.items():
        if name not in small:
            specs.append(Spec(name, entry.stored.file_type(name), entry.stored.shape))
            continue
        specs.append(Spec(name, "U8", (small[name].codes, 1)))
        for end, (kind, shape, array) in small[name].parts.items():
            specs.append(Spec(f"{name}.{end}", kind, shape))
            arrays[f"{name}.{end}"] = array

    def data(name: str) -> Bytes:
        if name in arrays:
            return arrays[name]
        return codes.get(name) if name in small else entries[name].stored.file_bytes()

    return write_container(path, specs, {"format": "pt"}, lambda name: [data(name)])
