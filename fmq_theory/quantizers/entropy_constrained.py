"""Entropy-constrained scalar quantization."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from fmq_theory.codebook import Codebook, Codebooks
from fmq_theory.errors import SchemeError
from fmq_theory.kernels.entropy_iterations import Cells, PricedPoints, entropy_iterations
from fmq_theory.kernels.runtime.threads import run_blocks
from fmq_theory.quantizers.lloyd_max import LloydMax
from fmq_theory.quantizers.power_compander import PowerCompander
from fmq_theory.quantizers.scheme import Scheme
from fmq_theory.sources.empirical import Empirical
from fmq_theory.sources.sorted_points import SortedPoints
from fmq_theory.sources.sorted_rows import SortedRows
from fmq_theory.sources.source import Source

__all__ = ["EntropyConstrained"]

_FloatArray = NDArray[np.float64]
_FEW_VALUES = 65_536
_MAX_ITERATIONS = 1000
_TOLERANCE = 1e-12  # of the cost, per iteration


@dataclass(frozen=True, slots=True)
class EntropyConstrained(Scheme):
    """Lloyd iterations on J = D + lagrangian * (variance / K**2) * H, H the entropy of the code in bits.

    Each iteration lowers J: an ideal code spends len_k = -log2 p_k bits on cell k, x goes to the
    cell with the least (x - c_k)**2 + mu len_k, and each level moves to the mean of its cell, with
    mu = lagrangian * variance / K**2. Cells meet at
    (c_k + c_l)/2 + mu (len_l - len_k) / (2 (c_l - c_k)); a cell that is cheapest nowhere is gone.

    The weight variance / K**2 is the natural size of D, so ``lagrangian`` has no unit, the scheme
    is scale-equivariant, and one value means much the same trade at every K.

    The published script uses MSE + 0.1 * entropy only to stop plain Lloyd iterations, in the
    weights' own units, after a random start. Here the entropy takes part in the choice, and
    nothing is random: the start is the Panter-Dite codebook, or on data of at most 65,536 distinct
    values, of which the density is a poor estimate and the optimum cheap, the Lloyd-Max codebook.

    On laws a Newton step for the thresholds replaces a Lloyd iteration wherever it lowers J: those
    alone need thousands of rounds at K = 256. The iteration stops when J falls by less than 1e-12
    of itself, or after 1000 rounds; it returns the last codebook, which is the best one, because
    J never rises. That is a local minimum. Many cells can stand in each other's way, so where the
    bits weigh more than the errors, starts of K/2, K/4, ..., 1 cells compete. With lagrangian = 0
    it is Lloyd's algorithm: a stationary codebook, where ``lloyd_max`` gives the optimal one.

    Attributes:
        lagrangian: >= 0.

    Reference:
        Chou, Lookabaugh & Gray, "Entropy-constrained vector quantization", IEEE Trans. ASSP 37,
        1989; the formula of the thresholds is theirs for scalars.

    Examples:
        The more a bit costs, the fewer are spent and the larger is the error:

        >>> from fmq_theory import metrics, quantizers, sources
        >>> law = sources.Gaussian()
        >>> for lagrangian in (0.0, 3.0, 10.0):
        ...     codebook = quantizers.EntropyConstrained(lagrangian).design(law, 16)
        ...     entropy, error = metrics.index_entropy(codebook, law), metrics.distortion(codebook, law)
        ...     print(f"{entropy:.2f} bits, D = {error:.4f}")
        3.77 bits, D = 0.0095
        3.54 bits, D = 0.0110
        2.83 bits, D = 0.0282
    """

    lagrangian: float = 0.1

    name: ClassVar[str] = "ecq"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.lagrangian) and self.lagrangian >= 0.0):
            raise SchemeError(
                f"scheme ecq: lagrangian = {self.lagrangian!r}",
                "the Lagrange multiplier of the entropy must be finite and not negative",
                "choose for example 0.1",
            )

    def _design(self, source: Source, num_levels: int) -> Codebook:
        variance = self._finite_variance(source)  # before a start refuses the same law for reasons of its own
        start = _starting_scheme(source).design(source, num_levels)
        return self._designed(source, variance, num_levels, start)

    def _designed(self, source: Source, variance: float, num_levels: int, start: Codebook) -> Codebook:
        """The best of what is below ``start``, of K levels, and below the starts of fewer."""
        multiplier = self.lagrangian * variance / num_levels**2
        found = [_local_minimum(source, start, multiplier)]
        if 2.0 * multiplier * float(np.sum(found[0].mass * found[0].lengths)) > found[0].cost:
            halves = [num_levels >> shift for shift in range(1, num_levels.bit_length())]
            starts = [_starting_scheme(source).design(source, fewer) for fewer in halves]
            found += [_local_minimum(source, start, multiplier) for start in starts]
        return min(found, key=lambda state: state.cost).codebook

    def _design_rows(self, rows: SortedRows, num_levels: int) -> Codebooks:
        """From the Lloyd-Max codebooks of all rows at once, where those are the starts."""
        if rows.shape[1] > _FEW_VALUES:
            return super(EntropyConstrained, self)._design_rows(rows, num_levels)
        starts = LloydMax().rows_in_their_units(rows, num_levels)
        books = Codebooks.empty(rows.shape[0], num_levels)
        varies = rows.low() < rows.high()

        def fill(first: int, last: int) -> None:
            for index in np.flatnonzero(varies[first:last]) + first:
                row = int(index)
                source = rows.row(row)
                variance = self._finite_variance(source)
                books.put(row, self._designed(source, variance, num_levels, starts.row(row)))

        run_blocks(fill, rows.shape[0], rows.threads)
        return books


class _State(NamedTuple):
    """A codebook whose levels are the means of its cells.

    Attributes:
        codebook: K levels.
        mass: p_k of each cell, positive, shape ``[K]``.
        lengths: -log2 p_k, in bits.
        cost: J.
    """

    codebook: Codebook
    mass: _FloatArray
    lengths: _FloatArray
    cost: float


def _starting_scheme(source: Source) -> Scheme:
    """Lloyd-Max where data are few, Panter-Dite for laws and for many data (see the class)."""
    few = isinstance(source, Empirical) and source.data.num_points <= _FEW_VALUES
    return LloydMax() if few else PowerCompander(1.0 / 3.0)


def _local_minimum(source: Source, start: Codebook, multiplier: float) -> _State:
    """The local minimum of J below a codebook."""
    if isinstance(source, Empirical):
        return _on_data(source.data, start, multiplier)
    now = _with_centroids(source, start.thresholds, start.levels, multiplier)
    for _ in range(_MAX_ITERATIONS):
        levels = now.codebook.levels
        thresholds = _newton_thresholds(source, now, multiplier)
        following = None if thresholds is None else _with_centroids(source, thresholds, levels, multiplier)
        if following is None or not following.cost <= now.cost:
            keep, thresholds = _cheapest_cells(levels, multiplier * now.lengths)
            following = _with_centroids(source, thresholds, levels[keep], multiplier)
        fall, now = now.cost - following.cost, following
        if fall <= _TOLERANCE * now.cost:
            break
    return now


def _on_data(data: SortedPoints, start: Codebook, multiplier: float) -> _State:
    """The same for data, whose thresholds have no derivative."""
    priced = PricedPoints(
        data.exact, data.points, data.mass, data.blocks, data.origin, data.exponent, multiplier
    )
    size = start.num_levels
    places = np.arange(size + 1)
    cells = Cells(
        start.levels.copy(), np.append(start.thresholds, np.inf), np.empty(size), np.empty_like(places),
        places[:-1], places[1:], np.empty(size),
    )  # fmt: skip
    count, cost = entropy_iterations(priced, cells, _TOLERANCE, _MAX_ITERATIONS)
    mass = cells.share[:count]
    codebook = Codebook(cells.levels[:count].copy(), cells.thresholds[: count - 1].copy())
    return _State(codebook, mass, -np.log2(mass), cost)


def _with_centroids(source: Source, thresholds: _FloatArray, about: _FloatArray, multiplier: float) -> _State:
    """The cells between the thresholds with their means; cells without mass are dropped.

    Args:
        source: the law or data.
        thresholds: shape ``[K - 1]``.
        about: a point of each cell, near its mean, shape ``[K]``.
        multiplier: mu, the Lagrange multiplier of the entropy, in squared units of the source a bit.
    """
    lower = np.concatenate(([-np.inf], thresholds))
    upper = np.concatenate((thresholds, [np.inf]))
    mass, first, second = source.partial_moments(lower, upper, about=about)
    occupied = np.flatnonzero(mass > 0.0)
    mass, first, second = mass[occupied], first[occupied], second[occupied]
    offset = first / mass
    low, high = source.support
    ends = np.maximum(lower[occupied], low), np.minimum(upper[occupied], high)
    levels = np.clip(about[occupied] + offset, *ends)
    lengths = -np.log2(mass)
    cost = float(np.sum(second - offset * first) + multiplier * np.sum(mass * lengths))
    return _State(Codebook(levels, thresholds[occupied[:-1]]), mass, lengths, cost)


def _newton_thresholds(source: Source, now: _State, multiplier: float) -> _FloatArray | None:
    """One Newton step on t_k = b_k(t), b_k the threshold that the means and masses at t ask for.

    Cell k depends on t_{k-1} and t_k alone, so the Jacobian is tridiagonal. None where the step is
    no use: the thresholds would cross or leave the support.
    """
    t, c, mass = now.codebook.thresholds, now.codebook.levels, now.mass
    gap = np.diff(c)
    if t.size == 0 or not (gap > 0.0).all():
        return None
    # Gamma has infinite density at its centre; there a huge one keeps the threshold where it is.
    density = np.minimum(source.pdf(t), 1e8 / gap)
    c_by_upper, c_by_lower = density * (t - c[:-1]) / mass[:-1], density * (c[1:] - t) / mass[1:]
    length_by_upper = -density / (mass[:-1] * math.log(2.0))
    length_by_lower = density / (mass[1:] * math.log(2.0))
    tilt = 0.5 * multiplier * np.diff(now.lengths) / gap
    b_by_length = 0.5 * multiplier / gap
    wanted = 0.5 * c[:-1] + 0.5 * c[1:] + tilt
    by_left, by_right = 0.5 + tilt / gap, 0.5 - tilt / gap  # derivatives of b_k in c_k and c_{k+1}
    banded = np.zeros((3, t.size))
    banded[0, 1:] = -(by_right[:-1] * c_by_upper[1:] + b_by_length[:-1] * length_by_upper[1:])
    banded[1] = 1.0 - by_left * c_by_upper + b_by_length * length_by_upper
    banded[1] -= by_right * c_by_lower + b_by_length * length_by_lower
    banded[2, :-1] = -(by_left[1:] * c_by_lower[:-1] - b_by_length[1:] * length_by_lower[:-1])
    try:
        with np.errstate(all="ignore"):  # Laplace has a flat direction; nan fails the check below
            following = t + linalg.solve_banded((1, 1), banded, wanted - t)
    except linalg.LinAlgError:
        return None
    low, high = source.support
    edges = np.concatenate(([low], following, [high]))
    with np.errstate(invalid="ignore"):  # a step to infinity from an infinite end
        return following if (np.diff(edges) > 0.0).all() else None


def _cheapest_cells(levels: _FloatArray, penalties: _FloatArray) -> tuple[NDArray[np.intp], _FloatArray]:
    """Which levels are cheapest somewhere, and the thresholds between them.

    The lower envelope of the parabolas (x - c_k)**2 + penalty_k, penalty_k = mu len_k. They differ by
    straight lines, so two of them cross once, and a parabola is absent if its predecessor leaves it
    after its successor has taken over.
    """
    gaps = np.diff(levels)
    if (gaps > 0.0).all():
        with np.errstate(over="ignore", invalid="ignore"):  # levels a subnormal apart cross beyond float64
            thresholds = 0.5 * levels[:-1] + 0.5 * levels[1:] + 0.5 * np.diff(penalties) / gaps
            rising = (np.diff(thresholds) > 0.0).all()
        if rising:
            return np.arange(levels.size), thresholds
    c, penalty = levels.tolist(), penalties.tolist()
    keep: list[int] = []
    ends: list[float] = []  # ends[i] is where keep[i] stops and keep[i + 1] starts
    for k in range(len(c)):
        absent = False
        while keep:
            last = keep[-1]
            if c[k] > c[last]:
                end = 0.5 * c[k] + 0.5 * c[last] + 0.5 * (penalty[k] - penalty[last]) / (c[k] - c[last])
                if not ends or end > ends[-1]:
                    ends.append(end)
                    break
            elif penalty[k] >= penalty[last]:  # two equal levels: the cheaper one stays
                absent = True
                break
            keep.pop()
            del ends[max(len(keep) - 1, 0) :]
        if not absent:
            keep.append(k)
    return np.array(keep), np.array(ends)
