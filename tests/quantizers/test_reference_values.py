"""Published distortions of K-level quantizers of unit-variance sources.

Max, "Quantizing for minimum distortion", IRE Trans. IT-6, 1960, tables I and II (Gaussian, optimal and
optimal uniform); Paez & Glisson 1972 (Laplace). Each value by two routes: the scheme's codebook through
exact partial moments, and quadrature of (x - Q(x))**2 f(x) with scipy.stats for f.
"""

import math

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from fmq_theory.codebook import Codebook
from fmq_theory.quantizers import SCHEMES
from fmq_theory.sources import Gaussian, Laplace, Source
from tests.quantizers.drawing import law_distortion

SOURCES: dict[str, Source] = {"gaussian": Gaussian(), "laplace": Laplace(scale=math.sqrt(0.5))}
DENSITIES = {"gaussian": stats.norm.pdf, "laplace": lambda x: stats.laplace.pdf(x, scale=math.sqrt(0.5))}

# law, K, optimal uniform, its step where printed, equal mass; each holds to half its last digit.
TABLE = [
    ("gaussian", 2, ".363380", "1.59577", ".363380"),
    ("gaussian", 4, ".118846", ".995687", ".139441"),
    ("gaussian", 8, ".0374397", ".586019", ".0549657"),
    ("gaussian", 16, ".0115429", ".335201", ".0222249"),
    ("laplace", 2, ".5", None, ".5"),
    ("laplace", 4, ".196302", None, ".259773"),
    ("laplace", 8, ".0717478", None, ".132444"),
    ("laplace", 16, ".0253510", None, ".0668698"),
]


def agrees(value: float, printed: str) -> bool:
    """Whether ``value`` rounds to the printed digits; .5 of a law whose value is exact counts as exact."""
    digits = len(printed.partition(".")[2])
    tolerance = 1e-12 if printed == ".5" else 0.5000001 * 10.0**-digits
    return abs(value - float(printed)) <= tolerance


def by_quadrature(codebook: Codebook, law: str) -> float:
    edges = [-60.0, *codebook.thresholds, 60.0]
    f = DENSITIES[law]
    parts = []
    for low, high, level in zip(edges[:-1], edges[1:], codebook.levels, strict=True):
        cuts = [0.0] if low < 0.0 < high else None
        parts.append(
            integrate.quad(lambda x, c=level: (x - c) ** 2 * f(x), low, high, points=cuts, limit=400)[0]
        )
    return math.fsum(parts)


@pytest.mark.parametrize(("law", "num_levels", "uniform", "step", "equal_mass"), TABLE)
def test_table(law: str, num_levels: int, uniform: str, step: str | None, equal_mass: str) -> None:
    source = SOURCES[law]
    clipped = SCHEMES["uniform_clipped"].design(source, num_levels)
    assert agrees(law_distortion(clipped, source), uniform)
    assert agrees(by_quadrature(clipped, law), uniform)
    assert step is None or agrees(float(clipped.levels[1] - clipped.levels[0]), step)
    np.testing.assert_allclose(np.diff(clipped.levels), clipped.levels[1] - clipped.levels[0], rtol=1e-12)
    cells = SCHEMES["equal_mass"].design(source, num_levels)
    assert agrees(law_distortion(cells, source), equal_mass)
    assert agrees(by_quadrature(cells, law), equal_mass)


def test_control_the_digits_would_show_a_step_that_is_a_little_off() -> None:
    levels = 0.996 * (np.arange(4) - 1.5)
    assert agrees(law_distortion(Codebook.nearest(levels), Gaussian()), ".118846")  # flat at the minimum
    assert not agrees(0.996, ".995687")  # which is why the step is in the table
    assert not agrees(law_distortion(Codebook.nearest(1.02 * levels), Gaussian()), ".118846")


@pytest.mark.parametrize("law", ["gaussian", "laplace"])
@pytest.mark.parametrize("num_levels", [3, 8, 16])
def test_clipped_step_minimises_the_quadrature(law: str, num_levels: int) -> None:
    def distortion(step: float) -> float:
        return by_quadrature(Codebook.nearest(step * (np.arange(num_levels) - (num_levels - 1) / 2)), law)

    codebook = SCHEMES["uniform_clipped"].design(SOURCES[law], num_levels)
    step = float(codebook.levels[1] - codebook.levels[0])
    found = optimize.minimize_scalar(distortion, bounds=(0.5 * step, 2.0 * step), method="bounded")
    assert found.x == pytest.approx(step, rel=1e-5)


def test_clipped_step_is_a_root_of_the_derivative_to_ten_digits() -> None:
    """For two levels +-L of a Gaussian, dD/dL = 0 gives L = E|X| = sqrt(2/pi)."""
    half = math.sqrt(2 / math.pi)
    levels = SCHEMES["uniform_clipped"].design(Gaussian(), 2).levels
    np.testing.assert_allclose(levels, [-half, half], rtol=1e-12)


@pytest.mark.parametrize("bits", range(2, 9))
def test_laplace_equal_mass_sum(bits: int) -> None:
    """T5a: D = (sigma**2 / K) S_{K/2} exactly."""
    num_levels = 2**bits
    terms = [1.0] + [1.0 - j * (j + 1) * math.log1p(1 / j) ** 2 for j in range(1, num_levels // 2)]
    source = SOURCES["laplace"]
    value = law_distortion(SCHEMES["equal_mass"].design(source, num_levels), source)
    assert value == pytest.approx(math.fsum(terms) / num_levels, rel=1e-12)


@pytest.mark.parametrize(("law", "constant"), [("gaussian", 2.72070), ("laplace", 4.5)])
def test_panter_dite_rate_and_constant(law: str, constant: float) -> None:
    """K**2 D -> C_PD (theory section 2), and the order 2 by regression."""
    source = SOURCES[law]
    sizes = 2.0 ** np.arange(6, 12)
    values = [law_distortion(SCHEMES["panter_dite"].design(source, int(k)), source) for k in sizes]
    assert values[-1] * sizes[-1] ** 2 == pytest.approx(constant, rel=2e-3)
    assert np.polyfit(np.log2(sizes), np.log2(values), 1)[0] == pytest.approx(-2.0, abs=0.01)
    # Control: equal mass has no such law.
    values = [law_distortion(SCHEMES["equal_mass"].design(source, int(k)), source) for k in sizes]
    assert np.polyfit(np.log2(sizes), np.log2(values), 1)[0] > -1.3
