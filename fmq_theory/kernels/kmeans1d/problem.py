"""What is asked, what the searches work on, and what they answer."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Blocks", "Breakpoints", "Partition", "Row"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]


class Row(NamedTuple):
    """Sorted points with masses.

    Attributes:
        points: ties allowed; float32, or float64 of magnitudes that square without over- or underflow;
            shape ``[m]``.
        mass: positive, shape ``[m]``, or ``[0]`` where all are 1.
        blocks: their running sums, from ``block_prefix``.
    """

    points: NDArray[np.floating]
    mass: FloatArray
    blocks: FloatArray


class Breakpoints(NamedTuple):
    """Candidate breakpoints: places among the points of a row where cells may begin, the first 0, the last m.

    Attributes:
        places: how many points lie before each; ascending; they split no run of ties; shape ``[N]``.
        rows: running sums at the breakpoints, shape ``[N, 6]``; see ``sums/prefix.py``.
        edges: the last point before and the first point after each breakpoint (where there is none, the
            nearest), shape ``[N, 2]``.
    """

    places: IndexArray
    rows: FloatArray
    edges: FloatArray


class Blocks(NamedTuple):
    """What is known of the N - 1 blocks of points between breakpoints.

    Attributes:
        least: of the mean of a cell that ends inside each block, shape ``[N - 1]``.
        greatest: of the mean of a cell that begins inside each block, shape ``[N - 1]``.
        is_alive: whether a boundary of an optimal partition may lie inside, shape ``[N - 1]``.
    """

    least: FloatArray
    greatest: FloatArray
    is_alive: NDArray[np.bool_]


class Partition(NamedTuple):
    """A partition into K cells and what is known of it.

    Attributes:
        boundaries: from 0 to m, ``[K + 1]``; fewer where there are fewer distinct points than cells.
        cost: sum of squared errors about the cells' means.
        lower_bound: of the cost of every partition into as many cells.
    """

    boundaries: IndexArray
    cost: float
    lower_bound: float
