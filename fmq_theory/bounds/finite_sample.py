"""What is proven of codebooks designed on n weights, as statements: bounds of means over samples."""

import math

import numpy as np

from fmq_theory.bounds.bennett import OPTIMAL_ALPHA
from fmq_theory.bounds.bound import Bound
from fmq_theory.bounds.finite_brackets import (
    equal_mass_on_fresh_weights,
    pwl_on_fresh_weights,
    pwl_on_own_weights,
)
from fmq_theory.bounds.finite_equal_mass import (
    SampleMean,
    equal_mass_on_own_weights,
    rank_cells_on_own_weights,
)
from fmq_theory.bounds.memo import remember_for_laws
from fmq_theory.bounds.prediction import Statements
from fmq_theory.bounds.range_law import expected_half_range_squared
from fmq_theory.sources import Source, Uniform

__all__ = [
    "equal_mass_fresh_statements",
    "equal_mass_own_statements",
    "optimum_own_upper_bound",
    "pwl_statements",
    "rank_compander_on_own_weights",
    "uniform_own_statements",
]

_OWN = "codebook and error of the same weights"
_FRESH = "codebook of n weights, error on the law"
_BRACKETS = "conditioning on the neighbours of a cell"


def _statement(mean: SampleMean, n: int, what: str, reference: str) -> Bound:
    if mean.value == 0:
        how = "a level for each weight"
    elif mean.error == 0:
        how = "closed form"
    else:
        how = f"quadrature, relative error about {mean.error / mean.value:.0e}"
    return Bound(mean.value, "exact", None, (f"mean over samples of n = {n:g} weights", what, how), reference)


def equal_mass_own_statements(source: Source, num_levels: int, n: int) -> Statements:
    """``equal_mass_on_own_weights`` as a statement: equality, for every law."""
    return Statements(exact=_statement(equal_mass_on_own_weights(source, num_levels, n), n, _OWN, _BRACKETS))


def equal_mass_fresh_statements(source: Source, num_levels: int, n: int) -> Statements:
    """``equal_mass_on_fresh_weights`` as a statement."""
    return Statements(
        exact=_statement(equal_mass_on_fresh_weights(source, num_levels, n), n, _FRESH, _BRACKETS)
    )


def pwl_statements(source: Source, num_levels: int, n: int) -> tuple[Statements, Statements]:
    """PWL on its own weights and on fresh ones; nothing where some cells hold no weight."""
    own, fresh = pwl_on_own_weights(source, num_levels, n), pwl_on_fresh_weights(source, num_levels, n)
    if own is None or fresh is None:
        nothing = Statements(missing=f"n = {n} <= K = {num_levels}: some cells hold no weight")
        return nothing, nothing
    return (
        Statements(exact=_statement(own, n, _OWN, _BRACKETS)),
        Statements(exact=_statement(fresh, n, _FRESH, _BRACKETS)),
    )


def uniform_own_statements(source: Source, num_levels: int, n: int) -> Statements:
    """Min-max uniform with K levels: the two extremes are levels, the others err by half a step at most.

    So E D <= (n - 2)/n E[R^2]/(K - 1)^2. Errors spread evenly over a step make a third of it: exactly for the
    uniform law, whose weights are uniform between the extremes, and asymptotically in K for every law with a
    density. One level is the mid-range: E D <= E R^2.

    Args:
        source: a law of finite variance.
        num_levels: K >= 1.
        n: weights a sample, n >= 2; codebook and error are of the same weights.

    Returns:
        An upper bound, and for K >= 2 the high-rate law, in squared units of the source.

    Reference:
        theory sections 4 and 9 (docs/theory/s9-codebooks-designed-on-n-weights.md).
    """
    squared = expected_half_range_squared(source, n)
    mean = f"mean over samples of n = {n:g} weights"
    reference = "theory section 4"
    order = 2.0 if math.isfinite(squared) else None
    if num_levels == 1:
        return Statements(upper=Bound(squared, "upper", order, ("K = 1", mean), reference))
    share = (n - 2.0) / n
    largest = share * squared / (num_levels - 1) ** 2 if share > 0 else 0.0
    upper = Bound(largest, "upper", order, ("every K", "range of the weights themselves", mean), reference)
    spread = Bound(
        largest / 3.0,
        "asymptotic",
        order,
        ("many levels, n fixed", "range of the weights themselves", mean),
        reference,
    )
    exact = Bound(spread.value, "exact", order, (mean, _OWN, "closed form"), reference)
    return Statements(exact=exact if isinstance(source, Uniform) else None, upper=upper, high_rate=spread)


@remember_for_laws
def rank_compander_on_own_weights(source: Source, num_levels: int, n: int) -> SampleMean:
    """E D of K cells cut at the ranks n F(t_k), t_k the thresholds of the compander f^(1/3).

    A proven upper bound of the mean of the sample's W2 optimum, whatever the ranks; these suit few weights a
    level.

    Args:
        source: a law with a density, a finite variance and a finite integral of f^(1/3).
        num_levels: K >= 1.
        n: weights a sample.
    """
    thresholds = source.escort(OPTIMAL_ALPHA).ppf(np.arange(1, num_levels) / num_levels)
    cuts = np.rint(n * source.cdf(thresholds)).astype(np.int64)
    sizes = np.diff(np.concatenate(([0], np.clip(cuts, 0, n), [n])))
    sizes = sizes[sizes > 0]
    # Cells without a weight are of use elsewhere: the largest ones are halved.
    spare = min(num_levels, n) - sizes.size
    while spare > 0:
        widest = np.argsort(-sizes)[:spare]
        widest = widest[sizes[widest] > 1]
        halves = sizes[widest] // 2
        sizes[widest] -= halves
        sizes = np.insert(sizes, widest, halves)
        spare = min(num_levels, n) - sizes.size
    return rank_cells_on_own_weights(source, sizes)


def optimum_own_upper_bound(source: Source, num_levels: int, n: int, law: Bound) -> Bound:
    """Upper bound of the mean of the sample's own W2 optimum: the least of three.

    E min <= min E: the optimum of a sample is no worse than any one codebook with K levels, whose mean error
    over samples is its error on the law (``law``), and no worse than any one choice of K cells by rank, such
    as equal mass and the ranks of the compander f^(1/3).

    Args:
        source: a law of finite variance.
        num_levels: K.
        n: weights a sample.
        law: an upper bound of D_LM(K), or of the error of another codebook of K levels on the law.
    """
    mean = (f"bounds the mean over samples of n = {n:g} weights", _OWN)
    if num_levels >= n:
        return Bound(0.0, "upper", None, (*mean, "a level for each weight"), "definition")
    candidates = [law.value, equal_mass_on_own_weights(source, num_levels, n).value]
    names = [law.reference, "equal mass by rank"]
    if math.isfinite(source.density_power_integral(OPTIMAL_ALPHA)):
        candidates.append(rank_compander_on_own_weights(source, num_levels, n).value)
        names.append("ranks of the compander f^(1/3)")
    best = int(np.argmin(candidates))
    return Bound(candidates[best], "upper", law.order, mean, f"E min <= min E with: {names[best]}")
