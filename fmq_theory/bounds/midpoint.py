"""The published piecewise-linear scheme: cells of equal mass, levels at their middles.

Interior cells obey min(p w^2/4, s w^3/12) about their middles (cells.py). An outer cell ends at an extreme
of the n weights, so its level moves with the sample.
"""

import math

import numpy as np

from fmq_theory.bounds.bennett import bennett_constant, companding_order
from fmq_theory.bounds.bound import Bound
from fmq_theory.bounds.cells import interior_cells_upper_bound
from fmq_theory.bounds.equal_mass import equal_mass_edges
from fmq_theory.bounds.range_law import beyond_nodes, max_nodes, min_nodes
from fmq_theory.bounds.uniform import uniform_upper_bound
from fmq_theory.sources import Source, SymmetricSource
from fmq_theory.sources.empirical import Empirical

__all__ = ["midpoint_high_rate", "midpoint_upper_bound"]

_REFERENCE = "theory section 0 (PWL); Popoviciu 1935"


def midpoint_upper_bound(source: Source, num_levels: int, n: int) -> Bound:
    """Upper bound of the mean squared error of midpoints of cells of equal mass.

    For data: sum of p w^2/4 over the interior cells; the outer ones, exact, end at the extremes. For a law
    the thresholds are its k/K quantiles, interior cells are bounded by their widths, and each outer cell
    costs the larger of

    * the law's cost when the outer level is designed for the typical range of n weights, exactly;
    * the mean cost on n weights whose own extreme M ends the cell [t, M): given M one weight is at M and
      the other n - 1 are independent below it, so with the level c = (t+M)/2 the mean cost is
      E[(M-t)^2/4 + (n-1) E[(X - c)^2; t <= X < M] / F(M)] / n.

    So the value bounds both, except that the interior quantiles of a sample are not the law's.
    """
    if isinstance(source, Empirical):
        return _data_upper_bound(source, num_levels)
    order = 2.0 if source.tail.kind == "bounded" else (1.0 if source.tail.kind == "exponential" else None)
    if math.isinf(source.variance()):
        return Bound(math.inf, "upper", None, ("the variance is infinite",), _REFERENCE)
    if num_levels == 1:
        bound = uniform_upper_bound(source, 1, n)
        low, high = source.typical_range(n)
        law = float(source.partial_moments(-math.inf, math.inf, about=0.5 * low + 0.5 * high).second)
        return Bound(max(bound.value, law), "upper", order, bound.assumptions, _REFERENCE)
    edges = equal_mass_edges(source, num_levels)
    interior = math.fsum(interior_cells_upper_bound(source, edges).tolist())
    top = _top_cell(source, float(edges[-1]), num_levels, n)
    symmetric = isinstance(source, SymmetricSource)
    value = interior + top + (top if symmetric else _bottom_cell(source, float(edges[0]), num_levels, n))
    assumptions = ("every K", "thresholds at the quantiles of the law", f"range of n = {n:g} weights")
    return Bound(value, "upper", order, assumptions, _REFERENCE)


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


def _top_cell(source: Source, threshold: float, num_levels: int, n: int) -> float:
    typical = max(source.typical_range(n)[1], threshold)
    law = source.partial_moments(threshold, math.inf, about=0.5 * threshold + 0.5 * typical).second
    extreme, weight = max_nodes(source, n)
    weight, extreme = weight[extreme > threshold], extreme[extreme > threshold]
    middle = 0.5 * threshold + 0.5 * extreme
    inside = source.partial_moments(threshold, extreme, about=middle).second / source.cdf(extreme)
    sample = float(((extreme - threshold) ** 2 / 4.0 + (n - 1) * inside) @ weight) / n
    return max(float(law), sample + _remainder(source, threshold, num_levels, n))


def _bottom_cell(source: Source, threshold: float, num_levels: int, n: int) -> float:
    typical = min(source.typical_range(n)[0], threshold)
    law = source.partial_moments(-math.inf, threshold, about=0.5 * threshold + 0.5 * typical).second
    extreme, weight = min_nodes(source, n)
    weight, extreme = weight[extreme < threshold], extreme[extreme < threshold]
    middle = 0.5 * threshold + 0.5 * extreme
    inside = source.partial_moments(extreme, threshold, about=middle).second / source.sf(extreme)
    sample = float(((extreme - threshold) ** 2 / 4.0 + (n - 1) * inside) @ weight) / n
    return max(float(law), sample + _remainder(source, threshold, num_levels, n))


def _remainder(source: Source, threshold: float, num_levels: int, n: int) -> float:
    """At least what extremes beyond the last node add; visible for nu close to 2 only.

    Each weight in the cell errs by |M - t| / 2 at most; they are the extreme itself and the share 1/K of
    the rest.
    """
    return beyond_nodes(source, n, threshold) / 4.0 * (1.0 / n + 1.0 / num_levels)


def midpoint_high_rate(source: Source, num_levels: int) -> Bound | None:
    """D ~ (1/12 K^2) (integral of 1/f) on bounded support (Bennett, alpha = 1); None on unbounded."""
    if isinstance(source, Empirical) or source.tail.kind != "bounded":
        return None
    value = bennett_constant(source, 1.0) / num_levels**2
    assumptions = ("many levels", "bounded support, density bounded below")
    return Bound(value, "asymptotic", companding_order(source, 1.0), assumptions, "Bennett 1948; theory T5e")
