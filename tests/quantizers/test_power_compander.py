"""The power family: thresholds, levels, ties, gaps, weights of weights, and Bennett's constant."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from fmq_theory.errors import SourceError
from fmq_theory.quantizers import PowerCompander
from fmq_theory.sources import Empirical, Gaussian, GeneralizedGaussian, Laplace, Source, StudentT, Uniform
from tests.quantizers.drawing import Array, arrays, law_distortion


def bennett_constant(alpha: float) -> float:
    """B(alpha) = (1/12) (int f^alpha)^2 int f^(1 - 2 alpha) of the standard Gaussian, by quadrature."""

    def integral(power: float) -> float:
        return integrate.quad(lambda x: stats.norm.pdf(x) ** power, -np.inf, np.inf)[0]

    return integral(alpha) ** 2 * integral(1.0 - 2.0 * alpha) / 12.0


@pytest.mark.parametrize("alpha", [0.2, 0.25, 0.3, 1 / 3])
def test_bennett(alpha: float) -> None:
    num_levels = 4096
    value = law_distortion(PowerCompander(alpha).design(Gaussian(), num_levels), Gaussian())
    assert value * num_levels**2 == pytest.approx(bennett_constant(alpha), rel=3e-3)
    # Control: the constants of other exponents differ by more than that.
    assert bennett_constant(alpha) != pytest.approx(bennett_constant(alpha + 0.05), rel=3e-3)


@pytest.mark.parametrize("alpha", [0.25, 1 / 3, 1.0])
def test_gaussian_thresholds_are_those_of_a_wider_gaussian(alpha: float) -> None:
    """f**alpha is a Gaussian of scale 1/sqrt(alpha); levels are the means of its cells, by quadrature."""
    codebook = PowerCompander(alpha).design(Gaussian(), 9)
    wide = stats.norm(scale=1.0 / math.sqrt(alpha))
    np.testing.assert_allclose(codebook.thresholds, wide.ppf(np.arange(1, 9) / 9), rtol=1e-12)
    edges = [-40.0, *codebook.thresholds, 40.0]
    for low, high, level in zip(edges[:-1], edges[1:], codebook.levels, strict=True):
        mass = integrate.quad(stats.norm.pdf, low, high)[0]
        first = integrate.quad(lambda x: x * stats.norm.pdf(x), low, high)[0]
        assert level == pytest.approx(first / mass, rel=1e-7, abs=1e-9)


def test_alpha_zero_is_equal_cells_on_a_bounded_support() -> None:
    codebook = PowerCompander(0.0).design(Uniform(loc=3.0, scale=2.0), 4)
    np.testing.assert_allclose(codebook.thresholds, [2.0, 3.0, 4.0], rtol=1e-15)
    np.testing.assert_allclose(codebook.levels, [1.5, 2.5, 3.5, 4.5], rtol=1e-15)


def test_alpha_zero_on_data_is_equal_cells_on_their_range() -> None:
    codebook = PowerCompander(0.0).design(Empirical([0.0, 0.5, 1.0, 3.9, 8.0]), 4)
    # [0,2) and [2,4) and [6,8]: the cell without weights is gone.
    np.testing.assert_allclose(codebook.levels, [0.5, 3.9, 8.0], rtol=1e-15)


@pytest.mark.parametrize(("source", "alpha"), [(Gaussian(), 0.0), (StudentT(df=4.0), 0.2)])
def test_infinite_integral_is_refused(source: Source, alpha: float) -> None:
    with pytest.raises(SourceError, match="escort law"):
        PowerCompander(alpha).design(source, 4)


def test_midpoints_of_a_law_end_at_its_typical_range() -> None:
    law = Laplace()
    codebook = PowerCompander(1.0, "midpoint", sample_size=1000).design(law, 4)
    low, high = law.typical_range(1000)
    edges = np.array([low, law.ppf(0.25), 0.0, law.ppf(0.75), high])
    np.testing.assert_allclose(codebook.levels, 0.5 * (edges[:-1] + edges[1:]), rtol=1e-12)


def test_midpoints_beyond_the_typical_range() -> None:
    """More cells than weights: the outer thresholds lie outside, and the codebook stays valid."""
    codebook = PowerCompander(1.0, "midpoint", sample_size=2).design(Laplace(), 64)
    assert codebook.num_levels == 64
    assert codebook.levels[0] == codebook.thresholds[0]


def test_one_level() -> None:
    x = [0.0, 1.0, 5.0]
    np.testing.assert_allclose(PowerCompander(1.0).design(Empirical(x), 1).levels, [2.0])
    np.testing.assert_allclose(PowerCompander(1 / 3).design(Empirical(x), 1).levels, [2.0])
    np.testing.assert_allclose(PowerCompander(1.0, "midpoint").design(Empirical(x), 1).levels, [2.5])


@given(x=arrays(), num_levels=st.integers(1, 20))
def test_dropping_empty_cells_costs_nothing(x: Array, num_levels: int) -> None:
    """The levels are the means of what they code, and no weight is nearer to the mean of another cell's."""
    source = Empirical(x)
    codebook = PowerCompander(1 / 3).design(source, num_levels)
    codes = codebook.encode(x)
    assert set(codes) == set(range(codebook.num_levels))
    scale = float(np.abs(x).max())
    for k, level in enumerate(codebook.levels):
        assert level == pytest.approx(np.mean(x[codes == k]), rel=1e-12, abs=1e-13 * scale)


@given(x=arrays(), num_levels=st.integers(1, 12), data=st.data())
def test_equal_weight_cells(x: Array, num_levels: int, data: st.DataObject) -> None:
    weights = np.array(data.draw(st.lists(st.integers(1, 5), min_size=x.size, max_size=x.size)), dtype=float)
    codebook = PowerCompander(1.0).design(Empirical(x, weights), num_levels)
    codes = codebook.encode(x)
    mass = np.bincount(codes, weights=weights, minlength=codebook.num_levels)
    assert (mass > 0).all()
    # Each border is the nearest there is: it misses its share by half the heaviest value at most.
    heaviest = max(float(weights[x == value].sum()) for value in x)
    shares = np.arange(num_levels + 1) / num_levels * weights.sum()
    for border in np.cumsum(mass)[:-1]:
        assert np.abs(shares - border).min() <= heaviest / 2 + 1e-9
    for k, level in enumerate(codebook.levels):
        mean = np.average(x[codes == k], weights=weights[codes == k])
        assert level == pytest.approx(mean, rel=1e-12, abs=1e-13 * float(np.abs(x).max()))


def test_equal_mass_far_from_zero_keeps_its_digits() -> None:
    x = np.random.default_rng(0).standard_normal(1000)
    far = 1e9 + np.ldexp(np.round(np.ldexp(x, 20)), -20)  # the sum is exact
    expected = [math.fsum(part - 1e9) / part.size for part in np.array_split(np.sort(far), 7)]
    levels = PowerCompander(1.0).design(Empirical(far), 7).levels
    np.testing.assert_allclose(levels - 1e9, expected, atol=2e-7)  # one spacing of float64 there


@pytest.mark.parametrize("beta", [0.7, 1.0, 2.0, 6.0])
def test_equal_mass_laws_against_sorted_samples(beta: float) -> None:
    law = GeneralizedGaussian(beta=beta)
    x = law.sample(400_000, rng=np.random.default_rng(3))
    data = PowerCompander(1.0).design(Empirical(x), 16).levels
    np.testing.assert_allclose(PowerCompander(1.0).design(law, 16).levels, data, rtol=0.05, atol=0.01)
