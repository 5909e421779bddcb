"""Which tensors of a checkpoint are quantized, and how: settled before any work is done."""

import fnmatch
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from fmq_theory.checkpoint.files import open_checkpoint
from fmq_theory.checkpoint.naming import Entry, classify
from fmq_theory.errors import CheckpointError, FmqError, SchemeError, WeightsError
from fmq_theory.quantizers import get_scheme
from fmq_theory.quantizers.block_scaled import BlockScheme
from fmq_theory.quantizers.layout import Layout

__all__ = [
    "KeptTensor",
    "Misfit",
    "Planned",
    "Recipe",
    "matches",
    "nonfinite",
    "nonfinite_names",
    "recipes_for",
    "uniform_recipes",
    "unusable",
    "wanted_names",
]

Misfit = Literal["error", "channel", "keep"]
_MOST_NAMED = 4


class Planned(Protocol):
    """What a plan says of a tensor; ``plan.TensorPlan`` does."""

    @property
    def name(self) -> str: ...
    @property
    def scheme(self) -> str: ...
    @property
    def bits(self) -> int: ...
    @property
    def granularity(self) -> str: ...
    @property
    def group_size(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one tensor is quantized.

    Attributes:
        name: of the tensor.
        scheme: as ``get_scheme`` or ``BlockScheme.parse`` reads it.
        bits: of a code.
        granularity: see ``quantize``.
        group_size: see ``quantize``.
    """

    name: str
    scheme: str
    bits: int
    granularity: str
    group_size: int | None

    @classmethod
    def of(cls, planned: Planned) -> "Recipe":
        """The part of a plan's entry that decides what is written."""
        return cls(planned.name, planned.scheme, planned.bits, planned.granularity, planned.group_size)

    def check(self, shape: tuple[int, ...]) -> None:
        """Whether a tensor of that shape can be quantized so.

        Raises:
            FmqError: it cannot.
        """
        block = BlockScheme.parse(self.scheme)
        scheme = get_scheme(self.scheme if block is None else block.scheme)
        scheme._checked(2**self.bits)  # pyright: ignore[reportPrivateUsage]
        if block is not None and self.granularity != "group":
            raise SchemeError(
                f"scheme {self.scheme!r}", "it scales groups", "pass --granularity group --group-size 64"
            )
        Layout.of(shape, self.granularity, 0, self.group_size)

    def as_json(self) -> dict[str, Any]:
        """Its fields."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class KeptTensor:
    """A tensor that is written as it was read, and why."""

    name: str
    shape: tuple[int, ...]
    reason: str


def matches(name: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether some pattern of ``include`` (any name if there are none) and none of ``exclude`` fits.

    Patterns are those of a shell: ``*`` fits dots too.
    """
    wanted = not include or any(fnmatch.fnmatchcase(name, pattern) for pattern in include)
    return wanted and not any(fnmatch.fnmatchcase(name, pattern) for pattern in exclude)


def unusable(entry: Entry, min_ndim: int = 2) -> str:
    """Why a tensor is not quantized unless its name is in a plan; empty if it is."""
    stored = entry.stored
    if not stored.strided:
        return "sparse or already quantized"
    if stored.dtype.is_complex:
        return "complex numbers"
    if not stored.dtype.is_floating_point:
        return "no real numbers"
    if 0 in stored.shape or not stored.shape:
        return "empty" if 0 in stored.shape else "a single number"
    return f"fewer than {min_ndim} dimensions" if len(stored.shape) < min_ndim else ""


def recipes_for(
    path: Path,
    wanted: Recipe,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    misfit: Misfit = "error",
) -> tuple[list[Recipe], list[KeptTensor]]:
    """``uniform_recipes`` of a file.

    Raises:
        FmqError: see ``uniform_recipes`` and ``open_checkpoint``.
    """
    with open_checkpoint(path) as stored:
        entries = [entry for entry in classify(stored) if not entry.excluded]
        try:
            return uniform_recipes(entries, wanted, include, exclude, misfit)
        except CheckpointError as error:
            thing = f"checkpoint {str(path)!r}" if error.thing == "checkpoint" else error.thing
            raise error.renamed(thing) from error


def uniform_recipes(
    entries: Iterable[Entry],
    wanted: Recipe,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    misfit: Misfit = "error",
) -> tuple[list[Recipe], list[KeptTensor]]:
    """The same recipe for every tensor that is fit for it.

    A tensor that would not become smaller is kept.

    Args:
        entries: the weights of the checkpoint, no second copies.
        wanted: its name does not matter.
        include: see ``matches``.
        exclude: see ``matches``.
        misfit: what to do with tensors whose channels the group size does not divide: refuse, quantize by
            channel, or keep.

    Raises:
        WeightsError: groups do not divide; all such tensors are counted and a size that fits is named.
        CheckpointError: a pattern fits no tensor, or nothing is left to quantize.
        FmqError: the recipe is none.
    """
    entries = list(entries)
    _check_patterns(entries, include, exclude)
    recipes: list[Recipe] = []
    kept: list[KeptTensor] = []
    misfits: list[tuple[Entry, int]] = []
    for entry in entries:
        shape = entry.stored.shape
        reason = unusable(entry)
        if not reason and not matches(entry.name, include, exclude):
            reason = "not asked for"
        size = math.prod(shape[1:])
        if not reason and wanted.group_size is not None and size % wanted.group_size:
            misfits.append((entry, size))
            reason = f"{wanted.group_size} does not divide the {size} weights of a channel"
        if reason and not (misfit == "channel" and misfits and misfits[-1][0] is entry):
            kept.append(KeptTensor(entry.name, shape, reason))
            continue
        recipe = _by_channel(wanted, entry.name) if reason else Recipe(entry.name, *_fields(wanted))
        if _would_grow(recipe, entry):
            kept.append(KeptTensor(entry.name, shape, "quantized it would not be smaller"))
        else:
            recipe.check(shape)
            recipes.append(recipe)
    if misfits and misfit == "error":
        raise _misfit_error(misfits, wanted)
    if not recipes:
        wanted.check((1 << 20, 1 << 20))  # a wrong scheme is the better reason
        reasons = {tensor.reason: tensor.name for tensor in reversed(kept)}
        examples = "; ".join(f"{name!r}: {reason}" for reason, name in reasons.items())
        raise CheckpointError(
            "checkpoint",
            f"none of its tensors is left to quantize ({examples})",
            "ask for other tensors, fewer bits, or a scheme with smaller codebooks",
        )
    return recipes, kept


def wanted_names(path: Path, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> list[str]:
    """The tensors that can be quantized and are asked for, in the order of the file.

    Raises:
        CheckpointError: a pattern fits no tensor, or nothing is left.
    """
    with open_checkpoint(path) as stored:
        entries = [entry for entry in classify(stored) if not entry.excluded]
    _check_patterns(entries, include, exclude)
    names = [e.name for e in entries if not unusable(e) and matches(e.name, include, exclude)]
    if not names:
        raise CheckpointError(
            f"checkpoint {str(path)!r}", "none of its tensors is left to quantize", "ask for other tensors"
        )
    return names


def nonfinite(weights: NDArray[np.floating]) -> str:
    """How many numbers are nan or infinite, in words; empty where none is."""
    if np.isfinite(weights).all():
        return ""
    nans, infs = int(np.isnan(weights).sum()), int(np.isinf(weights).sum())
    return f"{nans} of its {weights.size} numbers are nan and {infs} are infinite"


def nonfinite_names(path: Path, names: Sequence[str]) -> set[str]:
    """Which of the tensors hold nan or inf.

    Raises:
        CheckpointError: the file cannot be read.
    """
    with open_checkpoint(path) as stored:
        return {
            entry.name
            for entry in classify(stored)
            if entry.name in set(names)
            and not entry.excluded
            and not bool(torch.isfinite(entry.stored.load().float()).all())
        }


def _check_patterns(entries: Sequence[Entry], include: Sequence[str], exclude: Sequence[str]) -> None:
    for option, patterns in (("--include", include), ("--exclude", exclude)):
        for pattern in patterns:
            if not any(fnmatch.fnmatchcase(entry.name, pattern) for entry in entries):
                names = ", ".join(repr(entry.name) for entry in entries[:_MOST_NAMED])
                raise CheckpointError(
                    f"{option} {pattern!r}", "it fits no tensor", f"the names are like {names}"
                )


def _fields(recipe: Recipe) -> tuple[str, int, str, int | None]:
    return recipe.scheme, recipe.bits, recipe.granularity, recipe.group_size


def _by_channel(recipe: Recipe, name: str) -> Recipe:
    block = BlockScheme.parse(recipe.scheme)
    return Recipe(name, recipe.scheme if block is None else block.scheme, recipe.bits, "channel", None)


def _would_grow(recipe: Recipe, entry: Entry) -> bool:
    """Whether codes and codebooks take as many bytes as the weights: with few weights a codebook they do."""
    shape, width = entry.stored.shape, entry.stored.dtype.itemsize
    if BlockScheme.parse(recipe.scheme) is not None:
        return False
    rows = shape[0] if recipe.granularity == "channel" else 1
    size = math.prod(shape)
    columns = recipe.group_size or size // rows
    numbers = min(get_scheme(recipe.scheme).side_numbers(2**recipe.bits), columns)
    return (columns * recipe.bits + 7) // 8 + numbers * max(4, width if width == 8 else 4) >= columns * width


def _misfit_error(misfits: Sequence[tuple[Entry, int]], wanted: Recipe) -> FmqError:
    named = ", ".join(f"{entry.name!r} has {size}" for entry, size in misfits[:_MOST_NAMED])
    more = f" and {len(misfits) - _MOST_NAMED} more" if len(misfits) > _MOST_NAMED else ""
    common = math.gcd(*(size for _, size in misfits), wanted.group_size or 0)
    fitting = f"a group size that divides all of them ({common}), or " if common > 1 else ""
    return WeightsError(
        f"group size {wanted.group_size}",
        f"it does not divide the channels of {len(misfits)} tensors ({named}{more})",
        f"pass {fitting}--misfit channel (a codebook for each of their channels) or --misfit keep",
    )
