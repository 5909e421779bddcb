"""Each published scheme against a transcription of its description.

In float64 up to rounding and up to which of several tied weights goes to which side of a border; in float32
(``published:*``) to the bit.
"""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from fmq_theory import quantize
from fmq_theory.errors import SchemeError
from fmq_theory.quantizers import SCHEMES, get_scheme
from fmq_theory.sources import Empirical
from tests.quantizers import published
from tests.quantizers.drawing import Array, arrays, generic_arrays, lattice_arrays, quantized

BITS = st.integers(1, 5)
RULES: dict[str, Callable[[published.Array, int], published.Array]] = {
    "uniform": published.uniform,
    "pwl": published.pwl,
    "log2": published.log2,
    "equal_mass": published.equal_mass,
}


def close(a: Array, b: Array, x: Array) -> bool:
    return bool(np.allclose(a, b, rtol=1e-13, atol=1e-14 * float(np.max(np.abs(x)))))


@given(arrays(), BITS)
@example(np.array([2.0, 2.0, 1.0, 2.0, 3.0, 2.0]), 1)  # the tie straddles the border
@example(np.array([5.0, 1.0, 1.0, 1.0, 1.0]), 2)
def test_equal_mass(x: Array, bits: int) -> None:
    _, mine = quantized("equal_mass", x, 2**bits)
    # Which of several tied weights gets which level is up to numpy's sort there, and their order here.
    assert close(np.sort(mine), np.sort(published.equal_mass(x, bits)), x)
    if np.unique(x).size == x.size:
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
    assume(x.min() < x.max())  # a constant row is the template's, not the scheme's
    _, mine = quantized("pwl", x, 2**bits)
    assert close(mine, published.pwl_by_quantile(x, bits), x)


@given(arrays(), BITS)
@example(np.array([-4.0, -1.0, 0.0, 0.5, 8.0]), 2)
@example(np.array([0.0, 3.0, 12.0]), 3)  # one sign only
def test_log2(x: Array, bits: int) -> None:
    assume(x.min() < x.max())
    _, mine = quantized("log2", x, 2**bits)
    # Half-way between two levels the description leaves open which: compare distances.
    theirs = published.log2_symmetric(x, bits)
    assert close(np.abs(x - mine), np.abs(x - theirs), x)


def test_log2_has_no_more_levels_than_weights_and_all_of_them_where_there_is_one_sign() -> None:
    x = np.random.default_rng(0).standard_normal((64, 9))
    assert max(int(quantize(row, "log2", 8).num_levels_used.max()) for row in x) == 8  # 4 a sign, of 9
    # With 128 levels a sign, as this scheme had before, the error is a thousand times smaller.
    assert quantize(x, "log2", 8).mse == pytest.approx(0.0234681, rel=1e-5)
    scale = 1.0 + 0.1 * np.random.default_rng(1).random(256)
    levels = SCHEMES["log2"].design(Empirical(scale), 4).levels
    np.testing.assert_allclose(np.diff(np.log2(levels)), np.log2(scale.max() / scale.min()) / 3.0, rtol=1e-9)
    assert SCHEMES["log2"].design(Empirical(-scale), 4).num_levels == 4
    # As published a channel without positive weights has half of them; one of zeros keeps them.
    signed = quantize(np.stack([scale, -scale, 0.0 * scale]).astype(np.float32), "published:log2", 2)
    assert signed.num_levels_used.tolist() == [4, 2, 1]
    # Control: two levels only leave more than ten times the error.
    two = SCHEMES["log2"].design(Empirical(scale), 2)
    four = SCHEMES["log2"].design(Empirical(scale), 4)
    errors = [np.mean((scale - book.decode(book.encode(scale))) ** 2) for book in (two, four)]
    assert errors[0] > 5.0 * errors[1]


def test_log2_sends_zeros_to_the_level_of_smallest_magnitude() -> None:
    x = np.array([-8.0, -2.0, 0.0, 0.5, 4.0])
    codebook, mine = quantized("log2", x, 4)
    np.testing.assert_array_equal(codebook.levels, [-8.0, -2.0, 0.5, 4.0])
    assert mine[2] == 0.5


def test_log2_with_one_level_a_side_takes_the_middle_in_log2() -> None:
    codebook, _ = quantized("log2", np.array([-16.0, -4.0, 1.0, 4.0]), 2)
    np.testing.assert_allclose(codebook.levels, [-8.0, 2.0], rtol=1e-15)
    # As published it is the smallest magnitude.
    row = np.array([-16.0, -4.0, 1.0, 4.0], dtype=np.float32)
    np.testing.assert_array_equal(quantize(row, "published:log2", 1).codebooks, [[-4.0, 1.0]])


def test_log2_one_level_in_all() -> None:
    assert quantized("log2", np.array([-4.0, -1.0]), 1)[0].levels == pytest.approx([-2.0])
    assert quantized("log2", np.array([-4.0, -1.0, 1.0, 9.0]), 1)[0].levels == pytest.approx([3.0])


@pytest.mark.parametrize("name", ["uniform", "pwl", "log2", "equal_mass"])
def test_control_the_transcriptions_can_tell_schemes_apart(name: str) -> None:
    x = np.random.default_rng(5).standard_normal(200)
    _, mine = quantized(name, x, 8)
    assert [other for other, rule in RULES.items() if close(mine, rule(x, 3), x)] == [name]


def narrow(x: Array) -> published.Array:
    """In float32, one of each value: which of several equal weights comes first is numpy's choice."""
    kept = np.unique(x.astype(np.float32), return_index=True)[1]
    return x[np.sort(kept)].astype(np.float32)


@pytest.mark.parametrize("rule", ["uniform", "pwl", "log2", "equal_mass"])
@given(x=generic_arrays(), bits=st.integers(1, 8))
def test_published_in_float32_is_the_transcription_to_the_bit(rule: str, x: Array, bits: int) -> None:
    x = narrow(x)
    mine = quantize(x, f"published:{rule}", bits)
    theirs = RULES[rule](x, bits)
    assert mine.dequantize().dtype == theirs.dtype == np.float32
    np.testing.assert_array_equal(mine.dequantize(), theirs)


@pytest.mark.parametrize("rule", ["uniform", "pwl", "log2", "equal_mass"])
@given(x=lattice_arrays(), bits=st.integers(1, 4))
def test_published_with_ties_gives_the_same_weights_in_some_order(rule: str, x: Array, bits: int) -> None:
    row = x.astype(np.float32)
    mine = quantize(row, f"published:{rule}", bits).dequantize()
    theirs = RULES[rule](row, bits)
    for value in np.unique(row):
        np.testing.assert_array_equal(np.sort(mine[row == value]), np.sort(theirs[row == value]))


@pytest.mark.parametrize("rule", ["uniform", "equal_mass"])
def test_control_the_schemes_in_float64_are_not_the_published_ones_to_the_bit(rule: str) -> None:
    rows = np.random.default_rng(7).standard_normal((8, 2000)).astype(np.float32)
    plain, narrow32 = (quantize(rows, name, 4).dequantize() for name in (rule, f"published:{rule}"))
    assert (plain != narrow32).any()
    np.testing.assert_allclose(plain, narrow32, rtol=0.0, atol=1e-6 * np.abs(rows).max())


def test_published_rows_are_those_of_one_row_at_a_time() -> None:
    rows = np.random.default_rng(8).standard_t(4.0, (5, 300)).astype(np.float32)
    rows[1], rows[3] = 0.25, np.abs(rows[3])
    for rule in RULES:
        together = quantize(rows, f"published:{rule}", 3).dequantize()
        for row, found in zip(rows, together, strict=True):
            np.testing.assert_array_equal(found, RULES[rule](row, 3))


def test_published_refuses_what_it_is_no_rule_for() -> None:
    with pytest.raises(SchemeError, match="no rule of that name"):
        get_scheme("published:lloyd_max")
    with pytest.raises(SchemeError, match="same importance"):
        quantize([1.0, 2.0, 3.0], "published:pwl", 1, sample_weight=[1.0, 2.0, 1.0])
    with pytest.raises(SchemeError, match="exceeds float32"):
        quantize(np.array([0.0, 1e300]), "published:uniform", 2)
    with pytest.raises(SchemeError, match="no positive float32"):
        quantize(np.array([0.0, 1e-45], dtype=np.float32), "published:uniform", 8)


def test_published_as_a_codebook_has_its_levels_in_order() -> None:
    tied = [*np.repeat(np.float32(0.1), 21).tolist(), 0.2, 0.3]
    book = get_scheme("published:equal_mass").design(Empirical(np.array(tied, dtype=np.float32)), 8)
    assert (np.diff(book.levels) >= 0.0).all()
    assert (book.levels[:-1] <= book.thresholds).all()


@given(st.integers(1, 300), st.integers(1, 40), st.integers(0, 2**32))
def test_equal_mass_cells_hold_equal_counts(n: int, num_levels: int, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal(n)
    scheme = SCHEMES["equal_mass"]
    codebook = scheme.design(Empirical(x), num_levels)
    counts = np.bincount(scheme.encode(codebook, x), minlength=codebook.num_levels)
    expected = [part.size for part in np.array_split(x, min(num_levels, n))]
    np.testing.assert_array_equal(counts, expected)
