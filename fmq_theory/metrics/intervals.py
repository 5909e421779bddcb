"""Numbers with an interval that covers what it is said to cover.

Two intervals are used, and each says of what it is one:

* **of the median**, for whatever is measured once a drawn layer (squared errors, ratios, b*). The chance
  that the median lies between two order statistics is binomial whatever the law, so the coverage needs no
  moments. Verdicts rest on these (``Estimate.at``); the printed ends are interpolated between neighbouring
  order statistics, which needs a density that is smooth at the median. A mean needs moments: the squared
  error of a layer of Student-t(3) weights has no variance, and even the equal-mass error of 1,024 Gaussian
  weights at 8 bits is so skewed that Student's interval over 8 repeats covers 88 % at nominal 95 %.
* **of the mean**, Student's, for means of many bounded or light-tailed numbers (the PSNR of samples).

``experiments/figures/coverage.py`` counts how often both hold what they promise.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from fmq_theory.brief import brief_repr
from fmq_theory.errors import WeightsError

__all__ = [
    "Estimate",
    "exact_estimate",
    "fewest_for_median",
    "mean_estimate",
    "median_estimate",
    "median_intervals",
    "order_statistics_confidence",
]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and an interval around it.

    Attributes:
        value: the estimate.
        low: lower end; None if nothing is known of the spread (too few repeats, or an infinite end).
        high: upper end; None where ``low`` is.
        count: how many independent repeats it rests on.
        confidence: probability with which the interval covers; 1.0 for a value known exactly.
        of: what the interval is of: "mean", "median", or "value" for one that is known exactly.
        ordered: the repeats in order where the interval is made of them, so that another confidence can be
            asked for; empty for a mean, whose ends scale.
    """

    value: float
    low: float | None
    high: float | None
    count: int
    confidence: float
    of: str = "value"
    ordered: tuple[float, ...] = ()

    __repr__ = brief_repr

    def at(self, confidence: float) -> "Estimate":
        """The same estimate with the interval that a verdict may rest on at this confidence.

        Of a median it is X_(k) .. X_(m+1-k), not interpolated, with the largest k at which it covers with
        at least the confidence for every law of the repeats, atoms included; there is none where even the
        extremes X_(1) .. X_(m) cover less. Of a mean it is Student's. A value that is known exactly stays
        as it is.

        Args:
            confidence: in (0, 1).

        Raises:
            WeightsError: a confidence outside (0, 1).

        Examples:
            >>> from fmq_theory.metrics import median_estimate
            >>> found = median_estimate(range(1, 11))  # X_(2) .. X_(9) covers 97.9 %, X_(3) .. X_(8) 89.1 %
            >>> round(found.low, 2), found.at(0.95).low
            (2.66, 2.0)
            >>> found.at(0.99).low, found.at(0.999).low  # ten repeats reach 1 - 2^-9 = 99.8 %
            (1.0, None)
        """
        _checked(confidence)
        if self.ordered:
            return median_estimate(self.ordered, confidence=confidence, interpolated=False)
        if self.confidence == 1.0 or self.low is None or self.high is None:
            return self
        scale = _student(self.count, confidence) / _student(self.count, self.confidence)
        low, high = (self.value + scale * (end - self.value) for end in (self.low, self.high))
        return replace(self, low=low, high=high, confidence=confidence)


def median_estimate(
    samples: Iterable[float], *, confidence: float = 0.95, interpolated: bool = True
) -> Estimate:
    """Median of independent repeats with an interval of order statistics, interpolated to the confidence.

    For m repeats of a continuous law P(X_(k) <= median <= X_(m+1-k)) = 1 - 2 P(Bin(m, 1/2) <= k - 1) =:
    g_k, exactly; with atoms it is g_k or more, because each end misses a median M only if at most k - 1
    repeats are <= M (or >= M), and each repeat is with probability 1/2 or more. So with the largest k at
    which g_k >= confidence, X_(k) .. X_(m+1-k) covers with the confidence or more for every law.

    That is often much more. With I = (g_k - confidence)/(g_k - g_(k+1)) and w = (m - k) I/(k + (m - 2k) I)
    the interpolated ends are (1 - w) X_(k) + w X_(k+1) and the same from above. They cover with the
    confidence in the limit of many repeats of a density that is smooth at the median (93.8 to 95.6 % at
    nominal 95 % on the laws of the experiment ``coverage``), and not for every law: where half of the mass
    is uniform on (-0.001, 0) and half exponential, they cover 87.5 % with 6 repeats. For every law g_(k+1)
    is all that is sure. They are for tables; verdicts rest on the ends that are not interpolated.

    Args:
        samples: one number a repeat; some may be infinite.
        confidence: in (0, 1). Where 1 - 2^(1-m) is below it there is no interval: 95 % needs 6 repeats.
        interpolated: whether the ends lie between order statistics, for a coverage near the confidence on
            smooth laws, or are order statistics, for the confidence at least on every law.

    Raises:
        WeightsError: no repeats, one that is nan, or a confidence outside (0, 1).

    Reference: Hettmansperger and Sheather, Statistics & Probability Letters 4 (1986), 75-79; Nyblom, ibid.
        14 (1992), 129-131.

    Examples:
        >>> from fmq_theory.metrics import median_estimate
        >>> found = median_estimate([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 1000.0])  # of X_(2) .. X_(7) 92.97 %
        >>> found.value, round(found.low, 2), round(found.high, 2)
        (4.5, 1.94, 70.91)
    """
    ordered = tuple(sorted(_numbers(samples)))
    _checked(confidence)
    count = len(ordered)
    left, right = ordered[(count - 1) // 2], ordered[count // 2]
    value = left if left == right else 0.5 * left + 0.5 * right
    none = Estimate(value, None, None, count, confidence, "median", ordered)
    place = _place(count, confidence)
    if place is None:
        return none
    k, weight = place
    weight = weight if interpolated else 0.0
    low, high = _between(ordered[k - 1], ordered[k], weight), _between(ordered[-k], ordered[-k - 1], weight)
    if not (math.isfinite(low) and math.isfinite(high)):
        return none
    return replace(none, low=low, high=high)


def median_intervals(
    repeats: NDArray[np.float64], *, confidence: float = 0.95, interpolated: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both ends of ``median_estimate`` for many sets of repeats at once.

    Args:
        repeats: ``[sets, m]``; infinite ones make infinite ends.
        confidence: in (0, 1).
        interpolated: whether ends lie between order statistics, for the nominal confidence on smooth laws;
            or on them, for at least that confidence on every law.

    Returns:
        The lower and the upper ends, ``[sets]`` each.

    Raises:
        WeightsError: m repeats do not reach the confidence, or it lies outside (0, 1).
    """
    _checked(confidence)
    place = _place(repeats.shape[1], confidence)
    if place is None:
        raise _too_few(repeats.shape[1], confidence)
    k, weight = place
    ordered = np.sort(repeats, axis=1)
    if not interpolated:
        return ordered[:, k - 1], ordered[:, -k]
    return (
        _all_between(ordered[:, k - 1], ordered[:, k], weight),
        _all_between(ordered[:, -k], ordered[:, -k - 1], weight),
    )


def fewest_for_median(confidence: float = 0.95) -> int:
    """The fewest repeats that have an interval of the median: 2^(1-m) <= 1 - confidence.

    Args:
        confidence: the least probability with which the interval covers the median, inside (0, 1).

    Returns:
        m, of which the smallest and the largest are the interval's ends.

    Raises:
        WeightsError: a confidence outside (0, 1).

    Reference:
        hettmansperger1986confidence, for the interval from one order statistic to another.

    Examples:
        >>> from fmq_theory.metrics import fewest_for_median
        >>> fewest_for_median(0.95), fewest_for_median(0.99)
        (6, 8)
    """
    _checked(confidence)
    return math.ceil(1.0 - math.log2(1.0 - confidence))


def order_statistics_confidence(count: int, confidence: float = 0.95) -> float:
    """1 - 2 P(Bin(m, 1/2) <= k - 1) with the largest k at which it is ``confidence`` or more.

    With this probability X_(k) .. X_(m+1-k), the ends that are not interpolated, hold the median of a law
    without atoms, exactly.

    Args:
        count: m, repeats.
        confidence: in (0, 1), that was asked for.

    Raises:
        WeightsError: m repeats do not reach the confidence, or it lies outside (0, 1).

    Examples:
        >>> from fmq_theory.metrics import order_statistics_confidence
        >>> order_statistics_confidence(6), round(order_statistics_confidence(192), 4)  # 1 - 2/64
        (0.96875, 0.9639)
    """
    _checked(confidence)
    place = _place(count, confidence)
    if place is None:
        raise _too_few(count, confidence)
    return 1.0 - 2.0 * float(special.bdtr(place[0] - 1, count, 0.5))


def mean_estimate(samples: Iterable[float], *, confidence: float = 0.95) -> Estimate:
    """Mean of independent repeats with Student's interval, mean +- t_{m-1} s / sqrt(m).

    The coverage is exact for normal repeats and nominal otherwise: use it for means of many numbers of a
    light-tailed law, and ``median_estimate`` for what a drawn layer gives.

    Args:
        samples: one number a repeat.
        confidence: in (0, 1).

    Raises:
        WeightsError: no repeats, one that is nan, or a confidence outside (0, 1).

    Examples:
        >>> from fmq_theory.metrics import mean_estimate
        >>> found = mean_estimate([1.0, 2.0, 3.0])
        >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)  # t(2) at 97.5 %: 4.303
        (2.0, -0.484, 4.484)
    """
    values = _numbers(samples)
    _checked(confidence)
    count = len(values)
    if any(math.isinf(value) for value in values):
        return Estimate(sum(values), None, None, count, confidence, "mean")
    # Scaled, so that neither the sum nor the squares of 1e300 overflow.
    unit = max(map(abs, values)) or 1.0
    scaled = [value / unit for value in values]
    mean = math.fsum(scaled) / count
    if count == 1:
        return Estimate(values[0], None, None, 1, confidence, "mean")
    variance = math.fsum((value - mean) ** 2 for value in scaled) / (count - 1)
    half = _student(count, confidence) * math.sqrt(variance / count)
    return Estimate(mean * unit, (mean - half) * unit, (mean + half) * unit, count, confidence, "mean")


def exact_estimate(value: float) -> Estimate:
    """value +- 0: a quantity measured on the whole population, such as the weights of one checkpoint.

    Args:
        value: the quantity, in its own unit.
    """
    return Estimate(value, value, value, 1, 1.0)


def _numbers(samples: Iterable[float]) -> list[float]:
    values = [float(sample) for sample in samples]
    if not values:
        raise WeightsError("repeats", "there are none to average", "measure at least one")
    if any(math.isnan(value) for value in values):
        raise WeightsError("repeats", "one of them is nan", "leave undefined repeats out before averaging")
    return values


def _checked(confidence: float) -> None:
    if not 0.0 < confidence < 1.0:
        raise WeightsError(
            f"confidence {confidence!r}", "it must lie between 0 and 1", "pass for example 0.95"
        )


def _too_few(count: int, confidence: float) -> WeightsError:
    return WeightsError(
        f"{count} repeats",
        f"they have no interval of {100 * confidence:g} %",
        f"make {fewest_for_median(confidence)}",
    )


def _student(count: int, confidence: float) -> float:
    return float(special.stdtrit(count - 1, 0.5 + 0.5 * confidence))


@cache
def _place(count: int, confidence: float) -> tuple[int, float] | None:
    """k and w of ``median_estimate``; None where even the extremes do not reach the confidence."""
    missed = 0.5 * (1.0 - confidence)
    spread = 0.5 * float(special.ndtri(1.0 - missed)) * math.sqrt(count)
    k = max(
        0, math.floor(0.5 * count - spread) - 1
    )  # below the answer, up to the quality of de Moivre's limit
    while k > 0 and float(special.bdtr(k - 1, count, 0.5)) > missed:
        k -= 1
    while k < count // 2 and float(special.bdtr(k, count, 0.5)) <= missed * (1.0 + 1e-12):
        k += 1
    if k == 0:
        return None
    covers, following = (1.0 - 2.0 * float(special.bdtr(j, count, 0.5)) for j in (k - 1, k))
    share = (covers - confidence) / (covers - following) if covers > confidence else 0.0
    return k, (count - k) * share / (k + (count - 2 * k) * share)


def _all_between(
    outer: NDArray[np.float64], inner: NDArray[np.float64], weight: float
) -> NDArray[np.float64]:
    """``_between`` element by element."""
    if weight == 0.0:
        return outer
    with np.errstate(invalid="ignore"):
        found = (1.0 - weight) * outer + weight * inner
    return np.where(np.isnan(found) | (outer == inner), outer, found)


def _between(outer: float, inner: float, weight: float) -> float:
    """(1 - w) outer + w inner; the outer one where the sum has no value, as between -inf and inf."""
    if outer == inner or weight == 0.0:
        return outer
    if weight == 1.0:
        return inner
    found = (1.0 - weight) * outer + weight * inner
    return outer if math.isnan(found) else found
