"""Upper bounds that hold at every K, from the widths of the cells alone.

Interior cell I of mass p, width w, with any level c that is its mean, and sup f over I = s:

    E[(X - c)^2; I] <= min(p w^2 / 4,  s w^3 / 12).

Proof. The mean minimises E[(X - a)^2; I] over a; take a = the middle of I. There |X - a| <= w/2 gives p w^2/4
(Popoviciu), and E[(X - a)^2; I] <= s * integral of (x - a)^2 over I = s w^3/12. Both are about the middle, so
they hold for midpoint levels as well. Outer cells are taken exactly, by partial moments. Rounding (1e-13
relative or so) is not accounted for.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fmq_theory.bounds.bennett import companding_order
from fmq_theory.bounds.bound import Bound
from fmq_theory.bounds.equal_mass import centred_second_moment, equal_mass_cells, equal_mass_edges
from fmq_theory.errors import SourceError
from fmq_theory.sources import Source
from fmq_theory.sources.empirical import Empirical

__all__ = [
    "equal_mass_upper_bound",
    "interior_cells_upper_bound",
    "nearest_grid_upper_bound",
    "power_compander_upper_bound",
    "thresholds_upper_bound",
]

FloatArray = NDArray[np.float64]

_REFERENCE = "Popoviciu 1935; cell-wise sup of the density"
_OF_THE_LAW = "of the law, codebook designed on the law"
_OF_THE_DATA = "of these weights"
_LEAST_MASS = 1e-250


def interior_cells_upper_bound(source: Source, edges: ArrayLike) -> FloatArray:
    """min(p w^2/4, s w^3/12) for each cell between neighbouring finite edges.

    Args:
        source: the law or data.
        edges: shape ``[..., m + 1]``, non-decreasing along the last axis.

    Returns:
        Shape ``[..., m]``.
    """
    edge = np.asarray(edges, dtype=np.float64)
    left, right = edge[..., :-1], edge[..., 1:]
    width = right - left
    # inf * 0 in an empty cell; and a cell that reaches 1e200 into a heavy tail has an infinite bound.
    with np.errstate(invalid="ignore", over="ignore"):
        by_range = _masses(source, edge) * width * width / 4.0
        # The density times one width first: that is a mass, which keeps extreme scales inside float64.
        by_density = source.density_sup(left, right) * width * width * width / 12.0
    return np.fmin(by_range, by_density)


def _in_sight(source: Source, thresholds: FloatArray) -> FloatArray:
    """The thresholds with a mass on both sides that float64 can hold; all of them for data."""
    if isinstance(source, Empirical):
        return thresholds
    low, high = source.support
    seen = (source.cdf(thresholds) > _LEAST_MASS) & (source.sf(thresholds) > _LEAST_MASS)
    return thresholds[np.isfinite(thresholds) & (seen | (thresholds <= low) | (thresholds >= high))]


def _masses(source: Source, edge: FloatArray) -> FloatArray:
    """P(left <= X < right) for neighbouring edges; for laws by differences on the side of the nearer tail."""
    left, right = edge[..., :-1], edge[..., 1:]
    if isinstance(source, Empirical):
        return source.partial_moments(left, right, about=left).mass
    below, above = np.diff(source.cdf(edge), axis=-1), -np.diff(source.sf(edge), axis=-1)
    return np.where(left < source.ppf(0.5), below, above)


def thresholds_upper_bound(source: Source, thresholds: ArrayLike) -> float:
    """Upper bound of the distortion of the codebook with these thresholds and cell means as levels.

    Args:
        source: the law or data.
        thresholds: shape ``[K - 1]``, non-decreasing; empty for K = 1. Those that lie where the law's mass
            underflows are left out: that joins cells, which only raises the distortion.
    """
    inner = _in_sight(source, np.asarray(thresholds, dtype=np.float64))
    low, high = source.support
    high = np.nextafter(high, math.inf)  # cells are half open and data have an atom at the top
    if inner.size == 0:
        return source.variance()
    outer = centred_second_moment(
        source, np.array([min(low, inner[0]), inner[-1]]), np.array([inner[0], max(high, inner[-1])])
    )
    return math.fsum([*outer.tolist(), *interior_cells_upper_bound(source, inner).tolist()])


def power_compander_upper_bound(source: Source, alpha: float, num_levels: int) -> Bound:
    """Upper bound for centroids on cells whose edges are the k/K quantiles of f^alpha / I(alpha).

    Since D_LM <= D of every codebook, each alpha bounds Lloyd-Max as well; 1/3 is the natural one. Infinite
    where the variance or I(alpha) is.

    Args:
        source: the law, or data.
        alpha: exponent of the point density f^alpha, without unit.
        num_levels: K >= 1.

    Returns:
        An upper bound in squared units of the source.

    Reference:
        Popoviciu 1935; the point density is bennett1948spectra's.
    """
    order = companding_order(source, alpha)
    if math.isinf(source.variance()):
        return Bound(math.inf, "upper", None, ("the variance is infinite",), _REFERENCE)
    if not isinstance(source, Empirical) and order is None:
        reason = f"no such compander: the integral of f^{alpha:.4g} is infinite"
        return Bound(math.inf, "upper", None, (reason,), _REFERENCE)
    if num_levels == 1:
        value = source.variance()
    else:
        value = thresholds_upper_bound(
            source, source.escort(alpha).ppf(np.arange(1, num_levels) / num_levels)
        )
    whose = _OF_THE_DATA if isinstance(source, Empirical) else _OF_THE_LAW
    return Bound(value, "upper", order, ("every K", "levels are cell means", whose), _REFERENCE)


def equal_mass_upper_bound(source: Source, num_levels: int) -> Bound:
    """Upper bound of D_EM(K) by widths; the exact value is ``equal_mass_distortion``.

    For data the cells are those of ``numpy.array_split``; Popoviciu's inequality takes their extreme points.

    Args:
        source: the law, or data.
        num_levels: K >= 1.

    Returns:
        An upper bound in squared units of the source; infinite where the variance is.

    Reference:
        Popoviciu 1935: the variance of a law on an interval of width w is w^2/4 at most.
    """
    order = companding_order(source, 1.0)
    if isinstance(source, Empirical):
        cells = equal_mass_cells(source, num_levels)
        with np.errstate(over="ignore", under="ignore"):
            per_cell = cells.mass * cells.width**2 / 4.0
        per_cell[[0, -1]] = cells.second[[0, -1]]
        value = math.fsum(per_cell.tolist())
        assumptions = ("every K", _OF_THE_DATA, "ties split by rank, as numpy.array_split splits them")
        return Bound(value, "upper", order, assumptions, _REFERENCE)
    if math.isinf(source.variance()):
        return Bound(math.inf, "upper", None, ("the variance is infinite",), _REFERENCE)
    value = thresholds_upper_bound(source, equal_mass_edges(source, num_levels))
    return Bound(value, "upper", order, ("every K", _OF_THE_LAW), _REFERENCE)


def nearest_grid_upper_bound(source: Source, centre: float, steps: ArrayLike, num_levels: int) -> FloatArray:
    """Upper bound of the distortion of the uniform codebook centre + (k - (K-1)/2) step, k = 0 .. K-1.

    Interior cells are one step wide with the level in their middle; an outer cell is open and its level
    lies half a step inside its threshold: its second moment about that level is exact. No centroid is used,
    so this holds for the plain uniform quantizer, and so for the best one.

    Args:
        source: the law or data.
        centre: middle of the grid.
        steps: positive steps, shape ``[m]``.
        num_levels: K >= 1.

    Returns:
        Shape ``[m]``.

    Raises:
        SourceError: a step is not positive.
    """
    step = np.atleast_1d(np.asarray(steps, dtype=np.float64))
    if not (step > 0).all():
        raise SourceError("uniform grid", "its step must be positive", "pass a range wider than a point")
    half = (num_levels - 1) / 2.0
    if num_levels == 1:
        whole = source.partial_moments(-math.inf, math.inf, about=centre).second
        return np.full(step.shape, float(whole))
    edges = centre + (np.arange(1, num_levels) - num_levels / 2.0) * step[:, None]
    interior = interior_cells_upper_bound(source, edges).sum(axis=-1)
    above = source.partial_moments(edges[:, -1], math.inf, about=centre + half * step).second
    below = source.partial_moments(-math.inf, edges[:, 0], about=centre - half * step).second
    return interior + above + below
