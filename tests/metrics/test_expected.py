"""The mean distortion over the law of the range, by three other routes."""

import math

import numpy as np
import pytest
from scipy import special

from fmq_theory.codebook import Codebook
from fmq_theory.errors import SchemeError, SourceError
from fmq_theory.metrics import distortion, expected_distortion, mean_estimate
from fmq_theory.quantizers import RangeScheme, get_scheme
from fmq_theory.sources import Gaussian, Laplace, Logistic, Source, StudentT, TwoSidedGamma, Uniform
from fmq_theory.sources.empirical import Empirical


def uniform(low: float, high: float, num_levels: int) -> Codebook:
    """Written out here, to keep the check apart from the scheme of the package."""
    if num_levels == 1:
        return Codebook.nearest([0.5 * (low + high)])
    return Codebook.nearest(np.linspace(low, high, num_levels))


def square_root(low: float, high: float, num_levels: int) -> Codebook:
    """Levels that are not linear in the range."""
    width = math.sqrt(high - low)
    return Codebook.nearest(low + width * np.arange(num_levels))


def by_direct_quadrature(design, law: Source, num_levels: int, n: int, panels: int = 16) -> float:
    """Rosenblatt's map of (min, max) to a square, Gauss panels, and partial moments about each level.

    F(min) = 1 - (1-p)^(1/n), then 1 - F(max) = (1 - F(min)) (1 - (1-q)^(1/(n-1))), p and q uniform; a
    beta law's cdf spreads out both ends of p and q.
    """
    x, weight = np.polynomial.legendre.leggauss(6)
    z = ((np.arange(panels)[:, None] + 0.5 * (x + 1.0)) / panels).ravel()
    weight = np.tile(0.5 * weight / panels, panels) * z**11 * (1 - z) ** 11 / special.beta(12, 12)
    log_rest = np.log(special.betaincc(12, 12, z))
    a = -np.expm1(log_rest / n)[:, None] * np.ones_like(z)
    b = (1 - a) * -np.expm1(log_rest / (n - 1))
    square = np.outer(weight, weight).ravel()
    u, v = law.ppf(a).ravel(), law.isf(b).ravel()
    kept = (square > 1e-40) & (u < v) & np.isfinite(u) & np.isfinite(v)
    u, v, square = u[kept], v[kept], square[kept]
    codebooks = [design(float(low), float(high), num_levels) for low, high in zip(u, v, strict=True)]
    edges = np.clip([codebook.edges() for codebook in codebooks], u[:, None], v[:, None])
    levels = np.array([codebook.levels for codebook in codebooks])
    inside = law.partial_moments(edges[:, :-1], edges[:, 1:], about=levels)
    mass, second = inside.mass.sum(axis=1), inside.second.sum(axis=1)
    conditional = np.divide(second, mass, out=np.zeros_like(mass), where=mass > 0)
    ends = sum(np.abs(levels - end[:, None]).min(axis=1) ** 2 for end in (u, v))
    total = square @ ((n - 2) / n * conditional + ends / n)
    return float(total)


@pytest.mark.deep
@pytest.mark.parametrize("n", [2, 3, 10, 1000, 1_000_000])
@pytest.mark.parametrize("num_levels", [1, 2, 3, 16, 256])
def test_uniform_law_in_closed_form(n: int, num_levels: int) -> None:
    # Within the range the weights are uniform, so the error is step^2 / 12; the range / 2 is Beta(n-1, 2).
    law = Uniform(0.7, 3.0)
    square = 36.0 * n * (n - 1) / ((n + 1) * (n + 2))
    expected = (n - 2) / n * square / (12.0 * max(num_levels - 1, 1) ** 2)
    if num_levels == 1:
        expected += 2.0 / n * square / 4.0  # the two extremes are half a range from the only level
    assert expected_distortion(uniform, law, num_levels, n) == pytest.approx(expected, rel=1e-8, abs=1e-11)


@pytest.mark.parametrize("law", [Gaussian(1.0, 2.0), StudentT(6.0), StudentT(2.3), StudentT(2.05)])
def test_two_weights_and_one_level_in_closed_form(law: Source) -> None:
    # Both weights are half their distance from the middle: E (X - Y)^2 / 4, which is half the variance.
    assert expected_distortion(uniform, law, 1, 2) == pytest.approx(0.5 * law.variance(), rel=1e-7)


@pytest.mark.parametrize(
    ("law", "num_levels", "n", "tolerance"),
    [
        (Gaussian(0.2, 2.0), 4, 30, 1e-7),
        (Laplace(), 3, 5, 1e-6),
        (Logistic(), 5, 200, 1e-7),
        (StudentT(3.0), 4, 20, 1e-5),
        (StudentT(6.0), 2, 300, 1e-5),
        (TwoSidedGamma(0.5), 4, 100, 2e-4),
        (Gaussian(), 1, 3, 1e-7),
    ],
)
def test_uniform_levels_by_direct_quadrature(law: Source, num_levels: int, n: int, tolerance: float) -> None:
    expected = by_direct_quadrature(uniform, law, num_levels, n)
    assert expected_distortion(uniform, law, num_levels, n) == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize("name", ["uniform", "nf4", "fp4"])
@pytest.mark.parametrize("law", [Gaussian(), Laplace(0.5, 1.0)])
def test_schemes_by_direct_quadrature(name: str, law: Source) -> None:
    # The largest magnitude has a kink in (min, max) where both are equal, which both routes must resolve.
    scheme = get_scheme(name)
    assert isinstance(scheme, RangeScheme)
    design = scheme.design_on_range
    expected = by_direct_quadrature(design, law, 16, 50)
    assert expected_distortion(design, law, 16, 50) == pytest.approx(expected, rel=3e-4)


def test_a_design_that_is_not_linear_in_the_range() -> None:
    expected = by_direct_quadrature(square_root, Gaussian(), 4, 20, panels=12)
    assert expected_distortion(square_root, Gaussian(), 4, 20) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("law", [Gaussian(), Laplace(), TwoSidedGamma(0.5), StudentT(6.0)])
@pytest.mark.parametrize("num_levels", [4, 32])
def test_monte_carlo(law: Source, num_levels: int) -> None:
    rng = np.random.default_rng(num_levels)
    n, repeats = 64, 3000
    found = []
    for _ in range(repeats):
        x = law.sample(n, rng=rng)
        codebook = uniform(float(x.min()), float(x.max()), num_levels)
        found.append(float(np.mean((x - codebook.decode(codebook.encode(x))) ** 2)))
    estimate = mean_estimate(found, confidence=0.9999)
    assert estimate.low is not None
    assert estimate.high is not None
    exact = expected_distortion(uniform, law, num_levels, n)
    assert estimate.low < exact < estimate.high
    if num_levels == 32:  # negative control: on its median range the law's distortion is another number
        median = distortion(uniform(*law.typical_range(n), num_levels), law)
        assert not estimate.low < median < estimate.high


@pytest.mark.deep
@pytest.mark.parametrize("law", [Gaussian(), Laplace(), StudentT(3.0)])
def test_high_rate_is_a_twelfth_of_the_squared_step(law: Source) -> None:
    """At K = 256 and n = 50 the step is small: E D = (n-2)/n E (max-min)^2 / (12 (K-1)^2)."""
    n = 50
    p = (np.arange(200_000) + 0.5) / 200_000
    p = p**6 * (7 - 6 * p)  # its derivative 42 p^5 (1 - p) thins out where the maximum is large
    x = (np.arange(200_000) + 0.5) / 200_000
    weight = 42 * x**5 * (1 - x) / x.size
    largest = law.isf(-np.expm1(np.log1p(-p) / n))  # 1 - F(max) = 1 - (1-p)^(1/n)
    second, first = float(weight @ largest**2), float(weight @ largest)
    # By symmetry, and with min and max of 50 weights nearly independent.
    approximate = (n - 2) / n * (2 * second + 2 * first**2) / (12 * 255**2)
    assert expected_distortion(uniform, law, 256, n) == pytest.approx(approximate, rel=0.02)


def test_scale_and_shift() -> None:
    base = expected_distortion(uniform, StudentT(3.0), 8, 1000)
    assert expected_distortion(uniform, StudentT(3.0, 0.0, 1e-3), 8, 1000) == pytest.approx(
        1e-6 * base, rel=1e-10
    )
    assert expected_distortion(uniform, StudentT(3.0, 5.0, 1.0), 8, 1000) == pytest.approx(base, rel=1e-6)


@pytest.mark.deep
@pytest.mark.parametrize("law", [Gaussian(), StudentT(3.0), StudentT(2.05)])
def test_falls_with_levels_and_grows_with_samples(law: Source) -> None:
    by_levels = [expected_distortion(uniform, law, k, 10_000) for k in (2, 4, 8, 16, 32, 64)]
    assert all(np.diff(by_levels) < 0)
    by_size = [expected_distortion(uniform, law, 16, n) for n in (100, 10_000, 1_000_000)]
    assert all(np.diff(by_size) > 0)


def test_infinite_variance_data_and_bad_input() -> None:
    assert expected_distortion(uniform, StudentT(2.0), 4, 100) == math.inf
    data = Empirical([0.0, 0.1, 0.7, 1.0])
    assert expected_distortion(uniform, data, 3, 4) == pytest.approx(distortion(uniform(0.0, 1.0, 3), data))
    for n in (1, 2.5):
        with pytest.raises(SourceError):
            expected_distortion(uniform, Gaussian(), 4, n)  # type: ignore[arg-type]

    def lopsided(low: float, high: float, num_levels: int) -> Codebook:
        levels = np.linspace(low, high, num_levels)
        return Codebook(levels, 0.3 * levels[:-1] + 0.7 * levels[1:])

    with pytest.raises(SchemeError, match="half-way"):
        expected_distortion(lopsided, Gaussian(), 4, 100)
