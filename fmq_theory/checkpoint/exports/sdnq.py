"""SDNQ folders, which diffusers loads by itself: our codebooks in the tables of that format.

    weight = scale[table of its row, code]

A row is what one table serves: the weights of an output channel of a linear layer; those that a convolution
has at one output channel and one place of its kernel (the table lies over the input channels); or a tensor.
A table of float32 costs 32 * 2**bits bits for each of its rows, whatever their length. Where that is above
one bit a weight the layer gets a single table: one more bit of code takes 3/4 of the error at high rate,
which tables of short rows do not pay for.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fmq_theory.checkpoint.exports.architecture import Architecture, model_of
from fmq_theory.checkpoint.exports.originals import original_tensors, single_precision
from fmq_theory.checkpoint.exports.sdnq_packing import codes_of_a_record, packed
from fmq_theory.checkpoint.exports.spool import Spool
from fmq_theory.checkpoint.io.container import Spec, write_container
from fmq_theory.checkpoint.io.files import OpenCheckpoint, Readable, opened
from fmq_theory.checkpoint.io.naming import Entry, check_patterns, matches
from fmq_theory.checkpoint.quantized.output import OutputPlace
from fmq_theory.checkpoint.quantized.work_folder import WorkFolder
from fmq_theory.errors import CheckpointError, OutputError, SchemeError, Way
from fmq_theory.quantizers import quantize
from fmq_theory.storage import reading

__all__ = ["SdnqExport", "export_sdnq"]

MODEL = "diffusion_pytorch_model.safetensors"
# The axis of the input channels, along which a table lies, by the class of the layer.
_INPUTS = {"Linear": -1} | {f"Conv{d}d": 1 for d in (1, 2, 3)} | {f"ConvTranspose{d}d": 0 for d in (1, 2, 3)}
_OTHERS = {"Embedding"}  # which SDNQ would quantize as well, were it not told not to
_LEVEL_BITS = 32
_MOST_TABLE_BITS = 1.0
_GRANULARITIES = ("channel", "tensor")


@dataclass(frozen=True, slots=True)
class SdnqExport:
    """What was written.

    Attributes:
        path: of the file of the tensors.
        num_bytes: its size.
        original_bytes: what its tensors took before.
        relative_error: sum of squared errors over that of squared weights, of all quantized tensors.
        bits_per_weight: codes and tables of the quantized tensors, over their weights.
        quantized: names of the tensors that are.
        one_table: those of them that were to have a table a row and have one in all, for the tables' cost.
        kept: the other tensors that have two dimensions or more, and why each is as it was.
    """

    path: Path
    num_bytes: int
    original_bytes: int
    relative_error: float
    bits_per_weight: float
    quantized: tuple[str, ...]
    one_table: tuple[str, ...]
    kept: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Layer:
    """One weight in this format, without its codes, which wait on the disk."""

    weights: int
    packed_shape: tuple[int, ...]
    tables: NDArray[np.float32]
    whole: bool
    error: float
    energy: float


def export_sdnq(
    path_in: Readable,
    path_out: Path | str,
    config: dict[str, Any],
    *,
    bits: int = 4,
    scheme: str = "lloyd_max",
    granularity: str = "channel",
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    overwrite: bool = False,
) -> SdnqExport:
    """Quantizes a diffusers model into a folder that ``from_pretrained`` of diffusers loads with SDNQ.

    Linear layers and convolutions are quantized where that makes them smaller; everything else is copied bit
    for bit. What the model then computes with are the levels themselves, in float32.

    Args:
        path_in: a checkpoint with the tensors of that model.
        path_out: the folder.
        config: the model's ``config.json``, with its ``_class_name``.
        bits: of a code, 1 to 8.
        scheme: of the codebooks, as ``quantize`` takes it.
        granularity: "channel" for a table a row, see above, "tensor" for one table a tensor.
        include: only tensors whose names fit one of these patterns.
        exclude: none that fits one of these.
        overwrite: replace files in a folder that exists.

    Raises:
        CheckpointError: the input is quantized, is not a checkpoint of that model, or holds nothing to
            quantize; diffusers is missing.
        WeightsError: a weight is nan or infinite.
        SchemeError: bits, a scheme or a granularity that the format does not hold.
        OutputError: the folder is not empty, or cannot be written.
    """
    _check(bits, scheme, granularity)
    place = OutputPlace(Path(path_out), MODEL)
    if not place.is_folder:
        raise OutputError(f"output {path_out}", "it is the name of a file", "name a folder")
    with opened(path_in) as stored, reading(*stored.inputs):
        entries, model = _checked(stored, config)
        check_patterns(list(entries.values()), include, exclude)
        place.check(overwrite=overwrite)
        reasons = {name: _unfit(name, entry, model, bits) for name, entry in entries.items()}
        for name, reason in reasons.items():
            if not reason and not matches(name, include, exclude):
                reasons[name] = "not asked for"
        wanted = [name for name, reason in reasons.items() if not reason]
        kept = {name: why for name, why in reasons.items() if why and len(entries[name].stored.shape) > 1}
        if not wanted:
            why = next(iter(kept.values()), "it has no weights of layers")
            raise CheckpointError(
                f"checkpoint {str(stored.path)!r}",
                f"none of its tensors is one that SDNQ holds at {bits} bits ({why})",
                "give fewer bits, or another model",
            )
        for name in wanted:
            if _tables_of(name) in entries:
                raise CheckpointError(
                    f"tensor {_tables_of(name)!r}",
                    f"the tables of {name!r} go under its name",
                    ("pass ", Way("exclude", "exclude"), f" {name!r}"),
                )
        work = WorkFolder(place.path)
        with work.opened(resume=False):
            temporary, codes = work.temporary("model"), Spool(work.temporary("codes"))
            layers = {
                name: _quantized(
                    name, entries[name], _INPUTS[model.layers[name]], bits, scheme, granularity, codes
                )
                for name in wanted
            }
            said = dict(config) | {"quantization_config": _configuration(layers, model, bits, granularity)}
            num_bytes = _write(temporary, entries, layers, codes)
            stored.verify_unchanged()
            place.take(temporary, work.temporary("folder"), said)
    weights = sum(layer.weights for layer in layers.values())
    tables = sum(layer.tables.size for layer in layers.values())
    energy = math.fsum(layer.energy for layer in layers.values())
    return SdnqExport(
        place.file,
        num_bytes,
        sum(entry.stored.num_bytes for entry in entries.values() if not entry.tied),
        math.fsum(layer.error for layer in layers.values()) / energy if energy else 0.0,
        bits + _LEVEL_BITS * tables / weights,
        tuple(layers),
        tuple(name for name, layer in layers.items() if layer.whole and granularity == "channel"),
        kept,
    )


def _check(bits: int, scheme: str, granularity: str) -> None:
    if granularity not in _GRANULARITIES:
        cause = "a table of 16 float32 levels for a group of 64 weights takes 8 bits a weight in SDNQ"
        raise SchemeError(f"granularity {granularity!r}", cause, "choose channel or tensor")
    if not 1 <= bits <= 8:
        raise SchemeError(f"bits = {bits}", "SDNQ holds tables for codes of 1 to 8 bits", "choose 1 to 8")
    if scheme.startswith("block:"):
        raise SchemeError(
            f"scheme {scheme!r}", "SDNQ's tables have no scale for each block", "choose for example lloyd_max"
        )


def _checked(stored: OpenCheckpoint, config: dict[str, Any]) -> tuple[dict[str, Entry], Architecture]:
    """The tensors by name, and the model whose tensors they all are."""
    thing = f"checkpoint {str(stored.path)!r}"
    if "quantization_config" in config:
        raise CheckpointError(thing, "it is quantized already", "export the original")
    entries = original_tensors(stored)
    return entries, model_of(entries, config, thing)


def _unfit(name: str, entry: Entry, model: Architecture, bits: int) -> str:
    """Why a tensor stays as it is; empty if it is quantized."""
    stored, kind = entry.stored, model.layers.get(name, "")
    if kind not in _INPUTS:
        return f"of a layer that SDNQ is not given ({kind})" if kind else "of no layer that SDNQ knows"
    if reason := stored.unusable(2):
        return reason
    count = math.prod(stored.shape)
    if count % codes_of_a_record(bits):
        return f"its {count} weights are no multiple of {codes_of_a_record(bits)}, which are packed together"
    if bits * count + _LEVEL_BITS * 2**bits >= 8 * stored.num_bytes:
        return "codes and a table take more than it"
    return ""


def _quantized(
    name: str, entry: Entry, axis: int, bits: int, scheme: str, granularity: str, spool: Spool
) -> _Layer:
    weights = single_precision(name, entry.stored)
    moved = np.moveaxis(weights, axis, -1)
    tables_cost = _LEVEL_BITS * 2**bits / moved.shape[-1]
    whole = granularity == "tensor" or tables_cost > _MOST_TABLE_BITS
    rows = np.ascontiguousarray(moved).reshape(1 if whole else -1, weights.size if whole else moved.shape[-1])
    found = quantize(rows, scheme, bits)
    tables = found.codebooks.astype(np.float32)
    codes = np.moveaxis(found.codes.reshape(moved.shape), -1, axis)
    error = rows.astype(np.float64) - np.take_along_axis(tables, found.codes.astype(np.intp), axis=1)
    energy = float(np.sum(np.square(rows, dtype=np.float64)))
    tables = tables.reshape(-1) if whole else np.moveaxis(tables.reshape(*moved.shape[:-1], -1), -1, axis)
    squared = float(np.sum(error**2))
    stored = packed(np.ascontiguousarray(codes), bits)
    spool.put(name, stored)
    return _Layer(weights.size, stored.shape, np.ascontiguousarray(tables), whole, squared, energy)


def _configuration(
    layers: dict[str, _Layer], model: Architecture, bits: int, granularity: str
) -> dict[str, Any]:
    """What diffusers hands to SDNQ: each layer that it would take is ours or named as not converted."""
    known = set(_INPUTS) | _OTHERS
    whole = [name for name, layer in layers.items() if layer.whole]
    return {
        "quant_method": "sdnq",
        "weights_dtype": f"uint{bits}",
        "use_codebook": True,
        "group_size": -2 if granularity == "tensor" else -1,
        "quant_conv": any(model.layers[name] != "Linear" for name in layers),
        "quant_embedding": False,
        "use_quantized_matmul": False,
        "use_quantized_matmul_conv": False,
        "dequantize_fp32": True,
        "add_skip_keys": False,
        "modules_to_not_convert": [
            name for name, kind in model.layers.items() if kind in known and name not in layers
        ],
        "modules_quant_config": {name: {"group_size": -2} for name in whole if granularity == "channel"},
    }


def _tables_of(name: str) -> str:
    """What the tables of a weight are called."""
    return f"{name.removesuffix('weight')}scale"


def _write(path: Path, entries: dict[str, Entry], layers: dict[str, _Layer], codes: Spool) -> int:
    specs: list[Spec] = []
    tables = {_tables_of(name): layer.tables for name, layer in layers.items()}
    for name, entry in entries.items():
        layer = layers.get(name)
        if layer is None:
            specs.append(Spec(name, entry.stored.file_type(name), entry.stored.shape))
        else:
            specs.append(Spec(name, "U8", layer.packed_shape))
            specs.append(Spec(_tables_of(name), "F32", layer.tables.shape))

    def data(name: str) -> NDArray[np.uint8]:
        if name in tables:
            return tables[name].reshape(-1).view(np.uint8)
        return codes.get(name) if name in layers else entries[name].stored.file_bytes()

    return write_container(path, specs, {"format": "pt"}, lambda name: [data(name)])
