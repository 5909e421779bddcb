"""Which tensors of a file are the model's weights, and what they are called."""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass

from fmq_theory.checkpoint.tensors import StoredTensor
from fmq_theory.errors import CheckpointError

__all__ = ["Entry", "check_patterns", "classify", "matches"]

CONTAINERS = frozenset({"model", "state_dict", "model_state_dict"})
# Running averages of the weights: a second model, which only its name selects.
AVERAGES = frozenset({"shadow_params", "ema", "ema_state_dict", "ema_model", "model_ema", "ema_params"})
_MOST_NAMED = 4
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


def matches(name: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether some pattern of ``include`` (any name if there are none) and none of ``exclude`` fits.

    Patterns are those of a shell: ``*`` fits dots too.
    """
    wanted = not include or any(fnmatch.fnmatchcase(name, pattern) for pattern in include)
    return wanted and not any(fnmatch.fnmatchcase(name, pattern) for pattern in exclude)


def check_patterns(entries: Sequence[Entry], include: Sequence[str], exclude: Sequence[str]) -> None:
    """Refuses a pattern that fits no name: it is misspelt.

    Raises:
        CheckpointError: with some of the names.
    """
    for option, patterns in (("--include", include), ("--exclude", exclude)):
        for pattern in patterns:
            if not any(fnmatch.fnmatchcase(entry.name, pattern) for entry in entries):
                names = ", ".join(repr(entry.name) for entry in entries[:_MOST_NAMED])
                raise CheckpointError(
                    f"{option} {pattern!r}",
                    "it fits no tensor",
                    f"the names are like {names}" if names else "the file holds no tensors",
                )


def _inside(keys: tuple[str, ...], containers: frozenset[str]) -> bool:
    return any(key in containers for key in keys[:-1])


def _outside(keys: tuple[str, ...]) -> str:
    first_words = {key.split(".", 1)[0] for key in keys if "." in key}  # "model_ema.conv.weight"
    if _inside(keys, AVERAGES) or first_words & AVERAGES:
        return "a running average of the weights (EMA); ask for it by name"
    if _inside(keys, NOT_WEIGHTS):
        return "state of the optimizer"
    return ""
