"""The two ratios behind the paper's rho, from theory alone, and where they lie in the paper's band.

rho_W2 = D_LM / D_U -> 3 C_PD / E[R^2] as K grows, for a law and its range; at b >= 6 it is about 1 - 4/K of
that. rho_EM = D_EM / D_U grows with K on exponential and regular tails (T5) and passes 1 at the crossover b*.
rho_EM and b* are those of codebooks designed on n weights and measured on them, which on flat weights pass 1
at K^2 = n, where the law's own codebooks do not cross before K = n/2.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from fmq_theory.bounds.bennett import panter_dite_constant
from fmq_theory.bounds.equal_mass import equal_mass_distortion
from fmq_theory.bounds.finite_equal_mass import equal_mass_on_own_weights
from fmq_theory.bounds.finite_sample import uniform_own_statements
from fmq_theory.bounds.range_law import expected_half_range_squared
from fmq_theory.bounds.uniform import uniform_high_rate
from fmq_theory.errors import SourceError
from fmq_theory.sources import Source
from fmq_theory.sources.empirical import Empirical
from fmq_theory.sources.units import SQUARES, unit_exponent

__all__ = [
    "BAND",
    "Interval",
    "band_half_ranges",
    "band_sample_sizes",
    "crossover_bits",
    "predicted_crossover_bits",
    "rho_em",
    "rho_w2_high_rate",
    "sample_size_at_rho_w2",
]

BAND = (0.25, 0.40)
"""The paper's claim P6: OT / uniform lies here."""

_LARGEST_LOG_N = 200.0  # n up to 10^87: beyond every tensor, below the smallest float64 probability


class Interval(NamedTuple):
    """A closed interval [low, high].

    Attributes:
        low: its lower end.
        high: its upper end; in the unit of ``low``.
    """

    low: float
    high: float


def rho_w2_high_rate(source: Source, n: float) -> float:
    """rho_W2 -> 3 C_PD / E[R^2] for n weights; nan where both are infinite (nu <= 2).

    Args:
        source: the law of the weights, or data, whose own range is taken.
        n: weights that share a codebook, n >= 2; ignored for data.

    Returns:
        The ratio, without unit; ``inf`` where the weights have no range.

    Reference:
        theory section 5 (docs/theory/s5-two-ratios.md).

    Examples:
        >>> from fmq_theory import bounds, sources
        >>> round(bounds.rho_w2_high_rate(sources.make("gaussian"), 1e6), 2)  # within 0.25-0.40
        0.34
    """
    source = _in_safe_units(source)
    squared = expected_half_range_squared(source, n)
    constant = panter_dite_constant(source)
    if math.isinf(squared) and math.isinf(constant):
        return math.nan
    return 3.0 * constant / squared if squared > 0 else math.inf


def band_half_ranges(source: Source, band: tuple[float, float] = BAND) -> Interval:
    """The R / sigma between which 3 C_PD / R^2 lies in the band (Gaussian: 4.52 to 5.71).

    Args:
        source: the law, or data, with a finite, positive variance.
        band: lowest and highest ratio, both positive, in this order; the paper's 0.25 to 0.40 unless given.

    Returns:
        R in standard deviations of the source: ``low`` belongs to the band's higher end.

    Raises:
        SourceError: the variance is infinite or zero.

    Reference:
        theory section 5 (docs/theory/s5-two-ratios.md); the band is P6 of varam2025lowbit.
    """
    source = _in_safe_units(source)
    variance = source.variance()
    if not 0 < variance < math.inf:
        raise SourceError(
            f"{source.name}: half-range in standard deviations",
            f"the variance is {variance!r}",
            "choose a law with finite, positive variance",
        )
    shape = 3.0 * panter_dite_constant(source) / variance
    return Interval(math.sqrt(shape / band[1]), math.sqrt(shape / band[0]))


def sample_size_at_rho_w2(source: Source, rho: float) -> float:
    """The real n at which 3 C_PD / E[R^2] = rho, by bisection in ln n; E[R^2] grows with n.

    Args:
        source: the law of the weights.
        rho: the ratio of the two errors that is asked for, positive.

    Returns:
        ``inf`` if rho is below the ratio for every n up to 10^87 (bounded support); 2 if above it already
        there.
    """
    low, high = math.log(2.0), _LARGEST_LOG_N
    if rho_w2_high_rate(source, 2.0) <= rho:
        return 2.0
    if rho_w2_high_rate(source, math.exp(high)) > rho:
        return math.inf
    while high - low > 1e-12 * high:
        middle = 0.5 * (low + high)
        if rho_w2_high_rate(source, math.exp(middle)) > rho:
            low = middle
        else:
            high = middle
    return math.exp(0.5 * (low + high))


def band_sample_sizes(source: Source, band: tuple[float, float] = BAND) -> Interval:
    """The n between which the high-rate rho_W2 lies in the band: a layer of realistic size, or not.

    Args:
        source: the law whose range grows with n.
        band: lowest and highest ratio, both positive, in this order; the paper's 0.25 to 0.40 unless given.

    Returns:
        Numbers of weights, not rounded; see ``sample_size_at_rho_w2`` for what no n attains.

    Reference:
        theory section 5 (docs/theory/s5-two-ratios.md); the band is P6 of varam2025lowbit.

    Examples:
        >>> from fmq_theory import bounds, sources
        >>> found = bounds.band_sample_sizes(sources.Gaussian())
        >>> f"{found.low:.2g} to {found.high:.2g} weights"
        '1.8e+05 to 1e+08 weights'
    """
    return Interval(sample_size_at_rho_w2(source, band[1]), sample_size_at_rho_w2(source, band[0]))


def rho_em(source: Source, num_levels: int, n: float) -> float:
    """Predicted rho_EM of codebooks designed on n weights, from their mean errors on these weights; K >= 2.

    Equal mass is exact (`finite_equal_mass`); uniform is its high-rate form (n - 2)/n E[R^2] / (3 (K-1)^2),
    exact for the uniform law. With m = n/K weights a level this is about 1 + 2/m times the ratio of the law's
    own equal mass on flat laws, and less than it on heavy tails. 0 for n <= K, where equal mass holds every
    weight.

    Args:
        source: the law of the weights, or data, whose own errors are taken.
        num_levels: K >= 2, of both schemes.
        n: weights that share a codebook, n >= 2, of which the whole part counts; ignored for data.

    Returns:
        The ratio of the two mean errors, without unit; nan where the variance is infinite, ``inf`` where
        uniform errs by nothing.

    Raises:
        SourceError: K < 2, where uniform has no high-rate formula.

    Reference:
        theory sections 5 and 9 (docs/theory/s9-codebooks-designed-on-n-weights.md).

    Examples:
        >>> from fmq_theory import bounds, sources
        >>> gaussian = sources.make("gaussian")
        >>> [round(bounds.rho_em(gaussian, 2**b, 10**6), 2) for b in (2, 4, 6, 8)]  # no constant: it passes 1
        [0.16, 0.63, 1.96, 6.12]
        >>> [round(bounds.rho_em(sources.Uniform(), 2**b, 1024), 2) for b in (2, 5, 8)]  # on flat weights too
        [0.57, 1.0, 1.4]
    """
    if num_levels < 2:
        raise SourceError(f"rho_EM with K = {num_levels}", "uniform needs two levels", "pass K >= 2")
    source = _in_safe_units(source)
    if math.isinf(source.variance()):
        return math.nan
    size = int(n)
    if isinstance(source, Empirical):
        uniform = uniform_high_rate(source, num_levels, size)
        value = equal_mass_distortion(source, num_levels)
    else:
        uniform = uniform_own_statements(source, num_levels, size).high_rate
        value = equal_mass_on_own_weights(source, num_levels, size).value
    return value / uniform.value if uniform is not None and uniform.value > 0 else math.inf


def crossover_bits(
    bits: Sequence[float], rho: Sequence[float | None] | Callable[[float], float]
) -> float | None:
    """b*: where rho first rises through 1, by linear interpolation of log2 rho over the bits.

    Entries that are None or nan are left out. A ratio of 0 counts as log2 = -inf, inf as +inf; the
    interpolated point is then the finite neighbour.

    Args:
        bits: increasing.
        rho: ratios, of the same length; or the ratio at a bit-width, which is then computed up to the
            crossing and no further: at 16 bits the mean error of a codebook designed on data has 65,536
            cells. A computed 0 means that the codebooks hold every weight, and ends the search.

    Returns:
        None if rho never rises from at most 1 to above 1, or from below 1 to 1, within these bits.

    Raises:
        SourceError: the lengths differ.

    Examples:
        >>> from fmq_theory import bounds
        >>> bounds.crossover_bits([2, 3, 4], [0.25, 0.5, 2.0])  # log rho is linear between bit-widths
        3.5
    """
    if callable(rho):
        return _computed_crossover(bits, rho)
    if len(bits) != len(rho):
        raise SourceError(
            f"{len(bits)} bit-widths and {len(rho)} ratios", "they do not pair up", "pass one ratio a width"
        )
    known = [(float(b), r) for b, r in zip(bits, rho, strict=True) if r is not None and not math.isnan(r)]
    for (left, low), (right, high) in itertools.pairwise(known):
        if low <= 1.0 <= high and low < high:
            if low == 0:
                return right
            if math.isinf(high):
                return left
            below, above = math.log2(low), math.log2(high)
            return left - below * (right - left) / (above - below)
    return None


def _computed_crossover(bits: Sequence[float], ratio: Callable[[float], float]) -> float | None:
    ratios: list[float] = []
    for b in bits:
        ratios.append(ratio(b))
        star = crossover_bits(bits[: len(ratios)], ratios)
        if star is not None or ratios[-1] == 0:
            return star
    return None


def _in_safe_units(source: Source) -> Source:
    """Data by a power of two nearer to 1 where the squares of their range are no normal floats.

    A ratio of squared errors has no unit, so it is the same.
    """
    if not isinstance(source, Empirical):
        return source
    exponent = unit_exponent(max(map(abs, source.support)), SQUARES)
    return source if exponent == 0 else source.scaled_by_power_of_two(-exponent)


def predicted_crossover_bits(
    source: Source, n: float, bits: Sequence[int] = tuple(range(1, 17))
) -> float | None:
    """b*(n) from theory: where ``rho_em`` of codebooks designed on n weights first rises through 1.

    On flat weights b* is about log2(n) / 2: there rho_EM = (1 + 2 K/n)(1 - 1/K)^2 to first order, which is 1
    at K^2 = n. On heavier tails it comes earlier.

    Args:
        source: the law of the weights.
        n: weights that share a codebook.
        bits: bit-widths in increasing order; none beyond the crossover is computed.

    Returns:
        None if rho_EM does not rise through 1 within the bits.

    Examples:
        >>> from fmq_theory import bounds, sources
        >>> round(bounds.predicted_crossover_bits(sources.Gaussian(), 10**6), 1)
        4.8
        >>> [round(bounds.predicted_crossover_bits(sources.Uniform(), n), 1) for n in (1152, 4096)]
        [5.1, 6.0]
    """
    source = _in_safe_units(source)
    return crossover_bits(bits, lambda b: rho_em(source, 2 ** int(b), n))
