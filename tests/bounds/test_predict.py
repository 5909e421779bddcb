"""predict: each name has theory or None, bounds hold for the scheme's own codebooks, laws and data alike."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fmq_theory.bounds import (
    PREDICTED_SCHEMES,
    equal_mass_distortion,
    lloyd_max_upper_bound,
    optimum_upper_bound,
    power_compander_upper_bound,
    predict,
)
from fmq_theory.errors import SchemeError
from fmq_theory.metrics import distortion, expected_distortion
from fmq_theory.quantizers import SCHEMES, LloydMax, get_scheme
from fmq_theory.sources import make
from fmq_theory.sources.empirical import Empirical
from tests.bounds.laws import laws, standard_laws, there

STANDARD = standard_laws()
N = 2000
WITH_THEORY = ("uniform", "uniform_clipped", "equal_mass", "pwl", "log2", "panter_dite", "lloyd_max")


def sized(name) -> Any:
    scheme: Any = get_scheme(name)
    return replace(scheme, sample_size=N) if hasattr(scheme, "sample_size") else scheme


def exact(name, source, num_levels):
    scheme = sized(name)
    if hasattr(scheme, "design_on_range") and not isinstance(source, Empirical):
        return expected_distortion(scheme.design_on_range, source, num_levels, N)
    if name == "equal_mass" and isinstance(source, Empirical):
        return equal_mass_distortion(source, num_levels)  # a codebook cannot split ties, the scheme does
    return distortion(scheme.design(source, num_levels), source)


def test_every_registered_scheme_is_known():
    assert set(PREDICTED_SCHEMES) == set(SCHEMES)


# No law bounds the error of min-max uniform: its range is that of n weights, and the next test is about them.
@pytest.mark.parametrize("name", [name for name in WITH_THEORY if name != "uniform"])
@given(laws(), st.integers(2, 40))
@settings(max_examples=10)
def test_upper_bounds_hold_for_laws(name, law, num_levels):
    upper = predict(name, law, num_levels, N).law.upper
    assume(upper is not None or name != "log2")  # log2 has none on a law that its levels do not reach
    assert distortion(sized(name).design(law, num_levels), law) <= there(upper).value * (1 + 1e-9)


@given(laws(), st.integers(2, 40))
@settings(max_examples=10)
def test_the_range_of_n_weights_bounds_the_mean_over_samples(law, num_levels):
    upper = there(predict("uniform", law, num_levels, N).own.upper).value
    mean = expected_distortion(sized("uniform").design_on_range, law, num_levels, N)
    assert mean <= upper * (1 + 1e-9)


@pytest.mark.parametrize("name", WITH_THEORY)
@given(st.integers(0, 2**32), st.integers(2, 60), st.integers(1, 20))
@settings(max_examples=15)
def test_upper_bounds_hold_for_data(name, seed, size, num_levels):
    rng = np.random.default_rng(seed)
    data = np.round(rng.standard_t(3, size=size), 1) if seed % 2 else rng.laplace(size=size)
    source = Empirical(data)
    upper = predict(name, source, num_levels, N).own.upper
    assume(upper is not None or name != "log2")
    assert exact(name, source, num_levels) <= there(upper).value * (1 + 1e-9) + 1e-25


@pytest.mark.deep
@pytest.mark.parametrize("law", ["gaussian", "laplace", "pole", "uniform"])
@pytest.mark.parametrize("name", ["uniform", "uniform_clipped", "equal_mass", "panter_dite", "lloyd_max"])
def test_high_rate_is_near_the_exact_value_at_eight_bits(name, law):
    prediction = predict(name, STANDARD[law], 256, N)
    within = 0.2 if (name, law) == ("uniform_clipped", "pole") else 0.07
    of = prediction.own if name == "uniform" else prediction.law
    assert there(of.high_rate).value == pytest.approx(exact(name, STANDARD[law], 256), rel=within)


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("uniform", 2.0),
        ("uniform_clipped", 2 / 3),
        ("equal_mass", 1 / 3),
        ("panter_dite", 2.0),
        ("lloyd_max", 2.0),
    ],
)
def test_orders_at_nu_3(name, order):
    assert predict(name, STANDARD["t3"], 16, N).order == pytest.approx(order)


@pytest.mark.parametrize("name", ["ecq", "ecq:0.05", "nf4", "fp4"])
def test_no_theory_is_claimed_where_there_is_none(name):
    prediction = predict(name, STANDARD["gaussian"], 16, N)
    for of in (prediction.law, prediction.own, prediction.fresh):
        assert (of.exact, of.upper, of.lower, of.high_rate) == (None, None, None, None)
        assert of.missing
    assert prediction.order is None


def test_power_names():
    law = STANDARD["laplace"]
    assert predict("power:1", law, 16, N) == predict("equal_mass", law, 16, N)
    third = predict(f"power:{1 / 3!r}", law, 16, N)
    assert third.law.upper == predict("panter_dite", law, 16, N).law.upper
    assert predict("power:0.7", law, 16, N).order == pytest.approx(1 / 0.7)
    assert there(predict("power:0.2", STANDARD["t3"], 16, N).law.upper).is_vacuous  # I(0.2) is infinite


@pytest.mark.parametrize("name", ["lloyd-max", "power:", "power:x", "power:nan", "ecq:-1", "ecq:x", ""])
def test_unknown_names_list_the_choices(name):
    with pytest.raises(SchemeError, match="lloyd_max"):
        predict(name, STANDARD["gaussian"], 16, N)


def test_no_levels_is_an_error():
    with pytest.raises(SchemeError, match="positive"):
        predict("uniform", STANDARD["gaussian"], 0, N)


@pytest.mark.parametrize("name", WITH_THEORY)
def test_infinite_variance_gives_infinite_statements(name):
    prediction = predict(name, make("student-t", df=1.9), 16, N)
    assert there(prediction.law.upper).is_vacuous
    for of in (prediction.own, prediction.fresh):
        assert (of.exact, of.upper) == (None, None)
        assert "variance" in of.missing
    assert prediction.order is None
    finite = predict(name, STANDARD["t3"], 16, N)  # negative control
    assert there(finite.own.upper if name == "uniform" else finite.law.upper).value < math.inf


@pytest.mark.parametrize("name", WITH_THEORY)
def test_a_constant_channel_is_lossless(name):
    prediction = predict(name, Empirical([3.0, 3.0, 3.0]), 4, N)
    assert there(prediction.own.upper).value == 0.0
    assert not there(prediction.own.upper).is_vacuous
    assert prediction.own.high_rate is None
    assert prediction.law.missing


@pytest.mark.parametrize("name", WITH_THEORY)
@pytest.mark.parametrize("data", [[1.0, 2.0], [0.0, 0.0, 5.0], [-1e38, 1e38, 3.0], [1e-310, 2e-310, 5e-310]])
def test_small_and_extreme_data(name, data):
    prediction = predict(name, Empirical(np.array(data)), 4, N)
    for bound in (prediction.own.upper, prediction.own.high_rate):
        assert bound is None or bound.value >= 0


@pytest.mark.parametrize("num_levels", [4, 32, 256])
def test_lloyd_max_bound_is_close_and_covers_samples(num_levels):
    law = STANDARD["laplace"]
    bound = lloyd_max_upper_bound(law, num_levels).value
    optimum = distortion(LloydMax().design(law, num_levels), law)
    assert optimum <= bound <= 1.6 * optimum
    samples = [Empirical(law.sample(N, rng=np.random.default_rng(seed))) for seed in range(8)]
    measured = [distortion(LloydMax().design(s, num_levels), s) for s in samples]
    assert np.mean(measured) <= bound * 1.02


def test_the_lloyd_max_bound_takes_the_least_of_several():
    law = STANDARD["t3"]
    third = power_compander_upper_bound(law, 1 / 3, 4).value
    assert lloyd_max_upper_bound(law, 4).value < 0.5 * third  # few levels: cells by f^(1/3) reach too far
    third = power_compander_upper_bound(law, 1 / 3, 512).value
    assert lloyd_max_upper_bound(law, 512).value == optimum_upper_bound(law, 512).value < third
    assert there(predict("panter_dite", law, 512, N).law.upper).value == optimum_upper_bound(law, 512).value
