"""The published log2 scheme: levels in geometric progression on each side of zero."""

import math

import numpy as np

from fmq_theory.bounds.bound import Bound
from fmq_theory.bounds.memo import remember_for_laws
from fmq_theory.sources import MagnitudeRange, Source
from fmq_theory.sources.empirical import Empirical

__all__ = ["log2_high_rate", "log2_upper_bound"]

_REFERENCE = "theory section 0 (log2)"


@remember_for_laws
def _magnitudes(source: Source, n: int) -> tuple[MagnitudeRange | None, MagnitudeRange | None]:
    return source.typical_magnitudes(n)


def _side_counts(
    num_levels: int, n: int, magnitudes: tuple[MagnitudeRange | None, MagnitudeRange | None]
) -> tuple[int, int]:
    """Levels below and above zero: K' // 2 each with K' = min(K, n), or all K' where one side has weights.

    One level alone is above zero if there are weights.
    """
    count = min(num_levels, n)
    if magnitudes[0] is None:
        return 0, count
    if magnitudes[1] is None:
        return count, 0
    return (0, 1) if count == 1 else (count // 2, count // 2)


def _ratio(magnitudes: MagnitudeRange, count: int) -> float:
    """Quotient of neighbouring levels, count >= 2."""
    return math.exp((math.log(magnitudes.largest) - math.log(magnitudes.smallest)) / (count - 1))


def log2_upper_bound(source: Source, num_levels: int, n: int) -> Bound | None:
    """Upper bound for levels a, a r, ..., b on each side of zero, nearest level; how many, see ``Log2``.

    A weight x in [a, b] has a neighbour not farther than half the gap, |x| (r - 1) / 2, and one (a) not
    farther than |x|: it errs by |x| min(1, (r-1)/2) at most. Weights below a and beyond b are taken
    exactly, about a and b. Going to the nearest level of both signs can only be better.

    Args:
        source: the law of the weights, or data.
        num_levels: K >= 1, both signs together.
        n: weights that share a codebook; the magnitudes of data are their own.

    Returns:
        In squared units of the source; None where a side that holds weights has no level (K = 1, or a side
        empty in most samples).

    Reference:
        theory section 0: the log2 rule of varam2025lowbit's scripts.
    """
    magnitudes = _magnitudes(source, n)
    if math.isinf(source.variance()):
        return Bound(math.inf, "upper", None, ("the variance is infinite",), _REFERENCE)
    total = 0.0
    counts = _side_counts(num_levels, n, magnitudes)
    for sign, side, count in zip((-1.0, 1.0), magnitudes, counts, strict=True):
        if side is None or count == 0:
            if _side_mass(source, sign) > 0:
                return None
            continue
        total += _side_cost(source, sign, side, count)
    whose = "of these weights" if isinstance(source, Empirical) else "of the law, magnitudes at their medians"
    return Bound(total, "upper", 2.0, ("every K, n fixed", whose), _REFERENCE)


def _side_mass(source: Source, sign: float) -> float:
    edges = (-math.inf, 0.0) if sign < 0 else (0.0, math.inf)
    return float(source.partial_moments(*edges).mass)


def _second(source: Source, sign: float, start: float, stop: float, about: float) -> float:
    """E[(X - sign * about)^2] over magnitudes from ``start`` to ``stop`` on one side.

    Cells are half open: on the negative side the atom at -start falls out of [-stop, -start) and is in the
    neighbouring one, so consecutive cells still cover every weight once.
    """
    low, high = (start, stop) if sign > 0 else (-stop, -start)
    return float(source.partial_moments(low, high, about=sign * about).second)


def _side_cost(source: Source, sign: float, side: MagnitudeRange, count: int) -> float:
    if count == 1:
        middle = math.sqrt(side.smallest) * math.sqrt(side.largest)
        return _second(source, sign, 0.0, math.inf, middle)
    half_gap = min(1.0, 0.5 * (_ratio(side, count) - 1.0))
    return math.fsum(
        (
            _second(source, sign, 0.0, side.smallest, side.smallest),
            half_gap**2 * _second(source, sign, side.smallest, side.largest, 0.0),
            _second(source, sign, side.largest, math.inf, side.largest),
        )
    )


def log2_high_rate(source: Source, num_levels: int, n: int) -> Bound | None:
    """About E[X^2 (ln r)^2] / 12: a step is |x| ln r; r of each side at the median magnitudes of n weights.

    Order 2 at fixed n: ln r falls like 1/K. It is called an estimate because the magnitudes are random and
    only their medians enter. None below two levels a side.

    Args:
        source: the law of the weights, or data.
        num_levels: K >= 1, both signs together.
        n: weights that share a codebook; the magnitudes of data are their own.

    Returns:
        Kind ``estimate``, in squared units of the source; None below two levels a side or at infinite
        variance.

    Reference:
        theory section 0: the log2 rule of varam2025lowbit's scripts.
    """
    magnitudes = _magnitudes(source, n)
    if math.isinf(source.variance()):
        return None
    total = 0.0
    counts = _side_counts(num_levels, n, magnitudes)
    for sign, side, count in zip((-1.0, 1.0), magnitudes, counts, strict=True):
        if side is None:
            continue
        if count < 2:
            return None
        stop = float(np.nextafter(side.largest, math.inf))
        step = math.log(_ratio(side, count))
        total += step * step / 12.0 * _second(source, sign, side.smallest, stop, 0.0)
    assumptions = ("many levels, n fixed and far more", "magnitudes of the weights at their medians")
    return Bound(total, "estimate", 2.0, assumptions, _REFERENCE)
