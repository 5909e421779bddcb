"""rho_W2, rho_EM, the band of the paper and the crossover."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmq_theory.bounds import (
    BAND,
    band_half_ranges,
    band_sample_sizes,
    crossover_bits,
    equal_mass_distortion,
    equal_mass_on_own_weights,
    expected_half_range_squared,
    panter_dite_constant,
    predicted_crossover_bits,
    rho_em,
    rho_w2_high_rate,
    sample_size_at_rho_w2,
)
from fmq_theory.errors import SourceError
from fmq_theory.metrics import distortion, expected_distortion
from fmq_theory.quantizers import LloydMax, MinMaxUniform
from fmq_theory.sources import make
from fmq_theory.sources.empirical import Empirical
from tests.bounds.laws import laws, standard_laws

STANDARD = standard_laws()


def test_gaussian_band_of_half_ranges():
    band = band_half_ranges(make("gaussian", loc=1.0, scale=7.0))
    assert (round(band.low, 2), round(band.high, 2)) == (4.52, 5.71)  # theory section 5


def test_gaussian_band_of_sample_sizes():
    """Theory section 5 prints 1.6e5 and 9e7: those are the n at which n P(|X| > R) = 1."""
    law = make("gaussian")
    by_count = [1 / (2 * float(law.sf(reach))) for reach in band_half_ranges(law)]
    assert by_count[0] == pytest.approx(1.6e5, rel=0.02)
    assert by_count[1] == pytest.approx(9e7, rel=0.02)
    sizes = band_sample_sizes(law)  # in the mean square of the half-range
    assert sizes.low == pytest.approx(1.82e5, rel=0.001)
    assert sizes.high == pytest.approx(1.028e8, rel=0.001)
    for n, rho in ((sizes.low, BAND[1]), (sizes.high, BAND[0])):
        assert 3 * panter_dite_constant(law) / expected_half_range_squared(law, n) == pytest.approx(
            rho, rel=1e-9
        )


def test_rho_w2_of_a_gaussian_layer_against_exact_distortions():
    law, n = make("gaussian"), 10**6
    for num_levels in (16, 64, 256):
        uniform = expected_distortion(MinMaxUniform().design_on_range, law, num_levels, n)
        exact = distortion(LloydMax().design(law, num_levels), law) / uniform
        assert BAND[0] < exact < BAND[1]
        assert rho_w2_high_rate(law, n) == pytest.approx(
            exact * (num_levels / (num_levels - 1)) ** 2, rel=0.15
        )


@pytest.mark.parametrize(
    ("n", "printed"),
    [  # theory section 5, measured, b = 3 to 8; at 2 bits the high-rate formula of uniform is 14 % low
        (10**6, (0.35, 0.64, 1.14, 2.0, 3.5, 6.2)),
        (1024, (0.758, 1.42, 2.52, 4.36, 7.30, 11.9)),
    ],
)
def test_rho_em_of_gaussian_weights(n, printed):
    predicted = [rho_em(make("gaussian"), 2**b, n) for b in range(3, 9)]
    assert predicted == pytest.approx(printed, rel=0.06)
    of_the_law = equal_mass_distortion(make("gaussian"), 256) * 3 * 255**2
    of_the_law /= expected_half_range_squared(make("gaussian"), n)
    assert n > 1024 or of_the_law > 1.12 * printed[-1]  # what the prediction once was


@pytest.mark.parametrize("name", ["gaussian", "laplace", "t5"])
def test_rho_em_is_the_ratio_of_exact_distortions(name):
    law, n, num_levels = STANDARD[name], 5000, 32
    uniform = expected_distortion(MinMaxUniform().design_on_range, law, num_levels, n)
    assert rho_em(law, num_levels, n) == pytest.approx(
        equal_mass_on_own_weights(law, num_levels, n).value / uniform, rel=0.01
    )


@given(laws())
@settings(max_examples=8)
def test_rho_em_grows_with_k_on_unbounded_support_only(law):
    ratios = [rho_em(law, 2**b, 10**5) for b in (2, 4, 6, 8)]
    assert (ratios[-1] > 2 * ratios[-2]) == (law.name != "uniform") or law.name == "generalized-gaussian"
    assert ratios == sorted(ratios) or law.name == "uniform"


def test_crossover_interpolates_the_logarithm():
    assert crossover_bits([2, 3, 4], [0.25, 0.5, 2.0]) == pytest.approx(3.5)
    assert crossover_bits([2, 3], [0.5, 4.0]) == pytest.approx(2 + 1 / 3)


def test_crossover_outside_the_bits_is_none():
    assert crossover_bits([2, 3, 4], [0.1, 0.2, 0.9]) is None
    assert crossover_bits([2, 3, 4], [1.5, 3.0, 6.0]) is None
    assert crossover_bits([], []) is None
    assert crossover_bits([3], [1.0]) is None


def test_crossover_of_touching_missing_and_extreme_ratios():
    assert crossover_bits([2, 3, 4], [0.5, 1.0, 2.0]) == 3
    assert crossover_bits([2, 3, 4], [1.0, 2.0, 4.0]) == 2
    assert crossover_bits([2, 3, 4], [0.5, None, 2.0]) == 3
    assert crossover_bits([2, 3, 4], [0.5, math.nan, 2.0]) == 3
    assert crossover_bits([2, 3], [0.0, 2.0]) == 3
    assert crossover_bits([2, 3], [0.5, math.inf]) == 2
    assert crossover_bits([2, 3, 4, 5], [2.0, 0.5, 0.5, 2.0]) == 4.5  # the first rise, not the fall
    with pytest.raises(SourceError, match="pair"):
        crossover_bits([2, 3], [1.0])


@given(st.floats(0.05, 20), st.floats(0.2, 3), st.integers(0, 3))
def test_crossover_of_an_exponential_is_exact(star, slope, first):
    bits = list(range(first, 24))
    rho = [2 ** (slope * (b - star)) for b in bits]
    found = crossover_bits(bits, rho)
    if star < first:
        assert found is None
    else:
        assert found == pytest.approx(star, abs=1e-9)


def test_predicted_crossover():
    law = make("gaussian")
    star = predicted_crossover_bits(law, 10**6)
    assert star is not None
    assert 4 < star < 5  # theory section 5: 0.64 at 4 bits, 1.14 at 5
    low, high = (rho_em(law, 2**b, 10**6) for b in (4, 5))
    assert low < 1 < high
    assert predicted_crossover_bits(law, 1024) == pytest.approx(3.44, abs=0.05)


@pytest.mark.parametrize(("n", "measured"), [(1152, 5.1), (4096, 6.0)])
def test_crossover_on_flat_weights_is_half_of_log2_n(n, measured):
    """Once predicted 9.2 and 11.0, from the codebooks of the law, which cross at K = n/2."""
    star = predicted_crossover_bits(make("uniform"), n)
    assert star == pytest.approx(measured, abs=0.06)
    assert star == pytest.approx(0.5 * math.log2(n), abs=0.02)


def test_no_crossover_where_every_weight_has_a_level():
    assert predicted_crossover_bits(make("uniform"), 3) is None
    assert rho_em(make("laplace"), 8, 8) == 0


def test_a_larger_layer_has_a_smaller_ratio():
    law = make("laplace")
    ratios = [rho_w2_high_rate(law, n) for n in (100, 10**4, 10**6, 10**12)]
    assert ratios == sorted(ratios, reverse=True)
    n = sample_size_at_rho_w2(law, 0.3)
    assert rho_w2_high_rate(law, n) == pytest.approx(0.3, rel=1e-9)


def test_bounded_support_never_enters_the_band():
    assert rho_w2_high_rate(make("uniform"), 10**9) == pytest.approx(1.0, abs=1e-7)
    assert band_sample_sizes(make("uniform")) == (math.inf, math.inf)
    assert sample_size_at_rho_w2(make("uniform"), 1e6) == 2.0


def test_where_no_ratio_exists():
    heavy = make("student-t", df=2.0)
    assert math.isnan(rho_w2_high_rate(heavy, 1000))
    assert math.isnan(rho_em(heavy, 8, 1000))
    with pytest.raises(SourceError, match="variance"):
        band_half_ranges(heavy)
    with pytest.raises(SourceError, match="K >= 2"):
        rho_em(make("gaussian"), 1, 1000)


def test_ratios_of_data_use_their_own_range():
    data = Empirical(np.random.default_rng(2).standard_normal(50_000))
    exact = equal_mass_distortion(data, 32) / distortion(MinMaxUniform().design(data, 32), data)
    assert rho_em(data, 32, 1) == pytest.approx(exact, rel=0.03)


@pytest.mark.parametrize("exponent", [-1000, -560, 512, 1000])
def test_ratios_of_data_have_no_unit(exponent: int) -> None:
    """Also where squares of the weights leave float64."""
    weights = np.random.default_rng(3).standard_normal(200)
    data, far = Empirical(weights), Empirical(np.ldexp(weights, exponent))
    assert rho_w2_high_rate(far, 200) == pytest.approx(rho_w2_high_rate(data, 200), rel=1e-12)
    assert rho_em(far, 8, 200) == pytest.approx(rho_em(data, 8, 200), rel=1e-12)
    assert predicted_crossover_bits(far, 200) == pytest.approx(predicted_crossover_bits(data, 200), rel=1e-9)
    # What has a unit is beyond float64, or below, and is said to be; control: next to 1 it is neither.
    squared = expected_half_range_squared(far, 200)
    assert squared == (math.inf if exponent > 0 else 0.0)
    assert 0.0 < expected_half_range_squared(data, 200) < math.inf


def test_a_crossover_of_a_function_is_that_of_its_values_and_stops_there() -> None:
    asked: list[float] = []

    def ratio(bits: float) -> float:
        asked.append(bits)
        return 2.0 ** (bits - 3.5)

    assert crossover_bits(range(1, 17), ratio) == 3.5
    assert asked == [1, 2, 3, 4]
    assert crossover_bits(range(1, 17), [2.0 ** (b - 3.5) for b in range(1, 17)]) == 3.5
    # Control: one that never rises is asked everywhere, one that is 0 once and then no more.
    assert crossover_bits([1, 2, 3], lambda b: 0.5) is None
    assert crossover_bits([1, 2, 3], lambda b: {1: 0.5, 2: 0.0, 3: 2.0}[int(b)]) is None
