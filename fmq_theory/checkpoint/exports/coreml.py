"""A package of Core ML with the tensors alone, for a checkpoint has no graph.

A quantized tensor is a ``constexpr_lut_to_dense`` of iOS 18 and macOS 15:

    weight[i] = lut[block of i, code[i]]

with a table for the tensor, for each channel, or for each group of weights of a row. Codes have 1, 2, 3, 4, 6
or 8 bits, packed; those of 5 and 7 take one more. Core ML has no scales beside floating-point tables, no
float64 and no bfloat16; the last, and eight bits, are held exactly in float32 and float16. Names become
identifiers, as Core ML asks, so the output of ``a.weight`` is ``a_weight``.
"""

import importlib
import io
import logging
import re
from collections.abc import Generator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from fmq_theory.checkpoint.exports.block_tables import block_tables
from fmq_theory.checkpoint.exports.lookup import Lookup, lookup_of
from fmq_theory.checkpoint.exports.private_folder import private_folder
from fmq_theory.checkpoint.exports.repacked import Held, Repacked, quantized_file
from fmq_theory.checkpoint.io.inputs import checkpoint_files
from fmq_theory.checkpoint.io.optional_packages import optional_package
from fmq_theory.checkpoint.io.packed.file import QuantizedFile
from fmq_theory.errors import CheckpointError, OutputError, argument
from fmq_theory.storage import Place, reading
from fmq_theory.storage.outputs import check_parent

__all__ = ["export_coreml"]

_BITS = (1, 2, 3, 4, 6, 8)
_MOST_AXES = 5
_MANIFEST = "Manifest.json"
_TYPES = {
    torch.float32: torch.float32, torch.float16: torch.float16, torch.bfloat16: torch.float32,
    torch.float8_e4m3fn: torch.float16, torch.float8_e5m2: torch.float16, torch.bool: torch.int32,
    torch.int8: torch.int32, torch.uint8: torch.int32, torch.int16: torch.int32, torch.int32: torch.int32,
    torch.int64: torch.int32,
}  # fmt: skip


def export_coreml(path_in: Path | str, path_out: Path | str, *, overwrite: bool = False) -> Repacked:
    """Writes a quantized checkpoint as a Core ML package with an output for each tensor.

    Core ML itself runs on Apple's systems only, where this is untested; the numbers of the package are read
    back by coremltools. The one input, ``unused``, is there because models have inputs.

    Args:
        path_in: a file of ``fmq quantize``, or its folder.
        path_out: a folder that ends in ``.mlpackage``.
        overwrite: replace a package that exists.

    Raises:
        CheckpointError: the input is no quantized checkpoint, or is damaged; a tensor has scales, groups or
            numbers that Core ML cannot hold, or two have one name there; coremltools is missing.
        OutputError: the package exists, or cannot be written.
    """
    place = _checked_place(Path(path_out), overwrite=overwrite)
    with (
        _quiet(),
        reading(*checkpoint_files(Path(path_in))),
        quantized_file(path_in, "Core ML") as file,
    ):
        _check_names(file)
        tools = _package()
        held: dict[str, Held] = {}
        program = _program(tools, file, held)
        model = tools.convert(
            program,
            convert_to="mlprogram",
            skip_model_load=True,
            minimum_deployment_target=tools.target.iOS18,
            compute_precision=tools.precision.FLOAT32,
            pass_pipeline=tools.PassPipeline.EMPTY,
        )
        with private_folder(place) as folder:
            model.save(str(folder / place.name))
            size = sum(part.stat().st_size for part in (folder / place.name).rglob("*") if part.is_file())
            if place.exists():
                place.replace(folder / "before")
            (folder / place.name).replace(place)
        return Repacked(place, size, file.path.stat().st_size, held)


def _checked_place(path: Path, *, overwrite: bool) -> Path:
    thing, place = f"output {path}", Place.of(path)
    if path.suffix.lower() != ".mlpackage":
        raise OutputError(
            thing, "Core ML keeps a model in a package", "name a folder that ends in .mlpackage"
        )
    place.check_name()
    check_parent(place)
    if place.status is not None and not (place.is_folder and (path / _MANIFEST).is_file()):
        raise OutputError(thing, "it exists and is no package of Core ML", "choose another name")
    if place.status is not None and not overwrite:
        raise OutputError(
            thing, "it exists already", ("pass ", argument("overwrite", True), " to replace it")
        )
    return place.final


def _package() -> Any:
    return optional_package("coremltools", "coreml", "Core ML packages", "writes them")


@contextmanager
def _quiet() -> Generator[None]:
    """Without the warnings of coremltools that it cannot run models here, and its bars of progress."""
    logger = logging.getLogger("coremltools")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


def _identifier(name: str) -> str:
    found = re.sub(r"\W", "_", name, flags=re.ASCII)
    return found if re.match(r"[A-Za-z_]", found) else f"_{found}"


def _check_names(file: QuantizedFile) -> None:
    known = {"unused": "the input"}
    for name in file.names:
        other = known.setdefault(_identifier(name), name)
        if other != name:
            raise CheckpointError(
                f"tensor {name!r}",
                f"Core ML would call it {_identifier(name)!r}, and so {other!r}",
                "rename one of them in the checkpoint",
            )


def _program(tools: Any, file: QuantizedFile, held: dict[str, Held]) -> Any:
    build = importlib.import_module("coremltools.converters.mil").Builder
    types = importlib.import_module("coremltools.converters.mil.mil").types
    codes_of = {
        bits: np.dtype(np.uint8) if bits == 8 else getattr(types, f"np_uint{bits}_dtype") for bits in _BITS
    }

    def tensors(unused: Any) -> Any:
        del unused
        found: list[Any] = []
        for name in file.names:
            if name in file.quantized:
                codes, tables, bits = _tables(name, lookup_of(file.packed(name)))
                held[name] = Held(codes.size, (codes.size * bits + 7) // 8 + tables.nbytes)
                value = build.constexpr_lut_to_dense(
                    indices=codes.astype(codes_of[bits]), lut=tables, name=f"{_identifier(name)}_codes"
                )
            else:
                value = _plain(name, file.dequantize(name))
            found.append(build.identity(x=value, name=_identifier(name)))
        return tuple(found)

    spec = [build.TensorSpec(shape=(1,))]
    return build.program(input_specs=spec, opset_version=tools.target.iOS18)(tensors)


def _tables(name: str, found: Lookup) -> tuple[NDArray[np.uint8], NDArray[Any], int]:
    """The codes in the shape of the tensor, a table for each block of it, and the bits of a code."""
    if len(found.shape) > _MOST_AXES:
        raise CheckpointError(
            f"tensor {name!r}",
            f"it has {len(found.shape)} axes, and Core ML holds at most {_MOST_AXES}",
            "reshape it",
        )
    codes, tables, bits = block_tables(name, found, _BITS, "Core ML")
    return codes, _plain(name, tables), bits


def _plain(name: str, tensor: torch.Tensor) -> NDArray[Any]:
    """The numbers in a type that Core ML holds; of one number without axes a row of one."""
    kind = _TYPES.get(tensor.dtype)
    held = None if kind is None else tensor.to(kind)
    if held is None or not bool((held.to(tensor.dtype) == tensor).logical_or(tensor != tensor).all()):
        raise CheckpointError(
            f"tensor {name!r}",
            f"Core ML does not hold its numbers of type {str(tensor.dtype).removeprefix('torch.')}",
            "convert it to float32, float16 or int32, or take it out of the checkpoint",
        )
    if 0 in held.shape:
        raise CheckpointError(f"tensor {name!r}", "it is empty, which Core ML cannot hold", "take it out")
    found = cast("NDArray[Any]", cast("Any", held.contiguous()).numpy())
    return found.reshape(1) if found.ndim == 0 else found
