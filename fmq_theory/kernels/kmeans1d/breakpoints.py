"""Breakpoints: the places among sorted points where cells may begin, and their running sums."""

import numpy as np
from numpy.typing import NDArray

from fmq_theory.kernels.kmeans1d.problem import Blocks, Breakpoints, Row
from fmq_theory.kernels.runtime.jit import kernel
from fmq_theory.kernels.sums.cells import cell_cost
from fmq_theory.kernels.sums.double_double import dd_add, dd_multiply, two_product, two_sum
from fmq_theory.kernels.sums.prefix import BLOCK
from fmq_theory.kernels.sums.ranks import just_above, rank

__all__ = [
    "breakpoints_at",
    "cut_blocks",
    "equal_cost_breakpoints",
    "last_within",
    "place_within",
    "places_apart",
    "rank_near",
    "root_sum",
    "tie_ends",
]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Points = NDArray[np.floating]


@kernel
def breakpoints_at(row: Row, index: IndexArray) -> Breakpoints:
    """Breakpoints at ascending places in [0, m], shape ``[N]``.

    Sums within a block of 64 start at zero and are compensated, then added to those before the block.
    """
    points, mass, blocks = row
    rows = np.empty((index.size, 6))
    edges = np.empty((index.size, 2))
    last = points.size - 1
    has_mass = mass.size > 0
    m = m_lo = f = f_lo = s = s_lo = 0.0
    block, done = -1, 0
    for j in range(index.size):
        stop = index[j]
        if stop // BLOCK != block:
            block = stop // BLOCK
            done = block * BLOCK
            m = m_lo = f = f_lo = s = s_lo = 0.0
        if has_mass:
            for i in range(done, stop):
                z = np.float64(points[i])
                m, error = two_sum(m, mass[i])
                m_lo += error
                product, lost = two_product(mass[i], z)
                f, error = two_sum(f, product)
                f_lo += error + lost
                product, lost = dd_multiply(product, lost, z, 0.0)
                s, error = two_sum(s, product)
                s_lo += error + lost
        else:
            m += np.float64(stop - done)
            for i in range(done, stop):
                z = np.float64(points[i])
                f, error = two_sum(f, z)
                f_lo += error
                product, lost = two_product(z, z)
                s, error = two_sum(s, product)
                s_lo += error + lost
        done = stop
        before = blocks[block]
        rows[j, 0], rows[j, 5] = dd_add(before[0], before[5], m, m_lo)
        rows[j, 1], rows[j, 2] = dd_add(before[1], before[2], f, f_lo)
        rows[j, 3], rows[j, 4] = dd_add(before[3], before[4], s, s_lo)
        edges[j, 0] = points[max(stop - 1, 0)]
        edges[j, 1] = points[min(stop, last)]
    return Breakpoints(index, rows, edges)


@kernel
def rank_near(points: Points, value: float, guess: int) -> int:
    """Number of points <= ``value``, searched for outwards from a guess in [0, m]."""
    # points[low - 1] <= value < points[high] at the end of each loop
    low = high = guess
    step = 1
    while low > 0 and points[low - 1] > value:
        high = low - 1
        low = max(0, low - step)
        step *= 2
    step = 1
    while high < points.size and points[high] <= value:
        low = high + 1
        high = min(points.size, high + step)
        step *= 2
    return rank(points, just_above(value), low, high)


@kernel
def end_of_ties(points: Points, place: int) -> int:
    """The first place not before ``place`` that splits no run of ties."""
    if place <= 0 or place >= points.size or points[place - 1] != points[place]:
        return place
    return rank_near(points, np.float64(points[place]), place + 1)


@kernel
def place_within(points: Points, stop: int, place: int) -> int:
    """A place before ``stop`` and near ``place`` that splits no run of ties."""
    after = end_of_ties(points, place)
    if after < stop:
        return after
    return rank_near(points, np.nextafter(np.float64(points[place]), -np.inf), place)


@kernel
def tie_ends(points: Points) -> IndexArray:
    """All places that split no run of ties, 0 and m included."""
    count = 2
    for i in range(1, points.size):
        count += points[i - 1] != points[i]
    ends = np.empty(count, dtype=np.int64)
    ends[0], ends[count - 1] = 0, points.size
    place = 0
    for i in range(1, points.size):
        if points[i - 1] != points[i]:
            place += 1
            ends[place] = i
    return ends


@kernel
def cut_blocks(
    points: Points, index: IndexArray, blocks: Blocks, is_kept: BoolArray, parts: NDArray[np.uint8]
) -> tuple[IndexArray, Blocks]:
    """Cuts blocks into parts; drops breakpoints that are not kept and border on none that is alive.

    Args:
        points: shape ``[m]``.
        index: breakpoints, shape ``[N]``.
        blocks: between them; what is known of a block holds for its parts.
        is_kept: of breakpoints, shape ``[N]``.
        parts: of blocks that are alive, >= 1, shape ``[N - 1]``.

    Returns:
        the new breakpoints, and the blocks between them.
    """
    least, greatest, is_alive = blocks
    num_blocks = is_alive.size
    most = 1
    for t in range(num_blocks):
        most += parts[t] if is_alive[t] else 1
    new, new_alive = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.bool_)
    new_least, new_greatest = np.empty(most), np.empty(most)
    new[0] = 0
    count = 1
    for t in range(num_blocks):
        start, stop = index[t], index[t + 1]
        alive = is_alive[t] and points[start] != points[stop - 1]
        pieces = parts[t] if alive else 1
        for piece in range(1, pieces + 1):
            place = stop
            if piece < pieces:
                place = place_within(points, stop, start + (stop - start) * piece // pieces)
                if place <= new[count - 1] or place >= stop:
                    continue
            elif not (t == num_blocks - 1 or is_kept[t + 1] or is_alive[t] or is_alive[t + 1]):
                continue
            new[count] = place
            new_least[count - 1], new_greatest[count - 1] = least[t], greatest[t]
            new_alive[count - 1] = alive
            count += 1
    inner = count - 1
    return new[:count], Blocks(new_least[:inner], new_greatest[:inner], new_alive[:inner])


@kernel
def cut_by_cost(row: Row, start: int, stop: int, largest: float, breakpoints: IndexArray, count: int) -> int:
    """Appends breakpoints after ``start`` up to ``stop``, as far apart as a cost of ``largest`` allows."""
    points, mass = row.points, row.mass
    origin = np.float64(points[start])
    w = f = s = 0.0
    for i in range(start, stop):
        z = np.float64(points[i]) - origin
        weight = mass[i] if mass.size > 0 else 1.0
        w += weight
        f += weight * z
        s += weight * z * z
        if s - f * f / w > largest and points[i] != points[i - 1]:
            breakpoints[count] = i
            count += 1
            origin = np.float64(points[i])
            w, f, s = weight, 0.0, 0.0
    breakpoints[count] = stop
    return count + 1


@kernel
def last_within(rows: FloatArray, start: int, stride: int, largest: float) -> int:
    """The last place to which a cell from ``start`` costs at most ``largest``; ``start`` where there is none.

    Args:
        rows: running sums, shape ``[N, 6]``.
        start: the cell's first place.
        stride: a guess of how far it reaches.
        largest: of the cost.
    """
    inside, outside = start, rows.shape[0]
    probe = start + stride
    while inside + 1 < outside:
        if probe <= inside or probe >= outside:
            probe = (inside + outside) // 2
        if cell_cost(rows, start, probe) <= largest:
            inside = probe
            probe = start + 2 * (probe - start)
        else:
            outside = probe
    return inside


@kernel
def places_apart(rows: FloatArray, largest: float) -> IndexArray:
    """Places 0 < ... < N - 1 of running sums, as far apart as a cost of ``largest`` allows."""
    last = rows.shape[0] - 1
    places = np.empty(rows.shape[0], dtype=np.int64)
    places[0] = 0
    place = last - last  # no literal zero: numba would compile the callee once more for it
    count, stride = place + 1, place + 1
    while place < last:
        stop = max(last_within(rows, place, stride, largest), place + 1)
        stride = stop - place
        place = stop
        places[count] = place
        count += 1
    return places[:count].copy()


@kernel
def breakpoints_within(row: Row, largest: float) -> IndexArray:
    """Breakpoints between which the cost is at most about ``largest``, or the points are equal."""
    points, blocks = row.points, row.blocks
    num_blocks = blocks.shape[0] - 1
    breakpoints = np.empty(1024, dtype=np.int64)
    breakpoints[0] = 0
    block = num_blocks - num_blocks  # no literal zero: numba would compile the callees once more for it
    count, stride = block + 1, block + 1
    while block < num_blocks:
        if count + BLOCK >= breakpoints.size:
            # By a loop: numba compiles two seconds of error messages for a slice that takes an array.
            longer = np.empty(2 * breakpoints.size, dtype=np.int64)
            for t in range(count):
                longer[t] = breakpoints[t]
            breakpoints = longer
        # The most whole blocks that cost no more; the last stride is a guess.
        inside = last_within(blocks, block, stride, largest)
        start, stop = BLOCK * block, min(points.size, BLOCK * max(inside, block + 1))
        if inside > block:
            breakpoints[count] = stop
            count += 1
            stride = inside - block
            block = inside
        else:
            count = cut_by_cost(row, start, stop, largest, breakpoints, count)
            stride = 1
            block += 1
    kept = 1
    for t in range(1, count):
        place = end_of_ties(points, breakpoints[t])
        if place > breakpoints[kept - 1]:
            breakpoints[kept] = place
            kept += 1
    return breakpoints[:kept].copy()


@kernel
def root_sum(rows: FloatArray, most: int) -> float:
    """Sum of cost**(1/3) over the cells between rows, at most about ``most`` of them."""
    num_cells = rows.shape[0] - 1
    groups = min(num_cells, most)
    total = 0.0
    for g in range(groups):
        total += cell_cost(rows, g * num_cells // groups, (g + 1) * num_cells // groups) ** (1.0 / 3.0)
    return total


@kernel
def equal_cost_breakpoints(row: Row, num_breakpoints: int) -> tuple[Breakpoints, float]:
    """About ``num_breakpoints`` breakpoints between which the cost is nearly the same.

    Equal costs mean a breakpoint density proportional to f**(1/3), that of the optimal partition itself: a
    cell costs mass * width**2 / 12, and the sum of the cube roots hardly depends on the cells. Where it
    does, as blocks with outliers are cut, the sum is renewed from the breakpoints found.

    Returns:
        the breakpoints; the sum of the cube roots.
    """
    total = root_sum(row.blocks, 4 * num_breakpoints)
    while True:
        breakpoints = breakpoints_at(row, breakpoints_within(row, (total / num_breakpoints) ** 3))
        renewed = root_sum(breakpoints.rows, 4 * num_breakpoints)
        if 2 * breakpoints.places.size > num_breakpoints or not renewed < 0.9 * total:
            return breakpoints, renewed
        total = renewed
