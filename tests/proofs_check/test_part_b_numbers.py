"""The statements of sections 4 to 8 on numbers: no symbol and no code of the derivations."""

import math
from collections.abc import Callable, Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.integrate import quad, solve_ivp
from scipy.linalg import sqrtm
from scipy.special import erfc

Array = NDArray[np.float64]


# Section 4.


@given(st.lists(st.floats(-1e3, 1e3, allow_subnormal=False), min_size=2, max_size=40), st.integers(2, 33))
def test_minmax_uniform_bound(weights: list[float], num_levels: int) -> None:
    x = np.array(weights)
    levels = np.linspace(x.min(), x.max(), num_levels)
    error = np.mean(np.min((x[:, None] - levels) ** 2, axis=1))
    bound = (0.5 * (x.max() - x.min()) / (num_levels - 1)) ** 2
    assert error <= bound * (1 + 1e-9) + 1e-18


def test_minmax_uniform_bound_is_nearly_reached_and_a_smaller_one_is_not_valid() -> None:
    x = np.array([-1.0, 1.0] + [0.0] * 998)  # two levels: every other weight is half a step away
    error = np.mean(np.min((x[:, None] - np.array([-1.0, 1.0])) ** 2, axis=1))
    assert 0.99 < error <= 1.0


def _best_range(overload: Callable[[float], float], num_levels: float) -> float:
    half_range = np.geomspace(0.5, 3e4, 60_001)
    total = half_range**2 / (3 * num_levels**2) + np.array(overload(half_range))
    return float(total.min())


def test_order_and_constant_of_power_tails() -> None:
    """Pareto P(X > x) = x^-4/2 on both sides: D K^(2 - 4/nu), order 1, by regression."""
    c, nu = 0.5, 4.0
    sizes = 2.0 ** np.arange(6, 15)
    errors = [_best_range(lambda x: 4 * c * x ** (2 - nu) / ((nu - 1) * (nu - 2)), k) for k in sizes]
    slope, _ = np.polyfit(np.log(sizes), np.log(errors), 1)
    assert slope == pytest.approx(-(2 - 4 / nu), abs=1e-4)
    constant = (6 * c / (nu - 1)) ** (2 / nu) / 3 * nu / (nu - 2)
    assert errors[-1] * sizes[-1] ** (2 - 4 / nu) == pytest.approx(constant, rel=1e-4)


def test_gaussian_range_grows_like_the_root_of_the_logarithm() -> None:
    def ratio(num_levels: float) -> float:
        def overload(x: Array) -> Array:
            return (1 + x**2) * erfc(x / math.sqrt(2)) - 2 * x * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)

        half_range = np.linspace(1, 30, 20_001)
        total = half_range**2 / (3 * num_levels**2) + np.maximum(overload(half_range), 0)
        return float(total.min()) * 3 * num_levels**2 / (4 * math.log(num_levels))

    ratios = [ratio(10.0**k) for k in (2, 3, 4, 5)]
    assert ratios == sorted(ratios)  # logarithmically slow, from below
    assert 0.75 < ratios[-1] < 1


# Section 5.


def test_band_of_the_gaussian() -> None:
    third, _ = quad(lambda x: (math.exp(-x * x / 2) / math.sqrt(2 * math.pi)) ** (1 / 3), -40, 40)
    constant = third**3 / 12
    edges = [math.sqrt(3 * constant / rho) for rho in (0.40, 0.25)]
    assert [round(edge, 2) for edge in edges] == [4.52, 5.71]


# Section 6.


def _euler(f: Callable[[float], float], x: float, h: float) -> float:
    return x + h * f(x)


def _midpoint(f: Callable[[float], float], x: float, h: float) -> float:
    return x + h * f(x + h / 2 * f(x))


def _heun(f: Callable[[float], float], x: float, h: float) -> float:
    return x + h / 2 * (f(x) + f(x + h * f(x)))


@pytest.mark.parametrize(("step", "order"), [(_euler, 1), (_midpoint, 2), (_heun, 2)])
@given(a=st.floats(0.1, 2), start=st.floats(-3, 3), size=st.floats(0, 0.5), steps=st.integers(1, 20))
@settings(max_examples=30, deadline=None)
def test_discrete_bound(
    step: Callable[..., float], order: int, a: float, start: float, size: float, steps: int
) -> None:
    """v = a sin x, v_q = v + size cos(3x): delta <= size, L <= a + 3 size."""
    rate, h = a + 3 * size, 1 / steps
    x = x_hat = start
    for _ in range(steps):
        x = step(lambda u: a * math.sin(u), x, h)
        x_hat = step(lambda u: a * math.sin(u) + size * math.cos(3 * u), x_hat, h)
    z = h * rate
    factor = 1 + z + (z * z / 2 if order == 2 else 0)
    bound = size * (factor**steps - 1) / rate
    assert abs(x_hat - x) <= bound * (1 + 1e-9) + 1e-15
    assert bound <= size * math.expm1(rate) / rate * (1 + 1e-12)  # G0


def test_rates_on_one_path_are_not_enough() -> None:
    """v = 0, v_q = 1 + x^2: with the Jacobian on the path x = 0 the bound would be 1."""
    solution = solve_ivp(lambda _, x: 1 + x * x, (0, 1), [0.0], rtol=1e-10, atol=1e-12)
    error = float(solution.y[0, -1])
    assert error == pytest.approx(math.tan(1), rel=1e-8)
    assert error > 1
    segment, _ = quad(lambda s: math.cos(s) ** 2 / math.cos(1) ** 2, 0, 1)
    assert error <= segment


def test_logarithmic_norm_bounds_the_flow_and_not_an_euler_step() -> None:
    jacobian = np.array([[-0.1, 5.0], [-5.0, -0.1]])
    rate = float(np.linalg.eigvalsh((jacobian + jacobian.T) / 2).max())
    values, vectors = np.linalg.eig(jacobian)
    flow = (vectors * np.exp(values)) @ np.linalg.inv(vectors)
    assert np.linalg.norm(flow, 2) == pytest.approx(math.exp(rate), rel=1e-12)
    h = 0.1
    norm = float(np.linalg.norm(np.eye(2) + h * jacobian, 2))
    assert norm > 1 + h * rate  # control: mu_2 may not take the place of L
    assert norm**2 <= 1 + 2 * h * rate + h * h * np.linalg.norm(jacobian, 2) ** 2 + 1e-12


# Section 7.


def _frechet(a: Array, b: Array, ddof: int) -> float:
    cov_a, cov_b = np.cov(a.T, ddof=ddof), np.cov(b.T, ddof=ddof)
    cross = np.real(np.asarray(sqrtm(cov_a @ cov_b)))
    mean = a.mean(axis=0) - b.mean(axis=0)
    return float(mean @ mean + np.trace(cov_a + cov_b - 2 * cross))


def _pairs() -> Iterable[tuple[Array, Array]]:
    rng = np.random.default_rng(7)
    for size in (6, 10, 40):
        a = rng.standard_normal((size, 3)) @ rng.standard_normal((3, 3))
        yield a, a + 0.3 * rng.standard_normal((size, 3)) + rng.standard_normal(3)
        yield a, 1.5 * (a - a.mean(axis=0)) + a.mean(axis=0)  # equality for 1/n


def test_paired_inequality_and_its_control() -> None:
    broken = 0
    for a, b in _pairs():
        square = float(((a - b) ** 2).sum(axis=1).mean())
        assert _frechet(a, b, 0) <= square * (1 + 1e-7)
        broken += _frechet(a, b, 1) > square * (1 + 1e-7)
    assert broken, "covariances with n - 1 break the inequality"


def test_degradation_is_of_first_order() -> None:
    """FID(fp, data) = 1, and the quantized features lie r farther out."""
    data = np.random.default_rng(3).standard_normal((20, 2))
    full = data + np.array([1.0, 0.0])
    shifts = np.array([1e-1, 1e-2, 1e-3])
    quantized = [data + np.array([1.0 + r, 0.0]) for r in shifts]
    for r, features in zip(shifts, quantized, strict=True):
        assert _frechet(features, full, 0) == pytest.approx(r * r, abs=1e-7)
    degradation = [_frechet(features, data, 0) - _frechet(full, data, 0) for features in quantized]
    slope, _ = np.polyfit(np.log(shifts), np.log(degradation), 1)
    assert slope == pytest.approx(1, abs=0.02)  # in r = sqrt FID(q, fp): order 2^-b where r^2 has 2^-2b


# Section 8.


@given(
    data=st.lists(st.integers(-50, 50), min_size=6, max_size=30),
    levels=st.lists(st.integers(-60, 60), min_size=2, max_size=6, unique=True),
    size=st.integers(1, 7),
)
def test_bucket_identity(data: list[int], levels: list[int], size: int) -> None:
    x, c = np.sort(np.array(data, dtype=float)), np.sort(np.array(levels, dtype=float))
    parts = [x[i : i + size] for i in range(0, x.size, size)]
    y = np.concatenate([np.full(part.size, part.mean()) for part in parts])

    def error(points: Array) -> float:
        return float(np.mean(np.min((points[:, None] - c) ** 2, axis=1)))

    within = float(np.mean((x - y) ** 2))
    bound = sum(
        gap * part.size / x.size * np.mean(np.abs(part - part.mean()))
        for part in parts
        for gap, tau in zip(np.diff(c), (c[1:] + c[:-1]) / 2, strict=True)
        if part[0] < tau < part[-1]
    )
    terms = within + error(y) - error(x)
    assert -1e-9 <= terms <= bound + 1e-9
