"""The uniform quantizer with the best range: not a K^-2 law on Gaussian, exponential or heavier tails either.

With K cells on [-L, L] the granular part is L^2 / (3 K^2) and the overload part O(L) = E[(|X| - L)^2; |X| >
L]. Widening L trades one for the other, and the optimal L grows with K.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fmq_theory.bounds.bound import Bound
from fmq_theory.bounds.cells import nearest_grid_upper_bound
from fmq_theory.bounds.memo import remember_for_laws
from fmq_theory.errors import SourceError
from fmq_theory.sources import (
    Gaussian,
    GeneralizedGaussian,
    Laplace,
    Logistic,
    Source,
    TwoSidedGamma,
)
from fmq_theory.sources.empirical import Empirical

__all__ = [
    "best_range_high_rate",
    "best_range_upper_bound",
    "granular_overload",
    "hui_neuhoff_asymptotic",
    "optimal_half_range",
]

FloatArray = NDArray[np.float64]

_REFERENCE = "Hui & Neuhoff 2001"
_TINY = float(np.finfo(np.float64).tiny)
# Half-ranges, relative to the one that minimises the high-rate formula, among which the proven bound picks.
_TRIALS = np.linspace(0.5, 1.6, 12)


def _exponential_half_range(source: Source, num_levels: int) -> float:
    """L of exponential-type tails: exp(-(L/s)^beta) = K^-2 up to powers of ln K, so L = s (2 ln K)^(1/beta).

    Differentiating L^2/(3K^2) + O(L): 2L/(3K^2) = -O'(L), and -O'(L) = exp(-(L/s)^beta) up to powers of L.
    """
    match source:
        case Gaussian():
            scale, beta = math.sqrt(2.0 * source.variance()), 2.0
        case GeneralizedGaussian():
            scale, beta = source.scale, source.beta
        case Laplace() | Logistic() | TwoSidedGamma():
            scale, beta = source.scale, 1.0
        case _:
            raise SourceError(
                f"{source.name}: closed-form support of the best uniform quantizer",
                "only families with tails exp(-|x/s|^beta) have one",
                "use best_range_high_rate, which works by partial moments",
            )
    return scale * (2.0 * math.log(num_levels)) ** (1.0 / beta)


def hui_neuhoff_asymptotic(source: Source, num_levels: int) -> Bound:
    """Leading term of the best uniform distortion, by tail.

    * exp(-|x/s|^beta): s^2 (2 ln K)^(2/beta) / (3 K^2). Gaussian (s^2 = 2 sigma^2): (4/3) sigma^2 ln K / K^2;
      Laplace, logistic and two-sided Gamma (beta = 1): (4/3) s^2 ln^2 K / K^2. Order 2 up to logarithms.
    * sf ~ C x^-nu on both sides, nu > 2: O(L) = 4 C L^(2-nu) / ((nu-1)(nu-2)), minimal total at
      L^nu = 6 C K^2 / (nu-1), D ~ (L^2 / 3K^2) nu / (nu-2). Order 2 - 4/nu.
    * bounded support: L is half its length, order 2.

    Convergence is logarithmic for exponential-type tails: ``best_range_high_rate`` is far sharper.

    Args:
        source: a law of one of the families above.
        num_levels: K >= 2.

    Returns:
        The leading term, in squared units of the source.

    Raises:
        SourceError: a family with exponential-type tails of another form, data, or K < 2.

    Reference:
        hui2001asymptotic; theory section 4 (docs/theory/s4-uniform.md).
    """
    if isinstance(source, Empirical) or num_levels < 2:
        raise SourceError(
            f"{source.name} with K = {num_levels}",
            "the leading term is about laws and many levels",
            "use best_range_high_rate",
        )
    tail = source.tail
    if tail.kind == "bounded":
        low, high = source.support
        value = (0.5 * (high - low)) ** 2 / (3.0 * num_levels**2)
        return Bound(value, "asymptotic", 2.0, ("many levels", "bounded support"), _REFERENCE)
    if tail.kind == "exponential":
        value = _exponential_half_range(source, num_levels) ** 2 / (3.0 * num_levels**2)
        return Bound(value, "asymptotic", 2.0, ("many levels", "times a power of ln K"), _REFERENCE)
    nu = tail.index
    if nu <= 2:
        return Bound(math.inf, "asymptotic", None, ("the variance is infinite (nu <= 2)",), _REFERENCE)
    half_range = math.exp((math.log(6.0 * num_levels**2 / (nu - 1.0)) + tail.log_constant) / nu)
    value = half_range**2 / (3.0 * num_levels**2) * nu / (nu - 2.0)
    return Bound(value, "asymptotic", 2.0 - 4.0 / nu, ("many levels", "power tails"), _REFERENCE)


def granular_overload(
    source: Source, half_range: FloatArray, num_levels: int
) -> tuple[FloatArray, FloatArray]:
    """Granular and overload parts for K cells of width 2L/K on [c - L, c + L], c the median.

    Granular: (2L/K)^2 / 12 times the mass inside. Overload: exact, about the outer levels, half a step
    inside.

    Args:
        source: the law or data.
        half_range: L, shape ``[m]``.
        num_levels: K.

    Returns:
        Two arrays of shape ``[m]``.
    """
    centre = float(source.ppf(0.5))
    low, high = centre - half_range, centre + half_range
    step = 2.0 * half_range / num_levels
    above = source.partial_moments(high, math.inf, about=high - 0.5 * step)
    below = source.partial_moments(-math.inf, low, about=low + 0.5 * step)
    inside = np.maximum(1.0 - above.mass - below.mass, 0.0)
    return step * step / 12.0 * inside, above.second + below.second


def _minimise(
    objective: Callable[[FloatArray], FloatArray], low: float, high: float, *, rounds: int
) -> float:
    """Argument of the least value on [low, high], 0 < low < high: grids that close in on the best cell."""
    for _ in range(rounds):
        grid = np.geomspace(max(low, _TINY), max(high, _TINY), 16)  # a thousandth of the least float is 0
        best = int(np.argmin(objective(grid)))
        low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, grid.size - 1)])
    return math.sqrt(low) * math.sqrt(high)


@remember_for_laws
def optimal_half_range(source: Source, num_levels: int) -> float:
    """argmin over L of granular(L) + overload(L) of K cells of width 2L/K on [c - L, c + L], c the median.

    Args:
        source: the law of finite variance, or data.
        num_levels: K >= 1.

    Returns:
        L, in the source's units; 0 for a source that is one point.

    Reference:
        hui2001asymptotic.
    """
    low, high = source.support
    if low == high:
        return 0.0
    centre = float(source.ppf(0.5))
    reach = max(high - centre, centre - low)
    if math.isinf(reach):
        # At the optimum sf(L) = (nu-1)/(6 K^2) for power tails, and more, L r(L)/(6 K^2), for lighter ones.
        reach = float(source.isf(1e-3 * float(num_levels) ** -2)) - centre

    def total(half_range: FloatArray) -> FloatArray:
        granular, overload = granular_overload(source, half_range, num_levels)
        return granular + overload

    # For data an estimate within 1 % will do: the value is flat there, and channels come by the thousand.
    rounds = 3 if isinstance(source, Empirical) else 6
    inside = _minimise(total, 1e-3 * reach, reach, rounds=rounds)
    at_inside, at_reach = total(np.array([inside, reach]))
    return inside if at_inside < at_reach else reach  # a bounded support is best covered to its end


def best_range_high_rate(source: Source, num_levels: int) -> Bound:
    """min over L of granular + exact overload: the uniform quantizer with the best range, many levels.

    Its order is that of ``hui_neuhoff_asymptotic``. Only the granular part is approximate (density nearly
    constant over a step), so that it is good to a few per cent from K = 8 on. For data it is an estimate.

    Args:
        source: the law of finite variance, or data.
        num_levels: K >= 1.

    Returns:
        Kind ``asymptotic`` for a law, ``estimate`` for data; the value in squared units of the source.

    Reference:
        hui2001asymptotic; theory section 4 (docs/theory/s4-uniform.md).
    """
    if math.isinf(source.variance()):
        return Bound(math.inf, "asymptotic", None, ("the variance is infinite (nu <= 2)",), _REFERENCE)
    half_range = np.array([optimal_half_range(source, num_levels)])
    granular, overload = granular_overload(source, half_range, num_levels)
    nu = source.tail.index
    order = 2.0 if math.isinf(nu) else 2.0 - 4.0 / nu
    kind = "estimate" if isinstance(source, Empirical) else "asymptotic"
    assumptions = ("many levels", "range centred on the median", "error spread evenly over each step")
    return Bound(float(granular[0] + overload[0]), kind, order, assumptions, _REFERENCE)


@remember_for_laws
def best_range_upper_bound(source: Source, num_levels: int) -> Bound:
    """Upper bound, at every K, of the distortion of the uniform quantizer with the MSE-optimal range.

    The optimum is no worse than any fixed grid; each trial grid is bounded cell by cell
    (``nearest_grid_upper_bound``), and the least of these bounds is a bound. It bounds Lloyd-Max too, and,
    as the optimum is over codebooks, the mean over samples of the distortion of codebooks designed on the
    sample.

    Args:
        source: the law of finite variance, or data, of which the bound is one of their own error.
        num_levels: K >= 1.

    Returns:
        An upper bound in squared units of the source.

    Reference:
        hui2001asymptotic for the range; Popoviciu's inequality cell by cell (``fmq_theory.bounds.cells``).
    """
    if math.isinf(source.variance()):
        return Bound(math.inf, "upper", None, ("the variance is infinite (nu <= 2)",), _REFERENCE)
    nu = source.tail.index
    order = 2.0 if math.isinf(nu) else 2.0 - 4.0 / nu
    whose = (
        "of these weights" if isinstance(source, Empirical) else "of the law, and in the mean over samples"
    )
    assumptions = ("every K", "the range minimises the distortion", whose)
    reference = "cell-wise sup of the density on a fixed grid"
    half_range = optimal_half_range(source, num_levels)
    if num_levels == 1 or half_range == 0:
        return Bound(source.variance(), "upper", order, assumptions, reference)
    steps = 2.0 * half_range * _TRIALS / num_levels
    value = float(nearest_grid_upper_bound(source, float(source.ppf(0.5)), steps, num_levels).min())
    if isinstance(source, Empirical):  # the min-max grid is a candidate that a law of infinite range lacks
        low, high = source.support
        half_step = (0.5 * high - 0.5 * low) / (num_levels - 1)
        value = min(value, half_step * half_step)  # inf beyond float64, where a power would raise
    return Bound(value, "upper", order, assumptions, reference)
