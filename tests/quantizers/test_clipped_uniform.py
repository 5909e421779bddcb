"""The optimal range: gradient, global search, and where it starts from."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmq_theory.certify import law, optimal_equal_steps
from fmq_theory.codebook import Codebook
from fmq_theory.quantizers import ClippedUniform
from fmq_theory.quantizers.clipped_uniform import _distortion
from fmq_theory.sources import Empirical, Gaussian, Laplace, Source, StudentT, Uniform, make
from tests.quantizers.drawing import Array, generic_arrays, law_distortion

LIMITATIONS = Path(__file__).resolve().parents[2] / "docs" / "limitations.md"


def brute_force(x: Array, num_levels: int, side: int = 81) -> float:
    """Least error over a fine grid of both ends, by nearest level."""
    ends = np.linspace(x.min(), x.max(), side)
    low, high = (end.ravel() for end in np.meshgrid(ends, ends))
    low, high = low[low < high], high[low < high]
    step = (high - low) / (num_levels - 1)
    error = np.zeros(low.size)
    for value in x:
        code = np.clip(np.round((value - low) / step), 0, num_levels - 1)
        error += (value - low - code * step) ** 2
    return float(error.min() / x.size)


@settings(max_examples=25)
@given(x=generic_arrays(), num_levels=st.integers(2, 12))
def test_near_the_global_optimum_on_data(x: Array, num_levels: int) -> None:
    codebook = ClippedUniform().design(Empirical(x), num_levels)
    found = float(np.mean((x - codebook.decode(codebook.encode(x))) ** 2))
    # The search is not certified; a fine grid may beat it by a few per cent on a handful of weights.
    assert found <= 1.15 * brute_force(x, num_levels)


def test_control_min_max_is_not_near_it() -> None:
    x = np.random.default_rng(0).standard_t(3, size=300)
    levels = np.linspace(x.min(), x.max(), 8)
    codebook = Codebook.nearest(levels)
    error = float(np.mean((x - codebook.decode(codebook.encode(x))) ** 2))
    assert error > 1.15 * brute_force(x, 8)


@pytest.mark.parametrize(
    "source", [Gaussian(0.3), StudentT(df=3.0), Uniform(), Empirical([0.0, 1.0, 3.0, 7.0])]
)
def test_gradient(source: Source) -> None:
    low, high, h = np.array(-1.1), np.array(2.3), 1e-5
    _, by_low, by_high = _distortion(source, low, high, 6)
    difference = [
        _distortion(source, low + h, high, 6)[0] - _distortion(source, low - h, high, 6)[0],
        _distortion(source, low, high + h, 6)[0] - _distortion(source, low, high - h, 6)[0],
    ]
    np.testing.assert_allclose([by_low, by_high], np.array(difference) / (2 * h), atol=1e-8)


def test_uniform_law_gets_the_midpoints_of_equal_cells() -> None:
    for num_levels in (2, 5, 16):
        levels = ClippedUniform().design(Uniform(loc=1.0, scale=2.0), num_levels).levels
        expected = 1.0 + 2.0 * (2.0 * np.arange(num_levels) + 1.0 - num_levels) / num_levels
        np.testing.assert_allclose(levels, expected, atol=1e-7)


def test_location_and_scale_of_a_law() -> None:
    plain = ClippedUniform().design(Laplace(), 8).levels
    np.testing.assert_allclose(
        ClippedUniform().design(Laplace(5.0, 3.0), 8).levels, 5.0 + 3.0 * plain, rtol=1e-9
    )


def test_one_level_is_the_mean() -> None:
    np.testing.assert_allclose(
        ClippedUniform().design(Empirical([0.0, 1.0, 5.0]), 1).levels, [2.0], rtol=1e-15
    )


def test_data_come_to_the_law() -> None:
    x = Gaussian().sample(300_000, rng=np.random.default_rng(1))
    data = ClippedUniform().design(Empirical(x), 16)
    assert law_distortion(data, Gaussian()) == pytest.approx(0.0115429, rel=1e-3)


def test_a_mean_that_rounds_to_the_lowest_weight() -> None:
    x = np.array([1e16, 1e16 + 2.0])
    codebook = ClippedUniform().design(Empirical(x), 2)
    np.testing.assert_array_equal(codebook.decode(codebook.encode(x)), x)


@pytest.mark.parametrize("seed", range(20))
def test_a_range_without_error_ends_the_search(seed: int) -> None:
    """More levels than weights: the cost comes to zero, where rounding makes it negative at times."""
    x = np.random.default_rng(seed).standard_normal(2 + seed % 3)
    codebook = ClippedUniform().design(Empirical(x), 12)
    step = float(codebook.levels[1] - codebook.levels[0])
    assert np.abs(x - codebook.decode(codebook.encode(x))).max() <= 0.5 * step


def test_min_max_stays_where_nothing_is_better() -> None:
    codebook = ClippedUniform().design(Empirical([0.0, 0.125, 0.25, 0.375]), 4)
    np.testing.assert_array_equal(codebook.levels, [0.0, 0.125, 0.25, 0.375])


@pytest.mark.parametrize(
    ("name", "shape", "centred", "best"),
    [("laplace", {}, "0.19630", "0.19446"), ("gamma", {"shape": "1/2"}, "0.31998", "0.23298")],
)
def test_a_grid_off_centre_can_be_better_on_a_law(
    name: str, shape: dict[str, str], centred: str, best: str
) -> None:
    """What the docstring, the note of ``fmq bounds`` and docs/limitations.md say, to the printed digits."""
    source = make(name, **{key: float(Fraction(value)) for key, value in shape.items()})
    unit = source.standard_deviation_one()
    codebook = ClippedUniform().design(unit, 4)
    found = optimal_equal_steps(law(name, shape), 4, digits=12)
    assert found.verdict == "CERTIFIED"
    assert f"{law_distortion(codebook, unit):.5f}" == centred
    assert f"{float(found.distortion) / source.variance():.5f}" == best
    assert codebook.levels[0] + codebook.levels[-1] == pytest.approx(0.0, abs=1e-12)
    # Where the best of all grids is centred the two agree.
    gaussian = law_distortion(ClippedUniform().design(Gaussian(), 4), Gaussian())
    assert gaussian == pytest.approx(float(optimal_equal_steps(law("gaussian"), 4, digits=12).distortion))
    for text in (ClippedUniform.__doc__ or "", LIMITATIONS.read_text("utf-8")):
        assert centred in text
        assert best in text


def test_a_peak_sharper_than_floats_near_its_centre() -> None:
    """Four tenths of this law lie closer to its centre than the next float; the range is that at 0."""
    law = {"shape": 0.026, "scale": 4.5}
    found = ClippedUniform().design(make("gamma", loc=0.95, **law), 6)
    centred = ClippedUniform().design(make("gamma", **law), 6)
    assert found.levels - 0.95 == pytest.approx(centred.levels, rel=1e-9)
    assert law_distortion(found, make("gamma", loc=0.95, **law)) < make("gamma", **law).variance()


@pytest.mark.parametrize(
    "source",
    [
        StudentT(2.001),
        StudentT(2.25),
        make("generalized-gaussian", beta=0.06),
        make("gamma", shape=0.03),
        Laplace(),
    ],
    ids=repr,
)
def test_two_levels_on_a_law_are_the_means_of_its_halves(source: Source) -> None:
    """However far the tail or near the peak: the least error of levels -L and L is at L = E|X|."""
    half = 2.0 * float(source.partial_moments(0.0, np.inf, about=0.0).first)
    codebook = ClippedUniform().design(source, 2)
    assert codebook.levels == pytest.approx([-half, half], rel=1e-9)
