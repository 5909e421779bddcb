"""Quadrature over the joint law of the smallest and the largest of n weights."""

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from fmq_theory.sources.source import Source

__all__ = ["RangeNodes", "range_nodes", "reach"]

FloatArray = NDArray[np.float64]

# x -> exp(x - exp(-x)) carries the trapezoidal rule to (0, inf); outside these ends less than 1e-11 is left.
_DE_LOW, _DE_HIGH = -3.1, 3.75
_NUM_RADIAL = 20
# In a small sample an extreme may lie on the far side of the law's centre, where the density may have a kink.
_SMALL_SAMPLE, _NUM_RADIAL_SMALL = 256, 80
_NUM_END = 24
_GAUSS_ORDER = 16
# Least share of the two outer masses that is evaluated; beyond it the power law is exact to rounding.
_LOG_SHARE_CAP = 600.0
_LIGHT_SHARE = 30.0  # the same for lighter tails, of which nothing is left there


@dataclass(frozen=True, slots=True, eq=False)
class RangeNodes:
    """Nodes of a rule: E g(min, max) is about the sum of ``weight * g(low, high)``.

    Attributes:
        low: the smallest of the n weights, shape ``[N]``.
        high: the largest, shape ``[N]``.
        below: P(X < low) of one weight, shape ``[N]``.
        inside: P(low < X < high), shape ``[N]``.
        above: P(X > high), shape ``[N]``.
        weight: shape ``[N]``; about 1 in sum.
    """

    low: FloatArray
    high: FloatArray
    below: FloatArray
    inside: FloatArray
    above: FloatArray
    weight: FloatArray

    def part(self, start: int, stop: int) -> "RangeNodes":
        """The nodes ``start`` to ``stop - 1``."""
        return RangeNodes(*(getattr(self, field.name)[start:stop] for field in fields(self)))


def range_nodes(source: Source, num_levels: int, sample_size: int) -> RangeNodes:
    """The rule for a function of the range that comes from ``num_levels`` equally spaced levels.

    With A = F(min) and B = 1 - F(max), the total W = A + B and the share T = A / W are independent,
    W of density n (n-1) w (1-w)^{n-2} and T uniform on (0, 1). W is written 1 - exp(-y / (n-1)); T as
    1 / (1 + e^d).

    Reference:
        David and Nagaraja, Order Statistics, 3rd ed., eq. (2.2.1), after the change of variables.
    """
    y, weight_y = _double_exponential(_NUM_RADIAL if sample_size >= _SMALL_SAMPLE else _NUM_RADIAL_SMALL)
    gaps = sample_size - 1
    total = -np.expm1(-y / gaps)
    weight_y = weight_y * sample_size * total * np.exp(-y)

    index = source.tail.index
    if math.isfinite(index):
        d, weight_d = _half_line_by_phase(num_levels, index)
    else:
        d, weight_d = _half_line_by_panels(num_levels)
    capped = np.minimum(d, _LOG_SHARE_CAP)
    small = np.exp(-capped) / (1.0 + np.exp(-capped))
    # A function of the range grows no faster than its square, that is than share**(-2 / index).
    excess = np.exp((d - capped) * (2.0 / index - 1.0))
    weight_d = weight_d * excess * small / (1.0 + np.exp(-capped))

    share = np.concatenate((small, 1.0 - small))
    other = np.concatenate((1.0 - small, small))
    below, above = np.outer(total, share).ravel(), np.outer(total, other).ravel()
    inside = np.repeat(np.exp(-y / gaps), share.size)
    low = _quantile(source, below, inside + above)
    return RangeNodes(
        low=low,
        high=np.maximum(
            low, _quantile(source, below + inside, above)
        ),  # rounding may cross nearly equal ends
        below=below,
        inside=inside,
        above=above,
        weight=np.outer(weight_y, np.concatenate((weight_d, weight_d))).ravel(),
    )


def reach(source: Source, sample_size: int) -> tuple[float, float]:
    """An interval that holds every node for ``sample_size``, whatever the number of levels."""
    share = _LOG_SHARE_CAP if math.isfinite(source.tail.index) else _LIGHT_SHARE
    log_least = _DE_LOW - math.exp(-_DE_LOW) - math.log(sample_size) - share - 1.0
    return float(source.ppf(math.exp(log_least))), float(source.isf(math.exp(log_least)))


def _quantile(source: Source, below: FloatArray, above: FloatArray) -> FloatArray:
    """The x with F(x) = ``below`` = 1 - ``above``, from the smaller of the two."""
    lower = below < above
    x = np.empty_like(below)
    x[lower] = source.ppf(below[lower])
    x[~lower] = source.isf(above[~lower])
    return x


def _double_exponential(count: int) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights on (0, inf) for what decays like exp(-y) and is a power of y near 0."""
    x, step = np.linspace(_DE_LOW, _DE_HIGH, count, retstep=True)
    y = np.exp(x - np.exp(-x))
    return y, float(step) * (1.0 + np.exp(-x)) * y


def _gauss(order: int) -> tuple[FloatArray, FloatArray]:
    """Gauss-Legendre on [0, 1]."""
    x, weight = np.polynomial.legendre.leggauss(order)
    return 0.5 * (x + 1.0), 0.5 * weight


def _half_line_by_panels(num_levels: int) -> tuple[FloatArray, FloatArray]:
    """Nodes d > 0 for laws whose range hardly varies: Gauss panels, wider as exp(-d) falls."""
    panels = 4 + num_levels // 16
    edges = np.sinh(np.linspace(0.0, math.asinh(_LIGHT_SHARE), panels + 1))
    x, weight = _gauss(_GAUSS_ORDER)
    widths = np.diff(edges)[:, None]
    return (edges[:-1, None] + widths * x).ravel(), (widths * weight).ravel()


def _half_line_by_phase(num_levels: int, index: float) -> tuple[FloatArray, FloatArray]:
    """Nodes d > 0 for power tails, where the levels are wider apart than the bulk.

    The error then depends on the phase p = (K-1) r, r = |min| / (max - min), at which the bulk falls
    between two levels, with kinks at every p = j + 1/2; for power tails d = index * ln((1-r) / r). Each
    period from kink to kink gets a Gauss rule. Far from the ends all else varies slowly from one period
    to the next, so few of them are taken, weighted for the rest. The first half-period, r -> 0, takes
    the double exponential rule for the power of r that is left there.
    """
    num_levels = max(num_levels, 2)  # one level has the single half-period of two
    decay = max(1.0 / (index - 2.0), 0.2)
    t, weight_t = _double_exponential(_NUM_END)
    log_phase = [math.log(0.5) - decay * t]
    weights = [decay * weight_t]  # with respect to ln p
    order = 40 if num_levels <= 16 else 12
    x, weight = _gauss(order)
    periods = (num_levels - 2) // 2
    start = 0
    while start < periods:
        stop = min(periods, max(2 * start, 8))
        chosen, multiples = _representatives(stop - start)
        phase = (0.5 + start + chosen[:, None] + x).ravel()
        log_phase.append(np.log(phase))
        weights.append((multiples[:, None] * weight).ravel() / phase)
        start = stop
    rest = 0.5 * (num_levels - 1) - (0.5 + periods)  # half a period where K is odd
    if rest > 0.25:
        phase = 0.5 + periods + rest * x
        log_phase.append(np.log(phase))
        weights.append(rest * weight / phase)
    log_r = np.concatenate(log_phase) - math.log(num_levels - 1)
    # dd = index * dr / (r (1 - r)) = index * d(ln r) / (1 - r)
    remainder = -np.expm1(log_r)
    return index * (np.log(remainder) - log_r), np.concatenate(weights) * index / remainder


def _representatives(count: int) -> tuple[FloatArray, FloatArray]:
    """Some of the integers 0 .. count-1, and weights that sum polynomials over all of them."""
    every = np.arange(count, dtype=np.float64)
    size = 10
    if count <= 2 * size:
        return every, np.ones(count)
    cosines = np.cos(math.pi * (np.arange(size)[::-1] + 0.5) / size)
    chosen = np.unique(np.rint(0.5 * (count - 1) * (1.0 + cosines)))
    scaled, scaled_every = 2.0 * chosen / (count - 1) - 1.0, 2.0 * every / (count - 1) - 1.0
    basis = np.polynomial.legendre.legvander(scaled, chosen.size - 1)
    sums = np.polynomial.legendre.legvander(scaled_every, chosen.size - 1).sum(axis=0)
    return chosen, np.asarray(np.linalg.solve(basis.T, sums), dtype=np.float64)
