"""Which tensors of a file are the model's weights, and what they are called."""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fmq_theory.checkpoint.io.copies import ADAPTER, find_copies, is_adapter, is_optimizer_state
from fmq_theory.checkpoint.io.tensors import StoredTensor
from fmq_theory.errors import CheckpointError, Way, Words

__all__ = [
    "Entry", "check_pattern_names", "check_patterns", "classify", "matches", "other_choice", "with_averages",
]  # fmt: skip

CONTAINERS = frozenset({"model", "state_dict", "model_state_dict"})
# Running averages of the weights: a second model, which only its name selects.
AVERAGES = frozenset({"shadow_params", "ema", "ema_state_dict", "ema_model", "model_ema", "ema_params"})
_INSTEAD = "its running average was asked for instead"
_MOST_NAMED = 4
_MATRIX = 2  # dimensions
_OF_ADAPTER = "an adapter"
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
        average: the prefix of the running average that it is part of, or a word for adapters; empty for the
            rest.
    """

    name: str
    full_name: str
    excluded: str
    stored: StoredTensor
    tied: bool = False
    average: str = ""


def classify(tensors: Sequence[StoredTensor], asked: Sequence[str] = ()) -> list[Entry]:
    """One entry a tensor, in file order; each weight of the model counts once.

    If the file has a container (``model``, ``state_dict``, ``model_state_dict``, at any depth), the
    weights are what lies inside one; otherwise all that is neither an optimizer's nor a second set of the
    weights, which a running average is (see ``find_copies``).

    Args:
        tensors: of the file.
        asked: patterns of names. Where some fit a running average and none fits a weight of the model, the
            average takes the place of the model, under its full names.
    """
    return with_averages(_classified(tensors, [_outside(tensor.keys) for tensor in tensors]), asked)


def with_averages(plain: list[Entry], asked: Sequence[str]) -> list[Entry]:
    """``classify`` of tensors that were sorted already, where nothing was asked for.

    Args:
        plain: what ``classify`` found without patterns.
        asked: see ``classify``.
    """
    fitting = [entry for entry in plain if asked and _fits(entry.name, asked)]
    groups = {entry.average for entry in fitting if entry.average}
    if not groups or any(not entry.excluded and not entry.stored.unusable(_MATRIX) for entry in fitting):
        return plain
    instead = "" if groups == {_OF_ADAPTER} else _INSTEAD
    return [
        replace(
            entry,
            excluded="" if entry.average in groups else entry.excluded or instead,
            tied=entry.tied and not instead,
        )
        for entry in plain
    ]


def _classified(tensors: Sequence[StoredTensor], outside: Sequence[str]) -> list[Entry]:
    others = [i for i, reason in enumerate(outside) if not reason]
    found = zip(others, find_copies([tensors[i] for i in others]), strict=True)
    copies = {i: copy for i, copy in found if copy is not None}
    reasons = [copies[i].reason if i in copies else reason for i, reason in enumerate(outside)]
    matrices = [i for i, t in enumerate(tensors) if not reasons[i] and not t.unusable(_MATRIX)]
    adapters = set(matrices) if all(is_adapter(tensors[i].keys) for i in matrices) else set[int]()
    reasons = [ADAPTER if i in adapters else reason for i, reason in enumerate(reasons)]
    has_container = any(
        _inside(tensor.keys, CONTAINERS) and not reason
        for tensor, reason in zip(tensors, reasons, strict=True)
    )
    names: dict[str, str] = {}
    numbers: dict[tuple[int, ...], str] = {}
    entries: list[Entry] = []
    for i, tensor in enumerate(tensors):
        full_name = ".".join(tensor.keys) or BARE
        excluded = reasons[i]
        if not excluded and has_container and not _inside(tensor.keys, CONTAINERS):
            excluded = "not in the model's state dict"
        if excluded:
            average = copies[i].prefix if i in copies else _average(tensor.keys)
            average = _OF_ADAPTER if i in adapters else average
            entries.append(Entry(full_name, full_name, excluded, tensor, average=average))
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


def other_choice(entries: Sequence[Entry]) -> Words:
    """The remedy where nothing of a checkpoint is taken: its running average or its adapter, if it has one.

    Args:
        entries: of the checkpoint.
    """
    average = next((entry.average for entry in entries if entry.average), "")
    if not average:
        return "pass another file"
    pattern = "*" if average == _OF_ADAPTER else f"{average}.*"
    return "pass ", Way("include", "include"), f" {pattern!r}, or another file"


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(name == pattern or fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


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
    check_pattern_names([entry.name for entry in entries], include, exclude)


def check_pattern_names(known: Sequence[str], include: Sequence[str], exclude: Sequence[str]) -> None:
    """``check_patterns`` of the names alone.

    Raises:
        CheckpointError: with some of the names.
    """
    for what, patterns in ((Way("include", "include"), include), (Way("exclude", "exclude"), exclude)):
        for pattern in patterns:
            if not any(fnmatch.fnmatchcase(name, pattern) for name in known):
                names = ", ".join(repr(name) for name in known[:_MOST_NAMED])
                raise CheckpointError(
                    (what, f" {pattern!r}"),
                    "it fits no tensor",
                    f"the names are like {names}" if names else "the file holds no tensors",
                )


def _inside(keys: tuple[str, ...], containers: frozenset[str]) -> bool:
    return any(key in containers for key in keys[:-1])


def _outside(keys: tuple[str, ...]) -> str:
    if average := _average(keys):
        return f"a running average of the weights (EMA); ask for it by name, as {average + '.*'!r}"
    if _inside(keys, NOT_WEIGHTS) or is_optimizer_state(keys):
        return "state of the optimizer"
    return ""


def _average(keys: tuple[str, ...]) -> str:
    """The prefix of the running average that has the tensor, by its name alone; empty if none has."""
    for i, key in enumerate(keys):
        if key in AVERAGES and i < len(keys) - 1:
            return ".".join(keys[: i + 1])
        if "." in key and key.split(".", 1)[0] in AVERAGES:  # "model_ema.conv.weight"
            return ".".join((*keys[:i], key.split(".", 1)[0]))
    return ""
