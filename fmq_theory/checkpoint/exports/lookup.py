"""A quantized tensor as runtimes that look levels up in tables hold it: codes, tables, and scales.

    weight[r, c] = round(table[r, code[r, c]] * scale[r])

The rows are those of the file of ``fmq quantize``: a tensor, a channel, or a group of weights. The product is
one of float32, and rounded to the type of the weights; where there are no scales the tables hold the rounded
levels themselves. Either way every number is the one that the library rebuilds, to the bit.
"""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from fmq_theory.checkpoint.io.number_types import torch_type
from fmq_theory.checkpoint.io.packed.tensor import PackedTensor, Reals
from fmq_theory.counts import checked_threads
from fmq_theory.kernels.codes.packing import unpack_codes
from fmq_theory.quantizers.layout import Layout

__all__ = ["Lookup", "fields", "lookup_of"]

_ROUNDED = ("F64", "F32", "F16", "BF16")  # types into which a runtime rounds a product


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """Codes of rows, and what they stand for.

    Attributes:
        codes: one a byte, shape ``[R, C]``.
        bits: of a code.
        table: the levels, shape ``[1, 2**bits]`` or ``[R, 2**bits]``; of the weights' type, or float32 beside
            scales.
        scales: a factor for each row, in the type in which it is stored, shape ``[R, 1]``; None if none.
        layout: how the rows make the tensor.
        dtype: of the weights, as safetensors calls it.
    """

    codes: NDArray[np.uint8]
    bits: int
    table: torch.Tensor
    scales: torch.Tensor | None
    layout: Layout
    dtype: str

    @property
    def one_table(self) -> bool:
        """Whether all rows share one table."""
        return self.table.shape[0] == 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the tensor."""
        return self.layout.shape

    @property
    def moved_shape(self) -> tuple[int, ...]:
        """Of the tensor with the axis of its channels in front, in which its rows follow each other."""
        axis = self.layout.axis or 0
        return (*self.shape[axis : axis + 1], *self.shape[:axis], *self.shape[axis + 1 :])

    @property
    def permutation(self) -> tuple[int, ...]:
        """The order of the axes of ``moved_shape`` that gives ``shape``."""
        order = list(range(1, len(self.shape)))
        order.insert(self.layout.axis or 0, 0)
        return tuple(order[: len(self.shape)])


def lookup_of(packed: PackedTensor) -> Lookup:
    """The tensor as codes, tables and scales.

    Scales stay apart where their products are the numbers that the file stands for. Elsewhere, as where a
    product is clipped to the range of a small type, each row gets a table of its own.

    Args:
        packed: as ``QuantizedFile.packed`` gives it.
    """
    codes = unpack_codes(packed.codes, packed.bits, packed.columns, checked_threads(None))
    levels = packed.levels()
    table, scales = _scaled(packed, levels) if packed.scales is not None else (None, None)
    if table is None:
        table = _torch(levels).to(torch_type(packed.dtype))
    return Lookup(codes, packed.bits, table, scales, packed.layout, packed.dtype)


def _scaled(packed: PackedTensor, levels: Reals) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """A table and scales of which the products, in float32, are ``levels``."""
    scales = packed.scales
    if scales is None or levels.dtype != np.float32 or packed.dtype not in _ROUNDED:
        return None, None
    unscaled = packed.unscaled_levels()
    numbers = scales.numbers.detach().cpu()
    whole = np.float32(scales.unit) * unscaled  # a power of two, which moves from the scales to the levels
    for table, factors in (
        (whole.astype(np.float32), numbers[:, None]),
        (unscaled, _torch(scales.values())),
    ):
        products = table * cast("NDArray[np.float32]", cast("Any", factors.to(torch.float32)).numpy())
        if np.array_equal(products, levels):
            return _torch(table), factors
    return None, None


def _torch(array: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))  # pyright: ignore[reportUnknownMemberType]


def fields(codes: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Codes in fields of 2, 4 or 8 bits, the first ones in the low bits of a byte; the last byte is filled.

    Args:
        codes: of any shape, each below ``2**bits``.
        bits: of a field.

    Returns:
        shape ``[bytes]``.
    """
    each = 8 // bits
    flat = np.ascontiguousarray(codes).reshape(-1)
    whole = np.zeros(-(-flat.size // each) * each, np.uint8)
    whole[: flat.size] = flat
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    return np.bitwise_or.reduce(whole.reshape(-1, each) << shifts, axis=1)
