"""The exact distortion, against closed forms, quadrature, brute force and W2."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import integrate

from fmq_theory.codebook import Codebook
from fmq_theory.metrics import cell_masses, distortion, index_entropy, sample_to_codebook_w2_squared
from fmq_theory.sources import FAMILIES, Gaussian, Laplace, StudentT, Uniform, make
from fmq_theory.sources.empirical import Empirical


def test_uniform_law_in_closed_form() -> None:
    # K cells of width h = 2 / K with levels in the middle: h^2 / 12.
    for k in (1, 2, 7, 256):
        levels = -1.0 + (2.0 * np.arange(k) + 1.0) / k
        assert distortion(Codebook.nearest(levels), Uniform()) == pytest.approx(
            1.0 / (3.0 * k * k), rel=1e-13
        )


def test_one_level_is_variance_and_bias() -> None:
    assert distortion(Codebook.nearest([0.25]), Gaussian(1.0, 2.0)) == pytest.approx(4.0 + 0.75**2, rel=1e-13)


@pytest.mark.parametrize(
    ("law", "levels", "published"),
    [  # unit variance, two and four levels; theory.md section 9, Max 1960
        (Gaussian(), [-math.sqrt(2 / math.pi), math.sqrt(2 / math.pi)], 0.363380),
        (Gaussian(), [-1.5 * 0.995687, -0.5 * 0.995687, 0.5 * 0.995687, 1.5 * 0.995687], 0.118846),
        (Laplace(0.0, math.sqrt(0.5)), [-math.sqrt(0.5), math.sqrt(0.5)], 0.5),
    ],
)
def test_published_values(law, levels, published) -> None:
    assert distortion(Codebook.nearest(levels), law) == pytest.approx(published, abs=6e-7)


@pytest.mark.parametrize("name", FAMILIES)
def test_against_quadrature(name: str) -> None:
    law = make(name, loc=0.3, scale=1.7)
    levels = np.array([-4.0, -1.1, 0.2, 0.9, 5.0])
    codebook = Codebook.nearest(levels)
    low, high = law.support
    points = sorted({low, high, *(t for t in (*codebook.thresholds, 0.3) if low < t < high)})

    def error(x: float) -> float:
        return float((x - levels[np.abs(x - levels).argmin()]) ** 2 * law.pdf(x))

    expected = sum(
        integrate.quad(error, a, b, limit=400, epsabs=0, epsrel=1e-10)[0]
        for a, b in itertools.pairwise(points)
    )
    assert distortion(codebook, law) == pytest.approx(expected, rel=1e-7)


def test_infinite_second_moment() -> None:
    codebook = Codebook.nearest([-1.0, 1.0])
    for df in (0.5, 1.5, 2.0):
        assert distortion(codebook, StudentT(df)) == math.inf
    assert math.isfinite(distortion(codebook, StudentT(2.1)))
    assert distortion(codebook, Empirical([-1e300, 1e300])) == math.inf  # beyond float64, no warning


finite = st.floats(-1e6, 1e6, allow_subnormal=False)


@given(
    weights=hnp.arrays(np.float64, st.integers(1, 60), elements=finite),
    levels=st.lists(finite, min_size=1, max_size=9),
)
@example(weights=np.array([2.2e-223, 0.0]), levels=[1.0])  # squares of the weights' own unit are no float64
def test_data_against_brute_force_and_t1(weights: np.ndarray, levels: list[float]) -> None:
    source, codebook = Empirical(weights), Codebook.nearest(levels)
    brute = math.fsum((x - codebook.decode(codebook.encode(x))) ** 2 for x in weights) / weights.size
    found = distortion(codebook, source)
    spread = max(np.abs(weights).max(), np.abs(levels).max()) ** 2
    assert found == pytest.approx(brute, rel=1e-12, abs=1e-28 * spread)
    # T1: a monotone quantizer is the optimal coupling.
    assert sample_to_codebook_w2_squared(source, codebook) == pytest.approx(
        found, rel=1e-12, abs=1e-28 * spread
    )


@given(
    weights=hnp.arrays(np.float64, st.integers(1, 60), elements=finite), levels=st.lists(finite, min_size=1)
)
def test_entropy_of_the_codes(weights: np.ndarray, levels: list[float]) -> None:
    codebook = Codebook.nearest(levels)
    counts = np.bincount(codebook.encode(weights), minlength=codebook.num_levels)
    shares = counts[counts > 0] / weights.size
    source = Empirical(weights)
    np.testing.assert_allclose(cell_masses(codebook, source), counts / weights.size, atol=1e-15)
    assert index_entropy(codebook, source) == pytest.approx(-(shares * np.log2(shares)).sum(), abs=1e-12)
    assert index_entropy(codebook, source) <= math.log2(codebook.num_levels) + 1e-12


def test_non_monotone_assignment_is_not_t1() -> None:
    """Negative control of T1: an assignment that crosses costs more than W2."""
    x = np.array([0.0, 1.0])
    crossed = x[::-1]
    assert np.mean((x - crossed) ** 2) > sample_to_codebook_w2_squared(
        Empirical(x), Codebook.nearest(crossed)
    )
