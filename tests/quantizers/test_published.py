"""Each published scheme against a transcription of its description, ties and rounding included."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fmq_theory.quantizers import SCHEMES
from fmq_theory.sources import Empirical
from tests.quantizers import published
from tests.quantizers.drawing import Array, arrays, quantized

BITS = st.integers(1, 5)


def close(a: Array, b: Array, x: Array) -> bool:
    return bool(np.allclose(a, b, rtol=1e-13, atol=1e-14 * float(np.max(np.abs(x)))))


@given(arrays(), BITS)
@example(np.array([2.0, 2.0, 1.0, 2.0, 3.0, 2.0]), 1)  # the tie straddles the border
@example(np.array([5.0, 1.0, 1.0, 1.0, 1.0]), 2)
def test_equal_mass(x: Array, bits: int) -> None:
    _, mine = quantized("equal_mass", x, 2**bits)
    assert close(mine, published.equal_mass(x, bits), x)


def test_equal_mass_shares_a_tie_out_in_the_order_in_which_it_stands() -> None:
    x = np.array([2.0, 2.0, 1.0, 2.0, 3.0, 2.0])  # cells {1, 2, 2} and {2, 2, 3}
    codebook, _ = quantized("equal_mass", x, 2)
    np.testing.assert_array_equal(SCHEMES["equal_mass"].encode(codebook, x), [0, 0, 0, 1, 1, 1])
    np.testing.assert_allclose(codebook.levels, [5.0 / 3.0, 7.0 / 3.0], rtol=1e-15)
    # Control: by thresholds alone the whole tie goes one way.
    np.testing.assert_array_equal(codebook.encode(x), [1, 1, 0, 1, 1, 1])


def test_equal_mass_of_other_values_goes_by_thresholds() -> None:
    codebook, _ = quantized("equal_mass", np.arange(8.0), 4)
    other = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 7.0])
    np.testing.assert_array_equal(SCHEMES["equal_mass"].encode(codebook, other), codebook.encode(other))


@given(arrays(), BITS)
@example(np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), 2)  # scale 2: half-way at 1, 3, 5
@example(np.array([-1.0, 1e-20, 1.0]), 1)  # half-way after rounding only
@example(np.array([0.0, 0.1, 1.0]), 4)  # 0.1 / (1/15) rounds to 1.5
def test_uniform(x: Array, bits: int) -> None:
    _, mine = quantized("uniform", x, 2**bits)
    assert close(mine, published.uniform(x, bits), x)


def test_uniform_rounds_half_to_even_in_codes_and_in_thresholds() -> None:
    x = np.arange(7.0)  # K = 4: scale 2, and 1, 3, 5 are half-way
    codebook, _ = quantized("uniform", x, 4)
    expected = [0, 0, 1, 2, 2, 2, 3]
    np.testing.assert_array_equal(SCHEMES["uniform"].encode(codebook, x), expected)
    np.testing.assert_array_equal(codebook.encode(x), expected)
    # Control: half-way thresholds without the rule for ties round half up.
    half_way = 0.5 * codebook.levels[:-1] + 0.5 * codebook.levels[1:]
    assert (np.searchsorted(half_way, x, side="right") != expected).any()


@given(arrays(), BITS)
@example(np.array([1.0, 1.0, 1.0, 2.0, 3.0, 3.0, 3.0]), 2)  # ties at both ends
def test_pwl(x: Array, bits: int) -> None:
    if x.min() == x.max():
        return  # the template's, not the scheme's
    _, mine = quantized("pwl", x, 2**bits)
    assert close(mine, published.pwl(x, bits), x)


@given(arrays(), BITS)
@example(np.array([-4.0, -1.0, 0.0, 0.5, 8.0]), 2)
@example(np.array([0.0, 3.0, 12.0]), 3)  # one sign only
def test_log2(x: Array, bits: int) -> None:
    if x.min() == x.max():
        return
    _, mine = quantized("log2", x, 2**bits)
    # Half-way between two levels the description leaves open which: compare distances.
    assert close(np.abs(x - mine), np.abs(x - published.log2(x, bits)), x)


def test_log2_sends_zeros_to_the_level_of_smallest_magnitude() -> None:
    x = np.array([-8.0, -2.0, 0.0, 0.5, 4.0])
    codebook, mine = quantized("log2", x, 4)
    np.testing.assert_array_equal(codebook.levels, [-8.0, -2.0, 0.5, 4.0])
    assert mine[2] == 0.5


def test_log2_with_one_level_a_side_takes_the_middle_in_log2() -> None:
    codebook, _ = quantized("log2", np.array([-16.0, -4.0, 1.0, 4.0]), 2)
    np.testing.assert_allclose(codebook.levels, [-8.0, 2.0], rtol=1e-15)


def test_log2_one_level_in_all() -> None:
    assert quantized("log2", np.array([-4.0, -1.0]), 1)[0].levels == pytest.approx([-2.0])
    assert quantized("log2", np.array([-4.0, -1.0, 1.0, 9.0]), 1)[0].levels == pytest.approx([3.0])


@pytest.mark.parametrize("name", ["uniform", "pwl", "log2", "equal_mass"])
def test_control_the_transcriptions_can_tell_schemes_apart(name: str) -> None:
    x = np.random.default_rng(5).standard_normal(200)
    _, mine = quantized(name, x, 8)
    rules: dict[str, Callable[[Array, int], Array]] = {
        "uniform": published.uniform,
        "pwl": published.pwl,
        "log2": published.log2,
        "equal_mass": published.equal_mass,
    }
    assert [other for other, rule in rules.items() if close(mine, rule(x, 3), x)] == [name]


@given(st.integers(1, 300), st.integers(1, 40), st.integers(0, 2**32))
def test_equal_mass_cells_hold_equal_counts(n: int, num_levels: int, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal(n)
    scheme = SCHEMES["equal_mass"]
    codebook = scheme.design(Empirical(x), num_levels)
    counts = np.bincount(scheme.encode(codebook, x), minlength=codebook.num_levels)
    expected = [part.size for part in np.array_split(x, min(num_levels, n))]
    np.testing.assert_array_equal(counts, expected)
