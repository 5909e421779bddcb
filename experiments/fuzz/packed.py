"""Damaged and forged quantized files: the weights that were stored, or a refusal."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from experiments.fuzz.bytes import damaged
from experiments.fuzz.trial import Campaign, Trial, WrongAnswerError
from fmq_theory.checkpoint import QuantizedFile, load
from fmq_theory.checkpoint.io.number_types import bytes_of
from tests.corpus.packed_files import FORGERIES, KINDS, packed_file, with_table

__all__ = ["PACKED_FILES", "every_bit"]


def every_bit(folder: Path, rng: np.random.Generator) -> Iterator[Trial]:
    """Each bit of the header flipped and each byte behind it changed, one at a time, of every kind."""
    for kind in KINDS:
        path = packed_file(folder, kind)
        right, content = load(path), path.read_bytes()
        end = 8 + int.from_bytes(content[:8], "little")
        places = [(at, 1 << bit) for at in range(end) for bit in range(8)]
        places += [(at, int(rng.integers(1, 256))) for at in range(end, len(content))]
        for at, mask in places:
            made = bytearray(content)
            made[at] ^= mask
            yield Trial(
                f"{kind}: byte {at} ^ {mask:#04x}", lambda b=bytes(made), p=path, r=right: _read(p, b, r)
            )


def _trials(rng: np.random.Generator, folder: Path) -> Iterator[Trial]:
    files: dict[str, tuple[Path, dict[str, torch.Tensor], bytes]] = {}
    for kind in KINDS:
        own = folder / kind.replace(" ", "-")
        own.mkdir()
        path = packed_file(own, kind)
        files[kind] = (path, load(path), path.read_bytes())
        path_, right, content = files[kind]
        yield Trial(f"{kind}, as written", lambda p=path_, b=content, r=right: _read(p, b, r))
        for name, change in FORGERIES.items():
            forged = with_table(path, change).read_bytes()
            yield Trial(f"{kind}: {name}", lambda p=path_, b=forged: _forged(p, b))
    yield from every_bit(folder, rng)
    while True:
        kind = list(files)[rng.integers(len(files))]
        path, right, content = files[kind]
        what, made = damaged(content, rng)
        yield Trial(f"{kind}: {what}", lambda p=path, b=made, r=right: _read(p, b, r))


def _read(path: Path, content: bytes, right: dict[str, torch.Tensor]) -> None:
    tried = path.with_name("tried.safetensors")
    tried.write_bytes(content)
    found = load(tried)
    if found.keys() != right.keys():
        raise WrongAnswerError(f"tensors {sorted(found)!a}"[:200])
    for name, tensor in right.items():
        same = found[name].dtype == tensor.dtype and found[name].shape == tensor.shape
        if not same or not (bytes_of(found[name]) == bytes_of(tensor)).all():
            raise WrongAnswerError(f"other numbers in {name!a}")


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


PACKED_FILES = Campaign(
    "packed files",
    "the weights that were stored, to the bit, or a refusal before anything is copied",
    _trials,
)
