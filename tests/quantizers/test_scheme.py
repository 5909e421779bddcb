"""The registry, the template, ranges and magnitudes at the edge of float64."""

import warnings

import numpy as np
import pytest

from fmq_theory.codebook import Codebook
from fmq_theory.errors import SchemeError, SourceError
from fmq_theory.quantizers import (
    SCHEMES,
    EntropyConstrained,
    MinMaxUniform,
    PowerCompander,
    RangeScheme,
    Scheme,
    get_scheme,
)
from fmq_theory.sources import Empirical, Gaussian, StudentT
from tests.quantizers.drawing import NAMES, levels_for, quantized


def test_registry_names() -> None:
    expected = "uniform uniform_clipped equal_mass pwl log2 panter_dite lloyd_max ecq nf4 fp4"
    assert list(SCHEMES) == expected.split()
    assert [scheme.name for scheme in SCHEMES.values()] == list(SCHEMES)


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("power:0.5", PowerCompander(0.5)),
        ("power:1", PowerCompander(1.0)),
        ("power:0.25:midpoint", PowerCompander(0.25, "midpoint")),
        ("ecq:0.05", EntropyConstrained(0.05)),
    ],
)
def test_parameters_in_names(name: str, scheme: Scheme) -> None:
    assert get_scheme(name) == scheme
    assert get_scheme(scheme) is scheme


def test_names_of_companders_name_them_again() -> None:
    for scheme in (PowerCompander(0.4), PowerCompander(0.4, "midpoint"), PowerCompander(1 / 3)):
        assert get_scheme(scheme.name) == scheme


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lloyd", "no such scheme; did you mean 'lloyd_max'\\? Else choose one of uniform, "),
        ("power:", "'' is not a number"),
        ("power:x", "'x' is not a number"),
        ("power:-1", "must be finite and not negative"),
        ("power:nan", "must be finite and not negative"),
        ("power:1:mean", "no such scheme"),
        ("ecq:-1", "must be finite and not negative"),
        ("ecq:1:2", "no such scheme"),
        ("nf4:2", "no such scheme"),
    ],
)
def test_bad_names(name: str, message: str) -> None:
    with pytest.raises(SchemeError, match=message):
        get_scheme(name)


def test_bad_reconstruction() -> None:
    with pytest.raises(SchemeError, match="choose 'centroid' or 'midpoint'"):
        PowerCompander(1.0, "median")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("num_levels", [0, -1, 2.0, "4", None])
def test_num_levels(num_levels: object) -> None:
    with pytest.raises(SchemeError, match="must be a positive integer"):
        SCHEMES["equal_mass"].design(Gaussian(), num_levels)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", NAMES)
def test_constant_data_keep_their_value(name: str) -> None:
    codebook, y = quantized(name, np.full(7, -0.3), 4)
    np.testing.assert_array_equal(codebook.levels, [-0.3])
    np.testing.assert_array_equal(y, np.full(7, -0.3))


@pytest.mark.parametrize("name", ["uniform_clipped", "ecq", "lloyd_max"])
def test_infinite_variance_is_refused(name: str) -> None:
    with pytest.raises(SourceError, match="variance"):
        SCHEMES[name].design(StudentT(df=1.5), 4)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "lloyd_max"])
@pytest.mark.parametrize("magnitude", [2.0**1020, 2.0**-1070], ids=["huge", "denormal"])
def test_extreme_data_are_the_scaled_data(name: str, magnitude: float) -> None:
    x = np.array([-7.0, -3.0, -2.0, 1.0, 2.0, 4.0, 5.0])
    scheme = get_scheme(name)
    num_levels = levels_for(scheme, 3)
    here = scheme.design(Empirical(x), num_levels)
    there = scheme.design(Empirical(x * magnitude), num_levels)
    with warnings.catch_warnings(action="ignore"):  # denormal levels are rounded to their grid
        np.testing.assert_allclose(
            there.levels / magnitude, here.levels, rtol=1e-12, atol=2.0**-1074 / magnitude
        )
    codes = scheme.encode(here, x)
    if magnitude > 1.0:
        np.testing.assert_array_equal(scheme.encode(there, x * magnitude), codes)


def test_range_schemes() -> None:
    assert [name for name, scheme in SCHEMES.items() if isinstance(scheme, RangeScheme)] == [
        "uniform",
        "nf4",
        "fp4",
    ]
    x = np.array([-1.0, 0.3, 2.0])
    for name in ("uniform", "nf4", "fp4"):
        scheme = SCHEMES[name]
        assert isinstance(scheme, RangeScheme)
        by_range = scheme.design_on_range(-1.0, 2.0, 16)
        np.testing.assert_array_equal(by_range.levels, scheme.design(Empirical(x), 16).levels)
        np.testing.assert_array_equal(scheme.design_on_range(0.5, 0.5, 16).levels, [0.5])


@pytest.mark.parametrize("ends", [(1.0, 0.0), (0.0, np.inf), (np.nan, 1.0)])
def test_bad_ranges(ends: tuple[float, float]) -> None:
    with pytest.raises(SchemeError, match="two finite ends in order"):
        MinMaxUniform().design_on_range(*ends, 4)


def test_uniform_on_the_whole_range_of_float64() -> None:
    codebook = MinMaxUniform().design_on_range(-1.7e308, 1.7e308, 5)
    np.testing.assert_allclose(codebook.levels / 1.7e308, [-1.0, -0.5, 0.0, 0.5, 1.0], atol=1e-15)
    np.testing.assert_array_equal(MinMaxUniform().encode(codebook, codebook.levels), np.arange(5))


def test_uniform_one_level_is_the_mid_range() -> None:
    np.testing.assert_array_equal(quantized("uniform", np.array([0.0, 1.0, 5.0]), 1)[0].levels, [2.5])


def test_uniform_of_a_law_has_its_typical_range() -> None:
    codebook = MinMaxUniform(sample_size=1000).design(Gaussian(), 8)
    assert (codebook.levels[0], codebook.levels[-1]) == Gaussian().typical_range(1000)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("uniform", 2), ("uniform_clipped", 2), ("nf4", 1), ("log2", 4), ("equal_mass", 16)],
)
def test_codebook_overhead(name: str, expected: int) -> None:
    assert SCHEMES[name].codebook_overhead(16) == expected


def test_a_scheme_without_an_overhead_of_its_own_stores_its_levels() -> None:
    class OneLevel(Scheme):
        name = "one"

        def _design(self, source: object, num_levels: int) -> Codebook:
            return Codebook(np.array([0.0]), np.array([]))

    assert OneLevel().codebook_overhead(1) == 1
