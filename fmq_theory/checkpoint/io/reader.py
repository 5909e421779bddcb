"""Reading the weights of a checkpoint."""

import difflib
import fnmatch
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fmq_theory.checkpoint.io.files import Readable, opened
from fmq_theory.checkpoint.io.naming import Entry
from fmq_theory.checkpoint.io.tensors import Checkpoint, NamedTensor, SkippedTensor, as_numpy, nonfinite
from fmq_theory.errors import CheckpointError, Way, WeightsError

__all__ = ["entries_by_name", "iter_tensors", "read_tensors"]

_LEAST_NDIM = 2  # of what a pattern stands for


def read_tensors(path: Path | str, *, names: Sequence[str] = (), min_ndim: int = 2) -> Checkpoint:
    """The weights of a checkpoint, all of them in memory.

    Formats: ``.safetensors``, and ``.pt .pth .ckpt .bin`` that torch can read without running code.
    Containers ``model``, ``state_dict`` and ``model_state_dict`` are opened at any depth.

    Args:
        path: the file.
        names: only these tensors. Naming one also selects what is left out otherwise: fewer than
            ``min_ndim`` dimensions, a running average (EMA), tensors outside the state dict. A pattern
            ("ema.*") stands for all that fit and have two dimensions or more.
        min_ndim: least number of dimensions of a tensor that is not named; 2 leaves biases and
            normalisation scales out.

    Raises:
        CheckpointError: the file is missing, damaged, unsafe or of an unknown format; a name is
            unknown or names what cannot be quantized; nothing is left to quantize.
        WeightsError: a selected tensor holds nan or inf.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import torch
        >>> from safetensors.torch import save_file
        >>> from fmq_theory import checkpoint
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "model.safetensors"
        ...     save_file({"weight": torch.ones(4, 8), "bias": torch.zeros(4)}, path)
        ...     found = checkpoint.read_tensors(path)
        >>> [(tensor.name, tensor.array.shape) for tensor in found.tensors]
        [('weight', (4, 8))]
        >>> [(tensor.name, tensor.reason) for tensor in found.skipped]
        [('bias', 'fewer than 2 dimensions')]
    """
    path = Path(path)
    skipped: list[SkippedTensor] = []
    with _selected(path, names, min_ndim, skipped) as entries:
        tensors = tuple(NamedTensor(entry.name, _numbers(entry)) for entry in entries)
    return Checkpoint(path, tensors, tuple(skipped))


def iter_tensors(path: Readable, *, names: Sequence[str] = (), min_ndim: int = 2) -> Generator[NamedTensor]:
    """The tensors of `read_tensors`, one at a time: the memory of one tensor, not of the file.

    Args:
        path: of a checkpoint: a file, an index of shards, or a folder.
        names: only these tensors, in any order; none for all that can be read.
        min_ndim: tensors of fewer dimensions are left out, unless they are named.

    Raises:
        CheckpointError: as `read_tensors`, when the first tensor is asked for.
        WeightsError: when the tensor that holds nan or inf is reached.
    """
    with _selected(path, names, min_ndim, []) as entries:
        for entry in entries:
            yield NamedTensor(entry.name, _numbers(entry))


@contextmanager
def _selected(
    checkpoint: Readable, names: Sequence[str], min_ndim: int, skipped: list[SkippedTensor]
) -> Generator[list[Entry]]:
    """The entries to read; the file stays open meanwhile. What is left out goes to ``skipped``."""
    with opened(checkpoint) as stored:
        entries = stored.entries()
        if names:
            yield entries_by_name(stored.path, entries, names)
        else:
            yield _by_default(stored.path, entries, min_ndim, skipped)


def _by_default(
    path: Path, entries: Iterable[Entry], min_ndim: int, skipped: list[SkippedTensor]
) -> list[Entry]:
    chosen: list[Entry] = []
    for entry in entries:
        if reason := entry.excluded or entry.stored.unusable(min_ndim):
            skipped.append(SkippedTensor(entry.name, entry.stored.shape, reason))
        else:
            chosen.append(entry)
    if chosen:
        return chosen
    if not skipped:
        raise CheckpointError(
            f"checkpoint {str(path)!r}", "it holds no tensors", "pass a file with a state dict"
        )
    examples = "; ".join(f"{tensor.name!r}: {tensor.reason}" for tensor in skipped[:3])
    raise CheckpointError(
        f"checkpoint {str(path)!r}",
        f"none of its {len(skipped)} tensors can be quantized as it stands ({examples})",
        ("pass ", Way("include", "names"), " with the tensors to read, or another file"),
    )


def entries_by_name(path: Path, entries: Iterable[Entry], names: Sequence[str]) -> list[Entry]:
    """The tensors that ``read_tensors`` reads by these names.

    Args:
        path: of the checkpoint, for errors.
        entries: what it holds.
        names: of tensors, or patterns; at least one.

    Raises:
        CheckpointError: a name is unknown or names what cannot be quantized.
    """
    known: dict[str, Entry] = {}
    for entry in entries:
        known.setdefault(entry.full_name, entry)
    for entry in list(known.values()):
        known.setdefault(entry.name, entry)
    chosen: dict[str, Entry] = {}
    for name in names:
        entry = known.get(name)
        if entry is None:
            fitting = {e.full_name: e for full, e in known.items() if fnmatch.fnmatchcase(full, name)}
            fitting = {full: e for full, e in fitting.items() if not e.stored.unusable(_LEAST_NDIM)}
            if not fitting:
                raise _unknown(path, name, known)
            chosen |= {full: e for full, e in fitting.items() if full not in chosen}
            continue
        if reason := entry.stored.unusable():
            raise CheckpointError(
                f"tensor {name!r} of {str(path)!r}",
                f"it cannot be quantized: {reason}",
                ("leave it out of ", Way("include", "names")),
            )
        chosen.setdefault(entry.full_name, entry)
    return list(chosen.values())


def _unknown(path: Path, name: str, known: dict[str, Entry]) -> CheckpointError:
    close = difflib.get_close_matches(name, known, n=5, cutoff=0.5)
    part = name.lower()
    close += [other for other in known if part in other.lower() and other not in close][: 5 - len(close)]
    if close:
        remedy = f"did you mean {', '.join(repr(match) for match in close)}?"
    else:
        remedy = f"its {len(known)} tensors include {', '.join(repr(other) for other in list(known)[:5])}"
    return CheckpointError(f"tensor {name!r} of {str(path)!r}", "there is no tensor of that name", remedy)


def _numbers(entry: Entry) -> NDArray[np.floating]:
    """The numbers of a tensor as numpy holds them, all finite."""
    array = as_numpy(entry.stored.load())
    if reason := nonfinite(array):
        raise WeightsError(
            f"tensor {entry.name!r}",
            reason,
            (
                "use a checkpoint from before the training diverged, or pass ",
                Way("include", "names"),
                " with other tensors",
            ),
        )
    return array
