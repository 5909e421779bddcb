"""Damaged checkpoints through the reader: the numbers that were saved, or a refusal."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from experiments.fuzz.bytes import damaged
from experiments.fuzz.trial import Campaign, Trial, WrongAnswerError
from fmq_theory.checkpoint import read_state
from tests.corpus import zips

__all__ = ["PT_FILES", "SAFETENSORS_FILES"]

State = Mapping[str, torch.Tensor]


def _same(a: torch.Tensor, b: torch.Tensor) -> bool:
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    first, second = (one.contiguous().reshape(-1).view(torch.uint8) for one in (a, b))
    return torch.equal(first, second)


def _compare(found: State, right: State) -> None:
    if found.keys() != right.keys():
        raise WrongAnswerError(f"tensors {sorted(found)!a} where {sorted(right)!a} were saved"[:300])
    for name, tensor in right.items():
        if not _same(found[name], tensor):
            raise WrongAnswerError(f"other numbers in {name!a}")


def _read(path: Path, content: bytes, right: State) -> None:
    path.write_bytes(content)
    _compare(read_state(path), right)


def _pt_files(rng: np.random.Generator, folder: Path) -> Iterator[Trial]:
    """Every checksum of the archive stands between a damage and another number."""
    path = folder / "m.pt"
    state = zips.state()
    saved = zips.saved(state)
    for variant in zips.healthy(saved):
        yield Trial(variant.name, lambda data=variant.data: _read(path, data, state))
    for name, data in zips.damaged(saved):
        yield Trial(name, lambda data=data: _read(path, data, state))
    files = [saved, *(variant.data for variant in zips.healthy(saved))]
    while True:
        number = int(rng.integers(len(files)))
        what, content = damaged(files[number], rng)
        yield Trial(f"archive {number}: {what}", lambda content=content: _read(path, content, state))


def _safetensors_files(rng: np.random.Generator, folder: Path) -> Iterator[Trial]:
    """The format has no checksum: what is read must be what the format's own library reads."""
    path = folder / "m.safetensors"
    generator = torch.Generator().manual_seed(0)
    saved = safetensors.torch.save(
        {
            "a.weight": torch.randn(4, 16, generator=generator),
            "b.weight": torch.randn(3, 8, generator=generator).to(torch.bfloat16),
            "empty": torch.empty(0, 2),
            "steps": torch.tensor(7),
        },
        metadata={"format": "pt"},
    )
    yield Trial("undamaged", lambda: _as_the_library(path, saved))
    header = 8 + int.from_bytes(saved[:8], "little")
    while True:
        if rng.random() < 0.8:
            what, start = damaged(saved[:header], rng)
            content = start + saved[header:]
        else:
            what, content = damaged(saved, rng)
        yield Trial(what, lambda content=content: _as_the_library(path, content))


def _as_the_library(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    found = read_state(path)
    try:
        right = safetensors.torch.load(content)
    except Exception as error:  # noqa: BLE001 (the library's errors have no common class)
        raise WrongAnswerError(f"read, though safetensors says {type(error).__name__}: {error}") from None
    _compare(found, right)


PT_FILES = Campaign("pt files", "the numbers that were saved, to the bit, or a refusal", _pt_files)
SAFETENSORS_FILES = Campaign(
    "safetensors files", "the numbers that the format's own library reads, or a refusal", _safetensors_files
)
