"""Distortion and index entropy of all codebooks of a tensor, a sorted row each."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmq_theory.brief import brief_repr
from fmq_theory.kernels.squared_error import mean_of, scaled_cell_errors
from fmq_theory.sources.sorted_rows import SortedRows

__all__ = ["MeanDistortion", "mean_distortion"]

FloatArray = NDArray[np.float64]


class MeanDistortion(NamedTuple):
    """What codebooks do to all weights of their rows.

    Attributes:
        mse: mean of (x - Q(x))**2; inf where it exceeds float64, and zero only where every weight is kept.
        entropy_bits: mean of H of the codes of each row: bits a weight under an ideal entropy coder of each
            codebook's codes.
    """

    mse: float
    entropy_bits: float

    __repr__ = brief_repr


def mean_distortion(levels: FloatArray, ends: NDArray[np.int64], rows: SortedRows) -> MeanDistortion:
    """Exactly, by partial moments of each cell about its own level; see ``distortion``.

    Args:
        levels: of each row's codebook, shape ``[R, K]``.
        ends: the rank of the first weight of each cell, then the end, as ``Scheme.cells_of_rows`` gives
            them; shape ``[R, K + 1]``.
        rows: the weights in order, shape ``[R, C]``.

    Examples:
        >>> import numpy as np
        >>> from fmq_theory import metrics, quantizers
        >>> weights = np.random.default_rng(0).laplace(size=(8, 4096))
        >>> (cell,) = quantizers.design_grid(weights, ["lloyd_max"], [4])
        >>> found = metrics.mean_distortion(cell.levels, cell.ends, cell.rows)
        >>> round(found.mse, 4), round(quantizers.quantize(weights, "lloyd_max", 4).mse, 4)
        (0.0281, 0.0281)
    """
    errors = scaled_cell_errors(rows.points, rows.blocks, levels, ends, rows.threads)
    num_rows, size = rows.shape
    counts = np.diff(ends, axis=1)
    shares = counts[counts > 0] / size
    return MeanDistortion(
        mse=mean_of(errors.total(), num_rows * size),
        entropy_bits=-float(np.sum(shares * np.log2(shares))) / num_rows,
    )
