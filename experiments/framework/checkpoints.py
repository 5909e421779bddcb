"""Which checkpoints the experiments run on: the bundled one, and those of a folder beside the repository."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fmq_theory.flow.digits import DIGITS_FILE

__all__ = ["BUNDLED", "FOLDER_VARIABLE", "StoredModel", "folder", "missing_note", "stored_models"]

FOLDER_VARIABLE = "FMQ_CHECKPOINTS"
BUNDLED = "digits"
_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "checkpoints"
_SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt")


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A file of weights: its short name, its place, and the start of the SHA-256 of its bytes."""

    name: str
    path: Path
    digest: str

    @classmethod
    def of(cls, name: str, path: Path) -> "StoredModel":
        """Reads the file once, for its digest."""
        return cls(name, path, hashlib.sha256(path.read_bytes()).hexdigest()[:12])


def folder() -> Path:
    """``FMQ_CHECKPOINTS``, else ``../shared/checkpoints`` beside the repository; it need not exist."""
    return Path(os.environ.get(FOLDER_VARIABLE, _BESIDE))


def stored_models(*, only_bundled: bool = False) -> Sequence[StoredModel]:
    """The bundled digits, then every file of weights in ``folder``, by name."""
    found = [StoredModel.of(BUNDLED, Path(str(DIGITS_FILE)))]
    if not only_bundled and folder().is_dir():
        files = sorted(path for path in folder().iterdir() if path.suffix in _SUFFIXES)
        found += [StoredModel.of(path.stem, path) for path in files]
    return found


def missing_note() -> str:
    """Why there is the bundled model only; empty where there are others."""
    if folder().is_dir():
        return ""
    return f"all checkpoints but the bundled one: no folder {folder()}; name one by {FOLDER_VARIABLE}"
