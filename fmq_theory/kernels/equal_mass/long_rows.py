"""Cells of equal count of many numbers, without a sort: ranks, codes and exact means from their bits.

One pass counts the numbers by their highest bits and, in the same 64-bit word, adds up the bits that
follow. The numbers of a bin share sign and exponent, so these whole-numbered sums give the bin's sum without
rounding. Only the few bins that hold a border of two cells are looked into: a second pass writes the
codes from a table of bins and lists the places of the numbers in those; they alone are sorted.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.equal_mass.border_bins import (
    BORDER,
    COLUMNS,
    FIRST_CUT,
    LAST_CUT,
    RANK,
    RUN,
    mean_levels,
    sort_borders,
)
from fmq_theory.kernels.equal_mass.rank_cells import equal_cuts
from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.runtime.threads import run_blocks
from fmq_theory.kernels.sorting.float_keys import BitArray, bits_of
from fmq_theory.kernels.sums.double_double import dd_add, two_product

__all__ = ["equal_mass_long"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]
CodeArray = NDArray[np.uint8]

# Highest bits that choose a bin; more of them where numbers times levels are many, in a float32 and in a
# float64. The more bins, the fewer numbers share one with a border, but bins cost time too.
BIN_BITS = 16
MORE_BIN_BITS = {4: 18, 8: 19}
MANY = {4: 1 << 28, 8: 1 << 25}
# The bits after those are summed in the low part of a word, the count in the rest of it.
SUMMED_BITS = 16
COUNT_SHIFT = 40
MOST_AT_ONCE = (1 << (64 - COUNT_SHIFT)) - 1
# One on each side of a border.
MOST_BORDER_BINS = 512
# Numbers that mostly show both signs.
FIRST = 64
# Above this share of numbers in border bins a branch is cheaper than to list all and keep some.
DENSE = 0.25
# Numbers are multiplied with this first where their sum would overflow.
SMALL = 2.0**-200


class FilledBins(NamedTuple):
    """What the bins hold, each named by the highest bits of its numbers.

    Attributes:
        counts: its numbers, shape ``[bins]``.
        coarse: sums of the bits after the bin's, times 2**(bits after those); shape ``[bins]``.
        fine: sums of the bits after those, ``[bins]`` or empty.
        origin: bits of the first number of the first bin.
        shift: bits below the bin's.
        negatives: bins of negative numbers, which come last.
    """

    counts: IndexArray
    coarse: IndexArray
    fine: IndexArray
    origin: np.uint64
    shift: int
    negatives: int


class Units(NamedTuple):
    """How bits become numbers to be summed.

    Attributes:
        unit: what numbers are multiplied with.
        word: workspace for the bits of a number, shape ``[1]``.
        number: a view of ``word`` as a number.
    """

    unit: float
    word: BitArray
    number: NDArray[np.floating]


class Plan(NamedTuple):
    """What becomes of each bin.

    Attributes:
        table: code of the bin's cell, or BORDER + its place among the border bins, nothing for an empty bin;
            shape ``[bins]``.
        borders: of each border bin its rank and cuts, shape ``[MOST_BORDER_BINS, COLUMNS]``.
        bins: of each border bin its name, that of -0.0 for both zeros; shape ``[MOST_BORDER_BINS]``.
        sums: double-double sums of the other bins of each cell, shape ``[K, 2]``.
    """

    table: NDArray[np.uint16]
    borders: IndexArray
    bins: IndexArray
    sums: FloatArray


def equal_mass_long(
    values: NDArray[np.floating], num_levels: int, threads: int, codes: CodeArray, unit: float = 1.0
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Codes; levels ``[K']`` and the numbers left and right of each border ``[K' - 1]``.

    The same for any number of threads: each takes a range of the numbers, and their sums are whole numbers.

    Args:
        values: finite float32 or float64, C-contiguous, shape ``[n]``, 1 <= n < 2**32.
        num_levels: 1 <= K <= 256; K' = min(K, n).
        threads: at most so many.
        codes: shape ``[n]``, written.
        unit: what the numbers are multiplied with before they are summed.
    """
    size = values.size
    cuts = equal_cuts(size, min(num_levels, size))
    bits = bits_of(values)
    many = size * num_levels >= MANY[values.itemsize]
    bin_bits = MORE_BIN_BITS[values.itemsize] if many else BIN_BITS
    origin, shift, negatives = _window(bits, bin_bits)
    parts = max(1, min(threads, size))
    edges = [size * part // parts for part in range(parts + 1)]

    counts = np.zeros((parts, 1 << bin_bits), dtype=np.int64)
    coarse = np.zeros_like(counts)
    fine = np.zeros((parts, counts.shape[1] if shift > SUMMED_BITS else 0), dtype=np.int64)

    def count(part: int, _: int) -> None:
        _count_and_sum(
            bits[edges[part] : edges[part + 1]], origin, shift, counts[part], coarse[part], fine[part]
        )

    run_blocks(count, parts, parts)
    word = np.zeros(1, dtype=bits.dtype)  # its view as a number turns bits into a number
    units = np.array([unit])
    filled = FilledBins(counts.sum(0), coarse.sum(0), fine.sum(0), origin, shift, negatives)
    plan = Plan(
        np.empty(counts.shape[1], dtype=np.uint16),
        np.zeros((MOST_BORDER_BINS, COLUMNS), dtype=np.int64),
        np.empty(MOST_BORDER_BINS, dtype=np.int64),
        np.zeros((cuts.size - 1, 2)),
    )
    num_borders = _plan(filled, cuts, Units(unit, word, word.view(values.dtype)), plan)
    table, sums = plan.table, plan.sums[np.newaxis]
    borders, bins = plan.borders[:num_borders], plan.bins[:num_borders]

    # Numbers of each border bin in each part; the bins of -0.0 and +0.0 are one.
    sizes = counts[:, bins]
    if 0 < negatives < counts.shape[1]:
        sizes[:, bins == negatives] += counts[:, :1]
    nexts = (np.cumsum(sizes.T.ravel()) - sizes.T.ravel()).reshape(-1, parts)
    places = np.empty(int(sizes.sum()), dtype=np.uint32)
    starts = np.append(nexts[:, 0], places.size)

    def encode(part: int, _: int) -> None:
        first, last = edges[part], edges[part + 1]
        listed = int(sizes[part].sum())
        ahead = nexts[:, part].copy()
        if listed > DENSE * (last - first):
            _encode_many(bits, first, last, origin, shift, table, codes, places, ahead)
        else:
            _encode_few(bits, first, last, origin, shift, table, codes, places, ahead, listed)

    run_blocks(encode, parts, parts)
    left, right = np.empty((2, 1, cuts.size - 2))
    runs = np.empty((2 * MOST_BORDER_BINS, 2))

    def sort(first: int, last: int) -> None:
        sort_borders(
            values,
            cuts,
            borders[first:last],
            starts[first : last + 1],
            places,
            units,
            codes,
            runs,
            left,
            right,
        )

    run_blocks(sort, num_borders, parts)
    levels = mean_levels(sums, borders, runs, units, np.diff(cuts), left, right)
    if unit == 1.0 and not np.isfinite(levels).all():
        # Only cells whose sums overflowed: in the others, small numbers would lose digits.
        scaled = equal_mass_long(values, num_levels, threads, codes, SMALL)[0]
        levels = np.where(np.isfinite(levels), levels, scaled)
    return levels[0], left[0], right[0]


def _window(bits: BitArray, bin_bits: int) -> tuple[np.uint64, int, int]:
    """Where the bins begin, how many bits are below a bin's, and how many bins hold negative numbers.

    The highest bits choose the bin, or those that differ among numbers of one sign.
    """
    width = 8 * bits.itemsize
    everything = np.uint64(0), width - bin_bits, 1 << (bin_bits - 1)
    if np.ptp(bits[:FIRST] >> (width - 1)) > 0:
        return everything
    low, high = int(bits.min()), int(bits.max())
    if low >> (width - 1) != high >> (width - 1):
        return everything
    # One bin more than the range may be touched, and a bin has two numbers at least.
    shift = max(1, (high - low).bit_length() + 1 - bin_bits)
    return np.uint64(low >> shift << shift), shift, (1 << bin_bits) * (low >> (width - 1))


@kernel
def _count_and_sum(
    bits: BitArray, origin: np.uint64, shift: int, counts: IndexArray, coarse: IndexArray, fine: IndexArray
) -> None:
    """For each bin: its numbers, and the sums of their SUMMED_BITS bits after the bin's and of the rest.

    ``fine`` is empty if there is no rest.
    """
    bin_shift = np.uint64(shift)
    rest = np.uint64(max(0, shift - SUMMED_BITS))
    low_mask = (np.uint64(1) << bin_shift) - np.uint64(1)
    rest_mask = (np.uint64(1) << rest) - np.uint64(1)
    one = np.uint64(1) << np.uint64(COUNT_SHIFT)
    packed = np.zeros(counts.size, dtype=np.uint64)
    for first in range(0, bits.size, MOST_AT_ONCE):
        chunk = bits[first : first + MOST_AT_ONCE]
        if fine.size == 0:
            for i in range(chunk.size):
                pattern = np.uint64(chunk[i]) - origin
                packed[pattern >> bin_shift] += one | (pattern & low_mask)
        else:
            for i in range(chunk.size):
                pattern = np.uint64(chunk[i]) - origin
                chosen = pattern >> bin_shift
                packed[chosen] += one | ((pattern & low_mask) >> rest)
                fine[chosen] += np.int64(pattern & rest_mask)
        for k in range(packed.size):
            counts[k] += np.int64(packed[k] >> np.uint64(COUNT_SHIFT))
            coarse[k] += np.int64(packed[k] & (one - np.uint64(1)))
            packed[k] = 0


@kernel
def _plan(filled: FilledBins, cuts: IndexArray, units: Units, plan: Plan) -> int:
    """Walks the bins in the order of their numbers.

    A bin inside a cell gets the cell's code and adds to its sum. A bin with a cut c, rank <= c <= rank +
    numbers, holds a border or the number beside one: it gets BORDER + its place in ``borders``.

    Args:
        filled: what the bins hold.
        cuts: ranks between which the cells lie, shape ``[K + 1]``.
        units: of the sums.
        plan: written; its sums are added to.

    Returns:
        how many border bins there are.
    """
    counts, coarse, fine, origin, shift, negatives = filled
    unit, word, number = units
    table, borders, bins, sums = plan
    zeros = negatives - 1 if 0 < negatives < counts.size else counts.size
    coarse_unit = 2.0 ** max(0, shift - SUMMED_BITS)
    cut = 1
    rank = 0
    num_borders = num_runs = 0
    for k in range(counts.size):
        # Negative numbers by falling magnitude, the last of them with -0.0; then +0.0, in the same bin.
        chosen = counts.size - 1 - k if k < negatives else k - negatives
        size = counts[chosen]
        if k == zeros:
            size += counts[0]
        if size == 0 or k == zeros + 1:
            continue
        while cut < cuts.size - 1 and cuts[cut] < rank:
            cut += 1
        last = cut
        while last < cuts.size - 1 and cuts[last] <= rank + size:
            last += 1
        entry = cut - 1
        if last > cut:
            entry = BORDER + num_borders
            border = borders[num_borders]
            border[RANK], border[FIRST_CUT], border[LAST_CUT], border[RUN] = rank, cut, last, num_runs
            bins[num_borders] = chosen
            num_borders += 1
            num_runs += last - cut + 1
        table[chosen] = entry
        if k == zeros:
            table[0] = entry
        rank += size
    for chosen in range(counts.size):
        if counts[chosen] == 0 or table[chosen] >= BORDER:
            continue
        # Its numbers are base + step * (the bits below the bin's).
        word[0] = (np.uint64(chosen) << np.uint64(shift)) + origin
        base = unit * np.float64(number[0])
        word[0] = np.uint64(word[0]) + np.uint64(1)
        step = unit * np.float64(number[0]) - base
        total = sums[table[chosen]]
        high, low = two_product(np.float64(counts[chosen]), base)
        high, low = dd_add(high, low, total[0], total[1])
        high, low = dd_add(high, low, step * coarse_unit * np.float64(coarse[chosen]), 0.0)
        if fine.size > 0:
            # More than 53 bits, so in two parts.
            part = fine[chosen] >> 32
            rest = fine[chosen] - (part << 32)
            high, low = dd_add(high, low, step * 2.0**32 * np.float64(part), step * np.float64(rest))
        total[0], total[1] = high, low
    return num_borders


@kernel
def _encode_many(
    bits: BitArray,
    first: int,
    last: int,
    origin: np.uint64,
    shift: int,
    table: NDArray[np.uint16],
    codes: CodeArray,
    places: NDArray[np.uint32],
    nexts: IndexArray,
) -> None:
    """Codes by the table; the places of border bin b are listed from places[nexts[b]] on."""
    for i in range(first, last):
        entry = table[(np.uint64(bits[i]) - origin) >> np.uint64(shift)]
        codes[i] = entry
        if entry >= BORDER:
            b = entry - BORDER
            places[nexts[b]] = i
            nexts[b] += 1


@kernel
def _encode_few(
    bits: BitArray,
    first: int,
    last: int,
    origin: np.uint64,
    shift: int,
    table: NDArray[np.uint16],
    codes: CodeArray,
    places: NDArray[np.uint32],
    nexts: IndexArray,
    num_listed: int,
) -> None:
    """The same without a branch, in two steps; ``num_listed`` numbers are in border bins."""
    listed = np.empty(num_listed + 1, dtype=np.uint32)
    count = np.uint64(0)
    for i in range(first, last):
        entry = table[(np.uint64(bits[i]) - origin) >> np.uint64(shift)]
        codes[i] = entry
        listed[count] = i
        count += np.uint64(entry >= BORDER)
    for j in range(num_listed):
        b = table[(np.uint64(bits[listed[j]]) - origin) >> np.uint64(shift)] - BORDER
        places[nexts[b]] = listed[j]
        nexts[b] += 1
