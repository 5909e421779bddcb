"""Checkpoints of each kind that is read: healthy bytes, and who else can tell what a damaged one holds."""

import io
import pickle
import pickletools
import struct
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors

from tests.corpus import containers, zips

__all__ = ["KINDS", "Kind"]

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: of the file.
        make: the healthy bytes, the same in every process; what lies beside the file is written into the
            folder.
        oracle: what a damaged file holds; None where nothing can be said, or nobody else reads it.
        exact: whether the names must be those of the oracle as well.
        wrap: what is made of damaged bytes before they are written.
    """

    name: str
    make: Callable[[Path], bytes]
    oracle: Callable[[bytes], State | None]
    exact: bool
    wrap: Callable[[bytes], bytes] = bytes


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
    return _with_counted_keys(zips.saved(content, _use_new_zipfile_serialization=False))


class _Storages(pickle.Unpickler):
    """Reads which storages a pickle names, and makes nothing of them."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self.sizes: dict[str, int] = {}

    def find_class(self, _module: str, name: str) -> Any:
        if not name.endswith("Storage"):
            return lambda *_: {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch finds its own storages outdated
            return getattr(torch, name).dtype.itemsize

    def persistent_load(self, pid: tuple[str, int, str, str, int, None]) -> None:
        self.sizes[pid[2]] = pid[1] * pid[4]


def _word(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def _with_counted_keys(data: bytes) -> bytes:
    """The same file with storages called 0, 1, …: torch calls them by addresses, other ones in each run."""
    stream = io.BytesIO(data)
    for _ in range(3):
        pickle.load(stream)  # magic number, version, system
    begin = stream.tell()
    for _ in pickletools.genops(stream):
        end = stream.tell()
    head, body = data[:begin], data[begin:end]
    storages = _Storages(io.BytesIO(body))
    storages.load()
    content: dict[str, bytes] = {}
    for key in pickle.load(stream):
        content[key] = stream.read(8 + storages.sizes[key])
    for number, key in enumerate(storages.sizes):
        body = body.replace(_word(key), _word(str(number)))
    keys = [str(number) for number in range(len(content))]
    return head + body + pickle.dumps(keys, 2) + b"".join(content[key] for key in storages.sizes)


def _with_pickle(pickle: bytes) -> bytes:
    return zips.repacked(_SAVED, change=lambda n, c: pickle if n.endswith("data.pkl") else c)


KINDS = {
    ".pt": Kind("m.pt", lambda _: _SAVED, _saved, True),
    "compressed .pt": Kind("m.pt", lambda _: zips.repacked(_SAVED, zipfile.ZIP_DEFLATED), _saved, True),
    "pickle of a .pt": Kind("m.pt", lambda _: _pickle_of(_SAVED), _by_torch, False, _with_pickle),
    "older .pt": Kind("m.pt", lambda _: _older(), _by_torch, False),
    ".safetensors": Kind("m.safetensors", lambda _: containers.safetensors(), _by_safetensors, True),
    "shard index": Kind("m.safetensors.index.json", containers.index, lambda _: containers.state(), False),
}
