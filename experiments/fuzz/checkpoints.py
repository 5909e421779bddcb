"""Damaged checkpoints through the reader: the numbers that were saved, or a refusal."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

from experiments.fuzz.bytes import damaged
from experiments.fuzz.trial import Campaign, Trial, WrongAnswerError
from fmq_theory.checkpoint import read_state
from tests.corpus import zips
from tests.corpus.checkpoint_kinds import KINDS, Kind
from tests.corpus.tensors import same

__all__ = ["ARCHIVES", "CHECKPOINTS"]

_QUESTION = (
    "the numbers that were saved, to the bit, or those that the format's own library reads, or a refusal"
)


def _archives(_rng: np.random.Generator, folder: Path) -> Iterator[Trial]:
    """Archives of every form, and with every damage that has a name."""
    saved = zips.saved(zips.state())
    kind = KINDS[".pt"]
    for variant in zips.healthy(saved):
        yield Trial(variant.name, lambda data=variant.data: _read(folder / kind.name, data, kind))
    for name, data in zips.damaged(saved):
        yield Trial(name, lambda data=data: _read(folder / kind.name, data, kind))


def _trials(kind: Kind, rng: np.random.Generator, folder: Path) -> Iterator[Trial]:
    healthy = kind.make(folder)
    path = folder / kind.name
    yield Trial("as saved", lambda: _read(path, kind.wrap(healthy), kind))
    while True:
        what, made = damaged(healthy, rng)
        data = kind.wrap(made)
        yield Trial(what, lambda data=data: _read(path, data, kind))


def _read(path: Path, data: bytes, kind: Kind) -> None:
    path.write_bytes(data)
    found = read_state(path)
    truth = kind.oracle(data)
    if truth is None:
        return
    flat = {key: tensor for key, tensor in truth.items() if isinstance(tensor, torch.Tensor)}
    for key, tensor in found.items():
        if key in flat and not same(tensor, flat[key]):
            raise WrongAnswerError(f"tensor {key!a} has other numbers")
    if kind.exact and found.keys() != flat.keys():
        raise WrongAnswerError(f"tensors {sorted(found.keys() ^ flat.keys())!a} are not the same")


ARCHIVES = Campaign(
    "forms of archives",
    "an archive that an archiver makes is read to the bit, one that contradicts itself is refused",
    _archives,
    whole=10_000,  # it has fewer, and ends with them
)
CHECKPOINTS = {
    name: Campaign(name, _QUESTION, partial(_trials, kind), whole=5000) for name, kind in KINDS.items()
}
