"""Distortion and index entropy of many codebooks, a sorted row each."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from fmq_theory.brief import brief_repr
from fmq_theory.kernels.squared_error import scaled_cell_errors
from fmq_theory.sources.sorted_rows import SortedRows

__all__ = ["RowDistortion", "row_distortion"]

FloatArray = NDArray[np.float64]


class RowDistortion(NamedTuple):
    """What codebooks do to rows; shape ``[R]`` each.

    Attributes:
        squared_error: sum of (x - Q(x))**2; inf where it exceeds float64, and zero only where it is.
        entropy: H of the codes, in bits a weight.
    """

    squared_error: FloatArray
    entropy: FloatArray

    __repr__ = brief_repr


def row_distortion(levels: FloatArray, ends: NDArray[np.int64], rows: SortedRows) -> RowDistortion:
    """Exactly, by partial moments of each cell about its own level; see ``distortion``.

    Args:
        levels: of each row's codebook, shape ``[R, K]``.
        ends: the rank of the first weight of each cell, then the end, as ``Scheme.cells_of_rows`` gives
            them; shape ``[R, K + 1]``.
        rows: the weights in order, shape ``[R, C]``.
    """
    errors = scaled_cell_errors(rows.points, rows.blocks, levels, ends, rows.threads)
    entropy = special.entr(np.diff(ends, axis=1) / rows.shape[1]).sum(axis=1) / math.log(2.0)
    return RowDistortion(errors.as_floats(), entropy)
