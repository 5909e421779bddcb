"""Equal mass designed on n weights and measured on the same n weights: its exact mean, for every law.

Lemma (conditioning). Let X_(1) <= ... <= X_(n) be n independent weights of a continuous law, sorted. Given
X_(i) = u and X_(i+m+1) = v, the m weights between them are independent draws from the law cut to (u, v). A
cell that holds the ranks i+1 .. i+m, with its mean as level, therefore has the mean sum of squares

    E sum (X - mean)^2 = (m - 1) E Var(X | u < X < v),

where u = -inf if i = 0 and v = inf if i + m = n. The joint law of (F(u), F(v)) is that of uniform order
statistics, the same for every law, so each cell is a quadrature over two Beta variables. The law's own
codebook (`equal_mass`) is another quantity: for the uniform law the ratio of the two is (m^2 - 1)(m + 2) n^2
/ (m^3 (n + 1)(n + 2)), about 1 + 2/m.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmq_theory.bounds.beta_rules import gauss_rule, graded_rule
from fmq_theory.bounds.equal_mass import centred_second_moment
from fmq_theory.bounds.memo import remember_for_laws, remembered_array
from fmq_theory.errors import SourceError
from fmq_theory.sources import Source, SymmetricSource, Uniform
from fmq_theory.sources.empirical import Empirical

__all__ = [
    "SampleMean",
    "equal_count_sizes",
    "equal_mass_on_own_weights",
    "quantile",
    "rank_cells_on_own_weights",
    "require_law_and_sizes",
    "uniform_law_cell",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Ranks from an end below which a law's quantile function may be singular on the scale of the rule.
_NEAR_THE_END = 24
_ORDERS = (6, 10, 16, 32)
_TOLERANCE = 1e-9  # of the mean of the cells, for each cell
_COARSER = 1.3
_CHUNK = 1 << 17


class SampleMean(NamedTuple):
    """The mean over samples of a mean squared error.

    Attributes:
        value: in squared units of the source.
        error: how far a coarser rule of quadrature is from it, in the same units; 0 for a closed form. It is
            an estimate of the error of quadrature, not a proven bound of it.
    """

    value: float
    error: float


def equal_count_sizes(num_levels: int, n: int) -> IntArray:
    """Weights a cell when numpy.array_split cuts n sorted weights into min(K, n) parts.

    Args:
        num_levels: K >= 1.
        n: weights in all, n >= 1.

    Returns:
        Whole numbers that differ by one at most and add up to n, the larger ones first; shape ``[min(K,
        n)]``.
    """
    cells = min(num_levels, n)
    sizes = np.full(cells, n // cells, dtype=np.int64)
    sizes[: n % cells] += 1
    return sizes


def uniform_law_cell(m: int | IntArray, n: int) -> FloatArray:
    """E of a cell's sum of squares over n weights of U(0, 1): (m^2 - 1)(m + 2) / (12 (n + 1)(n + 2)).

    Two order statistics that are d ranks apart have E (U_(i+d) - U_(i))^2 = d (d + 1) / ((n + 1)(n + 2)), and
    the sum of squares is 1/m times the sum over the pairs.

    Args:
        m: weights in the cell, 1 <= m <= n; a number or an array of any shape.
        n: weights of the whole sample.

    Returns:
        The mean sum of squares about the cell's mean, in squared units of U(0, 1), of the shape of ``m``.

    Reference:
        Order statistics of the uniform law: david2003order, section 2.2; theory section 9.
    """
    size = np.asarray(m, dtype=np.float64)
    return (size * size - 1.0) * (size + 2.0) / (12.0 * (n + 1.0) * (n + 2.0))


@remember_for_laws
def equal_mass_on_own_weights(source: Source, num_levels: int, n: int) -> SampleMean:
    """E D of equal mass with K levels, designed on n independent weights and measured on these n weights.

    With K >= n each weight has a level of its own and the error is 0. The uniform law has a closed form;
    other laws take a quadrature whose relative error is about 1e-7 at most for laws with a smooth density and
    1e-5 where it has a kink or a pole (Laplace, Gamma of shape below 1), as the second number says; where it
    has a zero in the middle (Gamma of shape 2.5), up to 1e-2.

    Args:
        source: a law with a density and a finite variance.
        num_levels: K >= 1.
        n: weights a sample, n >= 1.

    Raises:
        SourceError: data (their own error is no mean over samples), an infinite variance, or n or K below 1.

    Examples:
        Six weights of U(-1, 1) in two cells: 4 (m^2 - 1)(m + 2) / (12 m (n + 1)(n + 2)) with m = 3:

        >>> from fmq_theory import bounds, sources
        >>> round(bounds.equal_mass_on_own_weights(sources.Uniform(), 2, 6).value, 6)
        0.079365
    """
    require_law_and_sizes(source, num_levels, n)
    return rank_cells_on_own_weights(source, equal_count_sizes(num_levels, n))


def rank_cells_on_own_weights(source: Source, sizes: Sequence[int] | IntArray) -> SampleMean:
    """E D of cells that hold ``sizes`` consecutive sorted weights each, with their means as levels.

    The best choice of K such cells for each sample is the sample's W2 optimum, so that any fixed choice
    bounds its mean from above.

    Args:
        source: a law with a density and a finite variance.
        sizes: weights a cell, positive, from the smallest weights to the largest; they add up to n.

    Raises:
        SourceError: as ``equal_mass_on_own_weights`` where a mean over samples does not exist.
    """
    m = np.asarray(sizes, dtype=np.int64)
    n = int(m.sum())
    start = np.cumsum(m) - m
    if isinstance(source, Uniform):
        total = math.fsum(uniform_law_cell(m, n).tolist())
        return SampleMean((2.0 * source.scale) ** 2 * total / n, 0.0)
    # A cell of one weight has no error; a cell and its mirror image are one.
    after = n - start - m
    mirrored = start > after
    keep = m > 1
    keys = np.stack((np.minimum(start, after), m, mirrored & (not isinstance(source, SymmetricSource))))
    cells, copies = np.unique(keys[:, keep], axis=1, return_counts=True)
    value, error = _cells(source, cells[0], cells[1], cells[2].astype(bool), n)
    weight = copies * (cells[1] - 1.0) / n
    return SampleMean(math.fsum((weight * value).tolist()), math.fsum((weight * error).tolist()))


def _cells(
    source: Source, start: IntArray, m: IntArray, mirrored: NDArray[np.bool_], n: int
) -> tuple[FloatArray, FloatArray]:
    """E Var(X | u < X < v) of each cell, and how far a coarser rule is from it; shape ``[c]`` each.

    ``start`` counts the ranks below the cell, or above it where it is ``mirrored``.
    """
    value, error = np.zeros(m.size), np.zeros(m.size)
    near = np.flatnonzero(start < _NEAR_THE_END)
    for c in near:
        args = (source, int(start[c]), int(m[c]), bool(mirrored[c]), n)
        value[c] = _one_cell(*args, coarse=1.0)
        error[c] = abs(_one_cell(*args, coarse=_COARSER) - value[c])
    left = np.flatnonzero(start >= _NEAR_THE_END)
    if left.size:
        value[left] = _many_cells(source, start[left], m[left], mirrored[left], n, _ORDERS[0])
        scale = float(value.mean())
        for order in _ORDERS[1:]:
            finer = _many_cells(source, start[left], m[left], mirrored[left], n, order)
            error[left] = np.abs(finer - value[left])
            value[left] = finer
            left = left[error[left] > _TOLERANCE * scale]
            if left.size == 0:
                break
    return value, error


def _many_cells(
    source: Source, start: IntArray, m: IntArray, mirrored: NDArray[np.bool_], n: int, order: int
) -> FloatArray:
    """Gauss rules of ``order`` nodes in both Beta variables, for cells away from the ends."""
    found: list[FloatArray] = []
    step = max(1, _CHUNK // (order * order))
    for first in range(0, m.size, step):
        part = slice(first, first + step)
        left = gauss_rule(start[part], n + 1 - start[part], order)
        width = gauss_rule(m[part] + 1, n - start[part] - m[part], order)
        below, above = left.node[:, :, None], left.rest[:, :, None]
        low = quantile(source, below, above, mirrored[part, None, None])
        high = quantile(
            source,
            below + above * width.node[:, None, :],
            above * width.rest[:, None, :],
            mirrored[part, None, None],
        )
        found.append(
            (left.weight[:, :, None] * width.weight[:, None, :] * _variance(source, low, high)).sum((1, 2))
        )
    return np.concatenate(found)


def _one_cell(source: Source, start: int, m: int, mirrored: bool, n: int, *, coarse: float) -> float:
    """Graded rules for a cell near an end, or at it: with no neighbour on that side, or on either."""
    power = 2.0 / source.tail.index if source.tail.kind == "regular" else 0.02
    flip = np.array(mirrored)
    low_end, high_end = source.support
    outside = high_end if mirrored else low_end
    rest = n - start - m
    if start == 0 and rest == 0:
        return source.variance()
    width = graded_rule(m + 1, rest, power=power, coarse=coarse)
    if start == 0:
        edge = quantile(source, width.node, width.rest, flip)
        return float(width.weight @ _variance(source, np.full_like(edge, outside), edge))
    left = graded_rule(start, n + 1 - start, power=power, coarse=coarse)
    below, above = left.node[:, None], left.rest[:, None]
    low = quantile(source, below, above, flip)
    high = quantile(source, below + above * width.node, above * width.rest, flip)
    return float(left.weight @ _variance(source, low, high) @ width.weight)


def quantile(source: Source, below: FloatArray, above: FloatArray, mirrored: NDArray[np.bool_]) -> FloatArray:
    """The x with F(x) = ``below`` = 1 - ``above``, found from the smaller of the two.

    Args:
        source: the law.
        below: probability below x; above it where ``mirrored``.
        above: the complement, without its cancellation.
        mirrored: whether probabilities are counted from the top.
    """
    below, above, mirrored = np.broadcast_arrays(below, above, mirrored)
    below, above = np.where(mirrored, above, below), np.where(mirrored, below, above)
    lower = below < above
    x = np.empty(below.shape)
    x[lower] = remembered_array(source.ppf, source, "ppf", below[lower])
    x[~lower] = remembered_array(source.isf, source, "isf", above[~lower])
    return x


def _variance(source: Source, one: FloatArray, other: FloatArray) -> FloatArray:
    """Var(X | X between the two), of the broadcast shape; 0 where rounding has closed the gap."""
    one, other = np.broadcast_arrays(one, other)
    low, high = np.minimum(one, other), np.maximum(one, other)
    infinite = ~(np.isfinite(low) & np.isfinite(high))
    result = np.zeros(low.shape)
    if infinite.any():
        mass = source.partial_moments(low[infinite], high[infinite]).mass
        result[infinite] = centred_second_moment(source, low[infinite], high[infinite]) / mass
    finite = ~infinite & (low < high)
    a, b = low[finite], high[finite]
    # About the middle the first moment is at most half a width, so little cancels.
    mass, first, second = source.partial_moments(a, b, about=a + 0.5 * (b - a))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = second / mass - (first / mass) ** 2
    result[finite] = np.where(mass > 0, np.maximum(found, 0.0), 0.0)
    return result


def require_law_and_sizes(source: Source, num_levels: int, n: int) -> None:
    """Raises SourceError unless the source is a law of finite variance and K and n are positive."""
    if isinstance(source, Empirical):
        raise SourceError(
            "the mean over samples of given weights",
            "they are one sample, not a law to draw from",
            "measure their error, or pass a law",
        )
    if num_levels < 1 or n < 1:
        raise SourceError(
            f"K = {num_levels} levels on n = {n} weights", "both must be positive", "pass 2**bits"
        )
    if math.isinf(source.variance()):
        raise SourceError(
            f"{source.name}: mean error of a codebook designed on weights",
            "the variance is infinite",
            "choose a lighter tail (for student-t: df > 2)",
        )
