"""Files for other tools: our error beside that of each tool's own quantizer, at the same layout and size.

Every file is written by ``fmq_theory.checkpoint.exports`` and read back by the tool that it is for. The tool
then quantizes the same weights itself: gguf-py block by block, bitsandbytes by its largest magnitudes, SDNQ
by its Lloyd steps into a table of the same place. Two networks have trained weights, two those that they
begin with. Nothing is written where a tool is missing.
"""

# matplotlib types its keyword arguments as unknown.
# pyright: reportUnknownMemberType=false

import importlib
import importlib.util
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments.framework.checkpoints import missing_note, stored_models
from experiments.framework.experiment import Cell, Experiment
from experiments.framework.table import Row, Table
from experiments.models.random_diffusers import MODELS
from fmq_theory.checkpoint import read_state
from fmq_theory.checkpoint.exports import export_bnb_nf4, export_gguf, export_sdnq
from fmq_theory.checkpoint.exports.gguf_types import TYPES
from fmq_theory.checkpoint.foreign.files import open_stored
from fmq_theory.report.base.style import PAGE_WIDTH, heading

__all__ = ["EXPERIMENT", "FORMATS"]

_TRAINED = ("digits", "mnist_unet")
_NEEDS = {"gguf": ("gguf",), "bnb-nf4": ("bitsandbytes",), "sdnq": ("sdnq", "diffusers")}
FORMATS = {
    **{f"gguf {kind}": "gguf" for kind in TYPES},
    "bnb-nf4": "bnb-nf4",
    "bnb-nf4 double": "bnb-nf4",
    "sdnq 4 bits": "sdnq",
    "sdnq 3 bits": "sdnq",
}
"""What is written, and the format of ``fmq export`` that it is."""

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Config:
    """Settings; the networks are the same at every run."""

    formats: tuple[str, ...] = tuple(FORMATS)
    only_bundled: bool = False
    seed: int = 0

    @classmethod
    def quick(cls) -> "Config":
        """One type on the bundled model."""
        return cls(("gguf Q4_0", "bnb-nf4"), only_bundled=True)


def _installed(name: str) -> bool:
    return all(importlib.util.find_spec(package) is not None for package in _NEEDS[FORMATS[name]])


def cells(config: Config) -> Sequence[Cell]:
    """One a network and format; SDNQ holds networks of diffusers only."""
    stored = {model.name: model.digest for model in stored_models(only_bundled=config.only_bundled)}
    trained = [{"model": name, "digest": stored[name]} for name in _TRAINED if name in stored]
    made = [{"model": name} for name in MODELS] if importlib.util.find_spec("diffusers") else []
    models = trained if config.only_bundled else [*trained, *made]
    return [
        {**model, "format": name}
        for model in models
        for name in config.formats
        if _installed(name) and (FORMATS[name] != "sdnq" or model["model"] in MODELS)
    ]


def skipped(config: Config) -> Sequence[str]:
    """What this machine does not have."""
    note = missing_note()
    notes = [note] if note and not config.only_bundled else []
    missing = sorted({FORMATS[name] for name in config.formats if not _installed(name)})
    return [*notes, *(f"{name}: {' and '.join(_NEEDS[name])} not installed" for name in missing)]


def rows(_config: Config, cell: Cell) -> Sequence[Row]:
    """One: the sizes, both errors, and whether the tool's reader gives our numbers to the bit."""
    model, name = cell["model"], cell["format"]
    with tempfile.TemporaryDirectory() as folder:
        path, weights, said = _original(model, Path(folder))
        made = _WRITERS[FORMATS[name]](name, path, Path(folder) / "out", weights, said)
    return [{"model": model, "format": name, **made}]


def _original(model: str, folder: Path) -> tuple[Path, Weights, dict[str, Any]]:
    """The checkpoint, its numbers, and its config where it is one of diffusers."""
    if model in MODELS:
        net: Any = MODELS[model]()
        net.save_pretrained(folder / "net")
        said = json.loads((folder / "net" / "config.json").read_text("utf-8"))
        return folder / "net", {name: tensor.detach() for name, tensor in net.state_dict().items()}, said
    path = next(one.path for one in stored_models() if one.name == model)
    return path, dict(read_state(str(path))), {}


def _gguf(name: str, path: Path, out: Path, weights: Weights, _said: dict[str, Any]) -> Row:
    gguf: Any = importlib.import_module("gguf")
    kind = name.removeprefix("gguf ")
    number = gguf.GGMLQuantizationType[kind]
    file = out.with_suffix(".gguf")
    written = export_gguf(path, file, kind=kind, architecture="experiment", fold=True)
    theirs = {tensor.name: tensor for tensor in gguf.GGUFReader(file).tensors}
    read = {key: gguf.dequantize(theirs[key].data, number) for key in written.quantized}
    own: dict[str, np.ndarray] = {}
    for key in written.quantized if kind != "IQ4_NL" else ():  # which the package only reads
        blocks = weights[key].float().numpy().reshape(-1, 32)
        own[key] = gguf.dequantize(gguf.quantize(blocks, number), number)
    return _row(written, file, weights, read, own)


def _bitsandbytes(name: str, path: Path, out: Path, weights: Weights, said: dict[str, Any]) -> Row:
    functional: Any = importlib.import_module("bitsandbytes.functional")
    nested = name.endswith("double")
    written = export_bnb_nf4(path, out, said, double_quant=nested)
    stored: Any = importlib.import_module("safetensors.torch").load_file(written.path)
    read: dict[str, np.ndarray] = {}
    own: dict[str, np.ndarray] = {}
    for key in written.quantized:
        parts = {end: value for end, value in stored.items() if end.startswith(f"{key}.")}
        state = functional.QuantState.from_dict(parts, device=torch.device("cpu"))
        read[key] = _rebuilt(functional, stored[key], state)
        codes, state = functional.quantize_4bit(
            weights[key], blocksize=64, compress_statistics=nested, quant_type="nf4"
        )
        own[key] = _rebuilt(functional, codes, state)
    return _row(written, written.path, weights, read, own)


def _rebuilt(functional: Any, codes: torch.Tensor, state: Any) -> np.ndarray:
    """By the reference in torch: the kernel for CPUs of 0.50.2 takes scales of other blocks in short rows."""
    reference: Any = importlib.import_module("bitsandbytes.backends.default.ops")
    absmax = state.absmax
    if state.nested:
        absmax = functional.dequantize_blockwise(absmax, state.state2) + state.offset
    table = functional.get_4bit_type("nf4", device="cpu")
    with torch.compiler.set_stance("force_eager"):
        return reference._dequantize_4bit_compute(
            codes.reshape(-1), absmax, table, state.blocksize, state.shape, state.dtype
        ).numpy()


def _sdnq(name: str, path: Path, out: Path, weights: Weights, said: dict[str, Any]) -> Row:
    os.environ.setdefault("SDNQ_USE_TORCH_COMPILE", "0")
    quantizer: Any = importlib.import_module("sdnq.quantizer")
    diffusers: Any = importlib.import_module("diffusers")
    bits = int(name.split()[1])
    written = export_sdnq(path, out, said, bits=bits)
    net = getattr(diffusers, said["_class_name"]).from_pretrained(out)
    read: dict[str, np.ndarray] = {}
    own: dict[str, np.ndarray] = {}
    for module, layer in net.named_modules():
        key = f"{module}.weight"
        if key not in written.quantized:
            continue
        read[key] = layer.sdnq_dequantizer(layer.weight, layer.scale, skip_compile=True).numpy()
        kind = layer.sdnq_dequantizer.layer_class_name
        dequantizer, parts = quantizer.sdnq_quantize_layer_weight(
            weights[key], kind, weights_dtype=f"uint{bits}", use_codebook=True,
            group_size=-2 if key in written.one_table else -1,
        )  # fmt: skip
        own[key] = dequantizer(**parts, skip_compile=True).numpy()
    return _row(written, out, weights, read, own)


_WRITERS: dict[str, Callable[[str, Path, Path, Weights, dict[str, Any]], Row]] = {
    "gguf": _gguf,
    "bnb-nf4": _bitsandbytes,
    "sdnq": _sdnq,
}


def _row(
    written: Any, path: Path, weights: Weights, read: Mapping[str, np.ndarray], own: Mapping[str, np.ndarray]
) -> Row:
    with open_stored(path) as found:
        ours = {one.name: one for one in found.weights if one.name in read}
        equal = all(
            np.array_equal(
                ours[key].decoded(tuple(weights[key].shape)).weights.numpy().ravel(), numbers.ravel()
            )
            for key, numbers in read.items()
        )
    return {
        "weights": sum(weights[key].numel() for key in read),
        "tensors": len(read),
        "kept": len(written.kept),
        "bits": written.bits_per_weight,
        "file_bytes": written.num_bytes,
        "original_bytes": written.original_bytes,
        "relative_error": _relative(weights, read),
        "relative_error_theirs": _relative(weights, own) if own else None,
        "equal": equal and read.keys() == ours.keys(),
    }


def _relative(weights: Weights, numbers: Mapping[str, np.ndarray]) -> float:
    """Sum of squared errors over that of squared weights."""
    original = {key: weights[key].double().numpy().ravel() for key in numbers}
    error = sum(float(np.square(numbers[key].ravel() - w).sum()) for key, w in original.items())
    return error / sum(float(w @ w) for w in original.values())


def plot(table: Table) -> Mapping[str, Figure]:
    """The share of the tool's own error that is left, a mark a network."""
    figure = Figure(figsize=(PAGE_WIDTH, 3.4), layout="constrained")
    axes = figure.add_subplot()
    compared = table.that(lambda row: row["relative_error_theirs"] is not None)
    names = [name for name in FORMATS if name in compared.values("format")]
    for marker, colour, model in zip(
        "osD^", ("#0072B2", "#D55E00", "#009E73", "0.2"), compared.values("model"), strict=False
    ):
        part = compared.where(model=model)
        ratios = [row["relative_error"] / row["relative_error_theirs"] for row in part]
        places = [names.index(row["format"]) for row in part]
        axes.plot(ratios, places, marker, color=colour, markersize=5, label=model, linestyle="none")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.axvline(1.0, color="0.3", linewidth=0.8)
    axes.set_xlim(0.0, 1.08)
    axes.set_xlabel("our squared error over that of the tool itself, same layout and size")
    axes.legend(loc="lower left", frameon=False, fontsize=8)
    heading(figure, "Files for other tools: what the best scales and tables leave of the error")
    return {"": figure}


EXPERIMENT = Experiment(
    "exports",
    "Exports to GGUF, bitsandbytes and SDNQ: our error beside the tool's own, read back by the tool.",
    Config,
    cells,
    rows,
    plot,
    skipped,
)
