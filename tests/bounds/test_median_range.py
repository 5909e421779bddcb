"""The median half-range, and the sizes at which the ratio of the two bounds has a given value."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from fmq_theory.bounds import (
    expected_half_range_squared,
    median_half_range,
    panter_dite_constant,
    sample_size_of_median,
)
from fmq_theory.errors import SourceError
from fmq_theory.sources import Source, make

LAWS = [
    make("gaussian"),
    make("laplace"),
    make("student-t", df=4.0),
    make("generalized-gaussian", beta=1.5),
    make("gamma", shape=0.5),
]


@given(st.integers(2, 5000))
def test_uniform_by_its_closed_form(n: int) -> None:
    """The range of n weights of U(0, 1) is Beta(n - 1, 2)."""
    # The integrand has a kink where x - s leaves the support.
    tolerance = 5e-4 if n < 1000 else 1e-5
    assert median_half_range(make("uniform"), n) == pytest.approx(beta(n - 1, 2).median(), rel=tolerance)


def test_two_weights_of_the_gaussian() -> None:
    """|X - Y|/2 for two weights: X - Y has variance 2, so the median is z(3/4)/sqrt(2)."""
    assert median_half_range(make("gaussian"), 2) == pytest.approx(
        0.6744897501960817 / math.sqrt(2), rel=1e-7
    )


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
@pytest.mark.parametrize("n", [5, 200])
def test_half_of_drawn_layers_lie_below(law: Source, n: int) -> None:
    drawn = np.ptp(law.sample(20_000 * n, rng=np.random.default_rng(n)).reshape(20_000, n), axis=1) / 2
    found = median_half_range(law, n)
    error = 4 * 0.5 / math.sqrt(drawn.size)
    assert np.mean(drawn < found) == pytest.approx(0.5, abs=error)
    # The root of the mean square, 2 % further out or more, is told apart.
    assert np.mean(drawn < math.sqrt(expected_half_range_squared(law, n))) > 0.5 + error


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_sizes_invert_the_ratio(law: Source) -> None:
    for ratio in (0.40, 0.25):
        n = sample_size_of_median(law, ratio)
        assert panter_dite_constant(law) / median_half_range(law, n) ** 2 == pytest.approx(ratio, rel=1e-6)


def test_where_there_is_no_size() -> None:
    assert sample_size_of_median(make("uniform"), 0.30) == math.inf  # its ratio falls to 1/3 and no further
    assert sample_size_of_median(make("uniform"), 10.0) == 2.0
    with pytest.raises(SourceError, match="needs two"):
        median_half_range(make("gaussian"), 1)
