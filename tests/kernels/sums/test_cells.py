"""Prefix sums and cell statistics against rational arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmq_theory.kernels.sums.cells import cell_cost, cell_means, cell_moments
from fmq_theory.kernels.sums.double_double import dd_add, dd_divide, dd_multiply, two_product, two_sum
from fmq_theory.kernels.sums.prefix import prefix_from_moments
from tests.kernels.inputs import prefix_moments
from tests.kernels.oracles import exact_cost

numbers = st.floats(-1e50, 1e50, allow_subnormal=False).filter(lambda x: x == 0.0 or abs(x) > 1e-50)


def exact(pair: tuple[float, float]) -> Fraction:
    return Fraction(pair[0]) + Fraction(pair[1])


@given(numbers, numbers)
def test_two_sum_and_two_product_are_exact(a: float, b: float) -> None:
    assert exact(two_sum(a, b)) == Fraction(a) + Fraction(b)
    assert exact(two_product(a, b)) == Fraction(a) * Fraction(b)


@given(numbers, numbers, numbers, numbers)
def test_double_double_has_about_thirty_digits(a: float, b: float, c: float, d: float) -> None:
    x, y = two_product(a, b), two_product(c, d)
    scale = abs(exact(x)) + abs(exact(y))
    assert abs(exact(dd_add(*x, *y)) - exact(x) - exact(y)) <= scale * Fraction(2) ** -102
    product = exact(x) * exact(y)
    assert abs(exact(dd_multiply(*x, *y)) - product) <= abs(product) * Fraction(2) ** -100
    if y[0] > 0.0:
        quotient = exact(x) / exact(y)
        assert abs(exact(dd_divide(*x, *y)) - quotient) <= abs(quotient) * Fraction(2) ** -98


@pytest.mark.parametrize("weighted", [False, True])
def test_a_narrow_cell_far_from_the_origin_keeps_its_accuracy(weighted: bool) -> None:
    rng = np.random.default_rng(1)
    values = np.sort(np.concatenate((rng.standard_normal(500), 1.0 + 1e-9 * rng.standard_normal(500))))
    weights = rng.random(1000) + 1e-3 if weighted else np.ones(1000)
    prefix = prefix_moments(values, weights)
    inside = np.flatnonzero(np.abs(values - 1.0) < 5e-9)
    start, stop = int(inside[3]), int(inside[-3])
    cell = slice(start, stop)
    expected = exact_cost(values[cell], weights[cell])
    assert cell_cost(prefix, start, stop) == pytest.approx(float(expected), rel=1e-12, abs=0.0)
    # Control: the textbook formula in float64 has no correct digit left.
    w, x = weights[cell], values[cell]
    naive = (w * x * x).sum() - (w * x).sum() ** 2 / w.sum()
    assert naive != pytest.approx(float(expected), rel=0.5, abs=0.0)


@given(st.lists(st.floats(-1.0, 1.0, allow_subnormal=False), min_size=2, max_size=40), st.data())
def test_moments_about_a_point(points: list[float], data: st.DataObject) -> None:
    values = np.sort(np.array(points))
    weights = np.arange(1.0, values.size + 1.0) / 3.0
    start = data.draw(st.integers(0, values.size))
    stop = data.draw(st.integers(start, values.size))
    about = data.draw(st.floats(-2.0, 2.0))
    prefix = prefix_moments(values, weights)
    found = cell_moments(prefix, np.array([start]), np.array([stop]), np.array([about]))
    terms = [
        (Fraction(float(w)), Fraction(float(x)) - Fraction(about))
        for w, x in zip(weights[start:stop], values[start:stop], strict=True)
    ]
    for power, moment in enumerate(found):
        expected = float(sum((w * d**power for w, d in terms), Fraction(0)))
        size = float(sum((abs(w * d**power) for w, d in terms), Fraction(0)))
        assert moment[0] == pytest.approx(expected, rel=1e-15, abs=1e-14 * size + 1e-27)


def test_both_prefixes_agree() -> None:
    rng = np.random.default_rng(2)
    values, weights = np.sort(rng.standard_normal(100)), rng.random(100)
    direct = prefix_moments(values, weights)
    from_moments = prefix_from_moments(weights, weights * values, weights * values**2)
    assert np.allclose(direct[:, [0, 1, 3]], from_moments[:, [0, 1, 3]], rtol=1e-14, atol=1e-15)


def test_means_of_cells() -> None:
    values = np.array([1.0, 2.0, 4.0, 8.0])
    means = cell_means(prefix_moments(values, np.array([1.0, 3.0, 1.0, 1.0])), np.array([0, 2, 4]))
    assert means.tolist() == [1.75, 6.0]


def test_read_only_and_memory_mapped_arrays(tmp_path) -> None:
    values = np.linspace(0.0, 1.0, 50)
    np.save(tmp_path / "x.npy", values)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    frozen = values.copy()
    frozen.setflags(write=False)
    expected = prefix_moments(values, np.ones(50))
    assert (prefix_moments(mapped, np.ones(50)) == expected).all()
    assert (prefix_moments(frozen, np.ones(50)) == expected).all()
