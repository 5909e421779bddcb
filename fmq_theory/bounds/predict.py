"""What theory says about a scheme by name: the proven bound, the high-rate law and the order."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from fmq_theory.bounds.bennett import OPTIMAL_ALPHA, bennett_high_rate, panter_dite_high_rate
from fmq_theory.bounds.bound import Bound
from fmq_theory.bounds.cells import equal_mass_upper_bound, power_compander_upper_bound
from fmq_theory.bounds.equal_mass import equal_mass_exact
from fmq_theory.bounds.equal_mass_rates import equal_mass_high_rate
from fmq_theory.bounds.hui_neuhoff import best_range_high_rate, best_range_upper_bound
from fmq_theory.bounds.logarithmic import log2_high_rate, log2_upper_bound
from fmq_theory.bounds.midpoint import midpoint_high_rate, midpoint_upper_bound
from fmq_theory.bounds.uniform import uniform_high_rate, uniform_upper_bound
from fmq_theory.errors import SchemeError
from fmq_theory.sources import Source
from fmq_theory.sources.empirical import Empirical

__all__ = ["PREDICTED_SCHEMES", "Prediction", "lloyd_max_upper_bound", "predict"]


_HEAVY_TAIL_ALPHAS = (0.42, 0.5)

_Pair = tuple[Bound | None, Bound | None]  # upper, high rate
_Rule = Callable[[Source, int, int], _Pair]


@dataclass(frozen=True, slots=True)
class Prediction:
    """Theory about one scheme at one K.

    Attributes:
        upper: proven upper bound, or None; its assumptions say whether of the law or of n weights.
        high_rate: asymptotic law (for data an estimate), or None.
        order: p in D = O(K^-p) up to logarithms; None where theory claims no rate.
    """

    upper: Bound | None
    high_rate: Bound | None
    order: float | None


def lloyd_max_upper_bound(source: Source, num_levels: int) -> Bound:
    """The least of some bounds, each of a codebook with K levels: D_LM <= D of every codebook (T2a).

    They are the compander f^(1/3), which is best for large K, and equal mass (exact). For a law also the
    companders nearer to f^(1/2), better where cells by f^(1/3) reach too far into a heavy tail, and the best
    uniform grid. For a law the value bounds the mean over samples of the sample's own optimum too: a minimum
    over codebooks of a functional linear in the law.
    """
    candidates = [power_compander_upper_bound(source, OPTIMAL_ALPHA, num_levels)]
    candidates.append(equal_mass_exact(source, num_levels))
    if not isinstance(source, Empirical):  # for each of thousands of channels these would cost too much
        candidates += [power_compander_upper_bound(source, alpha, num_levels) for alpha in _HEAVY_TAIL_ALPHAS]
        candidates.append(best_range_upper_bound(source, num_levels))
    best = min(candidates, key=lambda bound: bound.value)
    order = 2.0 if source.tail.index > 2 else None
    whose = (
        "of these weights" if isinstance(source, Empirical) else "of the law, and in the mean over samples"
    )
    assumptions = ("every K", whose)
    return Bound(best.value, "upper", order, assumptions, f"theory T2a with: {best.reference}")


def _uniform(source: Source, num_levels: int, n: int) -> _Pair:
    return uniform_upper_bound(source, num_levels, n), uniform_high_rate(source, num_levels, n)


def _uniform_clipped(source: Source, num_levels: int, n: int) -> _Pair:
    if isinstance(source, Empirical):
        # The range of the data is one of the ranges, and its bound costs nothing for each of many channels.
        return uniform_upper_bound(source, num_levels, n), best_range_high_rate(source, num_levels)
    return best_range_upper_bound(source, num_levels), best_range_high_rate(source, num_levels)


def _equal_mass(source: Source, num_levels: int, _n: int) -> _Pair:
    return equal_mass_upper_bound(source, num_levels), equal_mass_high_rate(source, num_levels)


def _pwl(source: Source, num_levels: int, n: int) -> _Pair:
    return midpoint_upper_bound(source, num_levels, n), midpoint_high_rate(source, num_levels)


def _log2(source: Source, num_levels: int, n: int) -> _Pair:
    return log2_upper_bound(source, num_levels, n), log2_high_rate(source, num_levels, n)


def _panter_dite(source: Source, num_levels: int, _n: int) -> _Pair:
    upper = power_compander_upper_bound(source, OPTIMAL_ALPHA, num_levels)
    return upper, panter_dite_high_rate(source, num_levels)


def _lloyd_max(source: Source, num_levels: int, _n: int) -> _Pair:
    return lloyd_max_upper_bound(source, num_levels), panter_dite_high_rate(source, num_levels)


def _no_theory(_source: Source, _num_levels: int, _n: int) -> _Pair:
    return None, None


_RULES: dict[str, _Rule] = {
    "uniform": _uniform,
    "uniform_clipped": _uniform_clipped,
    "equal_mass": _equal_mass,
    "pwl": _pwl,
    "log2": _log2,
    "panter_dite": _panter_dite,
    "lloyd_max": _lloyd_max,
    "ecq": _no_theory,
    "nf4": _no_theory,
    "fp4": _no_theory,
}

PREDICTED_SCHEMES: tuple[str, ...] = tuple(_RULES)
"""The names that ``predict`` knows, besides ``power:ALPHA``, ``ecq:LAMBDA`` and ``published:RULE``."""


def predict(scheme_name: str, source: Source, num_levels: int, sample_size: int) -> Prediction:
    """Theory for ``scheme_name`` with K levels on a law of ``sample_size`` weights, or on data.

    Args:
        scheme_name: one of ``PREDICTED_SCHEMES``, ``power:ALPHA`` (1: equal mass), ``ecq:LAMBDA``,
            ``published:RULE``.
        source: the law or data.
        num_levels: K >= 1.
        sample_size: n; ignored for data, which have their own size and range.

    Raises:
        SchemeError: an unknown scheme, or K < 1.

    Examples:
        >>> from fmq_theory import bounds, sources
        >>> found = bounds.predict("lloyd_max", sources.make("gaussian"), num_levels=16, sample_size=4096)
        >>> found.order, round(found.high_rate.value, 6)  # sqrt(3) pi / 2 / 16^2
        (2.0, 0.010628)
    """
    if num_levels < 1:
        raise SchemeError(
            f"num_levels = {num_levels} for scheme {scheme_name!r}",
            "the number of levels K must be a positive integer",
            "pass 2**bits",
        )
    rule = _rule(scheme_name)
    if source.support[0] == source.support[1]:
        lossless = Bound(0.0, "upper", None, ("all weights are equal, so any scheme is exact",), "definition")
        return Prediction(lossless, None, None)
    upper, high_rate = rule(source, num_levels, sample_size)
    order = next((bound.order for bound in (high_rate, upper) if bound is not None), None)
    return Prediction(upper, high_rate, order)


def _rule(scheme_name: str) -> _Rule:
    if scheme_name in _RULES:
        return _RULES[scheme_name]
    head, _, argument = scheme_name.partition(":")
    if head == "published":  # rounding in float32 is in no bound
        return _no_theory
    if argument:
        try:
            parameter = float(argument)
        except ValueError:
            parameter = math.nan
        if head == "ecq" and parameter >= 0:
            return _no_theory
        if head == "power" and math.isfinite(parameter):
            return _power_rule(parameter)
    raise SchemeError(
        f"scheme {scheme_name!r}",
        "theory does not know it",
        f"choose one of {', '.join(PREDICTED_SCHEMES)}, power:ALPHA, ecq:LAMBDA",
    )


def _power_rule(alpha: float) -> _Rule:
    if alpha == 1.0:
        return _equal_mass

    def rule(source: Source, num_levels: int, _n: int) -> _Pair:
        upper = power_compander_upper_bound(source, alpha, num_levels)
        return upper, bennett_high_rate(source, alpha, num_levels)

    return rule
