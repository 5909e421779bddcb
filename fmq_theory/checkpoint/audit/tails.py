"""How the weights of a tensor are spread: moments, tail index with standard errors, whether a law fits.

All magnitudes are |w - mean| over the whole tensor. With X_(1) <= ... <= X_(n) in order and the k largest,
M_p is the mean of (ln X_(n-i+1) - ln X_(n-k))**p:

* Hill: xi_H = M_1, for power tails sf ~ x**(-1/xi) alone; its standard error is xi_H / sqrt(k).
* moments: xi_M = M_1 + 1 - 1 / (2 (1 - M_1**2 / M_2)), for every tail: above 0 a power law of index 1 / xi, 0
  exponential-type, below 0 a bounded support.

k = n**0.6, at most n / 10. The theory about laws is said not to apply to a tensor where

* fewer than 30 weights are beyond the threshold (n < 300), or they are tied so that nothing can be fitted;
* the generalized Pareto law of the moments estimator is farther from the k largest, in the greatest
  difference of the cdfs, than 0.05 + 1.36 / sqrt(k): a misfit of five per cent beyond what chance explains;
* xi_M >= 1/2: the law that fits has no variance, so that no high-rate constant is finite.

Reference: Hill 1975; Dekkers, Einmahl & de Haan 1989; de Haan & Ferreira 2006, theorems 3.2.5 and 3.5.4.
"""

import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fmq_theory.sources.units import FOURTH_POWERS, unit_exponent

__all__ = ["BINS_A_SIGMA", "Spread", "TailFit", "fit_tail", "spread_of"]

FloatArray = NDArray[np.float64]

BINS_A_SIGMA = 4
"""The histogram counts |w - mean| in steps of sigma / 4; the last bin holds all that is beyond."""

_NUM_BINS = 64 + 1
_EXPONENT, _MOST_SHARE, _FEWEST = 0.6, 0.1, 30
_Z = 1.959963984540054
_MISFIT, _CHANCE = 0.05, 1.36
_CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class TailFit:
    """What the largest magnitudes say; None where nothing could be fitted.

    Attributes:
        exceedances: k.
        hill: xi_H, and 1.96 asymptotic standard errors to either side of it (value, low, high). That is no
            confidence interval: it leaves out the bias of the threshold, and holds xi of Student-t(5) laws in
            3 % of samples of 16,384 and of exponential tails never.
        moments: xi_M, and 1.96 of its standard errors to either side; they hold xi in 17 % (Gaussian, 262,144
            weights) to 96 % (Laplace) of samples.
        misfit: greatest difference between the cdf of the k largest and that of the law fitted to them.
        kind: "bounded", "exponential" or "power", by where these two ends of xi_M lie; "unknown" without one.
        theory_applies: see the module's rule.
        reason: why it does not; empty if it does.
    """

    exceedances: int
    hill: tuple[float, float, float] | None
    moments: tuple[float, float, float] | None
    misfit: float | None
    kind: str
    theory_applies: bool
    reason: str

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "TailFit":
        """The inverse of ``dataclasses.asdict`` after JSON."""
        fields: dict[str, Any] = dict(found)
        fields.update(hill=_triple(found["hill"]), moments=_triple(found["moments"]))
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Spread:
    """Moments, extremes and tail of a tensor.

    Attributes:
        mean: of the weights.
        standard_deviation: sigma, with 1/n.
        excess_kurtosis: 0 for a Gaussian; None where all weights are equal.
        max_over_sigma: the largest |w - mean| / sigma; None where all weights are equal.
        histogram: how many weights have |w - mean| in [i, i + 1) sigma / 4, the last bin without an end.
        tail: of |w - mean|.
    """

    mean: float
    standard_deviation: float
    excess_kurtosis: float | None
    max_over_sigma: float | None
    histogram: tuple[int, ...]
    tail: TailFit

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Spread":
        """The inverse of ``dataclasses.asdict`` after JSON."""
        fields: dict[str, Any] = dict(found)
        fields.update(histogram=tuple(found["histogram"]), tail=TailFit.from_json(found["tail"]))
        return cls(**fields)


def spread_of(weights: NDArray[np.floating]) -> Spread:
    """The spread of finite weights of any shape, in two passes over parts of a million.

    Args:
        weights: not empty.
    """
    low, high = float(weights.min()), float(weights.max())
    exponent = unit_exponent(max(-low, high), FOURTH_POWERS)
    mean, variance = _mean_and_variance(weights, exponent)
    if low == high or not variance > 0.0:
        nothing = TailFit(0, None, None, None, "unknown", False, "all weights are equal")
        return Spread(
            _scaled(mean, exponent), 0.0, None, None, (weights.size, *[0] * (_NUM_BINS - 1)), nothing
        )
    sigma = math.sqrt(variance)
    wanted = _num_exceedances(weights.size)
    fourth, counts, largest = 0.0, np.zeros(_NUM_BINS, dtype=np.int64), _Largest(wanted + 1)
    for part in _parts(weights, exponent):
        part -= mean
        magnitude = np.abs(part, out=part)
        largest.add(magnitude)
        magnitude *= 1.0 / sigma
        square = np.square(magnitude)
        fourth += float(np.square(square, out=square).sum())
        magnitude *= BINS_A_SIGMA
        bins = np.minimum(magnitude, _NUM_BINS - 1, out=magnitude).astype(np.intp)
        counts += np.bincount(bins, minlength=_NUM_BINS)
    return Spread(
        mean=_scaled(mean, exponent),
        standard_deviation=_scaled(sigma, exponent),
        excess_kurtosis=fourth / weights.size - 3.0,
        max_over_sigma=float(largest.values()[-1]) / sigma,
        histogram=tuple(counts.tolist()),
        tail=fit_tail(largest.values(), weights.size),
    )


def fit_tail(largest: FloatArray, size: int) -> TailFit:
    """The tail of magnitudes of which the largest are known.

    Args:
        largest: the k + 1 largest in order, k as the module's rule has it for ``size``.
        size: n.
    """
    k = largest.size - 1
    if k < _FEWEST:
        return _unknown(k, f"only {size} weights: too few for a tail")
    if not largest[0] > 0.0:
        return _unknown(k, "too many equal weights for a tail")
    logs = np.log(largest[1:]) - math.log(float(largest[0]))
    first, second = float(logs.mean()), float(np.square(logs).mean())
    ratio = first * first / second if second > 0.0 else 1.0
    if ratio >= 1.0 - 1e-9:
        return _unknown(k, "the largest weights are equal: no tail can be fitted")
    below = 1.0 - 0.5 / (1.0 - ratio)  # the part of xi that is negative for bounded supports
    xi = first + below
    half = _Z * math.sqrt(_moments_variance(xi) / k)
    hill_half = _Z * first / math.sqrt(k)
    misfit = _misfit(largest, xi, float(largest[0]) * first * (1.0 - below))
    kind = "power" if xi - half > 0.0 else "bounded" if xi + half < 0.0 else "exponential"
    reason = ""
    if misfit > _MISFIT + _CHANCE / math.sqrt(k):
        reason = f"no tail law fits: the cdfs differ by {misfit:.2f}"
    elif xi >= 0.5:
        reason = f"the tail is so heavy (index {1.0 / xi:.2g}) that the law has no variance"
    return TailFit(
        exceedances=k,
        hill=(first, max(0.0, first - hill_half), first + hill_half),
        moments=(xi, xi - half, xi + half),
        misfit=misfit,
        kind=kind,
        theory_applies=not reason,
        reason=reason,
    )


def _unknown(k: int, reason: str) -> TailFit:
    return TailFit(k, None, None, None, "unknown", False, reason)


def _num_exceedances(size: int) -> int:
    """k."""
    return max(1, min(round(size**_EXPONENT), int(size * _MOST_SHARE), size - 1)) if size > 1 else 0


def _moments_variance(xi: float) -> float:
    """Asymptotic variance of sqrt(k) (xi_M - xi)."""
    if xi >= 0.0:
        return 1.0 + xi * xi
    top = (1.0 - xi) ** 2 * (1.0 - 2.0 * xi) * (1.0 - xi + 6.0 * xi * xi)
    return top / ((1.0 - 3.0 * xi) * (1.0 - 4.0 * xi))


def _misfit(largest: FloatArray, xi: float, scale: float) -> float:
    """Greatest difference between the cdf of the excesses and 1 - (1 + xi y / scale)**(-1 / xi)."""
    excess = (largest[1:] - largest[0]) / scale
    if abs(xi) < 1e-8:
        fitted = -np.expm1(-excess)
    else:
        inside = np.maximum(1.0 + xi * excess, 0.0)  # 0 beyond the end of a bounded law
        with np.errstate(divide="ignore"):
            fitted = -np.expm1(-np.log(inside) / xi)
    k = excess.size
    steps: FloatArray = np.arange(k + 1, dtype=np.float64) / k
    return max(float(np.max(steps[1:] - fitted)), float(np.max(fitted - steps[:-1])))


class _Largest:
    """The ``count`` largest of the numbers that were added."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool = np.empty(0)
        self._least = -1.0  # what is not above it is not among the largest

    def add(self, values: FloatArray) -> None:
        """Adds numbers >= 0."""
        pool = np.concatenate((self._pool, values[values > self._least]))
        if pool.size > self._count:
            pool = np.partition(pool, pool.size - self._count)[pool.size - self._count :]
            self._least = float(pool[0])
        self._pool = pool

    def values(self) -> FloatArray:
        """In order."""
        return np.sort(self._pool)


def _parts(weights: NDArray[np.floating], exponent: int) -> Iterator[FloatArray]:
    """Copies of parts of the weights in float64, times 2**-exponent."""
    flat = weights.reshape(-1)
    for start in range(0, flat.size, _CHUNK):
        part = flat[start : start + _CHUNK].astype(np.float64)
        yield np.ldexp(part, -exponent) if exponent else part


def _mean_and_variance(weights: NDArray[np.floating], exponent: int) -> tuple[float, float]:
    """About the first weight, so that an offset does not round the variance away."""
    origin = math.ldexp(float(weights.reshape(-1)[0]), -exponent)
    first = second = 0.0
    for part in _parts(weights, exponent):
        part -= origin
        first += float(part.sum())
        # Not np.dot: its order of summation depends on the threads of the BLAS.
        second += float(np.square(part, out=part).sum())
    shift = first / weights.size
    return origin + shift, max(0.0, second / weights.size - shift * shift)


def _scaled(value: float, exponent: int) -> float:
    """value * 2**exponent, for a mean or a deviation: beyond float64 only by its last bit."""
    try:
        return math.ldexp(value, exponent)
    except OverflowError:
        return math.copysign(sys.float_info.max, value)


def _triple(value: object) -> tuple[float, float, float] | None:
    return None if value is None else cast("tuple[float, float, float]", tuple(cast("list[float]", value)))
