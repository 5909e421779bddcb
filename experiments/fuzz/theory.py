"""Theory on laws at the edges of their parameters: statements that must not contradict one another."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from experiments.fuzz.laws import drawn_law, spread
from experiments.fuzz.trial import Campaign, Trial, WrongAnswerError
from fmq_theory import bounds
from fmq_theory.bounds.prediction import Statements
from fmq_theory.metrics import distortion, index_entropy, shannon_lower_bound
from fmq_theory.quantizers import get_scheme
from fmq_theory.sources import SymmetricSource, make

__all__ = ["THEORY"]

_DIGITS = 1e-6
"""Relative: what the quadratures of the means over samples are good to, with room."""
_SMALLEST_SCALE, _LARGEST_SCALE = 1e-60, 1e60
_DESIGNED = ("uniform_clipped", "equal_mass", "pwl", "lloyd_max", "panter_dite", "power:0.5", "nf4")


def _trials(rng: np.random.Generator, _folder: Path) -> Iterator[Trial]:
    while True:
        name, parameters = drawn_law(rng)
        if rng.random() < 0.8:  # most of the others are refused: the centre is too far from zero
            parameters["loc"] = parameters["scale"] * float(rng.choice([0.0, 1.0, -3.0, 1e6]))
        kind = list(_QUESTIONS)[rng.integers(len(_QUESTIONS))]
        levels = (
            int(rng.choice([1, 2, 3, 4, 7, 8, 15, 16, 31, 64, 256]))
            if kind != "designs"
            else int(rng.integers(1, 17))
        )
        n = int(rng.choice([1, 2, 3, levels, levels + 1, int(spread(2.0, 1e7, rng)), 2**40]))
        scheme = _schemes(kind)[rng.integers(len(_schemes(kind)))]
        what = f"{kind} of {scheme}, K = {levels}, n = {n}, {name} {parameters}"
        yield Trial(what, partial(_asked, name, parameters, kind, scheme, levels, n))


def _schemes(kind: str) -> tuple[str, ...]:
    return _DESIGNED if kind == "designs" else tuple(bounds.PREDICTED_SCHEMES)


def _asked(name: str, parameters: dict[str, float], kind: str, scheme: str, levels: int, n: int) -> None:
    _QUESTIONS[kind](make(name, **parameters), scheme, levels, n)


def _scaled(source: SymmetricSource) -> tuple[SymmetricSource, float]:
    """The same law in another unit, and that unit: a power of two, so that no number is rounded anew."""
    unit = 2.0**-40 if source.scale > 1.0 else 2.0**40
    parameters = {one.name: getattr(source, one.name) for one in source.parameters}
    parameters |= {"scale": source.scale * unit, "loc": source.loc * unit}
    return make(source.name, **parameters), unit


def _at_most(what: str, low: float, high: float) -> None:
    if math.isnan(low) or math.isnan(high) or low > high * (1.0 + _DIGITS):
        raise WrongAnswerError(f"{what}: {low!r} is not at most {high!r}")


def _same(what: str, one: float, other: float) -> None:
    if not (one == other or math.isclose(one, other, rel_tol=_DIGITS)):
        raise WrongAnswerError(f"{what}: {one!r} and {other!r} should be equal")


def _in_order(what: str, said: Statements) -> None:
    """Lower bound, value and upper bound of one quantity; an empty answer says why."""
    middle = said.exact.value if said.exact is not None else None
    low = said.lower.value if said.lower is not None else 0.0
    high = said.upper.value if said.upper is not None else math.inf
    _at_most(f"{what}, lower and upper bound", low, high)
    if middle is not None:
        _at_most(f"{what}, lower bound and value", low, middle)
        _at_most(f"{what}, value and upper bound", middle, high)


def _predictions(source: SymmetricSource, scheme: str, levels: int, n: int) -> None:
    """Bounds and values are in order, and in another unit the same but for its square."""
    found = bounds.predict(scheme, source, levels, n)
    moved, unit = _scaled(source)
    again = bounds.predict(scheme, moved, levels, n)
    for quantity in ("law", "own", "fresh"):
        said, other = getattr(found, quantity), getattr(again, quantity)
        _in_order(quantity, said)
        for kind in ("exact", "upper", "lower", "high_rate"):
            one, two = getattr(said, kind), getattr(other, kind)
            if (one is None) != (two is None):
                raise WrongAnswerError(f"{quantity}, {kind}: told in one unit only")
            if one is not None:
                _same(f"{quantity}, {kind} in two units", one.value * unit * unit, two.value)


def _designs(source: SymmetricSource, scheme: str, levels: int, _n: int) -> None:
    """No codebook beats Shannon's bound at its rate, or the optimum; the optimum is below every bound."""
    book = get_scheme(scheme).design(source, levels)
    error = distortion(book, source)
    if not error >= 0.0:
        raise WrongAnswerError(f"distortion {error!r}")
    rate = index_entropy(book, source)
    if not -1e-7 <= rate <= math.log2(max(levels, book.num_levels)) + 1e-7:  # masses have 7 digits
        raise WrongAnswerError(f"{rate!r} bits for {levels} levels")
    _at_most("Shannon's bound and a codebook", shannon_lower_bound(source, rate), error)
    if scheme == "lloyd_max":
        for bound in (bounds.lloyd_max_upper_bound, bounds.optimum_upper_bound):
            _at_most(f"the optimum and {bound.__name__}", error, bound(source, levels).value)
    elif book.num_levels <= levels:
        _at_most(
            f"the optimum and {scheme}",
            distortion(get_scheme("lloyd_max").design(source, levels), source),
            error,
        )
    if scheme == "equal_mass":
        _same("equal mass by two ways", bounds.equal_mass_distortion(source, levels), error)


def _extremes(source: SymmetricSource, _scheme: str, _levels: int, n: int) -> None:
    """Mean square of half the range of n weights: grows with n, and is known for one and for two."""
    centred = make(source.name, **{one.name: 0.0 if one.name == "loc" else getattr(source, one.name)
                                   for one in source.parameters})  # fmt: skip
    found = bounds.range_law(centred, n)
    square = found.half_range_squared
    more = bounds.expected_half_range_squared(centred, 2 * n)
    _at_most("E R^2 of n and 2n weights", square, more)
    if centred.variance() < math.inf and n == 2:
        _same("E R^2 of two weights is Var / 2", square, centred.variance() / 2.0)
    if n == 1 and square != 0.0:
        raise WrongAnswerError(f"one weight has the range {square!r}")
    _at_most(
        "median half-range of n and 2n weights",
        bounds.median_half_range(centred, n),
        bounds.median_half_range(centred, 2 * n),
    )


_Question = Callable[[SymmetricSource, str, int, int], None]
_QUESTIONS: dict[str, _Question] = {"predictions": _predictions, "designs": _designs, "extremes": _extremes}

THEORY = Campaign(
    "theory",
    "bounds, values and codebooks of a law are in order, the same in every unit, and no optimum is beaten; "
    "ranges of n weights grow with n",
    _trials,
    whole=2000,
)
