"""Weighted errors: closed forms, another quadrature, a rate measured with weighted Lloyd-Max codebooks."""

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fmq_theory import bounds, sources
from fmq_theory.errors import SourceError
from fmq_theory.metrics import distortion
from fmq_theory.quantizers import get_scheme
from fmq_theory.sources import Empirical

GAUSSIAN = sources.make("gaussian")


def _closed_form(rho: float) -> float:
    """C_w of the product: integral of (a + b u^2)^(1/3) e^(-u^2/6) by Tricomi's function (DLMF 13.4.4)."""
    a, b = 1 - rho * rho, rho * rho
    whole = a ** (5 / 6) * b**-0.5 * math.sqrt(math.pi) * float(mp.hyperu(0.5, 11 / 6, a / (6 * b)))
    return whole**3 / (12 * math.sqrt(2 * math.pi))


@given(st.floats(0.1, 0.99))
@settings(max_examples=8, deadline=None)
def test_product_of_gaussians_in_closed_form(rho: float) -> None:
    found = bounds.weighted_constants(GAUSSIAN, bounds.product_weight(rho))
    assert found.optimum == pytest.approx(_closed_form(rho), rel=1e-9)
    assert found.mean_weight == pytest.approx(1, rel=1e-9)
    # Control: a correlation that differs by a thousandth is told apart, away from the flat top near .9.
    if rho < 0.8:
        assert found.optimum != pytest.approx(_closed_form(rho + 1e-3), rel=1e-5)


def test_no_weight_is_the_panter_dite_constant() -> None:
    for name in ("gaussian", "laplace", "uniform"):
        law = sources.make(name)
        found = bounds.weighted_constants(law, np.ones_like)
        assert found.optimum == pytest.approx(bounds.panter_dite_constant(law), rel=1e-8)
        assert found.unweighted == pytest.approx(found.optimum, rel=1e-8)
    # E R^2 is not needed here: the ratio of the limits at R = 4.52 sigma is the end of the paper's band.
    ratio = bounds.weighted_constants(GAUSSIAN, np.ones_like).rho_w2(4.5174)
    assert ratio == pytest.approx(0.40, abs=1e-4)


def test_uniform_law_in_closed_form() -> None:
    """w = 1 + x^2 on (-1, 1): M = 4/3, integral of w/f = 16/3; equal mass is the unweighted optimum."""
    found = bounds.weighted_constants(sources.make("uniform"), lambda x: 1 + x * x)
    assert found.mean_weight == pytest.approx(4 / 3, rel=1e-10)
    assert found.equal_mass == pytest.approx(16 / 3 / 12, rel=1e-10)
    assert found.unweighted == pytest.approx(found.equal_mass, rel=1e-10)
    assert found.rho_em(1.0) == pytest.approx(1, rel=1e-10)  # K levels from end to end have the same limit
    assert found.rho_w2(1.0) < 1


@given(st.floats(0.0, 1.0), st.floats(0.01, 100))
@settings(max_examples=8, deadline=None)
def test_the_weights_own_codebook_is_the_best_and_scale_does_not_matter(rho: float, factor: float) -> None:
    weight = bounds.product_weight(rho)
    found = bounds.weighted_constants(GAUSSIAN, weight)
    assert found.optimum <= found.unweighted * (1 + 1e-9)
    assert found.equal_mass == math.inf
    scaled = bounds.weighted_constants(GAUSSIAN, lambda x: factor * weight(x))
    assert scaled.optimum == pytest.approx(factor * found.optimum, rel=1e-8)
    assert scaled.rho_w2(4.0) == pytest.approx(found.rho_w2(4.0), rel=1e-8)


@given(st.floats(-1, 1).filter(lambda rho: abs(3 * rho * rho - 1) > 1e-3))
def test_peaks_are_where_the_point_density_is_largest(rho: float) -> None:
    u = np.linspace(-2, 2, 4001)
    density = np.exp(-u * u / 6) * np.cbrt((1 - rho * rho) + rho * rho * u * u)
    best = abs(float(u[np.argmax(density)]))
    assert best == pytest.approx(max(bounds.product_peaks(rho)), abs=2e-3)


def test_two_peaks_begin_at_one_over_the_root_of_three() -> None:
    edge = 1 / math.sqrt(3)
    assert bounds.product_peaks(edge * (1 - 1e-9)) == (0.0,)
    assert len(bounds.product_peaks(edge * (1 + 1e-9))) == 2
    u = np.array([0.0, 0.05])
    for rho, grows in ((edge * 0.99, False), (edge * 1.01, True)):
        at, beside = bounds.weighted_point_density(GAUSSIAN, bounds.product_weight(rho), u)
        assert (beside > at) is np.bool_(grows)


def test_the_point_density_is_one() -> None:
    u = np.linspace(-15, 15, 3001)
    density = bounds.weighted_point_density(GAUSSIAN, bounds.product_weight(0.9), u)
    assert float(np.trapezoid(density, u)) == pytest.approx(1, abs=1e-9)


def _codebooks(rho: float, num_levels: int) -> tuple[float, float]:
    """Weighted errors of the best codebook for the weight and of the best without, on a fine grid."""
    x: NDArray[np.float64] = np.linspace(-9, 9, 30_001)
    mass = np.exp(-x * x / 2) / math.sqrt(2 * math.pi) * (x[1] - x[0])
    tilted = Empirical(x, sample_weight=bounds.product_weight(rho)(x) * mass)
    scheme = get_scheme("lloyd_max")
    best, plain = (
        scheme.design(tilted, num_levels),
        scheme.design(Empirical(x, sample_weight=mass), num_levels),
    )
    return distortion(best, tilted), distortion(plain, tilted)


def test_measured_rate_and_constant() -> None:
    """K^2 D_w -> C_w with order 2, and the unweighted codebook has its own constant."""
    sizes = np.array([16, 32, 64, 128])
    best, plain = np.array([_codebooks(0.9, int(k)) for k in sizes]).T
    constants = bounds.weighted_constants(GAUSSIAN, bounds.product_weight(0.9))
    slope, _ = np.polyfit(np.log(sizes), np.log(best), 1)
    assert slope == pytest.approx(-2, abs=0.06)
    for errors, limit in ((best, constants.optimum), (plain, constants.unweighted)):
        ratio = errors * sizes**2 / limit
        assert (np.diff(ratio) > 0).all()  # from below
        assert ratio[-1] == pytest.approx(1, abs=0.02)
        assert abs(ratio[0] - 1) > 0.05  # it does not hold at once
    assert plain[-1] / best[-1] == pytest.approx(constants.unweighted / constants.optimum, rel=2e-3)
    # Control: the constant of the law without a weight is refuted.
    assert best[-1] * sizes[-1] ** 2 / bounds.panter_dite_constant(GAUSSIAN) > 1.5


@pytest.mark.parametrize("rho", [-1.01, 1.5, math.nan])
def test_a_correlation_outside_is_refused(rho: float) -> None:
    with pytest.raises(SourceError, match="not from -1 to 1"):
        bounds.product_weight(rho)


def test_a_weight_without_a_mean_is_refused() -> None:
    with pytest.raises(SourceError, match="mean weight"):
        bounds.weighted_constants(GAUSSIAN, np.zeros_like)
