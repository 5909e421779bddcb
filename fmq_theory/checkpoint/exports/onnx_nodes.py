"""A quantized tensor as nodes of ONNX: codes that look up tables, with operators that every runtime has.

    levels = Gather(table, Cast(codes)), or GatherElements(tables, Cast(codes)) where each row has its table
    weight = Transpose(Reshape(Cast(levels * scales)))

where a step that changes nothing is left out. Codes of 1 and 2 bits are stored as UINT2, of 3 and 4 bits as
UINT4, and of more bits as UINT8.
"""

from typing import Any

from numpy.typing import NDArray

from fmq_theory.checkpoint.exports.lookup import Lookup, fields
from fmq_theory.checkpoint.io.number_types import bytes_of, safetensors_type
from fmq_theory.checkpoint.io.optional_packages import optional_package

__all__ = ["TYPES", "Nodes", "field_bits", "needed_opset", "onnx_package", "raw_tensor"]

TYPES = {
    "F32": 1, "U8": 2, "I8": 3, "U16": 4, "I16": 5, "I32": 6, "I64": 7, "BOOL": 9, "F16": 10, "F64": 11,
    "U32": 12, "U64": 13, "C64": 14, "BF16": 16, "F8_E4M3": 17, "F8_E4M3FNUZ": 18, "F8_E5M2": 19,
    "F8_E5M2FNUZ": 20,
}  # fmt: skip
"""Numbers of TensorProto.DataType, by what safetensors calls the type."""
_FIELDS = {2: 25, 4: 21, 8: 2}  # the same of unsigned fields, by their bits
_OPSETS = {2: 25, 4: 21, 8: 13}  # the first operators that take them


def onnx_package() -> Any:
    """The package onnx.

    Raises:
        CheckpointError: it is not installed.
    """
    return optional_package("onnx", "onnx", "ONNX files", "writes them")


def field_bits(bits: int) -> int:
    """Bits of the field in which a code is stored.

    Args:
        bits: of a code, 1 to 8.
    """
    return next(field for field in (2, 4, 8) if bits <= field)


def needed_opset(bits: int) -> int:
    """The first version of ONNX's operators that takes such codes.

    Args:
        bits: of a code, 1 to 8.
    """
    return _OPSETS[field_bits(bits)]


class Nodes:
    """Nodes and initializers, as they are added tensor by tensor.

    Args:
        onnx: the package.
        taken: names that a graph has already.

    Attributes:
        nodes: in the order in which they can run.
        initializers: what they read.
    """

    def __init__(self, onnx: Any, taken: set[str] | None = None) -> None:
        self._onnx = onnx
        self._taken = set(taken or ())
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Adds a node; returns ``output``.

        Args:
            operator: its type.
            inputs: names of what it reads.
            output: the name of what it gives.
            attributes: of the node.
        """
        self.nodes.append(self._onnx.helper.make_node(operator, inputs, [output], **attributes))
        return output

    def store(self, tensor: Any) -> str:
        """Adds an initializer; returns its name.

        Args:
            tensor: a TensorProto.
        """
        self.initializers.append(tensor)
        return str(tensor.name)

    def name(self, wish: str) -> str:
        """A name that nothing in the graph has.

        Args:
            wish: the name if it is free.
        """
        name, count = wish, 1
        while name in self._taken:
            count += 1
            name = f"{wish}.{count}"
        self._taken.add(name)
        return name

    def look_up(
        self, name: str, found: Lookup, output: str, dtype: str, order: tuple[int, ...] | None = None
    ) -> int:
        """Adds what rebuilds a tensor; returns the bytes that are stored of it.

        Args:
            name: of the tensor, with which the names of its parts begin.
            found: its codes, tables and scales.
            output: the name of the result.
            dtype: of the result, as safetensors calls it.
            order: of the axes of the tensor in the result; None for their own.
        """
        rank = len(found.shape)
        wanted = tuple(found.permutation[axis] for axis in order or range(rank))
        rows = found.scales is None and found.one_table and found.codes.shape[0] == 1
        shape = found.moved_shape if rows else found.codes.shape
        field = field_bits(found.bits)
        codes = raw_tensor(
            self._onnx,
            self.name(f"{name}/codes"),
            _FIELDS[field],
            shape,
            found.codes.reshape(-1) if field == 8 else fields(found.codes, field),
        )
        table = found.table[0] if found.one_table else found.table
        tables = self._torch(f"{name}/table", table)
        size = len(codes.raw_data) + bytes_of(table).size
        last = self.add("Cast", [self.store(codes)], self.name(f"{name}/indices"), to=_INT32)
        gather = "Gather" if found.one_table else "GatherElements"
        last = self.add(gather, [tables, last], self.name(f"{name}/levels"), axis=0 if found.one_table else 1)
        held = safetensors_type(name, table.dtype)
        if found.scales is not None:
            scales = self._torch(f"{name}/scales", found.scales)
            size += bytes_of(found.scales).size
            scales = self._cast(name, scales, safetensors_type(name, found.scales.dtype), "F32")
            last = self.add("Mul", [last, scales], self.name(f"{name}/scaled"))
            last = self._cast(name, last, held, found.dtype)
            held = found.dtype
        last = self._cast(name, last, held, dtype)
        if not rows:
            shape = self.store(
                self._onnx.helper.make_tensor(
                    self.name(f"{name}/shape"), TYPES["I64"], [rank], list(found.moved_shape)
                )
            )
            last = self.add("Reshape", [last, shape], self.name(f"{name}/reshaped"))
        if wanted != tuple(range(rank)):
            last = self.add("Transpose", [last], self.name(f"{name}/transposed"), perm=list(wanted))
        # The last node gives the result itself.
        self.nodes[-1].output[0] = output
        return size

    def _torch(self, wish: str, tensor: Any) -> str:
        kind = TYPES[safetensors_type(wish, tensor.dtype)]
        return self.store(
            raw_tensor(self._onnx, self.name(wish), kind, tuple(tensor.shape), bytes_of(tensor))
        )

    def _cast(self, name: str, last: str, held: str, wanted: str) -> str:
        if held == wanted:
            return last
        return self.add("Cast", [last], self.name(f"{name}/{wanted.lower()}"), to=TYPES[wanted])


_INT32 = TYPES["I32"]


def raw_tensor(onnx: Any, name: str, kind: int, shape: tuple[int, ...], data: NDArray[Any]) -> Any:
    """A TensorProto of these bytes.

    Args:
        onnx: the package.
        name: of the tensor.
        kind: of its numbers, as TensorProto.DataType counts them.
        shape: in numbers.
        data: the bytes, little-endian.
    """
    tensor = onnx.TensorProto(name=name, data_type=kind, raw_data=data.tobytes())
    tensor.dims.extend(shape)
    return tensor
