"""Finished tensors of an audit on disk: a line each, so that a run that was stopped goes on where it was."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from fmq_theory.checkpoint.audit_result import TensorAudit
from fmq_theory.checkpoint.shards import find_checkpoint, shard_paths
from fmq_theory.errors import CheckpointError, OutputError

__all__ = ["AuditStore", "audit_key", "file_state"]

_FORMAT = "fmq-audit-store-2"  # 1 had the errors of codes by value, and levels that were not rounded
_BEGINNING = '{"key": "'  # of every line


def file_state(path: Path) -> list[list[Any]]:
    """Name, size and time of change of each file of a checkpoint.

    Raises:
        CheckpointError: a file is gone.
    """
    found = find_checkpoint(path)
    try:
        states: list[list[Any]] = []
        for part in dict.fromkeys([found, *shard_paths(found)]):
            stat = part.stat()
            states.append([part.name, stat.st_size, stat.st_mtime_ns])
        return states
    except OSError as error:
        raise CheckpointError(f"checkpoint {str(path)!r}", str(error), "check the path") from error


def audit_key(files: list[list[Any]], config: Mapping[str, Any]) -> str:
    """Digest of all that a finished tensor depends on."""
    told = json.dumps([_FORMAT, files, dict(config)], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:32]


class AuditStore:
    """A file of JSON lines, each with the key of what it depends on; lines of other keys are left alone.

    A line counts only if it is whole: a kill in the middle of a write loses that tensor alone. Lines are only
    ever appended, so that a file is never in a worse state than before.

    Args:
        path: of the file; it need not exist.
        key: see ``audit_key``.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self._key = key
        self._found: dict[str, TensorAudit] = {}

    @classmethod
    def open(cls, path: Path, key: str) -> Self:
        """Reads what is there and makes sure that more can be written.

        Raises:
            OutputError: it cannot be read or written, or is a file of something else.
        """
        store = cls(path, key)
        try:
            text = path.read_bytes().decode("utf-8", "replace") if path.exists() else ""
            store._read(text)
            with path.open("ab") as file:
                if text and not text.endswith("\n"):
                    file.write(b"\n")  # ends the line that a kill cut off
        except OSError as error:
            raise OutputError(f"finished tensors {path}", str(error), "choose another place") from error
        return store

    def _read(self, text: str) -> None:
        lines = text.splitlines()
        if lines and not (lines[0].startswith(_BEGINNING) or _BEGINNING.startswith(lines[0])):
            raise OutputError(
                f"finished tensors {self.path}", "it is a file of something else", "name another file"
            )
        for line in lines:
            try:
                record: dict[str, Any] = json.loads(line)
                if record["key"] == self._key:
                    tensor = TensorAudit.from_json(record["tensor"])
                    self._found[tensor.name] = tensor
            except (ValueError, KeyError, TypeError, RecursionError):
                continue  # what a kill cut off

    def get(self, name: str) -> TensorAudit | None:
        """A finished tensor."""
        return self._found.get(name)

    def put(self, tensor: TensorAudit) -> None:
        """Keeps a tensor: it is on the disk when this returns.

        Raises:
            OutputError: the disk refused.
        """
        line = json.dumps({"key": self._key, "tensor": asdict(tensor)}, allow_nan=False) + "\n"
        try:
            with self.path.open("ab") as file:
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(
                f"finished tensors {self.path}", str(error), "free some space and go on with --resume"
            ) from error
        self._found[tensor.name] = tensor
