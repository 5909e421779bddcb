"""Finished tensors of an audit on disk: a line each, so that a run that was stopped goes on where it was."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from fmq_theory.checkpoint.audit.result import TensorAudit
from fmq_theory.errors import OutputError, argument
from fmq_theory.storage.lines import append_line, digest_of, records_of, sealed_line

__all__ = ["AuditStore", "audit_key"]

# 1 had the errors of codes by value, and levels that were not rounded; 2 took files of one name, size and
# time of change for the same.
_FORMAT = "fmq-audit-store-3"
_BEGINNING = '{"key": "'  # of every line


def audit_key(config: Mapping[str, Any]) -> str:
    """Digest of all that a finished tensor depends on beside its own numbers."""
    return digest_of([_FORMAT, dict(config)])


class AuditStore:
    """A file of JSON lines, each with the key of what it depends on; lines of other keys are left alone.

    A line counts only if it is whole and its checksum fits: a kill in the middle of a write loses that tensor
    alone, and a line that was damaged or edited is measured again. A tensor is taken only for weights of the
    same digest, whatever file they are in. Lines are only ever appended, so that a file is never in a worse
    state than before.

    Args:
        path: of the file; it need not exist.
        key: see ``audit_key``.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self._key = key
        self._found: dict[tuple[str, str], TensorAudit] = {}
        self._names: set[str] = set()

    @classmethod
    def open(cls, path: Path, key: str) -> Self:
        """Reads what is there and makes sure that more can be written.

        Raises:
            OutputError: it cannot be read or written, or is a file of something else.
        """
        store = cls(path, key)
        try:
            if path.exists() and not path.is_file():
                raise _something_else(path)
            store._read(path.read_bytes().decode("utf-8", "replace") if path.exists() else "")
            append_line(path, "")
        except OSError as error:
            raise OutputError(f"finished tensors {path}", str(error), "choose another place") from error
        return store

    def _read(self, text: str) -> None:
        lines = text.split("\n")
        if text and not (lines[0].startswith(_BEGINNING) or (lines[0] and _BEGINNING.startswith(lines[0]))):
            raise _something_else(self.path)
        for record in records_of(lines, self._key):
            try:
                self._keep(TensorAudit.from_json(record["tensor"]), str(record["weights"]))
            except (ValueError, KeyError, TypeError):
                continue

    def has(self, name: str) -> bool:
        """Whether there is a finished tensor of that name, of whatever weights."""
        return name in self._names

    def get(self, name: str, weights: str) -> TensorAudit | None:
        """A finished tensor.

        Args:
            name: of the tensor.
            weights: see ``weights_digest``.
        """
        return self._found.get((name, weights))

    def put(self, tensor: TensorAudit, weights: str) -> None:
        """Keeps a tensor: it is on the disk when this returns.

        Args:
            tensor: what was measured.
            weights: see ``weights_digest``; of the very numbers that were measured.

        Raises:
            OutputError: the disk refused.
        """
        line = sealed_line(self._key, {"weights": weights, "tensor": asdict(tensor)})
        try:
            append_line(self.path, line)
        except OSError as error:
            raise OutputError(
                f"finished tensors {self.path}",
                str(error),
                ("free some space and go on with ", argument("resume", self.path)),
            ) from error
        self._keep(tensor, weights)

    def _keep(self, tensor: TensorAudit, weights: str) -> None:
        self._found[tensor.name, weights] = tensor
        self._names.add(tensor.name)


def _something_else(path: Path) -> OutputError:
    return OutputError(f"finished tensors {path}", "it is a file of something else", "name another file")
