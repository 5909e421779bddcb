"""A network and its checkpoint: a flow that runs."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from fmq_theory.checkpoint.io.files import open_checkpoint
from fmq_theory.checkpoint.io.naming import check_patterns
from fmq_theory.errors import CheckpointError
from fmq_theory.flow import FlowModel, TorchField, build_model, with_weights

__all__ = ["load_field", "load_flow", "read_state"]


def read_state(path: Path | str, *, include: Sequence[str] = ()) -> dict[str, Tensor]:
    """The state dict of a checkpoint: weights and running statistics of all types and shapes, by name.

    The rules are those of ``read_tensors``: no code is run, containers are opened, running averages
    and optimizers are left out. A tensor under two names comes under both.

    Args:
        path: the file.
        include: patterns of names. Those that fit a running average select it, under its full names, in
            place of the model; none of the other tensors is left out for them.

    Raises:
        CheckpointError: the file is missing, damaged, unsafe or of an unknown format, or holds no weights; a
            pattern fits none.
    """
    path = Path(path)
    with open_checkpoint(path) as stored:
        entries = stored.entries(include)
        taken = [entry for entry in entries if entry.tied or not entry.excluded]
        averages = [entry for entry in entries if entry.average]
        # A pattern that fits nothing would leave the model in the place of what was asked for.
        check_patterns([*averages[:2], *taken, *averages[2:]], include, ())
        storages: set[int] = set()
        state = {entry.name: _alone(entry.stored.load().detach(), storages) for entry in taken}
    if not state:
        examples = "; ".join(f"{entry.full_name!r}: {entry.excluded}" for entry in entries[:3]) or "no tensor"
        raise CheckpointError(
            f"checkpoint {str(path)!r}",
            f"it holds no state dict ({examples})",
            "pass another file",
        )
    return state


def _alone(tensor: Tensor, storages: set[int]) -> Tensor:
    """The tensor, copied unless it fills a storage that no other one has: ``storages``, which grows."""
    if (
        tensor.layout is torch.strided
        and tensor.is_contiguous()
        and not (tensor.is_neg() or tensor.is_conj())
    ):
        storage = tensor.untyped_storage()
        if storage.nbytes() == tensor.nbytes and storage.data_ptr() not in storages:
            storages.add(storage.data_ptr())
            return tensor
    return tensor.clone()


def load_flow(path: Path | str, model: str, *, include: Sequence[str] = ()) -> FlowModel:
    """The model of ``package.module:factory`` with the weights of a checkpoint.

    Args:
        path: the checkpoint.
        model: the factory.
        include: patterns of names: which tensors are the model, where the file holds an average of it too.

    Raises:
        FlowError: there is no such factory.
        CheckpointError: as ``read_state``, or the weights do not fit; the first mismatches are named.
        WeightsError: a tensor holds nan or inf.
    """
    return with_weights(build_model(model), read_state(path, include=include), f"checkpoint {str(path)!r}")


def load_field(path: Path | str, model: str, batch: int, seed: int = 0) -> TorchField:
    """The velocity field of ``load_flow`` for ``batch`` samples, whose conditions are drawn from ``seed``.

    Args:
        path: a checkpoint, quantized or not.
        model: its factory, ``package.module:factory`` or ``file.py:factory``.
        batch: how many samples the field carries at once.
        seed: of the draw of the conditions.

    Raises:
        FmqError: as ``load_flow``.
    """
    return load_flow(path, model).field(batch, torch.Generator().manual_seed(seed))
