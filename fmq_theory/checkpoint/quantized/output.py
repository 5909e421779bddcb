"""Where a checkpoint is written: a file, or a folder with a model and its config."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fmq_theory.checkpoint.quantized.work_folder import WORK_NAME
from fmq_theory.errors import OutputError, argument
from fmq_theory.storage import Place, check_output, move_into_place, write_text_atomically
from fmq_theory.storage.outputs import check_parent, sync_folder

__all__ = ["OutputPlace"]

_SUFFIX = ".safetensors"
_CONFIG = "config.json"
# Files of other kinds: who names one does not mean a folder.
_OTHER_SUFFIXES = frozenset(
    (
        ".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle", ".npz", ".npy", ".gguf", ".ggml", ".onnx", ".h5",
        ".hdf5", ".msgpack", ".pb", ".tflite", ".json", ".csv", ".html", ".zip", ".tar", ".gz", ".zst", ".xz",
        ".txt", ".safetensor",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class OutputPlace:
    """A file if the name ends in ``.safetensors`` or is that of a device or pipe, else a folder.

    Attributes:
        path: as the user named it.
        model_name: of the file inside a folder.
    """

    path: Path
    model_name: str = "model.safetensors"

    @property
    def is_folder(self) -> bool:
        """Whether a config goes with the model."""
        return self.path.suffix.lower() != _SUFFIX and not Place.of(self.path).is_stream

    @property
    def file(self) -> Path:
        """Of the tensors."""
        return self.path / self.model_name if self.is_folder else self.path

    @property
    def files(self) -> tuple[Path, ...]:
        """All that is written."""
        return (self.file, self.path / _CONFIG) if self.is_folder else (self.path,)

    def check(self, *, overwrite: bool) -> None:
        """Finds out before the work begins whether it can be written at its end.

        Raises:
            OutputError: it is a file that is read; it exists and may not be replaced; its name is that of
                another kind of file, or too long; its folder is missing or not writable.
        """
        if not self.is_folder:
            check_output(self.path, overwrite=overwrite)
            return
        thing, place = f"output {self.path}", Place.of(self.path)
        if place.status is not None and not place.is_folder:
            raise OutputError(thing, "it is a file", f"name a folder, or a file that ends in {_SUFFIX}")
        if place.status is None and self.path.suffix.lower() in _OTHER_SUFFIXES:
            raise OutputError(
                thing,
                f"it ends in {self.path.suffix}, and what is written is a {_SUFFIX} file",
                f"name a file that ends in {_SUFFIX}, or a folder",
            )
        place.check_name()
        if place.status is None:
            check_parent(place)
            return
        if not os.access(place.final, os.W_OK | os.X_OK):
            raise OutputError(thing, "the folder is not writable", "choose another folder")
        for file in self.files:
            check_output(file, overwrite=True)  # never one that is read
        if not overwrite and any(entry.name != WORK_NAME for entry in place.final.iterdir()):
            raise OutputError(
                thing, "the folder is not empty", ("pass ", argument("overwrite", True), " to write into it")
            )

    def take(self, model: Path, folder: Path, config: Mapping[str, Any]) -> None:
        """Renames a finished model into place, with the config beside it if it is a folder.

        A folder that does not exist appears with both files in it. In one that exists the model comes first:
        it holds its quantization_config itself.

        Args:
            model: the finished file, on the same file system.
            folder: a name for a folder there that nobody uses.
            config: of ``config.json``.

        Raises:
            OutputError: the place became something else meanwhile.
            OSError: the disk refused.
        """
        if not self.is_folder:
            move_into_place(model, self.path)
            return
        text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
        place = Place.of(self.path)
        if place.status is None:
            folder.mkdir()
            write_text_atomically(folder / _CONFIG, text)
            move_into_place(model, folder / self.model_name)
            folder.replace(place.final)
            sync_folder(place.final.parent)
        else:
            move_into_place(model, self.file)
            write_text_atomically(self.path / _CONFIG, text)
