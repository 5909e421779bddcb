"""Independent oracles: the laws again, in mpmath, by other formulas."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import mpmath as mp
import pytest

from fmq_theory.certify import Enclosure, Law, law

Real = Any
"""An mpmath number: the library builds its type at run time."""

CASES: list[tuple[str, dict[str, str]]] = [
    ("gaussian", {}),
    ("laplace", {}),
    ("logistic", {}),
    ("student-t", {"df": "3"}),
    ("student-t", {"df": "9/2"}),
    ("generalized-gaussian", {"beta": "1/2"}),
    ("generalized-gaussian", {"beta": "3"}),
    ("gamma", {"shape": "1/2"}),
    ("gamma", {"shape": "3/2"}),
    ("uniform", {}),
]


@pytest.fixture(autouse=True)
def _fifty_digits() -> Iterator[None]:
    with mp.workdps(50):
        yield


@pytest.fixture(params=CASES, ids=lambda case: "-".join((case[0], *case[1].values())))
def some_law(request: pytest.FixtureRequest) -> Law:
    return law(*request.param)


def number(value: Fraction | int | str) -> Real:
    fraction = Fraction(value)
    return mp.mpf(fraction.numerator) / fraction.denominator


def mp_density(some_law: Law) -> Callable[[Real], Real]:
    """Density from the textbook, for x > 0."""
    p = {name: number(value) for name, value in some_law.parameters().items()}
    match some_law.name:
        case "gaussian":
            return mp.npdf
        case "laplace":
            return lambda x: mp.exp(-x) / 2
        case "logistic":
            return lambda x: mp.sech(x / 2) ** 2 / 4
        case "student-t":
            nu = p["df"]
            scale = 1 / (mp.sqrt(nu) * mp.beta(mp.mpf(1) / 2, nu / 2))
            return lambda x: scale / (1 + x**2 / nu) ** ((nu + 1) / 2)
        case "generalized-gaussian":
            beta = p["beta"]
            return lambda x: beta * mp.exp(-(x**beta)) / (2 * mp.gamma(1 / beta))
        case "gamma":
            k = p["shape"]
            return lambda x: x ** (k - 1) * mp.exp(-x) / (2 * mp.gamma(k))
        case _:
            return lambda x: mp.mpf(1) / 2 if x <= 1 else mp.mpf(0)


def mp_integral(some_law: Law, weight: Callable[[Real], Real], low: Real, high: Real = mp.inf) -> Real:
    """Quadrature of weight * density on low <= x <= high, x > 0, in the variable ln x."""
    density = mp_density(some_law)
    if some_law.name == "uniform":
        return (
            mp.quad(lambda x: weight(x) * density(x), [low, min(high, mp.mpf(1))]) if low < 1 else mp.mpf(0)
        )
    left = mp.log(low) if low > 0 else -mp.mpf(260)
    right = mp.log(high) if high < mp.inf else mp.mpf(150 if some_law.name == "student-t" else 12)
    grid = mp.linspace(left, right, 2 + int((right - left) / 2))
    return mp.quad(lambda u: weight(mp.exp(u)) * density(mp.exp(u)) * mp.exp(u), grid)


def holds(enclosure: Enclosure, value: Real, margin: str = "1e-40") -> bool:
    """Whether the enclosure contains a value that is itself only good to ``margin`` (relative)."""
    slack = mp.mpf(margin) * (1 + abs(value))
    return number(enclosure.lower) - slack <= value <= number(enclosure.upper) + slack
