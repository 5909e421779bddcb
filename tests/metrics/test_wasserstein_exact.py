"""W2² against exact rationals: the quantile coupling in ``fractions``, and its optimality by brute force."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from fmq_theory.metrics import w2_squared

Points = list[tuple[Fraction, Fraction]]
"""(place, mass)."""


def _exact(a: Points, b: Points) -> Fraction:
    """The sum over the common refinement of both quantile functions, without any rounding."""
    left, right = (sorted(point for point in side if point[1]) for side in (a, b))
    total_a, total_b = (sum((mass for _, mass in side), Fraction(0)) for side in (left, right))
    i = j = 0
    rest_a, rest_b = left[0][1] / total_a, right[0][1] / total_b
    cost = Fraction(0)
    while True:
        moved = min(rest_a, rest_b)
        cost += moved * (left[i][0] - right[j][0]) ** 2
        rest_a, rest_b = rest_a - moved, rest_b - moved
        if rest_a == 0:
            i += 1
            if i == len(left):
                return cost
            rest_a = left[i][1] / total_a
        if rest_b == 0:
            j += 1
            rest_b = right[j][1] / total_b


def _drawn(rng: np.random.Generator, *, ties: bool, weighted: bool) -> Points:
    """Numbers that float64 holds exactly; few different ones where ties are wanted, a far offset at times."""
    size = int(rng.integers(1, 41))
    offset = Fraction(int(rng.choice([0, 0, 1, 1000])))
    if ties:
        places = [Fraction(int(k), 4) for k in rng.integers(-3, 4, size)]
    else:
        places = [Fraction(float(x)) for x in np.round(rng.standard_t(3, size) * 2**20) / 2**20]
    masses = rng.integers(0, 9, size) if weighted else np.ones(size, dtype=np.int64)
    if not masses.any():
        masses[0] = 3
    return [(place + offset, Fraction(int(mass), 8)) for place, mass in zip(places, masses, strict=True)]


def _floats(points: Points, *, weighted: bool) -> tuple[list[float], list[float] | None]:
    masses = [float(mass) for _, mass in points] if weighted else None
    return [float(place) for place, _ in points], masses


@pytest.mark.slow
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_five_hundred_cases_against_exact_rationals(ties: bool, weighted: bool) -> None:
    rng = np.random.default_rng([ties, weighted])
    noticed = 0
    for _ in range(125):
        a, b = (_drawn(rng, ties=ties, weighted=weighted) for _ in range(2))
        if not weighted:
            a, b = ([(place, Fraction(1)) for place, _ in side] for side in (a, b))
        (xs, x_masses), (ys, y_masses) = (_floats(side, weighted=weighted) for side in (a, b))
        found, exact = Fraction(w2_squared(xs, ys, x_masses, y_masses)), _exact(a, b)
        assert abs(found - exact) <= Fraction(1, 10**13) * exact
        # Near control: the same with one of the masses an eighth larger is another number.
        moved = [(a[0][0], a[0][1] + Fraction(1, 8)), *a[1:]]
        noticed += abs(found - _exact(moved, b)) > Fraction(1, 10**13) * exact
    assert noticed > 100


def test_the_exact_coupling_is_the_cheapest_of_all() -> None:
    """Brute force over all pairings of equal masses, so that the reference does not rest on the theorem."""
    rng = np.random.default_rng(7)
    for _ in range(30):
        size = int(rng.integers(1, 7))
        xs, ys = ([Fraction(int(k), 8) for k in rng.integers(-9, 10, size)] for _ in range(2))
        one = Fraction(1)
        cheapest = min(
            sum(((x - y) ** 2 for x, y in zip(xs, order, strict=True)), Fraction(0)) / size
            for order in itertools.permutations(ys)
        )
        assert _exact([(x, one) for x in xs], [(y, one) for y in ys]) == cheapest
        found = w2_squared([float(x) for x in xs], [float(y) for y in ys])
        assert found == pytest.approx(float(cheapest), rel=1e-14, abs=1e-300)
