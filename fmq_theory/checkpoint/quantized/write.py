"""Writing a quantized checkpoint, tensor by tensor: whole under its name, or not at all."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fmq_theory.checkpoint.io.files import Readable, opened
from fmq_theory.checkpoint.io.packed.index import CONFIG
from fmq_theory.checkpoint.io.packed.tensor import CodebookType
from fmq_theory.checkpoint.io.tensors import SkippedTensor
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.checkpoint.quantized.job import Job, OnNonfinite, Progress
from fmq_theory.checkpoint.quantized.output import OutputPlace
from fmq_theory.checkpoint.quantized.recipe import KeptTensor, Planned
from fmq_theory.checkpoint.quantized.work_folder import WorkFolder
from fmq_theory.counts import checked_threads
from fmq_theory.errors import CheckpointError
from fmq_theory.storage import reading

__all__ = ["WrittenCheckpoint", "write_quantized"]


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
        relative_error: ||W - Q|| / ||W|| over all quantized weights, as an audit tells it; None where they
            are all 0, or their squares leave float64.
    """

    path: Path
    config: dict[str, Any]
    num_bytes: int
    original_bytes: int
    kept: tuple[KeptTensor, ...]
    left_out: tuple[SkippedTensor, ...]
    reused: int
    relative_error: float | None = None


def _choices(plan: Iterable[Planned]) -> dict[str, Choice]:
    found: dict[str, Choice] = {}
    for planned in plan:
        if found.setdefault(planned.name, planned.choice) != planned.choice:
            raise CheckpointError(
                f"plan for tensor {planned.name!r}",
                f"it says both {found[planned.name]} and {planned.choice}",
                "name each tensor once",
            )
    return found


def write_quantized(
    path_in: Readable,
    path_out: Path | str,
    plan: Iterable[Planned],
    *,
    codebook_type: CodebookType | None = None,
    entropy_coding: bool = False,
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
        path_in: any checkpoint that ``open_checkpoint`` reads, or one that is open.
        path_out: a ``.safetensors`` file, or a folder for ``model.safetensors`` and ``config.json``.
        plan: how the tensors it names are quantized, ``Plan.tensors`` for one.
        codebook_type: see ``Choice``, in place of what the plan says; None leaves that.
        entropy_coding: code the codes with Zstandard where that takes less. They must then be decoded whole.
        overwrite: replace an output that exists.
        resume: take over the tensors that a run which was stopped had finished.
        on_nonfinite: of a tensor of the plan with nan or inf: refuse, or keep it as it is.
        kept: why the other tensors are not in the plan.
        base_config: what else ``config.json`` says.
        threads: at most so many.
        progress: told the share done and what is being done.

    Raises:
        CheckpointError: the input cannot be read, is quantized already, lacks a tensor of the plan, or holds
            what the format cannot; or the plan names a tensor twice, with two choices.
        WeightsError: a tensor holds nan or inf, or a layout does not fit.
        SchemeError: see ``quantize``.
        OutputError: the output exists, or cannot be written.

    Examples:
        Four bits for each of 4096 weights, and the codebooks and names, in place of 32:

        >>> import tempfile
        >>> from pathlib import Path
        >>> import torch
        >>> from safetensors.torch import save_file
        >>> from fmq_theory import checkpoint
        >>> weight = torch.linspace(0, 1, 4096).reshape(4, 1024)
        >>> recipe = checkpoint.Recipe("weight", checkpoint.Choice("lloyd_max", bits=4))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path, small = Path(folder) / "model.safetensors", Path(folder) / "small.safetensors"
        ...     save_file({"weight": weight, "bias": torch.zeros(4)}, path)
        ...     written = checkpoint.write_quantized(path, small, [recipe])
        >>> written.original_bytes, written.num_bytes < 4000
        (16400, True)
        >>> [(tensor.name, tensor.reason) for tensor in written.kept]
        [('bias', 'fewer than 2 dimensions')]
    """
    place = OutputPlace(Path(path_out))
    choices = _choices(plan)
    if codebook_type is not None:
        choices = {name: replace(choice, codebook_type=codebook_type) for name, choice in choices.items()}
    with opened(path_in) as stored, reading(*stored.inputs):
        if stored.quantized:
            raise CheckpointError(
                f"checkpoint {str(stored.file)!r}",
                "it is quantized already",
                "quantize the original; fmq dequantize makes a plain file of this one",
            )
        place.check(overwrite=overwrite)
        entries = stored.entries(list(choices))
        job = Job(
            {entry.name: entry for entry in entries if not entry.excluded},
            [entry for entry in entries if entry.tied],
            choices,
            {tensor.name: tensor for tensor in kept},
            entropy_coding,
            on_nonfinite,
            checked_threads(threads),
            progress,
        )
        job.check(stored.file)
        work = WorkFolder(place.path)
        with work.opened(resume=resume):
            parts = job.quantize_all(work)
            temporary = work.temporary("model")
            config = job.assemble(parts, temporary)
            stored.verify_unchanged()
            work.forget()
            place.take(temporary, work.temporary("folder"), (base_config or {}) | {CONFIG: config})
    return WrittenCheckpoint(
        place.file,
        config,
        int(config["num_bytes"]),
        sum(entry.stored.num_bytes for entry in job.entries.values()),
        tuple(job.kept.values()),
        tuple(
            SkippedTensor(entry.full_name, entry.stored.shape, entry.excluded)
            for entry in entries
            if entry.excluded and not entry.tied
        ),
        job.reused,
        _relative_error(config, job.energy),
    )


def _relative_error(config: dict[str, Any], energy: dict[str, float]) -> float | None:
    entries: dict[str, Any] = config["tensors"]
    sse = math.fsum(entry["mse"] * math.prod(entry["shape"]) for entry in entries.values())
    squares = math.fsum(energy[name] for name in entries)
    found = sse / squares if squares > 0.0 else math.inf
    return math.sqrt(found) if math.isfinite(found) and math.isfinite(squares) else None
