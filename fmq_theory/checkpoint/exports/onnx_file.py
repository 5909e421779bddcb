"""ONNX files of the tensors alone, for a checkpoint has no graph.

The model has no inputs, and an output for each tensor under its name: of a quantized one the numbers that its
codes stand for, to the bit. Numbers of bfloat16 come out as float32 and those of eight bits as float16, which
hold them exactly and which numpy knows.
"""

from pathlib import Path
from typing import Any

from fmq_theory.checkpoint.exports.lookup import lookup_of
from fmq_theory.checkpoint.exports.onnx_nodes import TYPES, Nodes, needed_opset, onnx_package, raw_tensor
from fmq_theory.checkpoint.exports.repacked import Held, Repacked, quantized_file
from fmq_theory.checkpoint.io.inputs import checkpoint_files
from fmq_theory.checkpoint.io.number_types import bytes_of, safetensors_type
from fmq_theory.checkpoint.io.packed.file import QuantizedFile
from fmq_theory.errors import CheckpointError, OutputError
from fmq_theory.storage import check_output, reading
from fmq_theory.storage.outputs import write_atomically

__all__ = ["check_suffix", "export_onnx", "finish", "ir_version"]

_OUTPUTS = {"BF16": "F32", "F8_E4M3": "F16", "F8_E5M2": "F16", "F8_E4M3FNUZ": "F16", "F8_E5M2FNUZ": "F16"}
_LEAST_OPSET = 21
_MOST_BYTES = 2**31 - 2**20  # protobuf holds less than 2 GiB; some of it are names
_IR_VERSIONS = {21: 10, 25: 13}  # the first versions of the format with types of 4 and 2 bits


def export_onnx(path_in: Path | str, path_out: Path | str, *, overwrite: bool = False) -> Repacked:
    """Writes a quantized checkpoint as an ONNX model without inputs, with an output for each tensor.

    Args:
        path_in: a file of ``fmq quantize``, or its folder.
        path_out: a file that ends in ``.onnx``.
        overwrite: replace a file that exists.

    Raises:
        CheckpointError: the input is no quantized checkpoint, is damaged, or takes more than one ONNX file
            holds; a tensor is of a type that ONNX lacks; the package onnx is missing.
        OutputError: the file exists, or cannot be written.
    """
    place = check_suffix(path_out)
    onnx = onnx_package()
    with reading(*checkpoint_files(Path(path_in))), quantized_file(path_in, "ONNX") as file:
        check_output(place, overwrite=overwrite)
        nodes = Nodes(onnx, set(file.names))
        outputs: list[Any] = []
        held: dict[str, Held] = {}
        opset = _LEAST_OPSET
        for name in file.names:
            dtype = safetensors_type(name, file.dtype(name))
            if dtype not in TYPES:
                raise CheckpointError(
                    f"tensor {name!r}",
                    f"its numbers are of type {dtype}, which ONNX lacks",
                    f"convert it to one of {', '.join(TYPES)}",
                )
            told = _OUTPUTS.get(dtype, dtype)
            if name in file.quantized:
                found = lookup_of(file.packed(name))
                held[name] = Held(found.codes.size, nodes.look_up(name, found, name, told))
                opset = max(opset, needed_opset(found.bits))
            else:
                _plain(onnx, nodes, file, name, dtype, told)
            outputs.append(onnx.helper.make_tensor_value_info(name, TYPES[told], list(file.shape(name))))
        graph = onnx.helper.make_graph(nodes.nodes, "weights", [], outputs, nodes.initializers)
        model = onnx.helper.make_model(
            graph,
            opset_imports=[onnx.helper.make_opsetid("", opset)],
            ir_version=ir_version(opset),
            producer_name="fmq_theory",
        )
        size = finish(onnx, model, place)
        return Repacked(place, size, file.path.stat().st_size, held)


def check_suffix(path: Path | str) -> Path:
    """The output as a path.

    Args:
        path: as the user named it.

    Raises:
        OutputError: it does not end in .onnx.
    """
    if Path(path).suffix.lower() != ".onnx":
        raise OutputError(f"output {path}", "ONNX is one file", "name a file that ends in .onnx")
    return Path(path)


def ir_version(opset: int) -> int:
    """The version of the format that goes with one of the operators.

    Args:
        opset: the version of the operators.
    """
    return max(version for first, version in _IR_VERSIONS.items() if first <= max(opset, _LEAST_OPSET))


def finish(onnx: Any, model: Any, place: Path) -> int:
    """Checks a model and writes it; returns its size.

    Args:
        onnx: the package.
        model: a ModelProto.
        place: of the file.

    Raises:
        CheckpointError: it takes more than one file holds.
        OutputError: the disk refused.
    """
    if (size := model.ByteSize()) > _MOST_BYTES:
        raise CheckpointError(
            f"output {str(place)!r}",
            f"it would have {size:,} bytes, and an ONNX file holds less than 2 GiB",
            "quantize to fewer bits, or export parts of the model",
        )
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString()
    write_atomically(place, lambda temporary: temporary.write_bytes(data))
    return len(data)


def _plain(onnx: Any, nodes: Nodes, file: QuantizedFile, name: str, dtype: str, told: str) -> None:
    """A tensor that is not quantized, or equals another one."""
    if name in file.ties:
        first = file.ties[name]
        axes = file.tied_axes(name, len(file.shape(first)))
        if axes != sorted(axes):
            nodes.add("Transpose", [first], name, perm=axes)
        else:
            nodes.add("Identity", [first], name)
        return
    numbers = file.dequantize(name)
    stored = nodes.store(
        raw_tensor(onnx, nodes.name(f"{name}/kept"), TYPES[dtype], tuple(numbers.shape), bytes_of(numbers))
    )
    if told == dtype:
        nodes.add("Identity", [stored], name)
    else:
        nodes.add("Cast", [stored], name, to=TYPES[told])
