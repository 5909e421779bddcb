"""The work of ``write_quantized``: one checkpoint on its way, tensor by tensor."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fmq_theory.checkpoint.io.container import Spec
from fmq_theory.checkpoint.io.naming import Entry
from fmq_theory.checkpoint.io.number_types import bytes_of, safetensors_type
from fmq_theory.checkpoint.io.packed.entropy_coding import CODING, compress_codes, index_entropy, may_expand
from fmq_theory.checkpoint.io.packed.index import CODES, VERSION
from fmq_theory.checkpoint.io.packed.table import PACKED
from fmq_theory.checkpoint.io.packed.tensor import PackedTensor, pack
from fmq_theory.checkpoint.io.tensors import as_numpy, nonfinite
from fmq_theory.checkpoint.quantized.assemble import Kept, assemble
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.parts import StoredArrays, stored_arrays
from fmq_theory.checkpoint.quantized.recipe import MIN_NDIM, KeptTensor
from fmq_theory.checkpoint.quantized.tied import tied_axes
from fmq_theory.checkpoint.quantized.work_folder import FinishedTensor, WorkFolder, digest
from fmq_theory.errors import CheckpointError, FmqError, WeightsError, argument

__all__ = ["Job", "OnNonfinite", "Progress"]

OnNonfinite = Literal["stop", "skip"]
Progress = Callable[[float, str], None]

# Share of the time that quantizing takes, as opposed to putting the file together.
_QUANTIZING = 0.95
_BLOCK = 1 << 16


@dataclass(slots=True)
class Job:
    """One checkpoint on its way."""

    entries: dict[str, Entry]
    tied: list[Entry]
    choices: dict[str, Choice]
    kept: dict[str, KeptTensor]
    entropy_coding: bool
    on_nonfinite: OnNonfinite
    threads: int
    progress: Progress
    reused: int = 0
    energy: dict[str, float] = field(default_factory=dict[str, float])

    def check(self, path: Path) -> None:
        """Refuses what cannot come to an end, before any work is done."""
        thing = f"checkpoint {str(path)!r}"
        if not self.choices:
            raise CheckpointError(
                thing,
                "the plan quantizes none of its tensors",
                "lower the budget, or put a tensor into the plan",
            )
        for name, choice in self.choices.items():
            entry = self.entries.get(name)
            if entry is None:
                raise CheckpointError(
                    f"tensor {name!r} of the plan", f"{thing} has no such tensor", "make a plan for this file"
                )
            if reason := entry.stored.unusable():
                raise CheckpointError(f"tensor {name!r} of the plan", reason, "take it out of the plan")
            try:
                choice.check(entry.stored.shape)
            except FmqError as error:
                raise error.renamed(f"tensor {name!r}: {error.thing}") from error
        if PACKED in self.entries:
            raise CheckpointError(
                f"tensor {PACKED!r}",
                "its name is that of the packed tensors",
                "rename it, or quantize the checkpoint from which this one came",
            )
        for entry in (*self.entries.values(), *self.tied):
            if not entry.stored.strided:
                raise CheckpointError(
                    f"tensor {entry.name!r}",
                    "it is sparse or quantized, which safetensors cannot hold",
                    "make it dense first",
                )
            if entry.name not in self.choices:
                entry.stored.file_type(entry.name)

    def quantize_all(self, work: WorkFolder) -> dict[str, FinishedTensor]:
        """Every tensor of the plan, in the order of the file."""
        names = [name for name in self.entries if name in self.choices]
        total = sum(math.prod(self.entries[name].stored.shape) for name in names)
        done, parts, began = 0, dict[str, FinishedTensor](), time.monotonic()
        for name in names:
            rate = done / max(time.monotonic() - began, 1e-3) / 1e3
            self.progress(_QUANTIZING * done / total, f"{name} ({rate:,.0f} thousand weights/s)")
            if (part := self._quantize(name, work)) is not None:
                parts[name] = part
            done += math.prod(self.entries[name].stored.shape)
        if not parts:
            raise CheckpointError(
                "checkpoint", "every tensor of the plan holds nan or inf", "use one from before that"
            )
        return parts

    def _quantize(self, name: str, work: WorkFolder) -> FinishedTensor | None:
        tensor = self.entries[name].stored.load().detach()
        choice = self.choices[name]
        dtype = safetensors_type(name, tensor.dtype)
        settings = choice.as_json() | {
            "name": "",
            "shape": list(tensor.shape),
            "dtype": dtype,
            "codebook_type": choice.codebook_type,
            "entropy_coding": self.entropy_coding,
            "version": VERSION,
        }
        self.energy[name] = _sum_of_squares(as_numpy(tensor))
        key = digest(bytes_of(tensor), settings)
        if (part := work.get(key)) is not None:
            self.reused += work.is_from_before(key)
            return part
        weights = as_numpy(tensor)
        if reason := nonfinite(weights):
            if self.on_nonfinite == "stop":
                raise WeightsError(
                    f"tensor {name!r}",
                    reason,
                    (
                        "use a checkpoint from before the training diverged, or pass ",
                        argument("on_nonfinite", "skip"),
                    ),
                )
            self.kept[name] = KeptTensor(name, tuple(tensor.shape), reason)
            return None
        try:
            quantized = choice.quantize(tensor, self.threads)
            packed = pack(quantized, dtype, choice.codebook_type, weights, self.threads)
        except FmqError as error:
            raise error.renamed(f"tensor {name!r}: {error.thing}") from error
        arrays, config = stored_arrays(packed), packed.config()
        if self.entropy_coding:
            config |= self._coded(packed, arrays)
        return work.put(key, arrays, config)

    def _coded(self, packed: PackedTensor, arrays: StoredArrays) -> dict[str, Any]:
        """Codes the codes in ``arrays`` if that takes less; what the config says of it."""
        rows = np.ascontiguousarray(packed.layout.rows(packed.unpacked_codes()))
        codes = compress_codes(rows, packed.bits, self.threads)
        coded = codes.size < packed.codes.size and may_expand(codes, rows.size)
        least = codes.size if coded else packed.codes.size
        entropy = index_entropy(rows, packed.bits, self.threads)
        found: dict[str, Any] = {"entropy_bits": entropy, "code_bits": 8.0 * least / rows.size}
        if coded:
            arrays[CODES] = ("U8", (codes.size,), codes)
            saved = 8.0 * (packed.codes.size - codes.size) / rows.size
            found |= {"coding": CODING, "effective_bits": packed.effective_bits - saved}
        return found

    def _settle_kept(self, parts: dict[str, FinishedTensor]) -> None:
        """Which tensors stay as they are, and why."""
        for name, entry in self.entries.items():
            if name not in parts:
                reason = entry.stored.unusable(MIN_NDIM) or (
                    self.kept[name].reason if name in self.kept else "not in the plan"
                )
                self.kept[name] = KeptTensor(name, entry.stored.shape, reason)
        self.kept = {name: tensor for name, tensor in self.kept.items() if name not in parts}

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

    def assemble(self, parts: dict[str, FinishedTensor], path: Path) -> dict[str, Any]:
        """Puts the file together; the quantization_config of it."""
        self._settle_kept(parts)
        ties = self._ties()
        kept = {
            name: Kept(
                Spec(name, entry.stored.file_type(name), entry.stored.shape),
                entry.stored.file_bytes,
                not entry.stored.unusable(MIN_NDIM),
            )
            for name, entry in self.entries.items()
            if name not in parts
        }
        return assemble(path, parts, kept, ties, lambda: self.progress(_QUANTIZING, "writing"))


def _sum_of_squares(weights: NDArray[np.floating]) -> float:
    """In float64, a block at a time; inf or nan where a weight is, or where a square leaves float64."""
    flat = weights.reshape(-1)
    blocks = (flat[first : first + _BLOCK].astype(np.float64) for first in range(0, flat.size, _BLOCK))
    with np.errstate(over="ignore", invalid="ignore"):
        return sum(float(block @ block) for block in blocks)
