"""Damaged and forged quantized files: the weights that were stored, or a refusal before any is copied."""

import warnings
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from experiments.fuzz.bytes import damaged
from experiments.fuzz.trial import Campaign, Trial, WarnedAnswerError, WrongAnswerError
from fmq_theory.checkpoint import QuantizedFile, load, load_into
from fmq_theory.errors import FmqError, OldFormatWarning
from tests.corpus.packed_files import FORGERIES, KINDS, first_format_file, packed_file, with_table
from tests.corpus.tensors import same, same_states

__all__ = ["FIRST_FORMAT", "PACKED_FILES", "every_bit", "read_in_every_way"]

_SENTINEL = 3


def every_bit(path: Path, rng: np.random.Generator, every: int = 1) -> Iterator[Trial]:
    """Each bit of the header flipped and each byte behind it changed, one at a time.

    Args:
        path: of a right file.
        rng: draws what takes the place of a byte.
        every: only each so-manieth change.
    """
    right, content = _loaded(path), path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    places = [(at, 1 << bit) for at in range(end) for bit in range(8)]
    places += [(at, int(rng.integers(1, 256))) for at in range(end, len(content))]
    for at, mask in places[int(rng.integers(every)) :: every]:
        made = bytearray(content)
        made[at] ^= mask
        yield Trial(f"byte {at} ^ {mask:#04x}", partial(read_in_every_way, path, bytes(made), right))


def _trials(kind: str, rng: np.random.Generator, folder: Path) -> Iterator[Trial]:
    path = packed_file(folder, kind)
    right, content = _loaded(path), path.read_bytes()
    yield Trial("as written", partial(read_in_every_way, path, content, right))
    for name, change in FORGERIES.items():
        forged = with_table(path, change).read_bytes()
        yield Trial(name, partial(_forged, path, forged))
    yield from every_bit(path, rng)
    yield from _damages(path, rng)


def _of_the_first_format(rng: np.random.Generator, folder: Path) -> Iterator[Trial]:
    path = first_format_file(folder)
    whole = Trial("as written", partial(read_in_every_way, path, path.read_bytes(), _loaded(path)))
    for trial in chain((whole,), every_bit(path, rng), _damages(path, rng)):
        yield Trial(trial.what, partial(_unguarded, trial))


def _unguarded(trial: Trial) -> None:
    """A wrong answer counts as warned of if the user heard that the header has no checksum."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", OldFormatWarning)
        try:
            trial.run()
        except WrongAnswerError as error:
            if any(issubclass(one.category, OldFormatWarning) for one in heard):
                raise WarnedAnswerError(str(error)) from None
            raise


def _damages(path: Path, rng: np.random.Generator) -> Iterator[Trial]:
    right, content = _loaded(path), path.read_bytes()
    while True:
        what, made = damaged(content, rng)
        yield Trial(what, partial(read_in_every_way, path, made, right))


def _loaded(path: Path) -> dict[str, Tensor]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OldFormatWarning)
        return load(path)


def read_in_every_way(path: Path, content: bytes, right: dict[str, Tensor]) -> None:
    """Reads the bytes as a file beside ``path``: into a module, as tensors, as codes and codebooks.

    Args:
        path: of the right file.
        content: what is to be read in its place.
        right: the tensors of the right file.

    Raises:
        FmqError: the file is refused, by each of the ways.
        WrongAnswerError: other weights came of it, or only some were copied.
    """
    tried = path.with_name("tried.safetensors")
    tried.write_bytes(content)
    module = _module(right)
    try:
        load_into(module, tried)
    except FmqError:
        if any((tensor != _SENTINEL).any() for tensor in module.state_dict().values()):
            raise WrongAnswerError("a file is refused, and a part of it was copied") from None
        _refused_as_tensors(tried, right)
        raise
    found = load(tried)
    if not same_states(found, right):
        raise WrongAnswerError(f"other tensors: {_difference(found, right)}")
    if not same_states(module.state_dict(), right):
        raise WrongAnswerError("the module has other numbers")
    with QuantizedFile(tried) as file:
        for name in file.quantized:
            file.codes(name)
            file.codebook(name)


def _refused_as_tensors(path: Path, right: dict[str, Tensor]) -> None:
    """What does not fit a module may be read as tensors, where these are right."""
    try:
        found = load(path)
    except FmqError:
        return
    raise WrongAnswerError(f"a module refuses it, load does not: {_difference(found, right)}")


def _difference(found: dict[str, Tensor], right: dict[str, Tensor]) -> str:
    names = found.keys() ^ right.keys() or {n for n in right if not same(found[n], right[n])}
    return f"{sorted(names)[:4]!a}"


def _module(right: dict[str, Tensor]) -> nn.Module:
    """A module whose tensors have the names, shapes and types of these, and one number everywhere."""
    root = nn.Module()
    for name, tensor in right.items():
        *rooms, last = name.split(".")
        place = root
        for room in rooms:
            if not hasattr(place, room):
                place.add_module(room, nn.Module())
            place = place.get_submodule(room)
        place.register_buffer(last, torch.full_like(tensor, _SENTINEL, memory_format=torch.contiguous_format))
    return root


def _forged(path: Path, content: bytes) -> None:
    """Under checksums that are right a table says what cannot be: only a refusal will do."""
    tried = path.with_name("tried.safetensors")
    tried.write_bytes(content)
    load(tried)
    with QuantizedFile(tried) as file:
        for name in file.quantized:
            file.codes(name)
            file.codebook(name)
    raise WrongAnswerError("a table that cannot be is read")


PACKED_FILES = {
    kind: Campaign(
        f"packed, {kind}",
        "the weights that were stored, to the bit, or a refusal before anything is copied",
        partial(_trials, kind),
        whole=8000,
    )
    for kind in KINDS
}
FIRST_FORMAT = Campaign(
    "packed, first format",
    "the same; the header of such a file has no checksum, and where it lies a warning comes before",
    _of_the_first_format,
    whole=25_000,
)
