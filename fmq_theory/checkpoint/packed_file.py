"""Writing a quantized checkpoint, tensor by tensor: whole under its name, or not at all."""

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray

from fmq_theory.checkpoint.container import Spec, checksum, write_container
from fmq_theory.checkpoint.files import is_quantized, open_checkpoint
from fmq_theory.checkpoint.naming import Entry, classify
from fmq_theory.checkpoint.number_types import bytes_of, safetensors_type
from fmq_theory.checkpoint.output import OutputPlace
from fmq_theory.checkpoint.packed_tensor import CodebookType, PackedTensor, pack
from fmq_theory.checkpoint.quantized_file import CHECKSUMS, CODEBOOK, CODES, CONFIG, METHOD, SCALES
from fmq_theory.checkpoint.recipe import KeptTensor, Planned, Recipe, nonfinite, unusable
from fmq_theory.checkpoint.shards import find_checkpoint
from fmq_theory.checkpoint.tensors import SkippedTensor, StoredTensor
from fmq_theory.checkpoint.tied import tied_axes
from fmq_theory.checkpoint.work_folder import Part, WorkFolder, digest
from fmq_theory.errors import CheckpointError, FmqError, WeightsError
from fmq_theory.kernels.threads import default_threads
from fmq_theory.quantizers import quantize
from fmq_theory.quantizers.block_scaled import BlockScheme, quantize_blocks

__all__ = ["OnNonfinite", "WrittenCheckpoint", "write_quantized"]

OnNonfinite = Literal["stop", "skip"]
Progress = Callable[[float, str], None]
Bytes = NDArray[np.uint8]

_VERSION = 1
_NUMPY_TYPES = (torch.float16, torch.float32, torch.float64)
# Share of the time that quantizing takes, as opposed to putting the file together.
_QUANTIZING = 0.95


@dataclass(frozen=True, slots=True)
class WrittenCheckpoint:
    """What was written.

    Attributes:
        path: of the safetensors file.
        config: the ``quantization_config``.
        num_bytes: size of the file.
        original_bytes: what its tensors took before.
        kept: tensors that were not quantized, and why.
        left_out: tensors that are not part of the model's state dict, and why.
        reused: finished tensors taken over from a run that was stopped.
    """

    path: Path
    config: dict[str, Any]
    num_bytes: int
    original_bytes: int
    kept: tuple[KeptTensor, ...]
    left_out: tuple[SkippedTensor, ...]
    reused: int


def write_quantized(
    path_in: Path | str,
    path_out: Path | str,
    plan: Iterable[Planned],
    *,
    codebook_type: CodebookType | None = None,
    overwrite: bool = False,
    resume: bool = False,
    on_nonfinite: OnNonfinite = "stop",
    kept: Sequence[KeptTensor] = (),
    base_config: dict[str, Any] | None = None,
    threads: int | None = None,
    progress: Progress = lambda _share, _what: None,
) -> WrittenCheckpoint:
    """Quantizes the tensors of ``plan`` and writes them with all others.

    Memory is that of a few copies of the largest tensor. Nothing is under the output's name before the file
    is complete and on the disk.

    Args:
        path_in: any checkpoint that ``open_checkpoint`` reads.
        path_out: a ``.safetensors`` file, or a folder for ``model.safetensors`` and ``config.json``.
        plan: how the tensors it names are quantized, ``Plan.tensors`` for one.
        codebook_type: of the stored levels, ends and table scales; None for the one that loses nothing.
        overwrite: replace an output that exists.
        resume: take over the tensors that a run which was stopped had finished.
        on_nonfinite: of a tensor of the plan with nan or inf: refuse, or keep it as it is.
        kept: why the other tensors are not in the plan.
        base_config: what else ``config.json`` says.
        threads: at most so many.
        progress: told the share done and what is being done.

    Raises:
        CheckpointError: the input cannot be read, is quantized already, lacks a tensor of the plan, or holds
            what the format cannot.
        WeightsError: a tensor holds nan or inf, or a layout does not fit.
        SchemeError: see ``quantize``.
        OutputError: the output exists, or cannot be written.
    """
    place = OutputPlace(Path(path_out))
    place.check(overwrite=overwrite)
    recipes = {planned.name: Recipe.of(planned) for planned in plan}
    path = find_checkpoint(Path(path_in))
    if is_quantized(path):
        raise CheckpointError(
            f"checkpoint {str(path)!r}",
            "it is quantized already",
            "quantize the original; fmq dequantize makes a plain file of this one",
        )
    with open_checkpoint(path) as stored:
        entries = classify(stored)
        job = _Job(
            {entry.name: entry for entry in entries if not entry.excluded},
            [entry for entry in entries if entry.tied],
            recipes,
            {tensor.name: tensor for tensor in kept},
            codebook_type,
            on_nonfinite,
            default_threads() if threads is None else threads,
            progress,
        )
        job.check(path)
        work = WorkFolder(place.path)
        with work.opened(resume=resume):
            parts = job.quantize_all(work)
            config = job.config(parts)
            temporary = work.temporary("model")
            num_bytes = job.assemble(parts, config, temporary)
            place.take(temporary, work.temporary("folder"), (base_config or {}) | {CONFIG: config})
    return WrittenCheckpoint(
        place.file,
        config,
        num_bytes,
        sum(_num_bytes(entry.stored) for entry in job.entries.values()),
        tuple(job.kept.values()),
        tuple(
            SkippedTensor(entry.full_name, entry.stored.shape, entry.excluded)
            for entry in entries
            if entry.excluded and not entry.tied
        ),
        job.reused,
    )


def _num_bytes(stored: StoredTensor) -> int:
    return math.prod(stored.shape) * stored.dtype.itemsize


@dataclass(slots=True)
class _Job:
    """One checkpoint on its way."""

    entries: dict[str, Entry]
    tied: list[Entry]
    recipes: dict[str, Recipe]
    kept: dict[str, KeptTensor]
    codebook_type: CodebookType | None
    on_nonfinite: OnNonfinite
    threads: int
    progress: Progress
    reused: int = 0

    def check(self, path: Path) -> None:
        """Refuses what cannot come to an end, before any work is done."""
        thing = f"checkpoint {str(path)!r}"
        if not self.recipes:
            raise CheckpointError(thing, "the plan quantizes none of its tensors", "plan at least one")
        for name, recipe in self.recipes.items():
            entry = self.entries.get(name)
            if entry is None:
                raise CheckpointError(
                    f"tensor {name!r} of the plan", f"{thing} has no such tensor", "make a plan for this file"
                )
            if reason := unusable(entry, min_ndim=1):
                raise CheckpointError(f"tensor {name!r} of the plan", reason, "take it out of the plan")
            try:
                recipe.check(entry.stored.shape)
            except FmqError as error:
                raise error.renamed(f"tensor {name!r}: {error.thing}") from error
            for end in (CODES, CODEBOOK, SCALES):
                if name + end in self.entries:
                    raise CheckpointError(
                        f"tensor {name + end!r}",
                        f"its name is that of a part of the quantized {name!r}",
                        "rename it, or quantize the checkpoint from which this one came",
                    )
        for entry in (*self.entries.values(), *self.tied):
            if not entry.stored.strided:
                raise CheckpointError(
                    f"tensor {entry.name!r}",
                    "it is sparse or quantized, which safetensors cannot hold",
                    "make it dense first",
                )
            if entry.name not in self.recipes:
                safetensors_type(entry.name, entry.stored.dtype)

    def quantize_all(self, work: WorkFolder) -> dict[str, Part]:
        """Every tensor of the plan, in the order of the file."""
        names = [name for name in self.entries if name in self.recipes]
        total = sum(math.prod(self.entries[name].stored.shape) for name in names)
        done, parts, began = 0, dict[str, Part](), time.monotonic()
        for name in names:
            rate = done / max(time.monotonic() - began, 1e-3) / 1e6
            self.progress(_QUANTIZING * done / total, f"{name} ({rate:.1f} million weights/s)")
            if (part := self._quantize(name, work)) is not None:
                parts[name] = part
            done += math.prod(self.entries[name].stored.shape)
        if not parts:
            raise CheckpointError(
                "checkpoint", "every tensor of the plan holds nan or inf", "use one from before that"
            )
        return parts

    def _quantize(self, name: str, work: WorkFolder) -> Part | None:
        tensor = self.entries[name].stored.load().detach()
        recipe = self.recipes[name]
        dtype = safetensors_type(name, tensor.dtype)
        settings = recipe.as_json() | {
            "name": "",
            "shape": list(tensor.shape),
            "dtype": dtype,
            "codebook_type": self.codebook_type,
            "version": _VERSION,
        }
        key = digest(bytes_of(tensor), settings)
        if (part := work.get(key)) is not None:
            self.reused += 1
            return part
        weights = cast("Any", tensor if tensor.dtype in _NUMPY_TYPES else tensor.float()).numpy()
        if reason := nonfinite(weights):
            if self.on_nonfinite == "stop":
                raise WeightsError(
                    f"tensor {name!r}",
                    reason,
                    "use a checkpoint from before the training diverged, or pass --on-nonfinite skip",
                )
            self.kept[name] = KeptTensor(name, tuple(tensor.shape), reason)
            return None
        try:
            packed = self._packed(tensor, weights, recipe, dtype)
        except FmqError as error:
            raise error.renamed(f"tensor {name!r}: {error.thing}") from error
        return work.put(key, _arrays(packed), packed.config())

    def _packed(self, tensor: torch.Tensor, weights: Any, recipe: Recipe, dtype: str) -> PackedTensor:
        if BlockScheme.parse(recipe.scheme) is not None:
            quantized = quantize_blocks(
                tensor,
                recipe.scheme,
                recipe.bits,
                group_size=cast(int, recipe.group_size),
                threads=self.threads,
            )
        else:
            quantized = quantize(
                tensor,
                recipe.scheme,
                recipe.bits,
                recipe.granularity,
                group_size=recipe.group_size,
                threads=self.threads,
            )
        return pack(quantized, dtype, self.codebook_type, weights, self.threads)

    def config(self, parts: dict[str, Part]) -> dict[str, Any]:
        """The quantization_config."""
        tensors = {name: part.config for name, part in parts.items()}
        weights = {name: math.prod(entry["shape"]) for name, entry in tensors.items()}
        total = sum(weights.values())
        for name, entry in self.entries.items():
            if name not in parts:
                reason = unusable(entry) or (
                    self.kept[name].reason if name in self.kept else "not in the plan"
                )
                self.kept[name] = KeptTensor(name, entry.stored.shape, reason)
        self.kept = {name: tensor for name, tensor in self.kept.items() if name not in parts}
        return {
            "quant_method": METHOD,
            "version": _VERSION,
            **{key: _common(entry[key] for entry in tensors.values()) for key in _OF_ALL},
            "modules_to_not_convert": sorted(
                name.removesuffix(".weight") for name in self.kept if not unusable(self.entries[name])
            ),
            "effective_bits": math.fsum(tensors[n]["effective_bits"] * weights[n] for n in tensors) / total,
            "mse": math.fsum(tensors[n]["mse"] * weights[n] for n in tensors) / total,
            "tensors": tensors,
            "tied": self._ties(),
        }

    def _ties(self) -> dict[str, Any]:
        ties: dict[str, Any] = {}
        for entry in self.tied:
            first = next(e for e in self.entries.values() if e.stored.storage == entry.stored.storage)
            axes = tied_axes(first.stored.load(), entry.stored.load())
            if axes is None:
                self.entries[entry.name] = entry  # another arrangement of the same numbers: kept apart
                self.kept[entry.name] = KeptTensor(entry.name, entry.stored.shape, entry.excluded)
            else:
                ties[entry.name] = {"of": first.name, "axes": list(axes)}
        return ties

    def assemble(self, parts: dict[str, Part], config: dict[str, Any], path: Path) -> int:
        """Puts the file together; the size of it."""
        specs: list[Spec] = []
        source: dict[str, tuple[Part, str] | StoredTensor] = {}
        checksums: dict[str, int] = {}
        for name, entry in self.entries.items():
            if name in parts:
                for key, spec in parts[name].specs.items():
                    specs.append(Spec(name + key, spec.dtype, spec.shape))
                    source[name + key] = parts[name], key
                    checksums[name + key] = parts[name].checksums[key]
            else:
                stored = entry.stored
                specs.append(Spec(name, safetensors_type(name, stored.dtype), stored.shape))
                source[name] = stored
        for name, origin in source.items():
            if isinstance(origin, StoredTensor):
                checksums[name] = checksum(bytes_of(origin.load()))
        metadata = {"format": "pt", CONFIG: json.dumps(config), CHECKSUMS: json.dumps(checksums)}

        def read(name: str) -> Iterator[Bytes]:
            origin = source[name]
            self.progress(_QUANTIZING, "writing")
            yield (
                bytes_of(origin.load()) if isinstance(origin, StoredTensor) else origin[0].bytes_of(origin[1])
            )

        return write_container(path, specs, metadata, read)


# What the config says once where all tensors agree, and leaves null otherwise.
_OF_ALL = ("scheme", "bits", "strategy", "group_size")


def _common(values: Iterable[Any]) -> Any:
    counted = Counter(values)
    return next(iter(counted)) if len(counted) == 1 else None


def _arrays(packed: PackedTensor) -> dict[str, tuple[str, tuple[int, ...], Bytes]]:
    """Type, shape and bytes of what is stored, by the end of its key."""
    names = {2: "F16", 4: "F32", 8: "F64"}
    codebook = packed.codebook
    arrays = {
        CODES: ("U8", packed.codes.shape, packed.codes.reshape(-1)),
        CODEBOOK: (names[codebook.dtype.itemsize], codebook.shape, codebook.reshape(-1).view(np.uint8)),
    }
    if packed.scales is not None:
        numbers = packed.scales.numbers
        arrays[SCALES] = (safetensors_type(SCALES, numbers.dtype), tuple(numbers.shape), bytes_of(numbers))
    return arrays
