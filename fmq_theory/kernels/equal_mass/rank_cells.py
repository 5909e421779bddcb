"""Cells of consecutive ranks: where they are cut, and which rank a number among ties has."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.sorting.float_keys import BitArray

__all__ = ["encode_ranked", "equal_cuts"]


def equal_cuts(size: int, num_cells: int) -> NDArray[np.int64]:
    """First rank of each cell and the end, shape ``[K + 1]``.

    A cell has size // K ranks, each of the first size % K one more, as numpy.array_split cuts.
    """
    index = np.arange(num_cells + 1, dtype=np.int64)
    return index * (size // num_cells) + np.minimum(index, size % num_cells)


@kernel
def encode_ranked(
    keys: BitArray,
    ranked: BitArray,
    ranks: NDArray[np.int64],
    first_code: int,
    places: NDArray[np.uint32],
    codes: NDArray[np.uint8],
    value: BitArray,
    next_rank: NDArray[np.int64],
    next_cut: NDArray[np.int64],
) -> None:
    """The number of cuts at or below each key's stable rank, added to ``first_code``.

    Equal keys have consecutive ranks, in the order in which they stand.

    Args:
        keys: in the order of their places, shape ``[m]``.
        ranked: the same keys sorted.
        ranks: the cuts, non-decreasing, each in [0, m]; shape ``[q]``.
        first_code: of the keys below all cuts.
        places: where the code of each key goes, shape ``[m]``.
        codes: written.
        value: workspace of the keys' type, at least ``[q]``.
        next_rank: workspace, at least ``[q]``.
        next_cut: workspace, at least ``[q]``.
    """
    size = keys.size
    # Cuts at either end divide nothing.
    first, last = 0, ranks.size
    while first < last and ranks[first] <= 0:
        first += 1
    while last > first and ranks[last - 1] >= size:
        last -= 1
    first_code += first
    inner = ranks[first:last]
    if ranked[0] == ranked[size - 1]:
        cut = 0
        for i in range(size):
            while cut < inner.size and inner[cut] <= i:
                cut += 1
            codes[places[i]] = first_code + cut
        return
    tied = False
    for j in range(inner.size):
        value[j] = ranked[inner[j]]
        low, high = 0, inner[j]
        while low < high:
            middle = (low + high) // 2
            if ranked[middle] < value[j]:
                low = middle + 1
            else:
                high = middle
        # Of a key equal to value[j]: the next rank, and the first cut above the last; at the first such cut.
        next_rank[j], next_cut[j] = low, j
        tied = tied or low < inner[j]
    for i in range(size):
        key = keys[i]
        low, high = 0, inner.size
        while low < high:
            middle = (low + high) // 2
            if value[middle] < key or (value[middle] == key and not tied):
                low = middle + 1
            else:
                high = middle
        if tied and low < inner.size and value[low] == key:
            cut = next_cut[low]
            while cut < inner.size and inner[cut] <= next_rank[low]:
                cut += 1
            next_rank[low] += 1
            next_cut[low] = cut
            low = cut
        codes[places[i]] = first_code + low
