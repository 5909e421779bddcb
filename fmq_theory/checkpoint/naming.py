"""Which tensors of a file are the model's weights, and what they are called."""

from collections.abc import Sequence
from dataclasses import dataclass

from fmq_theory.checkpoint.tensors import StoredTensor

__all__ = ["Entry", "classify"]

CONTAINERS = frozenset({"model", "state_dict", "model_state_dict"})
# Running averages of the weights: a second model, which only its name selects.
AVERAGES = frozenset({"shadow_params", "ema", "ema_state_dict", "ema_model", "model_ema", "ema_params"})
BARE = "weights"  # a file that holds one tensor and no name
# A state dict without a container may lie beside the state of its optimizer.
NOT_WEIGHTS = frozenset(
    {
        "optimizer",
        "optimizers",
        "optimizer_state_dict",
        "optimizer_states",
        "optim",
        "lr_schedulers",
        "scheduler",
    }
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored tensor with its name.

    Attributes:
        name: without the containers around it; the full path for what is not a weight of the model.
        full_name: every key on the way to it, joined by dots.
        excluded: why it is no weight of the model, or a second copy of one; empty for the rest.
        tied: whether it is a weight of the model under a second name, excluded because it shows the
            same numbers.
    """

    name: str
    full_name: str
    excluded: str
    stored: StoredTensor
    tied: bool = False


def classify(tensors: Sequence[StoredTensor]) -> list[Entry]:
    """One entry a tensor, in file order; each weight of the model counts once.

    If the file has a container (``model``, ``state_dict``, ``model_state_dict``, at any depth), the
    weights are what lies inside one; otherwise all that is not an optimizer's.
    """
    has_container = any(_inside(tensor.keys, CONTAINERS) and not _outside(tensor.keys) for tensor in tensors)
    names: dict[str, str] = {}
    numbers: dict[tuple[int, ...], str] = {}
    entries: list[Entry] = []
    for tensor in tensors:
        full_name = ".".join(tensor.keys) or BARE
        excluded = _outside(tensor.keys)
        if not excluded and has_container and not _inside(tensor.keys, CONTAINERS):
            excluded = "not in the model's state dict"
        if excluded:
            entries.append(Entry(full_name, full_name, excluded, tensor))
            continue
        last = tensor.keys[-1:]  # a tensor may itself be called "model"
        name = ".".join((*(key for key in tensor.keys[:-1] if key not in CONTAINERS), *last)) or BARE
        if name in names:
            entries.append(Entry(full_name, full_name, f"stored twice: also {names[name]!r}", tensor))
        elif tensor.storage is not None and tensor.storage in numbers:
            reason = f"same storage as {numbers[tensor.storage]!r}"
            entries.append(Entry(name, full_name, reason, tensor, tied=True))
        else:
            entries.append(Entry(name, full_name, "", tensor))
        names.setdefault(name, full_name)
        if tensor.storage is not None:
            numbers.setdefault(tensor.storage, name)
    return entries


def _inside(keys: tuple[str, ...], containers: frozenset[str]) -> bool:
    return any(key in containers for key in keys[:-1])


def _outside(keys: tuple[str, ...]) -> str:
    first_words = {key.split(".", 1)[0] for key in keys if "." in key}  # "model_ema.conv.weight"
    if _inside(keys, AVERAGES) or first_words & AVERAGES:
        return "a running average of the weights (EMA); ask for it by name"
    if _inside(keys, NOT_WEIGHTS):
        return "state of the optimizer"
    return ""
