"""Every law over the whole declared domain of its parameters, against ball arithmetic."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from flint import arb

from fmq_theory.errors import SourceError
from fmq_theory.sources import FAMILIES, Gaussian, StudentT, SymmetricSource, Uniform, make
from tests.sources.arb_reference import beyond, density, enclosed, power_integral

TOLERANCE = 1e-9
"""What is asked everywhere; inside the typical ranges the other tests ask for 1e-13."""
SMALLEST = 1e-290
FAST = 4
RANKS = (0.4999, 0.4, 0.25, 0.1, 1e-3, 1e-6, 1e-12, 1e-30)


def drawn(name: str, count: int) -> list[SymmetricSource]:
    """Laws with log-uniform shape and scale over all that is allowed, centred and moved, ends included."""
    rng = np.random.default_rng(sum(map(ord, name)))
    laws: list[SymmetricSource] = []
    for k in range(count):
        values: dict[str, float] = {}
        for parameter in FAMILIES[name].parameters:
            low, high = parameter.domain
            if parameter.name == "loc":
                continue
            place = rng.random() if k > 1 else float(k)
            log = math.log(low) + place * math.log(high / low)
            values[parameter.name] = math.exp(min(max(log, math.log(low) + 1e-9), math.log(high) - 1e-9))
        moved = values["scale"] * rng.normal() if k % 3 == 2 else 0.0
        laws.append(make(name, loc=max(min(moved, 9e74), -9e74), **values))
    return laws


def off(found: float, exact: Callable[[], arb]) -> float:
    """Relative error; that of numbers with no normal float is their distance in SMALLEST."""
    value = enclosed(exact)
    size = max(abs(value), arb(SMALLEST))
    return math.inf if math.isnan(found) else float(abs(arb(found) - value) / size) if found != value else 0.0


def check(law: SymmetricSource) -> None:
    standard: SymmetricSource = law._replaced(loc=0.0, scale=1.0)
    slack = 0.0 if law.loc == 0.0 else 1e-15  # of x, in units of |loc| + scale
    points = standard.isf(np.array(RANKS))
    for rank, z in zip(RANKS, points.tolist(), strict=True):
        if not 1e-150 < z < min(1e150, standard.support[1]):  # a product with the scale is a float
            continue
        f = float(enclosed(lambda z=z: density(standard, z)))
        hazard = f * z / rank  # change of ln sf by the rounding of z
        assert off(rank, lambda z=z: beyond(standard, 0, z)) <= TOLERANCE * (1 + hazard), (law, rank)
        assert off(float(standard.sf(z)), lambda z=z: beyond(standard, 0, z)) <= TOLERANCE, (law, z)
        assert off(float(standard.pdf(z)), lambda z=z: density(standard, z)) <= TOLERANCE, (law, z)
        assert off(float(standard.cdf(z)), lambda z=z: 1 - beyond(standard, 0, z)) <= TOLERANCE
        # The same at a scale and a place of its own.
        x = law.loc + law.scale * z
        if slack * (abs(law.loc) + abs(x)) < 1e-12 * law.scale * z:
            moved = 1e-14 * (1 + abs(law.loc) / (law.scale * z))
            expected = pytest.approx(float(standard.sf(z)), rel=TOLERANCE + 10 * hazard * moved, abs=SMALLEST)
            assert float(law.sf(x)) == expected
            assert float(law.cdf(2 * law.loc - x)) == expected
            assert float(law.isf(rank)) == pytest.approx(x, rel=1e-11)
            assert float(law.ppf(rank)) == pytest.approx(2 * law.loc - x, rel=1e-11, abs=1e-11 * abs(x))
    check_cells(law, standard, np.unique(points[(points > 1e-70) & (points < 1e70)]))


def check_cells(law: SymmetricSource, standard: SymmetricSource, edges: Any) -> None:
    if edges.size < 2:
        return
    a, b = edges[:-1], edges[1:]
    middles = a + 0.5 * (b - a)
    found = standard.partial_moments(a, b, about=middles)
    scale = 2.0 ** round(math.log2(law.scale))  # a power of two, so that scaled edges are not rounded
    scaled = standard._replaced(scale=scale).partial_moments(scale * a, scale * b, about=scale * middles)
    for k, (low, high, c) in enumerate(zip(a.tolist(), b.tolist(), middles.tolist(), strict=True)):

        def moment(p: int, low: float = low, high: float = high) -> arb:
            return beyond(standard, p, low) - beyond(standard, p, high)

        def second(c: float = c, moment: Any = moment) -> arb:
            return moment(2) - 2 * arb(c) * moment(1) + arb(c) ** 2 * moment(0)

        assert off(float(found.mass[k]), lambda moment=moment: moment(0)) <= TOLERANCE, (law, low, high)
        if isinstance(standard, StudentT) and any(abs(standard.df - p) < 1e-6 for p in (1, 2)):
            continue  # the reference divides by df - p
        assert off(float(found.second[k]), second) <= TOLERANCE, (law, low, high)
        first = enclosed(lambda c=c, moment=moment: moment(1) - arb(c) * moment(0))
        size = math.sqrt(float(found.mass[k]) * float(found.second[k]))
        assert float(abs(arb(float(found.first[k])) - first)) <= TOLERANCE * size + SMALLEST, (law, low, high)
        assert scaled.mass[k] == pytest.approx(found.mass[k], rel=TOLERANCE, abs=SMALLEST)
        second_found = scaled.second[k] / scale / scale
        assert second_found == pytest.approx(found.second[k], rel=TOLERANCE, abs=1e-130)


def check_integrals(law: SymmetricSource) -> None:
    standard: SymmetricSource = law._replaced(loc=0.0, scale=1.0)
    for power in (Fraction(1, 3), Fraction(1, 2), Fraction(1), Fraction(3, 2)):
        found = standard.density_power_integral(float(power))
        if math.isfinite(found):
            exact = arb(float(power))  # 1/3 is no float
            whole = Fraction(float(power))
            assert exact == arb(whole.numerator) / whole.denominator
            assert off(found, lambda whole=whole: power_integral(standard, whole)) <= TOLERANCE, (law, power)
        elif isinstance(standard, StudentT):
            assert float(power) * (standard.df + 1) <= 1.0
    for order in (1, 2):
        if math.isfinite(found := standard.absolute_moment(order)):
            assert off(found, lambda order=order: 2 * beyond(standard, order, 0.0)) <= TOLERANCE, (law, order)
        else:
            assert isinstance(standard, StudentT)
            assert standard.df <= order


@pytest.mark.parametrize("name", FAMILIES)
def test_each_law_at_its_domains_ends_and_between(name: str) -> None:
    for law in drawn(name, FAST):
        check(law)
        check_integrals(law)


@pytest.mark.deep
@pytest.mark.parametrize("name", FAMILIES)
def test_each_law_all_over_its_domain(name: str) -> None:
    for law in drawn(name, 60)[FAST:]:
        check(law)
        check_integrals(law)


def test_the_check_notices_a_law_that_is_a_little_wrong() -> None:
    """Control: a millionth more degrees of freedom is not the same law."""

    class Off(StudentT):
        def _std_sf(self, z: Any) -> Any:
            return StudentT(self.df * (1 + 1e-6))._std_sf(z)

    with pytest.raises(AssertionError):
        check(Off(4.0))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("generalized-gaussian", {"beta": 1e5}),
        ("generalized-gaussian", {"beta": 1e-3}),
        ("student-t", {"df": 1e15}),
        ("student-t", {"df": 1e-3}),
        ("gamma", {"shape": 0.001}),
        ("gamma", {"shape": 1e9}),
        ("gaussian", {"scale": 1e200}),
        ("laplace", {"scale": 1e-200}),
        ("uniform", {"loc": -1e300}),
    ],
)
def test_beyond_the_domain_is_refused_with_the_domain(name: str, parameters: dict[str, float]) -> None:
    ((key, value),) = parameters.items()
    (parameter,) = (each for each in FAMILIES[name].parameters if each.name == key)
    with pytest.raises(
        SourceError, match=f"{parameter.domain[0]:g} and {parameter.domain[1]:g}".replace("+", r"\+")
    ):
        make(name, **parameters)
    # Control: a near neighbour on the right side is made.
    low, high = parameter.domain
    beside = {"scale": 1e70} if key == "loc" else {}  # so that the centre is not too many widths away
    make(name, **beside, **{key: 0.999 * high if value > high else low + 0.001 * abs(low)})


def test_a_power_that_underflows_loses_no_mass() -> None:
    """At beta = 500, 0.2**500 is no float, yet a fifth of one side lies below 0.2."""
    law = make("generalized-gaussian", beta=500.0)
    assert law.sf(0.2) == pytest.approx(0.4, abs=2e-4)
    assert law.sf(0.2) == pytest.approx(float(enclosed(lambda: beyond(law, 0, 0.2))), rel=1e-14)
    near = make("generalized-gaussian", beta=999.0)
    edges = np.linspace(0.0, 0.9, 10)
    both = (law.partial_moments(edges[:-1], edges[1:]) for law in (near, Uniform()))
    for moment, flat in zip(*both, strict=True):
        assert moment == pytest.approx(flat, rel=1e-3)


def test_many_degrees_of_freedom_are_nearly_gaussian() -> None:
    law, limit = StudentT(9999.0), Gaussian()
    assert float(law.sf(1.0)) == pytest.approx(float(limit.sf(1.0)), rel=1e-4)
    assert law.tail.constant == math.inf
    assert math.exp(law.tail.log_constant / law.df) < 1e3  # what the rates need of it
