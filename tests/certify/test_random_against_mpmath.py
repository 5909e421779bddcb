"""Drawn laws, codebooks and sizes: enclosures against mpmath at 50 digits, optima against brute force."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import mpmath as mp
import numpy as np
import pytest

from fmq_theory import sources
from fmq_theory.certify import (
    Law,
    best_affine_map,
    best_multiple,
    codebook_distortion,
    equal_mass_distortion,
    law,
    law_variance,
    optimal_codebook,
    optimal_equal_steps,
)
from fmq_theory.codebook import Codebook
from fmq_theory.metrics import distortion
from tests.certify.conftest import Real, holds, mp_integral, number

DRAWS = range(10)


def drawn_law(rng: np.random.Generator) -> Law:
    """One of six families (the seventh has a closed form); shape parameters with three decimals."""
    name = str(rng.choice(["gaussian", "laplace", "logistic", "student-t", "generalized-gaussian", "gamma"]))
    ranges = {
        "student-t": ("df", 2.3, 40),
        "generalized-gaussian": ("beta", 0.4, 5),
        "gamma": ("shape", 0.3, 4),
    }
    if name not in ranges:
        return law(name)
    key, low, high = ranges[name]
    return law(name, {key: f"{rng.uniform(low, high):.3f}"})


def drawn_levels(rng: np.random.Generator, some: Law, most: int = 9) -> list[Fraction]:
    deviation = float(law_variance(some)) ** 0.5
    values = {round(float(v), 3) for v in deviation * rng.standard_t(4, int(rng.integers(2, most)))}
    return [Fraction(str(v)) for v in sorted(values | {0.0, round(0.7 * deviation, 3)})]


def mp_distortion(some: Law, levels: list[Fraction]) -> Real:
    """E min_k (X - l_k)^2 by quadrature over both half-lines, cell by cell."""
    total = mp.mpf(0)
    for sign in (1, -1):
        points = sorted(sign * level for level in levels)
        cuts = [(a + b) / 2 for a, b in pairwise(points)]
        for level, low, high in zip(points, [None, *cuts], [*cuts, None], strict=True):
            if high is not None and high <= 0:
                continue
            left = number(max(low, Fraction(0))) if low is not None else mp.mpf(0)
            right = number(high) if high is not None else mp.inf
            total += mp_integral(some, _square_from(level), left, right)
    return total


def _square_from(level: Fraction) -> Callable[[Real], Real]:
    centre = number(level)
    return lambda x: (x - centre) ** 2


@pytest.mark.deep
@pytest.mark.parametrize("seed", DRAWS)
def test_the_distortion_of_drawn_codebooks(seed: int) -> None:
    rng = np.random.default_rng([12, seed])
    some = drawn_law(rng)
    levels = drawn_levels(rng, some)
    enclosed = codebook_distortion(some, levels, digits=40)
    value = mp_distortion(some, levels)
    assert enclosed.radius < Fraction(1, 10**35) * max(1, enclosed.upper)
    # Quadrature in ln x reaches some 20 digits where the law has a pole or a heavy tail.
    margin = "1e-12" if some.name == "student-t" else "1e-18"
    assert holds(enclosed, value, margin)
    # A near wrong codebook: one level moved by a millionth of itself.
    moved = [*levels[:-1], levels[-1] * Fraction(1_000_001, 1_000_000)]
    assert not holds(codebook_distortion(some, moved, digits=40), value, margin)


@pytest.mark.deep
@pytest.mark.parametrize("seed", DRAWS)
def test_the_equal_mass_distortion_of_drawn_laws(seed: int) -> None:
    """V - sum m_k^2 p, the quantiles by mpmath's root finder on its own integrals."""
    rng = np.random.default_rng([13, seed])
    some = drawn_law(rng)
    half = int(rng.integers(1, 4))
    with mp.workdps(30):
        cuts = [mp.mpf(0)]
        for k in range(1, half):
            target = mp.mpf(k) / (2 * half)
            start = float(some.upper_quantile(Fraction(1, 2) - Fraction(k, 2 * half)).mid())
            cuts.append(
                mp.findroot(
                    lambda x, want=target: mp_integral(some, lambda _: mp.mpf(1), mp.mpf(0), x) - want,
                    (start * 0.999, start * 1.001),
                    solver="secant",
                    tol=1e-24,
                )
            )
        means = [mp_integral(some, lambda x: x, a, b) for a, b in zip(cuts, [*cuts[1:], mp.inf], strict=True)]
        value = 2 * mp_integral(some, lambda x: x * x, mp.mpf(0)) - 4 * half * sum(m**2 for m in means)
        assert holds(equal_mass_distortion(some, 2 * half, digits=30), value, "1e-11")
        assert not holds(equal_mass_distortion(some, 2 * half + 1, digits=30), value, "1e-11")


@pytest.mark.deep
@pytest.mark.parametrize("seed", DRAWS)
def test_no_brute_force_is_below_a_certified_optimum(seed: int) -> None:
    """Lloyd's algorithm from 12 drawn starts, and 800 drawn maps of a drawn table, in floats."""
    rng = np.random.default_rng([14, seed])
    some = drawn_law(rng)
    source = sources.make(some.name, **{key: float(v) for key, v in some.parameters().items()})
    deviation = float(source.variance()) ** 0.5
    size = int(rng.integers(2, 5))
    best = optimal_codebook(some, size, digits=12)
    found = np.inf
    for _ in range(12):
        levels = np.sort(deviation * 1.5 * rng.standard_normal(size))
        for _ in range(150):
            edges = Codebook.nearest(levels).edges()
            part = source.partial_moments(edges[:-1], edges[1:])
            mass, first = np.asarray(part.mass), np.asarray(part.first)
            if np.any(mass < 1e-12):
                break
            levels = first / mass
        else:
            found = min(found, distortion(Codebook.nearest(levels), source))
    assert found >= best.optimum.lower_float * (1 - 1e-9)
    if best.verdict == "CERTIFIED":
        assert found == pytest.approx(float(best.optimum), rel=1e-4)
    table = drawn_levels(rng, some, 6)
    floats = np.array([float(level) for level in table])
    multiple, affine = (find(some, table, digits=12) for find in (best_multiple, best_affine_map))
    for scale, shift in zip(rng.uniform(0.05, 4, 400), deviation * rng.standard_normal(400), strict=True):
        scaled, mapped = (distortion(Codebook.nearest(scale * floats + c), source) for c in (0.0, shift))
        assert scaled >= multiple.optimum.lower_float * (1 - 1e-9)
        assert mapped >= affine.optimum.lower_float * (1 - 1e-9)
    assert affine.optimum.lower <= multiple.distortion.upper


@pytest.mark.deep
@pytest.mark.parametrize("seed", DRAWS)
def test_drawn_laws_have_certified_equal_steps(seed: int) -> None:
    """A dense grid over step and offset never beats the certified one and comes within one per cent."""
    rng = np.random.default_rng([15, seed])
    some = drawn_law(rng)
    source = sources.make(some.name, **{key: float(v) for key, v in some.parameters().items()})
    deviation, size = float(source.variance()) ** 0.5, int(rng.integers(3, 17))
    best = optimal_equal_steps(some, size, digits=12)
    if best.verdict == "INCONCLUSIVE":
        assert best.optimum.lower < best.distortion.lower
    least = np.inf
    places = np.arange(size) - (size - 1) / 2
    for step in deviation * np.geomspace(1.0 / size, 12 / size, 80):
        for offset in step * np.linspace(0, 0.5 if size > 6 else (size - 1) / 2, 9 if size > 6 else 41):
            least = min(least, distortion(Codebook.nearest(offset + step * places), source))
    assert least >= best.optimum.lower_float * (1 - 1e-9)
    assert least <= best.distortion.upper_float * 1.01
