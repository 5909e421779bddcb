"""Where a checkpoint is written: a file, or a folder with a model and its config."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fmq_theory.checkpoint.work_folder import sync_folder
from fmq_theory.errors import OutputError

__all__ = ["OutputPlace"]

_SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True)
class OutputPlace:
    """A file if the name ends in ``.safetensors``, else a folder.

    Attributes:
        path: as the user named it.
        model_name: of the file inside a folder.
    """

    path: Path
    model_name: str = "model.safetensors"

    @property
    def is_folder(self) -> bool:
        """Whether a config goes with the model."""
        return self.path.suffix != _SUFFIX

    @property
    def file(self) -> Path:
        """Of the tensors."""
        return self.path / self.model_name if self.is_folder else self.path

    def check(self, *, overwrite: bool) -> None:
        """Finds out before the work begins whether it can be written at its end.

        Raises:
            OutputError: it exists and may not be replaced, or its folder is missing or not writable.
        """
        thing, parent = f"output {self.path}", self.path.absolute().parent
        if self.is_folder:
            if self.path.exists() and not self.path.is_dir():
                raise OutputError(thing, "it is a file", f"name a folder, or a file that ends in {_SUFFIX}")
            full = self.path.is_dir() and any(self.path.iterdir())
            if full and not overwrite:
                raise OutputError(thing, "the folder is not empty", "pass --force to write into it")
        elif self.path.is_dir():
            raise OutputError(thing, "it is a folder", "name a file inside it")
        elif self.path.exists() and not overwrite:
            raise OutputError(thing, "it exists already", "pass --force to replace it")
        if not parent.is_dir():
            raise OutputError(thing, "its folder does not exist", f"create {parent} first")
        if not os.access(parent, os.W_OK):
            raise OutputError(thing, "its folder is not writable", "choose another folder")

    def take(self, model: Path, folder: Path, config: Mapping[str, Any]) -> None:
        """Renames a finished model into place, with the config beside it if it is a folder.

        A folder that does not exist appears with both files in it. In one that exists the model comes first:
        it holds its quantization_config itself.

        Args:
            model: the finished file, on the same file system.
            folder: a name for a folder there that nobody uses.
            config: of ``config.json``.

        Raises:
            OSError: the disk refused.
        """
        if not self.is_folder:
            model.replace(self.path)
            sync_folder(self.path.absolute().parent)
            return
        folder.mkdir()
        text = folder / "config.json"
        with text.open("w", encoding="utf-8") as file:
            file.write(json.dumps(config, indent=2, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        model.replace(folder / self.model_name)
        if not self.path.exists() or not any(self.path.iterdir()):
            folder.replace(self.path)
        else:
            (folder / self.model_name).replace(self.file)
            text.replace(self.path / "config.json")
        sync_folder(self.path.absolute().parent)
