"""What equal-mass cells cost at the K they are used at: the exact value and the lower bound T5f.

D_EM(K) = sum over k of E[(X - m_k)^2; cell k], cell k = [F^-1((k-1)/K), F^-1(k/K)), m_k its mean. This is
min W2^2 over measures with K atoms of mass 1/K (T2b). On unbounded support no multiple of K^-2 bounds it
(T4).
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmq_theory.bounds.bound import Bound
from fmq_theory.brief import brief_repr
from fmq_theory.errors import SourceError
from fmq_theory.sources import Source
from fmq_theory.sources.empirical import Empirical

__all__ = [
    "EqualMassCells",
    "equal_mass_cells",
    "equal_mass_distortion",
    "equal_mass_edges",
    "equal_mass_exact",
    "equal_mass_lower_bound",
]

FloatArray = NDArray[np.float64]


class EqualMassCells(NamedTuple):
    """The K cells from bottom to top.

    Attributes:
        mass: share of each cell, shape ``[K]``; 1/K up to ties in n/K for data.
        second: E[(X - m_k)^2; cell k], shape ``[K]``; their sum is the distortion.
        width: distance between the cell's extreme points, shape ``[K]``; ``inf`` for open outer cells.
    """

    mass: FloatArray
    second: FloatArray
    width: FloatArray

    __repr__ = brief_repr


def equal_mass_edges(source: Source, num_levels: int) -> FloatArray:
    """The quantiles F^-1(k/K), k = 1 .. K - 1, each from the nearer tail so that none loses digits.

    Args:
        source: the law, or data.
        num_levels: K >= 1.

    Returns:
        Thresholds in the source's units, non-decreasing, shape ``[K - 1]``.
    """
    k = np.arange(1, num_levels)
    low = source.ppf(k[2 * k <= num_levels] / num_levels)
    high = source.isf((num_levels - k[2 * k > num_levels]) / num_levels)
    return np.concatenate([low, high])


def equal_mass_cells(source: Source, num_levels: int) -> EqualMassCells:
    """The cells of equal mass: quantile cells of a law, ``numpy.array_split`` of sorted data.

    Weights that tie across a boundary are split between the cells, as the published script splits them;
    with sample weights an atom is split to make the masses equal.

    Args:
        source: the law, or data; sample weights are taken as masses.
        num_levels: K >= 1.

    Returns:
        The cells from the lowest to the highest; data of n < K weights, none weighted, have n.

    Raises:
        SourceError: fewer than one level.

    Reference:
        T2b (docs/theory/t2-two-transport-problems.md).
    """
    if num_levels < 1:
        raise SourceError(f"equal mass with K = {num_levels}", "K must be positive", "pass 2**bits")
    if isinstance(source, Empirical):
        return _weighted_cells(source, num_levels) if source.is_weighted else _split_cells(source, num_levels)
    low, high = source.support
    edges = np.concatenate([[low], equal_mass_edges(source, num_levels), [high]])
    left, right = edges[:-1], edges[1:]
    second = centred_second_moment(source, left, right)
    return EqualMassCells(np.full(num_levels, 1.0 / num_levels), second, right - left)


def centred_second_moment(source: Source, left: FloatArray, right: FloatArray) -> FloatArray:
    """E[(X - m)^2; left <= X < right] about the cell's own mean m, shape of ``left``; 0 for empty cells.

    The mean is found relative to a point of the cell, the moment is then taken about the mean; since the mean
    minimises it, an error of the mean enters squared.
    """
    # A finite end of an open cell, the middle of a bounded one, the median if the cell is the whole line.
    with np.errstate(invalid="ignore"):
        anchor = np.where(np.isinf(left), right, np.where(np.isinf(right), left, left + 0.5 * (right - left)))
    anchor = np.where(np.isinf(anchor), source.ppf(0.5), anchor)
    mass, first, _ = source.partial_moments(left, right, about=anchor)
    shift = np.divide(first, mass, out=np.zeros_like(first), where=mass > 0)
    finite = np.isfinite(shift)
    moments = source.partial_moments(left, right, about=anchor + np.where(finite, shift, 0.0))
    return np.where(finite, moments.second, math.inf)


def _split_cells(source: Empirical, num_levels: int) -> EqualMassCells:
    # Offsets and squares are taken in the data's own unit: 1e38 and denormals have representable squares
    # there.
    data = source.data.to_z(source.sorted_weights)
    count = data.size
    cells = min(num_levels, count)
    sizes = np.full(cells, count // cells)
    sizes[: count % cells] += 1
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    means = np.add.reduceat(data, starts) / sizes
    deviations = data - np.repeat(means, sizes)
    second = np.add.reduceat(deviations * deviations, starts) / count
    width = data[starts + sizes - 1] - data[starts]
    return _in_original_units(source, sizes / count, second, width)


def _weighted_cells(source: Empirical, num_levels: int) -> EqualMassCells:
    values = source.data.points.astype(np.float64)
    cumulative = source.data.cumulative[1:] / source.total_mass
    # Cut [0, 1] at the atoms' ends and at k/K: a piece belongs to one atom and one cell.
    cuts = np.unique(np.concatenate([[0.0], cumulative, np.arange(1, num_levels) / num_levels]))
    mass = np.diff(cuts)
    middle = cuts[:-1] + 0.5 * mass
    atom = np.minimum(np.searchsorted(cumulative, middle), values.size - 1)
    cell = np.minimum((middle * num_levels).astype(np.intp), num_levels - 1)
    total = _sums(cell, mass, num_levels)
    means = _sums(cell, mass * values[atom], num_levels) / total
    second = _sums(cell, mass * (values[atom] - means[cell]) ** 2, num_levels)
    first_piece = np.searchsorted(cell, np.arange(num_levels))
    last_piece = np.searchsorted(cell, np.arange(num_levels), side="right") - 1
    width = values[atom[last_piece]] - values[atom[first_piece]]
    return _in_original_units(source, total, second, width)


def _sums(cell: NDArray[np.intp], summands: FloatArray, num_levels: int) -> FloatArray:
    return np.bincount(cell, summands, num_levels).astype(np.float64)


def _in_original_units(
    source: Empirical, mass: FloatArray, second: FloatArray, width: FloatArray
) -> EqualMassCells:
    with np.errstate(over="ignore", under="ignore"):
        exponent = source.data.exponent
        return EqualMassCells(mass, np.ldexp(second, 2 * exponent), np.ldexp(width, exponent))


def equal_mass_distortion(source: Source, num_levels: int) -> float:
    """D_EM(K) = sum over k of E[(X - m_k)^2; cell k], exact up to rounding for laws and data alike.

    Args:
        source: the law, or data.
        num_levels: K >= 1.

    Returns:
        In squared units of the source; ``inf`` where the variance is infinite.

    Raises:
        SourceError: fewer than one level.

    Reference:
        T2b (docs/theory/t2-two-transport-problems.md).

    Examples:
        >>> from fmq_theory import bounds, sources
        >>> laplace = sources.make("laplace")
        >>> round(bounds.equal_mass_distortion(laplace, 4), 12)  # 1 - (ln 2)^2
        0.519546986082
        >>> # K D has a limit, 2 S_INFINITY; under a law 2^(-2b) it would fall to 0.
        >>> [round(2**b * bounds.equal_mass_distortion(laplace, 2**b), 3) for b in (4, 8, 12)]
        [2.14, 2.159, 2.161]
    """
    if not math.isfinite(source.variance()):
        return math.inf
    return math.fsum(equal_mass_cells(source, num_levels).second.tolist())


def equal_mass_exact(source: Source, num_levels: int) -> Bound:
    """D_EM(K) = E X^2 - (1/K) sum m_k^2 as a statement of equality.

    Args:
        source: the law, or data.
        num_levels: K >= 1.

    Returns:
        The value in squared units of the source; without an order, which ``equal_mass_high_rate`` has.

    Raises:
        SourceError: fewer than one level.

    Reference:
        T2b (docs/theory/t2-two-transport-problems.md).
    """
    value = equal_mass_distortion(source, num_levels)
    if math.isinf(value):
        assumptions = ("the variance is infinite, so the outermost cells have infinite distortion",)
    elif isinstance(source, Empirical):
        assumptions = ("of these weights; ties are split as numpy.array_split splits them",)
    else:
        assumptions = ("of the law, codebook designed on the law",)
    return Bound(value, "exact", None, assumptions, "theory T2b")


def equal_mass_lower_bound(source: Source, num_levels: int) -> Bound:
    """D_EM(K) >= (1/K) (Var(X | top cell) + Var(X | bottom cell)) (T5f).

    The other cells cost at least nothing. For K = 1 both cells are the whole line and count once.

    Args:
        source: the law, or data.
        num_levels: K >= 1.

    Returns:
        A lower bound in squared units of the source; infinite where the variance is.

    Raises:
        SourceError: fewer than one level, of data.

    Reference:
        T5f (docs/theory/t5-equal-mass-rates.md).
    """
    assumptions: tuple[str, ...] = ("every K", "cells between the two outermost counted as free")
    if math.isinf(source.variance()):
        return Bound(math.inf, "lower", None, ("the variance is infinite",), "theory T5f")
    if isinstance(source, Empirical):
        second = equal_mass_cells(source, num_levels).second
    else:
        edges = equal_mass_edges(source, num_levels)
        low, high = source.support
        left = np.array([low]) if num_levels == 1 else np.array([low, edges[-1]])
        right = np.array([high]) if num_levels == 1 else np.array([edges[0], high])
        second = centred_second_moment(source, left, right)
    value = float(second[0] + second[-1]) if second.size > 1 else float(second[0])
    return Bound(value, "lower", None, assumptions, "theory T5f")
