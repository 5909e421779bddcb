"""Finished tensors on disk while a quantized checkpoint is written, so that a run that was stopped can go on.

The folder lies beside the output and is named after it. Each tensor is a file whose name is a digest of its
numbers and of how they were to be quantized: what is found under that name is the result, whatever the
checkpoint was called and whatever else the plan says. The file holds that digest as well, under a seal with
all the rest, so that one which was damaged, or took the place of another, is not taken for it.
"""

import hashlib
import json
import os
import re
import zlib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fmq_theory.checkpoint.io.container import Spec, open_container, write_container
from fmq_theory.checkpoint.io.packed.index import CODEBOOK, CODES, SCALES
from fmq_theory.checkpoint.io.packed.table import PackedRow
from fmq_theory.errors import CheckpointError, OutputError, argument
from fmq_theory.storage import OwnFolder, Place

__all__ = ["WORK_NAME", "FinishedTensor", "WorkFolder", "digest"]

Bytes = NDArray[np.uint8]

# Of a work folder inside of the folder that is written.
WORK_NAME = ".fmq-work"
_KEY = re.compile("[0-9a-f]{32}")
_OWN = re.compile(r"[0-9a-f]{32}\.(safetensors|tmp)|(model|folder|codes)\.tmp")
_INSIDE = re.compile(r"config\.json|(model|diffusion_pytorch_model)\.safetensors")  # of folder.tmp


def _can_lie_beside(folder: Path) -> bool:
    """Whether files beside a folder can be moved into it."""
    parent = folder.parent
    return os.access(parent, os.W_OK | os.X_OK) and folder.stat().st_dev == parent.stat().st_dev


def digest(data: Bytes, recipe: Mapping[str, Any]) -> str:
    """Of a tensor's bytes and of JSON values."""
    found = hashlib.blake2b(json.dumps(recipe, sort_keys=True).encode(), digest_size=16)
    found.update(cast("Any", data))
    return found.hexdigest()


def _seal(key: str, config: str, specs: Mapping[str, Spec], arrays: Mapping[str, Bytes]) -> str:
    """Digest of a part: its key, what is said of it, and the name, type, shape and bytes of each array."""
    found = hashlib.blake2b(digest_size=16)
    named = [[name, specs[name].dtype, list(specs[name].shape)] for name in sorted(specs)]
    found.update(json.dumps([key, config, named]).encode())
    for name in sorted(specs):
        found.update(cast("Any", np.ascontiguousarray(arrays[name])))
    return found.hexdigest()


class FinishedTensor:
    """A finished tensor on disk, and its row of the table.

    Args:
        path: of its file.
        key: whose result it must be.

    Raises:
        CheckpointError: there is none, it is damaged, or it is that of another key.
    """

    def __init__(self, path: Path, key: str) -> None:
        container = open_container(path)
        self.path = path
        self.specs = dict(container.specs)
        metadata = container.metadata
        arrays = {name: container.bytes_of(name) for name in self.specs}
        text = metadata.get("config", "")
        if metadata.get("seal") != _seal(key, text, self.specs, arrays):
            raise CheckpointError(f"part {path}", "it is damaged or another's", "start again")
        crc32 = 0
        for end in (CODEBOOK, SCALES, CODES):
            if end in arrays:
                crc32 = zlib.crc32(cast("Any", arrays[end]), crc32)
        self.row = PackedRow(
            json.loads(text), self.specs[CODEBOOK], self.specs.get(SCALES), self.specs[CODES], crc32
        )

    def bytes_of(self, key: str) -> Bytes:
        """The bytes of one of its arrays; the checksum in ``row`` tells whether they stayed the same."""
        return open_container(self.path).bytes_of(key)


class WorkFolder:
    """The folder of one output.

    Args:
        output: the file or folder that is to be written. The folder lies beside it, or in it where that is a
            folder on another disk than the one it is in, or the one it is in is closed to us; beside a device
            or a pipe nothing can lie, and the current folder takes it.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        place = Place.of(output)
        if place.is_folder and not _can_lie_beside(place.final):
            self.path = place.final / WORK_NAME
        else:
            beside = Path.cwd() if place.is_stream else place.final.parent
            self.path = beside / f".{place.final.name}{WORK_NAME}"
        self._folder = OwnFolder(self.path, f"output {output}", _OWN, _INSIDE)
        self._made: set[str] = set()

    @contextmanager
    def opened(self, *, resume: bool) -> Generator[None]:
        """Makes the folder, empty unless ``resume``; afterwards removes it, or keeps what an error left.

        Raises:
            OutputError: the disk refused; the folder is someone else's, or another run has it.
        """
        with self._reported(), self._folder.locked():
            self._clear(keep_parts=resume)
            finished = False
            try:
                yield
                finished = True
            finally:
                self._clear(keep_parts=True)
                if finished or not len(self):
                    self._folder.remove()

    def _clear(self, *, keep_parts: bool) -> None:
        parts = set(self._parts()) if keep_parts else set[str]()
        self._folder.clear(name for name in self._folder.names() if name not in parts)

    def _parts(self) -> list[str]:
        return [name for name in self._folder.names() if _KEY.fullmatch(name.removesuffix(".safetensors"))]

    def __len__(self) -> int:
        """How many tensors are finished."""
        return len(self._parts())

    def forget(self) -> None:
        """Removes the finished tensors: the file that they went into is about to get its name."""
        self._folder.clear(self._parts())

    def get(self, key: str) -> FinishedTensor | None:
        """A finished tensor; None if there is none, or if it is damaged or another's."""
        if not self._folder.is_file(f"{key}.safetensors"):
            return None
        try:
            return FinishedTensor(self.path / f"{key}.safetensors", key)
        except CheckpointError:
            return None

    def is_from_before(self, key: str) -> bool:
        """Whether a finished tensor is not of this run."""
        return key not in self._made

    def put(
        self, key: str, arrays: Mapping[str, tuple[str, tuple[int, ...], Bytes]], config: Any
    ) -> FinishedTensor:
        """Keeps a tensor: type, shape and bytes of each of its arrays, and what else there is to know.

        Raises:
            OSError: the disk refused.
        """
        specs = {name: Spec(name, dtype, shape) for name, (dtype, shape, _) in arrays.items()}
        text = json.dumps(config)
        seal = _seal(key, text, specs, {name: data for name, (_, _, data) in arrays.items()})
        path = self.path / f"{key}.safetensors"
        temporary = self.path / f"{key}.tmp"
        write_container(
            temporary,
            list(specs.values()),
            {"config": text, "seal": seal},
            lambda name: [arrays[name][2]],
            sync=False,  # its seal tells whether it arrived
        )
        temporary.replace(path)
        self._made.add(key)
        return FinishedTensor(path, key)

    def temporary(self, name: str) -> Path:
        """A name in the folder that the next run clears away: "model", "folder" or "codes"."""
        return self.path / f"{name}.tmp"

    @contextmanager
    def _reported(self) -> Generator[None]:
        """Errors of the disk as one that says what to do."""
        try:
            yield
        except OSError as error:
            kept = len(self)
            going_on = (f"; {kept} finished tensors are kept for ", argument("resume", True)) if kept else ()
            raise OutputError(
                f"output {self.output}",
                error.strerror or str(error),
                ("free some space or choose another place", *going_on),
            ) from error
