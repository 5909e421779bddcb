"""Means of cells that are wider by far than the law, against 40 digits."""

import itertools
from typing import Any

import mpmath
import numpy as np
import pytest

from fmq_theory.quantizers import get_scheme
from fmq_theory.quantizers.centroids import cell_means
from fmq_theory.sources import StudentT


def mean_beyond(df: float, start: float, end: float) -> float:
    """E[X | start < X < end] of Student's law: its first integral and its incomplete beta function."""
    with mpmath.workdps(40):
        nu = mpmath.mpf(df)
        constant = mpmath.gamma((nu + 1) / 2) / mpmath.sqrt(nu * mpmath.pi) / mpmath.gamma(nu / 2)

        def first(x: float) -> Any:
            if x == np.inf:
                return mpmath.mpf(0)
            return constant * nu / (nu - 1) * (1 + mpmath.mpf(x) ** 2 / nu) ** ((1 - nu) / 2)

        def mass(x: float) -> Any:
            if x == np.inf:
                return mpmath.mpf(0)
            ratio = nu / (nu + mpmath.mpf(x) ** 2)
            return mpmath.betainc(nu / 2, mpmath.mpf(1) / 2, 0, ratio, regularized=True) / 2

        return float((first(start) - first(end)) / (mass(start) - mass(end)))


@pytest.mark.parametrize("df", [2.01, 2.3, 5.0])
@pytest.mark.parametrize("last", [1e4, 1e7, 1e10, 1e40, 1e60])
def test_mean_of_a_wide_cell(df: float, last: float) -> None:
    near = [0.0, 3.0, np.sqrt(last)]
    edges = [*near, last, np.inf]
    thresholds = np.array([-last, *(-np.array(near[:0:-1])), *near, last])
    _, means = cell_means(StudentT(df), thresholds)
    wanted = [mean_beyond(df, a, b) for a, b in itertools.pairwise(edges)]
    np.testing.assert_allclose(means[-len(wanted) :], wanted, rtol=1e-10)
    np.testing.assert_allclose(means[: len(wanted)], -np.array(wanted[::-1]), rtol=1e-10)


@pytest.mark.parametrize("scheme", ["panter_dite", "ecq"])
@pytest.mark.parametrize("bits", [3, 8])
def test_thresholds_beyond_the_mass_of_float64_join(scheme: str, bits: int) -> None:
    """The density to the power 1/3 of Student's law of 2.01 has quantiles at 1e180."""
    law = StudentT(2.01)
    codebook = get_scheme(scheme).design(law, 2**bits)
    assert (np.diff(codebook.levels) > 0.0).all()
    assert (law.sf(codebook.thresholds) > 0.0).all()
