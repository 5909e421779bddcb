"""A campaign against the reader: files mutated at random, read in this process, held against an oracle.

A mutated file may be refused by an FmqError. What is read instead must be right: to the bit what was saved
where the format has checksums, elsewhere what the format's own library reads. Call ``run``; a command that
limits memory and time may call it again and again with other seeds.
"""

import io
import random
import struct
import tempfile
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors

from fmq_theory.checkpoint import read_state
from fmq_theory.errors import FmqError
from tests.corpus import containers, zips

__all__ = ["KINDS", "Kind", "Report", "mutated", "problem", "run"]

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: of the file.
        make: the healthy bytes; what lies beside the file is written into the folder.
        oracle: what a mutated file holds; None where nothing can be said, or nobody else reads it.
        wrap: what is made of mutated bytes before they are written.
    """

    name: str
    make: Callable[[Path], bytes]
    oracle: Callable[[bytes], State | None]
    wrap: Callable[[bytes], bytes] = bytes


@dataclass
class Report:
    """What came of it: how many files were tried, refused and read; and each failure."""

    tried: Counter[str] = field(default_factory=Counter[str])
    refused: Counter[str] = field(default_factory=Counter[str])
    unchecked: Counter[str] = field(default_factory=Counter[str])
    failures: list[tuple[str, str, bytes]] = field(default_factory=list[tuple[str, str, bytes]])


def _saved(_data: bytes) -> State:
    return zips.state()


def _by_torch(data: bytes) -> State | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = torch.load(io.BytesIO(data), weights_only=True)
        except Exception:  # noqa: BLE001  whatever torch makes of it, it does not read it
            return None
    return found if isinstance(found, dict) else None


def _by_safetensors(data: bytes) -> State | None:
    try:
        return load_safetensors(data)
    except (SafetensorError, KeyError, AssertionError):
        return None


def _pickle_of(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read("archive/data.pkl")


_SAVED = zips.saved(zips.state())


def _older() -> bytes:
    """Without the type that torch writes into the older format and cannot read from it."""
    content = {name: tensor for name, tensor in zips.state().items() if name != "eight"}
    return zips.saved(content, _use_new_zipfile_serialization=False)


def _with_pickle(pickle: bytes) -> bytes:
    return zips.repacked(_SAVED, change=lambda n, c: pickle if n.endswith("data.pkl") else c)


KINDS = {
    "zip": Kind("m.pt", lambda _: _SAVED, _saved),
    "compressed zip": Kind("m.pt", lambda _: zips.repacked(_SAVED, zipfile.ZIP_DEFLATED), _saved),
    "pickle in a zip": Kind("m.pt", lambda _: _pickle_of(_SAVED), _by_torch, _with_pickle),
    "older pickle": Kind("m.pt", lambda _: _older(), _by_torch),
    "safetensors": Kind("m.safetensors", lambda _: containers.safetensors(), _by_safetensors),
    "shard index": Kind("m.safetensors.index.json", containers.index, lambda _: containers.state()),
}

_NUMBERS = (0, 1, 7, 127, 128, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1)
_WORDS = (
    b"NaN", b"-1", b"1e999", b"null", b"[" * 3000, b"9" * 5000, b'"\\ud800"', b"{}", b"../x", b"\x80\x02",
)  # fmt: skip


def mutated(data: bytes, rng: random.Random) -> bytes:
    """One to three random changes: bits, bytes, numbers, words, parts left out, repeated or cut off."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(found) or 1)
        length = rng.choice((1, 2, 4, 8, 30, 100))
        kind = rng.randrange(9)
        if kind <= 1 and found:
            found[at] ^= 1 << rng.randrange(8)
        elif kind == 2 and found:
            found[at] = rng.randrange(256)
        elif kind == 3:
            found[at : at + 4] = struct.pack("<L", rng.choice(_NUMBERS) % 2**32)
        elif kind == 4:
            found[at : at + 8] = struct.pack("<Q", rng.choice(_NUMBERS))
        elif kind == 5:
            found[at : at + rng.choice((0, length))] = rng.choice(_WORDS)
        elif kind == 6:
            del found[at : at + length]
        elif kind == 7:
            to = rng.randrange(len(found) or 1)
            found[to:to] = found[at : at + length]
        else:
            del found[at:]
    return bytes(found)


def run(count: int, seed: int, kinds: tuple[str, ...] = tuple(KINDS)) -> Report:
    """Reads ``count`` mutated files of each kind.

    Args:
        count: of each kind.
        seed: the same one gives the same files.
        kinds: keys of ``KINDS``.
    """
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        for name in kinds:
            kind, rng = KINDS[name], random.Random(f"{seed} {name}")
            healthy = kind.make(Path(folder))
            path = Path(folder) / kind.name
            for _ in range(count):
                data = kind.wrap(mutated(healthy, rng))
                path.write_bytes(data)
                report.tried[name] += 1
                if cause := _failure(path, data, kind, name, report):
                    report.failures.append((name, cause, data))
            path.unlink()
    return report


def _failure(path: Path, data: bytes, kind: Kind, name: str, report: Report) -> str:
    """What is wrong with how a file is read; empty if nothing is."""
    try:
        found = problem(path, data, kind)
    except FmqError:
        report.refused[name] += 1
        return ""
    except BaseException:  # noqa: BLE001  any other error is what is looked for
        return traceback.format_exc()
    if found is None:
        report.unchecked[name] += 1
    return found or ""


def problem(path: Path, data: bytes, kind: Kind) -> str | None:
    """What is wrong with the numbers that are read: empty if nothing is, None if nobody can tell.

    Raises:
        FmqError: the file is refused.
    """
    found = read_state(path)
    truth = kind.oracle(data)
    if truth is None:
        return None
    flat = {key: tensor for key, tensor in truth.items() if isinstance(tensor, torch.Tensor)}
    for key, tensor in found.items():
        if key in flat and not _same(tensor, flat[key]):
            return f"tensor {key!r} has other numbers"
    if kind.oracle in (_saved, _by_safetensors) and found.keys() != flat.keys():
        return f"tensors {sorted(found.keys() ^ flat.keys())} are not the same"
    return ""


def _same(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Bit for bit; of truth values the truth, since torch keeps a byte of 2 that means true."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    one, other = (
        tensor.detach().resolve_neg().resolve_conj().contiguous().reshape(-1).view(torch.uint8)
        if tensor.numel()
        else tensor.new_empty(0, dtype=torch.uint8)
        for tensor in (a, b)
    )
    if a.dtype == torch.bool:
        return torch.equal(one != 0, other != 0)
    return torch.equal(one, other)
