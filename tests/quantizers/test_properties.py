"""What every scheme must do, on drawn data and drawn laws."""

import numpy as np
import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st

from fmq_theory.errors import SourceError
from fmq_theory.quantizers import SCHEMES, get_scheme
from fmq_theory.sources import Empirical, Source
from tests.quantizers.drawing import (
    NAMES,
    Array,
    arrays,
    generic_arrays,
    law_distortion,
    laws,
    levels_for,
    quantized,
)

EVERY = pytest.mark.parametrize("name", NAMES)


def promising(what: str) -> pytest.MarkDecorator:
    """Every scheme that promises ``what``."""
    return pytest.mark.parametrize("name", [name for name in NAMES if what in get_scheme(name).promises])


LEVELS = st.integers(1, 20)


def squared_error(x: Array, y: Array) -> float:
    return float(np.mean((x - y) ** 2))


@EVERY
@given(x=arrays(), num_levels=LEVELS)
def test_on_data(name: str, x: Array, num_levels: int) -> None:
    scheme = get_scheme(name)
    codebook, y = quantized(scheme, x, num_levels)
    assert codebook.num_levels <= levels_for(scheme, num_levels)
    span = float(x.max() - x.min())
    if "levels_in_range" in scheme.promises:
        assert x.min() <= codebook.levels[0]
        assert codebook.levels[-1] <= x.max()
    # Monotone: in the order of the weights the levels never fall.
    order = np.argsort(x, kind="stable")
    assert (np.diff(y[order]) >= 0.0).all()
    # T1: the sorted pairs are the optimal coupling, so W2**2 = D. (squares: relative to the largest)
    assert squared_error(np.sort(x), np.sort(y)) == pytest.approx(squared_error(x, y), rel=1e-12, abs=0.0)
    if span == 0.0:
        np.testing.assert_array_equal(y, x)


def test_control_a_quantizer_that_is_not_monotone_breaks_t1() -> None:
    x = np.array([0.0, 1.0, 2.0, 3.0])
    y = np.array([3.0, 0.0, 3.0, 0.0])
    assert squared_error(np.sort(x), np.sort(y)) < squared_error(x, y)


@promising("idempotent")
@given(x=arrays(), num_levels=LEVELS)
def test_idempotent_where_promised(name: str, x: Array, num_levels: int) -> None:
    scheme = get_scheme(name)
    _, once = quantized(scheme, x, num_levels)
    _, twice = quantized(scheme, once, num_levels)
    np.testing.assert_allclose(twice, once, rtol=1e-14, atol=1e-14 * float(np.abs(x).max()))


def test_control_pwl_is_not_idempotent() -> None:
    x = np.random.default_rng(0).standard_normal(100)
    _, once = quantized("pwl", x, 8)
    _, twice = quantized("pwl", once, 8)
    assert np.abs(twice - once).max() > 1e-3


@EVERY
@given(x=generic_arrays(), num_levels=LEVELS, exponent=st.integers(-40, 40))
def test_scale(name: str, x: Array, num_levels: int, exponent: int) -> None:
    scheme = get_scheme(name)
    assert "scale" in scheme.promises
    factor = 2.0**exponent
    _, y = quantized(scheme, x, num_levels)
    _, scaled = quantized(scheme, x * factor, num_levels)
    np.testing.assert_allclose(scaled, factor * y, rtol=1e-9, atol=1e-12 * factor * float(np.abs(x).max()))


@promising("shift")
@given(x=generic_arrays(), num_levels=LEVELS, shift=st.sampled_from([-3.0, 0.25, 64.0]))
def test_shift_where_promised(name: str, x: Array, num_levels: int, shift: float) -> None:
    scheme = get_scheme(name)
    # A quantile k/K that is a weight is an edge of two cells; to which that weight goes is rounding's choice.
    assume(name != "pwl" or all(k * (x.size - 1) % num_levels for k in range(1, num_levels)))
    # Errors, not levels: uniform_clipped may pick another of two equally good ranges.
    error = squared_error(x, quantized(scheme, x, num_levels)[1])
    moved = squared_error(x + shift, quantized(scheme, x + shift, num_levels)[1])
    assert moved == pytest.approx(error, rel=1e-6, abs=1e-20 * float(np.abs(x).max() + abs(shift)) ** 2)


@pytest.mark.parametrize("name", ["log2", "nf4", "fp4"])
def test_control_magnitude_schemes_do_not_follow_a_shift(name: str) -> None:
    x = np.random.default_rng(0).standard_normal(200)
    error = squared_error(x, quantized(name, x, 16)[1])
    assert squared_error(x + 5.0, quantized(name, x + 5.0, 16)[1]) != pytest.approx(error, rel=0.1)


@EVERY
@given(x=arrays(), num_levels=LEVELS)
def test_no_scheme_beats_lloyd_max_on_data(name: str, x: Array, num_levels: int) -> None:
    num_levels = levels_for(get_scheme(name), num_levels)
    best = squared_error(x, quantized("lloyd_max", x, num_levels)[1])
    mine = squared_error(x, quantized(name, x, num_levels)[1])
    # Squares of data far from zero carry the rounding of the weights themselves.
    assert best <= mine * (1.0 + 1e-12) + 1e-30 * float(np.abs(x).max()) ** 2


@EVERY
@given(source=laws(), num_levels=st.integers(1, 40))
def test_on_laws(name: str, source: Source, num_levels: int) -> None:
    scheme = get_scheme(name)
    num_levels = levels_for(scheme, num_levels)
    try:
        codebook = scheme.design(source, num_levels)
    except SourceError:
        # I(alpha) may be infinite, and nothing else may be wrong.
        assert name.startswith("power:")
        assert source.density_power_integral(float(name.split(":")[1])) == np.inf
        return
    assert codebook.num_levels <= num_levels
    low, high = source.support
    if "levels_in_range" in scheme.promises:
        assert low <= codebook.levels[0]
        assert codebook.levels[-1] <= high
    best = law_distortion(SCHEMES["lloyd_max"].design(source, num_levels), source)
    assert best <= law_distortion(codebook, source) * (1.0 + 1e-9)


def test_control_lloyd_max_would_lose_to_a_better_codebook() -> None:
    x = np.random.default_rng(0).standard_normal(500)
    worse = squared_error(x, quantized("uniform", x, 8)[1])
    assert not worse <= squared_error(x, quantized("lloyd_max", x, 8)[1])


@given(x=arrays(), num_levels=LEVELS)
def test_clipped_never_loses_to_min_max(x: Array, num_levels: int) -> None:
    clipped = squared_error(x, quantized("uniform_clipped", x, num_levels)[1])
    assert clipped <= squared_error(x, quantized("uniform", x, num_levels)[1]) * (1.0 + 1e-12)


# Nested designs: each cell or level set of the second size refines that of the first.
@given(x=generic_arrays(), num_levels=st.integers(1, 12))
def test_more_nested_levels_never_hurt_on_data(x: Array, num_levels: int) -> None:
    slack = 1.0 + 1e-9
    lloyd = [squared_error(x, quantized("lloyd_max", x, k)[1]) for k in (num_levels, num_levels + 1)]
    assert lloyd[1] <= lloyd[0] * slack
    if num_levels > 1:
        sizes = (num_levels, 2 * num_levels - 1)
        uniform = [squared_error(x, quantized("uniform", x, k)[1]) for k in sizes]
        assert uniform[1] <= uniform[0] * slack
    x = x[: x.size - x.size % (2 * num_levels)]
    if x.size:
        cells = [squared_error(x, quantized("equal_mass", x, k)[1]) for k in (num_levels, 2 * num_levels)]
        assert cells[1] <= cells[0] * slack


@given(source=laws(), num_levels=st.integers(1, 16), alpha=st.sampled_from([0.25, 1 / 3, 0.5, 1.0]))
def test_more_nested_cells_never_hurt_on_laws(source: Source, num_levels: int, alpha: float) -> None:
    scheme = get_scheme(f"power:{alpha!r}")
    try:
        first, second = (
            law_distortion(scheme.design(source, k), source) for k in (num_levels, 2 * num_levels)
        )
    except SourceError:  # I(alpha) is infinite
        reject()
    assert second <= first * (1.0 + 1e-9)


def test_control_sizes_that_do_not_nest_may_hurt() -> None:
    x = np.array([0.0, 1.0, 2.0])
    errors = [squared_error(x, quantized("uniform", x, k)[1]) for k in (3, 4)]
    assert errors[1] > errors[0]


@EVERY
def test_permuting_the_weights_permutes_the_result(name: str) -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal(100)
    order = rng.permutation(100)
    np.testing.assert_array_equal(quantized(name, x[order], 16)[1], quantized(name, x, 16)[1][order])


@pytest.mark.parametrize("name", ["lloyd_max", "equal_mass", "uniform_clipped"])
def test_integer_sample_weights_mean_repeats(name: str) -> None:
    x = np.random.default_rng(2).standard_normal(60)
    weighted = get_scheme(name).design(Empirical(x, np.full(60, 3.0)), 6)
    repeated = get_scheme(name).design(Empirical(np.repeat(x, 3)), 6)
    np.testing.assert_allclose(weighted.levels, repeated.levels, rtol=1e-9)
