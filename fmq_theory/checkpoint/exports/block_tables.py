"""Codes in the shape of a tensor, and a table for each block of it: the form of Core ML and of torchao.

    weight[i] = tables[i // block, code[i]]

along every axis: a table has as many axes as the tensor, and then its levels.
"""

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from fmq_theory.checkpoint.exports.lookup import Lookup
from fmq_theory.errors import CheckpointError

__all__ = ["block_tables"]


def block_tables(
    name: str, found: Lookup, widths: tuple[int, ...], tool: str
) -> tuple[NDArray[np.uint8], torch.Tensor, int]:
    """The codes in the tensor's shape, tables ``[blocks along each axis, 2**bits, 1]``, and their bits.

    Args:
        name: of the tensor, for errors.
        found: the tensor.
        widths: bits that a code may have there, rising; the first that suffices is taken.
        tool: the name of the format, for errors.

    Raises:
        CheckpointError: it has scales, or groups that are no blocks.
    """
    layout, thing, shape, table = found.layout, f"tensor {name!r}", found.shape, found.table
    if found.scales is not None:
        raise CheckpointError(
            thing, f"it has scales, which {tool} has not beside tables", "quantize it as lloyd_max a channel"
        )
    bits = next(width for width in widths if width >= found.bits)
    # Levels behind the last one are not used.
    more = table[:, -1:].expand(-1, 2**bits - table.shape[1])
    blocks = [1] * len(shape)
    if layout.granularity == "channel":
        axis = cast(int, layout.axis)
        blocks[axis] = shape[axis]
    elif layout.granularity == "group":
        size = cast(int, layout.group_size)
        if layout.axis not in (0, None) or shape[-1] % size:
            raise CheckpointError(
                thing,
                f"its groups of {size} weights are no blocks of rows of {shape[-1]}",
                "choose a size of groups that divides its last axis, or tables a channel",
            )
        blocks = [*shape[:-1], shape[-1] // size]
    tables = torch.cat([table, more], dim=1).reshape(*blocks, 2**bits, 1)
    return np.ascontiguousarray(layout.restore(found.codes)), tables, bits
