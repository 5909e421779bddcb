"""What a checkpoint holds that is no weight of a model: optimizers, averages, adapters, by their content.

An optimizer is known by its shape: ``state`` of numbered parameters, and the names of moments. A running
average (EMA) is known by its counterpart: it has the names and shapes of other tensors under another prefix,
or is a list of their shapes, and its name says so or its numbers are near theirs.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from fmq_theory.checkpoint.io.tensors import StoredTensor, as_numpy
from fmq_theory.flow.wrapped_names import without_wrappers

__all__ = ["ADAPTER", "Copy", "find_copies", "is_adapter", "is_optimizer_state", "says_average"]

# Moments, as torch.optim and its kin call them; no layer has parameters of these names.
_MOMENT = re.compile(
    r"exp_avg(_.*)?|max_exp_avg.*|exp_inf|momentum_buffer|square_avg|grad_avg|acc_delta|param_groups"
)
# Low-rank factors, as peft, diffusers and the training scripts of others call them.
_FACTOR = re.compile(r"lora_(A|B|a|b|up|down|mid|embedding_A|embedding_B)|.*_lora|hada_w\d.*|lokr_w\d.*")
ADAPTER = (
    "a factor of a LoRA adapter, which changes the weights of another model: merge it into that model and "
    "quantize the result, or ask for it by name, as '*'"
)
"""Why the tensors of a file are left out that holds an adapter and nothing else."""
_OF_LAYERS = frozenset({"weight", "bias"})
_AVERAGE_WORDS = frozenset(
    {"ema", "emas", "shadow", "average", "averages", "averaged", "avg", "swa", "polyak"}
)
_DEEPEST = 3  # levels at which whole models lie
_MOST_GROUPS = 64  # more groups of one level are parts of a model
_SAMPLE, _MOST_SAMPLED = 4096, 3
_ALIKE = 0.5  # correlation of the numbers of two models; that of models trained apart is near 0

Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Copy:
    """A second set of the numbers of a model.

    Attributes:
        prefix: of its full names, without the last dot.
        of: prefix of what it is a copy of.
    """

    prefix: str
    of: str

    @property
    def reason(self) -> str:
        """Why it is left out."""
        return (
            f"a second set of the tensors of {self.of!r}, by names and shapes: a running average (EMA); ask "
            f"for it by name, as {self.prefix + '.*'!r}"
        )


@dataclass(eq=False)
class _Group:
    """The tensors below one key: by name, where they have names."""

    keys: Keys
    flat: bool
    tensors: dict[str, StoredTensor] = field(default_factory=dict[str, StoredTensor])

    @property
    def name(self) -> str:
        return ".".join(self.keys)

    @property
    def says_average(self) -> bool:
        return any(says_average(key) for key in self.keys)

    @property
    def is_list(self) -> bool:
        return len(self.tensors) > 1 and all(name == str(i) for i, name in enumerate(self.tensors))

    @cached_property
    def shapes(self) -> set[tuple[str, tuple[int, ...]]]:
        return {(name, tensor.shape) for name, tensor in self.tensors.items()}

    @cached_property
    def counts(self) -> Counter[tuple[int, ...]]:
        return Counter(tensor.shape for tensor in self.tensors.values())


def is_optimizer_state(keys: Keys) -> bool:
    """Whether a tensor is a moment or a step of an optimizer, by the path to it."""
    parts = [part for key in keys for part in key.split(".")]
    if any(_MOMENT.fullmatch(part) for part in parts):
        return True
    for i, part in enumerate(parts[:-2]):
        if part == "state" and parts[i + 1].isdecimal():
            return parts[-1] not in _OF_LAYERS
    return False


def is_adapter(keys: Keys) -> bool:
    """Whether a tensor is a factor of a low-rank adapter, by its name."""
    return any(_FACTOR.fullmatch(part) for key in keys for part in key.split("."))


def says_average(key: str) -> bool:
    """Whether one of the words of a name is one for averages: "netG_EMA", "params-ema"."""
    plain = key.lower()
    if not any(word in plain for word in _AVERAGE_WORDS):  # most names, at once
        return False
    words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", key).lower())
    return not _AVERAGE_WORDS.isdisjoint(words)


def find_copies(tensors: Sequence[StoredTensor]) -> list[Copy | None]:
    """For each tensor the copy that it belongs to; None for weights that are no second set of others.

    Args:
        tensors: without those of optimizers.
    """
    found: dict[Keys, Copy] = {}
    for groups in _levels(tensors):
        for group in groups:
            if any(_below(group.keys, keys) for keys in found):
                continue
            others = [g for g in groups if g is not group and g.keys not in found]
            first = next((other for other in others if _copies(group, other, groups)), None)
            if first is not None:
                found[group.keys] = Copy(group.name, first.name)
    return [next((copy for keys, copy in found.items() if _inside(t.keys, keys)), None) for t in tensors]


def _levels(tensors: Sequence[StoredTensor]) -> Iterator[list[_Group]]:
    """The groups that could be models, outer ones first: dictionaries, and first words of flat names."""
    groups: dict[Keys, _Group] = {}
    for tensor in tensors:
        for depth in range(1, min(len(tensor.keys), _DEEPEST + 1)):
            keys, rest = tensor.keys[:depth], tensor.keys[depth:]
            groups.setdefault(keys, _Group(keys, flat=False)).tensors[without_wrappers(".".join(rest))] = (
                tensor
            )
        word, dot, rest = tensor.keys[-1].partition(".") if tensor.keys else ("", "", "")
        if dot and len(tensor.keys) <= _DEEPEST:
            keys = (*tensor.keys[:-1], word)
            groups.setdefault(keys, _Group(keys, flat=True)).tensors.setdefault(
                without_wrappers(rest), tensor
            )
    if len(groups) > _MOST_GROUPS:
        groups = {keys: group for keys, group in groups.items() if len(keys) == 1 or group.says_average}
    if 1 < len(groups) <= _MOST_GROUPS:
        yield sorted(groups.values(), key=lambda group: len(group.keys))


def _copies(group: _Group, other: _Group, groups: Iterable[_Group]) -> bool:
    """Whether ``group`` is a running average of ``other``."""
    if _below(group.keys, other.keys) or _below(other.keys, group.keys):
        return False
    if other.says_average or other.is_list or not _has_matrix(group):
        return False
    if group.is_list:
        return group.counts <= other.counts and 2 * len(group.tensors) >= len(other.tensors)
    if not group.shapes <= other.shapes:
        return False
    if group.says_average:
        # In a flat dictionary the word may name a layer: a pooling ("avg.weight"), sliding windows ("swa.").
        return not group.flat or _alike(group, other)
    # Twins of one architecture are weights of their own, unless their numbers are near: then one follows
    # the other. The first is the model; layers of one flat dictionary may start as copies of one another.
    position = {id(g): i for i, g in enumerate(groups)}
    if group.flat or other.flat or len(group.tensors) < 2 or position[id(group)] < position[id(other)]:
        return False
    return 2 * len(group.tensors) >= len(other.tensors) and _alike(group, other)


def _has_matrix(group: _Group) -> bool:
    return any(len(tensor.shape) > 1 and not tensor.unusable() for tensor in group.tensors.values())


def _alike(group: _Group, other: _Group) -> bool:
    """Whether the numbers are correlated; a few of some matrices are looked at."""
    names = [
        n for n, t in group.tensors.items() if len(t.shape) > 1 and not t.unusable() and n in other.tensors
    ]
    ours: list[float] = []
    for name in sorted(names, key=lambda n: group.tensors[n].num_bytes)[-_MOST_SAMPLED:]:
        a, b = (
            as_numpy(g.tensors[name].load()).reshape(-1)[:_SAMPLE].astype(np.float64) for g in (group, other)
        )
        a, b = a - a.mean(), b - b.mean()
        norm = float(np.sqrt((a @ a) * (b @ b)))
        if norm > 0.0:
            ours.append(float(a @ b) / norm)
    return bool(ours) and float(np.median(ours)) > _ALIKE


def _inside(keys: Keys, prefix: Keys) -> bool:
    """Whether a tensor lies below a prefix, whose last part may be the first word of its name."""
    head, last = prefix[:-1], prefix[-1]
    if keys[: len(head)] != head or len(keys) < len(prefix):
        return False
    rest = keys[len(head) :]
    return (rest[0] == last and len(rest) > 1) or (len(rest) == 1 and rest[0].startswith(last + "."))


def _below(keys: Keys, prefix: Keys) -> bool:
    return keys[: len(prefix)] == prefix
