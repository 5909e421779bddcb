"""Cells of equal count against the definition: a stable argsort, numpy.array_split, rational means."""

from collections.abc import Callable
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from fmq_theory.kernels.equal_mass import long_rows
from fmq_theory.kernels.equal_mass.rank_cells import encode_ranked, equal_cuts
from fmq_theory.kernels.equal_mass.rows import EqualMass, equal_mass_rows
from fmq_theory.kernels.equal_mass.short_rows import equal_mass_short
from fmq_theory.kernels.equal_mass.sorted_rows import equal_mass_sorted
from tests.kernels.inputs import hard_rows

Row = NDArray[np.floating]
Method = Callable[[NDArray[np.floating], int], EqualMass]

TYPES = (np.float32, np.float64)
LEVELS = (1, 2, 3, 16, 256)


def equal_mass(row: Row, num_levels: int, threads: int = 1) -> EqualMass:
    """``equal_mass_rows`` of one row."""
    codes, levels, left, right = equal_mass_rows(row[np.newaxis, :], num_levels, threads)
    return codes[0], levels[0], left[0], right[0]


def stable_codes(row: Row, num_levels: int) -> NDArray[np.uint8]:
    codes = np.empty(row.size, dtype=np.uint8)
    for k, cell in enumerate(np.array_split(np.argsort(row, kind="stable"), min(num_levels, row.size))):
        codes[cell] = k
    return codes


def by_definition(row: Row, num_levels: int) -> EqualMass:
    cells = np.array_split(np.argsort(row, kind="stable"), min(num_levels, row.size))
    exact = [[Fraction(x) for x in row[cell].astype(float).tolist()] for cell in cells]
    means = np.array([float(sum(cell, Fraction(0)) / len(cell)) for cell in exact])
    left = np.array([row[cell[-1]] for cell in cells[:-1]], dtype=np.float64)
    right = np.array([row[cell[0]] for cell in cells[1:]], dtype=np.float64)
    return stable_codes(row, num_levels), means, left, right


@cache
def expected_of_hard(size: int, dtype: type[np.floating], kind: str, num_levels: int) -> EqualMass:
    """Rational means are slow, so each is found once for all methods."""
    return by_definition(hard_rows(size, dtype)[kind], num_levels)


def differs(result: EqualMass, expected: EqualMass) -> bool:
    """Codes and borders must be equal, and means to 1e-15 of the largest number of their cell."""
    codes, levels, left, right = result
    if codes.dtype != np.uint8 or levels.dtype != np.float64:
        return True
    if any(a.shape != b.shape for a, b in zip(result, expected, strict=True)):
        return True
    if (codes != expected[0]).any() or (left != expected[2]).any() or (right != expected[3]).any():
        return True
    return bool((abs(levels - expected[1]) > 1e-15 * abs(expected[1])).any())


def written(function: Callable[..., None]) -> Method:
    """A kernel for rows that writes into given arrays, called on one row."""

    def method(row: Row, num_levels: int) -> EqualMass:
        cells = min(num_levels, row.size)
        codes = np.empty((1, row.size), dtype=np.uint8)
        levels, left, right = np.empty((1, cells)), np.empty((1, cells - 1)), np.empty((1, cells - 1))
        function(row[np.newaxis, :], num_levels, codes, levels, left, right)
        return codes[0], levels[0], left[0], right[0]

    return method


def threaded(threads: int) -> Method:
    def method(row: Row, num_levels: int) -> EqualMass:
        codes = np.empty(row.size, dtype=np.uint8)
        return codes, *long_rows.equal_mass_long(row, num_levels, threads, codes)

    return method


METHODS: dict[str, Method] = {
    "long": threaded(1),
    "long, two threads": threaded(2),
    "long, three threads": threaded(3),
    "short": written(equal_mass_short),
    "sorted": written(equal_mass_sorted),
    "chosen": equal_mass,
}


@pytest.mark.deep
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", METHODS)
def test_every_method_on_hard_input(name: str, dtype: type[np.floating]) -> None:
    for size in (1, 2, 5, 17, 300, 1200):
        for kind, row in hard_rows(size, dtype).items():
            if kind == "all exponents" and dtype == np.float64 and name in ("short", "sorted"):
                continue  # beyond what these two take; "chosen" sends it elsewhere
            for num_levels in LEVELS:
                expected = expected_of_hard(size, dtype, kind, num_levels)
                assert not differs(METHODS[name](row, num_levels), expected), (size, kind, num_levels)


@pytest.mark.parametrize("many", [0, 10**9])
@pytest.mark.parametrize("dense", [0.0, 1.0])
def test_long_rows_with_other_bins(many: int, dense: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """More bins and fewer; numbers in border bins listed by a branch and without one."""
    monkeypatch.setattr(long_rows, "MANY", {4: many, 8: many})
    monkeypatch.setattr(long_rows, "DENSE", dense)
    for dtype in TYPES:
        for kind, row in hard_rows(400, dtype).items():
            assert not differs(threaded(2)(row, 7), by_definition(row, 7)), kind


@pytest.mark.deep
def test_more_numbers_than_one_word_can_count() -> None:
    """Numbers in one bin, whose count and sum outgrow their parts of a word; their mean is a whole number."""
    size = long_rows.MOST_AT_ONCE + 1000
    row = np.full(size, 4095.0, dtype=np.float32)
    row[::2] -= 1.0
    codes, levels, left, right = equal_mass(row, 3)
    assert (codes == stable_codes(row, 3)).all()
    ordered = np.sort(row).astype(np.float64)
    cells = np.array_split(ordered, 3)
    assert levels.tolist() == [cell.sum() / cell.size for cell in cells]  # whole sums below 2**53: exact
    assert left.tolist() == [cell[-1] for cell in cells[:-1]]
    assert right.tolist() == [cell[0] for cell in cells[1:]]


@given(
    arrays.arrays(
        st.sampled_from([np.dtype(np.float32), np.dtype(np.float64)]),
        st.integers(1, 60),
        elements=st.one_of(
            st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=True),
            st.sampled_from([-0.0, 0.0, 1.0, 2.0]),
        ),
    ),
    st.integers(1, 20),
    st.sampled_from(sorted(METHODS)),
)
def test_any_small_array(row: Row, num_levels: int, name: str) -> None:
    codes, levels, left, right = METHODS[name](row, num_levels)
    expected = by_definition(row, num_levels)
    assert (codes == expected[0]).all()
    assert (left == expected[2]).all()
    assert (right == expected[3]).all()
    # Where a cell's numbers cancel, the error is relative to them, not to their mean.
    for k, level in enumerate(levels):
        assert abs(level - expected[1][k]) <= 2e-16 * abs(row[codes == k].astype(float)).max()
    assert (levels[:-1] <= left).all()
    assert (right <= levels[1:]).all()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("columns", [20, 100, 700])
@pytest.mark.parametrize("threads", [1, 2])
def test_rows_are_as_each_alone(dtype: type[np.floating], columns: int, threads: int) -> None:
    kinds = hard_rows(columns, dtype)
    if dtype == np.float64:
        del kinds["all exponents"]  # it would send all rows the long way
    rows = np.stack(list(kinds.values()) * 15)
    for num_levels in (4, 256):
        together = equal_mass_rows(rows, num_levels, threads)
        for r, row in enumerate(rows[: len(kinds)]):
            expected = by_definition(row, num_levels)
            for repeat in range(r, rows.shape[0], len(kinds)):
                one = (together[0][repeat], together[1][repeat], together[2][repeat], together[3][repeat])
                assert not differs(one, expected), (r, num_levels)


def test_many_ties_across_threads() -> None:
    """A million ties at the borders, in order of position whatever thread met them."""
    row = np.random.default_rng(0).integers(0, 3, 1_000_000).astype(np.float32)
    expected = stable_codes(row, 16)
    for threads in (1, 2):
        codes, _, left, right = equal_mass(row, 16, threads)
        assert (codes == expected).all()
        assert (left == right).sum() >= 12


def test_offset_does_not_cancel() -> None:
    """Offset 1e8 and spread 1: the means are right to half a unit in the last place of 1e8."""
    row = 1e8 + np.random.default_rng(0).standard_normal(20_000)
    expected = by_definition(row, 16)
    for method in METHODS.values():
        assert (method(row, 16)[1] == expected[1]).all()
    plain = np.array([row.astype(np.float32)[expected[0] == k].mean(dtype=np.float64) for k in range(16)])
    assert (abs(plain - expected[1]) > 1e-3).any()  # control: what float32 would have kept


def test_huge_numbers_do_not_overflow() -> None:
    row = np.random.default_rng(0).choice([-1.7e308, 1.7e308], 1000)
    with np.errstate(over="raise"):
        levels = equal_mass(row, 4)[1]
    assert levels[0] == -1.7e308
    assert levels[-1] == 1.7e308


def test_read_only_rows_and_views() -> None:
    row = np.random.default_rng(0).standard_normal((3, 800)).astype(np.float32)
    expected = equal_mass_rows(row, 16)
    row.setflags(write=False)
    for a, b in zip(equal_mass_rows(row, 16), expected, strict=True):
        assert (a == b).all()


def test_control_another_order_of_ties_is_seen() -> None:
    row = np.array([1.0, 1.0, 1.0, 1.0])
    codes, levels, left, right = by_definition(row, 2)
    assert not differs(equal_mass(row, 2), (codes, levels, left, right))
    assert differs(equal_mass(row, 2), (codes[::-1].copy(), levels, left, right))


@given(st.integers(1, 1000), st.integers(1, 300))
def test_cuts_are_those_of_array_split(size: int, num_cells: int) -> None:
    num_cells = min(num_cells, size)
    sizes = [part.size for part in np.array_split(np.empty(size), num_cells)]
    assert np.diff(equal_cuts(size, num_cells)).tolist() == sizes


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.data())
def test_codes_count_cuts_below_stable_ranks(numbers: list[int], data: st.DataObject) -> None:
    keys = np.array(numbers, dtype=np.uint32)
    cuts = data.draw(st.lists(st.integers(0, keys.size), max_size=8).map(sorted))
    places = np.array(data.draw(st.permutations(range(keys.size))), dtype=np.uint32)
    codes = np.zeros(keys.size, dtype=np.uint8)
    work = np.empty(8, dtype=np.uint32), np.empty(8, dtype=np.int64), np.empty(8, dtype=np.int64)
    encode_ranked(keys, np.sort(keys), np.array(cuts, dtype=np.int64), 3, places, codes, *work)
    ranks = np.empty(keys.size, dtype=np.int64)
    ranks[np.argsort(keys, kind="stable")] = np.arange(keys.size)
    expected = 3 + np.searchsorted(cuts, ranks, side="right")
    assert (codes[places] == expected).all()
