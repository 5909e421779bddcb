"""Which tensor of a quantized file is which of the original: by name, and where names differ, by numbers.

Four roads, each for what the one before left: the same name; the name that llama.cpp gives it (GGUF); the
same name behind a prefix that only one of the files has; the same shape and much the same numbers. The last
one asks for a partner that is unmistakable from both sides, and refuses to guess.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fmq_theory.checkpoint.foreign.gguf_file import architecture_names
from fmq_theory.checkpoint.foreign.stored import StoredWeight
from fmq_theory.errors import CheckpointError, Way

__all__ = ["Matched", "match_weights"]

_SAMPLE = 4096  # numbers of a tensor that are held against others
_NEAR = 0.6  # relative error of a partner: that of one bit a weight
_APART = 2.0  # times the error of the partner that the next one must have
_MOST_NAMED = 4


@dataclass(frozen=True, slots=True)
class Matched:
    """Pairs, and what has no partner.

    Attributes:
        pairs: by the name in the original.
        roads: how many were found by each road, in words, beside those of the same name.
        missing: names of the original that the file lacks.
        extra: weights of the file that the original lacks.
    """

    pairs: Mapping[str, StoredWeight]
    roads: Mapping[str, int]
    missing: tuple[str, ...]
    extra: tuple[StoredWeight, ...]


def match_weights(
    originals: Mapping[str, StoredWeight],
    stored: Sequence[StoredWeight],
    architecture: str = "",
    given: Mapping[str, str] | None = None,
) -> Matched:
    """The weights of the original with those of the file.

    Args:
        originals: by name; all of them, also those that are not to be scored.
        stored: the weights of the file.
        architecture: of a GGUF file; else empty.
        given: names of the file by names of the original, where the caller knows better.

    Raises:
        CheckpointError: two weights of the file would fit one of the original, or a given name is unknown.
    """
    search = _Search(dict(originals), {weight.name: weight for weight in stored}, {})
    search.take(given or {}, strict=True)
    search.take({name: name for name in originals})
    roads: dict[str, int] = {}
    for words, road in (
        ("by the names of llama.cpp", lambda: _of_llama(search, architecture)),
        ("by their names behind a prefix", lambda: _by_prefix(search)),
        ("by their shape and numbers", lambda: _by_numbers(search)),
    ):
        if search.originals and search.stored and (count := search.take(road())):
            roads[words] = count
    ordered = {name: search.pairs[name] for name in originals if name in search.pairs}
    return Matched(ordered, roads, tuple(search.originals), tuple(search.stored.values()))


@dataclass(slots=True)
class _Search:
    """What has no partner yet, and the pairs so far."""

    originals: dict[str, StoredWeight]
    stored: dict[str, StoredWeight]
    pairs: dict[str, StoredWeight]

    def take(self, names: Mapping[str, str], *, strict: bool = False) -> int:
        """Makes pairs of those that are there; how many.

        Args:
            names: of the file, by names of the original.
            strict: whether a name that is not there is an error.
        """
        count = 0
        for name, theirs in names.items():
            if name in self.originals and theirs in self.stored:
                self.pairs[name] = self.stored.pop(theirs)
                del self.originals[name]
                count += 1
            elif strict:
                lacking = name if name not in self.originals else theirs
                where = "original" if name not in self.originals else "quantized file"
                raise CheckpointError(
                    f"name {lacking!r}",
                    f"the {where} has no such weight",
                    "correct it in the names that you gave",
                )
        return count


def _of_llama(search: _Search, architecture: str) -> dict[str, str]:
    return architecture_names(architecture, list(search.originals)) if architecture else {}


def _by_prefix(search: _Search) -> dict[str, str]:
    """Names of which one is the end of the other, where there is one such partner only."""
    found: dict[str, list[str]] = {}
    for name, original in search.originals.items():
        ends = {name[place + 1 :] for place, sign in enumerate(name) if sign == "."}
        found[name] = [
            theirs
            for theirs, weight in search.stored.items()
            if (theirs in ends or theirs.endswith(f".{name}")) and _may_be(original, weight)
        ]
    return _unique(found)


def _may_be(original: StoredWeight, weight: StoredWeight) -> bool:
    return weight.count == original.count and weight.shape in (None, original.shape)


def _unique(found: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Those with one partner that is nobody else's."""
    wanted = [theirs for partners in found.values() for theirs in set(partners)]
    return {
        name: partners[0]
        for name, partners in found.items()
        if len(partners) == 1 and wanted.count(partners[0]) == 1
    }


def _by_numbers(search: _Search) -> dict[str, str]:
    """Of the same shape with numbers that are near, where no other comes near."""
    pairs: dict[str, str] = {}
    shapes = {original.shape for original in search.originals.values()}
    for shape in shapes:
        names = [name for name, original in search.originals.items() if original.shape == shape]
        theirs = [name for name, weight in search.stored.items() if weight.shape == shape]
        if names and theirs and shape is not None:
            ours = np.stack([_sample(search.originals[name], shape) for name in names])
            others = np.stack([_sample(search.stored[name], shape) for name in theirs])
            pairs |= _nearest(names, theirs, _errors(ours, others))
    return pairs


def _sample(weight: StoredWeight, shape: tuple[int, ...]) -> NDArray[np.float64]:
    flat = weight.decoded(shape).weights.reshape(-1)
    step = max(1, flat.numel() // _SAMPLE)
    numbers: NDArray[np.float64] = flat[::step][:_SAMPLE].double().numpy()
    return np.nan_to_num(numbers, posinf=0.0, neginf=0.0)


def _errors(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    """The relative error of each of theirs as one of ours, shape ``[ours, theirs]``."""
    errors = np.stack([np.square(theirs - one).sum(axis=1) for one in ours])
    energy = np.square(ours).sum(axis=1)
    return np.sqrt(errors / np.where(energy > 0.0, energy, 1.0)[:, None])


def _nearest(names: Sequence[str], theirs: Sequence[str], errors: NDArray[np.float64]) -> dict[str, str]:
    """Each with its nearest.

    Raises:
        CheckpointError: two are near.
    """
    found: dict[str, str] = {}
    for row, name in enumerate(names):
        column = int(errors[row].argmin())
        if errors[row, column] > _NEAR:
            continue
        limit = max(_APART * errors[row, column], 1e-6)
        rivals = [other for k, other in enumerate(theirs) if errors[row, k] < limit and k != column]
        rivals += [other for k, other in enumerate(names) if errors[k, column] < limit and k != row]
        if rivals:
            raise CheckpointError(
                f"tensor {name!r} of the original",
                f"the file has no weight of that name, and by its numbers {theirs[column]!r} and "
                f"{', '.join(map(repr, rivals[:_MOST_NAMED]))} fit alike",
                ("say which it is: pass ", Way("names", "names={'original name': 'name in the file'}")),
            )
        found[name] = theirs[column]
    return found
