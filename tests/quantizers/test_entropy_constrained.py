"""Entropy-constrained Lloyd: stationarity, the envelope, and the trade of error against bits."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmq_theory.codebook import Codebook
from fmq_theory.quantizers import EntropyConstrained, LloydMax
from fmq_theory.quantizers.entropy_constrained import _cheapest_cells, _on_data, _with_centroids
from fmq_theory.sources import Empirical, Gaussian, Laplace, Source, Uniform
from fmq_theory.sources.sorted_rows import SortedRows
from tests.quantizers.drawing import arrays, law_distortion, laws


def masses(codebook: Codebook, source: Source) -> np.ndarray:
    edges = codebook.edges()
    return source.partial_moments(edges[:-1], edges[1:]).mass


def entropy(codebook: Codebook, source: Source) -> float:
    p = masses(codebook, source)
    return float(-(p * np.log2(p)).sum())


def cost(codebook: Codebook, source: Source, multiplier: float) -> float:
    return law_distortion(codebook, source) + multiplier * entropy(codebook, source)


@given(
    st.lists(st.tuples(st.integers(-20, 20), st.floats(0.0, 50.0)), min_size=1, max_size=12),
)
def test_envelope_is_the_cheapest_level_everywhere(cells: list[tuple[int, float]]) -> None:
    cells.sort()
    levels = np.array([c for c, _ in cells], dtype=np.float64)
    penalties = np.array([penalty for _, penalty in cells])
    keep, thresholds = _cheapest_cells(levels, penalties)
    assert (np.diff(thresholds) > 0.0).all()
    x = np.linspace(-60.0, 60.0, 997)
    brute = ((x[:, None] - levels) ** 2 + penalties).min(axis=1)
    chosen = keep[np.searchsorted(thresholds, x, side="right")]
    np.testing.assert_allclose((x - levels[chosen]) ** 2 + penalties[chosen], brute, atol=1e-9)


def test_control_half_way_borders_are_not_the_envelope() -> None:
    levels, penalties = np.array([0.0, 1.0, 2.0]), np.array([0.0, 5.0, 0.0])
    keep, thresholds = _cheapest_cells(levels, penalties)
    np.testing.assert_array_equal(keep, [0, 2])
    np.testing.assert_array_equal(thresholds, [1.0])


@given(x=arrays(), num_levels=st.integers(1, 40), price=st.floats(0.0, 30.0), steps=st.integers(1, 5))
def test_the_kernel_iterates_as_the_mathematics_says(
    x: np.ndarray, num_levels: int, price: float, steps: int
) -> None:
    """Against cells, means and envelope one by one, in numpy; their sums differ in their order alone."""
    source = Empirical(x)
    start = LloydMax().design(source, num_levels)
    multiplier = price * source.variance() / num_levels**2
    with mock.patch("fmq_theory.quantizers.entropy_constrained._MAX_ITERATIONS", steps):
        found = _on_data(source.data, start, multiplier)
    now = _with_centroids(source, start.thresholds, start.levels, multiplier)
    for _ in range(steps):
        keep, thresholds = _cheapest_cells(now.codebook.levels, multiplier * now.lengths)
        before, now = now, _with_centroids(source, thresholds, now.codebook.levels[keep], multiplier)
        if before.cost - now.cost <= 1e-12 * now.cost:
            break
    np.testing.assert_allclose(found.cost, now.cost, rtol=1e-11, atol=1e-300)
    if found.codebook.num_levels == now.codebook.num_levels:  # a fall of 1e-12 can end one run a step before
        np.testing.assert_allclose(found.codebook.levels, now.codebook.levels, rtol=1e-9, atol=1e-300)
        np.testing.assert_allclose(found.mass, now.mass, rtol=1e-9)


@pytest.mark.parametrize("gap", [5e-324, 2.3e-308, 3.6e-304])
def test_parabolas_that_cross_beyond_float64(gap: float) -> None:
    x = np.array([0.0, 0.0, gap, 124.0])
    codebook = EntropyConstrained(0.1).design(Empirical(x), 3)
    np.testing.assert_allclose(codebook.levels, [gap / 3, 124.0], rtol=1e-12, atol=5e-324)
    assert np.isfinite(codebook.thresholds).all()


@given(source=laws(), num_levels=st.integers(2, 24), lagrangian=st.floats(0.0, 2.0))
def test_stationary_on_laws(source: Source, num_levels: int, lagrangian: float) -> None:
    codebook = EntropyConstrained(lagrangian).design(source, num_levels)
    multiplier = lagrangian * source.variance() / num_levels**2
    edges, c = codebook.edges(), codebook.levels
    mass, first, _ = source.partial_moments(edges[:-1], edges[1:], about=c)
    span = float(np.sqrt(source.variance()))
    np.testing.assert_allclose(first / mass, 0.0, atol=1e-9 * span)
    lengths = -np.log2(mass)
    threshold = 0.5 * (c[:-1] + c[1:]) + 0.5 * multiplier * np.diff(lengths) / np.diff(c)
    # J is flat at its minimum: a fall of 1e-12 leaves thresholds good to about 1e-6.
    np.testing.assert_allclose(codebook.thresholds, threshold, atol=2e-4 * span)


@pytest.mark.parametrize("num_levels", [2, 4, 16, 64])
@pytest.mark.parametrize("source", [Gaussian(), Laplace(), Uniform()], ids=lambda s: s.name)
def test_without_a_multiplier_it_is_lloyd(source: Source, num_levels: int) -> None:
    """These densities are log-concave, so Lloyd's fixed point is unique (Kieffer 1983)."""
    mine = EntropyConstrained(0.0).design(source, num_levels)
    best = LloydMax().design(source, num_levels)
    assert law_distortion(mine, source) <= law_distortion(best, source) * (1 + 1e-11)
    # Laplace is flat along a common shift of the levels, so errors that agree do not pin it down.
    tolerance = 1e-4 if isinstance(source, Laplace) else 1e-7
    np.testing.assert_allclose(mine.levels, best.levels, rtol=0, atol=tolerance)


@pytest.mark.parametrize("num_levels", [8, 32])
def test_dearer_bits_are_fewer(num_levels: int) -> None:
    source = Laplace()
    books = [
        EntropyConstrained(multiplier).design(source, num_levels) for multiplier in (0.0, 0.1, 1.0, 5.0, 20.0)
    ]
    bits = [entropy(book, source) for book in books]
    errors = [law_distortion(book, source) for book in books]
    assert (np.diff(bits) < 0.0).all()
    assert (np.diff(errors) > 0.0).all()


@pytest.mark.parametrize("lagrangian", [0.1, 3.0, 30.0, 300.0])
@pytest.mark.parametrize("source", [Gaussian(), Laplace(), Uniform()], ids=lambda s: s.name)
def test_no_worse_than_lloyd_max_or_one_cell_in_its_own_cost(source: Source, lagrangian: float) -> None:
    multiplier = lagrangian * source.variance() / 16**2
    mine = EntropyConstrained(lagrangian).design(source, 16)
    assert cost(mine, source, multiplier) <= cost(LloydMax().design(source, 16), source, multiplier) * (
        1 + 1e-12
    )
    assert cost(mine, source, multiplier) <= source.variance() * (1 + 1e-12)


def test_high_rate_loses_a_quarter_bit_to_shannon() -> None:
    """Gish & Pierce 1968: at high rate h - log2(step) bits and D = step**2/12, 0.2546 bit above Shannon."""
    source = Gaussian()
    # Levels in plenty: mu = 2 ln2 D asks for about D = step**2 / 12 with step about 0.1.
    num_levels = 256
    lagrangian = 2.0 * np.log(2.0) * (0.1**2 / 12.0) * num_levels**2
    codebook = EntropyConstrained(lagrangian).design(source, num_levels)
    shannon = 0.5 * np.log2(1.0 / law_distortion(codebook, source))
    assert entropy(codebook, source) - shannon == pytest.approx(0.5 * np.log2(np.pi * np.e / 6.0), abs=0.01)
    # Control: Lloyd-Max at the same number of levels spends more.
    best = LloydMax().design(source, 64)
    excess = entropy(best, source) - 0.5 * np.log2(1.0 / law_distortion(best, source))
    assert excess > 0.3


def test_data_come_to_the_law() -> None:
    source = Laplace()
    x = source.sample(200_000, rng=np.random.default_rng(0))
    data = Empirical(x)
    scheme = EntropyConstrained(1.0)
    mine, law = scheme.design(data, 16), scheme.design(source, 16)
    multiplier = data.variance() / 16**2
    assert cost(mine, data, multiplier) <= cost(law, data, multiplier) * (1 + 1e-9)
    np.testing.assert_allclose(mine.levels[4:12], law.levels[4:12], atol=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_near_lloyd_max_on_few_weights(seed: int) -> None:
    """A start from a density estimate of 100 weights would lose several per cent."""
    data = Empirical(np.random.default_rng(seed).standard_normal(100))
    mine = law_distortion(EntropyConstrained(0.1).design(data, 16), data)
    assert mine <= 1.01 * law_distortion(LloydMax().design(data, 16), data)


def test_a_newton_step_to_infinity_is_refused_without_a_warning() -> None:
    codebook = EntropyConstrained(0.0).design(Laplace(loc=9.59198762406936e-62), 2)
    np.testing.assert_allclose(codebook.levels, [-1.0, 1.0], rtol=1e-9)


def many_optima(dtype: type[np.floating]) -> SortedRows:
    """Rows of few distinct numbers: many of their partitions into 16 cells have the same cost."""
    drawn = np.random.default_rng(1).integers(0, 20, (64, 100)).astype(dtype)
    return SortedRows.of(drawn, 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("lagrangian", [0.0, 0.1, 3.0])
@pytest.mark.parametrize("threads", [1, 2])
def test_rows_together_are_each_row_alone_to_the_bit(
    dtype: type[np.floating], lagrangian: float, threads: int
) -> None:
    scheme = EntropyConstrained(lagrangian)
    drawn = np.random.default_rng(0).standard_t(3.0, (70, 400)).astype(dtype)
    drawn[3] = drawn[3, 0]  # a constant row
    for rows in (many_optima(dtype), SortedRows.of(drawn, 1)):
        rows = SortedRows(rows.points, rows.blocks, threads)
        books = scheme.design_rows(rows, 16)
        for index in range(rows.shape[0]):
            alone = scheme.design(rows.row(index), 16)
            together = books.row(index)
            np.testing.assert_array_equal(together.levels, alone.levels)
            np.testing.assert_array_equal(together.thresholds, alone.thresholds)


def test_the_starts_of_rows_together_are_those_of_each_row_to_the_bit() -> None:
    rows = many_optima(np.float32)
    together = LloydMax().rows_in_their_units(rows, 16)
    of_each = [LloydMax().design(rows.row(index), 16).levels for index in range(rows.shape[0])]
    np.testing.assert_array_equal(together.levels, of_each)
    # In reverse order too: no row knows of those before it.
    reverse = LloydMax().rows_in_their_units(SortedRows(rows.points[::-1], rows.blocks[::-1], 1), 16)
    np.testing.assert_array_equal(reverse.levels[::-1], together.levels)
