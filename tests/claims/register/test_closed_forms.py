"""What P1 and P2 rest on, each by another route."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import sqrtm
from scipy.stats import entropy as discrete_entropy
from scipy.stats import gennorm, laplace, logistic, norm, t, uniform

from fmq_theory.certify import law, optimal_codebook, precision
from fmq_theory.certify.affine_flow import (
    AffineField,
    growth_factor,
    parameter_distance,
    path_error,
    theta_lipschitz,
)
from fmq_theory.certify.elementary import logarithm, power, square_root
from fmq_theory.certify.entropy import differential_entropy
from fmq_theory.certify.frechet import frechet_distance, root_mean_square
from fmq_theory.certify.scaled import ScaledLaw
from fmq_theory.errors import CertificationError

numbers = st.fractions(-3, 3, max_denominator=64)
pairs = st.tuples(numbers, numbers)


def _end_by_solver(field: AffineField, start: tuple[Fraction, Fraction]) -> complex:
    rate, shift = complex(*map(float, field.rate)), complex(*map(float, field.shift))
    found = solve_ivp(
        lambda _t, z: rate * z + shift, (0, 1), [complex(*map(float, start))], rtol=1e-10, atol=1e-12
    )
    return complex(found.y[0, -1])


@settings(max_examples=15, deadline=None)
@given(pairs.filter(lambda rate: rate != (0, 0)), pairs, pairs)
def test_path_errors_agree_with_an_ode_solver(
    rate: tuple[Fraction, Fraction], shift: tuple[Fraction, Fraction], start: tuple[Fraction, Fraction]
) -> None:
    field = AffineField(rate, shift)
    quantized = AffineField((rate[0] + Fraction(1, 16), rate[1] + Fraction(1, 8)), shift)
    assume(quantized.rate != (0, 0))
    error = abs(_end_by_solver(quantized, start) - _end_by_solver(field, start))
    assert float(path_error(field, quantized, start)) == pytest.approx(error, abs=1e-6, rel=1e-6)
    bound = theta_lipschitz(field, start) * parameter_distance(field, quantized) * growth_factor(quantized)
    assert path_error(field, quantized, start).lower <= bound.upper


def test_a_field_without_a_rate_is_refused() -> None:
    with pytest.raises(CertificationError, match="rate is 0"):
        AffineField((Fraction(0), Fraction(0)), (Fraction(1), Fraction(0)))


def test_frechet_distance_agrees_with_the_matrix_square_root() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(-40, 40, (2, 15, 2))
    exact = [[(Fraction(int(x), 8), Fraction(int(y), 8)) for x, y in points] for points in (a, b)]
    left, right = a / 8, b / 8
    ca, cb = np.cov(left.T, bias=True), np.cov(right.T, bias=True)
    squared = np.sum((left.mean(0) - right.mean(0)) ** 2) + np.trace(ca + cb - 2 * np.real(sqrtm(ca @ cb)))
    assert float(frechet_distance(exact[0], exact[1])) == pytest.approx(math.sqrt(squared), rel=1e-10)
    rms = math.sqrt(np.mean(np.sum((left - right) ** 2, axis=1)))
    assert float(root_mean_square(exact[0], exact[1])) == pytest.approx(rms, rel=1e-12)


def test_frechet_distance_of_one_set_is_zero_and_of_none_refused() -> None:
    points = [(Fraction(1), Fraction(2)), (Fraction(3), Fraction(5))]
    assert frechet_distance(points, points).upper < 1e-15
    with pytest.raises(CertificationError, match="empty"):
        frechet_distance([], points)


def test_elementary_functions() -> None:
    assert float(square_root(2)) == pytest.approx(math.sqrt(2), rel=1e-15)
    assert square_root(0).upper == 0
    assert float(power(2, Fraction(1, 3))) == pytest.approx(2 ** (1 / 3), rel=1e-15)
    assert float(logarithm(3)) == pytest.approx(math.log(3), rel=1e-15)
    for function in (logarithm, lambda value: power(value, 2)):
        with pytest.raises(CertificationError, match="positive"):
            function(0)
    with pytest.raises(CertificationError, match="negative"):
        square_root(-1)


@pytest.mark.parametrize(
    ("name", "parameters", "peer"),
    [
        ("gaussian", {}, norm()),
        ("laplace", {}, laplace()),
        ("logistic", {}, logistic()),
        ("uniform", {}, uniform(-1, 2)),
        ("student-t", {"df": "5/2"}, t(2.5)),
        ("generalized-gaussian", {"beta": "3/2"}, gennorm(1.5)),
    ],
)
def test_differential_entropies_agree_with_scipy(name: str, parameters: dict[str, str], peer: object) -> None:
    with precision(128):
        found = float(differential_entropy(law(name, parameters)))
    assert found == pytest.approx(float(peer.entropy()), rel=1e-9)  # type: ignore[attr-defined]


def test_gamma_entropy_by_quadrature() -> None:
    x = np.exp(np.linspace(-60, 5, 400_001))
    density = x**-0.5 * np.exp(-x) / (2 * math.gamma(0.5))
    by_hand = 2 * np.trapezoid(-density * np.log(density) * x, np.log(x))
    with precision(128):
        assert float(differential_entropy(law("gamma", {"shape": "1/2"}))) == pytest.approx(by_hand, rel=1e-7)


def test_scaled_law_has_the_deviation_asked_for() -> None:
    double = ScaledLaw(law("laplace"), Fraction(2))
    assert float(double.factor()) == pytest.approx(math.sqrt(2), rel=1e-15)
    assert double.distortion([Fraction(0)], []).contains(4) or float(
        double.distortion([Fraction(0)], [])
    ) == pytest.approx(4, rel=1e-15)
    book = optimal_codebook(law("laplace"), 4).codebook
    cuts = double.stretched(book.thresholds)
    probabilities = np.diff([0, *laplace(scale=math.sqrt(2)).cdf([float(cut) for cut in cuts]), 1])
    assert float(double.entropy_bits(cuts)) == pytest.approx(discrete_entropy(probabilities, base=2))
    for level, centroid in zip(double.stretched(book.levels), double.centroids(cuts), strict=True):
        assert centroid is not None
        assert level.overlaps(centroid)
    with pytest.raises(CertificationError, match="not positive"):
        ScaledLaw(law("laplace"), Fraction(0))


def test_no_codebook_passes_shannon() -> None:
    for name in ("gaussian", "laplace", "uniform"):
        unit = ScaledLaw(law(name), Fraction(1))
        for bits in (1, 2, 3):
            best = unit.stretched_square(optimal_codebook(law(name), 2**bits).optimum)
            assert unit.shannon_bound(bits).less_than(best) is True
    # Shannon's bound is D itself where the rate is 0 and the law is Gaussian.
    assert float(ScaledLaw(law("gaussian"), Fraction(3)).shannon_bound(0)) == pytest.approx(9, rel=1e-15)
