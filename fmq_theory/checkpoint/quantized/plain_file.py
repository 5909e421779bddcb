"""A quantized checkpoint as other tools want it: dequantized, or in a folder of theirs."""

from pathlib import Path
from typing import Any

from fmq_theory.checkpoint.io.container import Spec, write_container
from fmq_theory.checkpoint.io.inputs import checkpoint_files
from fmq_theory.checkpoint.io.number_types import bytes_of, safetensors_type
from fmq_theory.checkpoint.io.packed.file import QuantizedFile
from fmq_theory.checkpoint.io.packed.index import CONFIG
from fmq_theory.checkpoint.quantized.output import OutputPlace
from fmq_theory.checkpoint.quantized.work_folder import WorkFolder
from fmq_theory.errors import OutputError
from fmq_theory.storage import reading

__all__ = ["FORMATS", "dequantize_file", "export_folder"]

# What the file of the tensors is called in a folder of that kind.
FORMATS = {"diffusers": "diffusion_pytorch_model.safetensors", "transformers": "model.safetensors"}


def dequantize_file(path_in: Path | str, path_out: Path | str, *, overwrite: bool = False) -> int:
    """Writes every tensor in its own type, a tensor at a time; returns the size of the file.

    Tensors that are one in the quantized file become two, which the format demands.

    Raises:
        CheckpointError: see ``QuantizedFile``.
        OutputError: the output exists, is not a ``.safetensors`` file, or cannot be written.
    """
    place = OutputPlace(Path(path_out))
    if place.is_folder:
        raise OutputError(f"output {path_out}", "it does not end in .safetensors", "name such a file")
    with reading(*checkpoint_files(Path(path_in))), QuantizedFile(path_in) as file:
        place.check(overwrite=overwrite)
        specs = [
            Spec(name, safetensors_type(name, file.dtype(name)), file.shape(name)) for name in file.names
        ]
        work = WorkFolder(place.path)
        with work.opened(resume=False):
            temporary = work.temporary("model")
            size = write_container(
                temporary, specs, {"format": "pt"}, lambda name: [bytes_of(file.dequantize(name))]
            )
            place.take(temporary, work.temporary("folder"), {})
    return size


def export_folder(
    path_in: Path | str,
    path_out: Path | str,
    kind: str = "diffusers",
    base_config: dict[str, Any] | None = None,
    *,
    overwrite: bool = False,
) -> Path:
    """Copies a quantized checkpoint into a folder laid out as ``kind`` does; returns the file of the tensors.

    ``config.json`` says what ``base_config`` says of the model, and the ``quantization_config``.

    Args:
        path_in: see ``QuantizedFile``.
        path_out: the folder.
        kind: a key of ``FORMATS``.
        base_config: the original model's config.
        overwrite: replace files in a folder that exists.

    Raises:
        CheckpointError: see ``QuantizedFile``.
        OutputError: the folder exists, or cannot be written.
    """
    place = OutputPlace(Path(path_out), FORMATS[kind])
    if not place.is_folder:
        raise OutputError(f"output {path_out}", "it is the name of a file", "name a folder")
    with reading(*checkpoint_files(Path(path_in))), QuantizedFile(path_in) as file:
        place.check(overwrite=overwrite)
        file.verify()
        container = file.container
        work = WorkFolder(place.path)
        with work.opened(resume=False):
            temporary = work.temporary("model")
            write_container(
                temporary,
                list(container.specs.values()),
                container.metadata,
                lambda name: [container.bytes_of(name)],
            )
            config = dict(base_config or {}) | {CONFIG: file.config}
            place.take(temporary, work.temporary("folder"), config)
    return place.file
