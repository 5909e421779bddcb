"""The tensors of a plain checkpoint that is to be exported, each under the name that the other tool reads."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.checkpoint.foreign.files import refuse_quantized
from fmq_theory.checkpoint.io.files import OpenCheckpoint
from fmq_theory.checkpoint.io.naming import Entry, other_choice
from fmq_theory.checkpoint.io.tensors import StoredTensor, as_numpy, nonfinite
from fmq_theory.errors import CheckpointError, Way, WeightsError

__all__ = ["original_tensors", "single_precision"]


def original_tensors(stored: OpenCheckpoint) -> dict[str, Entry]:
    """The tensors of the model by name; one with two names is there twice, as other formats know no ties.

    Args:
        stored: the checkpoint.

    Raises:
        CheckpointError: it is quantized already, or holds no tensors of a model.
    """
    thing = f"checkpoint {str(stored.path)!r}"
    if stored.quantized:
        raise CheckpointError(
            thing,
            "fmq quantize wrote it: it is quantized already",
            "export the original, or dequantize it first",
        )
    refuse_quantized(stored)
    entries = stored.entries()
    kept = {entry.name: entry for entry in entries if not entry.excluded or entry.tied}
    if not kept:
        raise CheckpointError(thing, "it holds no weights of a model", other_choice(entries))
    for name, entry in kept.items():
        if not entry.stored.strided:
            raise CheckpointError(
                f"tensor {name!r}", f"it is {entry.stored.kind or 'sparse'}", "make it dense first"
            )
    return kept


def single_precision(name: str, stored: StoredTensor) -> NDArray[np.float32]:
    """Its numbers in float32.

    Args:
        name: of the tensor, for errors.
        stored: it; its numbers are real.

    Raises:
        WeightsError: one is nan or infinite, or beyond float32.
    """
    weights = as_numpy(stored.load())
    with np.errstate(over="ignore"):
        found = weights.astype(np.float32, copy=False)
    if reason := nonfinite(weights):
        raise WeightsError(f"tensor {name!r}", reason, "use a checkpoint from before the training diverged")
    if nonfinite(found):
        raise WeightsError(
            f"tensor {name!r}",
            "it has numbers beyond float32, in which this format's numbers are computed",
            ("pass ", Way("exclude", "exclude"), f" {name!r}"),
        )
    return found
