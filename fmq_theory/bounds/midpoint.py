"""The published piecewise-linear scheme: cells of equal mass, levels at their middles.

Interior cells obey min(p w^2/4, s w^3/12) about their middles (cells.py). An outer cell ends at an extreme
of the n weights; for a law's own codebook these are put at their medians.
"""

import math

import numpy as np

from fmq_theory.bounds.bennett import bennett_constant, companding_order
from fmq_theory.bounds.bound import Bound
from fmq_theory.bounds.cells import interior_cells_upper_bound
from fmq_theory.bounds.equal_mass import equal_mass_edges
from fmq_theory.sources import Source
from fmq_theory.sources.empirical import Empirical

__all__ = ["midpoint_high_rate", "midpoint_upper_bound"]

_REFERENCE = "theory section 0 (PWL); Popoviciu 1935"


def midpoint_upper_bound(source: Source, num_levels: int, n: int) -> Bound:
    """Upper bound of the mean squared error of midpoints of cells of equal mass.

    For data: sum of p w^2/4 over the interior cells; the outer ones, exact, end at the extremes. For a law:
    of the law's own codebook, with thresholds at its k/K quantiles; interior cells are bounded by their
    widths, and the outer ones, which end at the median extremes of n weights, are exact. What the codebook
    designed on n weights does is another quantity (`finite_brackets`).

    Args:
        source: the law, or data.
        num_levels: K >= 1.
        n: weights of a sample, at whose median extremes a law's outer cells end; ignored for data.

    Returns:
        An upper bound in squared units of the source; infinite where the variance is.

    Reference:
        theory section 0: the PWL rule of varam2025lowbit's scripts; Popoviciu 1935.
    """
    if isinstance(source, Empirical):
        return _data_upper_bound(source, num_levels)
    order = 2.0 if source.tail.kind == "bounded" else (1.0 if source.tail.kind == "exponential" else None)
    if math.isinf(source.variance()):
        return Bound(math.inf, "upper", None, ("the variance is infinite",), _REFERENCE)
    low, high = source.typical_range(n)
    assumptions = ("every K", f"of the law, outer cells to the median extremes of n = {n:g} weights")
    if num_levels == 1:
        value = float(source.partial_moments(-math.inf, math.inf, about=0.5 * low + 0.5 * high).second)
        return Bound(value, "upper", order, assumptions, _REFERENCE)
    edges = equal_mass_edges(source, num_levels)
    interior = math.fsum(interior_cells_upper_bound(source, edges).tolist())
    first, last = float(edges[0]), float(edges[-1])
    below = source.partial_moments(-math.inf, first, about=0.5 * first + 0.5 * min(low, first)).second
    above = source.partial_moments(last, math.inf, about=0.5 * last + 0.5 * max(high, last)).second
    return Bound(interior + float(below) + float(above), "upper", order, assumptions, _REFERENCE)


def _data_upper_bound(source: Empirical, num_levels: int) -> Bound:
    low, high = source.support
    inner = source.quantile_linear(np.arange(1, num_levels) / num_levels)
    edges = np.concatenate([[low], inner, [high]])
    left, right = edges[:-1], edges[1:].copy()
    width = right - left
    right[-1] = np.nextafter(high, math.inf)  # cells are half open and the last weight belongs to the last
    mass, _, second = source.partial_moments(left, right, about=left + 0.5 * width)
    with np.errstate(over="ignore", under="ignore"):
        per_cell = mass * width * width / 4.0
    per_cell[[0, -1]] = second[[0, -1]]
    value = math.fsum(per_cell.tolist())
    return Bound(value, "upper", None, ("every K", "of these weights"), _REFERENCE)


def midpoint_high_rate(source: Source, num_levels: int) -> Bound | None:
    """D ~ (1/(12 K^2)) (integral of 1/f) on bounded support (Bennett, alpha = 1).

    Args:
        source: the law, or data.
        num_levels: K >= 1.

    Returns:
        In squared units of the source; None for data and for unbounded supports, which have no such law.

    Reference:
        bennett1948spectra; T5e (docs/theory/t5-equal-mass-rates.md).
    """
    if isinstance(source, Empirical) or source.tail.kind != "bounded":
        return None
    value = bennett_constant(source, 1.0) / num_levels**2
    assumptions = ("many levels", "bounded support, density bounded below")
    return Bound(value, "asymptotic", companding_order(source, 1.0), assumptions, "Bennett 1948; theory T5e")
