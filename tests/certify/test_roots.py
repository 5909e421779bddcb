from collections.abc import Callable, Sequence

import pytest
from flint import arb, arb_mat
from hypothesis import given, settings
from hypothesis import strategies as st

from fmq_theory.certify import (
    Tridiagonal,
    certified_root,
    certified_zero,
    interval_newton,
    krawczyk,
    precision,
)
from fmq_theory.certify.roots import System
from fmq_theory.errors import CertificationError


def test_the_square_root_of_two() -> None:
    with precision(160):
        root = certified_root(lambda x: x * x - 2, lambda x: 2 * x, arb(1.4))
        assert root.lower() ** 2 < 2 < root.upper() ** 2
        assert root.rad() < arb(2) ** -150


def test_interval_newton_proves_nothing_without_a_contraction() -> None:
    square, slope = (lambda x: x * x - 2), (lambda x: 2 * x)
    assert interval_newton(square, slope, arb(1.4, 0.1)) is not None
    assert interval_newton(square, slope, arb(0, 3)) is None  # two zeros and a flat point
    assert interval_newton(square, slope, arb(3, 0.5)) is None  # no zero
    assert interval_newton(lambda x: x * x, slope, arb(0, 1)) is None  # a double zero
    assert interval_newton(lambda x: x * x + 1, slope, arb(1, 0.5)) is None  # no real zero at all


def test_a_function_without_a_zero_has_no_certified_root() -> None:
    with pytest.raises(CertificationError, match="does not contract"):
        certified_root(lambda x: x * x + 1, lambda x: 2 * x, arb(0.3))
    with pytest.raises(CertificationError, match="does not contract"):
        certified_root(lambda x: x * x, lambda x: 2 * x, arb(0.3))


@settings(max_examples=40, deadline=None)
@given(
    diagonal=st.lists(st.integers(3, 9), min_size=1, max_size=7),
    off=st.lists(st.integers(-1, 1), min_size=6, max_size=6),
    right=st.lists(st.integers(-5, 5), min_size=7, max_size=7),
)
def test_tridiagonal_algebra_against_dense(diagonal: list[int], off: list[int], right: list[int]) -> None:
    size = len(diagonal)
    band = Tridiagonal(
        [arb(v) for v in off[: size - 1]], [arb(v) for v in diagonal], [arb(-v) for v in off[: size - 1]]
    )
    dense = arb_mat(size, size)
    for i in range(size):
        dense[i, i] = band.diagonal[i]
        if i + 1 < size:
            dense[i, i + 1], dense[i + 1, i] = band.upper[i], band.lower[i]
    vector = [arb(v) for v in right[:size]]
    column = arb_mat(size, 1, vector)
    solved = dense.solve(column)
    product = dense * column
    for i in range(size):
        assert band.solve(vector)[i].overlaps(solved[i, 0])
        assert band.times(vector)[i].overlaps(product[i, 0])
    determinant = arb(1)
    for pivot in band.pivots():
        determinant *= pivot
    assert determinant.overlaps(dense.det())


def _system(shift: int) -> tuple[System, Callable[[Sequence[arb]], Tridiagonal]]:
    """x_k^2 + (x_{k-1} + x_{k+1})/4 = k + shift, a tridiagonal system."""

    def func(x: Sequence[arb]) -> list[arb]:
        padded = [arb(0), *x, arb(0)]
        return [
            padded[k] ** 2 + (padded[k - 1] + padded[k + 1]) / 4 - k - shift for k in range(1, len(x) + 1)
        ]

    def jacobian(x: Sequence[arb]) -> Tridiagonal:
        quarter = [arb(0.25)] * (len(x) - 1)
        return Tridiagonal(quarter, [2 * v for v in x], quarter)

    return func, jacobian


def test_krawczyk_proves_the_zero_of_a_system() -> None:
    func, jacobian = _system(1)
    with precision(120):
        guess = [arb(k + 1).sqrt() for k in range(1, 6)]
        for _ in range(8):
            step = jacobian(guess).solve(func(guess))
            guess = [(x - s).mid() for x, s in zip(guess, step, strict=True)]
        box = certified_zero(func, jacobian, guess)
        assert all(value.contains(0) for value in func(box))
        assert all(side.rad() < arb(2) ** -100 for side in box)
        wide = krawczyk(func, jacobian, [arb(x.mid(), 0.05) for x in box])
        assert wide is not None
        assert all(a.overlaps(b) for a, b in zip(wide, box, strict=True))


def test_krawczyk_proves_nothing_where_it_does_not_contract() -> None:
    func, jacobian = _system(1)
    assert krawczyk(func, jacobian, [arb(0, 3)] * 4) is None
    assert krawczyk(func, jacobian, [arb(9, 0.01)] * 4) is None  # no zero in the box
    with pytest.raises(CertificationError, match="does not contract"):
        certified_zero(func, jacobian, [arb(0)] * 3)  # singular Jacobian, no zero near


def test_positive_definiteness_is_proven_or_denied() -> None:
    ones = [arb(1)] * 2
    assert Tridiagonal(ones, [arb(3)] * 3, ones).positive_definite()
    assert not Tridiagonal(ones, [arb(1)] * 3, ones).positive_definite()
    assert not Tridiagonal(ones, [arb(3, 2.9)] * 3, ones).positive_definite()
