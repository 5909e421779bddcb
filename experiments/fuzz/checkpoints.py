"""Damaged checkpoints through the reader: the numbers that were saved, or a refusal."""

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from experiments.fuzz.trial import Campaign, Trial, WrongAnswerError
from tests.corpus import campaign, zips

__all__ = ["CHECKPOINTS"]


def _trials(rng: np.random.Generator, folder: Path) -> Iterator[Trial]:
    """Archives of every form and with every damage that has a name, then mutations of each kind in turn."""
    saved = zips.saved(zips.state())
    archive = campaign.KINDS["zip"]
    for variant in zips.healthy(saved):
        yield Trial(variant.name, lambda data=variant.data: _read(folder / archive.name, data, archive))
    for name, data in zips.damaged(saved):
        yield Trial(name, lambda data=data: _read(folder / archive.name, data, archive))
    healthy: dict[str, bytes] = {}
    for name, kind in campaign.KINDS.items():
        own = folder / name.replace(" ", "-")
        own.mkdir()
        healthy[name] = kind.make(own)
    draw = random.Random(int(rng.integers(2**63)))  # noqa: S311 (it draws damages, no secrets)
    number = 0
    while True:
        for name, kind in campaign.KINDS.items():
            number += 1
            data = kind.wrap(campaign.mutated(healthy[name], draw))
            path = folder / name.replace(" ", "-") / kind.name
            yield Trial(f"{name}, mutation {number}", lambda p=path, d=data, k=kind: _read(p, d, k))


def _read(path: Path, data: bytes, kind: campaign.Kind) -> None:
    path.write_bytes(data)
    wrong = campaign.problem(path, data, kind)
    if wrong:
        raise WrongAnswerError(wrong)


CHECKPOINTS = Campaign(
    "checkpoints",
    "the numbers that were saved, to the bit, or those that the format's own library reads, or a refusal",
    _trials,
)
