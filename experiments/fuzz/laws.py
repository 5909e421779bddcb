"""Laws of weights at the edges of their parameters: each number against ball arithmetic, or a refusal."""

import itertools
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
from flint import arb

from experiments.fuzz.trial import Campaign, Trial, WrongAnswerError
from fmq_theory import certify
from fmq_theory.bounds import panter_dite_constant
from fmq_theory.errors import CertificationError
from fmq_theory.sources import FAMILIES, Parameter, SymmetricSource, make
from tests.sources.arb_reference import beyond, density

__all__ = ["LAWS", "drawn_law", "spread"]

_DIGITS = 1e-7
"""Relative, beside what the last bit of a place alone changes."""
_LAST_BITS = 2.0**-50
_SMALL_MASS = 1e-250
"""Of a cell: what is smaller is held to this alone, no longer to digits of its own."""
_SHAPES = frozenset({"df", "beta", "shape"})


def spread(low: float, high: float, rng: np.random.Generator) -> float:
    """A number between positive ends, each power of ten as likely as the other."""
    return float(math.exp(rng.uniform(math.log(low), math.log(high))))


def _value(parameter: Parameter, rng: np.random.Generator) -> float:
    """One mostly inside the domain: as usual, near an end, or anywhere."""
    low, high = parameter.domain
    kind = rng.integers(8)
    if kind < 2:
        return float(rng.uniform(*parameter.typical))
    if kind == 2:
        return math.nextafter(low, high)
    if kind == 3:
        return math.nextafter(high, low)
    if kind == 4 and rng.random() < 0.3:
        outside = (low, high, math.inf, -math.inf, math.nan, 0.0, -1.0, 5e-324, 1e308)
        return outside[rng.integers(len(outside))]
    if low > 0.0:
        return spread(low, high, rng)
    return float(rng.choice([-1.0, 1.0])) * spread(1e-75, high, rng)


def drawn_law(rng: np.random.Generator) -> tuple[str, dict[str, float]]:
    """A family, and a value of each of its parameters: it may lie outside of its domain."""
    name = list(FAMILIES)[rng.integers(len(FAMILIES))]
    return name, {one.name: _value(one, rng) for one in FAMILIES[name].parameters}


def _trials(rng: np.random.Generator, _folder: Path) -> Iterator[Trial]:
    while True:
        name, parameters = drawn_law(rng)
        tails = np.exp(-(rng.uniform(0.0, 1.0, 6) ** 2) * rng.choice([2.0, 30.0, 690.0])) / 2.0
        question = list(_QUESTIONS)[rng.integers(len(_QUESTIONS))]
        yield Trial(f"{question} of {name} {parameters}", partial(_asked, name, parameters, question, tails))


def _asked(name: str, parameters: dict[str, float], question: str, tails: np.ndarray) -> None:
    source = make(name, **parameters)
    for one in source.parameters:
        if not one.domain[0] < parameters[one.name] < one.domain[1]:
            raise WrongAnswerError(f"{one.name} = {parameters[one.name]!r} is accepted")
    standard = make(name, **{key: value for key, value in parameters.items() if key in _SHAPES})
    with certify.precision(256):
        _QUESTIONS[question](source, standard, tails)


def _near(what: str, found: float, exact: arb, slack: float = 0.0, floor: float = 1e-300) -> None:
    """Holds a float against a ball; one that is too wide to tell proves nothing."""
    if not exact.is_finite() or (exact.rad() > abs(exact.mid()) * arb(2) ** -40 and exact.rad() > floor):
        return
    wanted = float(exact.mid())
    if math.isnan(found):
        raise WrongAnswerError(f"{what} is nan, {wanted!r} is right")
    if math.isinf(wanted) and found == wanted:
        return
    if not abs(arb(found) - exact) <= arb((_DIGITS + slack) * abs(wanted) + floor):
        raise WrongAnswerError(f"{what} = {found!r}, {wanted!r} is right")


def _places(law: SymmetricSource, tails: np.ndarray) -> list[float]:
    return [x for x in np.asarray(law.isf(tails)).tolist() if math.isfinite(x)]


def _tails(source: SymmetricSource, standard: SymmetricSource, tails: np.ndarray) -> None:
    """Masses beyond a place and densities at it; and those of the law that is moved and scaled."""
    for x in _places(standard, tails):
        exact = beyond(standard, 0, x)
        _near(f"sf({x!r})", float(standard.sf(x)), exact)
        _near(f"cdf({-x!r})", float(standard.cdf(-x)), exact)
        if x > 0.0:
            _near(f"pdf({x!r})", float(standard.pdf(x)), density(standard, x))
    low, high = source.support
    grid = source.loc + source.scale * np.array([-math.inf, -2.0, -0.5, 0.0, 0.5, 2.0, math.inf])
    below, above = np.asarray(source.cdf(grid)), np.asarray(source.sf(grid))
    if not np.allclose(below + above, 1.0, rtol=0.0, atol=1e-12):
        raise WrongAnswerError(f"cdf + sf = {below + above}")
    if (np.diff(below) < 0.0).any() or (np.diff(above) > 0.0).any() or not low <= source.loc <= high:
        raise WrongAnswerError("cdf falls, sf rises, or the centre is outside")


def _quantiles(source: SymmetricSource, standard: SymmetricSource, tails: np.ndarray) -> None:
    """isf finds the place with that mass beyond it; ppf is its mirror."""
    for q, x in zip(tails.tolist(), np.asarray(standard.isf(tails)).tolist(), strict=True):
        if math.isnan(x) or x < 0.0:
            raise WrongAnswerError(f"isf({q!r}) = {x!r}")
        if not math.isclose(float(standard.ppf(q)), -x, rel_tol=1e-11):
            raise WrongAnswerError(f"ppf({q!r}) = {float(standard.ppf(q))!r}, isf = {x!r}")
        if math.isfinite(x) and x > 1e-300:
            slack = _LAST_BITS * x * float(standard.pdf(x))  # what the mass changes by with those of x
            _near(f"mass beyond isf({q!r})", q, beyond(standard, 0, x), floor=slack + 1e-300)
    moved = np.asarray(source.ppf(np.sort(np.concatenate([tails, 1.0 - tails, [0.0, 1.0]]))))
    if np.isnan(moved).any() or (moved[1:] < moved[:-1]).any():
        raise WrongAnswerError(f"quantiles {moved} are not in order")


def _cells(source: SymmetricSource, standard: SymmetricSource, tails: np.ndarray) -> None:
    """Mass, mean and mean square of cells on one side, about a point in them; the whole has mass 1."""
    places = sorted(_places(standard, tails))
    for a, b in itertools.pairwise(places):
        if not a < b:
            continue
        about = a + 0.5 * (b - a)
        found = standard.partial_moments(a, b, about=about)
        mass, first, second = (beyond(standard, p, a) - beyond(standard, p, b) for p in range(3))
        c, where = arb(about), f"[{a!r}, {b!r}] about {about!r}"
        _near(f"mass of {where}", float(found.mass), mass, floor=_SMALL_MASS)
        wide = b - a
        floor = _SMALL_MASS * wide * wide
        _near(f"square of {where}", float(found.second), second - 2 * c * first + c * c * mass, floor=floor)
        size = (_DIGITS * float(found.mass) + _SMALL_MASS) * wide  # that of a symmetric cell is 0
        _near(f"mean of {where}", float(found.first), first - c * mass, floor=size)
    if source.tail.index > 1.0:
        whole = source.partial_moments(-math.inf, math.inf, about=source.loc)
        if not math.isclose(float(whole.mass), 1.0, rel_tol=1e-12):
            raise WrongAnswerError(f"the whole has mass {float(whole.mass)!r}")


def _moments(source: SymmetricSource, standard: SymmetricSource, tails: np.ndarray) -> None:
    """Absolute moments, variance, the integral of f^(1/3) and C_PD; infinite where the tail says so."""
    index, variance = source.tail.index, source.variance()
    if math.isinf(variance) != (index <= 2.0):
        raise WrongAnswerError(f"variance {variance!r}")
    if index <= 2.0:
        if not all(math.isinf(standard.absolute_moment(p)) for p in (2.0, 3.0, max(1.0, index))):
            raise WrongAnswerError("a moment is finite that is not")
        if panter_dite_constant(source) != math.inf:
            raise WrongAnswerError("C_PD is finite where the variance is not")
        return
    shapes = {one.name: Fraction(getattr(standard, one.name)) for one in standard.parameters
              if one.name in _SHAPES}  # fmt: skip
    law = certify.law(standard.name, shapes)
    orders = (Fraction(3, 2), Fraction(2), Fraction(3), Fraction(4), Fraction(int(1000 * tails[0]) + 2, 2))
    for order in orders:
        if order <= 1:
            continue
        found = standard.absolute_moment(float(order))
        try:
            exact = certify.ball(certify.absolute_moment(law, order))
        except CertificationError:  # infinite
            if found != math.inf:
                raise WrongAnswerError(f"E|X|^{order} = {found!r}, infinite is right") from None
            continue
        if not (found == math.inf and exact > 1e300):
            _near(f"E|X|^{order}", found, exact)
    _near("variance / scale^2", variance / source.scale**2, certify.ball(certify.law_variance(law)))
    power = law.density_power_closed(Fraction(1, 3))
    _near("integral of f^(1/3)", standard.density_power_integral(1.0 / 3.0), power)
    _near("C_PD / scale^2", panter_dite_constant(source) / source.scale**2, power**3 / 12)


_Question = Callable[[SymmetricSource, SymmetricSource, np.ndarray], None]
_QUESTIONS: dict[str, _Question] = {
    "tails": _tails,
    "quantiles": _quantiles,
    "cells": _cells,
    "moments": _moments,
}
LAWS = Campaign(
    "laws",
    "tails, quantiles, cells of mass above 1e-250 and moments are those of ball arithmetic to 7 digits, to "
    "the ends of every parameter; one outside of its domain is refused",
    _trials,
    whole=20_000,
)
