"""The published uniform quantizer: K levels from the smallest to the largest of n weights, both included.

The step is 2R/(K-1), R the half-range, so each error is at most R/(K-1), and spread evenly over the step once
cells are narrow. R is random: its second moment is a quadrature (range_law).
"""

import math

from fmq_theory.bounds.bound import Bound
from fmq_theory.bounds.range_law import expected_half_range_squared
from fmq_theory.sources import Source
from fmq_theory.sources.empirical import Empirical

__all__ = ["uniform_high_rate", "uniform_upper_bound"]

_REFERENCE = "theory section 4"


def _whose(source: Source, n: float) -> str:
    return "of these weights" if isinstance(source, Empirical) else f"mean over samples of n = {n:g} weights"


def _order(value: float) -> float | None:
    return 2.0 if math.isfinite(value) else None  # the variance is infinite


def uniform_upper_bound(source: Source, num_levels: int, n: float) -> Bound:
    """E[D_U] <= E[R^2] / (K-1)^2, at every K; for K = 1 the level is the mid-range and D <= R^2.

    Args:
        source: the law of the weights, or data.
        num_levels: K >= 1.
        n: weights that share a codebook, n >= 2; ignored for data, which have a range of their own.

    Returns:
        An upper bound of the mean over samples, or of these data's error, in squared units of the source.

    Reference:
        theory section 4 (docs/theory/s4-uniform.md).

    Examples:
        >>> from fmq_theory import bounds, sources
        >>> bound = bounds.uniform_upper_bound(sources.make("gaussian"), 16, n=4096)
        >>> bound.kind, bound.order, round(bound.value, 4)
        ('upper', 2.0, 0.0587)
    """
    value = expected_half_range_squared(source, n) / max(num_levels - 1, 1) ** 2
    assumptions = ("every K", "range of the weights themselves", _whose(source, n))
    return Bound(value, "upper", _order(value), assumptions, _REFERENCE)


def uniform_high_rate(source: Source, num_levels: int, n: float) -> Bound | None:
    """E[D_U] ~ E[R^2] / (3 (K-1)^2), a step squared over twelve; None for K = 1.

    The order is 2 because n, and with it the law of R, is fixed while K grows.

    Args:
        source: the law of the weights, or data.
        num_levels: K >= 1.
        n: weights that share a codebook, n >= 2; ignored for data, which have a range of their own.

    Returns:
        Kind ``asymptotic`` for a law, ``estimate`` for data, in squared units of the source; None for K = 1.

    Reference:
        theory section 4 (docs/theory/s4-uniform.md).

    Examples:
        A third of the upper bound, and of order 2, for any law of finite variance:

        >>> from fmq_theory import bounds, sources
        >>> law = sources.StudentT(df=3.0)
        >>> bound = bounds.uniform_high_rate(law, 16, 10**6)
        >>> round(bound.value / bounds.uniform_upper_bound(law, 16, 10**6).value, 4), bound.order
        (0.3333, 2.0)
    """
    if num_levels < 2:
        return None
    value = expected_half_range_squared(source, n) / (3.0 * (num_levels - 1) ** 2)
    kind = "estimate" if isinstance(source, Empirical) else "asymptotic"
    assumptions = ("many levels, n fixed and far more", "range of the weights themselves", _whose(source, n))
    return Bound(value, kind, _order(value), assumptions, _REFERENCE)
