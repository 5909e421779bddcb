"""Which tensors of a checkpoint are quantized, and how: settled before any work is done."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from fmq_theory.brief import brief_repr
from fmq_theory.checkpoint.io.files import Readable, opened
from fmq_theory.checkpoint.io.naming import Entry, check_patterns, matches, other_choice
from fmq_theory.checkpoint.io.tensors import as_numpy, nonfinite
from fmq_theory.checkpoint.quantized.choice import Choice
from fmq_theory.errors import CheckpointError, FmqError, Way, WeightsError, argument
from fmq_theory.quantizers import get_scheme
from fmq_theory.quantizers.block_scaled import BlockScheme

__all__ = [
    "MIN_NDIM",
    "KeptTensor",
    "Misfit",
    "Planned",
    "Recipe",
    "misfit_error",
    "nonfinite_names",
    "recipes_for",
    "smaller_codebooks",
    "uniform_recipes",
    "wanted_names",
]

Misfit = Literal["error", "channel", "keep"]
MIN_NDIM = 2
"""Tensors of fewer dimensions are quantized only where a plan names them."""

_MOST_NAMED = 4
_NOT_SMALLER = "quantized it would not be smaller"
_NF4_BITS = 4


class Planned(Protocol):
    """What a plan says of a tensor; ``plan.TensorPlan`` does."""

    @property
    def name(self) -> str: ...
    @property
    def choice(self) -> Choice: ...


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one tensor is quantized.

    Attributes:
        name: of the tensor.
        choice: how.

    Raises:
        CheckpointError: the name is no text, or the choice no ``Choice``.
    """

    name: str
    choice: Choice
    __repr__ = brief_repr

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not isinstance(self.choice, Choice):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise CheckpointError(
                f"recipe {brief_repr(self)}",
                "it needs the name of a tensor and a Choice",
                "write for example Recipe('net.weight', Choice('lloyd_max', bits=4))",
            )


@dataclass(frozen=True, slots=True)
class KeptTensor:
    """A tensor that is written as it was read, and why."""

    name: str
    shape: tuple[int, ...]
    reason: str


def recipes_for(
    checkpoint: Readable,
    wanted: Choice,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    misfit: Misfit = "error",
) -> tuple[list[Recipe], list[KeptTensor]]:
    """``uniform_recipes`` of a checkpoint.

    Raises:
        FmqError: see ``uniform_recipes`` and ``open_checkpoint``.
    """
    with opened(checkpoint) as stored:
        entries = _weights(stored.path, stored.entries(include))
        try:
            return uniform_recipes(entries, wanted, include, exclude, misfit)
        except CheckpointError as error:
            if error.thing != "checkpoint":
                raise
            raise error.renamed(f"checkpoint {str(stored.path)!r}") from error


def uniform_recipes(
    entries: Iterable[Entry],
    wanted: Choice,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    misfit: Misfit = "error",
) -> tuple[list[Recipe], list[KeptTensor]]:
    """The same choice for every tensor that is fit for it.

    A tensor that would not become smaller is kept.

    Args:
        entries: the weights of the checkpoint, no second copies.
        wanted: how they are quantized.
        include: see ``matches``.
        exclude: see ``matches``.
        misfit: what to do with tensors whose channels the group size does not divide: refuse, quantize by
            channel, or keep.

    Raises:
        WeightsError: groups do not divide; all such tensors are counted and a size that fits is named.
        CheckpointError: a pattern fits no tensor, or nothing is left to quantize.
    """
    entries = list(entries)
    check_patterns(entries, include, exclude)
    recipes: list[Recipe] = []
    kept: list[KeptTensor] = []
    misfits: list[tuple[str, int]] = []
    for entry in entries:
        shape = entry.stored.shape
        reason = entry.stored.unusable(MIN_NDIM)
        if not reason and not matches(entry.name, include, exclude):
            reason = "not asked for"
        size = math.prod(shape[1:])
        if not reason and wanted.group_size is not None and size % wanted.group_size:
            misfits.append((entry.name, size))
            reason = f"{wanted.group_size} does not divide the {size} weights of a channel"
        if reason and not (misfit == "channel" and misfits and misfits[-1][0] == entry.name):
            kept.append(KeptTensor(entry.name, shape, reason))
            continue
        choice = wanted.by_channel if reason else wanted
        if choice.saves(shape, entry.stored.dtype.itemsize):
            choice.check(shape)
            recipes.append(Recipe(entry.name, choice))
        else:
            kept.append(KeptTensor(entry.name, shape, _NOT_SMALLER))
    if misfits and misfit == "error":
        by_channel, keep = argument("misfit", "channel"), argument("misfit", "keep")
        otherwise = by_channel, " (a codebook for each of their channels) or ", keep
        raise misfit_error(misfits, wanted.group_size or 0, otherwise)
    if not entries:
        raise CheckpointError("checkpoint", "it holds no tensors", "pass a file with a state dict")
    if not recipes:
        reasons = {tensor.reason: tensor.name for tensor in reversed(kept)}
        examples = "; ".join(f"{name!r}: {reason}" for reason, name in reasons.items())
        raise CheckpointError(
            "checkpoint",
            f"none of its tensors is left to quantize ({examples})",
            _what_else(wanted, kept),
        )
    return recipes, kept


def _what_else(wanted: Choice, kept: Sequence[KeptTensor]) -> str:
    """What can be asked for where a recipe leaves nothing to quantize; only what would be something else."""
    reasons = {tensor.reason for tensor in kept}
    ways = ["ask for other tensors"] if "not asked for" in reasons else []
    if _NOT_SMALLER in reasons:
        ways += smaller_codebooks(wanted.scheme, wanted.bits, wanted.granularity)
        ways += ["ask for fewer bits"] if wanted.bits > 1 else []
    return ", or ".join(ways) or "pass another file"


def smaller_codebooks(scheme: str, bits: int, granularity: str) -> list[str]:
    """What makes codebooks take less than those of this recipe; empty if nothing does.

    Args:
        scheme: see ``Choice``.
        bits: of a code.
        granularity: see ``quantize``.
    """
    if BlockScheme.parse(scheme) is not None:
        return ["choose larger groups"]
    larger = {"group": "larger groups or granularity channel", "channel": "granularity tensor"}
    ways = [f"choose {larger[granularity]}"] if granularity in larger else []
    numbers = get_scheme(scheme).codebook_overhead(2**bits)
    few = [name for name in ("nf4", "uniform_clipped") if name != "nf4" or bits == _NF4_BITS]
    few = [name for name in few if get_scheme(name).codebook_overhead(2**bits) < numbers]
    return ways + ([f"choose scheme {' or '.join(few)}"] if few else [])


def wanted_names(checkpoint: Readable, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> list[str]:
    """The tensors that can be quantized and are asked for, in the order of the file.

    Raises:
        CheckpointError: a pattern fits no tensor, or nothing is left.
    """
    with opened(checkpoint) as stored:
        path, entries = stored.path, _weights(stored.path, stored.entries(include))
    check_patterns(entries, include, exclude)
    names = [e.name for e in entries if not e.stored.unusable(MIN_NDIM) and matches(e.name, include, exclude)]
    if not names:
        raise CheckpointError(
            f"checkpoint {str(path)!r}", "none of its tensors is left to quantize", "ask for other tensors"
        )
    return names


def _weights(path: Path, entries: Sequence[Entry]) -> list[Entry]:
    """Those that are weights of the model.

    Raises:
        CheckpointError: there are no tensors, or no codebook is made for any.
    """
    thing = f"checkpoint {str(path)!r}"
    if not entries:
        raise CheckpointError(thing, "it holds no tensors", "pass a file with a state dict")
    found = [entry for entry in entries if not entry.excluded]
    if any(not entry.stored.unusable(MIN_NDIM) for entry in found):
        return found
    # What is no weight of the model comes first: it says what the file is.
    by_worth = sorted(entries, key=lambda entry: not entry.excluded)
    reasons = {e.excluded or e.stored.unusable(MIN_NDIM): e.full_name for e in reversed(by_worth)}
    examples = "; ".join(f"{name!r}: {reason}" for reason, name in list(reasons.items())[::-1][:_MOST_NAMED])
    raise CheckpointError(
        thing,
        f"none of its {len(entries)} tensors is left to quantize ({examples})",
        other_choice(entries),
    )


def nonfinite_names(checkpoint: Readable, names: Sequence[str]) -> set[str]:
    """Which of the tensors hold nan or inf.

    Raises:
        CheckpointError: the file cannot be read.
    """
    wanted = set(names)
    with opened(checkpoint) as stored:
        return {
            entry.name
            for entry in stored.entries(names)
            if entry.name in wanted and not entry.excluded and nonfinite(as_numpy(entry.stored.load()))
        }


def misfit_error(
    misfits: Sequence[tuple[str, int]], group_size: int, otherwise: tuple[str | Way, ...]
) -> FmqError:
    """The error about groups that do not divide.

    Args:
        misfits: name, and weights of a channel, of each such tensor.
        group_size: what does not divide them.
        otherwise: what can be passed instead of a group size that fits.
    """
    named = ", ".join(f"{name!r} has {size}" for name, size in misfits[:_MOST_NAMED])
    more = f" and {len(misfits) - _MOST_NAMED} more" if len(misfits) > _MOST_NAMED else ""
    common = math.gcd(group_size, *(size for _, size in misfits))
    fitting = (argument("group_size", common), ", which divides all of them, or ") if common > 1 else ()
    return WeightsError(
        f"group size {group_size}",
        f"it does not divide the channels of {len(misfits)} tensors ({named}{more})",
        ("pass ", *fitting, *otherwise),
    )
