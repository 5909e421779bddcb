"""W2² against exact rationals: the quantile coupling in ``fractions``, and its optimality by brute force."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from fmq_theory.errors import WeightsError
from fmq_theory.metrics import rowwise_w2_squared_pot, w2_squared, w2_squared_pot

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


@pytest.mark.deep
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


def _masses_of(rng: np.random.Generator, size: int, span: float) -> np.ndarray:
    return np.exp(rng.uniform(-span, span, size) * np.log(10.0)) * rng.choice([1.0, -0.0], size, p=[0.9, 0.1])


@pytest.mark.parametrize("span", [2.0, 9.0, 16.0, 40.0, 150.0, 300.0])
def test_masses_that_span_any_number_of_decades(span: float) -> None:
    """A tiny mass whose points are far away is all of the distance: ranks must be as fine as it."""
    rng = np.random.default_rng(int(span))
    for _ in range(40):
        n, m = rng.integers(1, 12, 2)
        wx, wy = (_masses_of(rng, size, span) + 10.0**-span for size in (n, m))
        # Where the masses are large the points are near one another.
        x, y = (np.sort(rng.normal(size=size)) / np.sqrt(mass) for size, mass in ((n, wx), (m, wy)))
        found = Fraction(w2_squared(x, y, wx, wy))
        exact = _exact(*([(Fraction(p), Fraction(w)) for p, w in zip(*side, strict=True)]
                         for side in ((x.tolist(), wx.tolist()), (y.tolist(), wy.tolist()))))  # fmt: skip
        assert abs(found - exact) <= Fraction(1, 10**12) * exact
    # Control: a mass of its own size that is a millionth larger is seen.
    tiny = 10.0**-span
    near, other = (w2_squared([0.0, 1 / tiny], [0.0], [1.0, each * tiny], None) for each in (1.0, 1.000001))
    assert other / near == pytest.approx(1.000001 * (1 + tiny) / (1 + 1.000001 * tiny), rel=1e-12)


@pytest.mark.parametrize("far", [1e100, 1e150, 1e200, 1e308])
@pytest.mark.parametrize("near", [1e-20, 1.0, 1e60])
def test_far_points_that_stay_hide_no_near_ones(far: float, near: float) -> None:
    a, b = [near, 2 * near, far, -far], [0.5 * near, 3 * near, far, -far]
    masses = [1.0, 1.0, 1.0, 1.0]
    expected = pytest.approx(0.25 * (0.5**2 + 1.0**2) * near**2, rel=1e-12)
    assert w2_squared(a, b) == expected
    assert w2_squared(a, b, masses, masses) == expected
    assert w2_squared(a * 2, [*b, *b]) == expected
    # Control: where one far point moves by its last digit, that is all of the distance.
    moved = [*b[:2], float(np.nextafter(far, 0.0)), -far]
    gap = far - moved[2]
    assert w2_squared(a, moved) == pytest.approx(0.25 * (gap * gap), rel=1e-12)


def test_the_case_that_was_zero() -> None:
    assert w2_squared([1, 2, 1e200], [0.5, 3, 1e200]) == pytest.approx(1.25 / 3, rel=1e-15)
    # Control: the same far points and nothing else are no distance apart.
    assert w2_squared([1, 2, 1e200], [1, 2, 1e200]) == w2_squared([1e200], [1e200, 1e200]) == 0.0


def test_pot_refuses_what_it_would_lose() -> None:
    with pytest.raises(WeightsError, match="near ones"):
        w2_squared_pot([1, 2, 1e200], [0.5, 3, 1e200])
    with pytest.raises(WeightsError, match="near ones"):
        rowwise_w2_squared_pot([[1, 2, 3], [1, 2, 1e200]], [[1, 2, 3], [0.5, 3, 1e200]])
    with pytest.raises(WeightsError, match="span"):
        w2_squared_pot([0.0, 1e20], [0.0], [1.0, 1e-32], None)
    # Controls: far points alone, rows of sizes far apart, masses of four decades.
    assert w2_squared_pot([1e200, 2e200], [1e200, 1e200]) == math.inf
    assert w2_squared_pot([1e200], [1e200, 1e200]) == 0.0
    rows = rowwise_w2_squared_pot([[1.0, 2.0], [1e-140, 3e-140]], [[1.0, 3.0], [1e-140, 1e-140]])
    assert rows == pytest.approx([0.5, 2e-280], rel=1e-12)
    assert w2_squared_pot([0.0, 1e2], [0.0], [1.0, 1e-4], None) == pytest.approx(
        1e4 * 1e-4 / 1.0001, rel=1e-9
    )


@pytest.mark.parametrize("shape", [(2, 3), (6, 1), (1, 6), (3, 2, 1)])
def test_masses_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    points, masses = np.arange(6.0), np.ones(shape)
    for measure in (w2_squared, w2_squared_pot):
        with pytest.raises(WeightsError, match="shape"):
            measure(points, points, masses, None)
        with pytest.raises(WeightsError, match="shape"):
            measure(points, points, None, masses)
        # Control: the same shape on both is what is asked for.
        assert measure(points.reshape(shape), points, masses, None) == 0.0
