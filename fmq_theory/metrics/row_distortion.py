"""Distortion and index entropy of many codebooks, a sorted row each."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from fmq_theory.codebook import Codebooks
from fmq_theory.kernels.row_codebooks import squared_errors
from fmq_theory.kernels.threads import run_blocks
from fmq_theory.sources.sorted_rows import SortedRows

__all__ = ["RowDistortion", "row_distortion"]

FloatArray = NDArray[np.float64]


class RowDistortion(NamedTuple):
    """What codebooks do to the rows they were made for; shape ``[R]`` each.

    Attributes:
        squared_error: sum of (x - Q(x))**2.
        entropy: H of the codes, in bits a weight.
    """

    squared_error: FloatArray
    entropy: FloatArray


def row_distortion(books: Codebooks, rows: SortedRows) -> RowDistortion:
    """Exactly, by partial moments of each cell about its own level; see ``distortion``."""
    num_rows, size = rows.shape
    counts = np.empty(books.levels.shape)
    parts = run_blocks(
        lambda a, b: squared_errors(
            rows.points[a:b], rows.blocks[a:b], books.levels[a:b], books.thresholds[a:b], counts[a:b]
        ),
        num_rows,
        rows.threads,
    )
    entropy = special.entr(counts / size).sum(axis=1) / math.log(2.0)
    return RowDistortion(np.concatenate(parts), entropy)
