"""OpenVINO's intermediate representation of the tensors alone, for a checkpoint has no graph.

    levels = Gather(table, Convert(codes)), along the second axis of tables where each row has its own
    weight = Transpose(Reshape(Convert(levels * scales)))

which is the form of codebooks that nncf writes. The model has no inputs, and an output for each tensor under
its name. Codes of 1 and 2 bits are of type u2, of 3 and 4 bits u4, of more bits u8. Numbers of bfloat16 come
out as float32 and those of eight bits as float16, which hold them exactly.
"""

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from fmq_theory.checkpoint.exports.lookup import Lookup, fields, lookup_of
from fmq_theory.checkpoint.exports.private_folder import private_folder
from fmq_theory.checkpoint.exports.repacked import Held, Repacked, quantized_file
from fmq_theory.checkpoint.io.inputs import checkpoint_files
from fmq_theory.checkpoint.io.number_types import torch_type
from fmq_theory.checkpoint.io.optional_packages import optional_package
from fmq_theory.checkpoint.io.packed.file import QuantizedFile
from fmq_theory.errors import CheckpointError, OutputError
from fmq_theory.storage import check_outputs, move_into_place, reading

__all__ = ["export_openvino"]

# What holds the numbers of types that numpy lacks; a type that OpenVINO does not hold is in neither.
_WIDER = {torch.bfloat16: torch.float32, torch.float8_e4m3fn: torch.float16, torch.float8_e5m2: torch.float16}
_OWN = (
    torch.float64, torch.float32, torch.float16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint64, torch.uint32, torch.uint16, torch.uint8, torch.bool,
)  # fmt: skip
_ROUNDED = {torch.float64: "f64", torch.float32: "f32", torch.float16: "f16"}  # what products are rounded to


def export_openvino(path_in: Path | str, path_out: Path | str, *, overwrite: bool = False) -> Repacked:
    """Writes a quantized checkpoint as an OpenVINO model without inputs, with an output for each tensor.

    Args:
        path_in: a file of ``fmq quantize``, or its folder.
        path_out: a file that ends in ``.xml``; the numbers go beside it, into one that ends in ``.bin``.
        overwrite: replace files that exist.

    Raises:
        CheckpointError: the input is no quantized checkpoint, or is damaged; a tensor is of a type that
            OpenVINO lacks, or its scales would be rounded in another way; the package is missing.
        OutputError: a file exists, or cannot be written.
    """
    place = Path(path_out)
    if place.suffix.lower() != ".xml":
        raise OutputError(
            f"output {path_out}",
            "OpenVINO keeps a graph in an .xml file, and its numbers in a .bin file beside it",
            "name a file that ends in .xml",
        )
    numbers = place.with_suffix(".bin")
    openvino, operators = _package()
    with reading(*checkpoint_files(Path(path_in))), quantized_file(path_in, "OpenVINO") as file:
        check_outputs([place, numbers], overwrite=overwrite)
        graph = _Graph(openvino, operators)
        held: dict[str, Held] = {}
        for name in file.names:
            if name in file.quantized:
                found = lookup_of(file.packed(name))
                graph.nodes[name], size = graph.look_up(name, found)
                held[name] = Held(found.codes.size, size)
            elif name in file.ties:
                graph.nodes[name] = graph.tied(name, file)
            else:
                graph.nodes[name] = graph.constant(_plain(name, file.dequantize(name)))
        model = graph.model()
        with private_folder(place) as folder:
            # OpenVINO would round what it stores to float16.
            openvino.save_model(model, str(folder / place.name), compress_to_fp16=False)
            written = folder / place.name
            size = written.stat().st_size + written.with_suffix(".bin").stat().st_size
            move_into_place(written.with_suffix(".bin"), numbers)
            move_into_place(written, place)
        return Repacked(place, size, file.path.stat().st_size, held)


def _package() -> tuple[Any, Any]:
    asked = "openvino", "OpenVINO files", "writes them"
    return optional_package("openvino", *asked), optional_package("openvino.opset13", *asked)


def _plain(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """The tensor in a type that OpenVINO and numpy hold."""
    tensor = tensor.to(_WIDER.get(tensor.dtype, tensor.dtype))
    if tensor.dtype not in _OWN:
        raise CheckpointError(
            f"tensor {name!r}",
            f"its numbers are of type {str(tensor.dtype).removeprefix('torch.')}, which OpenVINO lacks",
            "take it out of the checkpoint, or convert it to float32",
        )
    return tensor


class _Graph:
    """The nodes that give the tensors."""

    def __init__(self, openvino: Any, operators: Any) -> None:
        self._openvino = openvino
        self._operators = operators
        self._fields = {2: openvino.Type.u2, 4: openvino.Type.u4, 8: openvino.Type.u8}
        self.nodes: dict[str, Any] = {}

    def constant(self, tensor: torch.Tensor) -> Any:
        return self._operators.constant(cast("Any", tensor.contiguous()).numpy())

    def _whole(self, numbers: int | list[int]) -> Any:
        return self._operators.constant(np.array(numbers, np.int64))

    def tied(self, name: str, file: QuantizedFile) -> Any:
        """A tensor that equals another one; an operation of its own, as an output has one name."""
        axes = file.tied_axes(name, len(file.shape(file.ties[name])))
        order = self._whole(axes)
        return self._operators.transpose(self.nodes[file.ties[name]], order)

    def look_up(self, name: str, found: Lookup) -> tuple[Any, int]:
        """What gives a quantized tensor, and the bytes that are stored of it."""
        make, table, rounded = self._operators, found.table, torch_type(found.dtype)
        field = next(bits for bits in self._fields if found.bits <= bits)
        data = fields(found.codes, field)
        shape = self._openvino.Shape(list(found.codes.shape))
        codes = make.constant(self._openvino.Tensor(data, shape, self._fields[field]), shared_memory=False)
        if found.scales is None:
            table = _plain(name, table)
        elif rounded not in _ROUNDED:
            raise CheckpointError(
                f"tensor {name!r}",
                f"it has scales, and OpenVINO does not round their products to {found.dtype}",
                "quantize it with a scheme without scales, as lloyd_max a channel, or from float16 weights",
            )
        shared = table[0] if found.one_table else table
        size = data.nbytes + shared.nbytes
        indices, axis = make.convert(codes, "i32"), self._whole(0 if found.one_table else 1)
        last = make.gather(self.constant(shared), indices, axis, batch_dims=0 if found.one_table else 1)
        if found.scales is not None:
            scales = _plain(name, found.scales)
            size += scales.nbytes
            factors = self.constant(scales)
            factors = factors if scales.dtype == torch.float32 else make.convert(factors, "f32")
            last = make.multiply(last, factors)
            if rounded != torch.float32:
                last = make.convert(last, _ROUNDED[rounded])
        last = make.reshape(last, self._whole(list(found.moved_shape)), special_zero=False)
        if found.permutation != tuple(range(len(found.shape))):
            last = make.transpose(last, self._whole(list(found.permutation)))
        return last, size

    def model(self) -> Any:
        """All of them as outputs under their names."""
        results: list[Any] = []
        for name, node in self.nodes.items():
            node.output(0).get_tensor().set_names({name})
            results.append(self._operators.result(node))
        return self._openvino.Model(results, [], "weights")
